// What one txn does to the tree and whom it tells: semantics sections 2 to 7 and 9.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/tree/data_tree.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using tree_test::apply_body;
using tree_test::create_txn;
using tree_test::set_data_txn;
using tree_test::text_of;
using Changes = std::vector<std::pair<WatchEvent, std::string>>;

using tree_test::kSession;

Changes changes_of(const Effects& effects) {
  Changes changes;
  for (const Effects::Change& change : effects.changes)
    changes.emplace_back(change.event, change.path);
  return changes;
}

class TreeApply : public testing::Test {
 protected:
  Effects apply(TxnType type, const TxnBody& body, SessionId session = {}) {
    return apply_body(tree_, type, body, Zxid{++zxid_}, session);
  }
  Effects create(std::string_view path, std::string_view data = "", bool ephemeral = false) {
    const DataTree::Slot parent = tree_.find(parent_path(path));
    const int32_t cversion = parent == DataTree::kNone ? 0 : tree_.view(parent).stat.cversion;
    return apply(TxnType::Create, create_txn(path, data, cversion + 1, ephemeral), kSession);
  }

  DataTree tree_;
  uint64_t zxid_ = 0;
};

TEST_F(TreeApply, FreshTreeIsZooKeepers) {
  EXPECT_EQ(tree_.digest(), 0x51c6d660U);
  EXPECT_EQ(tree_.node_count(), 4U);
  EXPECT_EQ(tree_.data_bytes(), 44U);
  EXPECT_EQ(tree_test::children_of(tree_, "/zookeeper"),
            (std::vector<std::string>{"quota", "config"}));
  const DataTree::NodeView config = tree_.view(tree_.find("/zookeeper/config"));
  EXPECT_EQ(config.stat.aversion, -1);
  EXPECT_EQ(*config.acl, (Acl{{kPermRead, "world", "anyone"}}));
  EXPECT_EQ(tree_.stat(tree_.find("/")).cversion, -1);
  EXPECT_EQ(tree_.find(""), tree_.find("/"));
  EXPECT_EQ(tree_.find("zookeeper"), DataTree::kNone);
  EXPECT_EQ(tree_.find("/zookeeper/"), DataTree::kNone);
  EXPECT_EQ(tree_.find("//zookeeper"), DataTree::kNone);
}

TEST_F(TreeApply, TellsWatchesInFiringOrder) {
  EXPECT_EQ(changes_of(create("/a")),
            (Changes{{WatchEvent::Created, "/a"}, {WatchEvent::ChildrenChanged, "/"}}));
  EXPECT_EQ(changes_of(create("/a/b")),
            (Changes{{WatchEvent::Created, "/a/b"}, {WatchEvent::ChildrenChanged, "/a"}}));
  EXPECT_EQ(changes_of(apply(TxnType::SetData, set_data_txn("/a", "x", 1))),
            (Changes{{WatchEvent::DataChanged, "/a"}}));
  EXPECT_EQ(changes_of(apply(TxnType::SetData, set_data_txn("/", "x", 1))),
            (Changes{{WatchEvent::DataChanged, "/"}}));
  EXPECT_EQ(changes_of(apply(TxnType::SetAcl, SetAclTxn{"/a", {{1, "world", "anyone"}}, 1})),
            Changes{});
  EXPECT_EQ(changes_of(apply(TxnType::Delete, DeleteTxn{"/a/b"})),
            (Changes{{WatchEvent::Deleted, "/a/b"}, {WatchEvent::ChildrenChanged, "/a"}}));
  EXPECT_EQ(changes_of(apply(TxnType::Reconfig, set_data_txn("/zookeeper/config", "v", -1))),
            (Changes{{WatchEvent::DataChanged, "/zookeeper/config"}}));
  EXPECT_EQ(changes_of(apply(TxnType::Error, ErrorTxn{ErrorCode::NoNode})), Changes{});
  EXPECT_EQ(changes_of(apply(TxnType::CreateSession, CreateSessionTxn{1000}, kSession)), Changes{});
}

TEST_F(TreeApply, WatchersWithoutReadAreKnownByTheAclAtThatTime) {
  const Acl secret = {{kPermAll, "digest", "alice:x"}};
  CreateTxn txn = create_txn("/s", "", 1);
  txn.acl = secret;
  const Effects created = apply(TxnType::Create, txn);
  EXPECT_EQ(created.changes[0].acl, secret);
  EXPECT_EQ(created.changes[1].acl, Acl{});  // the parent: everybody
  const Effects child = create("/s/c");
  EXPECT_EQ(child.changes[0].acl, Acl{});
  EXPECT_EQ(child.changes[1].acl, secret);
  apply(TxnType::Delete, DeleteTxn{"/s/c"});
  EXPECT_EQ(apply(TxnType::Delete, DeleteTxn{"/s"}).changes[0].acl, secret);
}

