#include "core/zab/apply.h"

#include "core/base/check.h"

namespace vivarium {

Txn decode_history_item(const History::Item& item) {
  Result<Txn> txn = decode_txn(*item.entry);
  CHECK(txn.has_value());
  return std::move(*txn);
}

}  // namespace vivarium
