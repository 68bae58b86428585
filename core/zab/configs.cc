#include "core/zab/configs.h"

#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/tree/path.h"

namespace vivarium {

Configs::Configs(const Config& config)
    : enabled_(config.reconfig.enabled && !config.standalone()),
      active_(config.membership()),
      quorum_(config) {}

const Member* Configs::find(ServerId id) const {
  if (pending_) {
    if (const Member* member = pending_->find(id)) return member;
  }
  if (const Member* member = active_.find(id)) return member;
  return hint_ ? hint_->find(id) : nullptr;
}

void Configs::hint(Membership membership) {
  CHECK(enabled_);
  if (membership.version <= last_seen().version) return;
  if (hint_ && membership.version <= hint_->version) return;
  hint_ = std::move(membership);
  ++changes_;
}

void Configs::drop_hint() {
  if (!hint_) return;
  hint_.reset();
  ++changes_;
}

Seat Configs::seat(ServerId id) const {
  if (is_voter(id)) return Seat::Voter;
  return active_.find(id) != nullptr ? Seat::Observer : Seat::None;
}

void Configs::changed() {
  ++changes_;
  if (hint_ && hint_->version <= last_seen().version) hint_.reset();
  quorum_ = pending_ ? Quorum(active_, *pending_) : Quorum(active_);
}

void Configs::logged(Membership membership) {
  CHECK(enabled_);
  if (membership.version <= active_.version) return;
  if (pending_ && pending_->version < membership.version) activate_pending();
  pending_ = std::move(membership);
  changed();
}

void Configs::activate(Membership membership) {
  CHECK(enabled_);
  if (membership.version <= active_.version) return;
  active_ = std::move(membership);
  if (pending_ && pending_->version <= active_.version) pending_.reset();
  changed();
}

void Configs::activate_pending() {
  CHECK(pending_.has_value());
  activate(*pending_);
  CHECK(!pending_.has_value());
}

// Before the log's last change stands what was committed.
void Configs::rebase(const DataTree& tree) {
  if (!enabled_) return;
  if (!tree.earlier_config().empty()) {
    if (Result<Membership> earlier = parse_membership(tree.earlier_config())) {
      activate(std::move(*earlier));
    }
  }
  std::optional<Membership> last = config_in(tree);
  // No txn has this version: somebody has written down what he knew to be committed.
  if (last && last->version.counter() == 0) activate(*last);
  const bool newer = last && last->version > active_.version;
  if (!newer) last.reset();
  if (pending_ == last) return;
  pending_ = std::move(last);
  changed();
}

std::optional<Membership> config_in(const DataTree& tree) {
  const DataTree::Slot slot = tree.find(kConfigPath);
  if (slot == DataTree::kNone) return std::nullopt;
  const DataTree::NodeView node = tree.view(slot);
  Result<Membership> membership = parse_membership(as_text(node.data));
  if (!membership || membership->version != node.stat.mzxid) return std::nullopt;
  return std::move(*membership);
}

}  // namespace vivarium
