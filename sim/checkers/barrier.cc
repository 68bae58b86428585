#include "sim/checkers/barrier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace vivarium::sim {

void check_barrier(const Past& past, Verdict& verdict) {
  std::vector<const ClientOp*> syncs;
  std::vector<std::pair<SimTime, Zxid>> shown;
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      if (!op.answered) continue;
      shown.emplace_back(op.returned, op.reply_zxid);
      if (op.op == Op::Sync && op.error == ErrorCode::Ok) syncs.push_back(&op);
    }
  }
  std::sort(shown.begin(), shown.end());
  std::stable_sort(syncs.begin(), syncs.end(),
                   [](const ClientOp* a, const ClientOp* b) { return a->invoked < b->invoked; });
  Zxid floor;
  size_t next = 0;
  for (const ClientOp* sync : syncs) {
    for (; next < shown.size() && shown[next].first < sync->invoked; ++next) {
      floor = std::max(floor, shown[next].second);
    }
    verdict.expect(Checker::Sync, sync->reply_zxid >= floor, past.now, [&] {
      return fmt::format(
          "c{} xid {}: sync answered at {:x}, and {:x} had been shown before it was "
          "asked for",
          sync->client + 1, sync->xid, sync->reply_zxid.value, floor.value);
    });
  }
}

}  // namespace vivarium::sim
