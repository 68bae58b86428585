// FileDisk beyond the contract of World: group commit, failing system calls, full disks, locks.
#include "disk/file_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <system_error>

#include "tests/contract/actor.h"
#include "tests/contract/real_worlds.h"

namespace vivarium::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Counts what reaches the system, holds syncs back, and makes a chosen call fail.
class WatchedCalls : public Syscalls {
 public:
  enum class Call {
    None,
    Openat,
    Pwritev,
    Pread,
    Fdatasync,
    Fsync,
    Ftruncate,
    Fallocate,
    Renameat,
    Unlinkat
  };

  void fail(Call call, int error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failing_ = call;
    error_ = error;
  }
  void hold_syncs() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = true;
  }
  void release_syncs() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  // Waits until a sync is held back.
  void await_held() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  int count(Call call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counts_[static_cast<size_t>(call)];
  }
  // From now on pwritev and pread take this many bytes at most, and every other call is
  // interrupted.
  void chop(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    chop_ = bytes;
  }

  int openat(int dir, const char* name, int flags, mode_t mode) override {
    return fails(Call::Openat) ? -1 : Syscalls::openat(dir, name, flags, mode);
  }
  ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) override {
    if (fails(Call::Pwritev) || interrupted()) return -1;
    const size_t most = chop_size();
    if (most == 0) return Syscalls::pwritev(fd, parts, count, offset);
    const iovec less{parts->iov_base, std::min(parts->iov_len, most)};
    return Syscalls::pwritev(fd, &less, 1, offset);
  }
  ssize_t pread(int fd, void* out, size_t length, off_t offset) override {
    if (fails(Call::Pread) || interrupted()) return -1;
    const size_t most = chop_size();
    return Syscalls::pread(fd, out, most == 0 ? length : std::min(length, most), offset);
  }
  int fdatasync(int fd) override {
    if (fails(Call::Fdatasync)) return -1;
    std::unique_lock<std::mutex> lock(mutex_);
    if (held_) {
      waiting_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
      waiting_ = false;
    }
    lock.unlock();
    return Syscalls::fdatasync(fd);
  }
  int fsync(int fd) override { return fails(Call::Fsync) ? -1 : Syscalls::fsync(fd); }
  int ftruncate(int fd, off_t size) override {
    return fails(Call::Ftruncate) ? -1 : Syscalls::ftruncate(fd, size);
  }
  int fallocate(int fd, off_t offset, off_t length) override {
    return fails(Call::Fallocate) ? -1 : Syscalls::fallocate(fd, offset, length);
  }
  int renameat(int dir, const char* from, const char* to) override {
    return fails(Call::Renameat) ? -1 : Syscalls::renameat(dir, from, to);
  }
  int unlinkat(int dir, const char* name) override {
    return fails(Call::Unlinkat) ? -1 : Syscalls::unlinkat(dir, name);
  }

 private:
  bool fails(Call call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_[static_cast<size_t>(call)];
    if (failing_ != call) return false;
    errno = error_;
    return true;
  }
  size_t chop_size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return chop_;
  }
  bool interrupted() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (chop_ == 0) return false;
    interrupt_ = !interrupt_;
    errno = EINTR;
    return interrupt_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<int, 10> counts_{};
  Call failing_ = Call::None;
  int error_ = 0;
  bool held_ = false;
  bool waiting_ = false;
  bool interrupt_ = false;
  size_t chop_ = 0;
};
using Call = WatchedCalls::Call;

