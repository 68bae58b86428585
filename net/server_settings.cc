#include "net/server_settings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "disk/fd.h"

namespace vivarium {
namespace {

constexpr size_t kFileMax = 1 << 20;

Result<std::string> read_file(const std::string& path) {
  const auto cannot = [&](const char* why) {
    return fail(fmt::format("cannot read {}: {}", path, why));
  };
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return cannot(std::strerror(errno));
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot(std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
    if (text.size() > kFileMax) return cannot("it is larger than any configuration");
  }
}

}  // namespace

Result<ServerFile> settings_from_file(const std::string& zoo_cfg) {
  const Result<std::string> text = read_file(zoo_cfg);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto in_file = [&](const Error& error) {
    return fail(fmt::format("{}: {}", zoo_cfg, error.message));
  };
  const Result<std::string> data_dir = parse_data_dir(*text);
  if (!data_dir) return in_file(data_dir.error());
  std::string my_id;
  const std::string my_id_path = *data_dir + "/myid";
  if (::access(my_id_path.c_str(), F_OK) == 0) {
    Result<std::string> content = read_file(my_id_path);
    if (!content) return tl::unexpected<Error>(content.error());
    my_id = std::move(*content);
  }
  Result<ServerFile> file = parse_server_file(*text, my_id);
  if (!file) return in_file(file.error());
  return file;
}

Result<ServerFile> settings_from_flags(const std::string& data_dir, const Address& client) {
  if (data_dir.empty()) return fail("--data-dir is empty");
  Result<Config> config = checked(Config{});
  if (!config) return tl::unexpected<Error>(config.error());
  ServerFile file;
  file.config = std::move(*config);
  file.data_dir = data_dir;
  file.data_log_dir = data_dir;
  file.client = client;
  return file;
}

}  // namespace vivarium
