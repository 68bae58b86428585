// SimSasl: what a server's World knows of SASL in the simulator: a mechanism of two steps, as
// DIGEST-MD5 has them. The client sends a name, the server a challenge, the client what its secret
// makes of that. Every name is a user, whose secret sasl_secret() tells.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/world.h"

namespace vivarium::sim {

std::string sasl_secret(std::string_view name);
// What a client answers to a challenge.
Bytes sasl_proof(std::string_view secret, ByteView challenge);

class SimSasl {
 public:
  // The next step on the link; `nonce` makes a challenge, when one is due.
  SaslAnswer step(LinkId link, ByteView token, uint64_t nonce);
  void forget(LinkId link) {
    if (!asked_.empty()) asked_.erase(link);
  }
  void clear() { asked_.clear(); }

 private:
  struct Asked {
    std::string name;
    Bytes challenge;
  };
  std::map<LinkId, Asked> asked_;  // a proof is due
};

}  // namespace vivarium::sim
