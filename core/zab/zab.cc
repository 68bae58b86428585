#include "core/zab/zab.h"

#include <fmt/format.h>

#include "core/base/check.h"
#include "core/zab/apply.h"

namespace vivarium {
namespace {

constexpr Duration kJoinPauseMin = milliseconds(10);
constexpr uint32_t kJoinPausesDoubled = 6;
constexpr Duration kWaitingLineEvery = milliseconds(10'000);
// How long after the loss of a leader clients are let in to wait for the next one: about two
// elections of those that have to wait for a voter (finalizeWait).
constexpr Duration kClientsWait = milliseconds(500);

}  // namespace

Zab::Zab(const Config& config)
    : election_(config),
      serves_when_leading_(config.leader_serves || config.standalone()),
      serves_clients_(!config.shadow) {
  if (const Member* own = config.find(config.id)) own_ = *own;
}

void Zab::start(Parts& parts) {
  started_at_ = parts.world.now();
  waiting_line_at_ = started_at_ + parts.config.tick() * parts.config.sync_limit_ticks;
  parts.storage.recover(parts.world, parts.tree);
}

// --- events

bool Zab::step(const Event& event, Parts& parts) {
  if (parts.storage.step(event, parts.world, parts.tree)) return true;
  if (election_.step(event, parts.world)) return true;
  if (auto* learner = std::get_if<Learner>(&role_);
      learner != nullptr && learner->step(event, parts)) {
    return true;
  }
  if (auto* leader = std::get_if<Leader>(&role_); leader != nullptr && leader->step(event, parts)) {
    return true;
  }
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door == Door::Client) return false;
    // Not leading: as if nobody listened.
    parts.world.close(accepted->link, false);
    return true;
  }
  return false;
}

void Zab::advance(Parts& parts) {
  if (stopping_) return;
  adopt_install(parts);
  if (std::holds_alternative<Recovering>(role_)) {
    if (!parts.storage.recovering()) on_recovered(parts);
  } else if (std::holds_alternative<Looking>(role_)) {
    advance_looking(parts);
  } else if (!established() && missing_acknowledged(parts)) {
    look("more was acknowledged here than the log holds", parts);
  } else if (std::holds_alternative<Learner>(role_)) {
    advance_learner(parts);
  } else if (auto* leader = std::get_if<Leader>(&role_)) {
    leader->advance(parts);
    if (leader->established()) note_available(true, parts.world);
    if (leader->established()) parts.configs.drop_hint();
    follow_configs(parts);
    const bool stays = !parts.config.standalone() && !leader->designated();
    if (leader->established() && !settled_ && stays) {
      settled_ = true;
      show_config(parts);
      election_.settle(PeerState::Leading, parts.config.id, leader->epoch(), parts.world);
    }
    if (!leader->over().empty()) {
      look(leader->over(), parts);
    } else if (!leader->established() && deserted(parts)) {
      look("those who chose this leader look for another", parts);
    } else if (leader->waits_for_epoch_too_long(parts) && deserted_by_one(parts)) {
      parts.world.count("quit_leading_due_to_disloyal_voter", 1);
      look("one who chose this leader looks for another, and the others do not come", parts);
    }
  }
}

void Zab::end_turn(Parts& parts) {
  advance(parts);
  if (auto* learner = std::get_if<Learner>(&role_)) learner->end_turn(parts);
  if (auto* leader = std::get_if<Leader>(&role_)) {
    leader->end_turn(parts);
    if (!leader->over().empty()) advance(parts);
  }
  // No event may come that would go on with a role that ended in this very call.
  if (!stopping_ && std::holds_alternative<Looking>(role_)) advance_looking(parts);
  election_.end_turn(parts.world, parts.storage.frontier().remembered);
  if (delivers() && !parts.storage.busy()) {
    parts.storage.maybe_snapshot(parts.world, parts.tree, parts.digests.vouched());
  }
  parts.storage.end_turn(parts.world, parts.tree);
  if (stopping_ && parts.storage.quiesced(parts.world)) {
    parts.world.stop(StopReason::Requested, "stopped as asked");
  }
}

