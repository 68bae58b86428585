// What is written about a server: zoo.cfg, the dynamic file, myid and JVMFLAGS. The texts of an
// input are parted by zero bytes. Whatever is refused has one line that says why; whatever is taken
// passes checked(), and says the same when it is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "core/config.h"
#include "core/config_sources.h"

namespace vivarium {
namespace {

std::string_view take_text(std::string_view& rest) {
  const size_t size = std::min(rest.find('\0'), rest.size());
  const std::string_view text = rest.substr(0, size);
  rest.remove_prefix(std::min(size + 1, rest.size()));
  return text;
}

bool is_one_line(std::string_view text) {
  return !text.empty() && text.find('\n') == std::string_view::npos;
}

void check_parts(std::string_view zoo_cfg, std::string_view jvm_flags) {
  const Result<std::string> dynamic = parse_dynamic_file(zoo_cfg);
  CHECK(dynamic || is_one_line(dynamic.error().message));
  const Result<std::string> data_dir = parse_data_dir(zoo_cfg);
  CHECK(data_dir ? !data_dir->empty() : is_one_line(data_dir.error().message));
  parse_jvm_flags(jvm_flags);
}

// What servers tell each other about their members, and write down.
void check_membership(std::string_view text) {
  const Result<Membership> membership = parse_membership(text);
  if (!membership) return;
  CHECK(!check_members(membership->members) && membership->voter_count() > 0);
  const Result<Membership> again = parse_membership(to_text(*membership));
  if (again) CHECK(again->version == membership->version);
}

void run(std::string_view input) {
  ConfigTexts texts;
  texts.zoo_cfg = take_text(input);
  texts.my_id = take_text(input);
  texts.dynamic = take_text(input);
  texts.jvm_flags = take_text(input);
  check_parts(texts.zoo_cfg, texts.jvm_flags);
  check_membership(texts.dynamic);
  const Result<ServerFile> file = parse_server_file(texts);
  if (!file) {
    CHECK(is_one_line(file.error().message));
    return;
  }
  CHECK(!file->data_dir.empty() && !file->data_log_dir.empty());
  for (const std::string& warning : file->warnings) CHECK(is_one_line(warning));
  const Result<Config> again = checked(file->config);
  CHECK(again && again->members.size() == file->config.members.size());
  const Result<ServerFile> twice = parse_server_file(texts);
  CHECK(twice && twice->warnings == file->warnings && twice->client == file->client);
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vivarium::run(vivarium::as_text(vivarium::ByteView(data, size)));
  return 0;
}
