#include <fmt/format.h>

#include <optional>

#include "sim/cluster.h"
#include "sim/commands.h"
#include "sim/seed_range.h"
#include "sim/trace.h"

namespace vivarium::sim {

int replay_command(const std::string& text, bool trace, ProfileKind kind) {
  const std::optional<uint64_t> seed = parse_number(text);
  if (!seed) {
    fmt::print(stderr, "vivsim: replay takes a seed, not \"{}\"\n", text);
    return 2;
  }
  Cluster cluster(*seed, kind);
  fmt::print("seed {}: {} servers, {} clients, {} faults\n", *seed, cluster.profile().servers,
             cluster.profile().clients, cluster.faults().size());
  for (uint32_t i = 0; i < cluster.profile().servers; ++i) {
    if (cluster.profile().is_apache(i)) fmt::print("s{} is ZooKeeper's\n", i + 1);
  }
  for (const Fault& fault : cluster.faults()) fmt::print("{}\n", to_text(fault));
  TraceWriter lines([](std::string_view line) { fmt::print("{}\n", line); });
  if (trace) cluster.also_observe(&lines);
  const Outcome o = cluster.run();
  fmt::print(
      "{} events, {} completed operations, {} leaderships, {} txns, {} crashes, hash {:016x}\n",
      o.events, o.completed, o.leaderships, o.txns, o.crashes, o.trace_hash);
  if (o.excused) fmt::print("ended by a flaw of ZooKeeper's: {}\n", *o.excused);
  if (!o.violation) {
    fmt::print("1 passed, 0 failed\n");
    return 0;
  }
  fmt::print("violated {} at {:.6f} s: {}\n", o.violation->checker,
             static_cast<double>(o.violation->at.ns) / 1e9, o.violation->text);
  fmt::print("0 passed, 1 failed\n");
  return 1;
}

}  // namespace vivarium::sim