Instant Zab::deadline() const {
  Instant at = std::min(election_.deadline(), Instant::never());
  if (const auto* learner = std::get_if<Learner>(&role_)) at = std::min(at, learner->deadline());
  if (const auto* leader = std::get_if<Leader>(&role_)) at = std::min(at, leader->deadline());
  if (standing_ == Standing::Aside || standing_ == Standing::Blank)
    at = std::min(at, waiting_line_at_);
  if (std::holds_alternative<Looking>(role_)) at = std::min({at, look_at_, read_only_at_});
  return std::min(at, claim_at_);
}

void Zab::on_deadline(Parts& parts) {
  const Instant now = parts.world.now();
  if (look_at_ <= now) look_at_ = Instant::never();
  if (claim_at_ <= now) claim_at_ = Instant::never();
  if (read_only_at_ <= now) {
    read_only_at_ = Instant::never();
    read_only_due_ = true;
  }
  if (election_.deadline() <= now) election_.on_deadline(parts.world);
  if (auto* learner = std::get_if<Learner>(&role_);
      learner != nullptr && learner->deadline() <= now) {
    learner->on_deadline(parts);
  }
  if (auto* leader = std::get_if<Leader>(&role_); leader != nullptr && leader->deadline() <= now) {
    leader->on_deadline(parts);
  }
  if (waiting_line_at_ <= now) {
    waiting_line_at_ = now + kWaitingLineEvery;
    const std::string line = election_.waiting_for();
    if (std::holds_alternative<Looking>(role_) && !line.empty()) {
      parts.world.log(LogLevel::Warn, line);
    }
  }
}

// --- roles

// What recovery found decides how this server may take part (RULES 9 to 11).
void Zab::on_recovered(Parts& parts) {
  const Recovered& found = parts.storage.recovered();
  if (!found.reason.empty()) parts.world.log(LogLevel::Warn, found.reason);
  parts.digests.replaced(found.vouched);
  parts.configs.rebase(parts.tree);
  if (parts.configs.enabled()) parts.save_configs();
  if (parts.config.initialize) {
    parts.world.log(LogLevel::Warn,
                    found.found == Found::Blank
                        ? "no data here, and the file 'initialize' says that there is none to miss"
                        : "there is data here: the file 'initialize' changes nothing");
  }
  switch (found.found) {
    case Found::Refused:
      return parts.world.stop(StopReason::Fatal, found.reason);
    case Found::Blank:
      standing_ = Standing::Blank;
      break;
    case Found::Amnesia:
    case Found::Damaged:
      standing_ = Standing::Aside;
      break;
    case Found::Whole:
    case Found::Foreign:
      // A member that was synced and has not returned yet starts its waiting anew.
      standing_ = parts.storage.member() ? due_standing(parts) : Standing::Aside;
      break;
  }
  if (parts.config.standalone() && standing_ == Standing::Aside) {
    return parts.world.stop(
        StopReason::Fatal, "a standalone server has no peers to be repaired from: " + found.reason);
  }
  // Who can never vote has no promise to forget, and need not stand aside.
  const bool never_votes = !parts.configs.enabled() || parts.config.shadow;
  if (never_votes && due_standing(parts) == Standing::Observer) {
    force_snap_ = standing_ == Standing::Aside;
    standing_ = Standing::Observer;
  }
  follow_configs(parts);
  look("recovered", parts);
}

// A quorum is no more to be had among voters that have not turned to another round (hazards E6).
bool Zab::deserted(const Parts& parts) const {
  return !parts.configs.quorum().holds([&](ServerId id) { return !election_.heard_looking(id); });
}

void Zab::note_available(bool leads, World& world) {
  if (unavailable_since_ == Instant::never()) return;
  const int64_t ms = (world.now() - unavailable_since_).ms();
  unavailable_since_ = Instant::never();
  world.sample("unavailable_time", ms);
  if (leads) world.sample("leader_unavailable_time", ms);
}

bool Zab::deserted_by_one(const Parts& parts) const {
  const std::vector<ServerId>& voters = parts.configs.quorum().voters();
  return std::any_of(voters.begin(), voters.end(),
                     [&](ServerId id) { return election_.heard_looking(id); });
}