// A disk without a loop: the test takes the completions.
class Disk {
 public:
  explicit Disk(const std::string& directory, bool fatal_returns = true) {
    FileDiskOptions options;
    options.data_dir = directory;
    options.calls = calls;
    if (fatal_returns) options.fatal = [this](const std::string& line) { note_fatal(line); };
    auto made = FileDisk::make(std::move(options));
    EXPECT_TRUE(made) << made.error().message;
    if (made) disk = std::move(*made);
  }
  FileId open(std::string_view name, OnError on_error, Lane lane = Lane::Log) {
    const FileId file = disk->open(Dir::Logs, name, OpenMode::Update, lane, on_error);
    settle([&] { return has<FileOpened>(file); });
    return file;
  }
  // Hands over what was issued, and takes completions until `done`.
  void settle(const std::function<bool()>& done) {
    disk->flush(Instant{});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("the completion never came");
      }
      pollfd ready{disk->wake_fd(), POLLIN, 0};
      ::poll(&ready, 1, 10);
      disk->deliver([this](const Event& event) { take(event); });
      disk->flush(Instant{});
    }
  }
  template <class E>
  bool has(FileId file) const {
    for (const Event& event : events) {
      const E* one = std::get_if<E>(&event);
      if (one != nullptr && one->file == file) return true;
    }
    return false;
  }
  std::string fatal_line() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fatal_line_;
  }

  std::shared_ptr<WatchedCalls> calls = std::make_shared<WatchedCalls>();
  std::vector<Event> events;  // without what they borrow
  std::vector<uint64_t> synced;
  std::vector<Bytes> read;
  std::unique_ptr<FileDisk> disk;

 private:
  void take(const Event& event) {
    events.push_back(event);
    if (const auto* one = std::get_if<FileSynced>(&event)) synced.push_back(one->token);
    if (const auto* one = std::get_if<ReadDone>(&event)) {
      read.emplace_back(one->bytes.begin(), one->bytes.end());
    }
  }
  void note_fatal(const std::string& line) {
    const std::lock_guard<std::mutex> lock(mutex_);
    fatal_line_ = line;
  }

  std::mutex mutex_;
  std::string fatal_line_;
};

TEST(FileDisk, WritesDuringASyncBecomeOneWriteAndOneSync) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.calls->hold_syncs();
  disk.disk->write(file, 0, as_bytes("first"));
  disk.disk->sync(file, 0);
  disk.disk->flush(Instant{});
  disk.calls->await_held();
  const int writes = disk.calls->count(Call::Pwritev);
  const int syncs = disk.calls->count(Call::Fdatasync);
  EXPECT_EQ(writes, 1);

  Bytes expected = Bytes(as_bytes("first").begin(), as_bytes("first").end());
  std::vector<uint64_t> tokens{0};
  for (uint64_t i = 1; i <= 100; ++i) {
    const Bytes record = pattern(100, i);
    if (i % 2 == 0) {
      disk.disk->write(file, expected.size(), record);
    } else {
      disk.disk->write_shared(file, expected.size(), share(Bytes(record)));
    }
    append_bytes(expected, record);
    disk.disk->sync(file, i);
    disk.disk->flush(Instant{});
    tokens.push_back(i);
  }
  disk.calls->release_syncs();
  disk.settle([&] { return disk.synced.size() == 101; });
  EXPECT_EQ(disk.synced, tokens);
  EXPECT_EQ(disk.calls->count(Call::Pwritev), writes + 1);
  EXPECT_EQ(disk.calls->count(Call::Fdatasync), syncs + 1);
  EXPECT_EQ(text_of(directory.path() + "/version-2/log.1"), as_text(expected));
}

class Removal : public ::testing::Test {
 protected:
  void make(const std::string& name, uint64_t size) {
    std::ofstream(path(name)).close();
    std::filesystem::resize_file(path(name), size);
  }
  std::string path(const std::string& name) const {
    return directory_.path() + "/version-2/" + name;
  }
  void await_truncations(int count) {
    disk_.settle([&] { return disk_.calls->count(Call::Ftruncate) == before_ + count; });
  }

  TemporaryDirectory directory_;
  Disk disk_{directory_.path()};
  int before_ = 0;
};

TEST_F(Removal, FreesAMebibyteAtATime) {
  make("log.1", (5 << 20) + 17);
  before_ = disk_.calls->count(Call::Ftruncate);
  disk_.disk->remove(Dir::Logs, "log.1");
  await_truncations(5);
  EXPECT_FALSE(std::filesystem::exists(path("log.1")));
}

