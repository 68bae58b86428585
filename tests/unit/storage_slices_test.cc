// Snapshots in slices: whatever is written between two slices, the file is the one that would have
// been written at once, at the start. The old images that this takes are bounded, and go.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/snapshot.h"
#include "core/tree/path.h"
#include "core/wire/jute.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

constexpr uint64_t kName = 7;

// --- the whole state in one go, by recursion

void meet_lists(const DataTree& tree, DataTree::Slot slot, std::vector<Acl>& met) {
  const Acl& acl = *tree.view(slot).acl;
  const bool known = std::find(met.begin(), met.end(), acl) != met.end();
  if (acl != tree_test::open_to_all() && !known) met.push_back(acl);
  for (DataTree::Slot child = tree.first_child(slot); child != DataTree::kNone;
       child = tree.next_sibling(child)) {
    meet_lists(tree, child, met);
  }
}

void write_subtree(const DataTree& tree, DataTree::Slot slot, const std::string& path,
                   const std::vector<Acl>& met, JuteWriter& out) {
  const DataTree::NodeView node = tree.view(slot);
  out.string(path);
  if (node.null_data) {
    out.null_buffer();
  } else {
    out.buffer(node.data);
  }
  const auto number = std::find(met.begin(), met.end(), *node.acl);
  out.i64(number == met.end() ? -1 : number - met.begin() + 1);
  out.i64(node.stat.czxid.wire());
  out.i64(node.stat.mzxid.wire());
  out.i64(node.stat.ctime_ms);
  out.i64(node.stat.mtime_ms);
  out.i32(node.stat.version);
  out.i32(node.stat.cversion);
  out.i32(node.stat.aversion);
  out.i64(node.stat.ephemeral_owner);
  out.i64(node.stat.pzxid.wire());
  for (DataTree::Slot child = tree.first_child(slot); child != DataTree::kNone;
       child = tree.next_sibling(child)) {
    write_subtree(tree, child, path + "/" + std::string(tree.view(child).name), met, out);
  }
}

bool list_less(const Acl& a, const Acl& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto key = [](const AclEntry& e) { return std::tuple(e.perms, e.scheme, e.id); };
    if (key(a[i]) != key(b[i])) return key(a[i]) < key(b[i]);
  }
  return a.size() < b.size();
}

Bytes file_at_once(const DataTree& tree) {
  Bytes file;
  encode_snapshot_header(file);
  JuteWriter out(file);
  out.i32(static_cast<int32_t>(tree.sessions().size()));
  for (const auto& [session, timeout_ms] : tree.sessions()) {
    out.i64(session.value);
    out.i32(timeout_ms);
  }
  std::vector<Acl> met;
  meet_lists(tree, tree.find(""), met);
  std::vector<Acl> sorted = met;
  std::sort(sorted.begin(), sorted.end(), list_less);
  out.i32(static_cast<int32_t>(met.size()));
  for (const Acl& acl : sorted) {
    out.i64(std::find(met.begin(), met.end(), acl) - met.begin() + 1);
    out.i32(static_cast<int32_t>(acl.size()));
    for (const AclEntry& entry : acl) {
      out.i32(entry.perms);
      out.string(entry.scheme);
      out.string(entry.id);
    }
  }
  write_subtree(tree, tree.find(""), "", met, out);
  out.string("/");
  encode_snapshot_seals(adler32(file), tree.last_applied(), tree.digest(), file);
  return file;
}

// --- writes

struct SliceWrite {
  int kind = 0;
  int path = 0;
  int what = 0;
};

void showValue(const SliceWrite& write, std::ostream& out) {
  out << write.kind << ":" << write.path << ":" << write.what;
}

rc::Gen<SliceWrite> any_write() {
  const auto below = [](int end) { return rc::gen::inRange(0, end); };
  return rc::gen::build<SliceWrite>(rc::gen::set(&SliceWrite::kind, below(20)),
                                    rc::gen::set(&SliceWrite::path, below(39)),
                                    rc::gen::set(&SliceWrite::what, below(8)));
}

rc::Gen<std::vector<SliceWrite>> some_writes(double scale) {
  return rc::gen::scale(scale, rc::gen::container<std::vector<SliceWrite>>(any_write()));
}

// 3 names, up to 3 levels: 3 + 9 + 27 paths.
std::string path_of_number(int number) {
  std::string path;
  for (int level = 3, rest = number; level <= 27; rest -= level, level *= 3) {
    if (rest >= level) continue;
    for (int place = level / 3; place > 0; place /= 3) {
      path += "/" + std::string(1, static_cast<char>('a' + rest / place % 3));
    }
    return path;
  }
  return "/a";
}

class Writer {
 public:
  Writer() {
    write(TxnType::CreateSession, CreateSessionTxn{4000}, 1);
    // A quota: the statistics change with every znode below /a.
    create("/zookeeper/quota/a", "");
    create("/zookeeper/quota/a/zookeeper_limits", "count=5,bytes=1000");
    create("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0");
  }

  DataTree& tree() { return tree_; }
  const std::map<TxnType, int>& done() const { return done_; }

