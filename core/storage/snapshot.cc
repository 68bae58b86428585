#include "core/storage/snapshot.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/storage/record.h"
#include "core/wire/fixed.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

constexpr int64_t kOpenAclId = -1;  // world:anyone with all permissions, never in the table
constexpr size_t kSnapshotHeaderBytes = 16;
constexpr size_t kStatBytes = 60;
constexpr size_t kAclEntryBytesMin = 12;  // permissions, and the lengths of scheme and id
constexpr int32_t kAclEntriesMax = kElementBytesMax / kAclEntryBytesMin;
// Three seals, a digest of the oldest form and the last zxid fit easily.
constexpr size_t kSealsBytesMax = 1024;
// To look at a znode costs a fraction of what writing it does.
constexpr size_t kElementCost = 4;
constexpr size_t kLookCost = 1;

bool is_open(const Acl& acl) {
  return acl.size() == 1 && acl[0].perms == kPermAll && acl[0].scheme == "world" &&
         acl[0].id == "anyone";
}

void write_stat(const StatPersisted& stat, Bytes& out) {
  Byte* p = grow(out, kStatBytes);
  p = put_next(p, stat.czxid.wire());
  p = put_next(p, stat.mzxid.wire());
  p = put_next(p, stat.ctime_ms);
  p = put_next(p, stat.mtime_ms);
  p = put_next(p, stat.version);
  p = put_next(p, stat.cversion);
  p = put_next(p, stat.aversion);
  p = put_next(p, stat.ephemeral_owner);
  put_next(p, stat.pzxid.wire());
}

StatPersisted read_stat(JuteReader& in) {
  StatPersisted stat;
  stat.czxid = Zxid::from_wire(in.i64());
  stat.mzxid = Zxid::from_wire(in.i64());
  stat.ctime_ms = in.i64();
  stat.mtime_ms = in.i64();
  stat.version = in.i32();
  stat.cversion = in.i32();
  stat.aversion = in.i32();
  stat.ephemeral_owner = in.i64();
  stat.pzxid = Zxid::from_wire(in.i64());
  return stat;
}

// A seal covers everything before it; the next one covers this one too.
void write_seal(uint32_t& adler, Bytes& out) {
  const size_t from = out.size();
  JuteWriter writer(out);
  writer.i64(int64_t{adler});
  writer.string("/");
  adler = adler32(ByteView(out).subspan(from), adler);
}

bool read_seal(JuteReader& in, ByteView all, uint32_t& adler, size_t& covered) {
  adler = adler32(all.subspan(covered, in.position() - covered), adler);
  covered = in.position();
  const int64_t value = in.i64();
  const std::string_view end = in.string();
  return in.ok() && value == int64_t{adler} && end == "/";
}

}  // namespace

// ------------------------------------------------------------------------------------- writing

bool SnapshotEncoder::AclLess::operator()(const Acl& a, const Acl& b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](const AclEntry& x, const AclEntry& y) {
                                        if (x.perms != y.perms) return x.perms < y.perms;
                                        if (x.scheme != y.scheme) return x.scheme < y.scheme;
                                        return x.id < y.id;
                                      });
}

bool SnapshotEncoder::encode(const DataTree& tree, TreeSnapshot& state, SnapshotSlice slice,
                             Bytes& out) {
  CHECK(part_ != Part::End && slice.elements > 0);
  const size_t from = out.size();
  const size_t cost_max =
      slice.elements > SIZE_MAX / kElementCost ? SIZE_MAX : slice.elements * kElementCost;
  for (size_t cost = 0; cost < cost_max && part_ != Part::End;) {
    cost += part_ == Part::Look ? kLookCost : kElementCost;
    encode_part(tree, state, out);
    if (out.size() - from >= slice.bytes) break;
  }
  if (form_ == Form::File) adler_ = adler32(ByteView(out).subspan(from), adler_);
  if (part_ != Part::End) return false;
  if (form_ == Form::File) {
    encode_snapshot_seals(adler_, state.zxid(),
                          exact_ ? std::optional(state.digest()) : std::nullopt, out);
  }
  return true;
}

