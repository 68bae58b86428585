// Replay of txns over a state that holds some of their effects already, as Apache's fuzzy snapshots
// do: disk-formats section 6, hazards R2 to R4.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using tree_test::apply_body;
using tree_test::create_txn;
using tree_test::set_data_txn;

using tree_test::kSession;

StatPersisted stat_at(const DataTree& tree, std::string_view path) {
  return tree.view(tree.find(path)).stat;
}

TEST(TreeReplay, CreateOfAnExistingNodeRaisesTheParentForType1Only) {
  for (const TxnType type : {TxnType::Create, TxnType::Create2}) {
    DataTree tree;
    apply_body(tree, TxnType::Create, create_txn("/a", "old", 1), Zxid{1});
    CreateTxn again = create_txn("/a", "new", 7);
    again.acl = {{kPermRead, "world", "anyone"}};
    const Effects effects = apply_body(tree, type, again, Zxid{8});
    EXPECT_EQ(effects.error, ErrorCode::NodeExists);
    EXPECT_TRUE(effects.changes.empty());
    EXPECT_EQ(tree_test::text_of(tree, "/a"), "old");
    EXPECT_EQ(stat_at(tree, "/a").czxid, Zxid{1});
    EXPECT_EQ(*tree.view(tree.find("/a")).acl, again.acl);
    EXPECT_EQ(stat_at(tree, "/").cversion, type == TxnType::Create ? 7 : 1);
    EXPECT_EQ(stat_at(tree, "/").pzxid, type == TxnType::Create ? Zxid{8} : Zxid{1});
  }
}

TEST(TreeReplay, CreateNeverLowersTheParent) {
  DataTree tree;
  apply_body(tree, TxnType::Create, create_txn("/a", "", 9), Zxid{20});
  apply_body(tree, TxnType::Create, create_txn("/b", "", 3), Zxid{5});
  EXPECT_NE(tree.find("/b"), DataTree::kNone);
  EXPECT_EQ(stat_at(tree, "/").cversion, 9);
  EXPECT_EQ(stat_at(tree, "/").pzxid, Zxid{20});
  EXPECT_EQ(tree.last_applied(), Zxid{20});
  // Logs older than 3.4 do not say: one more than the parent has.
  apply_body(tree, TxnType::Create, create_txn("/c", "", -1), Zxid{21});
  EXPECT_EQ(stat_at(tree, "/").cversion, 10);
}

TEST(TreeReplay, DeleteOfAMissingNodeStillMovesThePzxid) {
  DataTree tree;
  apply_body(tree, TxnType::Create, create_txn("/p", "", 1), Zxid{1});
  const Effects effects = apply_body(tree, TxnType::Delete, DeleteTxn{"/p/x"}, Zxid{4});
  EXPECT_EQ(effects.error, ErrorCode::NoNode);
  EXPECT_TRUE(effects.changes.empty());
  EXPECT_EQ(stat_at(tree, "/p").pzxid, Zxid{4});
  apply_body(tree, TxnType::Delete, DeleteTxn{"/p/x"}, Zxid{3});
  EXPECT_EQ(stat_at(tree, "/p").pzxid, Zxid{4});
}

TEST(TreeReplay, WhatIsMissingIsIgnored) {
  DataTree tree;
  const Hash128 before = tree.state_hash();
  EXPECT_EQ(apply_body(tree, TxnType::SetData, set_data_txn("/x", "", 3), Zxid{1}).error,
            ErrorCode::NoNode);
  EXPECT_EQ(apply_body(tree, TxnType::SetAcl, SetAclTxn{"/x", {}, 3}, Zxid{2}).error,
            ErrorCode::NoNode);
  EXPECT_EQ(apply_body(tree, TxnType::Create, create_txn("/x/y", "", 3), Zxid{3}).error,
            ErrorCode::NoNode);
  EXPECT_EQ(apply_body(tree, TxnType::Delete, DeleteTxn{"/x/y"}, Zxid{4}).error, ErrorCode::NoNode);
  EXPECT_EQ(tree.state_hash(), before);
  EXPECT_EQ(tree.last_applied(), Zxid{4});
}

// Paths in logs are validated by nobody (disk-formats section 3).
TEST(TreeReplay, PathsThatAreNoneDoNoHarm) {
  DataTree tree;
  const Hash128 before = tree.state_hash();
  uint64_t zxid = 0;
  for (const std::string_view path : {"", "/", "a", "//", "/a/", "/zookeeper/", "a/b"}) {
    SCOPED_TRACE(path);
    EXPECT_NE(apply_body(tree, TxnType::Create, create_txn(path, "", 1), Zxid{++zxid}).error,
              ErrorCode::Ok);
    EXPECT_EQ(apply_body(tree, TxnType::Delete, DeleteTxn{path}, Zxid{++zxid}).error,
              ErrorCode::NoNode);
  }
  DataTree reference = tree;
  EXPECT_EQ(reference.state_hash(), before);
  DataTree nothing;
  nothing.clear();
  EXPECT_EQ(apply_body(nothing, TxnType::Create, create_txn("/a", "", 1), Zxid{1}).error,
            ErrorCode::NoNode);
  EXPECT_EQ(apply_body(nothing, TxnType::SetData, set_data_txn("/", "", 1), Zxid{2}).error,
            ErrorCode::NoNode);
}

