#include "sim/apache/election.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace vivarium::apache {
namespace {

constexpr int64_t kNothing = std::numeric_limits<int64_t>::min();

// totalOrderPredicate().
bool beats(const Vote& a, const Vote& b) {
  if (a.peer_epoch != b.peer_epoch) return a.peer_epoch > b.peer_epoch;
  if (a.zxid != b.zxid) return a.zxid > b.zxid;
  return a.leader > b.leader;
}

// Vote.equals().
bool same(const Vote& a, const Vote& b) {
  if (a.state == PeerState::Looking || b.state == PeerState::Looking) {
    return a.leader == b.leader && a.zxid == b.zxid && a.round == b.round &&
           a.peer_epoch == b.peer_epoch;
  }
  if ((a.version > 0) != (b.version > 0)) return a.leader == b.leader;
  return a.leader == b.leader && a.peer_epoch == b.peer_epoch;
}

std::string text_of(const Config& config) {
  return to_text(Membership{config.members_version, config.members});
}

}  // namespace

Election::Election(const Config& config) : config_(config), text_(text_of(config)) {}

bool Election::voter(ServerId id) const {
  const Member* const member = config_.find(id);
  return member != nullptr && !member->observer;
}

// ---------------------------------------------------------------------------------- sending

void Election::answer(ServerId to, const Vote& vote, World& world) {
  Notification n;
  n.state = state_;
  n.leader = vote.leader;
  n.zxid = vote.zxid;
  n.election_epoch = vote.round;
  n.peer_epoch = vote.peer_epoch;
  n.config = text_;
  Bytes frame;
  encode_notification_frame(n, frame);
  links_.send(to, std::move(frame), config_, world);
}

void Election::send_notifications(World& world) {
  Vote vote = proposed_;
  vote.round = round_;
  for (const Member& member : config_.members) {
    if (member.observer) continue;
    if (member.id != config_.id) {
      answer(member.id, vote, world);
      continue;
    }
    vote.state = PeerState::Looking;
    queue_.push_back({member.id, vote});
  }
}

void Election::look(Zxid last, Epoch current_epoch, World& world) {
  looking_ = true;
  state_ = PeerState::Looking;
  decision_.reset();
  own_ = Vote{2, config_.id, last.wire(), 0, current_epoch};
  if (!std::exchange(begun_, true)) current_ = own_;
  if (!voter(config_.id)) own_ = Vote{2, ServerId{kNothing}, kNothing, 0, kNothing};
  ++round_;
  proposed_ = own_;
  received_.clear();
  outside_.clear();
  queue_.clear();
  quiet_at_ = Instant::never();
  patience_ = milliseconds(config_.notification_min_ms);
  send_notifications(world);
  next_send_ = world.now() + patience_;
  drain(world);
}

// ---------------------------------------------------------------------------------- receiving

bool Election::handle(const Event& event, World& world) {
  if (!links_.handle(event, config_, world)) return false;
  for (const ElectionLinks::Message& message : links_.take_received()) receive(message, world);
  drain(world);
  return true;
}

// WorkerReceiver.
void Election::receive(const ElectionLinks::Message& message, World& world) {
  const Result<Notification> n = decode_notification(message.bytes);
  if (!n) return;
  if (!voter(message.from)) {
    Vote vote = current_;
    vote.round = round_;
    return answer(message.from, vote, world);
  }
  if (looking_) {
    queue_.push_back({message.from, Vote{n->version, n->leader, n->zxid, n->election_epoch,
                                         n->peer_epoch, n->state}});
    if (n->state == PeerState::Looking && n->election_epoch < round_) {
      Vote vote = proposed_;
      vote.round = round_;
      answer(message.from, vote, world);
    }
  } else if (n->state == PeerState::Looking) {
    answer(message.from, current_, world);
  }
}

