#include "core/storage/lone_log.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "core/tree/path.h"

namespace vivarium {
namespace {

int32_t counted_up(int32_t version) {
  return static_cast<int32_t>(static_cast<uint32_t>(version) + 1);
}

bool next_of(int32_t version, int32_t before) {
  const int32_t next = counted_up(before);
  return version == next || (next == -1 && version == 0);  // newer servers skip -1
}

bool create_fits(const CreateTxn& txn, const DataTree& tree) {
  const DataTree::Slot parent = tree.find(parent_path(txn.path));
  if (parent == DataTree::kNone) return false;
  return txn.parent_cversion == -1 ||
         txn.parent_cversion == counted_up(tree.view(parent).stat.cversion);
}

// What apply() does not find out by itself.
bool versions_fit(const Txn& txn, const DataTree& tree) {
  if (const auto* create = std::get_if<CreateTxn>(&txn.body)) return create_fits(*create, tree);
  if (const auto* data = std::get_if<SetDataTxn>(&txn.body)) {
    const DataTree::Slot slot = tree.find(data->path);
    if (slot == DataTree::kNone) return false;
    return txn.header.type == TxnType::Reconfig ||
           next_of(data->version, tree.view(slot).stat.version);
  }
  if (const auto* acl = std::get_if<SetAclTxn>(&txn.body)) {
    const DataTree::Slot slot = tree.find(acl->path);
    return slot != DataTree::kNone && next_of(acl->version, tree.view(slot).stat.aversion);
  }
  return true;
}

// A txn that says itself that nothing happens.
bool says_failed(const Txn& txn) {
  if (txn.header.type == TxnType::Error) return true;
  const auto* multi = std::get_if<MultiTxn>(&txn.body);
  return multi != nullptr &&
         std::any_of(multi->parts.begin(), multi->parts.end(),
                     [](const MultiTxn::Part& part) { return part.type == TxnType::Error; });
}

}  // namespace

bool first_of_all(Zxid zxid) { return zxid == Zxid{1} || zxid == Zxid{1, 1}; }

bool apply_fitting(const Txn& txn, DataTree& tree, Effects& effects) {
  const bool versions = versions_fit(txn, tree);
  effects.clear();
  tree.apply(txn, effects);
  if (!versions || (effects.error != ErrorCode::Ok && !says_failed(txn))) return false;
  return !txn.digest || txn.digest->version != kDigestVersion ||
         txn.digest->tree_digest == tree.digest();
}

}  // namespace vivarium
