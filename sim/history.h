// History: the one sequence of delivered txns of a run as checkers of clients read it: who, what it
// did to which path, which watch events that makes, and what any path looked like at any zxid.
// Written from the definition (semantics sections 2 and 3); shares nothing with core/tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/wire/codes.h"
#include "core/wire/txn.h"
#include "sim/identities.h"
#include "sim/ledger.h"

namespace vivarium::sim {

struct HistoryTxn {
  struct Step {
    TxnType type{};  // Create, Delete, SetData or SetAcl
    std::string path;
    bool ephemeral = false;  // Create
    ModelAcl acl{};          // Create, SetAcl
  };
  struct Change {
    WatchEvent event{};
    std::string path;
    ModelAcl acl{};  // who may read it is told
  };
  Zxid zxid;
  SessionId session;
  int32_t cxid = 0;
  TxnType type{};
  ErrorCode error{};
  SimTime delivered{};      // by the first server
  size_t parts = 0;         // multi
  size_t failed_parts = 0;  // 0: it was carried out
  size_t first_failed_part = 0;
  std::vector<Step> steps;      // in their order; none of a failed multi
  std::vector<Change> changes;  // in firing order, made from the steps
};

class History {
 public:
  // In the order of zxids. Fills `changes`.
  void add(HistoryTxn txn);
  const std::vector<HistoryTxn>& txns() const { return txns_; }
  // Index of the first txn above `zxid`.
  size_t after(Zxid zxid) const;
  // The txn that a request of a session became; null when it did not.
  const HistoryTxn* of(SessionId session, int32_t cxid) const;

  struct PathState {
    bool exists = false;
    Zxid mzxid;
    Zxid pzxid;
    ModelAcl acl{};
  };
  PathState at(const std::string& path, Zxid zxid) const;

 private:
  ModelAcl acl_of(const std::string& path, Zxid zxid) const;

  std::vector<HistoryTxn> txns_;
  std::map<std::string, std::vector<std::pair<Zxid, WatchEvent>>> by_path_;
  std::map<std::string, std::vector<std::pair<Zxid, ModelAcl>>> acls_;
  std::map<std::pair<SessionId, int32_t>, size_t> by_request_;
};

// `delivered[i]` is when order[i] was first delivered. Entries that do not decode are K-RESULT's
// business and left out.
History history_of(const std::vector<Zxid>& order, const std::vector<SimTime>& delivered,
                   const Ledger& ledger);

}  // namespace vivarium::sim
