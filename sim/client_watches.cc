#include "sim/client_watches.h"

#include <vector>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"

namespace vivarium::sim {
namespace {

std::vector<std::string> list_of(const std::set<std::string>& paths) {
  return {paths.begin(), paths.end()};
}

void encode_paths(const std::vector<std::string>& paths, JuteWriter& out) {
  out.i32(static_cast<int32_t>(paths.size()));
  for (const std::string& path : paths) out.string(path);
}

}  // namespace

void ClientWatches::answered(const ClientOp& op) {
  const bool ok = op.error == ErrorCode::Ok;
  if (op.op == Op::AddWatch && ok) {
    (op.version == 0 ? persistent_ : recursive_).insert(op.path);
  } else if (op.op == Op::RemoveWatches && ok) {
    const int32_t type = op.version;
    if (type == 1 || type == 3) child_.erase(op.path);
    if (type == 2 || type == 3) data_.erase(op.path);
    if (type == 2 || type == 3) exist_.erase(op.path);
    if (type == 4 || type == 3) persistent_.erase(op.path);
    if (type == 5 || type == 3) recursive_.erase(op.path);
  } else if (op.watch && op.op == Op::Exists && op.error == ErrorCode::NoNode) {
    exist_.insert(op.path);
  } else if (op.watch && ok) {
    (op.op == Op::GetData || op.op == Op::Exists ? data_ : child_).insert(op.path);
  }
}

void ClientWatches::fired(WatchEvent event, const std::string& path) {
  if (event != WatchEvent::ChildrenChanged) {
    data_.erase(path);
    exist_.erase(path);
  }
  if (event == WatchEvent::ChildrenChanged || event == WatchEvent::Deleted) child_.erase(path);
}

bool ClientWatches::empty() const {
  return data_.empty() && exist_.empty() && child_.empty() && persistent_.empty() &&
         recursive_.empty();
}

Rearm ClientWatches::rearm(Zxid since) const {
  Rearm rearm;
  rearm.since = since;
  rearm.data = list_of(data_);
  rearm.exist = list_of(exist_);
  rearm.child = list_of(child_);
  rearm.persistent = list_of(persistent_);
  rearm.recursive = list_of(recursive_);
  return rearm;
}

void encode_rearm(const Rearm& rearm, int32_t xid, Bytes& body) {
  const bool both = !rearm.persistent.empty() || !rearm.recursive.empty();
  encode(RequestHeader{xid, static_cast<int32_t>(both ? Op::SetWatches2 : Op::SetWatches)}, body);
  JuteWriter out(body);
  out.i64(rearm.since.wire());
  encode_paths(rearm.data, out);
  encode_paths(rearm.exist, out);
  encode_paths(rearm.child, out);
  if (both) encode_paths(rearm.persistent, out);
  if (both) encode_paths(rearm.recursive, out);
}

}  // namespace vivarium::sim