// One element, or the end of a part.
void SnapshotEncoder::encode_part(const DataTree& tree, TreeSnapshot& state, Bytes& out) {
  JuteWriter writer(out);
  TreeSnapshot::Znode znode;
  switch (part_) {
    case Part::Begin:
      return end_part(state, out);
    case Part::Sessions: {
      const auto session = state.next_session(tree);
      if (!session) return end_part(state, out);
      writer.i64(session->first.value);
      writer.i32(session->second);
      return;
    }
    case Part::Look:
      if (!state.next_znode(tree, znode)) return end_part(state, out);
      if (is_open(*znode.acl)) return;
      acls_.try_emplace(*znode.acl, static_cast<int64_t>(acls_.size()) + 1);
      return;
    case Part::Acls:
      return encode_acl(out);
    case Part::Znodes:
      if (!state.next_znode(tree, znode)) return end_part(state, out);
      return encode_znode(znode, out);
    case Part::End:
      break;
  }
  CHECK(false);
}

// What stands between two parts.
void SnapshotEncoder::end_part(TreeSnapshot& state, Bytes& out) {
  JuteWriter writer(out);
  if (part_ == Part::Begin) {
    if (form_ == Form::File) encode_snapshot_header(out);
    writer.i32(static_cast<int32_t>(state.session_count()));
    part_ = Part::Sessions;
  } else if (part_ == Part::Sessions) {
    part_ = Part::Look;
  } else if (part_ == Part::Look) {
    writer.i32(static_cast<int32_t>(acls_.size()));
    state.read_znodes();
    part_ = acls_.empty() ? Part::Znodes : Part::Acls;
  } else {
    CHECK(part_ == Part::Znodes);
    writer.string("/");
    part_ = Part::End;
  }
}

// Ordered by list, not by number: any order will do, this one is the same everywhere.
void SnapshotEncoder::encode_acl(Bytes& out) {
  const auto next = last_acl_ ? acls_.upper_bound(*last_acl_) : acls_.begin();
  CHECK(next != acls_.end());
  JuteWriter writer(out);
  writer.i64(next->second);
  writer.i32(static_cast<int32_t>(next->first.size()));
  for (const AclEntry& entry : next->first) {
    writer.i32(entry.perms);
    writer.string(entry.scheme);
    writer.string(entry.id);
  }
  last_acl_ = next->first;
  if (std::next(next) == acls_.end()) part_ = Part::Znodes;
}

void SnapshotEncoder::encode_znode(const TreeSnapshot::Znode& znode, Bytes& out) const {
  JuteWriter writer(out);
  writer.string(znode.path);
  if (znode.null_data) {
    writer.null_buffer();
  } else {
    writer.buffer(znode.data);
  }
  int64_t acl = kOpenAclId;
  if (!is_open(*znode.acl)) {
    const auto known = acls_.find(*znode.acl);
    CHECK(known != acls_.end());
    acl = known->second;
  }
  writer.i64(acl);
  write_stat(znode.stat, out);
}

namespace {

void encode_whole(const DataTree& tree, SnapshotEncoder::Form form, Bytes& out) {
  TreeSnapshot state(tree, 0);
  SnapshotEncoder encoder(form);
  CHECK(encoder.encode(tree, state, SnapshotSlice{}, out));
}

}  // namespace

void encode_snapshot_body(const DataTree& tree, Bytes& out) {
  encode_whole(tree, SnapshotEncoder::Form::Body, out);
}

void encode_snapshot_file(const DataTree& tree, Bytes& out) {
  encode_whole(tree, SnapshotEncoder::Form::File, out);
}

void encode_snapshot_header(Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(kSnapMagic));
  writer.i32(static_cast<int32_t>(kFileVersion));
  writer.i64(-1);
}

void encode_snapshot_seals(uint32_t body_adler, Zxid zxid, std::optional<uint64_t> digest,
                           Bytes& out) {
  uint32_t adler = body_adler;
  write_seal(adler, out);
  size_t from = out.size();
  JuteWriter writer(out);
  writer.i64(digest ? zxid.wire() : 0);
  writer.i32(kDigestVersion);
  writer.i64(static_cast<int64_t>(digest.value_or(kUnsettledMark)));
  adler = adler32(ByteView(out).subspan(from), adler);
  write_seal(adler, out);
  from = out.size();
  writer.i64(zxid.wire());
  adler = adler32(ByteView(out).subspan(from), adler);
  write_seal(adler, out);
}

// ------------------------------------------------------------------------------------- reading

