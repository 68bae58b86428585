// The part of Zab that follows changes of the ensemble, whatever made them known.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/tree/path.h"
#include "core/zab/zab.h"

namespace vivarium {
namespace {

std::string text_of(const Membership& membership) {
  std::string members;
  for (const Member& m : membership.members) {
    members += fmt::format("{}{}{}", members.empty() ? "" : ", ", m.id.value,
                           m.observer ? " (observer)" : "");
  }
  return fmt::format("{:x} (members {})", membership.version.value, members);
}

bool is_whole(Standing standing) {
  return standing == Standing::Voter || standing == Standing::Observer ||
         standing == Standing::NonVoting;
}

}  // namespace

// Of a server whose data is what it should be.
Standing Zab::due_standing(const Parts& parts) const {
  if (parts.config.shadow) return Standing::Observer;
  switch (parts.configs.seat(parts.config.id)) {
    case Seat::Voter:
      return Standing::Voter;
    case Seat::Observer:
      return Standing::Observer;
    case Seat::None:
      break;
  }
  return Standing::NonVoting;
}

// A configuration with a version was agreed on by an ensemble, which has data: only a list of
// zoo.cfg can be that of a new one (RULES 11).
bool Zab::may_found(const Parts& parts) const {
  return due_standing(parts) == Standing::Voter &&
         (!parts.configs.enabled() || parts.configs.last_seen().version == Zxid());
}

bool Zab::told_to_found(const Parts& parts) const {
  return parts.config.initialize && may_found(parts);
}

void Zab::hear_configs(Parts& parts) {
  if (!parts.configs.enabled() || parts.storage.busy()) return;
  // A truncation went on when the role that had asked for it was over: the tree is its result.
  if (parts.configs.pending() && parts.configs.last_seen().version > parts.storage.last_logged()) {
    parts.configs.rebase(parts.tree);
    parts.save_configs();
  }
  if (std::optional<Membership> heard = election_.take_heard_config()) {
    parts.configs.activate(std::move(*heard));
    parts.save_configs();
  }
  if (std::optional<Membership> heard = election_.take_heard_pending()) {
    parts.configs.hint(std::move(*heard));
  }
}

// Quorums and connections of the election, and this server's standing in it, are those of the
// configurations as they are now.
void Zab::follow_configs(Parts& parts) {
  if (parts.configs.changes() == configs_seen_) return;
  configs_seen_ = parts.configs.changes();
  parts.world.log(
      LogLevel::Info,
      fmt::format("configuration {} is active{}{}", text_of(parts.configs.active()),
                  parts.configs.pending()
                      ? fmt::format("; {} is pending", text_of(parts.configs.last_seen()))
                      : "",
                  parts.configs.hinted()
                      ? fmt::format("; others speak of {}", text_of(*parts.configs.hinted()))
                      : ""));
  if (parts.config.shadow && parts.configs.find(parts.config.id) != nullptr) {
    parts.world.stop(
        StopReason::Fatal,
        fmt::format("the ensemble has a server.{} now: a shadow needs a number of its own",
                    parts.config.id.value));
    return;
  }
  const Member* now = parts.configs.active().find(parts.config.id);
  const bool moved = own_ && now != nullptr &&
                     (now->quorum != own_->quorum || now->election != own_->election ||
                      (own_->client.port != 0 && now->client != own_->client));
  if (moved) {
    parts.world.log(LogLevel::Warn,
                    "the addresses of this server have changed; the doors are opened there when it "
                    "starts again");
  }
  if (is_whole(standing_)) standing_ = due_standing(parts);
  // Only a voter may vote in spite of damage; whoever is none is filled as everybody else is.
  if (is_whole(standing_) && standing_ != Standing::Voter && parts.storage.damage() != nullptr) {
    standing_ = Standing::Aside;
    parts.storage.renounce();
  }
  election_.configure(parts.configs, standing_, parts.world);
  if (auto* looking = std::get_if<Looking>(&role_)) looking->voting = false;
  if (established()) show_config(parts);
}

// A learner's part when the ensemble has changed. One rule for every way in which it becomes known
// that a change is committed (hazards X1): the commit point has reached it.
void Zab::fit_in(Parts& parts) {
  auto& learner = std::get<Learner>(role_);
  Configs& configs = parts.configs;
  if (configs.pending() && learner.committed() >= configs.last_seen().version) {
    configs.activate_pending();
    parts.save_configs();
  }
  if (learner.synced()) configs.drop_hint();
  if (configs.changes() == configs_seen_) return;
  follow_configs(parts);
  settled_ = false;
  const Member* leader = configs.find(learner.leader());
  const bool observes = standing_ == Standing::Observer;
  if (leader == nullptr || !configs.is_voter(learner.leader())) {
    learner.end("the leader is no voter any more");
  } else if (leader->quorum != learner.leader_address()) {
    learner.end("the leader has another address");
  } else if (!learner.stands_aside() &&
             (learner.observes() != observes || standing_ == Standing::Aside)) {
    learner.end("its part in the ensemble is another");
  } else if (learner.designated() && !configs.pending()) {
    learner.end(fmt::format("server.{} is to lead", learner.designated()->value));
  }
}

// /zookeeper/config is written by hand where no txn of this log has made it (semantics section 7):
// it is no part of what servers compare.
void Zab::show_config(Parts& parts) {
  if (parts.config.standalone() || parts.storage.busy()) return;
  const Membership& active = parts.configs.active();
  // A txn on its way to the tree will.
  if (active.version.counter() != 0 && active.version > parts.tree.last_applied()) return;
  const DataTree::Slot slot = parts.tree.find(kConfigPath);
  if (slot != DataTree::kNone) {
    const DataTree::NodeView node = parts.tree.view(slot);
    if (!node.data.empty() && node.stat.mzxid >= active.version) return;
  }
  parts.tree.set_config(to_text(active), active.version, parts.world.wall_now());
}

// The last leader has named the next one: a quorum knows, so nobody is asked.
bool Zab::take_over(Parts& parts) {
  if (!handed_to_) return false;
  const ServerId to = *handed_to_;
  handed_to_.reset();
  const bool able = standing_ == Standing::Voter && parts.storage.damage() == nullptr;
  if (!parts.configs.quorum().is_voter(to) || (to == parts.config.id && !able)) return false;
  if (standing_ == Standing::Aside || standing_ == Standing::Blank) return false;
  on_decided(to, parts);
  return true;
}

}  // namespace vivarium
