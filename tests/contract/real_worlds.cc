#include "tests/contract/real_worlds.h"

#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

namespace vivarium::contract {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = testing::TempDir() + "/vivarium-contract-XXXXXX";
  const char* made = mkdtemp(name.data());
  EXPECT_NE(made, nullptr);
  path_ = std::filesystem::canonical(name).string();
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ssize_t FaultyCalls::pwritev(int fd, const iovec* parts, int count, off_t offset) {
  if (disk_full) {
    struct stat status = {};
    off_t end = offset;
    for (int i = 0; i < count; ++i) end += static_cast<off_t>(parts[i].iov_len);
    if (fstat(fd, &status) != 0 || end > status.st_size) {
      errno = ENOSPC;
      return -1;
    }
  }
  return Syscalls::pwritev(fd, parts, count, offset);
}

int FaultyCalls::fdatasync(int fd) {
  if (!syncs_broken) return Syscalls::fdatasync(fd);
  errno = EIO;
  return -1;
}

int FaultyCalls::fallocate(int fd, off_t offset, off_t length) {
  if (!disk_full) return Syscalls::fallocate(fd, offset, length);
  errno = ENOSPC;
  return -1;
}

size_t RealWorlds::add_host() {
  hosts_.push_back(std::make_unique<Host>());
  // Addresses that no outgoing connection takes a port of.
  const auto pid = static_cast<unsigned>(getpid());
  hosts_.back()->address =
      fmt::format("127.77.{}.{}", pid % 250 + 1, (pid / 250 * 16 + hosts_.size()) % 250 + 1);
  return hosts_.size() - 1;
}

void RealWorlds::start(size_t index, Handler handler) {
  Host& host = *hosts_[index];
  ASSERT_EQ(host.loop, nullptr);
  host.ended.reset();
  FileDiskOptions disk_options;
  disk_options.data_dir = host.directory.path();
  disk_options.config_dir = host.config_directory.path();
  disk_options.calls = host.calls;
  disk_options.fatal = [](const std::string&) {};
  auto disk = FileDisk::make(std::move(disk_options));
  ASSERT_TRUE(disk) << disk.error().message;

  LoopOptions options;
  options.log = [&host](LogLevel, std::string_view line) { host.lines.emplace_back(line); };
  for (const Door door : {Door::Client, Door::Election, Door::Quorum}) {
    const uint16_t port = host.ports[static_cast<size_t>(door)];
    options.doors.push_back({door, Address{host.address, port}});
  }
  auto loop = EpollLoop::make(std::move(options), std::move(*disk), std::move(handler));
  ASSERT_TRUE(loop) << loop.error().message;
  host.loop = std::move(*loop);
  for (const Door door : {Door::Client, Door::Election, Door::Quorum}) {
    host.ports[static_cast<size_t>(door)] = host.loop->port(door);
  }
}

void RealWorlds::kill(size_t host) { hosts_[host]->loop.reset(); }

void RealWorlds::ask_to_stop(size_t host) { hosts_[host]->loop->ask_to_stop(); }

void RealWorlds::act(size_t index, const std::function<void(World&)>& action) {
  Host& host = *hosts_[index];
  ASSERT_NE(host.loop, nullptr) << "the host does not run";
  host.loop->act(action);
  note_end(host);
}

void RealWorlds::note_end(Host& host) {
  if (host.loop == nullptr || !host.loop->ended()) return;
  host.ended = host.loop->ended();
  host.loop.reset();
}

bool RealWorlds::run_until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (;;) {
    for (const auto& host : hosts_) {
      if (done()) return true;
      if (host->loop != nullptr) host->loop->turn(0);
      note_end(*host);
    }
    if (done()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    sleep_until_ready();
  }
}

// Until a descriptor is ready, but for a millisecond at most: the timers have none.
void RealWorlds::sleep_until_ready() const {
  std::vector<pollfd> loops;
  for (const auto& host : hosts_) {
    if (host->loop != nullptr) loops.push_back({host->loop->descriptor(), POLLIN, 0});
  }
  ::poll(loops.data(), loops.size(), 1);
}

Address RealWorlds::address(size_t host, Door door) const {
  return {hosts_[host]->address, hosts_[host]->ports[static_cast<size_t>(door)]};
}

}  // namespace vivarium::contract