// What has come, one after the other. While it waits for quiet, only a better vote is looked at.
void Election::drain(World& world) {
  while (looking_ && !queue_.empty()) {
    const Heard heard = queue_.front();
    queue_.pop_front();
    if (quiet_at_ != Instant::never()) {
      if (!beats(heard.vote, proposed_)) {
        quiet_at_ = world.now() + milliseconds(config_.finalize_wait_ms);
        continue;
      }
      quiet_at_ = Instant::never();
    }
    next_send_ = world.now() + patience_;
    process(heard, world);
  }
}

void Election::process(const Heard& heard, World& world) {
  if (!voter(heard.from) || !voter(heard.vote.leader)) return;
  switch (heard.vote.state) {
    case PeerState::Looking:
      return process_looking(heard, world);
    case PeerState::Observing:
      return;
    case PeerState::Following:
    case PeerState::Leading:
      return process_settled(heard);
  }
}

void Election::process_looking(const Heard& heard, World& world) {
  const Vote& vote = heard.vote;
  if (own_.zxid == kNoZxidWire || vote.zxid == kNoZxidWire) return;
  if (vote.round > round_) {
    round_ = vote.round;
    received_.clear();
    proposed_ = beats(vote, own_) ? vote : own_;
    send_notifications(world);
  } else if (vote.round < round_) {
    return;
  } else if (beats(vote, proposed_)) {
    proposed_ = vote;
    send_notifications(world);
  }
  received_[heard.from] = vote;
  consider_quorum(world);
}

void Election::consider_quorum(World& world) {
  Vote vote = proposed_;
  vote.round = round_;
  vote.state = PeerState::Looking;
  if (quorum_for(received_, vote)) {
    quiet_at_ = world.now() + milliseconds(config_.finalize_wait_ms);
  }
}

// receivedFollowingNotification().
void Election::process_settled(const Heard& heard) {
  const Vote& vote = heard.vote;
  if (vote.round == round_) {
    Vote kept = vote;
    kept.version = 0;
    received_[heard.from] = kept;
    if (quorum_for(received_, vote) && check_leader(received_, vote.leader, vote.round)) {
      return decide(vote);
    }
  }
  outside_[heard.from] = vote;
  if (quorum_for(outside_, vote) && check_leader(outside_, vote.leader, vote.round)) {
    round_ = vote.round;
    decide(vote);
  }
}

bool Election::quorum_for(const Votes& votes, const Vote& vote) const {
  const auto count = std::count_if(votes.begin(), votes.end(), [&](const auto& entry) {
    return voter(entry.first) && same(entry.second, vote);
  });
  return static_cast<size_t>(count) > config_.voter_count() / 2;
}

bool Election::check_leader(const Votes& votes, ServerId leader, int64_t round) const {
  if (leader == config_.id) return round_ == round;
  const auto found = votes.find(leader);
  return found != votes.end() && found->second.state == PeerState::Leading;
}

void Election::decide(const Vote& vote) {
  current_ = vote;
  current_.version = 0;
  looking_ = false;
  queue_.clear();
  quiet_at_ = Instant::never();
  next_send_ = Instant::never();
  if (vote.leader == config_.id) {
    state_ = PeerState::Leading;
  } else {
    state_ = voter(config_.id) ? PeerState::Following : PeerState::Observing;
  }
  decision_ = vote.leader;
}

std::optional<ServerId> Election::take_decision() { return std::exchange(decision_, std::nullopt); }

// ---------------------------------------------------------------------------------- time

Instant Election::deadline() const {
  if (!looking_) return Instant::never();
  return quiet_at_ != Instant::never() ? quiet_at_ : next_send_;
}

void Election::on_timer(World& world) {
  if (deadline() > world.now()) return;
  if (quiet_at_ != Instant::never()) {
    Vote vote = proposed_;
    vote.round = round_;
    return decide(vote);
  }
  if (links_.have_delivered()) {
    send_notifications(world);
  } else {
    links_.connect_all(config_, world);
  }
  patience_ = std::min(patience_ * 2, milliseconds(config_.notification_max_ms));
  next_send_ = world.now() + patience_;
  drain(world);
}

}  // namespace vivarium::apache