  void apply(const SliceWrite& w) {
    const std::string path = path_of_number(w.path);
    if (w.kind < 8) {
      // Parents too, so that there is something to write to.
      const std::string above(parent_path(path));
      create(w.what < 4 || above.empty() ? path : above, text_of_choice(w.what), w.what);
    } else if (w.kind < 12) {
      write(TxnType::Delete, DeleteTxn{path}, 0);
    } else if (w.kind < 15) {
      const std::string text = text_of_choice(w.what);
      SetDataTxn txn = tree_test::set_data_txn(path, text, w.what);
      txn.null_data = w.what == 0;
      if (txn.null_data) txn.data = {};
      write(TxnType::SetData, txn, 0);
    } else if (w.kind < 17) {
      write(TxnType::SetAcl, SetAclTxn{path, list_of_choice(w.what), w.what}, 0);
    } else if (w.kind < 18) {
      write(TxnType::CreateSession, CreateSessionTxn{1000 * (1 + w.what)}, w.path % 4);
    } else if (w.kind < 19) {
      write(TxnType::CloseSession, CloseSessionTxn{}, w.path % 4);
    } else {
      tree_.set_config(text_of_choice(w.what), tree_.last_applied(), {zxid_});
    }
  }

 private:
  static std::string text_of_choice(int what) {
    return std::string(static_cast<size_t>(what * what * 3), static_cast<char>('a' + what));
  }
  static Acl list_of_choice(int what) {
    if (what < 4) return tree_test::open_to_all();
    return {{what, "world", "anyone"}, {1, "ip", "10.0.0." + std::to_string(what % 3)}};
  }
  void create(const std::string& path, const std::string& text, int what = 0) {
    CreateTxn txn = tree_test::create_txn(path, text, -1, what == 1);
    txn.acl = list_of_choice(what);
    txn.null_data = what == 2;
    if (txn.null_data) txn.data = {};
    const TxnType type = what == 3 ? TxnType::CreateContainer : TxnType::Create;
    write(type, txn, 1);
  }
  void write(TxnType type, const TxnBody& body, int64_t session) {
    ++zxid_;
    const Effects effects =
        tree_test::apply_body(tree_, type, body, Zxid(static_cast<uint64_t>(zxid_)),
                              SessionId{0x100 + session}, {zxid_ * 10});
    if (effects.error == ErrorCode::Ok) ++done_[type];
  }

  DataTree tree_;
  int64_t zxid_ = 0;
  std::map<TxnType, int> done_;
};

DataTree decoded(const Bytes& file) {
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  RC_ASSERT(reader.feed(file, tree));
  RC_ASSERT(reader.finish().has_value());
  return tree;
}