TEST_F(Removal, LeavesAFileWholeForWhoeverReadsIt) {
  make("log.1", 3 << 20);
  make("log.2", 2 << 20);
  const Fd reader(::open(path("log.1").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  before_ = disk_.calls->count(Call::Ftruncate);
  disk_.disk->remove(Dir::Logs, "log.1");
  disk_.disk->remove(Dir::Logs, "log.2");
  await_truncations(1);  // the second's, behind the first
  struct stat status = {};
  ASSERT_EQ(fstat(reader.get(), &status), 0);
  EXPECT_EQ(status.st_size, 3 << 20);
  EXPECT_EQ(status.st_nlink, 0U);
}

TEST_F(Removal, LeavesAFileThatHasAnotherName) {
  make("log.1", 3 << 20);
  make("log.2", 2 << 20);
  std::filesystem::create_hard_link(path("log.1"), path("kept"));
  before_ = disk_.calls->count(Call::Ftruncate);
  disk_.disk->remove(Dir::Logs, "log.1");
  disk_.disk->remove(Dir::Logs, "log.2");
  await_truncations(1);
  EXPECT_EQ(std::filesystem::file_size(path("kept")), uintmax_t{3} << 20);
}

TEST_F(Removal, GoesOnWhereFreeingBitByBitFails) {
  make("log.1", 3 << 20);
  before_ = disk_.calls->count(Call::Ftruncate);
  disk_.calls->fail(Call::Ftruncate, EIO);
  disk_.disk->remove(Dir::Logs, "log.1");
  await_truncations(1);
  disk_.calls->fail(Call::None, 0);
  make("log.2", 2 << 20);
  before_ = disk_.calls->count(Call::Ftruncate);
  disk_.disk->remove(Dir::Logs, "log.2");
  await_truncations(1);
  EXPECT_EQ(disk_.fatal_line(), "");
}

TEST(FileDisk, ABulkLaneThatHangsStallsNeitherTheLogNorNames) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId snapshot = disk.open("snapshot.tmp", OnError::Report, Lane::Bulk);
  const FileId log = disk.open("spare", OnError::Stop);
  disk.calls->hold_syncs();
  disk.disk->write(snapshot, 0, as_bytes("large"));
  disk.disk->sync(snapshot, 1);
  disk.disk->flush(Instant{});
  disk.calls->await_held();
  disk.disk->rename(Dir::Logs, "spare", "log.1");
  disk.disk->sync_dir(Dir::Logs, 2);
  disk.disk->write(log, 0, as_bytes("record"));
  disk.disk->read(log, 0, 100, 3);
  disk.settle([&] { return !disk.read.empty(); });
  EXPECT_EQ(as_text(disk.read.front()), "record");
  const auto dir_synced = [&] {
    for (const Event& event : disk.events) {
      if (std::holds_alternative<DirSynced>(event)) return true;
    }
    return false;
  };
  disk.settle(dir_synced);
  EXPECT_EQ(text_of(directory.path() + "/version-2/log.1"), "record");
  EXPECT_FALSE(disk.has<FileSynced>(snapshot));
  disk.calls->release_syncs();
  disk.settle([&] { return disk.has<FileSynced>(snapshot); });
}

TEST(FileDisk, ShortAndInterruptedCallsAreCarriedOn) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.calls->chop(7);
  const Bytes content = pattern(1000, 1);
  disk.disk->write(file, 0, content);
  disk.disk->write_shared(file, 1000, share(pattern(500, 2)));
  disk.disk->read(file, 0, 2000, 1);
  disk.settle([&] { return !disk.read.empty(); });
  Bytes expected = content;
  append_bytes(expected, pattern(500, 2));
  EXPECT_TRUE(disk.read.front() == expected);
}

TEST(FileDisk, AFailedSyncIsNeverRetried) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.calls->fail(Call::Fdatasync, EIO);
  disk.disk->write(file, 0, as_bytes("record"));
  disk.disk->sync(file, 1);
  disk.settle([&] { return disk.disk->dead() && !disk.fatal_line().empty(); });
  disk.calls->fail(Call::None, 0);
  disk.disk->sync(file, 2);
  disk.disk->write(file, 0, as_bytes("again"));
  disk.disk->finish();
  EXPECT_EQ(disk.calls->count(Call::Fdatasync), 1);
  EXPECT_EQ(disk.calls->count(Call::Pwritev), 1);
  EXPECT_TRUE(disk.synced.empty());
  EXPECT_THAT(disk.fatal_line(), HasSubstr("fdatasync of log.1"));
  EXPECT_THAT(disk.fatal_line(), HasSubstr("Input/output error"));
}

