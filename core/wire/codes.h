// Numbers of ZooKeeper's protocols: operation codes, error codes, events, txn types, packet types
// (client-protocol sections 5 and 6, quorum-protocol section 5). Values are the wire's.
#pragma once

#include <cstdint>

namespace vivarium {

enum class Op : int32_t {
  Notification = 0,
  Create = 1,
  Delete = 2,
  Exists = 3,
  GetData = 4,
  SetData = 5,
  GetAcl = 6,
  SetAcl = 7,
  GetChildren = 8,
  Sync = 9,
  Ping = 11,
  GetChildren2 = 12,
  Check = 13,
  Multi = 14,
  Create2 = 15,
  Reconfig = 16,
  CheckWatches = 17,
  RemoveWatches = 18,
  CreateContainer = 19,
  DeleteContainer = 20,
  CreateTtl = 21,
  MultiRead = 22,
  Auth = 100,
  SetWatches = 101,
  Sasl = 102,
  GetEphemerals = 103,
  GetAllChildrenNumber = 104,
  SetWatches2 = 105,
  AddWatch = 106,
  WhoAmI = 107,
  CreateSession = -10,
  CloseSession = -11,
  Error = -1
};

enum class ErrorCode : int32_t {
  Ok = 0,
  SystemError = -1,
  RuntimeInconsistency = -2,
  DataInconsistency = -3,
  MarshallingError = -5,
  Unimplemented = -6,
  BadArguments = -8,
  UnknownSession = -12,
  NewConfigNoQuorum = -13,
  ReconfigInProgress = -14,
  NoNode = -101,
  NoAuth = -102,
  BadVersion = -103,
  NoChildrenForEphemerals = -108,
  NodeExists = -110,
  NotEmpty = -111,
  SessionExpired = -112,
  InvalidAcl = -114,
  AuthFailed = -115,
  SessionClosedRequireSaslAuth = -124,
  SessionMoved = -118,
  NotReadOnly = -119,
  EphemeralOnLocalSession = -120,
  NoWatcher = -121,
  ReconfigDisabled = -123,
  QuotaExceeded = -125,
  ThrottledOp = -127
};

// Txn types: the log's and the PROPOSAL's (disk-formats section 3).
enum class TxnType : int32_t {
  Create = 1,
  Delete = 2,
  SetData = 5,
  SetAcl = 7,
  Check = 13,
  Multi = 14,
  Create2 = 15,
  Reconfig = 16,
  CreateContainer = 19,
  DeleteContainer = 20,
  CreateTtl = 21,
  CreateSession = -10,
  CloseSession = -11,
  Error = -1
};

enum class WatchEvent : int32_t { Created = 1, Deleted = 2, DataChanged = 3, ChildrenChanged = 4 };

enum class CreateFlag : int32_t {
  Persistent = 0,
  Ephemeral = 1,
  PersistentSequential = 2,
  EphemeralSequential = 3,
  Container = 4,
  PersistentTtl = 5,
  PersistentSequentialTtl = 6
};

// Special xids (client-protocol section 4).
inline constexpr int32_t kXidWatchEvent = -1;
inline constexpr int32_t kXidPing = -2;
inline constexpr int32_t kXidAuth = -4;

// QuorumPacket types (quorum-protocol section 5).
enum class PacketType : int32_t {
  Request = 1,
  Proposal = 2,
  Ack = 3,
  Commit = 4,
  Ping = 5,
  Revalidate = 6,
  Sync = 7,
  Inform = 8,
  CommitAndActivate = 9,
  NewLeader = 10,
  FollowerInfo = 11,
  UpToDate = 12,
  Diff = 13,
  Trunc = 14,
  Snap = 15,
  ObserverInfo = 16,
  LeaderInfo = 17,
  AckEpoch = 18,
  InformAndActivate = 19
};

// States in election notifications (quorum-protocol section 1).
enum class PeerState : int32_t { Looking = 0, Following = 1, Leading = 2, Observing = 3 };

enum Perm : int32_t {
  kPermRead = 1,
  kPermWrite = 2,
  kPermCreate = 4,
  kPermDelete = 8,
  kPermAdmin = 16,
  kPermAll = 31
};

}  // namespace vivarium
