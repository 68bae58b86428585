// K-TLAMSG: no server is sent what its state machine has no rule for. The evidence is what a server
// says when it leaves its leader or drops a learner, among servers of ours alone: nobody forges
// packets there.
#pragma once

#include <string_view>

namespace vivarium::sim {

// Whether the server that logged this line blames a peer for what it has sent.
bool blames_peer(std::string_view line);

}  // namespace vivarium::sim
