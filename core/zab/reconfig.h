// What a leader answers to a request to change the ensemble: the checks of client-protocol section
// 8, in ZooKeeper's order, between that of the session and that of the right to ask.
#pragma once

#include <vector>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/membership.h"
#include "core/tree/prepare.h"
#include "core/wire/client_messages.h"
#include "core/zab/configs.h"

namespace vivarium {

// The configuration that the request makes of `now`; its version is left to the caller. Errors:
// BadArguments, or MarshallingError for an id that is no number.
struct Asked {
  ErrorCode error{};
  Membership membership;
};
Asked asked_membership(const ReconfigRequest& request, const Membership& now);

// `zxid` is that of the txn, and becomes the version. `synced` are the
// servers that have the leader's history and could vote, the leader among them.
ReconfigVerdict judge_reconfig(ByteView body, const Config& config, const Configs& configs,
                               Zxid zxid, const std::vector<ServerId>& synced);

}  // namespace vivarium
