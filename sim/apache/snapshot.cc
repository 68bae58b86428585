#include "sim/apache/snapshot.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/tree/stat_persisted.h"
#include "core/wire/acl_codec.h"
#include "core/wire/jute.h"

namespace vivarium::apache {
namespace {

constexpr uint32_t kSnapshotMagic = 0x5a4b534e;  // "ZKSN"
constexpr int32_t kSnapshotVersion = 2;
constexpr int64_t kSnapshotDbid = -1;
constexpr size_t kSnapshotHeaderBytes = 16;
constexpr int64_t kOpenAclId = -1;  // in no file's map

void write_stat(const StatPersisted& stat, JuteWriter& out) {
  out.i64(stat.czxid.wire());
  out.i64(stat.mzxid.wire());
  out.i64(stat.ctime_ms);
  out.i64(stat.mtime_ms);
  out.i32(stat.version);
  out.i32(stat.cversion);
  out.i32(stat.aversion);
  out.i64(stat.ephemeral_owner);
  out.i64(stat.pzxid.wire());
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

// Once more is there it is read anew: false says that the bytes end too early, or make no sense.
bool read_znodes(JuteReader& in, const std::map<int64_t, Acl>& acls, DataTree& tree) {
  while (in.ok()) {
    const std::string path(in.string());
    if (!in.ok()) return false;
    if (path == "/") return true;
    bool null_data = false;
    const ByteView data = in.buffer(&null_data);
    const auto acl = acls.find(in.i64());
    const StatPersisted stat = read_stat(in);
    if (!in.ok()) return false;
    // A list that was made while the snapshot was written has a number that the file does not
    // explain; the txn that is replayed says what it is.
    const Acl list = acl == acls.end() ? Acl{} : acl->second;
    if (!tree.load_node(path, data, null_data, list, stat)) return false;
  }
  return false;
}

bool read_state(JuteReader& in, DataTree& tree) {
  constexpr size_t kSessionBytes = 12;
  constexpr size_t kAclBytes = 12;
  for (size_t left = in.count(kSessionBytes); left > 0; --left) {
    const SessionId session{in.i64()};
    const int32_t timeout_ms = in.i32();
    if (in.ok()) tree.load_session(session, timeout_ms);
  }
  std::map<int64_t, Acl> acls{{kOpenAclId, open_acl()}};
  for (size_t left = in.count(kAclBytes); left > 0 && in.ok(); --left) {
    const int64_t id = in.i64();
    acls[id] = decode_acl(in);
  }
  return in.ok() && read_znodes(in, acls, tree);
}

}  // namespace

// ---------------------------------------------------------------------------------- writing

SnapshotWriter::SnapshotWriter(const DataTree& tree, Form form)
    : form_(form), zxid_(tree.last_applied()) {
  JuteWriter out(front_);
  if (form_ == Form::File) {
    out.i32(static_cast<int32_t>(kSnapshotMagic));
    out.i32(kSnapshotVersion);
    out.i64(kSnapshotDbid);
  }
  out.i32(static_cast<int32_t>(tree.sessions().size()));
  for (const auto& [session, timeout_ms] : tree.sessions()) {
    out.i64(session.value);
    out.i32(timeout_ms);
  }
  collect_acls(tree, tree.find("/"));
  out.i32(static_cast<int32_t>(acls_.size()));
  for (size_t i = 0; i < acls_.size(); ++i) {
    out.i64(static_cast<int64_t>(i + 1));
    encode_acl(acls_[i], out);
  }
}

void SnapshotWriter::collect_acls(const DataTree& tree, DataTree::Slot slot) {
  acl_id(*tree.view(slot).acl);
  for (DataTree::Slot child = tree.first_child(slot); child != DataTree::kNone;
       child = tree.next_sibling(child)) {
    collect_acls(tree, child);
  }
}

int64_t SnapshotWriter::acl_id(const Acl& acl) {
  if (acl == open_acl()) return kOpenAclId;
  const auto found = std::find(acls_.begin(), acls_.end(), acl);
  const auto index = found - acls_.begin();
  if (found == acls_.end()) acls_.push_back(acl);
  return index + 1;
}

void SnapshotWriter::visit(const DataTree& tree, std::string path, Bytes& out) {
  const DataTree::Slot slot = tree.find(path.empty() ? "/" : path);
  if (slot == DataTree::kNone) return;
  const DataTree::NodeView node = tree.view(slot);
  JuteWriter writer(out);
  writer.string(path);
  if (node.null_data) {
    writer.null_buffer();
  } else {
    writer.buffer(node.data);
  }
  writer.i64(acl_id(*node.acl));
  write_stat(node.stat, writer);
  Level level;
  for (DataTree::Slot child = tree.first_child(slot); child != DataTree::kNone;
       child = tree.next_sibling(child)) {
    level.children.emplace_back(tree.view(child).name);
  }
  level.path = std::move(path);
  levels_.push_back(std::move(level));
}

bool SnapshotWriter::write(const DataTree& tree, size_t znodes, Bytes& out) {
  const size_t from = out.size();
  if (!begun_) {
    append_bytes(out, front_);
    visit(tree, "", out);
    begun_ = true;
  }
  for (size_t i = 0; i < znodes && !levels_.empty(); ++i) {
    Level& level = levels_.back();
    if (level.next == level.children.size()) {
      levels_.pop_back();
    } else {
      visit(tree, level.path + "/" + level.children[level.next++], out);
    }
  }
  const bool all = levels_.empty();
  if (all) JuteWriter(out).string("/");
  adler_ = adler32(ByteView(out).subspan(from), adler_);
  if (all && form_ == Form::File) seal(tree, out.size(), out);
  return all;
}

// The digest is that of the tree now, which may be later than the name (disk-formats section 4).
void SnapshotWriter::seal(const DataTree& tree, size_t from, Bytes& out) {
  JuteWriter writer(out);
  writer.i64(adler_);
  writer.string("/");
  writer.i64(tree.last_applied().wire());
  writer.i32(kDigestVersion);
  writer.i64(static_cast<int64_t>(tree.digest()));
  adler_ = adler32(ByteView(out).subspan(from), adler_);
  writer.i64(adler_);
  writer.string("/");
}

// ---------------------------------------------------------------------------------- reading

Decoded read_body(ByteView in, DataTree& tree, size_t& used) {
  JuteReader reader(in);
  const bool whole = read_state(reader, tree);
  used = reader.position();
  if (whole) return Decoded::Ok;
  return reader.ok() ? Decoded::Bad : Decoded::NeedMore;
}

bool read_file(ByteView file, DataTree& tree, SnapshotSeals& seals) {
  JuteReader in(file);
  if (static_cast<uint32_t>(in.i32()) != kSnapshotMagic) return false;
  in.take(kSnapshotHeaderBytes - 4);
  if (!read_state(in, tree)) return false;
  const uint32_t body = adler32(file.first(in.position()));
  if (in.i64() != int64_t{body} || in.string() != "/") return false;
  seals.digest_zxid = Zxid::from_wire(in.i64());
  in.i32();
  in.i64();
  if (!in.ok()) return false;
  const uint32_t with_digest = adler32(file.first(in.position()));
  return in.i64() == int64_t{with_digest} && in.string() == "/" && in.ok();
}

}  // namespace vivarium::apache
