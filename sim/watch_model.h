// WatchModel: the watches of one connection as semantics section 3 has them for ZooKeeper 3.9, as
// plainly as they can be written; and what setWatches must answer at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/wire/codes.h"
#include "sim/client_log.h"
#include "sim/history.h"

namespace vivarium::sim {

class WatchModel {
 public:
  using Modes = uint8_t;  // set
  static constexpr Modes kData = 1;
  static constexpr Modes kChild = 2;
  static constexpr Modes kPersistent = 4;
  static constexpr Modes kRecursive = 8;

  // Whose watches they are: who may not read a znode is told nothing of it.
  explicit WatchModel(const Identity& who = {}) : who_(who) {}

  bool empty() const { return watches_.empty(); }
  void set(const std::string& path, Modes modes) { watches_[path] |= modes; }
  // False: none of them was there.
  bool remove(const std::string& path, Modes modes);
  bool has(const std::string& path, Modes modes) const;
  // Is the connection told of the change? What is one-shot is spent.
  bool hears(const HistoryTxn::Change& change);

  // Carries out setWatches in the state at `zxid`: the events due at once, in their order.
  std::vector<HistoryTxn::Change> rearm(const Rearm& request, const History& history, Zxid zxid);

 private:
  bool spend(const HistoryTxn::Change& change);

  Identity who_;
  std::map<std::string, Modes> watches_;
};

// Types of checkWatches and removeWatches.
WatchModel::Modes modes_of_type(int32_t type);
// The watch that an answered request leaves; 0 for none.
WatchModel::Modes mode_left_by(const ClientOp& op);

}  // namespace vivarium::sim
