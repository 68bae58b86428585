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
#include "sim/quota_model.h"
#include "sim/reconfig_model.h"

namespace vivarium::sim {

// What servers are set up to do, as far as it decides results.
struct ModelRules {
  bool local_sessions = false;  // sessions that never began for the ensemble may write
  bool enforce_quota = false;
  ConfigLines first_config{};  // the ensemble as it was before any change
  size_t voters_min = 2;       // fewer are refused
};

class Model {
 public:
  explicit Model(const ModelRules& rules = {});

  // The txn that a write must become in this state: its error, and for a create its path. A multi's
  // parts say what each has to answer, with Stats; their Stats take the txn's zxid and time.
  struct Expected {
    ErrorCode error{};
    std::string path;
    std::optional<Stat> stat;
    std::vector<Expected> parts;
    bool any_session = false;  // said before anybody looks whether the session is open
    std::string text{};        // the configuration that a reconfig makes
  };
  // `became`: what the txn says, one code for each part of a multi: it decides where servers may.
  Expected expected(const ClientOp& op, const TxnHeader& header,
                    const std::vector<ErrorCode>& became) const;
  // Applies a txn. Returns what is wrong with it, if anything: a txn that its state forbids.
  std::optional<std::string> apply(const Txn& txn);

  bool session_open(SessionId session) const { return sessions_.count(session) != 0; }
  // May the session write? A local one, which never began for the ensemble, may.
  bool session_writes(SessionId session) const {
    return session_open(session) || (rules_.local_sessions && closed_.count(session) == 0);
  }
  // False: servers may hold different data here.
  bool knows_data(const std::string& path) const;
  const Bytes* data(const std::string& path) const;
  std::optional<Stat> stat(const std::string& path) const;
  std::vector<std::string> children(const std::string& path) const;  // sorted
  std::vector<std::string> ephemerals(SessionId session) const;      // sorted
  int32_t descendants(const std::string& path) const;
  // Of a znode that is there.
  const ModelAcl& acl(const std::string& path) const { return nodes_.at(path).acl; }

 private:
  enum class Kind : uint8_t { Plain, Ephemeral, Container, Ttl };
  struct Node {
    Bytes data;
    Stat stat;  // cversion as stored: creations
    ModelAcl acl;
    Kind kind = Kind::Plain;
    int64_t ttl_ms = 0;
    std::set<std::string> children;
  };
  const Node* find(const std::string& path) const;
  Expected expected_one(const ClientOp& op, const Identity& who, ErrorCode became) const;
  Expected expected_create(const ClientOp& op, const Identity& who, ErrorCode became) const;
  Expected expected_multi(const ClientOp& op, const TxnHeader& header,
                          const std::vector<ErrorCode>& became) const;
  Expected expected_reconfig(const ClientOp& op, const TxnHeader& header) const;
  ErrorCode quota_error(const std::string& path, ByteView data, int64_t count, int64_t bytes,
                        ErrorCode became) const;
  void do_one(const ClientOp& op, const Identity& who, const TxnHeader& header,
              const Expected& how);
  std::optional<std::string> apply_body(TxnType type, const TxnHeader& header, const TxnBody& body);
  std::optional<std::string> apply_create(TxnType type, const TxnHeader& header,
                                          const CreateTxn& txn);
  std::optional<std::string> apply_removal(const TxnHeader& header, const std::string& path);
  std::optional<std::string> apply_multi(const TxnHeader& header, const MultiTxn& txn);
  std::optional<std::string> apply_close(const TxnHeader& header, const CloseSessionTxn& txn);
  Node& make(const TxnHeader& header, const std::string& path);
  bool remove(const TxnHeader& header, const std::string& path);
  void set(const TxnHeader& header, const std::string& path, ByteView data);
  std::optional<std::string> apply_reconfig(const TxnHeader& header, const SetDataTxn& txn);
  std::optional<std::string> apply_set(const TxnHeader& header, const SetDataTxn& txn);
  // Quotas, when a txn has made a znode or is about to remove it.
  void count_new(const std::string& path);
  bool remove_counted(const TxnHeader& header, const std::string& path);
  void count(const std::string& path, int64_t count, int64_t bytes);
  SubtreeSize size_of(const std::string& path) const;

  std::map<std::string, Node> nodes_;
  ModelRules rules_;
  QuotaModel quota_;
  std::set<SessionId> sessions_;
  std::set<SessionId> closed_;
  ConfigLines config_;
};

inline constexpr const char* kConfigNode = "/zookeeper/config";

}  // namespace vivarium::sim
