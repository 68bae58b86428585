// Preparation: the leader turns a client's write into a txn, strictly one after another and before
// the earlier ones are applied. All that depends on this server goes into the txn: time, resolved
// ACL, sequence name, verdict. Checks and their order: client-protocol section 8; records of
// pending changes: semantics section 9. A failed request becomes an error txn with its own zxid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/tree/acl.h"
#include "core/tree/data_tree.h"
#include "core/tree/path.h"
#include "core/tree/pending_changes.h"
#include "core/tree/sessions.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

// Whether the ensemble may change as it was asked, apart from the right to ask: who its members
// are, the tree does not know. Nothing at all: reconfiguration is disabled.
struct ReconfigVerdict {
  ErrorCode error{};
  std::string text;  // of the new configuration, for /zookeeper/config
};

// A write as it reaches the leader. Borrows its body and ids.
struct WriteRequest {
  SessionId session;
  int32_t cxid = 0;
  Op op{};
  ByteView body;                 // the request record; for CreateSession an int timeout
  std::span<const AuthId> auth;  // ids of the client's connection
  ServerId owner;         // server the request came through; checked against the session's owner
  bool internal = false;  // expiry and the reaper: no session and ACL checks
  bool local = false;     // of a session that only `owner` knows
  // A reconfig: what the leader thinks of it, once it is known who asks.
  std::optional<ReconfigVerdict> reconfig{};
};

// What the configuration says about writes.
struct WriteRules {
  AclRules acl;
  bool extended_types = false;  // extendedTypesEnabled: TTL nodes may be made
  bool enforce_quota = false;   // enforceQuota
  size_t entry_bytes_max = SIZE_MAX;
};

// Prepares `request` as txn `zxid` at `now`. Returns the whole entry (header, body, digest: every
// entry of ours carries a digest, error txns the unchanged one; RULES 1). A create is written as
// type 1 or 15, after its opcode; inside of a multi as type 1. `sessions` answers for sessions and
// owners and is told of closing ones; the caller adds a new session to it before, or in the same
// step as, its createSession is prepared. A write whose entry would exceed the rules' limit fails
// with MarshallingError; a closeSession's list is cut to fit, since apply() removes what it leaves
// out. zxid is above all prepared and applied before. `notice` gets a line for the log when a quota
// is exceeded, else it is emptied.
Bytes prepare(const WriteRequest& request, Zxid zxid, WallTime now, const DataTree& tree,
              PendingChanges& pending, SessionTracker& sessions, const WriteRules& rules = {},
              std::string* notice = nullptr);

}  // namespace vivarium
