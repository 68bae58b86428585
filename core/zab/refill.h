// Refill: how an elected leader with known damage becomes whole before it opens its epoch (RULES
// 9). It asks the voters that follow it for what is missing, in the words of peer_extension.h, and
// decides: an entry is taken from anybody who has it; a zxid is given up, with all that stood
// behind it, only when a majority answered that they never had it. The follower's side is
// answer_fill().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/storage/damage.h"
#include "core/storage/history.h"
#include "core/wire/peer_extension.h"
#include "core/zab/quorum.h"

namespace vivarium {

// What a server has of a range: entries from its beginning on, then what it says of the rest.
// `damage` is its own, or null.
struct FillAnswer {
  std::vector<History::Item> entries;
  FillRest rest{};
};
FillAnswer answer_fill(ZxidRange range, const History& history, const Damage* damage);

class Refill {
 public:
  Refill(const Damage& damage, const Quorum& quorum);

  // What to ask of everybody.
  const std::vector<Fault>& faults() const { return damage_.faults; }
  // It is asked, on a new connection.
  void on_asked(ServerId voter) { runs_.erase(voter); }
  // Answers of a voter, in the order sent: entries, then the end of the range. False: they make no
  // sense, and the sender is not to be believed.
  [[nodiscard]] bool on_entry(ServerId from, Zxid zxid, ByteView entry);
  [[nodiscard]] bool on_end(ServerId from, const FillEnd& end);

  // The history behind the good prefix, whole, when the answers are enough for it.
  std::optional<std::vector<History::Item>> filled(bool may_give_up) const;
  // More answers would not help: all voters but this one have given theirs, or a majority never had
  // something that may not be given up yet and can go on without this server.
  bool hopeless(ServerId self) const;
  // What is not known yet, and who said what: for a person.
  std::string missing(ServerId self) const;

 private:
  struct Open {
    // The longest run of entries so far, and who answered what about what is behind the own run.
    std::vector<History::Item> best;
    bool complete = false;
    std::map<ServerId, FillRest> rests;
  };
  bool single_epoch(const Fault& fault) const {
    return fault.range.after.epoch() == fault.range.upto.epoch();
  }
  bool never_had(const Open& open) const;

  Damage damage_;
  Quorum quorum_;
  std::vector<Open> open_;                               // per fault
  std::map<ServerId, std::vector<History::Item>> runs_;  // under way
};

}  // namespace vivarium
