// ClientConnection: what the server keeps for one link of its client door. Held in a slot numbered
// as the link; a reset connection is a free slot.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/server/fifo.h"
#include "core/server/server_stats.h"
#include "core/server/watch_requests.h"
#include "core/tree/watches.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

struct AuditSubject;

// How a request is served, see the table in requests.cc.
enum class RequestClass : uint8_t {
  Write,     // submitted; answered by its txn
  Barrier,   // sync: answered when everything before is applied here
  Read,      // answered from the tree, in the connection's order
  Rearm,     // setWatches, setWatches2: a read in slices, whose events precede its reply
  Identify,  // auth, sasl: in force as soon as it is read; its answer waits for its turn
  Refused    // no operation of clients: error and end
};

// A request that waits for its turn: replies leave in the order of requests.
struct PendingRequest {
  int32_t xid = 0;
  Op op{};
  RequestClass kind{};
  bool done = false;  // Write and Barrier: the answer is known
  ErrorCode error{};
  Instant since;       // when it was read
  uint32_t ids = 0;    // how many the connection had when the request was read
  uint64_t large = 0;  // its bytes, when they count as those of a large request
  Bytes body;          // of the request for reads, of the reply for all others
  std::shared_ptr<const AuditSubject> audit;  // of an audited write
  std::vector<Op> parts;                      // multi: what each operation was asked as
  RearmPlace rearmed;                         // Rearm: how far it has come
};

// A link as the watch table knows it, and back.
constexpr WatcherId watcher_of(LinkId link) {
  return (uint64_t{link.slot} << 32) | link.generation;
}
constexpr LinkId link_of(WatcherId watcher) {
  return {static_cast<uint32_t>(watcher >> 32), static_cast<uint32_t>(watcher)};
}

enum class Phase : uint8_t {
  Handshake,     // nothing read but the ConnectRequest
  Creating,      // its session is being created
  Revalidating,  // its session is being looked up by the leader
  Established,
  Ending  // closeSession or a refused request was read: what follows is dropped
};

struct ClientConnection {
  LinkId link;  // none: the slot is free
  std::string address;
  std::vector<AuthId> ids;
  Phase phase = Phase::Handshake;
  Instant handshake_deadline;
  SessionId session;
  int32_t timeout_ms = 0;
  bool has_read_only = false;

  // Txns up to here are of earlier connections of the session, whatever their cxid (hazards B1).
  Zxid floor;

  Bytes input;   // bytes that do not make a whole frame yet, or that wait for their turn
  Bytes output;  // of this turn
  Fifo<PendingRequest> queue;
  uint64_t queued_bytes = 0;  // bodies of reads in the queue
  uint64_t large_bytes = 0;   // of large requests in the queue
  // Of what is in the queue:
  uint32_t writes_queued = 0;
  uint32_t barriers_queued = 0;
  uint32_t rearms_queued = 0;
  uint32_t reads_queued = 0;
  ConnectionStats stats;
  uint64_t credit = 0;                       // bytes that may still arrive
  uint64_t unsent = 0;                       // bytes on their way to it, when last looked at
  bool stalled = false;                      // in Server::stalled_
  Instant in_line_since = Instant::never();  // its first request waits for the pipeline
  bool dirty = false;                        // in Server::dirty_
  bool told = false;                         // in Server::told_
  uint64_t told_up_to = 0;  // the last watch event that it was, or need not be, told
};

}  // namespace vivarium
