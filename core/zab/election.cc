#include "core/zab/election.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/wire/peer_extension.h"

namespace vivarium {
namespace {

constexpr int64_t kMinLong = std::numeric_limits<int64_t>::min();
// The last round. Not reached by counting, but any host may claim it; elections then go on inside
// it.
constexpr int64_t kRoundMax = std::numeric_limits<int64_t>::max();
// In place of the epoch, beside a zxid of -1: a blank server; one that stands aside says 0. Neither
// beats any vote, not even in comparisons that Apache makes before it looks at the zxid.
constexpr int64_t kBlankEpoch = -1;
// Of who looks and is no candidate.
constexpr Vote kNobody{ServerId{kMinLong}, kMinLong, kMinLong};
// Two servers that take each other for listeners would otherwise answer each other's answers for
// ever.
constexpr Duration kAnswerSpacing = milliseconds(20);
// How many finalize waits a quorum may agree on a candidate whom this server cannot hear (hazards
// E1).
constexpr int64_t kUnheardWaits = 5;

bool is_looking(const auto& word) { return word.state == PeerState::Looking; }

// Of one leadership: what is said after an election compares on leader and epoch alone (hazards
// E5), and with a vote of the election itself on everything.
bool same_vote(const auto& a, const auto& b) {
  if (is_looking(a) || is_looking(b)) return a.vote == b.vote && a.round == b.round;
  if ((a.version > 0) != (b.version > 0)) return a.vote.leader == b.vote.leader;
  return a.vote.leader == b.vote.leader && a.vote.peer_epoch == b.vote.peer_epoch;
}

int64_t next_round(int64_t round) { return round < kRoundMax ? round + 1 : round; }

std::string describe(const Vote& vote) {
  if (vote == kNobody) return "nobody";
  return fmt::format("server.{} (epoch {}, zxid {:#x})", vote.leader.value, vote.peer_epoch,
                     static_cast<uint64_t>(vote.zxid));
}

std::string list_of(const std::vector<ServerId>& ids) {
  std::string text;
  for (const ServerId id : ids) {
    text += fmt::format("{}server.{}", text.empty() ? "" : ", ", id.value);
  }
  return text;
}

}  // namespace

Election::Election(const Config& config)
    : id_(config.id),
      quorum_(config),
      learns_configs_(config.reconfig.enabled),
      config_version_(config.members_version),
      config_text_(to_text(config.membership())),
      resend_min_(milliseconds(config.notification_min_ms)),
      resend_max_(milliseconds(std::max(config.notification_min_ms, config.notification_max_ms))),
      finalize_wait_(milliseconds(config.finalize_wait_ms)),
      links_(config) {}

// --- the election

void Election::leave_silent(ServerId leader) {
  CHECK(leader != id_);
  silent_.insert(leader);
}

void Election::leave() {
  begun_ = false;
  state_ = PeerState::Looking;
  decided_.reset();
  received_.clear();
  established_.clear();
  stop_timers();
}

void Election::look(const SelfVote& self, World& world) {
  CHECK(self.standing != Standing::Voter || speaks(id_));
  CHECK(self.standing != Standing::Blank || (self.last_zxid == Zxid{} && self.current_epoch == 0));
  begun_ = true;
  self_ = self;
  state_ = PeerState::Looking;
  decided_.reset();
  heard_looking_.clear();
  established_.clear();
  start_round(next_round(round_), world);
  links_.want_voters(true, world);
}

// Every round starts from the self vote, never from the last one's winner (hazards E1).
void Election::start_round(int64_t round, World& world) {
  CHECK(looking() && round > 0 && round >= round_);
  round_ = round;
  received_.clear();
  vote_ = initial_vote();
  stop_timers();
  resend_pause_ = resend_min_;
  resend_at_ = world.now() + resend_pause_;
  tell_voters();
  world.log(LogLevel::Info, fmt::format("looking, round {}, vote {}", round_, describe(vote_)));
  count_votes(world);
}

Vote Election::initial_vote() const {
  switch (self_.standing) {
    case Standing::Voter:
      if (!may_lead()) return kNobody;
      return {id_, self_.last_zxid.wire(), int64_t{self_.current_epoch}};
    case Standing::Observer:
    case Standing::NonVoting:
      return kNobody;
    case Standing::Aside:
      return {id_, kNoZxidWire, 0};
    case Standing::Blank:
      return {id_, kNoZxidWire, kBlankEpoch};
  }
  CHECK(false);
}

void Election::on_voter(ServerId from, const Word& word, World& world) {
  CHECK(speaks(from) && from != id_);
  heard_[from] = word;
  silent_.erase(from);
  if (!begun_) return;
  if (!looking()) {
    if (!is_looking(word)) {
      heard_looking_.erase(from);
      return;
    }
    const bool about_to_follow = word.vote.leader == id_ && word.round == round_;
    if (!about_to_follow) heard_looking_.insert(from);
    tell(from);
    return;
  }
  // Only a voter has a round worth hearing of; two who listen would tell each other for ever.
  if (votes() && is_looking(word) && word.round < round_) tell(from);

  // What the sender said before is void, also when this word counts for nothing.
  received_.erase(from);
  established_.erase(from);
  if (speaks(word.vote.leader) || (is_looking(word) && word.vote == kNobody)) {
    switch (word.state) {
      case PeerState::Looking:
        if (votes()) on_looking(from, word, world);
        break;
      case PeerState::Following:
      case PeerState::Leading:
        on_established(from, word, world);
        break;
      case PeerState::Observing:
        break;
    }
  }
  if (looking()) count_votes(world);
}

// Section 4, step 4.
void Election::on_looking(ServerId from, const Word& word, World& world) {
  if (word.vote.zxid == kNoZxidWire) return;  // no data, no vote (RULES 10)
  if (word.round < round_) return;
  if (word.round > round_) {
    start_round(word.round, world);
    // The vote that came with the round is compared, not dropped (hazards E4).
  }
  if (word.vote == kNobody) return;  // a voter by hearsay: it votes in its round, when it has heard
  const bool able = word.vote.leader != id_ || may_lead();
  if (able && compare_votes(word.vote, vote_) > 0) propose(word.vote, world);
  // Who began to look only now has forgotten what it was told before.
  if (compare_votes(word.vote, vote_) < 0) tell(from);
  received_[from] = word;
}

void Election::propose(const Vote& vote, World& world) {
  CHECK(votes() && compare_votes(vote, vote_) > 0 && speaks(vote.leader));
  vote_ = vote;
  stop_timers();
  resend_at_ = world.now() + resend_pause_;
  tell_voters();
  world.log(LogLevel::Info, fmt::format("round {}, vote {}", round_, describe(vote_)));
}

// Section 4, step 6. Votes of this round count together with those who still look (ZK-480); votes
// of any round count among themselves (hazards E2).
void Election::on_established(ServerId from, const Word& word, World& world) {
  established_[from] = word;
  if (votes() && word.round == round_) {
    received_[from] = word;
    if (joins(received_, word)) {
      decide(word.vote, word.round, world);
      return;
    }
  }
  if (joins(established_, word)) decide(word.vote, word.round, world);
}

// A quorum says what `word` says, and its leader himself says that he leads. A change that is
// pending here asks for nothing more: that leadership may have gone on without it. Never this
// server: of its own candidacy only votes of its round decide, in count_votes() (hazards E3).
bool Election::joins(const Words& words, const Word& word) const {
  if (word.vote.leader == id_) return false;
  const auto leader = words.find(word.vote.leader);
  if (leader == words.end() || leader->second.state != PeerState::Leading) return false;
  if (!same_vote(leader->second, word)) return false;
  const Word own{PeerState::Looking, vote_, round_, word.version, true};
  return quorum_.holds_in_one([&](ServerId id) {
    if (id == id_) return votes() && same_vote(own, word);
    const auto it = words.find(id);
    return it != words.end() && same_vote(it->second, word);
  });
}

// Nobody is left whose vote could still change the outcome: each voter has voted as this server
// does, or does not answer, or was left because it is silent (docs/decisions.md, 90).
bool Election::all_have_voted(const Word& own) const {
  const auto counted = [&](ServerId id) {
    const auto it = received_.find(id);
    if (it != received_.end()) return same_vote(it->second, own);
    return id == id_ || links_.gone(id) || silent_.count(id) != 0;
  };
  return std::all_of(quorum_.voters().begin(), quorum_.voters().end(), counted) &&
         std::all_of(hinted_.begin(), hinted_.end(), counted);
}

// Section 4, step 4, its end: a quorum for the proposal decides when it has stayed for the finalize
// wait, or when there is nothing to wait for. The candidate must have been heard in this round,
// voting for himself (hazards E1); if he is not, the round is given up.
void Election::count_votes(World& world) {
  CHECK(looking());
  if (!votes()) return;
  const Word own{PeerState::Looking, vote_, round_, 0, true};
  const bool quorum = quorum_.holds([&](ServerId id) {
    if (id == id_) return true;
    const auto it = received_.find(id);
    return it != received_.end() && same_vote(it->second, own);
  });
  bool heard = vote_.leader == id_;
  if (const auto it = received_.find(vote_.leader); it != received_.end()) {
    heard = it->second.vote.leader == vote_.leader;
  }
  const auto keep_or_set = [&](Instant& timer, bool wanted, Duration wait) {
    if (!wanted) {
      timer = Instant::never();
    } else if (timer == Instant::never()) {
      timer = world.now() + wait;
    }
  };
  keep_or_set(finalize_at_, quorum && heard, finalize_wait_);
  if (quorum && heard && all_have_voted(own)) finalize_at_ = world.now();
  keep_or_set(withdraw_at_, quorum && !heard, finalize_wait_ * kUnheardWaits);
}

void Election::decide(const Vote& vote, int64_t round, World& world) {
  CHECK(looking() && speaks(vote.leader));
  CHECK(vote.leader != id_ || (may_lead() && round == round_));
  stop_timers();
  if (round > 0) round_ = round;
  vote_ = vote;
  decided_ = vote.leader;
  state_ = !votes()             ? PeerState::Observing
           : vote.leader == id_ ? PeerState::Leading
                                : PeerState::Following;
  heard_looking_.clear();
  links_.want_voters(false, world);
  tell_waiting(false);
  world.log(LogLevel::Info, fmt::format("decided, round {}: {}", round_, describe(vote_)));
}

void Election::settle(PeerState state, ServerId leader, Epoch epoch, World& world) {
  CHECK(begun_ && state != PeerState::Looking);
  CHECK((state == PeerState::Leading) == (leader == id_));
  CHECK(speaks(leader));
  const Notification before = notification();
  stop_timers();
  state_ = votes() ? state : PeerState::Observing;
  decided_.reset();
  heard_looking_.clear();
  links_.want_voters(false, world);
  if (vote_.leader != leader) vote_ = {leader, 0, 0};
  vote_.peer_epoch = std::max(vote_.peer_epoch, int64_t{epoch});
  if (before.state != state_ || before.peer_epoch != vote_.peer_epoch) tell_waiting(true);
}

// --- the ensemble changes

void Election::configure(const Configs& configs, Standing standing, World& world) {
  quorum_ = configs.quorum();
  config_version_ = configs.active().version;
  config_text_ = to_text(configs.active());
  pending_text_ = configs.pending() ? to_text(configs.last_seen()) : std::string();
  pending_version_ = configs.last_seen().version;
  self_.standing = standing;
  if (looking()) leave();
  std::vector<Member> members = configs.last_seen().members;
  const auto add = [&](const Membership& membership) {
    for (const Member& member : membership.members) {
      const auto known = std::find_if(members.begin(), members.end(),
                                      [&](const Member& m) { return m.id == member.id; });
      if (known == members.end()) {
        members.push_back(member);
      } else {
        known->observer = known->observer && member.observer;  // a voter of one is asked for votes
      }
    }
  };
  add(configs.active());
  hinted_.clear();
  hinted_text_.clear();
  if (configs.hinted()) {
    hinted_text_ = to_text(*configs.hinted());
    add(*configs.hinted());
    pending_version_ = configs.hinted()->version;
    for (const Member& m : configs.hinted()->members) {
      if (!m.observer) hinted_.push_back(m.id);
    }
  }
  std::erase_if(heard_, [&](const auto& entry) { return !speaks(entry.first); });
  std::erase_if(heard_looking_, [&](ServerId id) { return !speaks(id); });
  std::erase_if(silent_, [&](ServerId id) { return !speaks(id); });
  const auto is_member = [&](ServerId id) { return configs.find(id) != nullptr; };
  std::erase_if(observers_, [&](const auto& entry) { return !is_member(entry.first); });
  std::erase_if(to_tell_, [&](ServerId id) { return !is_member(id); });
  std::vector<ElectionLinks::Arrival> arrivals;
  links_.set_members(members, world, arrivals);
  take_arrivals(arrivals, world);
}

bool Election::speaks(ServerId id) const {
  return quorum_.is_voter(id) || std::find(hinted_.begin(), hinted_.end(), id) != hinted_.end();
}

std::optional<Membership> Election::take_heard_config() {
  return std::exchange(heard_config_, std::nullopt);
}

std::optional<Membership> Election::take_heard_pending() {
  return std::exchange(heard_pending_, std::nullopt);
}

// Only who looks for a leader may take another's word for what is committed (hazards X2), and only
// from those it knows.
void Election::hear_config(std::string_view text, bool pending, World& world) {
  if (!learns_configs_ || !looking() || text.empty()) return;
  if (text == (pending ? pending_text_ : config_text_)) return;
  Result<Membership> membership = parse_membership(text);
  if (!membership) {
    world.log(LogLevel::Warn,
              "election port, a configuration that makes no sense: " + membership.error().message);
    return;
  }
  std::optional<Membership>& heard = pending ? heard_pending_ : heard_config_;
  if (membership->version <= (pending ? pending_version_ : config_version_)) return;
  if (heard && membership->version <= heard->version) return;
  heard = std::move(*membership);
}

bool Election::looking() const { return begun_ && state_ == PeerState::Looking; }
std::optional<ServerId> Election::decided() const { return decided_; }
bool Election::heard_looking(ServerId voter) const { return heard_looking_.count(voter) > 0; }

// --- blank and aside

bool Election::is_blank(const Word& word) const {
  return is_looking(word) && word.vote.zxid == kNoZxidWire && word.vote.peer_epoch == kBlankEpoch;
}

// A proposal of zxid 0 and epoch 0 is the best that its sender knows, itself included.
bool Election::is_fresh(const Word& word) const {
  return is_looking(word) && word.vote.zxid == 0 && word.vote.peer_epoch == 0;
}

bool Election::all_blank() const {
  if (!begun_ || self_.standing != Standing::Blank) return false;
  for (const ServerId voter : quorum_.voters()) {
    if (voter == id_) continue;
    const auto it = heard_.find(voter);
    if (it == heard_.end() || !(is_blank(it->second) || is_fresh(it->second))) return false;
  }
  return true;
}

bool Election::says_it_leads(ServerId voter) const {
  const auto it = heard_.find(voter);
  return it != heard_.end() && it->second.state == PeerState::Leading;
}

bool Election::heard_foreign() const {
  return std::any_of(heard_.begin(), heard_.end(),
                     [](const auto& entry) { return !entry.second.ours; });
}

bool Election::heard_only_ours() const {
  return !heard_foreign() &&
         quorum_.holds([&](ServerId id) { return id == id_ || heard_.count(id) != 0; });
}

std::optional<Election::Told> Election::told(LogId log, Epoch since) const {
  std::optional<Told> highest;
  for (const auto& [id, word] : heard_) {
    const std::optional<Acknowledged>& r = word.remembered;
    if (!r || r->log != log || r->epoch < since) continue;
    if (!highest || r->upto > highest->upto) highest = Told{id, r->upto};
  }
  return highest;
}

std::string Election::waiting_for() const {
  if (self_.standing != Standing::Blank && self_.standing != Standing::Aside) return {};
  std::vector<ServerId> unheard;
  std::vector<ServerId> with_data;
  std::vector<ServerId> without;
  for (const ServerId voter : quorum_.voters()) {
    if (voter == id_) continue;
    const auto it = heard_.find(voter);
    if (it == heard_.end()) {
      unheard.push_back(voter);
    } else if (is_looking(it->second) && it->second.vote.zxid == kNoZxidWire) {
      without.push_back(voter);
    } else if (!is_fresh(it->second)) {
      with_data.push_back(voter);
    }
  }
  const bool blank = self_.standing == Standing::Blank;
  std::string text = blank            ? "no data here"
                     : !self_.damaged ? "the promises made here are lost"
                                      : "data here is damaged";
  if (blank && with_data.empty()) {
    text +=
        "; a new ensemble starts when every voter has been heard without data, or by a file "
        "'initialize' in dataDir at a start";
  } else {
    text += "; waiting for a leader with a quorum";
  }
  if (!unheard.empty()) text += "; not heard: " + list_of(unheard);
  if (!without.empty()) text += "; without a vote: " + list_of(without);
  if (!with_data.empty()) text += "; with data: " + list_of(with_data);
  return text;
}

// --- messages

Notification Election::notification() const {
  CHECK(begun_);
  Notification n;
  n.state = state_;
  n.leader = vote_.leader;
  n.zxid = vote_.zxid;
  n.election_epoch = round_;
  n.peer_epoch = vote_.peer_epoch;
  n.config = config_text_;
  return n;
}

bool Election::step(const Event& event, World& world) {
  std::vector<ElectionLinks::Arrival> arrivals;
  if (!links_.step(event, world, arrivals)) return false;
  take_arrivals(arrivals, world);
  if (looking() && std::holds_alternative<LinkDown>(event)) count_votes(world);
  return true;
}

void Election::take_arrivals(const std::vector<ElectionLinks::Arrival>& arrivals, World& world) {
  for (const ElectionLinks::Arrival& arrival : arrivals) on_arrival(arrival, world);
}

void Election::on_arrival(const ElectionLinks::Arrival& arrival, World& world) {
  const Contact& from = arrival.from;
  switch (arrival.what) {
    case ElectionLinks::What::Connected:
      CHECK(from.member);
      tell(from.id);  // whatever was under way on the last connection may be lost (hazards E7)
      return;
    case ElectionLinks::What::Gone:
      strangers_.erase(from.link);
      strangers_to_tell_.erase(from.link);
      return;
    case ElectionLinks::What::Message:
      break;
  }
  const Result<Notification> decoded = decode_notification(arrival.message);
  if (!decoded) {
    world.log(LogLevel::Debug,
              fmt::format("election port, server.{}: {}", from.id.value, decoded.error().message));
    return;
  }
  const Notification& n = *decoded;
  const std::optional<PeerExtension> extension = decode_peer_extension(n.extension);
  Word word{n.state, {n.leader, n.zxid, n.peer_epoch}, n.election_epoch, n.version, false};
  word.ours = extension.has_value();
  if (extension) word.remembered = extension->remembered;
  if (from.member) {
    hear_config(n.config, false, world);
    if (extension) hear_config(extension->config, true, world);
  }
  if (!speaks(from.id)) {
    on_listener(from, word, world);
  } else {
    on_voter(from.id, word, world);
  }
}

// Whoever looks and is no voter gets an answer and nothing else.
void Election::on_listener(const Contact& from, const Word& word, World& world) {
  Listener& listener = from.member ? observers_[from.id] : strangers_[from.link];
  listener.looking = is_looking(word);
  if (!listener.looking || world.now() < listener.answered + kAnswerSpacing) return;
  listener.answered = world.now();
  if (from.member) {
    tell(from.id);
  } else {
    strangers_to_tell_.insert(from.link);
  }
}

void Election::tell(ServerId member) {
  CHECK(member != id_);
  to_tell_.insert(member);
}

void Election::tell_voters() {
  for (const ServerId voter : quorum_.voters()) {
    if (voter != id_) tell(voter);
  }
  for (const ServerId voter : hinted_) {
    if (voter != id_) tell(voter);
  }
}

void Election::tell_waiting(bool all_members) {
  for (const auto& [id, word] : heard_) {
    const bool knows = word.vote == vote_ && word.round == round_;
    if (all_members || (is_looking(word) && !knows)) tell(id);
  }
  for (const auto& [id, observer] : observers_) {
    if (observer.looking) tell(id);
  }
  for (const auto& [link, stranger] : strangers_) {
    if (stranger.looking) strangers_to_tell_.insert(link);
  }
}

Bytes Election::frame_for(const std::optional<Acknowledged>& remembered) const {
  PeerExtension ours;
  ours.damaged = self_.damaged;
  ours.faults = self_.faults;
  ours.remembered = remembered;
  // Hearsay is passed on where nothing is pending here, or the vote rests on it: those who have not
  // heard would not know the candidate, who needs their votes too.
  const bool by_hearsay = !quorum_.is_voter(vote_.leader) && !hinted_text_.empty();
  ours.config = by_hearsay || pending_text_.empty() ? hinted_text_ : pending_text_;
  Bytes extension;
  encode(ours, extension);
  Notification said = notification();
  said.extension = extension;
  Bytes frame;
  encode_notification_frame(said, frame);
  return frame;
}

void Election::end_turn(World& world, const std::vector<RememberedAck>& remembered) {
  if (begun_ && (!to_tell_.empty() || !strangers_to_tell_.empty())) {
    const Bytes frame = frame_for(std::nullopt);
    for (const ServerId member : to_tell_) {
      const std::optional<Acknowledged> its = find_remembered(remembered, member);
      links_.send({member, {}, true}, its ? frame_for(its) : frame);
    }
    for (const LinkId link : strangers_to_tell_) links_.send({{}, link, false}, frame);
  }
  to_tell_.clear();
  strangers_to_tell_.clear();
  links_.end_turn(world);
}

// --- time

void Election::stop_timers() {
  resend_at_ = Instant::never();
  finalize_at_ = Instant::never();
  withdraw_at_ = Instant::never();
}

Instant Election::deadline() const {
  const Instant own = std::min(resend_at_, std::min(finalize_at_, withdraw_at_));
  return std::min(own, links_.deadline());
}

void Election::on_deadline(World& world) {
  links_.on_deadline(world);
  const Instant now = world.now();
  if (finalize_at_ <= now) {
    decide(vote_, round_, world);
    return;
  }
  if (withdraw_at_ <= now) {
    start_round(next_round(round_), world);
    return;
  }
  if (resend_at_ <= now) {  // state-based: the vote is said again until it is answered (hazards E7)
    tell_voters();
    resend_pause_ = std::min(resend_pause_ * 2, resend_max_);
    resend_at_ = now + resend_pause_;
  }
}

}  // namespace vivarium