Decoded SnapshotBodyReader::bad(std::string why) {
  error_ = std::move(why);
  return Decoded::Bad;
}

Decoded SnapshotBodyReader::feed(ByteView piece, DataTree& tree, size_t& used) {
  used = 0;
  if (!error_.empty()) return Decoded::Bad;
  if (part_ == Part::End) return Decoded::Ok;
  const size_t before = rest_.size();
  ByteView in = piece;
  if (before != 0) {
    append_bytes(rest_, piece);
    in = rest_;
  }
  size_t taken = 0;
  const Decoded state = read(in, tree, taken);
  if (state == Decoded::Bad) return state;
  if (state == Decoded::Ok) {
    CHECK(taken >= before);
    used = taken - before;
    rest_.clear();
    return state;
  }
  used = piece.size();
  if (before != 0) {
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(taken));
  } else {
    rest_.assign(piece.begin() + static_cast<ptrdiff_t>(taken), piece.end());
  }
  if (rest_.size() > kElementBytesMax) return bad("an element of the snapshot is too large");
  return state;
}

Decoded SnapshotBodyReader::read(ByteView in, DataTree& tree, size_t& used) {
  used = 0;
  while (part_ != Part::End) {
    size_t taken = 0;
    const Decoded state = read_part(in.subspan(used), tree, taken);
    if (state != Decoded::Ok) return state;
    used += taken;
  }
  return Decoded::Ok;
}

// Reads one element: a count, a session, an ACL or a znode.
Decoded SnapshotBodyReader::read_part(ByteView in, DataTree& tree, size_t& used) {
  JuteReader reader(in);
  switch (part_) {
    case Part::SessionCount:
    case Part::AclCount: {
      const int32_t count = reader.i32();
      if (!reader.ok()) return Decoded::NeedMore;
      if (count < 0) return bad("a negative count in the snapshot");
      left_ = static_cast<uint32_t>(count);
      part_ = part_ == Part::SessionCount ? Part::Sessions : Part::Acls;
      break;
    }
    case Part::Sessions: {
      if (left_ == 0) {
        part_ = Part::AclCount;
        break;
      }
      const SessionId session{reader.i64()};
      const int32_t timeout_ms = reader.i32();
      if (!reader.ok()) return Decoded::NeedMore;
      tree.load_session(session, timeout_ms);
      --left_;
      break;
    }
    case Part::Acls:
      if (left_ == 0) {
        part_ = Part::Nodes;
        break;
      }
      return read_acl(in, used);
    case Part::Nodes:
      return read_node(in, tree, used);
    case Part::End:
      break;
  }
  used = reader.position();
  return Decoded::Ok;
}

namespace {

// A length-prefixed field that may not have arrived: Ok, NeedMore, or Bad for an impossible length.
Decoded read_field(JuteReader& in, ByteView& out, bool* null = nullptr) {
  const ByteView rest = in.rest();
  if (rest.size() < 4) return Decoded::NeedMore;
  const auto length = static_cast<int32_t>(get_u32(rest.data()));
  if (length < -1 || length > static_cast<int32_t>(kElementBytesMax)) return Decoded::Bad;
  if (length > 0 && rest.size() - 4 < static_cast<size_t>(length)) return Decoded::NeedMore;
  out = in.buffer(null);
  return Decoded::Ok;
}

}  // namespace

Decoded SnapshotBodyReader::read_acl(ByteView in, size_t& used) {
  JuteReader reader(in);
  const int64_t id = reader.i64();
  const int32_t count = reader.i32();
  if (!reader.ok()) return Decoded::NeedMore;
  if (count > kAclEntriesMax) return bad("an ACL of the snapshot is too long");
  Acl acl;
  for (int32_t i = 0; i < count; ++i) {
    AclEntry& entry = acl.emplace_back();
    entry.perms = reader.i32();
    if (!reader.ok()) return Decoded::NeedMore;
    ByteView text;
    Decoded state = read_field(reader, text);
    if (state == Decoded::Ok) {
      entry.scheme = as_text(text);
      state = read_field(reader, text);
    }
    if (state == Decoded::Bad) return bad("an impossible length in the snapshot's ACLs");
    if (state == Decoded::NeedMore) return state;
    entry.id = as_text(text);
  }
  acls_[id] = std::move(acl);
  --left_;
  used = reader.position();
  return Decoded::Ok;
}