void write_and_sync(FileDisk& disk, FileId file) {
  disk.write(file, 0, as_bytes("x"));
  disk.sync(file, 1);
}

// Each operation that a log, an epoch or a name depends on, made to fail: the process must end.
TEST(FileDisk, EveryFailureOfAStopFileIsFatal) {
  struct Case {
    Call call;
    int error;
    const char* says;
    std::function<void(FileDisk&, FileId)> provoke;
  };
  const std::vector<Case> cases{
      {Call::Pwritev, EIO, "write of f", write_and_sync},
      {Call::Pwritev, ENOSPC, "No space", write_and_sync},
      {Call::Fdatasync, ENOSPC, "fdatasync", [](auto& d, FileId f) { d.sync(f, 1); }},
      {Call::Ftruncate, EIO, "truncate", [](auto& d, FileId f) { d.truncate(f, 0); }},
      {Call::Fallocate, EIO, "preallocate", [](auto& d, FileId f) { d.preallocate(f, 0, 10); }},
      {Call::Pread, EIO, "read of f",
       [](auto& d, FileId f) {
         d.write(f, 0, as_bytes("x"));
         d.read(f, 0, 1, 1);
       }},
      {Call::Renameat, EIO, "rename of f to g",
       [](auto& d, FileId) { d.rename(Dir::Logs, "f", "g"); }},
      {Call::Unlinkat, EROFS, "removal of f", [](auto& d, FileId) { d.remove(Dir::Logs, "f"); }},
      {Call::Fsync, EIO, "fsync", [](auto& d, FileId) { d.sync_dir(Dir::Logs, 1); }},
      {Call::Openat, EMFILE, "open of new", [](auto& d, FileId) {
         d.open(Dir::Logs, "new", OpenMode::Create, Lane::Log, OnError::Stop);
       }}};
  for (const Case& one : cases) {
    const TemporaryDirectory directory;
    Disk disk(directory.path());
    const FileId file = disk.open("f", OnError::Stop);
    disk.events.clear();
    disk.calls->fail(one.call, one.error);
    one.provoke(*disk.disk, file);
    disk.settle([&] { return disk.disk->dead() && !disk.fatal_line().empty(); });
    EXPECT_THAT(disk.fatal_line(), HasSubstr(one.says));
    EXPECT_TRUE(disk.events.empty()) << one.says;
  }
}

TEST(FileDisk, AFailureOfAReportFileIsTold) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("snapshot.1", OnError::Report);
  disk.calls->fail(Call::Pwritev, EIO);
  disk.disk->write(file, 0, as_bytes("x"));
  disk.disk->sync(file, 1);
  disk.settle([&] { return disk.has<FileFailed>(file); });
  EXPECT_EQ(std::get<FileFailed>(disk.events.back()).error, FileError::Io);
  disk.calls->fail(Call::None, 0);
  const FileId again = disk.open("snapshot.1", OnError::Report);
  EXPECT_NE(again, file);
  disk.disk->write(file, 0, as_bytes("of the dead handle"));
  disk.disk->close(file);
  disk.disk->sync(again, 2);
  disk.settle([&] { return disk.has<FileSynced>(again); });
  EXPECT_EQ(text_of(directory.path() + "/version-2/snapshot.1"), "");
}