// Observers that lose a leader together do not come to the next one together.
void Zab::delay_observer(Parts& parts) {
  Duration delay;
  for (const int64_t up_to :
       {parts.config.observer_reconnect_delay_ms, parts.config.observer_election_delay_ms}) {
    if (up_to <= 0) continue;
    const uint64_t drawn = parts.world.random() % static_cast<uint64_t>(up_to);
    delay = delay + milliseconds(static_cast<int64_t>(drawn));
  }
  if (delay == Duration()) return;
  const Instant at = parts.world.now() + delay;
  look_at_ = look_at_ == Instant::never() ? at : std::max(look_at_, at);
}

// The only way out of a role. Clients are gone before anything else happens (hazards W5); what the
// role held in memory is dropped with it.
void Zab::look(std::string_view why, Parts& parts) {
  parts.world.log(LogLevel::Info, fmt::format("looking: {}", why));
  end_read_only(parts);
  if (established()) known_committed_ = std::max(known_committed_, committed());
  if (auto* learner = std::get_if<Learner>(&role_)) {
    if (learner->needs_snap()) {
      force_snap_ = true;
    } else if (standing_ == Standing::Voter || learner->synced()) {
      force_snap_ = false;  // a voter must make its claim, or it cannot be counted
    }
    if (learner->left_silent()) election_.leave_silent(learner->leader());
    handed_to_ = learner->designated();
    failed_joins_ = learner->synced() && !parts.digests.untrue() ? 0 : failed_joins_ + 1;
    if (failed_joins_ > 1) {
      const uint32_t doubled = std::min(failed_joins_ - 2, kJoinPausesDoubled);
      look_at_ = parts.world.now() + kJoinPauseMin * (int64_t{1} << doubled);
    }
    if (standing_ == Standing::Observer) delay_observer(parts);
    learner->leave(parts);
    if (std::optional<Learner::Install> install = learner->take_install())
      install_ = std::move(install);
  }
  if (auto* leader = std::get_if<Leader>(&role_)) {
    if (leader->stood_down()) {
      const int64_t ticks = parts.config.init_limit_ticks + parts.config.sync_limit_ticks;
      claim_at_ = parts.world.now() + parts.config.tick() * ticks;
      standing_ = Standing::Aside;
      parts.storage.renounce();
    }
    handed_to_ = leader->designated();
    leader->leave(parts);
    if (std::optional<DataTree> tree = leader->take_refilled()) {
      install_ = Learner::Install{tree->last_applied(), std::move(*tree), true};
    }
  }
  settled_ = false;
  election_.leave();
  parts.world.count("looking_count", 1);
  looking_since_ = parts.world.now();
  if (unavailable_since_ == Instant::never()) unavailable_since_ = looking_since_;
  role_.emplace<Looking>();
  if (parts.config.read_only_mode && !parts.config.standalone()) {
    read_only_at_ = parts.world.now() +
                    milliseconds(std::max(parts.config.read_only_after_ms, parts.config.tick_ms));
  }
}

// A SNAP whose install was under way when its role ended: the disk decides whether it counts.
void Zab::adopt_install(Parts& parts) {
  if (!install_ || parts.storage.busy() || parts.storage.installing()) return;
  if (!parts.storage.install_failed()) {
    parts.tree = std::move(install_->tree);
    parts.digests.replaced(install_->exact);
    parts.configs.rebase(parts.tree);
    if (parts.configs.enabled()) parts.save_configs();
  }
  install_.reset();
}

// The vote is (current epoch, last durable zxid): nothing may be under way on the disk (RULES 12).
void Zab::start_vote(Parts& parts) {
  const Storage& storage = parts.storage;
  if (storage.busy() || storage.installing() || install_.has_value()) return;
  if (storage.saving_epochs() || !storage.config_saved()) return;
  if (look_at_ != Instant::never()) return;
  if (storage.last_logged() != storage.last_durable()) return;
  CHECK(parts.tree.last_applied() <= storage.last_durable());
  weigh_memory(parts);
  weigh_digests(parts);
  std::get<Looking>(role_).voting = true;
  // Whoever has begun to be synchronised is blank no more, though not yet a voter.
  const bool blank = storage.last_logged() == Zxid{} && storage.accepted_epoch() == 0;
  if (standing_ == Standing::Blank && !blank) standing_ = Standing::Aside;
  SelfVote vote;
  vote.standing = standing_;
  vote.last_zxid = storage.claimed();
  vote.current_epoch = storage.current_epoch();
  vote.damaged = storage.recovered().found == Found::Damaged;
  if (storage.damage() != nullptr) {
    for (const Fault& fault : storage.damage()->faults) vote.faults.push_back(fault.range);
  }
  election_.look(vote, parts.world);
}