TEST(StorageSlices, WritesBetweenThemLeaveNoTrace) {
  std::map<TxnType, int> done;
  size_t images = 0;
  size_t differ = 0;
  const bool held = rc::check([&] {
    Writer writer;
    for (const SliceWrite& write : *some_writes(3.0)) writer.apply(write);
    const DataTree before = writer.tree();
    const std::map<TxnType, int> at_first = writer.done();
    DataTree& tree = writer.tree();
    tree.begin_snapshot(kName, SIZE_MAX);
    SnapshotEncoder encoder(SnapshotEncoder::Form::File);
    const std::vector<SliceWrite> writes = *some_writes(10.0);
    const auto slice = *rc::gen::inRange<size_t>(1, 12);
    const auto writes_between = *rc::gen::inRange<size_t>(1, 6);
    Bytes file;
    size_t at = 0;
    while (!encoder.encode(tree, *tree.snapshot(kName), {slice, SIZE_MAX}, file)) {
      for (size_t i = 0; i < writes_between && at < writes.size(); ++i) writer.apply(writes[at++]);
      images += tree.snapshot(kName)->image_bytes();
    }
    RC_ASSERT(file == file_at_once(before));
    RC_ASSERT(tree.snapshot(kName)->image_bytes() == 0U);
    const DataTree loaded = decoded(file);
    RC_ASSERT(loaded.digest() == before.digest());
    RC_ASSERT(loaded.state_hash() == before.state_hash());
    differ += tree.state_hash() == before.state_hash() ? 0U : 1U;
    for (const auto& [type, count] : writer.done()) {
      const auto earlier = at_first.find(type);
      done[type] += count - (earlier == at_first.end() ? 0 : earlier->second);
    }
  });
  EXPECT_TRUE(held);
  EXPECT_GT(images, 10'000U);
  EXPECT_GT(differ, 50U);
  for (const TxnType type :
       {TxnType::Create, TxnType::CreateContainer, TxnType::Delete, TxnType::SetData,
        TxnType::SetAcl, TxnType::CreateSession, TxnType::CloseSession}) {
    EXPECT_GT(done[type], 5) << "type " << static_cast<int>(type) << " was not reached";
  }
}

// A copy of the tree has a copy of the snapshot: two futures of one moment.
TEST(StorageSlices, ACopyOfTheTreeGoesOnByItself) {
  Writer writer;
  for (int i = 0; i < 39; ++i) writer.apply({0, i, 5});
  DataTree& tree = writer.tree();
  const Bytes expected = file_at_once(tree);
  tree.begin_snapshot(kName, SIZE_MAX);
  SnapshotEncoder encoder(SnapshotEncoder::Form::File);
  Bytes file;
  ASSERT_FALSE(encoder.encode(tree, *tree.snapshot(kName), {8, SIZE_MAX}, file));
  Writer other = writer;
  SnapshotEncoder others = encoder;
  Bytes others_file = file;
  for (int i = 0; i < 39; ++i) writer.apply({8, i, 0});
  for (int i = 0; i < 39; ++i) other.apply({12, i, 7});
  EXPECT_TRUE(encoder.encode(tree, *tree.snapshot(kName), {}, file));
  EXPECT_TRUE(others.encode(other.tree(), *other.tree().snapshot(kName), {}, others_file));
  EXPECT_EQ(file, expected);
  EXPECT_EQ(others_file, expected);
}

// Two snapshots of one tree, begun at different times, do not disturb each other.
TEST(StorageSlices, TwoSnapshotsRunBesideEachOther) {
  Writer writer;
  DataTree& tree = writer.tree();
  struct Running {
    uint64_t name = 0;
    Bytes expected;
    SnapshotEncoder encoder{SnapshotEncoder::Form::File};
    Bytes file;
  };
  std::vector<Running> running;
  for (uint64_t name = 1; name <= 2; ++name) {
    for (int i = 0; i < 39; i += 2) writer.apply({0, i, static_cast<int>(3 + name)});
    Running& one = running.emplace_back();
    one.name = name;
    one.expected = file_at_once(tree);
    tree.begin_snapshot(name, SIZE_MAX);
    writer.apply({12, 0, 6});
  }
  for (size_t left = running.size(), round = 0; left > 0; ++round) {
    ASSERT_LT(round, 1000U);
    writer.apply({static_cast<int>(round % 13), static_cast<int>(round * 7 % 39), 6});
    for (Running& one : running) {
      TreeSnapshot* const state = tree.snapshot(one.name);
      if (state == nullptr || !one.encoder.encode(tree, *state, {3, SIZE_MAX}, one.file)) continue;
      tree.end_snapshot(one.name);
      EXPECT_TRUE(one.file == one.expected) << one.name;
      --left;
    }
  }
}

TEST(StorageSlices, ASliceEndsByItsBytesToo) {
  DataTree tree;
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/n" + std::to_string(i);
    tree_test::apply_body(tree, TxnType::Create,
                          tree_test::create_txn(path, std::string(1000, 'x'), -1),
                          Zxid(static_cast<uint64_t>(i) + 1));
  }
  tree.begin_snapshot(kName, SIZE_MAX);
  SnapshotEncoder encoder(SnapshotEncoder::Form::File);
  size_t slices = 0;
  bool last = false;
  while (!last) {
    Bytes slice;
    last = encoder.encode(tree, *tree.snapshot(kName), {SIZE_MAX, 3000}, slice);
    EXPECT_LE(slice.size(), 4200U) << "no more than what was asked for and one znode";
    ++slices;
  }
  EXPECT_GE(slices, 6U);
}

// Beyond the bound nothing is kept, and the snapshot says so.
TEST(StorageSlices, OldImagesAreBounded) {
  constexpr size_t kMax = 10'000;
  DataTree tree;
  uint64_t zxid = 0;
  const std::string data(1000, 'x');
  const auto path = [](int i) { return "/n" + std::to_string(i); };
  for (int i = 0; i < 20; ++i) {
    tree_test::apply_body(tree, TxnType::Create, tree_test::create_txn(path(i), data, -1),
                          Zxid(++zxid));
  }
  tree.begin_snapshot(kName, kMax);
  const TreeSnapshot& state = *tree.snapshot(kName);
  size_t highest = 0;
  int changed = 0;
  while (!state.lost() && changed < 20) {
    tree_test::apply_body(tree, TxnType::SetData, tree_test::set_data_txn(path(changed++), "y", 1),
                          Zxid(++zxid));
    highest = std::max(highest, state.image_bytes());
  }
  EXPECT_TRUE(state.lost());
  EXPECT_GT(changed, 5);
  EXPECT_LT(changed, 11) << "each has left more than 1000 bytes";
  EXPECT_LE(highest, kMax);
  EXPECT_EQ(state.image_bytes(), 0U);
  tree_test::apply_body(tree, TxnType::Delete, DeleteTxn{"/n19"}, Zxid(++zxid));
  EXPECT_EQ(state.image_bytes(), 0U) << "there is nobody to keep it for";
  tree.end_snapshot(kName);
  EXPECT_EQ(tree.snapshot(kName), nullptr);
}

// Whoever asks for a snapshot of a tree that was replaced is told.
TEST(StorageSlices, AClearedTreeHasNoSnapshot) {
  DataTree tree;
  tree.begin_snapshot(kName, SIZE_MAX);
  ASSERT_NE(tree.snapshot(kName), nullptr);
  tree.clear();
  EXPECT_EQ(tree.snapshot(kName), nullptr);
}

}  // namespace
}  // namespace vivarium
