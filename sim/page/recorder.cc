#include "sim/page/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <utility>
#include <variant>

#include "sim/page/evidence.h"
#include "sim/page/streams.h"
#include "sim/page/words.h"

namespace vivarium::sim {
namespace {

std::string lane_words(const Profile& profile, uint32_t server) {
  std::string words = profile.is_apache(server) ? "ZooKeeper's, " : "";
  if (profile.is_shadow(server)) return words + "shadow observer";
  if (profile.observer(server)) return words + "observer";
  return words + (profile.spare(server) ? "spare" : "voter");
}

std::vector<PageLane> lanes_of_cluster(const Cluster& cluster) {
  const Profile& profile = cluster.profile();
  std::vector<PageLane> lanes;
  for (uint32_t i = 0; i < profile.servers; ++i) {
    lanes.push_back({fmt::format("s{}", i + 1), lane_words(profile, i), true});
  }
  for (uint32_t i = 0; i < profile.clients; ++i) {
    const bool changes = profile.changes_ensemble(i);
    lanes.push_back({fmt::format("c{}", i + 1), changes ? "changes the ensemble" : "client"});
  }
  if (profile.has_operator) lanes.push_back({"o1", "asks servers about themselves"});
  if (profile.has_stranger) lanes.push_back({"x1", "sends what nobody should"});
  return lanes;
}

BandState state_of(const NodeFacts& facts) {
  if (facts.role == ZabRole::Recovering) return BandState::Recovering;
  if (facts.role == ZabRole::Looking) return BandState::Looking;
  if (facts.role == ZabRole::Leader) {
    return facts.established ? BandState::Leading : BandState::Winning;
  }
  return facts.delivers ? BandState::Serving : BandState::Joining;
}

std::string_view text_of(Standing standing) {
  switch (standing) {
    case Standing::Voter:
      return "is a voter";
    case Standing::Observer:
      return "is an observer";
    case Standing::NonVoting:
      return "is in no configuration";
    case Standing::Aside:
      return "stands aside: it does not know what it may have forgotten";
    case Standing::Blank:
      return "is blank: it has no data";
  }
  return "?";
}

std::string operation_words(const ClientOp& op, bool cut_off) {
  std::string text = fmt::format("operation {}", op.xid);
  if (!op.data.empty()) text += fmt::format(", {} bytes", op.data.size());
  if (op.version != -1) text += fmt::format(", version {}", op.version);
  if (!op.parts.empty()) text += fmt::format(", {} parts", op.parts.size());
  if (op.watch) text += ", leaves a watch";
  if (op.answered) {
    text += fmt::format("; answered at {}: {}", hex(op.reply_zxid), plain_words(op.error));
    if (!op.reply_path.empty()) text += fmt::format(", {}", op.reply_path);
  } else {
    text += cut_off ? "; the connection was lost: it happened once or not at all"
                    : "; not answered when the run ended";
  }
  return text;
}

}  // namespace

PageRecorder::PageRecorder(const Cluster& cluster)
    : cluster_(cluster),
      facts_(cluster.profile().servers),
      bands_(cluster.profile().servers),
      paused_(cluster.profile().servers) {
  model_.lanes = lanes_of_cluster(cluster);
  cut_off_.resize(model_.lanes.size());
  for (const Fault& fault : cluster.faults()) {
    const SimTime until = fault.at + fault.lasts;
    model_.faults.push_back(
        {fault.id, fault.at, until, lanes_of(fault, cluster.profile()), plain_words(fault)});
  }
  for (uint32_t i = 0; i < bands_.size(); ++i) {
    bands_[i].lane = i;
    model_.bands.push_back(bands_[i]);
  }
}

PageEvent& PageRecorder::add(PageKind kind, Lane lane, std::string label) {
  PageEvent& event = model_.events.emplace_back();
  event.kind = kind;
  event.lane = lane;
  event.at = event.until = sim_->now();
  event.label = std::move(label);
  return event;
}

// What a checker has found since the last call was found about what was recorded last.
void PageRecorder::note_violation() {
  if (violating_ != kNoEvent || !cluster_.verdict().violation()) return;
  if (!model_.events.empty()) violating_ = model_.events.size() - 1;
}

void PageRecorder::link_ended(HostId host, LinkId link, bool closed) {
  links_.ended(*sim_, host, link, closed, model_);
  cut_off_[host.value].push_back(sim_->now());
}

// A client has one connection at a time.
SimTime PageRecorder::cut_off_after(HostId host, SimTime at) const {
  const std::vector<SimTime>& times = cut_off_[host.value];
  const auto found = std::upper_bound(times.begin(), times.end(), at);
  return found == times.end() ? model_.end : *found;
}

void PageRecorder::delivering(Simulation& sim, HostId host, const Event& event) {
  sim_ = &sim;
  note_violation();
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    links_.opened(sim, host, accepted->link);
  } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    links_.received(sim, host, bytes->link, bytes->bytes.size(), model_);
  } else if (const auto* down = std::get_if<LinkDown>(&event)) {
    link_ended(host, down->link, false);
  } else if (const auto* synced = std::get_if<FileSynced>(&event)) {
    disks_.synced(sim, host, synced->file, synced->token, model_);
  } else if (const auto* dir = std::get_if<DirSynced>(&event)) {
    disks_.dir_synced(sim, host, dir->dir, dir->token, model_);
  }
}