// Rule T, its last clause (RULES 3): a peer remembers that this server acknowledged more than its
// log holds, or than the list of what it lacks covers.
std::optional<Election::Told> Zab::missing_acknowledged(const Parts& parts) const {
  const Storage& storage = parts.storage;
  const bool rests_on_log =
      standing_ == Standing::Voter || (standing_ == Standing::Aside && storage.damage() != nullptr);
  if (!rests_on_log || storage.busy() || storage.installing()) return std::nullopt;
  const std::optional<LogId> log = storage.log_id();
  if (!log) return std::nullopt;
  const std::optional<Election::Told> told = election_.told(*log, storage.current_epoch());
  return told && told->upto > storage.claimed() ? told : std::nullopt;
}

// Nobody says how much more it was: there is no list with which it could vote.
void Zab::weigh_memory(Parts& parts) {
  const std::optional<Election::Told> told = missing_acknowledged(parts);
  if (!told) return;
  parts.world.log(
      LogLevel::Error,
      fmt::format("stands aside: the log here ends at {:x}, and server.{} remembers that "
                  "this server acknowledged {:x}",
                  parts.storage.claimed().value, told->by.value, told->upto.value));
  standing_ = Standing::Aside;
  parts.storage.found_short(parts.world, told->upto);
}

bool Zab::holds_another_tree(const Parts& parts) {
  return parts.storage.recovered().untrue || parts.digests.untrue();
}

// Nobody is led with a tree that is not the state at its zxid (RULES 7).
void Zab::weigh_digests(Parts& parts) {
  if (standing_ != Standing::Voter || !holds_another_tree(parts)) return;
  parts.world.log(LogLevel::Error,
                  fmt::format("stands aside: the tree here, up to zxid {:x}, is not what "
                              "the ensemble's was",
                              parts.tree.last_applied().value));
  standing_ = Standing::Aside;
  // What it is filled with may lack what it has acknowledged, and is counted for, in this life.
  forgets_from_ = parts.world.now();
  parts.storage.found_untrue();
}

// With known damage this server votes like any other, among its own kind only: Apache's servers
// would take its claim for a history (RULES 9).
void Zab::weigh_damage(Parts& parts) {
  if (parts.storage.damage() == nullptr) return;
  if (standing_ == Standing::Aside && claim_at_ == Instant::never() &&
      due_standing(parts) == Standing::Voter && election_.heard_only_ours()) {
    parts.world.log(LogLevel::Info, fmt::format("votes in spite of damage, claims zxid {:x}",
                                                parts.storage.claimed().value));
    standing_ = Standing::Voter;
    parts.storage.claim(parts.world);
    std::get<Looking>(role_).voting = false;
  } else if (standing_ == Standing::Voter && election_.heard_foreign()) {
    parts.world.log(LogLevel::Warn, "stands aside: not all voters could fill what is damaged here");
    standing_ = Standing::Aside;
    parts.storage.renounce();
    std::get<Looking>(role_).voting = false;
  }
}