// The snapshot took /a with the child of its second life; the log deletes the first life.
TEST(TreeReplay, DeleteTakesTheChildrenOfALaterLifeAlong) {
  DataTree tree;
  apply_body(tree, TxnType::Create, create_txn("/a", "", 1), Zxid{1});
  apply_body(tree, TxnType::Create, create_txn("/a/b", "", 1), Zxid{2});
  apply_body(tree, TxnType::Create, create_txn("/a/b/e", "", 1, true), Zxid{3}, kSession);
  apply_body(tree, TxnType::Create, create_txn("/a/c", "", 2), Zxid{4});
  const DataTree fresh;
  EXPECT_EQ(apply_body(tree, TxnType::Delete, DeleteTxn{"/a"}, Zxid{5}).error, ErrorCode::Ok);
  EXPECT_EQ(tree.node_count(), fresh.node_count());
  EXPECT_EQ(tree.ephemeral_count(), 0U);
  EXPECT_EQ(tree.data_bytes(), fresh.data_bytes());
  EXPECT_EQ(tree.find("/a/b"), DataTree::kNone);
}

// --- a fuzzy snapshot of a random history, as Apache takes it

struct History {
  std::vector<Bytes> entries;    // entry i is zxid i + 1
  std::vector<DataTree> states;  // state i is after zxid i
};

std::string random_path(Random& random) {
  std::string path;
  const uint64_t depth = 1 + random.below(3);
  for (uint64_t i = 0; i < depth; ++i)
    path += "/" + std::string(1, static_cast<char>('a' + random.below(2)));
  return path;
}

History random_history(Random& random, size_t txns) {
  History history;
  DataTree tree;
  PendingChanges pending;
  SessionTracker sessions(milliseconds(1000));
  Effects effects;
  history.states.push_back(tree);
  SessionId session;
  for (uint64_t zxid = 1; zxid <= txns; ++zxid) {
    WriteRequest request;
    Bytes body;
    const uint64_t kind = random.below(20);
    const std::string path = random_path(random);
    if (session.value == 0) {
      request.op = Op::CreateSession;
      session = SessionId{static_cast<int64_t>(zxid) + 1000};
      sessions.add(session, 1000, Instant{0});
      body = tree_test::timeout_body(1000);
    } else if (kind < 10) {
      request.op = Op::Create;
      const CreateFlag flag = random.chance(1, 3) ? CreateFlag::Ephemeral : CreateFlag::Persistent;
      const Acl acl = {{random.chance(1, 2) ? 31 : 15, "world", "anyone"}};
      body = tree_test::create_body(path, std::to_string(zxid), flag, acl);
    } else if (kind < 16) {
      request.op = Op::Delete;
      body = tree_test::delete_body(path);
    } else if (kind < 19) {
      request.op = Op::SetData;
      body = tree_test::set_data_body(path, std::to_string(zxid));
    } else {
      request.op = Op::CloseSession;
    }
    request.session = session;
    request.body = body;
    history.entries.push_back(prepare(request, Zxid{zxid}, WallTime{static_cast<int64_t>(zxid)},
                                      tree, pending, sessions));
    if (request.op == Op::CloseSession) session = SessionId();
    tree.apply(*decode_txn(history.entries.back()), effects);
    history.states.push_back(tree);
  }
  return history;
}

// Depth first; each znode is copied, with the names of its children, at a time of its own, and
// children that are gone when their turn comes are left out. `now` moves on with every copy.
void copy_fuzzily(const History& history, const std::string& path, Random& random, size_t& now,
                  DataTree& out) {
  now = std::min(now + random.below(4), history.entries.size());
  const DataTree& tree = history.states[now];
  const DataTree::Slot slot = tree.find(path);
  if (slot == DataTree::kNone) return;
  const DataTree::NodeView view = tree.view(slot);
  ASSERT_TRUE(out.load_node(path, view.data, view.null_data, *view.acl, view.stat));
  const std::vector<std::string> names = tree_test::children_of(tree, path);
  for (const std::string& name : names) {
    copy_fuzzily(history, (path == "/" ? "" : path) + "/" + name, random, now, out);
  }
}

TEST(TreeReplay, FuzzySnapshotsOfRandomHistoriesConverge) {
  size_t fuzzy = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const History history = random_history(random, 60);
    const size_t start = random.below(40);
    DataTree tree;
    tree.clear();
    size_t now = start;
    for (const auto& [session, timeout_ms] : history.states[start].sessions()) {
      tree.load_session(session, timeout_ms);
    }
    copy_fuzzily(history, "/", random, now, tree);
    tree.set_last_applied(Zxid{start});
    fuzzy += tree.state_hash() == history.states[start].state_hash() ? 0U : 1U;
    Effects effects;
    for (size_t zxid = start + 1; zxid <= history.entries.size(); ++zxid) {
      tree.apply(*decode_txn(history.entries[zxid - 1]), effects);
      if (zxid < now) continue;  // the end of the fuzzy range
      ASSERT_EQ(tree.state_hash(), history.states[zxid].state_hash()) << "at " << zxid;
      ASSERT_EQ(tree.digest(), history.states[zxid].digest());
    }
  }
  EXPECT_GT(fuzzy, 100U);
}

// Equal states reached by replaying a suffix twice (K-IDEMP).
TEST(TreeReplay, ASuffixTwiceIsASuffixOnce) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    const History history = random_history(random, 60);
    DataTree tree = history.states.back();
    Effects effects;
    for (size_t i = random.below(60); i < history.entries.size(); ++i) {
      tree.apply(*decode_txn(history.entries[i]), effects);
    }
    ASSERT_EQ(tree.state_hash(), history.states.back().state_hash()) << "seed " << seed;
    ASSERT_EQ(tree.last_applied(), history.states.back().last_applied());
  }
}

}  // namespace
}  // namespace vivarium
