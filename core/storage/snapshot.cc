#include "core/storage/snapshot.h"

#include <algorithm>
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

bool is_open(const Acl& acl) {
  return acl.size() == 1 && acl[0].perms == kPermAll && acl[0].scheme == "world" &&
         acl[0].id == "anyone";
}

struct AclLess {
  bool operator()(const Acl& a, const Acl& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](const AclEntry& x, const AclEntry& y) {
                                          if (x.perms != y.perms) return x.perms < y.perms;
                                          if (x.scheme != y.scheme) return x.scheme < y.scheme;
                                          return x.id < y.id;
                                        });
  }
};

// Ids in the order in which a walk meets the lists.
class AclIds {
 public:
  int64_t id_of(const Acl& acl) {
    if (is_open(acl)) return kOpenAclId;
    return ids_.try_emplace(acl, static_cast<int64_t>(ids_.size()) + 1).first->second;
  }
  // Ordered by list, not by id: any order will do, this one is the same everywhere.
  const std::map<Acl, int64_t, AclLess>& all() const { return ids_; }

 private:
  std::map<Acl, int64_t, AclLess> ids_;
};

// Depth first, a parent before its children: visit(slot, path); the root's path is empty.
template <class Visit>
void walk(const DataTree& tree, Visit&& visit) {
  const DataTree::Slot root = tree.find("");
  CHECK(root != DataTree::kNone);
  std::string path;
  DataTree::Slot at = root;
  visit(at, path);
  while (true) {
    DataTree::Slot next = tree.first_child(at);
    if (next == DataTree::kNone) {
      while (at != root && tree.next_sibling(at) == DataTree::kNone) {
        path.resize(path.rfind('/'));
        at = tree.parent(at);
      }
      if (at == root) return;
      path.resize(path.rfind('/'));
      next = tree.next_sibling(at);
    }
    at = next;
    path += '/';
    path += tree.view(at).name;
    visit(at, path);
  }
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

void encode_snapshot_body(const DataTree& tree, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(tree.sessions().size()));
  for (const auto& [session, timeout_ms] : tree.sessions()) {
    writer.i64(session.value);
    writer.i32(timeout_ms);
  }
  AclIds ids;
  walk(tree, [&](DataTree::Slot slot, const std::string&) { ids.id_of(*tree.view(slot).acl); });
  writer.i32(static_cast<int32_t>(ids.all().size()));
  for (const auto& [acl, id] : ids.all()) {
    writer.i64(id);
    writer.i32(static_cast<int32_t>(acl.size()));
    for (const AclEntry& entry : acl) {
      writer.i32(entry.perms);
      writer.string(entry.scheme);
      writer.string(entry.id);
    }
  }
  walk(tree, [&](DataTree::Slot slot, const std::string& path) {
    const DataTree::NodeView node = tree.view(slot);
    writer.string(path);
    if (node.null_data) {
      writer.null_buffer();
    } else {
      writer.buffer(node.data);
    }
    writer.i64(ids.id_of(*node.acl));
    write_stat(node.stat, out);
  });
  writer.string("/");
}

void encode_snapshot_header(Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(kSnapMagic));
  writer.i32(static_cast<int32_t>(kFileVersion));
  writer.i64(-1);
}

void encode_snapshot_seals(uint32_t body_adler, Zxid zxid, uint64_t digest, Bytes& out) {
  uint32_t adler = body_adler;
  write_seal(adler, out);
  size_t from = out.size();
  JuteWriter writer(out);
  writer.i64(zxid.wire());
  writer.i32(kDigestVersion);
  writer.i64(static_cast<int64_t>(digest));
  adler = adler32(ByteView(out).subspan(from), adler);
  write_seal(adler, out);
  from = out.size();
  writer.i64(zxid.wire());
  adler = adler32(ByteView(out).subspan(from), adler);
  write_seal(adler, out);
}

void encode_snapshot_file(const DataTree& tree, Bytes& out) {
  const size_t from = out.size();
  encode_snapshot_header(out);
  encode_snapshot_body(tree, out);
  const uint32_t adler = adler32(ByteView(out).subspan(from));
  encode_snapshot_seals(adler, tree.last_applied(), tree.digest(), out);
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
  Acl acl;
  if (acl_id == kOpenAclId) {
    acl.push_back({kPermAll, "world", "anyone"});
  } else {
    const auto known = acls_.find(acl_id);
    if (known == acls_.end()) return bad("a znode of the snapshot has an unknown ACL");
    acl = known->second;
  }
  if (!tree.load_node(as_text(path), data, null_data, std::move(acl), stat)) {
    return bad("a znode of the snapshot has no parent, or is there twice");
  }
  used = reader.position();
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