void PageRecorder::called(Simulation& sim, HostId host, const Call& call) {
  sim_ = &sim;
  note_violation();
  if (call.kind == CallKind::Connect) {
    links_.opened(sim, host, call.link);
  } else if (call.kind == CallKind::Send) {
    links_.sent(sim, host, call.link, call.bytes, model_);
  } else if (call.kind == CallKind::CloseLink) {
    link_ended(host, call.link, true);
  } else if (call.kind == CallKind::Log || call.kind == CallKind::Stop) {
    PageEvent& line = add(PageKind::Line, host.value, std::string(call.name));
    // Why a role ends is no small thing.
    const bool tells = call.name.starts_with("looking: ") || call.name.ends_with(": silent");
    line.minor = call.kind == CallKind::Log && call.level < LogLevel::Warn && !tells;
  } else if (is_server(host)) {
    disks_.called(sim, host, call, model_);
  }
}

void PageRecorder::delivered(Simulation& sim, HostId host, const Event&) {
  sim_ = &sim;
  note_violation();
  if (!is_server(host) || !cluster_.alive(host.value)) return;
  const NodeFacts after = cluster_.facts_of(host.value);
  NodeFacts& known = facts_[host.value];
  if (after == known) return;
  const NodeFacts before = std::exchange(known, after);
  note_epochs(host.value, before, after);
  set_band(host.value);
  note_changes(host.value, before, after);
}

void PageRecorder::set_band(ServerIndex server) {
  const HostId host{server};
  const NodeFacts& facts = facts_[server];
  Band band{server, sim_->now(), state_of(facts), facts.epoch};
  if (sim_->state(host) == HostState::Off) band.state = BandState::Down;
  if (paused_[server]) band.state = BandState::Paused;
  const bool in_epoch = band.state >= BandState::Joining;
  if (!in_epoch) band.epoch = 0;
  Band& present = bands_[server];
  if (band.state == present.state && band.epoch == present.epoch) return;
  present = band;
  model_.bands.push_back(band);
  if (band.state <= BandState::Paused) return;
  PageEvent& event = add(PageKind::State, server, std::string(plain_words(band.state)));
  if (in_epoch && band.epoch != 0) event.label += fmt::format(", epoch {}", band.epoch);
  const Node* const node = cluster_.node(server);
  const std::optional<ServerId> leader = node ? node->zab().leader() : std::nullopt;
  const bool follows = band.state == BandState::Joining || band.state == BandState::Serving;
  if (follows && leader) event.detail = fmt::format("of s{}", leader->value);
  if (facts.standing != Standing::Voter) event.detail = text_of(facts.standing);
}