Decoded SnapshotBodyReader::read_node(ByteView in, DataTree& tree, size_t& used) {
  JuteReader reader(in);
  ByteView path;
  ByteView data;
  bool null_data = false;
  Decoded state = read_field(reader, path);
  if (state == Decoded::Ok && as_text(path) == "/") {
    if (tree.find("") == DataTree::kNone) return bad("the snapshot has no root");
    part_ = Part::End;
    used = reader.position();
    return Decoded::Ok;
  }
  if (state == Decoded::Ok) state = read_field(reader, data, &null_data);
  if (state == Decoded::Bad) return bad("an impossible length in the snapshot's znodes");
  if (state == Decoded::NeedMore || reader.left() < 8 + kStatBytes) return Decoded::NeedMore;
  const int64_t acl_id = reader.i64();
  const StatPersisted stat = read_stat(reader);
  CHECK(reader.ok());
  const Acl* acl = &open_acl_;
  if (acl_id != kOpenAclId) {
    // ZooKeeper writes its lists before its znodes, and txns are applied meanwhile (hazards R4):
    // the one that made this list is replayed, and names it. Until then the znode is closed.
    const auto known = acls_.find(acl_id);
    acl = known == acls_.end() ? &closed_acl_ : &known->second;
    closed_nodes_ += known == acls_.end() ? 1U : 0U;
  }
  if (!next_place_) next_place_ = tree.place_of(as_text(path));
  if (!tree.load_node(as_text(path), *next_place_, data, null_data, *acl, stat)) {
    return bad("a znode of the snapshot has no parent, or is there twice");
  }
  used = reader.position();
  next_place_.reset();
  JuteReader next(in.subspan(used));
  if (read_field(next, path) == Decoded::Ok) next_place_ = tree.place_of(as_text(path));
  return Decoded::Ok;
}

bool SnapshotFileReader::feed(ByteView piece, DataTree& tree) {
  if (bad_) return false;
  if (header_.size() < kSnapshotHeaderBytes) {
    const size_t n = std::min(kSnapshotHeaderBytes - header_.size(), piece.size());
    append_bytes(header_, piece.first(n));
    piece = piece.subspan(n);
    if (header_.size() < kSnapshotHeaderBytes) return true;
    adler_ = adler32(header_);
    bad_ = get_u32(header_.data()) != kSnapMagic || get_u32(header_.data() + 4) != kFileVersion;
    if (bad_) return false;
  }
  if (!body_done_) {
    size_t used = 0;
    const Decoded state = body_.feed(piece, tree, used);
    if (state == Decoded::Bad) {
      bad_ = true;
      return false;
    }
    adler_ = adler32(piece.first(used), adler_);
    piece = piece.subspan(used);
    body_done_ = state == Decoded::Ok;
  }
  append_bytes(seals_, piece);
  bad_ = seals_.size() > kSealsBytesMax;
  return !bad_;
}

Result<SnapshotFileReader::Seals> SnapshotFileReader::finish() const {
  if (bad_) return fail(body_.error().empty() ? "not a snapshot" : body_.error());
  if (!body_done_) return fail("the snapshot ends early");
  Seals seals;
  uint32_t adler = adler_;
  size_t covered = 0;
  JuteReader in(seals_);
  constexpr size_t kSealBytes = 8 + 4 + 1;
  constexpr size_t kLastZxidBytes = 8 + kSealBytes;
  if (!read_seal(in, seals_, adler, covered)) return fail("the snapshot's seal does not match");
  if (in.left() > kLastZxidBytes) {
    seals.digest_zxid = Zxid::from_wire(in.i64());
    seals.digest_version = in.i32();
    if (seals.digest_version < kDigestVersion) {
      in.string();
    } else {
      seals.digest = static_cast<uint64_t>(in.i64());
    }
    if (!read_seal(in, seals_, adler, covered)) return fail("the snapshot's digest is not sealed");
  }
  if (in.left() == kLastZxidBytes) {
    in.i64();
    if (!read_seal(in, seals_, adler, covered)) return fail("the snapshot's zxid is not sealed");
  }
  if (in.left() != 0) return fail("bytes behind the snapshot's seals");
  return seals;
}

}  // namespace vivarium
