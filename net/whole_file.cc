#include "net/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "disk/fd.h"

namespace vivarium {
namespace {

constexpr size_t kFileMax = 1 << 20;

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
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

}  // namespace vivarium
