// ClientWatches: what a client library believes to have watches on, as Apache's keeps it: noted
// when the reply comes, one-shot watches forgotten with their event, all sent again after a
// re-attach.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/wire/codes.h"
#include "sim/client_log.h"

namespace vivarium::sim {

class ClientWatches {
 public:
  // `op` was answered.
  void answered(const ClientOp& op);
  void fired(WatchEvent event, const std::string& path);
  bool empty() const;
  void clear() { *this = ClientWatches(); }
  Rearm rearm(Zxid since) const;

 private:
  std::set<std::string> data_;
  std::set<std::string> exist_;
  std::set<std::string> child_;
  std::set<std::string> persistent_;
  std::set<std::string> recursive_;
};

// Appends the request that says it: setWatches when it can, else setWatches2.
void encode_rearm(const Rearm& rearm, int32_t xid, Bytes& body);

}  // namespace vivarium::sim
