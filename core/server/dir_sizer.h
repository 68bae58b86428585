// DirSizer: how large the files of the two data directories are. The World is asked to list them,
// once for all who wait.
#pragma once

#include <cstdint>
#include <optional>

#include "core/event.h"
#include "core/server/admin_facts.h"
#include "core/world.h"

namespace vivarium {

class DirSizer {
 public:
  // Tokens that are nobody else's.
  static constexpr uint64_t kTokens = uint64_t{1} << 63;

  bool asking() const { return asking_; }
  void ask(World& world) {
    if (asking_) return;
    asking_ = true;
    sizes_ = DirSizes();
    ++round_;
    world.list(Dir::Snapshots, token(Dir::Snapshots));
    world.list(Dir::Logs, token(Dir::Logs));
  }
  static bool is_mine(const DirListed& listed) { return (listed.token & kTokens) != 0; }
  // The sizes, when this was the second of the two answers.
  std::optional<DirSizes> listed(const DirListed& listed) {
    if (!asking_ || listed.token != token(listed.dir)) return std::nullopt;
    int64_t bytes = 0;
    for (const DirEntry& entry : *listed.entries) bytes += static_cast<int64_t>(entry.size);
    if (listed.dir == Dir::Snapshots) {
      sizes_.data = bytes;
      has_data_ = true;
    } else {
      sizes_.log = bytes;
      has_log_ = true;
    }
    if (!has_data_ || !has_log_) return std::nullopt;
    has_data_ = has_log_ = asking_ = false;
    return sizes_;
  }

 private:
  uint64_t token(Dir dir) const {
    return kTokens | (round_ << 1) | (dir == Dir::Logs ? uint64_t{1} : uint64_t{0});
  }

  bool asking_ = false;
  bool has_data_ = false;
  bool has_log_ = false;
  uint64_t round_ = 0;
  DirSizes sizes_;
};

}  // namespace vivarium
