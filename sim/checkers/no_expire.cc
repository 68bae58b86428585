#include "sim/checkers/no_expire.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace vivarium::sim {
namespace {

// What is known of one session from its client.
struct Signs {
  int32_t timeout_ms = 0;
  std::vector<SimTime> sent;  // of what was answered
};

std::map<SessionId, Signs> signs_of(const ClientLog& log) {
  std::map<SessionId, Signs> all;
  Signs* now = nullptr;
  for (const Heard& heard : log.heard) {
    if (heard.kind == HeardKind::Attached) {
      now = &all[heard.session];
      now->timeout_ms = heard.timeout_ms;
    }
    if (heard.kind != HeardKind::Event && now != nullptr) now->sent.push_back(heard.sent);
  }
  return all;
}

}  // namespace

void check_no_expire(const Past& past, Verdict& verdict) {
  std::map<SessionId, Signs> all;
  for (const ClientLog* log : past.clients) all.merge(signs_of(*log));
  for (const HistoryTxn& txn : past.history.txns()) {
    if (txn.type != TxnType::CloseSession || txn.cxid != 0) continue;
    const auto found = all.find(txn.session);
    if (found == all.end()) continue;
    const Signs& signs = found->second;
    SimTime last{};
    for (const SimTime sent : signs.sent) {
      if (sent < txn.delivered) last = std::max(last, sent);
    }
    const Duration silent = txn.delivered - last;
    const Duration counted{milliseconds(signs.timeout_ms).ns * kMillion / past.clock_pace_ppm};
    const Duration due = counted - past.expiry_slack;
    if (due <= Duration()) continue;  // says nothing
    verdict.expect(Checker::NoExpire, silent >= due, past.now, [&] {
      return fmt::format(
          "session {:x} was expired at {:x}, {} ms after its client was heard, with "
          "a timeout of {} ms",
          static_cast<uint64_t>(txn.session.value), txn.zxid.value, silent.ms(), signs.timeout_ms);
    });
  }
}

}  // namespace vivarium::sim
