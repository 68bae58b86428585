// The bytes of Vivarium's own on disk: log record framing, the trailer behind each entry, and the
// frontier sidecar. docs/formats.md has the same tables with their reasons; RULES 1 and 2 are the
// source.
//
// A log file `log.<first zxid, hex>` is Apache's: header (16 bytes: magic "ZKLG", version 2, dbid),
// then records: int64 checksum (Adler-32 of what `length` covers), int32 length, entry, trailer,
// byte 'B'; zeros up to the file's end. The dbid holds our file id, which Apache does not check.
// `length` covers entry and trailer: Apache stops reading after the TxnDigest, which every entry of
// ours has.
//
// Trailer (kTrailerBytes, the last bytes that `length` covers), big endian:
//    0  u32  magic "VvTr"
//    4  u8   version 1
//    5  u8   flags: 1 ANCHOR
//    6  u16  zero
//    8  u32  CRC32C of the entry
//   12  u32  CRC32C of the previous entry (ANCHOR: 0)
//   16  u64  previous zxid (ANCHOR: zxid of the snapshot or foreign state that this record follows)
//   24  u64  highest zxid known durable on this server when the record was written
//   32  u64  file id (the header's dbid)
//   40  u64  offset of the record (of its checksum) in the file
//   48  u32  truncation generation
//   52  u32  zero
//   56  u64  state zxid: the last txn applied when the record was written (0: none)
//   64 2*u64 state hash at that zxid (DataTree::state_hash)
//   80  u64  ANCHOR: tree digest at the anchor, else 0
//   88  u32  CRC32C of trailer bytes 0..87
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/acknowledged.h"
#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/world.h"

namespace vivarium {

inline constexpr uint32_t kLogMagic = 0x5a4b4c47;   // "ZKLG"
inline constexpr uint32_t kSnapMagic = 0x5a4b534e;  // "ZKSN"
inline constexpr uint32_t kFileVersion = 2;
inline constexpr size_t kLogHeaderBytes = 16;
inline constexpr size_t kRecordHeadBytes = 12;  // checksum and length
inline constexpr Byte kRecordEnd = 0x42;

inline constexpr uint32_t kTrailerMagic = 0x56765472;  // "VvTr"
inline constexpr size_t kTrailerBytes = 92;

struct Trailer {
  bool anchor = false;
  uint32_t entry_crc = 0;
  uint32_t previous_crc = 0;
  Zxid previous;
  Zxid durable;
  uint64_t file_id = 0;
  uint64_t offset = 0;
  uint32_t generation = 0;
  Zxid state_zxid;
  Hash128 state_hash;
  uint64_t anchor_digest = 0;
  bool operator==(const Trailer&) const = default;
};

void encode_trailer(const Trailer& trailer, Bytes& out);
// `covered` is what the record's length covers. Nullopt: it does not end in a trailer with a right
// CRC.
std::optional<Trailer> decode_trailer(ByteView covered);

// Frontier sidecar: the file `frontier` in the log directory, two slots of kFrontierSlotBytes at
// offsets 0 and kFrontierSlotStride. The slot not known durable is rewritten until a sync has
// covered it; then the other one is used. The valid slot with the higher sequence counts.
//    0  u32  magic "VvFr"        4  u32  version 1
//    8  u64  sequence
//   16 2*u64 data-directory UUID
//   32  u64  boot counter
//   40  u64  zxid: everything up to it is durable in the log (or in the snapshot it rests on)
//   48  u64  file id of the log file that holds it (0: none)
//   56  u64  offset of the end of its record
//   64  u32  CRC32C of its entry      68  u32  truncation generation
//   72  u32  accepted epoch           76  u32  current epoch
//   80  u32  intent: 0 none, 1 truncation, 2 snapshot install
//   84  u32  flags: 1 MEMBER (this directory has been part of an ensemble, or has had data)
//   88  u64  intent zxid: the last zxid to keep, or the snapshot's
//   96  u64  last zxid acknowledged to a leader when written
//  104  u32  CRC32C of bytes 0..103
// And behind it, of the same sector, what voters have acknowledged to this server while it led;
// absent (zeros) in slots of earlier versions, which in turn do not look there:
//  108  u32  count, at most kRememberedMax
//  112  per voter, ascending: i64 id, u64 zxid, u64 first half of its UUID, u32 its truncation
//       generation, u32 epoch of the leadership
//       u32  CRC32C of bytes 108 up to here
inline constexpr uint32_t kFrontierMagic = 0x56764672;  // "VvFr"
inline constexpr size_t kFrontierBytes = 108;
inline constexpr size_t kFrontierSlotBytes = 512;
inline constexpr size_t kRememberedMax = 12;  // voters that fit into the slot's sector
inline constexpr size_t kFrontierSlotStride = 4096;
inline constexpr const char* kFrontierName = "frontier";

enum class Intent : uint32_t { None = 0, Truncation = 1, SnapshotInstall = 2 };

struct Frontier {
  uint64_t sequence = 0;
  uint64_t uuid_high = 0;
  uint64_t uuid_low = 0;
  uint64_t boots = 0;
  Zxid zxid;
  uint64_t file_id = 0;
  uint64_t end_offset = 0;
  uint32_t entry_crc = 0;
  uint32_t generation = 0;
  Epoch accepted_epoch = 0;
  Epoch current_epoch = 0;
  Intent intent = Intent::None;
  bool member = false;
  Zxid intent_zxid;
  Zxid acknowledged;
  std::vector<RememberedAck> remembered;
  bool operator==(const Frontier&) const = default;
};

void encode_frontier(const Frontier& frontier, Bytes& out);
std::optional<Frontier> decode_frontier(ByteView slot);
// The newer valid slot of a whole sidecar file; nullopt when neither is valid.
std::optional<Frontier> newest_frontier(ByteView file);

// "log.1f" and "snapshot.1f" and back: lower-case hex without padding (disk-formats section 1).
std::string log_name(Zxid first);
struct SnapshotName {
  Zxid zxid;
  Coding coding = Coding::Plain;
  auto operator<=>(const SnapshotName&) const = default;
};
// A compressed one ends in ".gz" or ".snappy".
std::string snapshot_name(SnapshotName name);
inline std::string snapshot_name(Zxid zxid) { return snapshot_name(SnapshotName{zxid}); }
std::optional<Zxid> parse_log_name(std::string_view name);
std::optional<SnapshotName> parse_snapshot_name(std::string_view name);
// Log files prepared ahead: a name Apache ignores (RULES 5).
std::string spare_name(uint64_t number);
std::optional<uint64_t> parse_spare_name(std::string_view name);

}  // namespace vivarium
