// Preparation: order of checks (client-protocol section 8), what goes into the txn, and the
// speculative view on top of the tree (semantics section 9).
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "tests/unit/tree_prepare_fixture.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using tree_test::create_body;
using tree_test::delete_body;
using tree_test::kHere;
using tree_test::kSession;
using tree_test::open_to_all;
using tree_test::set_data_body;
using tree_test::TreePrepare;

TEST_F(TreePrepare, WritesWhatApplyNeeds) {
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  EXPECT_EQ(txn_.header.session, kSession);
  EXPECT_EQ(txn_.header.cxid, 5);
  EXPECT_EQ(txn_.header.zxid, Zxid{1});
  EXPECT_EQ(txn_.header.time, WallTime{99});
  EXPECT_EQ(txn_.header.type, TxnType::Create);
  EXPECT_EQ(created().path, "/a");
  EXPECT_EQ(created().parent_cversion, 1);
  EXPECT_FALSE(created().ephemeral);
  ASSERT_EQ(run(Op::Create2, create_body("/b", "", CreateFlag::Ephemeral)), ErrorCode::Ok);
  EXPECT_EQ(txn_.header.type, TxnType::Create2);
  EXPECT_TRUE(created().ephemeral);
  EXPECT_EQ(created().parent_cversion, 2);
  ASSERT_EQ(run(Op::SetData, set_data_body("/a", "x", 0)), ErrorCode::Ok);
  EXPECT_EQ(std::get<SetDataTxn>(txn_.body).version, 1);
}

