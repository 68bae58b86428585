#include "disk/name_lane.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr mode_t kFileMode = 0640;

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::Read:
      return O_RDONLY | O_CLOEXEC;
    case OpenMode::Update:
      return O_RDWR | O_CREAT | O_CLOEXEC;
    case OpenMode::Create:
      return O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
  }
  CHECK(false);
  return 0;
}

}  // namespace

NameLane::NameLane(DiskShared& shared, std::array<int, kDirs> dirs, std::string hidden_name)
    : shared_(shared),
      dirs_(dirs),
      hidden_name_(std::move(hidden_name)),
      reclaimer_(shared.calls()) {
  for (const Dir dir : {Dir::Root, Dir::Snapshots, Dir::Logs}) measure_free(dir);
}

uint64_t NameLane::free_bytes(Dir dir) const {
  return free_bytes_[static_cast<size_t>(dir)].load(std::memory_order_relaxed);
}

void NameLane::run(std::vector<DiskOp>& batch) {
  for (DiskOp& op : batch) {
    if (shared_.dead()) return;
    execute(op);
  }
}

void NameLane::execute(DiskOp& op) {
  switch (op.kind) {
    case DiskOp::Kind::Open:
      return open(*op.file);
    case DiskOp::Kind::Rename:
      return rename(op);
    case DiskOp::Kind::Remove:
      return remove(op);
    case DiskOp::Kind::SyncDir:
      return sync_dir(op);
    case DiskOp::Kind::List:
      return list(op);
    case DiskOp::Kind::MeasureFree:
      return measure_free(op.dir);
    case DiskOp::Kind::Write:
    case DiskOp::Kind::Preallocate:
    case DiskOp::Kind::Truncate:
    case DiskOp::Kind::Sync:
    case DiskOp::Kind::Read:
    case DiskOp::Kind::EndCoded:
    case DiskOp::Kind::Close:
      break;
  }
  CHECK(false);
}

void NameLane::open(OpenFile& file) {
  int fd = -1;
  do {
    fd = shared_.calls().openat(this->fd(file.dir), file.name.c_str(), open_flags(file.mode),
                                kFileMode);
  } while (fd < 0 && errno == EINTR);
  struct stat status = {};
  int error = fd < 0 ? errno : 0;
  Fd owned(fd);
  if (error == 0 && fstat(fd, &status) != 0) error = errno;
  if (error == 0 && !S_ISREG(status.st_mode)) error = EINVAL;

  Completion done;
  done.file = file.id;
  if (error == 0) {
    file.fd = std::move(owned);
    done.kind = Completion::Kind::Opened;
    done.offset = static_cast<uint64_t>(status.st_size);
  } else {
    const bool missing = error == ENOENT && file.mode == OpenMode::Read;
    if (!missing && file.on_error == OnError::Stop) {
      return shared_.die(fmt::format("open of {}", file.name), error);
    }
    file.failed = true;
    done.kind = Completion::Kind::Failed;
    done.error = missing ? FileError::NotFound : file_error(error);
  }
  shared_.post(std::move(done));
}

void NameLane::rename(const DiskOp& op) {
  if (shared_.calls().renameat(fd(op.dir), op.name.c_str(), op.to.c_str()) != 0) {
    shared_.die(fmt::format("rename of {} to {}", op.name, op.to), errno);
  }
}

// Opened first, so that it is not freed by the removal.
void NameLane::remove(const DiskOp& op) {
  Fd file(::openat(fd(op.dir), op.name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (shared_.calls().unlinkat(fd(op.dir), op.name.c_str()) != 0 && errno != ENOENT) {
    return shared_.die(fmt::format("removal of {}", op.name), errno);
  }
  struct stat status = {};
  if (!file.valid() || fstat(file.get(), &status) != 0) return;
  if (S_ISREG(status.st_mode) && status.st_nlink == 0) reclaimer_.add(std::move(file));
}

void NameLane::sync_dir(const DiskOp& op) {
  if (shared_.calls().fsync(fd(op.dir)) != 0) {
    return shared_.die("fsync of a data directory", errno);
  }
  Completion done;
  done.kind = Completion::Kind::DirSynced;
  done.dir = op.dir;
  done.token = op.token;
  shared_.post(std::move(done));
}

void NameLane::list(const DiskOp& op) {
  Completion done;
  done.kind = Completion::Kind::Listed;
  done.dir = op.dir;
  done.token = op.token;
  // A descriptor of its own: closedir() closes it, and the position of a shared one would move.
  Fd copy(::openat(fd(op.dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* stream = copy.valid() ? fdopendir(copy.get()) : nullptr;
  if (stream == nullptr) return shared_.die("listing of a data directory", errno);
  copy.release();
  // A name that cannot be looked at must not be left out: recovery would take its absence for a
  // fact.
  int error = 0;
  while (error == 0) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    struct stat status = {};
    if (fstatat(dirfd(stream), entry->d_name, &status, 0) != 0) {
      error = errno == ENOENT ? 0 : errno;  // a dangling symbolic link is no file
    } else if (S_ISREG(status.st_mode) && hidden_name_ != entry->d_name) {
      done.entries.push_back({entry->d_name, static_cast<uint64_t>(status.st_size)});
    }
  }
  closedir(stream);
  if (error != 0) return shared_.die("listing of a data directory", error);
  std::sort(done.entries.begin(), done.entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  shared_.post(std::move(done));
}

void NameLane::measure_free(Dir dir) {
  struct statvfs status = {};
  if (fstatvfs(fd(dir), &status) != 0) return;
  free_bytes_[static_cast<size_t>(dir)].store(uint64_t{status.f_bavail} * status.f_frsize,
                                              std::memory_order_relaxed);
}

}  // namespace vivarium