void Zab::advance_looking(Parts& parts) {
  if (parts.config.standalone() ||
      (standing_ == Standing::Blank && (founding_ || told_to_found(parts)))) {
    if (!parts.storage.member()) {
      if (!founding_) parts.storage.found_new(parts.world);
      founding_ = true;
      return;
    }
    founding_ = false;
    standing_ = due_standing(parts);
    std::get<Looking>(role_).voting = false;
  }
  hear_configs(parts);
  follow_configs(parts);
  // An observer promises nothing: an empty directory is an empty history.
  const bool blank = parts.storage.recovered().found == Found::Blank;
  if (standing_ == Standing::Observer && blank && !parts.storage.member()) {
    if (!founding_) parts.storage.found_new(parts.world);
    founding_ = true;
    return;
  }
  if (parts.config.standalone()) {
    if (parts.storage.last_logged() == parts.storage.last_durable())
      role_.emplace<Leader>(forgotten_at(parts), parts);
    return;
  }
  if (missing_acknowledged(parts)) std::get<Looking>(role_).voting = false;  // not with this vote
  if (!std::get<Looking>(role_).voting) start_vote(parts);
  if (!std::get<Looking>(role_).voting || parts.storage.busy()) return;
  weigh_damage(parts);
  if (!std::get<Looking>(role_).voting) return;
  if (take_over(parts)) return;
  if (standing_ == Standing::Blank && may_found(parts) && election_.all_blank()) {
    parts.world.log(LogLevel::Info, "all configured voters are here and blank: a new ensemble");
    founding_ = true;
    parts.storage.found_new(parts.world);
    return;
  }
  if (const std::optional<ServerId> leader = election_.decided()) {
    end_read_only(parts);
    on_decided(*leader, parts);
    return;
  }
  if (read_only_due_) serve_read_only(parts);
}

void Zab::serve_read_only(Parts& parts) {
  const Zxid applied = parts.tree.last_applied();
  if (install_ || applied == Zxid{} || applied > known_committed_) return;
  if (holds_another_tree(parts)) return;
  read_only_due_ = false;
  read_only_ = true;
  parts.world.log(LogLevel::Warn,
                  fmt::format("no leader: read-only clients are served zxid {:x}", applied.value));
  parts.user.read_only_started();
}

void Zab::end_read_only(Parts& parts) {
  read_only_at_ = Instant::never();
  read_only_due_ = false;
  if (!read_only_) return;
  read_only_ = false;
  parts.user.serving_stopped();
}

void Zab::on_decided(ServerId leader, Parts& parts) {
  parts.world.sample("election_time", (parts.world.now() - looking_since_).ms());
  const bool voter = standing_ == Standing::Voter;
  handed_to_.reset();
  if (leader == parts.config.id) {
    CHECK(voter);
    election_.settle(PeerState::Leading, leader, parts.storage.current_epoch(), parts.world);
    role_.emplace<Leader>(forgotten_at(parts), parts);
    return;
  }
  election_.settle(voter ? PeerState::Following : PeerState::Observing, leader,
                   parts.storage.current_epoch(), parts.world);
  Learner::Manner manner;
  manner.observer = standing_ == Standing::Observer;
  manner.aside = standing_ == Standing::Aside || standing_ == Standing::Blank;
  manner.force_snap = force_snap_ || manner.aside;
  manner.damaged = voter && parts.storage.damage() != nullptr;
  role_.emplace<Learner>(leader, manner, parts);
}

void Zab::advance_learner(Parts& parts) {
  auto& learner = std::get<Learner>(role_);
  learner.advance(parts);
  fit_in(parts);
  if (!learner.over().empty()) return look(learner.over(), parts);
  if (learner.synced() && !settled_) {
    settled_ = true;
    note_available(false, parts.world);
    show_config(parts);
    const bool voter = standing_ == Standing::Voter;
    election_.settle(voter ? PeerState::Following : PeerState::Observing, learner.leader(),
                     learner.epoch(), parts.world);
  }
  if (standing_ == Standing::Aside || standing_ == Standing::Blank) return return_from_aside(parts);
  // An observer has promised nothing that it could have forgotten: what it was sent makes it whole.
  if (standing_ == Standing::Observer && learner.caught_up(parts) && !parts.storage.member() &&
      !founding_) {
    founding_ = true;
    parts.storage.found_new(parts.world);
  }
}

// What this server promised or acknowledged before its start may be counted somewhere until then.
Instant Zab::forgotten_at(const Parts& parts) const {
  const int64_t ticks = parts.config.init_limit_ticks + parts.config.sync_limit_ticks;
  return std::max(started_at_, forgets_from_) + parts.config.tick() * ticks;
}

