// Byte strings. A ByteView borrows; Bytes owns; SharedBytes is bulk handed over immutable, so that
// the log, the followers and the archive hold one copy of an encoded txn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

using Byte = uint8_t;
using ByteView = std::span<const Byte>;
using Bytes = std::vector<Byte>;
using SharedBytes = std::shared_ptr<const Bytes>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline void append_bytes(Bytes& out, ByteView more) {
  out.insert(out.end(), more.begin(), more.end());
}
inline SharedBytes share(Bytes&& bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

// Big endian, as everything on ZooKeeper's wires and disks.
inline void put_u32(Byte* out, uint32_t v) {
  out[0] = static_cast<Byte>(v >> 24);
  out[1] = static_cast<Byte>(v >> 16);
  out[2] = static_cast<Byte>(v >> 8);
  out[3] = static_cast<Byte>(v);
}
inline void put_u64(Byte* out, uint64_t v) {
  put_u32(out, static_cast<uint32_t>(v >> 32));
  put_u32(out + 4, static_cast<uint32_t>(v));
}
inline uint32_t get_u32(const Byte* in) {
  return (uint32_t{in[0]} << 24) | (uint32_t{in[1]} << 16) | (uint32_t{in[2]} << 8) | in[3];
}
inline uint64_t get_u64(const Byte* in) { return (uint64_t{get_u32(in)} << 32) | get_u32(in + 4); }

}  // namespace vivarium
