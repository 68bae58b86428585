#include "net/process_facts.h"

#include <dirent.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace vivarium {
namespace {

// What Java prints where it knows nothing.
constexpr const char* kUnknown = "<NA>";

std::string absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  if (error) return path;
  std::string text = whole.lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return kUnknown;
  return name.data();
}

std::string current_directory() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::current_path(error);
  return error ? kUnknown : path.string();
}

// Linux 6.2 and later know the number; before, each takes two microseconds.
int64_t count_descriptors() {
  struct stat status = {};
  if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return status.st_size;
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return -1;
  int64_t count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count - 1;  // the one that is read from
}

}  // namespace

void describe_process(uint16_t client_port, ServerFile& file) {
  AdminConfig& admin = file.config.admin;
  admin.client_host = file.client.host;
  const bool has_plain = file.client.port != 0 || !file.tls.enabled();
  admin.client_port = has_plain ? client_port : uint16_t{0};
  admin.data_dir = absolute(file.data_dir);
  admin.data_log_dir = absolute(file.data_log_dir);
  utsname system = {};
  const bool known = uname(&system) == 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): once, before there are threads that ask.
  const passwd* user = getpwuid(geteuid());
  admin.environment = {
      {"host.name", host_name()},
      {"java.version", kUnknown},
      {"java.vendor", kUnknown},
      {"java.home", kUnknown},
      {"java.class.path", kUnknown},
      {"java.library.path", kUnknown},
      {"java.io.tmpdir", kUnknown},
      {"java.compiler", kUnknown},
      {"os.name", known ? system.sysname : kUnknown},
      {"os.arch", known ? system.machine : kUnknown},
      {"os.version", known ? system.release : kUnknown},
      {"user.name", user != nullptr ? user->pw_name : std::to_string(geteuid())},
      {"user.home", user != nullptr ? user->pw_dir : kUnknown},
      {"user.dir", current_directory()},
  };
}

void raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

ProcessFacts read_process_facts() {
  ProcessFacts facts;
  facts.open_descriptors = count_descriptors();
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.descriptors_max = static_cast<int64_t>(limit.rlim_cur);
  }
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re")) {
    long long pages = 0;
    long long resident = 0;
    if (std::fscanf(statm, "%lld %lld", &pages, &resident) == 2) {
      const int64_t page = sysconf(_SC_PAGESIZE);
      facts.virtual_bytes = pages * page;
      facts.resident_bytes = resident * page;
    }
    std::fclose(statm);
  }
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto ms = [](const timeval& t) { return int64_t{t.tv_sec} * 1000 + t.tv_usec / 1000; };
    facts.cpu_ms = ms(usage.ru_utime) + ms(usage.ru_stime);
  }
  return facts;
}

}  // namespace vivarium
