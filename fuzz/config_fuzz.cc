// What is written about a server: zoo.cfg, myid, the dynamic file, JVMFLAGS, a JAAS file, and rules
// for Kerberos names with a name. The texts of an input are parted by zero bytes. Whatever is
// refused has one line that says why; whatever is taken passes checked(), and says the same when it
// is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/auth_settings.h"
#include "core/base/check.h"
#include "core/config.h"
#include "core/config_sources.h"
#include "core/kerberos_name.h"
#include "core/tree/acl.h"

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

void check_jaas(std::string_view text) {
  const Result<std::optional<SaslLogin>> login = parse_jaas(text, "Server");
  if (!login) {
    CHECK(is_one_line(login.error().message));
  } else if (*login) {
    CHECK(!(*login)->users.empty() || (*login)->kerberos);
  }
}

// Rules shorten names, and whatever they make is an id that an ACL may hold.
void check_kerberos(std::string_view rules, std::string_view principal) {
  Result<AuthToLocal> read = AuthToLocal::parse(rules);
  CHECK(read || is_one_line(read.error().message));
  if (!read) return;
  for (const bool removes : {false, true}) {
    const KerberosNaming naming{*read, removes, removes};
    const Result<std::string> id = sasl_id_of(principal, naming, "REALM");
    CHECK(id ? !id->empty() && is_valid_sasl_id(*id) : is_one_line(id.error().message));
  }
}

void run(std::string_view input) {
  ConfigTexts texts;
  texts.zoo_cfg = take_text(input);
  texts.my_id = take_text(input);
  texts.dynamic = take_text(input);
  texts.jvm_flags = take_text(input);
  check_parts(texts.zoo_cfg, texts.jvm_flags);
  check_membership(texts.dynamic);
  check_jaas(take_text(input));
  const std::string_view rules = take_text(input);
  check_kerberos(rules, take_text(input));
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