void PageRecorder::note_epochs(ServerIndex server, const NodeFacts& before,
                               const NodeFacts& after) {
  if (after.role == ZabRole::Recovering) return;
  if (after.accepted_epoch != before.accepted_epoch) {
    add(PageKind::State, server, fmt::format("acceptedEpoch {}", after.accepted_epoch)).detail =
        "the epoch that it has promised, durable";
  }
  if (after.current_epoch != before.current_epoch) {
    add(PageKind::State, server, fmt::format("currentEpoch {}", after.current_epoch)).detail =
        "the epoch whose history it has, durable";
  }
  if (after.damaged && !before.damaged) {
    PageEvent& event = add(PageKind::State, server, "knows its log to be damaged");
    event.zxid = after.claimed;
    event.detail = fmt::format("it claims {} all the same", hex(after.claimed));
  }
}

void PageRecorder::note_changes(ServerIndex server, const NodeFacts& before,
                                const NodeFacts& after) {
  if (after.last_logged != before.last_logged || after.last_durable != before.last_durable ||
      after.last_applied != before.last_applied) {
    model_.reaches.push_back(
        {server, sim_->now(), after.last_logged, after.last_durable, after.last_applied});
  }
  if (after.last_logged < before.last_logged && after.role != ZabRole::Recovering) {
    PageEvent& event = add(PageKind::State, server,
                           fmt::format("its log goes back to {}", hex(after.last_logged)));
    event.zxid = after.last_logged;
    event.detail = fmt::format("from {}", hex(before.last_logged));
  }
  if (after.leading && after.established && after.committed > before.committed) {
    add(PageKind::Commit, server, "commits " + hex(after.committed)).zxid = after.committed;
    model_.reaches.push_back({kNoLane, sim_->now(), {}, {}, after.committed});
  }
  const bool applies = after.last_applied != before.last_applied || !before.delivers;
  if (after.delivers && applies && after.last_applied != Zxid{}) {
    PageEvent& event = add(PageKind::Deliver, server, "serves " + hex(after.last_applied));
    event.zxid = after.last_applied;
    event.minor = true;
  }
}

void PageRecorder::crashed(Simulation& sim, HostId host) {
  sim_ = &sim;
  const size_t death = model_.events.size() - 1;  // noted before
  links_.died(sim, host, model_);
  if (!is_server(host)) return;
  const std::string left = disks_.crashed(sim, host, model_);
  if (!left.empty()) model_.events[death].detail = left;
  facts_[host.value] = NodeFacts{};
  paused_[host.value] = false;
  set_band(host.value);
}

void PageRecorder::fault_noted(std::string_view what) {
  const bool strikes = what.starts_with("strikes: ");
  if (strikes) what.remove_prefix(9);
  what.remove_prefix(6);  // "fault "
  uint32_t id = 0;
  std::from_chars(what.data(), what.data() + what.size(), id);
  for (size_t i = 0; i < model_.faults.size(); ++i) {
    PageFault& fault = model_.faults[i];
    if (fault.id != id) continue;
    const bool waits = cluster_.faults()[i].waits_for_packet() && !strikes;
    if (!waits) fault.applied = true;
    if (strikes) fault.until = sim_->now() + (fault.until - fault.at);
    if (strikes) fault.at = sim_->now();
    PageEvent& event =
        add(PageKind::Fault, fault.lanes.empty() ? kNoLane : fault.lanes[0], fault.text);
    event.minor = waits;
    event.detail = fmt::format("fault {}{}", id, strikes ? ", strikes" : waits ? ", waits" : "");
    return;
  }
}

void PageRecorder::happened(Simulation& sim, HostId host, std::string_view what) {
  sim_ = &sim;
  note_violation();
  if (what.starts_with("fault ") || what.starts_with("strikes: fault ")) return fault_noted(what);
  if (what == "all faults healed") {
    model_.healed = sim.now();
    add(PageKind::Fault, kNoLane, "all faults end here");
    return;
  }
  add(PageKind::Life, host == kNoHost ? kNoLane : host.value, std::string(what));
  if (!is_server(host)) return;
  if (what == "is paused" || what == "goes on") {
    paused_[host.value] = what == "is paused";
    set_band(host.value);
  }
}