TEST_F(TreeApply, StatsFollowTheTable) {
  create("/a", "12345");
  create("/a/b");
  apply(TxnType::SetData, set_data_txn("/a", "123", 1));
  apply(TxnType::SetAcl, SetAclTxn{"/a", tree_test::open_to_all(), 1});
  apply(TxnType::Delete, DeleteTxn{"/a/b"});
  const Stat stat = tree_.stat(tree_.find("/a"));
  EXPECT_EQ(stat.czxid, Zxid{1});
  EXPECT_EQ(stat.mzxid, Zxid{3});
  EXPECT_EQ(stat.pzxid, Zxid{5});
  EXPECT_EQ(stat.version, 1);
  EXPECT_EQ(stat.cversion, 2);
  EXPECT_EQ(stat.aversion, 1);
  EXPECT_EQ(stat.data_length, 3);
  EXPECT_EQ(stat.num_children, 0);
}

TEST_F(TreeApply, KindsOfNodes) {
  CreateTxn container = create_txn("/ct", "", 1);
  apply(TxnType::CreateContainer, container, kSession);
  CreateTxn ttl = create_txn("/ttl", "", 2);
  ttl.ttl_ms = 0xffffffffff;
  apply(TxnType::CreateTtl, ttl, kSession);
  create("/e", "", true);
  const auto owner = [&](std::string_view path) {
    return static_cast<uint64_t>(tree_.view(tree_.find(path)).stat.ephemeral_owner);
  };
  EXPECT_EQ(owner("/ct"), 0x8000000000000000U);
  EXPECT_EQ(owner("/ttl"), 0xff0000ffffffffffU);
  EXPECT_EQ(owner("/e"), 0x100U);
  EXPECT_EQ(tree_.stat(tree_.find("/ct")).ephemeral_owner, 0);
  EXPECT_EQ(tree_.stat(tree_.find("/ttl")).ephemeral_owner, 0);
  EXPECT_EQ(tree_.stat(tree_.find("/e")).ephemeral_owner, 0x100);
  EXPECT_EQ(tree_.ephemeral_count(), 1U);

  // Apache applies this one only to die of it (client-protocol section 16).
  CreateTxn poison = create_txn("/poison", "", 4);
  poison.ttl_ms = -1;
  const uint64_t digest = tree_.digest();
  EXPECT_EQ(apply(TxnType::CreateTtl, poison, kSession).error, ErrorCode::BadArguments);
  EXPECT_EQ(tree_.digest(), digest);
}

TEST_F(TreeApply, NullDataIsNotEmptyData) {
  const Hash128 before = tree_.state_hash();
  CreateTxn txn = create_txn("/n", "", 1);
  txn.null_data = true;
  apply(TxnType::Create, txn);
  EXPECT_TRUE(tree_.view(tree_.find("/n")).null_data);
  EXPECT_EQ(tree_.stat(tree_.find("/n")).data_length, 0);
  DataTree other;
  apply_body(other, TxnType::Create, create_txn("/n", "", 1), Zxid{1});
  EXPECT_FALSE(other.view(other.find("/n")).null_data);
  EXPECT_EQ(other.digest(), tree_.digest());  // ZooKeeper's does not see it
  EXPECT_NE(other.state_hash(), tree_.state_hash());
  EXPECT_NE(before, tree_.state_hash());
}

TEST_F(TreeApply, CloseSessionDeletesTheListThenTheRest) {
  apply(TxnType::CreateSession, CreateSessionTxn{5000}, kSession);
  create("/p");
  create("/p/e1", "", true);
  create("/e2", "", true);
  create("/p/e3", "", true);
  EXPECT_EQ(tree_.ephemerals(kSession), (std::vector<std::string>{"/p/e1", "/e2", "/p/e3"}));
  CloseSessionTxn close;
  close.paths = {"/p/e3", "/gone", "/p/e1"};
  const Effects effects = apply(TxnType::CloseSession, close, kSession);
  EXPECT_EQ(changes_of(effects), (Changes{{WatchEvent::Deleted, "/p/e3"},
                                          {WatchEvent::ChildrenChanged, "/p"},
                                          {WatchEvent::Deleted, "/p/e1"},
                                          {WatchEvent::ChildrenChanged, "/p"},
                                          {WatchEvent::Deleted, "/e2"},
                                          {WatchEvent::ChildrenChanged, "/"}}));
  EXPECT_EQ(effects.closed_session, kSession);
  EXPECT_TRUE(tree_.sessions().empty());
  EXPECT_EQ(tree_.ephemeral_count(), 0U);
  const StatPersisted parent = tree_.view(tree_.find("/p")).stat;
  EXPECT_EQ(parent.pzxid, Zxid{zxid_});
  EXPECT_EQ(parent.cversion, 2);
}

