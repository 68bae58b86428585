#include "disk/directories.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace vivarium {
namespace {

constexpr mode_t kDirectoryMode = 0750;

tl::unexpected<Error> cannot(const char* verb, const std::string& path) {
  return fail(fmt::format("cannot {} {}: {}", verb, path, std::strerror(errno)));
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<Fd> open_directory(const std::string& path) {
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid()) return cannot("open directory", path);
  return dir;
}

// Creates `path` and its parents where missing; a new name is made durable in its parent.
Result<Fd> make_directory(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) return open_directory(path);
  if (errno != ENOENT) return cannot("open directory", path);
  const Result<Fd> parent = make_directory(parent_of(path));
  if (!parent) return tl::unexpected<Error>(parent.error());
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return cannot("create directory", path);
  }
  if (::fsync(parent->get()) != 0) return cannot("sync the parent of", path);
  return open_directory(path);
}

Result<Fd> lock_directory(const Fd& dir, const std::string& path) {
  Fd lock(::openat(dir.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock.valid()) return cannot("create the lock file in", path);
  std::string owner(32, '\0');
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return cannot("lock", path);
    const ssize_t n = ::pread(lock.get(), owner.data(), owner.size(), 0);
    owner.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (!owner.empty() && owner.back() == '\n') owner.pop_back();
    return fail(fmt::format("data directory {} is in use by another server (process {})", path,
                            owner.empty() ? "unknown" : owner));
  }
  // Only for the message above; the lock is what counts.
  owner = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    return cannot("write the lock file in", path);
  }
  return lock;
}

bool same_directory(const Fd& a, const Fd& b) {
  struct stat sa = {};
  struct stat sb = {};
  return ::fstat(a.get(), &sa) == 0 && ::fstat(b.get(), &sb) == 0 && sa.st_dev == sb.st_dev &&
         sa.st_ino == sb.st_ino;
}

}  // namespace

Result<Directories> open_directories(const std::string& data_dir, const std::string& data_log_dir,
                                     const std::string& config_dir, bool create) {
  const std::string data_path = without_trailing_slashes(data_dir);
  const std::string log_path =
      data_log_dir.empty() ? data_path : without_trailing_slashes(data_log_dir);
  if (data_path.empty()) return fail("the data directory has no name");
  // ZooKeeper's rule: a directory that is not there may be a disk that is not mounted.
  for (const std::string& path : {data_path, log_path}) {
    const std::string version_dir = path + "/version-2";
    if (create || ::access(version_dir.c_str(), F_OK) == 0) continue;
    return fail(fmt::format("cannot open directory {}: {} (datadir.autocreate=false)", version_dir,
                            std::strerror(errno)));
  }

  Result<Fd> root = make_directory(data_path);
  if (!root) return tl::unexpected<Error>(root.error());
  Result<Fd> log_root = make_directory(log_path);
  if (!log_root) return tl::unexpected<Error>(log_root.error());

  Directories result;
  Result<Fd> lock = lock_directory(*root, data_path);
  if (!lock) return tl::unexpected<Error>(lock.error());
  result.data_lock = std::move(*lock);
  if (!same_directory(*root, *log_root)) {
    Result<Fd> log_lock = lock_directory(*log_root, log_path);
    if (!log_lock) return tl::unexpected<Error>(log_lock.error());
    result.log_lock = std::move(*log_lock);
  }
  Result<Fd> snapshots = make_directory(data_path + "/version-2");
  if (!snapshots) return tl::unexpected<Error>(snapshots.error());
  Result<Fd> logs = make_directory(log_path + "/version-2");
  if (!logs) return tl::unexpected<Error>(logs.error());
  Fd config;
  if (!config_dir.empty()) {
    Result<Fd> opened = open_directory(config_dir);
    if (!opened) return tl::unexpected<Error>(opened.error());
    config = std::move(*opened);
  }
  result.dirs = {std::move(*root), std::move(*snapshots), std::move(*logs), std::move(config)};
  return result;
}

}  // namespace vivarium
