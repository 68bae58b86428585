// Conversations of real ZooKeeper servers on the leader port, as they were captured
// (tests/golden/quorum-transcripts), cut into packets.
#pragma once

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/wire/peer_messages.h"
#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"
#include "tests/unit/golden_data.h"

namespace vivarium::zab_test {

enum class Side : uint8_t { Connector, Acceptor };

// One packet of a stream; SNAP with the state behind it.
struct Recorded {
  double time = 0;
  Side from{};
  Bytes bytes;
  PacketType type{};
  Zxid zxid;
};

struct Recording {
  std::vector<Recorded> packets;  // both sides, in the order of the capture
  std::vector<Recorded> of(Side side) const {
    std::vector<Recorded> out;
    std::copy_if(packets.begin(), packets.end(), std::back_inserter(out),
                 [&](const Recorded& p) { return p.from == side; });
    return out;
  }
};

inline size_t packet_size(ByteView bytes, Recorded& out) {
  QuorumPacket packet;
  size_t used = 0;
  if (decode_quorum_packet(bytes, 1 << 20, packet, used) != Decoded::Ok) return 0;
  out.type = packet.type;
  out.zxid = Zxid::from_wire(packet.zxid);
  if (packet.type != PacketType::Snap) return used;
  const auto snap = read_snap(bytes.subspan(used));
  return snap ? used + snap->used : 0;
}

// The `nth` stream of the leader port in the file that was made by `connector` (0: the capture
// began in the middle of it).
inline Recording recording(const std::string& name, int64_t connector, size_t nth = 0) {
  const auto json = golden::read_json("quorum-transcripts/" + name + ".json");
  for (const auto& stream : json.at("streams")) {
    if (stream.at("kind") != "leader") continue;
    const auto& sid = stream.at("connector_sid");
    if ((sid.is_null() ? 0 : sid.get<int64_t>()) != connector || nth-- != 0) continue;
    Recording out;
    Bytes open[2];
    for (const auto& chunk : stream.at("chunks")) {
      if (!chunk.contains("hex")) continue;
      const Side from = chunk.at("dir") == "c2s" ? Side::Connector : Side::Acceptor;
      Bytes& bytes = open[from == Side::Connector ? 0 : 1];
      append_bytes(bytes, golden::from_hex(chunk.at("hex").get<std::string>()));
      Recorded packet;
      for (size_t size = packet_size(bytes, packet); size != 0; size = packet_size(bytes, packet)) {
        const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(size);
        packet.time = chunk.at("t").get<double>();
        packet.from = from;
        packet.bytes.assign(bytes.begin(), end);
        out.packets.push_back(packet);
        bytes.erase(bytes.begin(), end);
      }
    }
    return out;
  }
  throw std::runtime_error("no such recording in " + name);
}

// The recorded servers' configuration.
inline Config recorded_config(int64_t self) {
  Config config = ZabHost::make_config(self, 3, 0);
  for (Member& m : config.members) {
    const auto n = static_cast<uint16_t>(m.id.value);
    m.quorum = {"127.0.0.1", static_cast<uint16_t>(23280 + n)};
    m.election = {"127.0.0.1", static_cast<uint16_t>(23380 + n)};
  }
  config.history_txns_max = 500;
  return config;
}

inline std::string words_of(ByteView bytes) {
  QuorumPacket packet;
  size_t used = 0;
  if (decode_quorum_packet(bytes, 1 << 20, packet, used) != Decoded::Ok) return "no packet";
  return text_of(packet);
}

}  // namespace vivarium::zab_test
