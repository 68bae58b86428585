// Verdict: what checkers report into. Keeps the first violation and how often each checker was
// evaluated: a campaign in which one was never evaluated has shown nothing about it. It may be told
// to take the word of some alone: what those would have found without the others.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/observation.h"

namespace vivarium::sim {

enum class Checker : uint8_t {
  Integrity,
  Total,
  LocalOrd,
  GlobalOrd,
  PrimInt,
  Contig,
  TlaMsg,
  Obs,
  Prefix,
  Agree,
  Committed,
  Leader1,
  Promise,
  EpochMono,
  ZxidUniq,
  DurAck,
  MemDisk,
  Recover,
  Corrupt,
  FailStop,
  Idemp,
  LogTree,
  SnapZxid,
  Quorum,
  Cfg,
  Bounded,
  // --- what clients and operators can tell from outside, and progress
  LinW,
  Result,
  Fifo,
  Seq,
  Mono,
  Sync,
  Atomic,
  SeqName,
  Session,
  Eph,
  NoExpire,
  WatchOrder,
  WatchOnce,
  WatchReconn,
  Admin,
  Partial,
  Stable,
  Live
};
inline constexpr size_t kCheckers = 44;

constexpr std::string_view name_of(Checker checker) {
  constexpr std::array<std::string_view, kCheckers> kNames{
      "K-INTEGRITY", "K-TOTAL",       "K-LOCALORD",   "K-GLOBALORD",    "K-PRIMINT",   "K-CONTIG",
      "K-TLAMSG",    "K-OBS",         "K-PREFIX",     "K-AGREE",        "K-COMMITTED", "K-LEADER1",
      "K-PROMISE",   "K-EPOCHMONO",   "K-ZXIDUNIQ",   "K-DURACK",       "K-MEMDISK",   "K-RECOVER",
      "K-CORRUPT",   "K-FAILSTOP",    "K-IDEMP",      "K-LOGTREE",      "K-SNAPZXID",  "K-QUORUM",
      "K-CFG",       "K-BOUNDED",     "K-LINW",       "K-RESULT",       "K-FIFO",      "K-SEQ",
      "K-MONO",      "K-SYNC",        "K-ATOMIC",     "K-SEQNAME",      "K-SESSION",   "K-EPH",
      "K-NOEXPIRE",  "K-WATCH-ORDER", "K-WATCH-ONCE", "K-WATCH-RECONN", "K-ADMIN",     "K-PARTIAL",
      "K-STABLE",    "K-LIVE"};
  return kNames[static_cast<size_t>(checker)];
}

using CheckerSet = std::bitset<kCheckers>;

inline CheckerSet all_checkers() { return CheckerSet().set(); }
inline CheckerSet checkers_from_outside() {
  return all_checkers() << static_cast<size_t>(Checker::LinW);
}

class Verdict {
 public:
  // From now on the others find nothing.
  void hear_only(CheckerSet heard) { heard_ = heard; }
  void evaluated(Checker checker, uint64_t times = 1) {
    counts_[static_cast<size_t>(checker)] += times;
  }
  void violated(Checker checker, std::string text, SimTime at) {
    if (violation_ || !hears(checker)) return;
    violation_ = Violation{std::string(name_of(checker)), std::move(text), at};
  }
  // Evaluates once; `text` is a callable, so that a passing check builds no string.
  template <class Text>
  void expect(Checker checker, bool holds, SimTime at, Text&& text) {
    evaluated(checker);
    if (!holds && hears(checker)) violated(checker, text(), at);
  }
  const std::optional<Violation>& violation() const { return violation_; }
  const std::array<uint64_t, kCheckers>& counts() const { return counts_; }

 private:
  bool hears(Checker checker) const { return heard_.test(static_cast<size_t>(checker)); }

  CheckerSet heard_ = all_checkers();
  std::optional<Violation> violation_;
  std::array<uint64_t, kCheckers> counts_{};
};

}  // namespace vivarium::sim
