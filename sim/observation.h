// What checkers are told of a run: by the cluster, as it happens. White box: facts of nodes after
// each of their steps, packets as they leave, log records as they are written. Black box: what
// clients invoked and what came back. Checkers are values; one file each in sim/checkers/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/node.h"
#include "core/wire/client_messages.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"
#include "sim/event_queue.h"
#include "sim/identities.h"
#include "sim/reconfig_model.h"

namespace vivarium::sim {

// Servers are numbered 0..n-1 in the order of their ids; server.N of the configuration is index
// N-1.
using ServerIndex = uint32_t;
using ClientIndex = uint32_t;

// What one node knows and claims, read after a step.
struct NodeFacts {
  ZabRole role{};
  Standing standing{};
  bool listed = false;  // its configuration has a place for it
  Epoch epoch = 0;      // of the leadership it is part of
  bool established = false;
  bool leading = false;
  bool delivers = false;  // Zab::delivers()
  Zxid committed;
  Zxid last_applied;
  Zxid last_logged;
  Zxid last_durable;
  Zxid claimed;  // beyond last_logged with known damage
  bool damaged = false;
  bool unsettled = false;  // recovery found what it did not dare to touch, nor made durable
  Epoch accepted_epoch = 0;
  Epoch current_epoch = 0;
  bool busy = false;     // recovering, truncating or installing
  bool exact = true;     // the tree is that of last_applied
  bool vouches = true;   // for what it says that its disk holds
  bool ahead = false;    // the tree may hold what its log does not
  bool refuted = false;  // by digests: the tree is no state of the ensemble's
  Zxid active_config;    // versions
  Zxid pending_config;   // 0: none
  bool operator==(const NodeFacts&) const = default;
  static NodeFacts of(const Node& node);
};

struct Violation {
  std::string checker;  // K-…, as hazards section 3 has it
  std::string text;     // one line for a person, with the events that prove it
  SimTime at{};
};

// One operation of a client. `xid` never repeats within a session of the simulator's clients.
struct ClientOp {
  ClientIndex client = 0;
  SessionId session;
  int32_t xid = 0;
  Op op{};
  std::string path;
  Bytes data;
  int32_t version = -1;  // also the mode of addWatch, the type of check- and removeWatches
  int32_t flags = 0;     // the creates
  int64_t ttl_ms = -1;   // createTTL
  AclChoice acl{};       // the creates, setACL
  Identity who;          // as it was sent
  bool watch = false;
  bool truncated = false;       // half of its body was sent
  ReconfigAsk ask;              // reconfig
  std::vector<ClientOp> parts;  // multi, multiRead: the request and the result of each
  SimTime invoked{};
  // --- filled when it returns
  bool answered = false;  // false in the end: connection lost, may have happened once or not at all
  bool lost = false;      // the connection ended before the answer
  SimTime returned{};
  Zxid reply_zxid;
  ErrorCode error{};
  std::string reply_path;             // the creates, sync
  Bytes reply_data;                   // getData, reconfig
  std::vector<std::string> children;  // getChildren(2); getEphemerals; whoAmI: "scheme id"
  Acl reply_acl;                      // getACL
  int32_t number = 0;                 // getAllChildrenNumber
  std::optional<Stat> stat;
};

enum class CrashKind : uint8_t { Kill, PowerLoss, Stopped /* by itself: World::stop */ };

inline bool is_create(Op op) {
  return op == Op::Create || op == Op::Create2 || op == Op::CreateContainer || op == Op::CreateTtl;
}
// "/" for a child of the root, and for the root.
inline std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace vivarium::sim
