// Which events of a run prove a violation: those that its text names (servers, clients, zxids,
// epochs, operations, sessions), as far as they are what its checker speaks of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "sim/observation.h"
#include "sim/page/model.h"

namespace vivarium::sim {

// What a line of a checker names.
struct Named {
  std::set<Lane> lanes;
  std::vector<Zxid> zxids;  // in the order of the text
  std::set<Epoch> epochs;
  std::set<int64_t> operations;     // xids
  std::vector<std::string> others;  // sessions as they are written, paths
};
Named named_in(std::string_view text, const std::vector<PageLane>& lanes);

// Fills what the model says of the violation. `violating`: the last event before it was seen;
// kNoEvent when that tells nothing.
void find_proof(const Violation& violation, size_t violating, PageModel& model);

}  // namespace vivarium::sim
