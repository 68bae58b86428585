// Short histories of txns that do nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/storage/history.h"
#include "core/wire/txn.h"

namespace vivarium {

inline SharedBytes entry_of(Zxid zxid) {
  Txn txn;
  txn.header = {SessionId{7}, 0, zxid, WallTime{1000}, TxnType::Error};
  txn.body = ErrorTxn{};
  txn.digest = TxnDigest{kDigestVersion, zxid.value};
  return share(encode_txn(txn));
}

inline History history_of(Zxid base, const std::vector<Zxid>& zxids) {
  History history(1000, 1 << 20);
  history.reset(base);
  for (const Zxid z : zxids) history.push(z, entry_of(z));
  return history;
}

// The zxids of an epoch from the first counter to the last.
inline std::vector<Zxid> run(Epoch epoch, uint32_t first, uint32_t last) {
  std::vector<Zxid> zxids;
  for (uint32_t c = first; c <= last; ++c) zxids.emplace_back(epoch, c);
  return zxids;
}

}  // namespace vivarium