TEST_F(TreeApply, CloseSessionWithoutAListDeletesWhatTheTreeKnows) {
  create("/e", "", true);
  create("/keep");
  apply(TxnType::CloseSession, CloseSessionTxn{false, {}}, kSession);
  EXPECT_EQ(tree_.find("/e"), DataTree::kNone);
  EXPECT_NE(tree_.find("/keep"), DataTree::kNone);
}

// --- multi

class MultiBody {
 public:
  MultiBody& add(TxnType type, const TxnBody& body) {
    bodies_.emplace_back();
    encode_body(type, body, bodies_.back());
    types_.push_back(type);
    return *this;
  }
  MultiTxn txn() const {
    MultiTxn multi;
    for (size_t i = 0; i < types_.size(); ++i) multi.parts.push_back({types_[i], bodies_[i]});
    return multi;
  }

 private:
  std::vector<TxnType> types_;
  std::vector<Bytes> bodies_;
};

TEST_F(TreeApply, MultiAppliesItsPartsInOrder) {
  MultiBody body;
  body.add(TxnType::Create, create_txn("/m", "1", 1))
      .add(TxnType::Create2, create_txn("/m/c", "", 1))
      .add(TxnType::SetData, set_data_txn("/m", "22", 1))
      .add(TxnType::Check, CheckTxn{"/m", 2})
      .add(TxnType::Delete, DeleteTxn{"/m/c"});
  const Effects effects = apply(TxnType::Multi, body.txn());
  EXPECT_EQ(effects.error, ErrorCode::Ok);
  ASSERT_EQ(effects.parts.size(), 5U);
  EXPECT_EQ(effects.parts[1].path, "/m/c");
  EXPECT_EQ(effects.parts[2].stat.data_length, 2);
  EXPECT_EQ(effects.parts[2].stat.num_children, 1);
  EXPECT_EQ(effects.parts[4].header.type, TxnType::Delete);
  EXPECT_EQ(changes_of(effects), (Changes{{WatchEvent::Created, "/m"},
                                          {WatchEvent::ChildrenChanged, "/"},
                                          {WatchEvent::Created, "/m/c"},
                                          {WatchEvent::ChildrenChanged, "/m"},
                                          {WatchEvent::DataChanged, "/m"},
                                          {WatchEvent::Deleted, "/m/c"},
                                          {WatchEvent::ChildrenChanged, "/m"}}));
  EXPECT_EQ(tree_.view(tree_.find("/m")).stat.czxid, Zxid{1});
}

TEST_F(TreeApply, FailedMultiDoesNothing) {
  const Hash128 before = tree_.state_hash();
  MultiBody body;
  body.add(TxnType::Create, create_txn("/m", "1", 1))
      .add(TxnType::Error, ErrorTxn{ErrorCode::BadVersion})
      .add(TxnType::Error, ErrorTxn{ErrorCode::RuntimeInconsistency});
  const Effects effects = apply(TxnType::Multi, body.txn());
  EXPECT_EQ(tree_.state_hash(), before);
  EXPECT_EQ(effects.error, ErrorCode::BadVersion);
  EXPECT_TRUE(effects.changes.empty());
  ASSERT_EQ(effects.parts.size(), 3U);
  EXPECT_EQ(effects.parts[0].error, ErrorCode::Ok);
  EXPECT_EQ(effects.parts[1].error, ErrorCode::BadVersion);
  EXPECT_EQ(effects.parts[2].error, ErrorCode::RuntimeInconsistency);
  EXPECT_EQ(tree_.last_applied(), Zxid{1});
}

// --- quotas