TEST_F(TreePrepare, OddPathsOfCreate) {
  EXPECT_EQ(create("a"), ErrorCode::BadArguments);
  EXPECT_EQ(create(""), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a//b"), ErrorCode::NoNode);
  EXPECT_EQ(create("/"), ErrorCode::NodeExists);
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  EXPECT_EQ(create("/a/"), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a/."), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a/.."), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a/...", CreateFlag::Persistent), ErrorCode::Ok);
  EXPECT_EQ(create(std::string_view("/a/\0", 4)), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a/\xff"), ErrorCode::BadArguments);
  EXPECT_EQ(create("/a/\xc3\xa4"), ErrorCode::Ok);
  EXPECT_EQ(create("/zookeeper/config/x"), ErrorCode::NoAuth);
}

// Each request fails several checks; the earlier one answers.
TEST_F(TreePrepare, OrderOfChecks) {
  WriteRequest moved = request(Op::Create);
  ASSERT_EQ(create("/e", CreateFlag::Ephemeral),
            ErrorCode::Ok);  // the session is owned from here on
  moved.owner = ServerId{2};
  const auto as_moved = [&](const Bytes& body) { return code_of(prepare_entry(moved, body)); };
  Bytes cut = create_body("a", "", CreateFlag::Persistent, {});
  cut.pop_back();
  EXPECT_EQ(as_moved(cut), ErrorCode::MarshallingError);
  EXPECT_EQ(as_moved(create_body("a", "", static_cast<CreateFlag>(9), {})),
            ErrorCode::BadArguments);
  EXPECT_EQ(as_moved(create_body("a", "", CreateFlag::PersistentTtl, {})),
            ErrorCode::Unimplemented);
  EXPECT_EQ(as_moved(create_body("a", "", CreateFlag::Persistent, {})), ErrorCode::SessionMoved);
  EXPECT_EQ(create("a", CreateFlag::Persistent, {}), ErrorCode::BadArguments);
  EXPECT_EQ(create("/no/x", CreateFlag::Persistent, {}), ErrorCode::InvalidAcl);
  EXPECT_EQ(create("/no/x"), ErrorCode::NoNode);
  EXPECT_EQ(create("/e/."), ErrorCode::BadArguments);
  EXPECT_EQ(create("/e/x"), ErrorCode::NoChildrenForEphemerals);

  EXPECT_EQ(run(Op::Delete, delete_body("nope")), ErrorCode::BadArguments);
  EXPECT_EQ(run(Op::Delete, delete_body("/zookeeper/quota", 7)), ErrorCode::BadArguments);
  EXPECT_EQ(run(Op::Delete, delete_body("/no/x", 7)), ErrorCode::NoNode);
  EXPECT_EQ(run(Op::Delete, delete_body("/e", 7)), ErrorCode::BadVersion);
  ASSERT_EQ(create("/p"), ErrorCode::Ok);
  ASSERT_EQ(create("/p/c"), ErrorCode::Ok);
  EXPECT_EQ(run(Op::Delete, delete_body("/p", 7)), ErrorCode::BadVersion);
  EXPECT_EQ(run(Op::Delete, delete_body("/p", 0)), ErrorCode::NotEmpty);

  EXPECT_EQ(run(Op::SetData, set_data_body("/p/", "", 7)), ErrorCode::BadArguments);
  EXPECT_EQ(run(Op::SetData, set_data_body("/q", "", 7)), ErrorCode::NoNode);
  EXPECT_EQ(run(Op::SetData, set_data_body("/zookeeper/config", "", 7)), ErrorCode::NoAuth);
  EXPECT_EQ(run(Op::SetData, set_data_body("/p", "", 7)), ErrorCode::BadVersion);
}

TEST_F(TreePrepare, WhatIsNoWriteOfClientsIsUnimplemented) {
  Bytes path;
  encode(PathRequest{"/"}, path);
  for (const Op op : {Op::Check, Op::DeleteContainer, Op::Exists, static_cast<Op>(4711)}) {
    EXPECT_EQ(run(op, path), ErrorCode::Unimplemented) << static_cast<int>(op);
    EXPECT_EQ(txn_.digest->tree_digest, tree_.digest());
  }
}

TEST_F(TreePrepare, ReconfigIsDisabled) {
  Bytes body;
  JuteWriter out(body);
  for (int members = 0; members < 3; ++members) out.null_buffer();
  out.i64(-1);
  EXPECT_EQ(run(Op::Reconfig, body), ErrorCode::ReconfigDisabled);
  body.pop_back();
  EXPECT_EQ(run(Op::Reconfig, body), ErrorCode::MarshallingError);
}

TEST_F(TreePrepare, SequenceNamesCountCreations) {
  ASSERT_EQ(create("/q"), ErrorCode::Ok);
  ASSERT_EQ(create("/q/n-", CreateFlag::PersistentSequential), ErrorCode::Ok);
  EXPECT_EQ(created().path, "/q/n-0000000000");
  ASSERT_EQ(create("/q/other"), ErrorCode::Ok);
  ASSERT_EQ(run(Op::Delete, delete_body("/q/other")), ErrorCode::Ok);
  ASSERT_EQ(create("/q/", CreateFlag::EphemeralSequential), ErrorCode::Ok);
  EXPECT_EQ(created().path, "/q/0000000002");
  EXPECT_EQ(create("/q/n-", CreateFlag::PersistentSequential, {}), ErrorCode::InvalidAcl);
  ASSERT_EQ(create("/q/n-", CreateFlag::PersistentSequential), ErrorCode::Ok);
  EXPECT_EQ(created().path, "/q/n-0000000003");
}

TEST_F(TreePrepare, SequenceNamesOfOtherCversions) {
  DataTree tree;
  StatPersisted stat;
  for (const auto& [path, cversion] :
       std::vector<std::pair<std::string, int32_t>>{{"/low", -5}, {"/high", INT32_MAX}}) {
    stat.cversion = cversion;
    ASSERT_TRUE(tree.load_node(path, {}, false, open_to_all(), stat));
  }
  tree_ = tree;
  ASSERT_EQ(create("/low/x", CreateFlag::PersistentSequential), ErrorCode::Ok);
  EXPECT_EQ(created().path, "/low/x-000000005");
  apply_last();
  // The counter cannot rise any more: as in ZooKeeper the parent's stays, and the next name is
  // taken.
  ASSERT_EQ(create("/high/x", CreateFlag::PersistentSequential), ErrorCode::Ok);
  EXPECT_EQ(created().path, "/high/x2147483647");
  EXPECT_EQ(created().parent_cversion, INT32_MIN);
  EXPECT_EQ(create("/high/x", CreateFlag::PersistentSequential), ErrorCode::NodeExists);
}

TEST_F(TreePrepare, VersionsSkipMinusOne) {
  StatPersisted stat;
  stat.version = -2;
  ASSERT_TRUE(tree_.load_node("/v", {}, false, open_to_all(), stat));
  ASSERT_EQ(run(Op::SetData, set_data_body("/v", "", -2)), ErrorCode::Ok);
  EXPECT_EQ(std::get<SetDataTxn>(txn_.body).version, 0);
}

TEST_F(TreePrepare, ResolvesAuthAndDropsDuplicates) {
  EXPECT_EQ(create("/a", CreateFlag::Persistent, {{31, "auth", ""}}), ErrorCode::InvalidAcl);
  WriteRequest known = request(Op::Create);
  const std::vector<AuthId> ids = {
      {"ip", "127.0.0.1"}, {"digest", "u:h"}, {"super", ""}, {"digest", "v:h"}};
  known.auth = ids;
  ASSERT_EQ(
      code_of(prepare_entry(
          known, create_body("/a", "", CreateFlag::Persistent,
                             {{3, "auth", "x"}, {1, "world", "anyone"}, {1, "world", "anyone"}}))),
      ErrorCode::Ok);
  EXPECT_EQ(created().acl,
            (Acl{{3, "digest", "u:h"}, {3, "digest", "v:h"}, {1, "world", "anyone"}}));
}

// --- sessions

TEST_F(TreePrepare, CreateSessionTakesTheOwner) {
  sessions_.add(SessionId{7}, 1000, Instant{0});
  WriteRequest open = request(Op::CreateSession);
  open.session = SessionId{7};
  open.owner = ServerId{3};
  ASSERT_EQ(code_of(prepare_entry(open, tree_test::timeout_body(1000))), ErrorCode::Ok);
  EXPECT_EQ(std::get<CreateSessionTxn>(txn_.body).timeout_ms, 1000);
  EXPECT_EQ(sessions_.check(SessionId{7}, kHere), ErrorCode::SessionMoved);
  EXPECT_EQ(sessions_.check(SessionId{7}, ServerId{3}), ErrorCode::Ok);
  EXPECT_EQ(code_of(prepare_entry(open, Bytes{0, 0})), ErrorCode::MarshallingError);
}

// Hazards N1: nothing slips in between the list of a closing session and its application.
TEST_F(TreePrepare, AClosingSessionCreatesNothingMore) {
  ASSERT_EQ(create("/e", CreateFlag::Ephemeral), ErrorCode::Ok);
  ASSERT_EQ(run(Op::CloseSession, {}), ErrorCode::Ok);
  EXPECT_EQ(std::get<CloseSessionTxn>(txn_.body).paths, std::vector<std::string_view>{"/e"});
  EXPECT_EQ(create("/late", CreateFlag::Ephemeral), ErrorCode::SessionExpired);
  EXPECT_EQ(create("/late"), ErrorCode::SessionExpired);
  EXPECT_EQ(run(Op::SetData, set_data_body("/e", "")), ErrorCode::SessionExpired);
  ASSERT_EQ(run(Op::CloseSession, {}), ErrorCode::Ok);  // expiry and the client's wish may meet
  EXPECT_TRUE(std::get<CloseSessionTxn>(txn_.body).paths.empty());
}

TEST_F(TreePrepare, ListsEphemeralsOfTreeAndPending) {
  sessions_.add(SessionId{7}, 1000, Instant{0});
  for (const std::string_view path : {"/stays", "/goes", "/other"}) {
    ASSERT_EQ(create(path, CreateFlag::Ephemeral), ErrorCode::Ok);
    apply_last();
  }
  ASSERT_EQ(run(Op::Delete, delete_body("/goes")), ErrorCode::Ok);
  ASSERT_EQ(run(Op::Delete, delete_body("/other")), ErrorCode::Ok);
  WriteRequest others = request(Op::Create);
  others.session = SessionId{7};
  ASSERT_EQ(code_of(prepare_entry(others, create_body("/other", "", CreateFlag::Ephemeral))),
            ErrorCode::Ok);
  ASSERT_EQ(create("/new", CreateFlag::Ephemeral), ErrorCode::Ok);
  ASSERT_EQ(run(Op::SetData, set_data_body("/stays", "x")), ErrorCode::Ok);
  ASSERT_EQ(create("/goes", CreateFlag::Ephemeral), ErrorCode::Ok);
  ASSERT_EQ(run(Op::CloseSession, {}), ErrorCode::Ok);
  EXPECT_EQ(std::get<CloseSessionTxn>(txn_.body).paths,
            (std::vector<std::string_view>{"/stays", "/goes", "/new"}));
}

TEST_F(TreePrepare, InternalRequestsAreNotAsked) {
  WriteRequest expiry = request(Op::CloseSession);
  expiry.internal = true;
  expiry.owner = ServerId{9};
  sessions_.set_closing(kSession);
  EXPECT_EQ(code_of(prepare_entry(expiry, {})), ErrorCode::Ok);
  WriteRequest remove = request(Op::SetData);
  remove.internal = true;
  EXPECT_EQ(code_of(prepare_entry(remove, set_data_body("/zookeeper/config", "x"))), ErrorCode::Ok);
}

// --- the speculative view

TEST_F(TreePrepare, LaterRequestsSeeEarlierOnes) {
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  ASSERT_EQ(create("/a/b"), ErrorCode::Ok);
  EXPECT_EQ(create("/a/b"), ErrorCode::NodeExists);
  EXPECT_EQ(run(Op::Delete, delete_body("/a")), ErrorCode::NotEmpty);
  ASSERT_EQ(run(Op::SetData, set_data_body("/a/b", "x", 0)), ErrorCode::Ok);
  EXPECT_EQ(run(Op::SetData, set_data_body("/a/b", "x", 0)), ErrorCode::BadVersion);
  ASSERT_EQ(run(Op::Delete, delete_body("/a/b", 1)), ErrorCode::Ok);
  ASSERT_EQ(run(Op::Delete, delete_body("/a", 0)), ErrorCode::Ok);
  EXPECT_EQ(create("/a/b"), ErrorCode::NoNode);
  EXPECT_EQ(pending_.digest(), txn_.digest->tree_digest);
  EXPECT_EQ(tree_.node_count(), 4U);  // nothing was applied
}

TEST_F(TreePrepare, RecordsGoWithTheirTxns) {
  EXPECT_TRUE(pending_.empty());
  std::vector<Bytes> entries;
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  entries.push_back(entry_);
  ASSERT_EQ(create("/a"), ErrorCode::NodeExists);
  entries.push_back(entry_);
  ASSERT_EQ(run(Op::SetData, set_data_body("/a", "x")), ErrorCode::Ok);
  entries.push_back(entry_);
  EXPECT_EQ(pending_.size(), 3U);
  Effects effects;
  for (const Bytes& entry : entries) {
    tree_.apply(*decode_txn(entry), effects);
    pending_.forget(tree_.last_applied());
  }
  EXPECT_TRUE(pending_.empty());
  ASSERT_EQ(run(Op::SetData, set_data_body("/a", "y", 1)), ErrorCode::Ok);
  apply_last();
}

// A node of the tree deleted and made anew, all pending: the copy in the tree must not shine
// through.
TEST_F(TreePrepare, PendingHidesTheTree) {
  ASSERT_EQ(create("/a", CreateFlag::Persistent, {{31, "world", "anyone"}}), ErrorCode::Ok);
  apply_last();
  ASSERT_EQ(run(Op::SetData, set_data_body("/a", "x", 0)), ErrorCode::Ok);
  ASSERT_EQ(run(Op::Delete, delete_body("/a")), ErrorCode::Ok);
  EXPECT_EQ(run(Op::SetData, set_data_body("/a", "x")), ErrorCode::NoNode);
  ASSERT_EQ(create("/a", CreateFlag::Persistent, {{1, "world", "anyone"}, {2, "ip", "9.9.9.9"}}),
            ErrorCode::Ok);
  EXPECT_EQ(run(Op::SetData, set_data_body("/a", "x")), ErrorCode::NoAuth);
  EXPECT_EQ(create("/a/b"), ErrorCode::NoAuth);
}

TEST_F(TreePrepare, EntriesAboveTheLimitAreRefused) {
  const Bytes body = create_body("/a", std::string(500, 'x'), CreateFlag::Ephemeral);
  EXPECT_EQ(code_of(prepare_entry(request(Op::Create), body, 300)), ErrorCode::MarshallingError);
  EXPECT_TRUE(pending_.empty());
  EXPECT_EQ(txn_.digest->tree_digest, tree_.digest());
  EXPECT_EQ(code_of(prepare_entry(request(Op::Create), body, 1000)), ErrorCode::Ok);
  apply_last();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(create("/e", CreateFlag::EphemeralSequential), ErrorCode::Ok);
    apply_last();
  }
  // A closeSession must not fail: its list is cut, and apply() takes the rest.
  const Bytes entry = prepare_entry(request(Op::CloseSession), {}, 150);
  EXPECT_LE(entry.size(), 150U);
  ASSERT_EQ(code_of(entry), ErrorCode::Ok);
  EXPECT_LT(std::get<CloseSessionTxn>(txn_.body).paths.size(), 20U);
  EXPECT_GT(std::get<CloseSessionTxn>(txn_.body).paths.size(), 0U);
  apply_last();
  EXPECT_EQ(tree_.ephemeral_count(), 0U);
}

}  // namespace
}  // namespace vivarium