// Compressed files are smaller than what they hold, and damage in one is told as such.
TEST(FileDisk, ACodedFileThatIsDamagedIsTold) {
  for (const Coding coding : {Coding::Gzip, Coding::Snappy}) {
    RealWorlds worlds;
    Actor a(worlds);
    const std::string path = worlds.directory(a.host()) + "/version-2/coded";
    const std::string content(200'000, 'x');
    FileId file;
    a.act([&](World& world) {
      file = a.open_coded(world, Dir::Snapshots, "coded", OpenMode::Create, coding);
      world.write(file, 0, as_bytes(content));
      world.end_coded(file);
      world.sync(file, 1);
    });
    a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
    std::string coded = text_of(path);
    EXPECT_LT(coded.size(), content.size() / 10);
    const auto failure = [&](const std::string& bytes) -> std::optional<FileError> {
      std::ofstream(path, std::ios::binary) << bytes;
      FileId again;
      a.act([&](World& world) {
        again = a.open_coded(world, Dir::Snapshots, "coded", OpenMode::Read, coding);
        world.read(again, 0, 10 * content.size(), 1);  // damage may make more of it
      });
      a.wait([&] { return a.count<FileFailed>(again) + a.count<ReadDone>(again) == 1; }, "an end");
      if (a.count<ReadDone>(again) == 1) return std::nullopt;
      return a.all<FileFailed>().back().error;
    };
    EXPECT_EQ(failure(coded), std::nullopt);
    EXPECT_EQ(failure(coded.substr(0, coded.size() - 1)), FileError::Damaged);
    EXPECT_EQ(failure(""), FileError::Damaged);
    EXPECT_EQ(failure(content), FileError::Damaged) << "it is not compressed at all";
    // Of snappy the length of a block: its content has no checksum but the snapshot's own.
    const size_t at = coding == Coding::Gzip ? coded.size() / 2 : 16;
    coded[at] = static_cast<char>(~coded[at]);
    EXPECT_EQ(failure(coded), FileError::Damaged);
  }
}

TEST(FileDisk, PreallocateThatFailsHalfwayLeavesTheFileAsItWas) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.disk->write(file, 0, as_bytes("head"));
  disk.disk->sync(file, 1);
  disk.settle([&] { return disk.has<FileSynced>(file); });
  // The extents are granted, the zeros are not: a file system that copies on write.
  disk.calls->fail(Call::Pwritev, ENOSPC);
  disk.disk->preallocate(file, 4, 1 << 20);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_FALSE(std::get<Preallocated>(disk.events.back()).ok);
  EXPECT_EQ(text_of(directory.path() + "/version-2/log.1"), "head");
  EXPECT_FALSE(disk.disk->dead());
}

TEST(FileDisk, PreallocateWorksWhereFallocateDoesNot) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.calls->fail(Call::Fallocate, EOPNOTSUPP);
  disk.disk->preallocate(file, 0, 3'000'000);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_TRUE(std::get<Preallocated>(disk.events.back()).ok);
  EXPECT_EQ(text_of(directory.path() + "/version-2/log.1"), std::string(3'000'000, '\0'));
}

TEST(FileDisk, PreallocatedBlocksHoldRealZeros) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("log.1", OnError::Stop);
  disk.disk->preallocate(file, 0, 1 << 20);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_GT(disk.calls->count(Call::Pwritev), 0);
  struct stat status = {};
  ASSERT_EQ(::stat((directory.path() + "/version-2/log.1").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 1 << 20) << "no hole";
}

TEST(FileDisk, ZerosGoToTheDiskInPieces) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("spare.1", OnError::Report);
  const int writes = disk.calls->count(Call::Pwritev);
  const int syncs = disk.calls->count(Call::Fdatasync);
  disk.disk->preallocate(file, 0, 5 << 20);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_EQ(disk.calls->count(Call::Pwritev) - writes, 10);
  EXPECT_EQ(disk.calls->count(Call::Fdatasync) - syncs, 10);
  EXPECT_EQ(text_of(directory.path() + "/version-2/spare.1"), std::string(5 << 20, '\0'));

  disk.calls->fail(Call::Fdatasync, EIO);
  disk.disk->preallocate(file, 5 << 20, 1 << 20);
  disk.settle([&] { return disk.has<FileFailed>(file); });
  EXPECT_FALSE(disk.disk->dead());
}

TEST(FileDisk, ZerosEndWhereSomebodyWaitsForTheFile) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("spare.1", OnError::Report);
  const int writes = disk.calls->count(Call::Pwritev);
  disk.disk->preallocate(file, 0, 5 << 20);
  disk.disk->hurry(file);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_EQ(disk.calls->count(Call::Pwritev), writes);
  const std::string path = directory.path() + "/version-2/spare.1";
  EXPECT_EQ(text_of(path), std::string(5 << 20, '\0'));
  struct stat status = {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 5 << 20) << "no hole";
}