// Who had forgotten may vote again with what it has received (RULES 10).
void Zab::return_from_aside(Parts& parts) {
  const auto& learner = std::get<Learner>(role_);
  if (!learner.caught_up(parts)) return;
  if (parts.world.now() < forgotten_at(parts)) {
    waiting_line_at_ = std::min(waiting_line_at_, forgotten_at(parts));
    return;
  }
  if (!parts.storage.member()) {
    if (!founding_) parts.storage.found_new(parts.world);
    founding_ = true;
    return;
  }
  founding_ = false;
  standing_ = due_standing(parts);
  look(standing_ == Standing::Voter ? "synchronised again, returning as a voter"
                                    : "synchronised, and here under its own id from now on",
       parts);
}

void Zab::stop(Parts& parts) {
  if (stopping_) return;
  look("stopping", parts);
  stopping_ = true;
}

// --- the server above

bool Zab::serving() const {
  if (const auto* learner = std::get_if<Learner>(&role_)) {
    return learner->serving() && learner->over().empty();
  }
  if (const auto* leader = std::get_if<Leader>(&role_)) {
    return leader->established() && leader->over().empty() && serves_when_leading_;
  }
  return false;
}

Instant Zab::may_serve_until() const {
  const bool had_leader = known_committed_ != Zxid{};  // in this life: no start is an election
  const bool elects = unavailable_since_ != Instant::never() && had_leader;
  return elects && !stopping_ && serves_clients_ ? unavailable_since_ + kClientsWait
                                                 : Instant{INT64_MIN / 2};
}

bool Zab::delivers() const {
  if (const auto* learner = std::get_if<Learner>(&role_)) {
    return learner->delivers() && learner->over().empty();
  }
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->established() && leader->over().empty();
}

void Zab::submit(const WriteRequest& request, Parts& parts) {
  if (auto* learner = std::get_if<Learner>(&role_)) return learner->submit(request, parts);
  std::get<Leader>(role_).submit(request, parts);
}

void Zab::sync(SessionId session, int32_t cxid, uint64_t ticket, Parts& parts) {
  if (auto* learner = std::get_if<Learner>(&role_)) {
    return learner->sync(session, cxid, ticket, parts);
  }
  std::get<Leader>(role_).sync(ticket);
}

void Zab::revalidate(SessionId session, int32_t timeout_ms, Parts& parts) {
  if (auto* learner = std::get_if<Learner>(&role_)) {
    return learner->revalidate(session, timeout_ms, parts);
  }
  std::get<Leader>(role_).revalidate(session, timeout_ms, parts);
}

bool Zab::touch(SessionId session, int32_t timeout_ms, Parts& parts) {
  if (auto* learner = std::get_if<Learner>(&role_)) {
    learner->touch(session, timeout_ms);
    return true;
  }
  auto* leader = std::get_if<Leader>(&role_);
  return leader == nullptr || leader->touch(session, timeout_ms, parts);
}

bool Zab::congested(const Parts& parts) const {
  if (parts.storage.unsynced_bytes() > kUnsyncedBytesMax) return true;
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->outstanding(parts) > parts.config.outstanding_requests_max;
}

// --- facts

ZabRole Zab::role() const { return static_cast<ZabRole>(role_.index()); }

std::optional<ServerId> Zab::leader() const {
  const auto* learner = std::get_if<Learner>(&role_);
  if (learner != nullptr) return learner->leader();
  return std::nullopt;
}

Epoch Zab::epoch() const {
  if (const auto* learner = std::get_if<Learner>(&role_)) return learner->epoch();
  if (const auto* leader = std::get_if<Leader>(&role_)) return leader->epoch();
  return 0;
}

bool Zab::established() const {
  if (const auto* learner = std::get_if<Learner>(&role_)) return learner->synced();
  if (const auto* leader = std::get_if<Leader>(&role_)) return leader->established();
  return false;
}

Zxid Zab::committed() const {
  if (const auto* learner = std::get_if<Learner>(&role_)) return learner->committed();
  if (const auto* leader = std::get_if<Leader>(&role_)) return leader->committed();
  return Zxid{};
}

}  // namespace vivarium
