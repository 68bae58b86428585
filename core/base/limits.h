// Limits that several parts have to agree about. What a server acknowledges has to be taken by its
// peers, be written, and be read again, by itself and by them, whatever their zoo.cfg says: so
// readers know these numbers and not the configuration, which may only ask for less.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/ids.h"

namespace vivarium {

// The largest frame of a client that zoo.cfg may allow (jute.maxbuffer).
inline constexpr size_t kPacketBytesMax = size_t{64} << 20;
// The largest reply, but for data that a write of that size brought: listings and results of
// multiRead have no other end.
inline constexpr size_t kReplyBytesMax = kPacketBytesMax;
// The largest txn with what a log record has around it. Twice a frame, as in ZooKeeper: the txn of
// a multi is larger than its request, and that of a closeSession may be of any size.
inline constexpr size_t kRecordBytesMax = 2 * kPacketBytesMax;
// Of which a record, or a packet between servers, may need so much beside the txn.
inline constexpr size_t kRecordExtraBytes = 1024;
// A znode or an ACL in a snapshot: a path and data that came by two txns.
inline constexpr size_t kElementBytesMax = 2 * kRecordBytesMax;

// Epochs have 31 bits; nobody reaches half of them by elections (RULES 20).
inline constexpr Epoch kEpochEnd = Epoch{1} << 30;

}  // namespace vivarium