TEST(FileDisk, ZerosAreWrittenForWhoeverWaitsWhereNothingCanBeSetAside) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  const FileId file = disk.open("spare.1", OnError::Report);
  disk.calls->fail(Call::Fallocate, EOPNOTSUPP);
  disk.disk->preallocate(file, 0, 3'000'000);
  disk.disk->hurry(file);
  disk.settle([&] { return disk.has<Preallocated>(file); });
  EXPECT_EQ(text_of(directory.path() + "/version-2/spare.1"), std::string(3'000'000, '\0'));
}

TEST(FileDisk, ADirectoryHasOneServer) {
  const TemporaryDirectory directory;
  auto first = FileDisk::make({directory.path(), "", {}, {}, {}});
  ASSERT_TRUE(first) << first.error().message;
  const auto second = FileDisk::make({directory.path(), "", {}, {}, {}});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("in use"));
  EXPECT_THAT(second.error().message, HasSubstr(directory.path()));
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(getpid())));
  // The log directory of one may not be the data directory of another.
  const TemporaryDirectory other;
  EXPECT_FALSE(FileDisk::make({other.path(), directory.path(), {}, {}, {}}));
  first->reset();
  EXPECT_TRUE(FileDisk::make({directory.path(), "", {}, {}, {}}));
  EXPECT_TRUE(FileDisk::make({other.path(), directory.path(), {}, {}, {}}));
}

TEST(FileDisk, DirectoriesAreMadeWithoutAccessForStrangers) {
  const TemporaryDirectory directory;
  const std::string data = directory.path() + "/a/b/data/";
  const std::string logs = directory.path() + "/logs";
  {
    auto disk = FileDisk::make({data, logs, {}, {}, {}});
    ASSERT_TRUE(disk) << disk.error().message;
    (*disk)->open(Dir::Root, "in-root", OpenMode::Create, Lane::Log, OnError::Stop);
    (*disk)->open(Dir::Snapshots, "in-snapshots", OpenMode::Create, Lane::Log, OnError::Stop);
    (*disk)->open(Dir::Logs, "in-logs", OpenMode::Create, Lane::Log, OnError::Stop);
    (*disk)->finish();
  }
  const auto mode = [](const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777U;
  };
  EXPECT_EQ(mode(directory.path() + "/a") & 0027U, 0U);
  EXPECT_EQ(mode(data) & 0027U, 0U);
  EXPECT_EQ(mode(logs + "/version-2") & 0027U, 0U);
  EXPECT_EQ(mode(data + "in-root") & 0137U, 0U);
  EXPECT_EQ(mode(data + "version-2/in-snapshots") & 0137U, 0U);
  EXPECT_EQ(mode(logs + "/version-2/in-logs") & 0137U, 0U);
}

TEST(FileDisk, DescriptorsAreNotInherited) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  disk.open("log.1", OnError::Stop);
  size_t ours = 0;
  DIR* descriptors = opendir("/proc/self/fd");
  ASSERT_NE(descriptors, nullptr);
  while (const dirent* entry = readdir(descriptors)) {
    char target[4096] = {};
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    if (readlink(link.c_str(), target, sizeof target - 1) <= 0) continue;
    if (std::string_view(target).find(directory.path()) == std::string_view::npos) continue;
    ++ours;
    EXPECT_NE(fcntl(std::stoi(entry->d_name), F_GETFD) & FD_CLOEXEC, 0) << target;
  }
  closedir(descriptors);
  EXPECT_GE(ours, 5U) << "three directories, the lock and the file";
}

TEST(FileDisk, ADirectoryThatCannotBeIsOneClearError) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() + "/file") << "";
  const auto disk = FileDisk::make({directory.path() + "/file/data", "", {}, {}, {}});
  ASSERT_FALSE(disk);
  EXPECT_THAT(disk.error().message, HasSubstr(directory.path() + "/file/data"));
  EXPECT_THAT(disk.error().message, HasSubstr("Not a directory"));
}

