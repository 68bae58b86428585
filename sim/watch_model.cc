#include "sim/watch_model.h"

namespace vivarium::sim {

using Modes = WatchModel::Modes;
using Change = HistoryTxn::Change;

bool WatchModel::remove(const std::string& path, Modes modes) {
  const auto found = watches_.find(path);
  if (found == watches_.end() || (found->second & modes) == 0) return false;
  found->second = static_cast<Modes>(found->second & ~modes);
  if (found->second == 0) watches_.erase(found);
  return true;
}

bool WatchModel::has(const std::string& path, Modes modes) const {
  const auto found = watches_.find(path);
  return found != watches_.end() && (found->second & modes) != 0;
}

bool WatchModel::hears(const Change& change) {
  return spend(change) && change.acl.grants(kPermRead, who_);
}

bool WatchModel::spend(const Change& change) {
  const bool children = change.event == WatchEvent::ChildrenChanged;
  Modes one_shot = children ? kChild : kData;
  if (change.event == WatchEvent::Deleted) one_shot = kData | kChild;
  bool told = remove(change.path, one_shot);
  if (has(change.path, kPersistent)) told = true;
  if (children || told) return told;
  for (std::string path = change.path;;) {
    if (has(path, kRecursive)) return true;
    if (path.size() <= 1) return false;
    const size_t slash = path.rfind('/');
    path = slash == 0 ? "/" : path.substr(0, slash);
  }
}

std::vector<Change> WatchModel::rearm(const Rearm& request, const History& history, Zxid zxid) {
  std::vector<Change> due;
  const auto tell = [&](WatchEvent event, const std::string& path, const ModelAcl& acl) {
    if (acl.grants(kPermRead, who_)) due.push_back({event, path, {}});
  };
  for (const std::string& path : request.data) {
    const History::PathState state = history.at(path, zxid);
    if (!state.exists) {
      tell(WatchEvent::Deleted, path, {});
    } else if (state.mzxid > request.since) {
      tell(WatchEvent::DataChanged, path, state.acl);
    } else {
      set(path, kData);
    }
  }
  for (const std::string& path : request.exist) {
    const History::PathState state = history.at(path, zxid);
    if (state.exists) {
      tell(WatchEvent::Created, path, state.acl);
    } else {
      set(path, kData);
    }
  }
  for (const std::string& path : request.child) {
    const History::PathState state = history.at(path, zxid);
    if (!state.exists) {
      tell(WatchEvent::Deleted, path, {});
    } else if (state.pzxid > request.since) {
      tell(WatchEvent::ChildrenChanged, path, state.acl);
    } else {
      set(path, kChild);
    }
  }
  for (const std::string& path : request.persistent) set(path, kPersistent);
  for (const std::string& path : request.recursive) set(path, kRecursive);
  return due;
}

Modes modes_of_type(int32_t type) {
  switch (type) {
    case 1:
      return WatchModel::kChild;
    case 2:
      return WatchModel::kData;
    case 4:
      return WatchModel::kPersistent;
    case 5:
      return WatchModel::kRecursive;
    default:
      return WatchModel::kData | WatchModel::kChild | WatchModel::kPersistent |
             WatchModel::kRecursive;
  }
}

Modes mode_left_by(const ClientOp& op) {
  const bool ok = op.error == ErrorCode::Ok;
  if (op.op == Op::AddWatch && ok) {
    return op.version == 0 ? WatchModel::kPersistent : WatchModel::kRecursive;
  }
  if (!op.watch) return 0;
  if (op.op == Op::Exists)
    return ok || op.error == ErrorCode::NoNode ? WatchModel::kData : Modes{0};
  if (!ok) return 0;
  return op.op == Op::GetData ? WatchModel::kData : WatchModel::kChild;
}

}  // namespace vivarium::sim
