// LinkWorld: a World for tests of what speaks over links only. Time stands where the test puts it;
// a call on files fails the test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/world.h"

namespace vivarium {

class LinkWorld : public World {
 public:
  Instant time{};
  std::vector<std::string> log_lines;

  Instant now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  uint64_t random() override { return 4; }
  void set_timer(Instant) override {}
  void send_shared(LinkId link, SharedBytes bytes) override { send(link, *bytes); }
  void log(LogLevel, std::string_view line) override { log_lines.emplace_back(line); }
  void count(std::string_view, int64_t) override {}
  void gauge(std::string_view, int64_t) override {}
  void audit(std::string_view) override {}
  void stop(StopReason, std::string_view) override { unwanted(); }

  FileId open(Dir, std::string_view, OpenMode, Lane, OnError) override { unwanted(); }
  void write(FileId, uint64_t, ByteView) override { unwanted(); }
  void write_shared(FileId, uint64_t, SharedBytes) override { unwanted(); }
  void preallocate(FileId, uint64_t, uint64_t) override { unwanted(); }
  void truncate(FileId, uint64_t) override { unwanted(); }
  void sync(FileId, uint64_t) override { unwanted(); }
  void read(FileId, uint64_t, uint64_t, uint64_t) override { unwanted(); }
  void close(FileId) override { unwanted(); }
  void rename(Dir, std::string_view, std::string_view, Lane) override { unwanted(); }
  void remove(Dir, std::string_view, Lane) override { unwanted(); }
  void sync_dir(Dir, uint64_t, Lane) override { unwanted(); }
  void list(Dir, uint64_t) override { unwanted(); }
  uint64_t free_bytes(Dir) const override { unwanted(); }

  using World::close;

 private:
  [[noreturn]] void unwanted() const {
    check_failed(__FILE__, __LINE__, "a test of links reached for a file");
  }
};

}  // namespace vivarium