TEST(FileDisk, ClosingFreesTheDescriptor) {
  const TemporaryDirectory directory;
  Disk disk(directory.path());
  // Of log files: the disk's threads open other things for a moment.
  const auto descriptors = [] {
    size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string name = std::filesystem::read_symlink(entry, gone).filename();
      if (name.starts_with("log.")) ++n;
    }
    return n;
  };
  const FileId kept = disk.open("log.kept", OnError::Stop);
  for (int i = 0; i < 20; ++i) {
    disk.disk->close(disk.open("log.opened and closed", OnError::Stop));
    disk.disk->close(disk.disk->open(Dir::Logs, "log.closed at once", OpenMode::Update, Lane::Bulk,
                                     OnError::Stop));
    disk.disk->close(
        disk.disk->open(Dir::Logs, "log.missing", OpenMode::Read, Lane::Bulk, OnError::Stop));
  }
  disk.disk->finish();
  EXPECT_EQ(descriptors(), 1U);
  disk.disk->close(kept);
  disk.disk->finish();
  EXPECT_EQ(descriptors(), 0U);
}

TEST(FileDisk, ASmallFileSystemFillsUpAndServesOn) {
  const TemporaryDirectory directory;
  if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
    GTEST_SKIP() << "tmpfs cannot be mounted here";
  }
  {
    Disk disk(directory.path());
    EXPECT_LE(disk.disk->free_bytes(Dir::Logs), 2U << 20);
    const FileId file = disk.open("log.1", OnError::Stop);
    disk.disk->preallocate(file, 0, 1 << 20);
    disk.disk->preallocate(file, 1 << 20, 8 << 20);
    disk.disk->write(file, 0, as_bytes("record"));
    disk.disk->sync(file, 1);
    disk.settle([&] { return disk.has<FileSynced>(file); });
    std::vector<bool> granted;
    for (const Event& event : disk.events) {
      const auto* one = std::get_if<Preallocated>(&event);
      if (one != nullptr) granted.push_back(one->ok);
    }
    EXPECT_THAT(granted, ElementsAre(true, false));
    struct stat status = {};
    ASSERT_EQ(::stat((directory.path() + "/version-2/log.1").c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 1 << 20);
    EXPECT_EQ(status.st_blocks * 512, 1 << 20) << "the refused blocks are free again";

    const FileId snapshot = disk.open("snapshot.1", OnError::Report, Lane::Bulk);
    disk.disk->write(snapshot, 0, pattern(4 << 20, 1));
    disk.settle([&] { return disk.has<FileFailed>(snapshot); });
    EXPECT_EQ(std::get<FileFailed>(disk.events.back()).error, FileError::NoSpace);
    EXPECT_FALSE(disk.disk->dead());
  }
  EXPECT_EQ(::umount(directory.path().c_str()), 0);
}

TEST(FileDiskDeathTest, ALimitOnTheSizeOfFilesIsAFullDisk) {
  const TemporaryDirectory directory;
  const auto child = [&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    Disk disk(directory.path(), false);
    const FileId file = disk.open("log.1", OnError::Stop);
    disk.disk->preallocate(file, 0, 4 << 20);
    disk.settle([&] { return disk.has<Preallocated>(file); });
    if (std::get<Preallocated>(disk.events.back()).ok) _exit(7);
    disk.disk->write(file, 0, pattern(4 << 20, 1));
    disk.disk->sync(file, 1);
    disk.settle([] { return false; });
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(1),
              "vivariumd: write of log.1 failed: File too large");
}

TEST(FileDiskDeathTest, AFailedSyncOfTheLogEndsTheProcessWithOneLine) {
  const TemporaryDirectory directory;
  const auto child = [&] {
    Disk disk(directory.path(), false);
    const FileId file = disk.open("log.1", OnError::Stop);
    disk.calls->fail(Call::Fdatasync, EIO);
    disk.disk->write(file, 0, as_bytes("record"));
    disk.disk->sync(file, 1);
    disk.settle([] { return false; });
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(1),
              "^vivariumd: fdatasync of log.1 failed: Input/output error;[^\n]*\n$");
}

}  // namespace
}  // namespace vivarium::contract
