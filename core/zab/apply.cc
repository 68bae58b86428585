#include "core/zab/apply.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "core/base/check.h"

namespace vivarium {

Txn decode_history_item(const History::Item& item) {
  Result<Txn> txn = decode_txn(*item.entry);
  CHECK(txn.has_value());
  return std::move(*txn);
}

void apply_whole(Zxid committed, Parts& parts, Effects& effects) {
  const bool more = apply_committed(committed, SIZE_MAX, parts, effects, [](const Effects&) {});
  CHECK(!more);
}

void audit_digest(const Txn& txn, Parts& parts) {
  const bool agreed_so_far = !parts.digests.first().has_value();
  const uint64_t differences = parts.digests.compare(txn, parts.tree);
  if (differences == 0) return;
  parts.world.count("digest_mismatches_count", static_cast<int64_t>(differences));
  if (!agreed_so_far) return;
  CHECK(parts.digests.first().has_value());
  const DigestAudit::Difference& first = *parts.digests.first();
  const std::string before = first.agreed == Zxid()
                                 ? "was never seen equal in this life"
                                 : fmt::format("was last equal behind {:x}", first.agreed.value);
  parts.world.log(LogLevel::Error,
                  fmt::format("the tree here differs from the ensemble's: behind zxid {:x} its "
                              "digest is {:x} here and {:x} there; it {}",
                              first.zxid.value, first.here, first.there, before));
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