TEST_F(TreeApply, QuotaStatisticsFollowTheDeepestPrefix) {
  const std::string stats = "/zookeeper/quota/q/zookeeper_stats";
  create("/q", "12345");
  create("/q/a", "1");
  create("/zookeeper/quota/q");
  create("/zookeeper/quota/q/zookeeper_limits", "count=10,bytes=100");
  create(stats, "count=0,bytes=0");
  EXPECT_EQ(text_of(tree_, stats), "count=2,bytes=6");
  const Stat before = tree_.stat(tree_.find(stats));
  create("/q/b", "333");
  create("/other", "4444");
  apply(TxnType::SetData, set_data_txn("/q/a", "55555", 1));
  apply(TxnType::Delete, DeleteTxn{"/q/b"});
  EXPECT_EQ(text_of(tree_, stats), "count=2,bytes=10");
  Stat after = tree_.stat(tree_.find(stats));
  after.data_length = before.data_length;
  EXPECT_EQ(after, before);  // written without a txn: nothing of its Stat moves

  create("/zookeeper/quota/q/a");
  create("/zookeeper/quota/q/a/zookeeper_limits", "count=10,bytes=100");
  create("/zookeeper/quota/q/a/zookeeper_stats", "count=0,bytes=0");
  create("/q/a/deep", "7");
  EXPECT_EQ(text_of(tree_, "/zookeeper/quota/q/a/zookeeper_stats"), "count=2,bytes=6");
  EXPECT_EQ(text_of(tree_, stats), "count=2,bytes=10");

  apply(TxnType::Delete, DeleteTxn{"/zookeeper/quota/q/zookeeper_limits"});
  create("/q/c", "1");
  EXPECT_EQ(text_of(tree_, stats), "count=2,bytes=10");
  tree_.recount_quotas();
  EXPECT_EQ(text_of(tree_, stats), "count=2,bytes=10");  // no limits, no count
}

TEST_F(TreeApply, QuotaTextThatIsNoneOfOursStays) {
  create("/zookeeper/quota/q");
  create("/zookeeper/quota/q/zookeeper_limits", "count=10,bytes=100");
  create("/zookeeper/quota/q/zookeeper_stats", "count=0,bytes=0");
  apply(TxnType::SetData, set_data_txn("/zookeeper/quota/q/zookeeper_stats", "hello=world", 1));
  create("/q", "1");
  EXPECT_EQ(text_of(tree_, "/zookeeper/quota/q/zookeeper_stats"), "hello=world");
}

// --- what is written locally is no part of the replicated state

TEST_F(TreeApply, ConfigTextIsOutsideBothHashes) {
  const Hash128 hash = tree_.state_hash();
  const uint64_t digest = tree_.digest();
  tree_.set_config("server.1=...\nversion=0", Zxid{9}, WallTime{77});
  const DataTree::Slot slot = tree_.find("/zookeeper/config");
  EXPECT_EQ(text_of(tree_, "/zookeeper/config"), "server.1=...\nversion=0");
  EXPECT_EQ(tree_.stat(slot).version, -1);
  EXPECT_EQ(tree_.stat(slot).mzxid, Zxid{9});
  EXPECT_EQ(tree_.stat(slot).mtime_ms, 77);
  EXPECT_EQ(tree_.state_hash(), hash);
  EXPECT_EQ(tree_.digest(), digest);
}

TEST_F(TreeApply, StateHashSeesWhatTheDigestDoesNot) {
  create("/a");
  const uint64_t digest = tree_.digest();
  const Hash128 plain = tree_.state_hash();
  DataTree session = tree_;
  session.load_session(kSession, 1000);
  EXPECT_NE(session.state_hash(), plain);
  DataTree longer = session;
  longer.load_session(kSession, 2000);
  EXPECT_NE(longer.state_hash(), session.state_hash());
  apply_body(session, TxnType::CloseSession, CloseSessionTxn{}, Zxid{9}, kSession);
  EXPECT_EQ(session.state_hash(), plain);

  CreateTxn secret = create_txn("/a", "", 1);
  secret.acl = {{kPermAll, "digest", "alice:x"}};
  DataTree guarded;
  apply_body(guarded, TxnType::Create, secret, Zxid{1}, kSession);
  EXPECT_EQ(guarded.digest(), digest);
  EXPECT_NE(guarded.state_hash(), plain);

  DataTree system = tree_;
  apply_body(system, TxnType::Create, create_txn("/zookeeper/quota/q", "", 1), Zxid{2});
  EXPECT_EQ(system.digest(), digest);
  EXPECT_NE(system.state_hash(), plain);
}

TEST_F(TreeApply, EffectsKeepTheirMemory) {
  create("/a-path-that-does-not-fit-into-a-small-string");
  Effects effects;
  Txn txn;
  txn.header.type = TxnType::SetData;
  txn.body = set_data_txn("/a-path-that-does-not-fit-into-a-small-string", "x", 1);
  tree_.apply(txn, effects);
  const char* const memory = effects.changes.at(0).path.data();
  tree_.apply(txn, effects);
  EXPECT_EQ(effects.changes.size(), 1U);
  EXPECT_EQ(effects.changes.at(0).path.data(), memory);
}

}  // namespace
}  // namespace vivarium
