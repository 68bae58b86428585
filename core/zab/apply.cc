#include "core/zab/apply.h"

#include <utility>
#include <variant>

#include "core/base/check.h"

namespace vivarium {

Txn decode_history_item(const History::Item& item) {
  Result<Txn> txn = decode_txn(*item.entry);
  CHECK(txn.has_value());
  return std::move(*txn);
}

bool note_reconfig(const Txn& txn, Parts& parts) {
  CHECK(txn.header.type == TxnType::Reconfig);
  if (!parts.configs.enabled()) return true;
  const auto* body = std::get_if<SetDataTxn>(&txn.body);
  CHECK(body != nullptr);
  Result<Membership> membership = parse_membership(as_text(body->data));
  if (!membership || membership->version != txn.header.zxid) return false;
  parts.configs.logged(std::move(*membership));
  parts.save_configs();
  return true;
}

}  // namespace vivarium
