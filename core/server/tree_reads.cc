#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/base/limits.h"
#include "core/server/identity.h"
#include "core/server/reads.h"
#include "core/tree/permissions.h"
#include "core/wire/acl_codec.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

// What a reader without ADMIN may see of a digest id: not the hash, which could be tried offline.
Acl without_hashes(const Acl& acl) {
  Acl shown = acl;
  for (AclEntry& entry : shown) {
    if (entry.scheme != "digest") continue;
    const size_t colon = entry.id.find(':');
    if (colon != std::string::npos) entry.id.replace(colon, std::string::npos, ":x");
  }
  return shown;
}

int32_t descendants(const DataTree& tree, DataTree::Slot top) {
  if (tree.parent(top) == DataTree::kNone) return static_cast<int32_t>(tree.node_count() - 1);
  int32_t count = 0;
  DataTree::Slot at = tree.first_child(top);
  while (at != DataTree::kNone) {
    ++count;
    DataTree::Slot next = tree.first_child(at);
    while (next == DataTree::kNone && at != top) {
      next = tree.next_sibling(at);
      if (next == DataTree::kNone) at = tree.parent(at);
    }
    at = next;
  }
  return count;
}

}  // namespace

ErrorCode read_acl(const ReadContext& context, ByteView body, Bytes& out) {
  const auto request = decode_path_request(body);
  if (!request) return ErrorCode::MarshallingError;
  const auto slot = context.tree.find(request->path);
  if (slot == DataTree::kNone) return ErrorCode::NoNode;
  const Acl& acl = *context.tree.view(slot).acl;
  if (!may(Op::GetAcl, acl, context.ids, context.rules)) return ErrorCode::NoAuth;
  const bool is_admin = acl_grants(acl, kPermAdmin, context.ids, context.rules);
  JuteWriter writer(out);
  encode_acl(is_admin ? acl : without_hashes(acl), writer);
  encode(context.tree.stat(slot), out);
  return ErrorCode::Ok;
}

ErrorCode read_all_children_number(const ReadContext& context, ByteView body, Bytes& out) {
  const auto request = decode_path_request(body);
  if (!request) return ErrorCode::MarshallingError;
  DataTree::Slot slot = DataTree::kNone;
  const ErrorCode error = find_readable(context, Op::GetAllChildrenNumber, request->path, slot);
  if (error != ErrorCode::Ok) return error;
  JuteWriter(out).i32(descendants(context.tree, slot));
  return ErrorCode::Ok;
}

// About the caller's own znodes: neither their paths nor their ACLs are looked at.
ErrorCode read_ephemerals(const ReadContext& context, ByteView body, Bytes& out) {
  const auto request = decode_sync_request(body);
  if (!request) return ErrorCode::MarshallingError;
  const std::string_view prefix = request->path;
  const bool blank = prefix.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
  std::vector<std::string> paths = context.tree.ephemerals(context.session);
  if (!blank && prefix != "/") {
    std::erase_if(paths, [prefix](const std::string& path) { return !path.starts_with(prefix); });
  }
  const size_t begin = out.size();
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(paths.size()));
  for (const std::string& path : paths) {
    writer.string(path);
    if (out.size() - begin > kReplyBytesMax) return ErrorCode::MarshallingError;
  }
  return ErrorCode::Ok;
}

ErrorCode who_am_i(const ReadContext& context, ByteView body, Bytes& out) {
  static_cast<void>(body);
  encode_who_am_i(context.ids, out);
  return ErrorCode::Ok;
}

// Each operation succeeds or fails alone, and sets no watch whatever it says. What would not fit
// into any client's buffer fails as a whole.
ErrorCode read_multi(const ReadContext& context, ByteView body, Bytes& out) {
  const size_t begin = out.size();
  const auto ops = decode_multi_request(body, Op::MultiRead);
  if (!ops) return ErrorCode::MarshallingError;
  for (const MultiOp& op : *ops) {
    if (out.size() - begin > kReplyBytesMax) return ErrorCode::MarshallingError;
    const std::string_view path = std::get<PathWatchRequest>(op.record).path;
    JuteWriter writer(out);
    DataTree::Slot slot = DataTree::kNone;
    const ErrorCode error = find_readable(context, op.op, path, slot);
    if (error != ErrorCode::Ok) {
      encode_multi_error(error, writer);
      continue;
    }
    encode_multi_header(op.op, writer);
    if (op.op == Op::GetData) {
      encode_data_and_stat(context.tree, slot, out);
    } else {
      if (!encode_children(context.tree, slot, out)) return ErrorCode::MarshallingError;
    }
  }
  JuteWriter writer(out);
  encode_multi_end(writer);
  return ErrorCode::Ok;
}

}  // namespace vivarium
