// Model: the znodes and sessions of ZooKeeper as plainly as they can be written, for K-RESULT: what
// a request must answer in a given state, and what a txn makes of it. Shares nothing with core/tree
// but the encoding of txns.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/wire/client_messages.h"
#include "core/wire/txn.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Model {
 public:
  explicit Model(bool local_sessions = false);

  // The txn that a write must become in this state: its error, and for a sequential create its
  // path.
  struct Expected {
    ErrorCode error{};
    std::string path;
  };
  Expected expected(const ClientOp& op) const;
  // Applies a txn. Returns what is wrong with it, if anything: a txn that its state forbids.
  std::optional<std::string> apply(const Txn& txn);

  bool session_open(SessionId session) const { return sessions_.count(session) != 0; }
  // May the session write? A local one, which never began for the ensemble, may.
  bool session_writes(SessionId session) const {
    return session_open(session) || (local_sessions_ && closed_.count(session) == 0);
  }
  const Bytes* data(const std::string& path) const;
  std::optional<Stat> stat(const std::string& path) const;
  std::vector<std::string> children(const std::string& path) const;  // sorted

 private:
  struct Node {
    Bytes data;
    Stat stat;  // cversion as stored: creations
    std::set<std::string> children;
  };
  const Node* find(const std::string& path) const;
  void create(const TxnHeader& header, const CreateTxn& txn);
  bool remove(const TxnHeader& header, const std::string& path);

  std::map<std::string, Node> nodes_;
  bool local_sessions_;
  std::set<SessionId> sessions_;
  std::set<SessionId> closed_;
};

}  // namespace vivarium::sim
