// RealWorlds: hosts on EpollLoop and FileDisk, all on this thread, with directories of their own
// and loopback addresses of their own. Time is real: run_until() turns the loops until its
// deadline.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "disk/syscalls.h"
#include "net/epoll_loop.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {

// A directory that is removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// System calls that fail on demand.
class FaultyCalls : public Syscalls {
 public:
  std::atomic<bool> disk_full{false};
  std::atomic<bool> syncs_broken{false};

  ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) override;
  int fdatasync(int fd) override;
  int fallocate(int fd, off_t offset, off_t length) override;
};

class RealWorlds : public WorldUnderTest {
 public:
  RealWorlds() = default;

  size_t add_host() override;
  void start(size_t host, Handler handler) override;
  void kill(size_t host) override;
  void ask_to_stop(size_t host) override;
  void act(size_t host, const std::function<void(World&)>& action) override;
  bool run_until(const std::function<bool()>& done) override;
  Address address(size_t host, Door door) const override;
  Address refusing_address() const override { return {"127.77.255.254", 1}; }
  std::optional<StopReason> ended(size_t host) const override { return hosts_[host]->ended; }
  void fill_disk(size_t host) override { hosts_[host]->calls->disk_full = true; }
  void break_syncs(size_t host) override { hosts_[host]->calls->syncs_broken = true; }

  EpollLoop& loop(size_t host) { return *hosts_[host]->loop; }
  const std::string& directory(size_t host) const { return hosts_[host]->directory.path(); }
  const std::vector<std::string>& lines(size_t host) const { return hosts_[host]->lines; }

 private:
  struct Host {
    TemporaryDirectory directory;
    TemporaryDirectory config_directory;
    std::string address;
    std::array<uint16_t, 3> ports{};
    std::shared_ptr<FaultyCalls> calls = std::make_shared<FaultyCalls>();
    std::unique_ptr<EpollLoop> loop;
    std::optional<StopReason> ended;
    std::vector<std::string> lines;  // logged
  };
  void note_end(Host& host);
  void sleep_until_ready() const;

  std::vector<std::unique_ptr<Host>> hosts_;
};

}  // namespace vivarium::contract
