// SaidReader: cuts the bytes that one end of a link sends into messages and names them, for people.
// What does not decode is given as a number of bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/wire/codes.h"

namespace vivarium::sim {

struct Said {
  std::string name;    // "PROPOSAL", "reply 17"
  std::string detail;  // what it carries
  Zxid zxid;
  uint64_t end = 0;  // position in the stream behind it
  bool minor = false;
};

std::string_view packet_name(PacketType type);
std::string_view op_name(Op op);
std::string hex(Zxid zxid);
// "create /a" of an entry; empty when it does not decode.
std::string describe_txn(ByteView entry);

class SaidReader {
 public:
  SaidReader() = default;
  SaidReader(uint16_t port, bool from_connector) : port_(port), from_connector_(from_connector) {}

  // The messages that end within `bytes`.
  std::vector<Said> feed(ByteView bytes);

 private:
  bool next(Said& said);
  bool next_packet(Said& said);
  bool next_state(Said& said);
  bool next_notification(Said& said);
  bool next_frame(Said& said);
  void take(size_t bytes, Said& said);
  ByteView rest() const { return ByteView(in_).subspan(at_); }

  uint16_t port_ = 0;
  bool from_connector_ = false;
  bool greeted_ = false;   // election: the opening message; clients: the connect
  bool in_state_ = false;  // behind SNAP
  bool opaque_ = false;    // it did not decode
  Bytes in_;
  size_t at_ = 0;
  uint64_t position_ = 0;
};

}  // namespace vivarium::sim
