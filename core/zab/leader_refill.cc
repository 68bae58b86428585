// The part of a leader that has damage of its own: filled before the epoch is opened (RULES 9).
#include <fmt/format.h>

#include "core/base/check.h"
#include "core/zab/apply.h"
#include "core/zab/leader.h"

namespace vivarium {

void Leader::ask_for_faults(Peer& peer) {
  CHECK(filling());
  if (!peer.voter || !peer.ours || refilled_) return;
  peer.asked = true;
  refill_->on_asked(peer.id);
  for (const Fault& fault : refill_->faults()) encode_fill_ask(fault.range, peer.link.out());
}

// What comes when it is needed no more is let go.
void Leader::on_fill_entry(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  if (!filling() || refilled_) return;
  if (!refill_->on_entry(peer.id, Zxid::from_wire(packet.zxid), packet.data)) {
    drop(peer, "it sent an entry that was not asked for", parts);
  }
}

void Leader::on_fill_end(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  if (!filling() || refilled_) return;
  const std::optional<FillEnd> end = decode_fill_end(packet);
  if (!end || !refill_->on_end(peer.id, *end)) {
    return drop(peer, "its answer about missing txns makes no sense", parts);
  }
  const bool may_give_up = parts.world.now() >= settled_at_;
  if (std::optional<std::vector<History::Item>> items = refill_->filled(may_give_up)) {
    begin_refill(std::move(*items), parts);
  } else if (refill_->hopeless(self_)) {
    stand_down(parts);
  }
}

// The state is built beside the tree, which stays a prefix of the disk.
void Leader::begin_refill(std::vector<History::Item> items, Parts& parts) {
  CHECK(parts.tree.last_applied() == parts.storage.last_logged());
  DataTree tree = parts.tree;
  for (const History::Item& item : items) {
    const Result<Txn> txn = decode_txn(*item.entry);
    if (!txn || txn->header.zxid != item.zxid) {
      return over(fmt::format("the log here holds no txn under zxid {:x}", item.zxid.value));
    }
    effects_.clear();
    tree.apply(*txn, effects_);
  }
  parts.world.log(
      LogLevel::Info,
      fmt::format("what was damaged here is filled: {} txns behind {:x}, to {:x}", items.size(),
                  parts.storage.last_logged().value, tree.last_applied().value));
  phase_deadline_ = parts.world.now() + parts.config.tick() * parts.config.init_limit_ticks;
  refilled_ = std::move(tree);
  parts.storage.refill(parts.world, *refilled_, std::move(items));
}

void Leader::advance_refill(Parts& parts) {
  if (!filling()) return;
  // What a snapshot covers is bad, and nothing is missing: nobody need be asked.
  if (!refilled_ && refill_->faults().empty()) return begin_refill(*refill_->filled(false), parts);
  if (!refilled_ || parts.storage.busy() || parts.storage.installing()) return;
  if (parts.storage.damage() != nullptr) {
    refilled_.reset();
    return over("what was filled could not be written");
  }
  CHECK(parts.storage.last_logged() == refilled_->last_applied());
  CHECK(parts.storage.last_logged() == parts.storage.last_durable());
  parts.tree = std::move(*refilled_);
  parts.configs.rebase(parts.tree);
  if (parts.configs.enabled()) parts.save_configs();
  take_configs(parts);
  refilled_.reset();
  refill_.reset();
  initial_last_ = parts.storage.last_logged();
  last_proposed_ = initial_last_;
  phase_deadline_ = parts.world.now() + parts.config.tick() * parts.config.init_limit_ticks;
}

void Leader::stand_down(Parts& parts) {
  CHECK(filling());
  stood_down_ = true;
  parts.world.log(
      LogLevel::Error,
      fmt::format(
          "these txns are damaged here and may be committed, and nobody heard has them: {}. "
          "Start the servers that were not heard; if they are lost for good, restore a "
          "backup, or give these txns up by emptying this server's data directory",
          refill_->missing(self_)));
  over("what is damaged here cannot be filled");
}

std::optional<DataTree> Leader::take_refilled() {
  std::optional<DataTree> taken = std::move(refilled_);
  refilled_.reset();
  return taken;
}

}  // namespace vivarium