// ---------------------------------------------------------------------------------- when it is
// over

void PageRecorder::add_operations() {
  for (uint32_t i = 0; i < cluster_.profile().clients; ++i) {
    for (const ClientOp& op : cluster_.clients()[i].ops()) {
      PageEvent& event =
          add(PageKind::Operation, cluster_.client_host(i).value, std::string(op_name(op.op)));
      if (op.path.starts_with('/')) event.label += " " + op.path;
      event.at = op.invoked;
      const SimTime cut_off = cut_off_after(cluster_.client_host(i), op.invoked);
      const bool lost = !op.answered && cut_off < model_.end;
      event.until = op.answered ? op.returned : cut_off;
      event.fate = op.answered ? op.error == ErrorCode::Ok ? Fate::Done : Fate::Refused
                   : lost      ? Fate::Lost
                               : Fate::Open;
      event.zxid = op.reply_zxid;
      event.detail = operation_words(op, lost);
    }
  }
}

void PageRecorder::add_heard() {
  for (uint32_t i = 0; i < cluster_.profile().clients; ++i) {
    const ClientLog& log = cluster_.clients()[i].log();
    for (const Heard& heard : log.heard) {
      const Lane lane = cluster_.client_host(i).value;
      if (heard.kind == HeardKind::Attached) {
        PageEvent& event =
            add(PageKind::Told, lane,
                fmt::format("session {:x}", static_cast<uint64_t>(heard.session.value)));
        event.at = event.until = heard.at;
        event.detail = "a connection of it begins";
      } else if (heard.kind == HeardKind::Event) {
        PageEvent& event = add(PageKind::Told, lane, "watch event " + heard.path);
        event.at = event.until = heard.at;
        if (heard.zxid > 0) event.zxid = Zxid::from_wire(heard.zxid);
        event.detail = fmt::format("at {}", hex(event.zxid));
      }
    }
  }
}

// Indices that were kept move with it.
void PageRecorder::sort_events() {
  std::vector<size_t> order(model_.events.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return model_.events[a].at < model_.events[b].at; });
  std::vector<PageEvent> sorted;
  sorted.reserve(order.size());
  size_t violating = kNoEvent;
  for (const size_t from : order) {
    if (from == violating_) violating = sorted.size();
    sorted.push_back(std::move(model_.events[from]));
  }
  violating_ = violating;
  model_.events = std::move(sorted);
}

PageModel PageRecorder::finish(const Outcome& outcome, std::string title, std::string command) {
  note_violation();
  model_.title = std::move(title);
  model_.command = std::move(command);
  model_.end = sim_ == nullptr ? SimTime{} : sim_->now();
  const Profile& profile = cluster_.profile();
  model_.summary = fmt::format(
      "{} servers, {} clients, {} faults; {} events, {} answered operations, {} leaderships, {} "
      "txns, {} crashes; hash {:016x}",
      profile.servers, profile.clients, model_.faults.size(), outcome.events, outcome.completed,
      outcome.leaderships, outcome.txns, outcome.crashes, outcome.trace_hash);
  if (sim_ == nullptr) return std::move(model_);
  links_.finish(model_);
  // What no event has brought to an end has none.
  for (PageEvent& event : model_.events) {
    if (event.fate == Fate::Open) event.until = model_.end;
  }
  add_operations();
  add_heard();
  if (!outcome.violation) violating_ = kNoEvent;
  sort_events();
  if (outcome.excused) model_.summary += "; ended by a flaw of ZooKeeper's: " + *outcome.excused;
  if (outcome.violation) find_proof(*outcome.violation, violating_, model_);
  return std::move(model_);
}

}  // namespace vivarium::sim
