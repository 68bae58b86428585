#include "core/server/reads.h"

#include <string_view>

#include "core/base/limits.h"
#include "core/tree/permissions.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

ErrorCode children_of(const ReadContext& context, Op op, ByteView body, Bytes& out) {
  const auto request = decode_path_watch_request(body);
  if (!request) return ErrorCode::MarshallingError;
  DataTree::Slot slot = DataTree::kNone;
  const ErrorCode error = find_readable(context, op, request->path, slot);
  if (error != ErrorCode::Ok) return error;
  if (request->watch) {
    context.watches.add(context.watcher, WatchTable::kChild, request->path);
  }
  if (!encode_children(context.tree, slot, out)) return ErrorCode::MarshallingError;
  if (op == Op::GetChildren2) encode(context.tree.stat(slot), out);
  return ErrorCode::Ok;
}

}  // namespace

bool may_read(const ReadContext& context, std::string_view path) {
  const auto slot = context.tree.find(path);
  return slot == DataTree::kNone ||
         may_be_told(*context.tree.view(slot).acl, context.ids, context.rules);
}

ErrorCode find_readable(const ReadContext& context, Op op, std::string_view path,
                        DataTree::Slot& slot) {
  slot = context.tree.find(path);
  if (slot == DataTree::kNone) return ErrorCode::NoNode;
  const bool allowed = may(op, *context.tree.view(slot).acl, context.ids, context.rules);
  return allowed ? ErrorCode::Ok : ErrorCode::NoAuth;
}

bool encode_children(const DataTree& tree, DataTree::Slot parent, Bytes& out) {
  const size_t begin = out.size();
  JuteWriter writer(out);
  writer.i32(tree.view(parent).num_children);
  for (auto child = tree.first_child(parent); child != DataTree::kNone;
       child = tree.next_sibling(child)) {
    writer.string(tree.view(child).name);
    if (out.size() - begin > kReplyBytesMax) return false;
  }
  return true;
}

void encode_data_and_stat(const DataTree& tree, DataTree::Slot slot, Bytes& out) {
  const DataTree::NodeView node = tree.view(slot);
  JuteWriter writer(out);
  if (node.null_data) {
    writer.null_buffer();
  } else {
    writer.buffer(node.data);
  }
  encode(tree.stat(slot), out);
}

ErrorCode read_ping(const ReadContext& context, ByteView body, Bytes& out) {
  static_cast<void>(context);
  static_cast<void>(body);
  static_cast<void>(out);
  return ErrorCode::Ok;
}

ErrorCode read_exists(const ReadContext& context, ByteView body, Bytes& out) {
  const auto request = decode_path_watch_request(body);
  if (!request) return ErrorCode::MarshallingError;
  if (request->path.find('\0') != std::string_view::npos) return ErrorCode::BadArguments;
  const auto slot = context.tree.find(request->path);
  if (slot != DataTree::kNone &&
      !may(Op::Exists, *context.tree.view(slot).acl, context.ids, context.rules)) {
    return ErrorCode::NoAuth;
  }
  // Before the existence test: a watch on a node that is not there waits for its creation.
  if (request->watch) {
    context.watches.add(context.watcher, WatchTable::kData, request->path);
  }
  if (slot == DataTree::kNone) return ErrorCode::NoNode;
  encode(context.tree.stat(slot), out);
  return ErrorCode::Ok;
}

ErrorCode read_data(const ReadContext& context, ByteView body, Bytes& out) {
  const auto request = decode_path_watch_request(body);
  if (!request) return ErrorCode::MarshallingError;
  DataTree::Slot slot = DataTree::kNone;
  const ErrorCode error = find_readable(context, Op::GetData, request->path, slot);
  if (error != ErrorCode::Ok) return error;
  if (request->watch) {
    context.watches.add(context.watcher, WatchTable::kData, request->path);
  }
  encode_data_and_stat(context.tree, slot, out);
  return ErrorCode::Ok;
}

ErrorCode read_children(const ReadContext& context, ByteView body, Bytes& out) {
  return children_of(context, Op::GetChildren, body, out);
}

ErrorCode read_children2(const ReadContext& context, ByteView body, Bytes& out) {
  return children_of(context, Op::GetChildren2, body, out);
}

}  // namespace vivarium
