#include "sim/checkers/barrier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace vivarium::sim {
namespace {

// Behind a leader of ZooKeeper's a sync is what it is there: the leader asks nobody, and may be one
// no more (docs/compatibility.md, "What holds in which ensemble").
bool promised_by_leader(const ClientOp& sync, const Past& past) {
  return std::none_of(past.apache_leads.begin(), past.apache_leads.end(), [&](const Interval& led) {
    return led.from <= sync.returned && sync.invoked <= led.to;
  });
}

}  // namespace

void check_barrier(const Past& past, Verdict& verdict) {
  std::vector<const ClientOp*> syncs;
  std::vector<std::pair<SimTime, Zxid>> shown;
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      if (!op.answered) continue;
      shown.emplace_back(op.returned, op.reply_zxid);
      if (op.op == Op::Sync && op.error == ErrorCode::Ok && promised_by_leader(op, past)) {
        syncs.push_back(&op);
      }
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
