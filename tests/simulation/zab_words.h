// Packets of the quorum port as a line of text, and back: "PROPOSAL 2:1 create /a", "ACK 2:1",
// "NEWLEADER epoch=2". Zxids are epoch:counter, -1 is none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/tree/data_tree.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"

namespace vivarium::zab_test {

using Words = std::vector<std::string>;

Words split(const std::string& text);
bool has(const Words& words, const std::string& word);
std::string option(const Words& words, const std::string& name, const std::string& otherwise);
int64_t number(const Words& words, const std::string& name, int64_t otherwise);

std::string text_of(Zxid zxid);
std::string text_of_wire(int64_t zxid);
Zxid zxid_of(const std::string& text);
int64_t wire_of(const std::string& text);

// "create /a [DATA]", "set /a DATA VERSION", "delete /a", "session N timeout=MS", "close N",
// "error N". Strings of the txn point into `words`.
Txn txn_of(Zxid zxid, const Words& words, size_t at);
std::string text_of(const Txn& txn);

// A packet but for PROPOSAL, INFORM and SNAP, whose bytes hang on what the server has: words[at] is
// its name.
Bytes packet_of(const Words& words, size_t at);
std::string text_of(const QuorumPacket& packet);
// REQUEST of a learner for a client at `address`; a createSession comes without ids, as Apache
// sends it.
Bytes request_packet(const ForwardedRequest& request, const std::string& address);

// What stands behind SNAP: the state with these znodes at `zxid`, and the signature.
DataTree snap_tree(Zxid zxid, const Words& paths);
Bytes snap_of(const DataTree& tree);
// Reads one from the front. nullopt: not all of it is there.
struct SnapText {
  std::string text;
  size_t used = 0;
};
std::optional<SnapText> read_snap(ByteView bytes);

}  // namespace vivarium::zab_test
