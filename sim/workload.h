// Workload: which operation a client invokes as its n-th, drawn by name. A few paths that all
// clients fight over, so that versions, existence and sequence numbers matter; one of them is also
// fought over by ACLs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/wire/codes.h"
#include "sim/choices.h"
#include "sim/observation.h"
#include "sim/profile.h"
#include "sim/reconfig_model.h"

namespace vivarium::sim {

struct Operation {
  Op op{};
  std::string path;
  Bytes data;
  int32_t version = -1;  // also the mode of addWatch, the type of check- and removeWatches
  CreateFlag flag{};
  bool watch = false;
  int64_t ttl_ms = -1;  // createTTL
  AclChoice acl{};
  bool truncated = false;          // half of its body is sent
  std::vector<Operation> parts{};  // multi, multiRead
  ReconfigAsk ask{};               // reconfig
};

// The n-th operation of a client. Every datum written is unique: it says who wrote it.
Operation draw_operation(ClientIndex client, uint64_t nth, Padding padding, Choices& choices);
// The same of the client who changes the ensemble and looks at what has become of it.
Operation draw_change(uint64_t nth, uint32_t servers, Choices& choices);

}  // namespace vivarium::sim
