#include "sim/checkers/monotone.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

void check_monotone(const Past& past, Verdict& verdict) {
  for (size_t client = 0; client < past.clients.size(); ++client) {
    int64_t floor = 0;
    for (const Heard& heard : past.clients[client]->heard) {
      if (heard.kind == HeardKind::Attached) {
        floor = heard.zxid;
        continue;
      }
      if (heard.zxid <= 0) continue;  // events that setWatches caught up with
      verdict.expect(Checker::Mono, heard.zxid >= floor, past.now, [&] {
        return fmt::format("c{} is shown zxid {:x} after {:x}", client + 1,
                           static_cast<uint64_t>(heard.zxid), static_cast<uint64_t>(floor));
      });
      floor = std::max(floor, heard.zxid);
    }
  }
}

}  // namespace vivarium::sim
