#include "sim/history.h"

#include <algorithm>

#include "core/base/check.h"
#include "sim/observation.h"

namespace vivarium::sim {
namespace {

using Step = HistoryTxn::Step;

// One that nobody asks for grants nothing to anybody: K-RESULT has said so.
ModelAcl known_acl(const Acl& acl) {
  ModelAcl nothing;
  nothing.add({0, 0, 0, 0});
  return read_acl(acl).value_or(nothing);
}

// Of a multi, what its first part that failed says.
ErrorCode error_of(const TxnBody& body) {
  if (const auto* error = std::get_if<ErrorTxn>(&body)) return error->error;
  const auto* multi = std::get_if<MultiTxn>(&body);
  if (multi == nullptr) return ErrorCode::Ok;
  for (const MultiTxn::Part& part : multi->parts) {
    if (part.type != TxnType::Error) continue;
    const Result<TxnBody> decoded = decode_body(part.type, part.body);
    const ErrorCode error = decoded ? error_of(*decoded) : ErrorCode::SystemError;
    if (error != ErrorCode::Ok) return error;
  }
  return ErrorCode::Ok;
}

void add_steps(TxnType type, const TxnBody& body, std::vector<Step>& steps) {
  if (const auto* create = std::get_if<CreateTxn>(&body)) {
    steps.push_back(
        {TxnType::Create, std::string(create->path), create->ephemeral, known_acl(create->acl)});
  } else if (const auto* remove = std::get_if<DeleteTxn>(&body)) {
    steps.push_back({TxnType::Delete, std::string(remove->path)});
  } else if (const auto* set = std::get_if<SetDataTxn>(&body)) {
    steps.push_back({TxnType::SetData, std::string(set->path)});
  } else if (const auto* acl = std::get_if<SetAclTxn>(&body)) {
    steps.push_back({TxnType::SetAcl, std::string(acl->path), false, known_acl(acl->acl)});
  } else if (const auto* close = std::get_if<CloseSessionTxn>(&body)) {
    for (const std::string_view path : close->paths) {
      steps.push_back({TxnType::Delete, std::string(path)});
    }
  } else if (type == TxnType::Multi) {
    const auto& parts = std::get<MultiTxn>(body).parts;
    const bool failed = std::any_of(parts.begin(), parts.end(), [](const MultiTxn::Part& part) {
      return part.type == TxnType::Error;
    });
    for (const MultiTxn::Part& part : parts) {
      const Result<TxnBody> decoded = decode_body(part.type, part.body);
      if (!failed && decoded) add_steps(part.type, *decoded, steps);
    }
  }
}

}  // namespace

void History::add(HistoryTxn txn) {
  CHECK(txns_.empty() || txns_.back().zxid < txn.zxid);
  for (const Step& step : txn.steps) {
    const bool made = step.type == TxnType::Create;
    if (made || step.type == TxnType::SetAcl) {
      acls_[step.path].emplace_back(txn.zxid, step.acl);
    }
    if (step.type == TxnType::SetAcl) continue;
    const ModelAcl acl = acl_of(step.path, txn.zxid);
    if (step.type == TxnType::SetData) {
      txn.changes.push_back({WatchEvent::DataChanged, step.path, acl});
      continue;
    }
    const std::string parent = parent_of(step.path);
    txn.changes.push_back({made ? WatchEvent::Created : WatchEvent::Deleted, step.path, acl});
    txn.changes.push_back({WatchEvent::ChildrenChanged, parent, acl_of(parent, txn.zxid)});
  }
  for (const HistoryTxn::Change& change : txn.changes) {
    by_path_[change.path].emplace_back(txn.zxid, change.event);
  }
  if (txn.cxid != 0) by_request_.try_emplace({txn.session, txn.cxid}, txns_.size());
  txns_.push_back(std::move(txn));
}

// The latest at or below `zxid`: of a txn that is being added, as far as it was carried out.
ModelAcl History::acl_of(const std::string& path, Zxid zxid) const {
  const auto found = acls_.find(path);
  ModelAcl acl;
  if (found == acls_.end()) return acl;
  for (const auto& [at, value] : found->second) {
    if (at > zxid) break;
    acl = value;
  }
  return acl;
}

size_t History::after(Zxid zxid) const {
  const auto found = std::upper_bound(txns_.begin(), txns_.end(), zxid,
                                      [](Zxid z, const HistoryTxn& txn) { return z < txn.zxid; });
  return static_cast<size_t>(found - txns_.begin());
}

const HistoryTxn* History::of(SessionId session, int32_t cxid) const {
  const auto found = by_request_.find({session, cxid});
  return found == by_request_.end() ? nullptr : &txns_[found->second];
}

History::PathState History::at(const std::string& path, Zxid zxid) const {
  PathState state;
  state.exists = path == "/" || path.starts_with("/zookeeper");  // from the beginning
  state.acl = acl_of(path, zxid);
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return state;
  for (const auto& [at, event] : found->second) {
    if (at > zxid) break;
    if (event == WatchEvent::ChildrenChanged) {
      state.pzxid = at;
      continue;
    }
    state.exists = event != WatchEvent::Deleted;
    state.mzxid = at;
    if (event == WatchEvent::Created) state.pzxid = at;
  }
  return state;
}

History history_of(const std::vector<Zxid>& order, const std::vector<SimTime>& delivered,
                   const Ledger& ledger) {
  CHECK(order.size() == delivered.size());
  History history;
  for (size_t i = 0; i < order.size(); ++i) {
    const Result<Txn> txn = decode_txn(ledger.entry(order[i]));
    if (!txn) continue;
    HistoryTxn entry;
    entry.zxid = order[i];
    entry.session = txn->header.session;
    entry.cxid = txn->header.cxid;
    entry.type = txn->header.type;
    entry.delivered = delivered[i];
    entry.error = error_of(txn->body);
    if (const auto* multi = std::get_if<MultiTxn>(&txn->body)) {
      entry.parts = multi->parts.size();
      const auto failed = [](const MultiTxn::Part& part) { return part.type == TxnType::Error; };
      const auto begin = multi->parts.begin();
      const auto end = multi->parts.end();
      entry.failed_parts = static_cast<size_t>(std::count_if(begin, end, failed));
      entry.first_failed_part = static_cast<size_t>(std::find_if(begin, end, failed) - begin);
    }
    add_steps(entry.type, txn->body, entry.steps);
    history.add(std::move(entry));
  }
  return history;
}

}  // namespace vivarium::sim
