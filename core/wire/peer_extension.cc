#include "core/wire/peer_extension.h"

#include "core/base/check.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

constexpr uint32_t kMagic = 0x56765078;  // "VvPx"
constexpr Byte kVersion = 1;
constexpr Byte kFlagDamaged = 1;
constexpr Byte kFlagRemembered = 2;
constexpr Byte kFlagLog = 4;
constexpr Byte kFlagConfig = 8;
constexpr size_t kFixedBytes = 8;
constexpr size_t kFaultBytes = 16;

void put_log(const LogId& log, JuteWriter& writer) {
  writer.i64(static_cast<int64_t>(log.directory));
  writer.i32(static_cast<int32_t>(log.generation));
}

LogId get_log(JuteReader& in) {
  LogId log;
  log.directory = static_cast<uint64_t>(in.i64());
  log.generation = static_cast<uint32_t>(in.i32());
  return log;
}

}  // namespace

void encode(const PeerExtension& extension, Bytes& out) {
  CHECK(extension.faults.size() <= kPeerFaultsMax);
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(kMagic));
  CHECK(extension.damaged || extension.faults.empty());
  writer.byte(kVersion);
  Byte flags = extension.damaged ? kFlagDamaged : Byte{0};
  if (extension.remembered) flags |= kFlagRemembered;
  if (extension.log) flags |= kFlagLog;
  if (!extension.config.empty()) flags |= kFlagConfig;
  writer.byte(flags);
  writer.byte(0);
  writer.byte(static_cast<Byte>(extension.faults.size()));
  for (const ZxidRange& fault : extension.faults) {
    writer.i64(fault.after.wire());
    writer.i64(fault.upto.wire());
  }
  if (const auto& r = extension.remembered) {
    put_log(r->log, writer);
    writer.i32(static_cast<int32_t>(r->epoch));
    writer.i64(r->upto.wire());
  }
  if (extension.log) put_log(*extension.log, writer);
  if (!extension.config.empty()) writer.string(extension.config);
}

std::optional<PeerExtension> decode_peer_extension(ByteView in) {
  if (in.size() < kFixedBytes || get_u32(in.data()) != kMagic || in[4] != kVersion) {
    return std::nullopt;
  }
  const size_t count = size_t{in[6]} << 8 | in[7];
  if (count > kPeerFaultsMax || in.size() < kFixedBytes + count * kFaultBytes) return std::nullopt;
  PeerExtension extension;
  extension.damaged = (in[5] & kFlagDamaged) != 0;
  if (!extension.damaged && count != 0) return std::nullopt;
  Zxid end;
  for (size_t i = 0; i < count; ++i) {
    const Byte* p = in.data() + kFixedBytes + i * kFaultBytes;
    const ZxidRange fault{Zxid{get_u64(p)}, Zxid{get_u64(p + 8)}};
    if (fault.after < end || fault.upto <= fault.after) return std::nullopt;
    end = fault.upto;
    extension.faults.push_back(fault);
  }
  JuteReader rest(in.subspan(kFixedBytes + count * kFaultBytes));
  if ((in[5] & kFlagRemembered) != 0) {
    Acknowledged& r = extension.remembered.emplace();
    r.log = get_log(rest);
    r.epoch = static_cast<Epoch>(rest.i32());
    r.upto = Zxid::from_wire(rest.i64());
  }
  if ((in[5] & kFlagLog) != 0) extension.log = get_log(rest);
  if ((in[5] & kFlagConfig) != 0) extension.config = rest.string();
  if (!rest.ok()) return std::nullopt;
  return extension;
}

void encode_fill_ask(ZxidRange range, Bytes& out) {
  Bytes data;
  JuteWriter(data).i64(range.after.wire());
  encode_packet(kFillAsk, range.upto.wire(), data, out);
}

std::optional<ZxidRange> decode_fill_ask(const QuorumPacket& packet) {
  JuteReader in(packet.data);
  const Zxid after = Zxid::from_wire(in.i64());
  const Zxid upto = Zxid::from_wire(packet.zxid);
  if (!in.ok() || upto <= after) return std::nullopt;
  return ZxidRange{after, upto};
}

void encode(const FillEnd& end, Bytes& out) {
  Bytes data;
  JuteWriter writer(data);
  writer.i64(end.range.after.wire());
  writer.i32(static_cast<int32_t>(end.rest));
  encode_packet(kFillEnd, end.range.upto.wire(), data, out);
}

std::optional<FillEnd> decode_fill_end(const QuorumPacket& packet) {
  JuteReader in(packet.data);
  const Zxid after = Zxid::from_wire(in.i64());
  const int32_t rest = in.i32();
  if (!in.ok() || rest < 0 || rest > static_cast<int32_t>(FillRest::Unknown)) return std::nullopt;
  return FillEnd{{after, Zxid::from_wire(packet.zxid)}, static_cast<FillRest>(rest)};
}

}  // namespace vivarium
