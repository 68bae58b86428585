// Reads: requests that are answered from this server's tree and may leave a watch. One function per
// opcode; checks in the order of client-protocol section 8.
#pragma once

#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/tree/acl.h"
#include "core/tree/data_tree.h"
#include "core/tree/watches.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

struct ReadContext {
  const DataTree& tree;
  WatchTable& watches;
  WatcherId watcher;
  std::span<const AuthId> ids;  // of the connection, when the request was read
  const AclRules& rules;
  SessionId session;
};

// Appends the reply's body to `out`. After an error what was appended is dropped.
using ReadHandler = ErrorCode (*)(const ReadContext&, ByteView body, Bytes& out);

ErrorCode read_ping(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_exists(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_data(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_children(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_children2(const ReadContext& context, ByteView body, Bytes& out);
// tree_reads.cc
ErrorCode read_acl(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_all_children_number(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_ephemerals(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode who_am_i(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_multi(const ReadContext& context, ByteView body, Bytes& out);

// May the connection see the znode at `path`? One that is not there hides nothing.
bool may_read(const ReadContext& context, std::string_view path);
// NoNode, or NoAuth where the caller may not do `op`.
ErrorCode find_readable(const ReadContext& context, Op op, std::string_view path,
                        DataTree::Slot& slot);
// False, with the listing cut short: `out` has more than kReplyBytesMax.
bool encode_children(const DataTree& tree, DataTree::Slot parent, Bytes& out);
void encode_data_and_stat(const DataTree& tree, DataTree::Slot slot, Bytes& out);

}  // namespace vivarium
