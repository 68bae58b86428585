#include "sim/page/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sim/page/streams.h"
#include "sim/page/words.h"

namespace vivarium::sim {
namespace {

constexpr size_t kProofMax = 16;

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kEnds = " ,;:()";
  while (true) {
    const size_t from = text.find_first_not_of(kEnds);
    if (from == std::string_view::npos) return words;
    const size_t to = std::min(text.find_first_of(kEnds, from), text.size());
    words.push_back(text.substr(from, to - from));
    text.remove_prefix(to);
  }
}

std::optional<uint64_t> number_in(std::string_view word, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

bool introduces_zxid(std::string_view word) {
  constexpr std::array<std::string_view, 12> kWords{"zxid", "at",     "txn",   "acknowledged",
                                                    "of",   "beyond", "after", "and",
                                                    "to",   "state",  "lacks", "without"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

// A zxid is written in hexadecimal: nine digits and more, or fewer in the epoch of a lone server,
// and a session's id has more.
std::optional<Zxid> zxid_in(std::string_view word, std::string_view before) {
  constexpr size_t kLong = 9;
  constexpr size_t kTooLong = 14;
  if (word.size() >= kTooLong || (word.size() < kLong && before != "zxid" && before != "txn")) {
    return std::nullopt;
  }
  if (word.size() >= kLong && !introduces_zxid(before) && before == "session") return std::nullopt;
  const std::optional<uint64_t> value = number_in(word, 16);
  return value ? std::optional(Zxid(*value)) : std::nullopt;
}

class ProofSearch {
 public:
  ProofSearch(const Named& named, size_t end, PageModel& model)
      : named_(named), end_(end), model_(model) {}

  void add(size_t event, std::string why) {
    if (event == kNoEvent || model_.proof.size() >= kProofMax) return;
    const auto known = std::find_if(model_.proof.begin(), model_.proof.end(),
                                    [&](const Proof& p) { return p.event == event; });
    if (known == model_.proof.end()) model_.proof.push_back({event, std::move(why)});
  }
  // Where the checker spoke up, whatever else is known of it.
  void add_end(size_t event) {
    constexpr std::string_view kHere = "here the checker saw it";
    for (Proof& p : model_.proof) {
      if (p.event == event) p.why += fmt::format(" ({})", kHere);
      if (p.event == event) return;
    }
    model_.proof.push_back({event, std::string(kHere)});
  }

  // The last, or the first, event that holds before the end.
  template <class Holds>
  size_t last(Holds&& holds) const {
    for (size_t i = end_; i-- > 0;) {
      if (holds(model_.events[i])) return i;
    }
    return kNoEvent;
  }
  template <class Holds>
  size_t first_of_all(Holds&& holds, size_t from, size_t to) const {
    for (size_t i = from; i < to; ++i) {
      if (holds(model_.events[i])) return i;
    }
    return kNoEvent;
  }
  template <class Holds>
  size_t first(Holds&& holds, size_t from = 0) const {
    return first_of_all(holds, from, end_);
  }
  // The first that holds behind the end.
  template <class Holds>
  size_t later(Holds&& holds) const {
    return first_of_all(holds, end_, model_.events.size());
  }

  size_t since_then(size_t event) const;
  void log_of(Lane lane, Zxid zxid);
  void packets_of(Lane lane, Zxid zxid);
  void commit_of(Zxid zxid);
  void epochs_of(Lane lane);
  void crashes_of(Lane lane);
  void synchronisation_of(Lane lane);
  void operations();
  void sessions();
  void paths(bool watches_again);
  void removals_of(Lane lane);
  void answers_at(Zxid zxid);
  void states();

  std::vector<Lane> servers(bool all) const {
    std::vector<Lane> out;
    for (Lane lane = 0; lane < model_.lanes.size(); ++lane) {
      if (model_.lanes[lane].server && (all || named_.lanes.contains(lane))) out.push_back(lane);
    }
    return out;
  }
  const std::string& name(Lane lane) const { return model_.lanes[lane].name; }
  const PageEvent& event(size_t index) const { return model_.events[index]; }

 private:
  const Named& named_;
  size_t end_;
  PageModel& model_;
};

std::string at_words(SimTime at) {
  return fmt::format("{:.6f} s", static_cast<double>(at.ns) / 1e9);
}

std::string fate_words(const PageEvent& write, SimTime violated_at) {
  switch (write.fate) {
    case Fate::Done:
      return fmt::format("durable {}at {}", write.until > violated_at ? "only " : "",
                         at_words(write.until));
    case Fate::Lost:
      return "lost in a crash";
    case Fate::Torn:
      return "torn by a crash";
    case Fate::Kept:
      return "unsynced, and there after the crash";
    case Fate::Open:
      return "not yet synced when the run ended";
    case Fate::Refused:
      break;
  }
  return "";
}

// The record, and the sync that makes it durable. Both may come too late.
void ProofSearch::log_of(Lane lane, Zxid zxid) {
  const auto is_it = [&](const PageEvent& e) {
    return e.kind == PageKind::Write && e.lane == lane && e.first <= zxid && zxid <= e.zxid &&
           e.zxid != Zxid{};
  };
  size_t write = last(is_it);
  const bool late = write == kNoEvent;
  if (late) write = later(is_it);
  if (write == kNoEvent) return;
  add(write,
      fmt::format("{} writes {} to its log{}: {}", name(lane), hex(zxid),
                  late ? " only afterwards" : "", fate_words(event(write), model_.violated_at)));
  const std::string& detail = event(write).detail;
  const std::string sync_label = "sync " + detail.substr(detail.rfind(' ') + 1);
  const size_t sync = first_of_all(
      [&](const PageEvent& e) {
        return e.kind == PageKind::Sync && e.lane == lane && e.label == sync_label;
      },
      write, model_.events.size());
  if (sync == kNoEvent) return;
  add(sync, event(sync).fate == Fate::Done
                ? fmt::format("the sync of it, done at {}", at_words(event(sync).until))
                : "the sync of it, never done");
}

void ProofSearch::packets_of(Lane lane, Zxid zxid) {
  const auto packet = [&](std::string_view label, bool to) {
    return last([&](const PageEvent& e) {
      return e.kind == PageKind::Quorum && e.zxid == zxid && (to ? e.other : e.lane) == lane &&
             e.label == label;
    });
  };
  add(packet("ACK", false), fmt::format("{} acknowledges {}", name(lane), hex(zxid)));
  add(packet("PROPOSAL", true), fmt::format("{} is proposed to {}", hex(zxid), name(lane)));
  add(packet("TRUNC", true), fmt::format("{} is told to go back to it", name(lane)));
}

void ProofSearch::commit_of(Zxid zxid) {
  const size_t commit = first([&](const PageEvent& e) {
    return e.kind == PageKind::Commit && e.zxid >= zxid && e.zxid.epoch() == zxid.epoch();
  });
  if (commit != kNoEvent) {
    add(commit, fmt::format("{} commits {}", name(event(commit).lane), hex(event(commit).zxid)));
  }
  const size_t served = first([&](const PageEvent& e) {
    return e.kind == PageKind::Deliver && e.zxid >= zxid && e.zxid.epoch() == zxid.epoch();
  });
  if (served != kNoEvent) {
    add(served, fmt::format("{} is the first to serve it", name(event(served).lane)));
  }
}

// Where a server says, hears or writes down an epoch that the line names.
void ProofSearch::epochs_of(Lane lane) {
  for (const Epoch epoch : named_.epochs) {
    const std::string ending = fmt::format(" {}", epoch);
    add(last([&](const PageEvent& e) {
          return e.kind == PageKind::State && e.lane == lane && e.label.ends_with(ending);
        }),
        fmt::format("where {} comes to epoch {}", name(lane), epoch));
    for (const std::string_view label : {"ACKEPOCH", "ACK", "LEADERINFO", "NEWLEADER"}) {
      add(last([&](const PageEvent& e) {
            return e.kind == PageKind::Quorum && e.lane == lane && e.label == label &&
                   e.zxid.epoch() == epoch && (label != "ACK" || e.zxid.counter() == 0);
          }),
          fmt::format("{} says {} in epoch {}", name(lane), label, epoch));
    }
  }
  if (named_.epochs.empty()) return;
  for (const std::string_view file : {"currentEpoch", "acceptedEpoch"}) {
    add(last([&](const PageEvent& e) {
          return e.kind == PageKind::Name && e.lane == lane &&
                 e.label == fmt::format("name {}", file);
        }),
        fmt::format("the last time that {} writes its {}", name(lane), file));
  }
}

// None that lies before the first of what is known: it has nothing to do with that.
size_t ProofSearch::since_then(size_t event) const {
  if (event == kNoEvent) return event;
  const bool before_all = std::all_of(model_.proof.begin(), model_.proof.end(),
                                      [event](const Proof& p) { return event < p.event; });
  return before_all && !model_.proof.empty() ? kNoEvent : event;
}

void ProofSearch::crashes_of(Lane lane) {
  const size_t death = since_then(last([&](const PageEvent& e) {
    return e.kind == PageKind::Life && e.lane == lane && e.label != "starts" &&
           e.label != "goes on" && !e.label.starts_with("disk");
  }));
  if (death != kNoEvent) {
    add(death, fmt::format("{}: {}{}{}", name(lane), event(death).label,
                           event(death).detail.empty() ? "" : "; ", event(death).detail));
  }
  add(since_then(last([&](const PageEvent& e) {
        return e.kind == PageKind::Life && e.lane == lane && e.label == "starts";
      })),
      fmt::format("{} is back", name(lane)));
  add(since_then(last([&](const PageEvent& e) {
        return e.kind == PageKind::State && e.lane == lane && e.label.starts_with("its log goes");
      })),
      fmt::format("{} gives up the end of its log", name(lane)));
}

void ProofSearch::removals_of(Lane lane) {
  const size_t removed = last([&](const PageEvent& e) {
    return e.kind == PageKind::Name && e.lane == lane && e.label.starts_with("remove log.");
  });
  if (removed != kNoEvent) add(removed, fmt::format("{}: {}", name(lane), event(removed).label));
}

// What it had said of its log when a leader brought it up to date, and how that was done.
void ProofSearch::synchronisation_of(Lane lane) {
  const size_t way = since_then(last([&](const PageEvent& e) {
    return e.kind == PageKind::Quorum && e.other == lane &&
           (e.label == "DIFF" || e.label == "TRUNC" || e.label == "SNAP");
  }));
  if (way == kNoEvent) return;
  size_t said = way;
  while (said > 0 && !(event(said).label == "ACKEPOCH" && event(said).lane == lane)) --said;
  if (event(said).label == "ACKEPOCH") {
    add(said, fmt::format("{} says that its log ends at {}", name(lane), hex(event(said).zxid)));
  }
  add(way, fmt::format("{} is brought up to date by {} to {}", name(lane), event(way).label,
                       hex(event(way).zxid)));
}

void ProofSearch::operations() {
  for (const int64_t xid : named_.operations) {
    const std::string begin = fmt::format("operation {}", xid);
    const auto is_it = [&](const PageEvent& e) {
      return e.detail.starts_with(begin) &&
             (e.detail.size() == begin.size() || e.detail[begin.size()] < '0' ||
              e.detail[begin.size()] > '9');
    };
    const size_t op = first([&](const PageEvent& e) {
      return e.kind == PageKind::Operation && is_it(e) &&
             (named_.lanes.empty() || named_.lanes.contains(e.lane));
    });
    if (op == kNoEvent) continue;
    add(op, fmt::format("the operation: {}", event(op).label));
    const Lane client = event(op).lane;
    add(first(
            [&](const PageEvent& e) {
              return e.kind == PageKind::Client && e.other == client && e.label == "reply" &&
                     is_it(e);
            },
            op),
        "its answer");
    const std::string origin = fmt::format("for operation {} of session", xid);
    add(first(
            [&](const PageEvent& e) {
              return (e.kind == PageKind::Quorum || e.kind == PageKind::Write) &&
                     e.detail.find(origin) != std::string::npos;
            },
            op),
        "its txn");
  }
}

void ProofSearch::sessions() {
  for (const std::string& session : named_.others) {
    if (session.starts_with('/')) continue;
    const auto says = [&](const PageEvent& e) {
      return e.kind == PageKind::Told && e.label.ends_with(" " + session);
    };
    add(first(says), fmt::format("session {} begins", session));
    add(last(says), fmt::format("its last connection begins"));
    add(first([&](const PageEvent& e) {
          return e.kind == PageKind::Quorum && e.detail.starts_with("closeSession " + session);
        }),
        "the close of the session is proposed");
  }
}

// What the named clients did with the named paths, up to the named zxids.
void ProofSearch::paths(bool watches_again) {
  const auto in_time = [&](const PageEvent& e) {
    return named_.zxids.empty() || e.zxid <= named_.zxids.back();
  };
  for (const std::string& path : named_.others) {
    if (!path.starts_with('/')) continue;
    for (const Lane lane : named_.lanes) {
      for (const PageKind kind : {PageKind::Operation, PageKind::Told}) {
        const size_t found = last([&](const PageEvent& e) {
          return e.kind == kind && e.lane == lane && e.label.ends_with(" " + path) && in_time(e);
        });
        if (found != kNoEvent) {
          add(found, kind == PageKind::Told
                         ? fmt::format("what {} is told of {}", name(lane), path)
                         : fmt::format("the last operation of {} on {}", name(lane), path));
        }
      }
      if (!watches_again) continue;
      add(last([&](const PageEvent& e) {
            return e.kind == PageKind::Client && e.lane == lane &&
                   e.label.starts_with("setWatches");
          }),
          fmt::format("{} sets its watches again", name(lane)));
    }
    const size_t change = last([&](const PageEvent& e) {
      return e.kind == PageKind::Write && e.detail.find(" " + path + ",") != std::string::npos;
    });
    if (change != kNoEvent) {
      add(change, fmt::format("the last change of {} in a log: {}", path, event(change).label));
    }
  }
}

// Who was answered in the state of a zxid, and the first answer to a named client.
void ProofSearch::answers_at(Zxid zxid) {
  size_t soonest = kNoEvent;
  for (size_t i = 0; i < end_; ++i) {
    const PageEvent& e = event(i);
    const bool answered = e.fate == Fate::Done || e.fate == Fate::Refused;
    if (e.kind != PageKind::Operation || e.zxid != zxid || !answered) continue;
    if (soonest == kNoEvent || e.until < event(soonest).until) soonest = i;
  }
  if (soonest != kNoEvent) {
    add(soonest, fmt::format("{} of {} is answered at {}, {}", event(soonest).label,
                             name(event(soonest).lane), hex(zxid), at_words(event(soonest).until)));
  }
  add(first([&](const PageEvent& e) {
        return e.kind == PageKind::Client && e.label != "watch event" && e.zxid == zxid &&
               named_.lanes.contains(e.other);
      }),
      fmt::format("the client is shown {}", hex(zxid)));
}

// Where everybody has ended up.
void ProofSearch::states() {
  add(last([](const PageEvent& e) { return e.kind == PageKind::Fault; }), "the last fault is over");
  for (const Lane lane : servers(true)) {
    const size_t state = last([&](const PageEvent& e) {
      const bool life = e.kind == PageKind::Life && !e.label.starts_with("disk");
      const bool epoch = e.label.starts_with("acceptedEpoch") || e.label.starts_with("current");
      return e.lane == lane && (life || (e.kind == PageKind::State && !epoch));
    });
    if (state != kNoEvent) {
      add(state,
          fmt::format("{} {}; nothing changes that any more", name(lane), event(state).label));
    }
    const size_t said =
        last([&](const PageEvent& e) { return e.kind == PageKind::Line && e.lane == lane; });
    if (said != kNoEvent) add(said, fmt::format("{} says: {}", name(lane), event(said).label));
  }
  for (Lane lane = 0; lane < model_.lanes.size(); ++lane) {
    add(last([&](const PageEvent& e) {
          return e.lane == lane && e.kind == PageKind::Operation && e.fate == Fate::Open;
        }),
        fmt::format("{} is still waiting for this", name(lane)));
  }
}

bool is_of_clients(std::string_view checker) {
  constexpr std::array<std::string_view, 13> kOfClients{
      "K-RESULT",      "K-FIFO",       "K-SEQ",         "K-MONO", "K-SYNC",
      "K-ATOMIC",      "K-SEQNAME",    "K-SESSION",     "K-EPH",  "K-NOEXPIRE",
      "K-WATCH-ORDER", "K-WATCH-ONCE", "K-WATCH-RECONN"};
  return std::find(kOfClients.begin(), kOfClients.end(), checker) != kOfClients.end();
}

void search_for_clients(const Named& named, std::string_view checker, ProofSearch& search) {
  search.operations();
  for (const Zxid zxid : named.zxids) {
    search.answers_at(zxid);
    const size_t proposed = search.first([&](const PageEvent& e) {
      return e.kind == PageKind::Quorum && e.label == "PROPOSAL" && e.zxid == zxid;
    });
    if (proposed != kNoEvent) {
      search.add(proposed,
                 fmt::format("{} is proposed: {}", hex(zxid), search.event(proposed).detail));
    }
    search.commit_of(zxid);
  }
  if (named.operations.empty()) search.sessions();
  if (named.operations.empty()) search.paths(checker == "K-WATCH-RECONN");
}

void search_for_servers(const Named& named, std::string_view checker, ProofSearch& search) {
  const bool all = checker == "K-QUORUM" || checker == "K-COMMITTED";
  for (const Zxid zxid : named.zxids) {
    for (const bool others : {false, true}) {
      for (const Lane lane : search.servers(all && others)) {
        search.packets_of(lane, zxid);
        search.log_of(lane, zxid);
      }
    }
    search.commit_of(zxid);
  }
  for (const Lane lane : search.servers(false)) {
    if (checker != "K-DURACK" && checker != "K-QUORUM") search.synchronisation_of(lane);
    search.epochs_of(lane);
    search.crashes_of(lane);
    if (checker == "K-CORRUPT" || checker == "K-RECOVER") search.removals_of(lane);
  }
}

}  // namespace

Named named_in(std::string_view text, const std::vector<PageLane>& lanes) {
  Named named;
  std::string_view before;
  for (const std::string_view word : words_in(text)) {
    const auto lane =
        std::find_if(lanes.begin(), lanes.end(), [&](const PageLane& l) { return l.name == word; });
    if (lane != lanes.end()) {
      named.lanes.insert(static_cast<Lane>(lane - lanes.begin()));
    } else if (before == "xid" || before == "operation") {
      if (const auto xid = number_in(word, 10)) {
        named.operations.insert(static_cast<int64_t>(*xid));
      }
    } else if (before == "epoch") {
      if (const auto epoch = number_in(word, 10)) named.epochs.insert(static_cast<Epoch>(*epoch));
    } else if (before == "session" || word.starts_with('/')) {
      named.others.emplace_back(word);
    } else if (const std::optional<Zxid> zxid = zxid_in(word, before)) {
      named.zxids.push_back(*zxid);
    }
    before = word;
  }
  return named;
}

void find_proof(const Violation& violation, size_t violating, PageModel& model) {
  model.checker = violation.checker;
  model.promise = promise_of(violation.checker);
  model.text = plain_words(violation);
  model.violated_at = violation.at;
  const Named named = named_in(violation.text, model.lanes);
  const bool at_end = is_of_clients(violation.checker) || violation.checker == "K-LIVE" ||
                      violation.checker == "K-STABLE" || violation.checker == "K-PARTIAL";
  const size_t end = at_end || violating == kNoEvent ? model.events.size() : violating + 1;
  ProofSearch search(named, end, model);
  if (is_of_clients(violation.checker)) {
    search_for_clients(named, violation.checker, search);
  } else if (at_end) {
    search.states();
  } else {
    search_for_servers(named, violation.checker, search);
    if (violating != kNoEvent) search.add_end(violating);
  }
  std::stable_sort(model.proof.begin(), model.proof.end(),
                   [](const Proof& a, const Proof& b) { return a.event < b.event; });
}

}  // namespace vivarium::sim
