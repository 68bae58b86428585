#include "core/zab/reaper.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kLooksMax = 1000;

bool is_over(const DataTree::NodeView& node, WallTime wall, const Config& config) {
  if (node.num_children > 0) return false;
  const int64_t age_ms = wall.ms - node.stat.mtime_ms;
  const int64_t owner = node.stat.ephemeral_owner;
  if (node_kind(owner) == NodeKind::Ttl) return age_ms > ttl_ms_of(owner);
  // One that never had a child may be about to get its first.
  const int64_t unused_max_ms = config.container_never_used_ms;
  return node.stat.cversion > 0 || (unused_max_ms > 0 && age_ms > unused_max_ms);
}

}  // namespace

void Reaper::start(Instant now, const Config& config) {
  next_round_ = now + milliseconds(config.container_check_ms);
  deadline_ = next_round_;
}

std::optional<std::string> Reaper::next(Instant now, WallTime wall, const DataTree& tree,
                                        const Config& config) {
  CHECK(deadline_ <= now);
  if (!in_round_) {
    in_round_ = true;
    position_ = 0;
    next_round_ = now + milliseconds(config.container_check_ms);
  }
  auto at = tree.unowned().lower_bound(position_);
  for (size_t looks = 0; at != tree.unowned().end() && looks < kLooksMax; ++looks) {
    const DataTree::Slot slot = *at++;
    position_ = slot + 1;
    if (!is_over(tree.view(slot), wall, config)) continue;
    deadline_ = now + milliseconds(60'000 / config.container_removals_per_minute);
    return tree.path_of(slot);
  }
  if (at == tree.unowned().end()) {
    in_round_ = false;
    deadline_ = std::max(next_round_, now + milliseconds(1));
  } else {
    deadline_ = now + milliseconds(1);
  }
  return std::nullopt;
}

}  // namespace vivarium
