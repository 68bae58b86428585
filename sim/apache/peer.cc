#include "sim/apache/peer.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace vivarium::apache {
namespace {

// Between two slices of what threads of their own would go on with.
constexpr Duration kSlicePause = microseconds(200);

}  // namespace

Peer::Peer(Config config, Flaws flaws)
    : config_(std::move(config)), database_(config_, flaws), election_(config_) {}

PeerRole Peer::role() const {
  if (leader_) return PeerRole::Leader;
  if (learner_) return PeerRole::Learner;
  return loading_ ? PeerRole::Loading : PeerRole::Looking;
}

bool Peer::observer() const {
  const Member* const self = config_.find(config_.id);
  return self != nullptr && self->observer;
}

void Peer::step(const Event& event, World& world) {
  route(event, world);
  advance(world);
  set_timer(world);
}

void Peer::route(const Event& event, World& world) {
  if (std::holds_alternative<Started>(event)) return database_.load();
  if (std::holds_alternative<StopRequested>(event)) {
    return world.stop(StopReason::Requested, "SIGTERM");
  }
  if (std::holds_alternative<TimerFired>(event)) {
    timer_ = Instant::never();
    return on_timer(world);
  }
  if (database_.handle(event, world)) return;
  if (open_ && election_.handle(event, world)) return;
  if (learner_ && learner_->handle(event, lent(world))) return;
  if (leader_ && leader_->handle(event, lent(world))) return;
  refuse(event, world);
}

// No door is open but the election's, and the quorum's while it leads.
void Peer::refuse(const Event& event, World& world) {
  const auto* accepted = std::get_if<LinkAccepted>(&event);
  if (accepted != nullptr) world.close(accepted->link, false);
}

void Peer::on_timer(World& world) {
  if (election_.looking()) election_.on_timer(world);
  if (learner_) learner_->on_timer(lent(world));
  if (leader_) leader_->on_timer(lent(world));
}

// QuorumPeer.run(): looking, then a role until it is over, then looking again.
void Peer::advance(World& world) {
  database_.advance(world);
  if (learner_) learner_->advance(lent(world));
  if (leader_) leader_->advance(lent(world));
  const bool over =
      (learner_ && !learner_->over().empty()) || (leader_ && !leader_->over().empty());
  if (over) {
    const std::string why = learner_ ? learner_->over() : leader_->over();
    world.log(LogLevel::Info, why);
    if (learner_) learner_->end(lent(world));
    if (leader_) leader_->end(lent(world));
    learner_.reset();
    leader_.reset();
    election_.set_state(PeerState::Looking);
    loading_ = true;
    const int64_t longest =
        observer() ? std::max<int64_t>(config_.observer_election_delay_ms, 1) : 1;
    look_at_ = world.now() +
               milliseconds(static_cast<int64_t>(world.random() % static_cast<uint64_t>(longest)));
  }
  if (loading_ && !database_.busy() && database_.initialised() &&
      (look_at_ == Instant::never() || look_at_ <= world.now())) {
    loading_ = false;
    open_ = true;
    look_at_ = Instant::never();
    election_.look(database_.last_processed(), database_.current_epoch(), world);
  }
  const std::optional<ServerId> leader = election_.take_decision();
  if (leader) {
    if (*leader == config_.id) {
      leader_.emplace(lent(world));
    } else {
      learner_.emplace(*leader, lent(world));
    }
  }
  database_.advance(world);
}

void Peer::set_timer(World& world) {
  Instant at = election_.deadline();
  if (learner_) at = std::min(at, learner_->deadline());
  if (leader_) at = std::min(at, leader_->deadline());
  if (loading_ && look_at_ != Instant::never()) at = std::min(at, look_at_);
  if (database_.wants_a_turn() || (leader_ && leader_->sending_state())) at = world.now();
  // What is due and waits for the disk is looked at again a little later.
  at = std::max(at, world.now() + kSlicePause);
  if (at == timer_) return;
  timer_ = at;
  world.set_timer(at);
}

}  // namespace vivarium::apache
