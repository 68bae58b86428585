// Preparation of multi (client-protocol section 9), of containers and TTL nodes and their removal
// (semantics section 5), and of what quotas forbid (section 6).
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/wire/multi.h"
#include "tests/unit/tree_prepare_fixture.h"

namespace vivarium {
namespace {

using tree_test::create_body;
using tree_test::delete_body;
using tree_test::open_to_all;
using tree_test::set_data_body;

MultiOp create_op(std::string_view path, Op op = Op::Create,
                  CreateFlag flag = CreateFlag::Persistent) {
  CreateRequest request;
  request.path = path;
  request.acl = open_to_all();
  request.flags = static_cast<int32_t>(flag);
  return {op, request};
}
MultiOp delete_op(std::string_view path, int32_t version = -1) {
  return {Op::Delete, PathVersionRequest{path, version}};
}
MultiOp check_op(std::string_view path, int32_t version) {
  return {Op::Check, PathVersionRequest{path, version}};
}
MultiOp set_op(std::string_view path, std::string_view data, int32_t version = -1) {
  return {Op::SetData, SetDataRequest{path, as_bytes(data), false, version}};
}

class TreeMulti : public tree_test::TreePrepare {
 protected:
  ErrorCode multi(const std::vector<MultiOp>& ops) {
    Bytes body;
    encode_multi_request(ops, body);
    return run(Op::Multi, body);
  }
  std::vector<TxnType> types() const {
    std::vector<TxnType> types;
    for (const auto& part : std::get<MultiTxn>(txn_.body).parts) types.push_back(part.type);
    return types;
  }
  // What each part says; Ok where it is no error.
  std::vector<ErrorCode> codes() const {
    std::vector<ErrorCode> codes;
    for (const auto& part : std::get<MultiTxn>(txn_.body).parts) {
      const auto body = decode_body(part.type, part.body);
      const auto* error = std::get_if<ErrorTxn>(&*body);
      codes.push_back(error == nullptr ? ErrorCode::Ok : error->error);
    }
    return codes;
  }
  Effects apply_multi() {
    Effects effects;
    tree_.apply(txn_, effects);
    EXPECT_EQ(tree_.digest(), txn_.digest->tree_digest);
    return effects;
  }
};

TEST_F(TreeMulti, OperationsSeeThoseBeforeThem) {
  ASSERT_EQ(
      multi({create_op("/a"), create_op("/a/n-", Op::Create, CreateFlag::PersistentSequential),
             create_op("/a/n-", Op::Create2, CreateFlag::PersistentSequential),
             set_op("/a", "x", 0), set_op("/a", "y", 1), check_op("/a", 2),
             delete_op("/a/n-0000000000")}),
      ErrorCode::Ok);
  // RULES 13: whoever asks for create2 gets it from the server it is connected to.
  EXPECT_EQ(types(), (std::vector<TxnType>{TxnType::Create, TxnType::Create, TxnType::Create,
                                           TxnType::SetData, TxnType::SetData, TxnType::Check,
                                           TxnType::Delete}));
  const Effects effects = apply_multi();
  ASSERT_EQ(effects.parts.size(), 7U);
  EXPECT_EQ(effects.parts[2].path, "/a/n-0000000001");
  EXPECT_EQ(effects.parts[3].stat.version, 1);
  EXPECT_EQ(effects.parts[4].stat.version, 2);
  EXPECT_EQ(tree_test::children_of(tree_, "/a"), std::vector<std::string>{"n-0000000001"});
  EXPECT_EQ(tree_test::text_of(tree_, "/a"), "y");
}

TEST_F(TreeMulti, AnEmptyOneSucceeds) {
  ASSERT_EQ(multi({}), ErrorCode::Ok);
  EXPECT_TRUE(types().empty());
  EXPECT_TRUE(apply_multi().parts.empty());
}

TEST_F(TreeMulti, AFailureTakesEverythingBack) {
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  apply_last();
  ASSERT_EQ(run(Op::SetData, set_data_body("/a", "pending")), ErrorCode::Ok);  // stays pending
  const Txn set = txn_;
  const Bytes set_entry = entry_;
  ASSERT_EQ(create("/gone"), ErrorCode::Ok);
  ASSERT_EQ(run(Op::Delete, delete_body("/gone")), ErrorCode::Ok);
  const size_t records = pending_.size();
  const uint64_t digest = pending_.digest();
  ASSERT_EQ(multi({set_op("/a", "more", 1), create_op("/a/c"), create_op("/gone"),
                   set_op("/a", "most", 2), delete_op("/nope"), create_op("/behind")}),
            ErrorCode::Ok);
  EXPECT_EQ(codes(),
            (std::vector<ErrorCode>{ErrorCode::Ok, ErrorCode::Ok, ErrorCode::Ok, ErrorCode::Ok,
                                    ErrorCode::NoNode, ErrorCode::RuntimeInconsistency}));
  EXPECT_EQ(pending_.size(), records);
  EXPECT_EQ(pending_.digest(), digest);
  EXPECT_EQ(txn_.digest->tree_digest, digest);
  // The records that the multi had written over are back.
  EXPECT_EQ(run(Op::SetData, set_data_body("/a", "next", 2)), ErrorCode::BadVersion);
  EXPECT_EQ(run(Op::SetData, set_data_body("/a", "next", 1)), ErrorCode::Ok);
  EXPECT_EQ(run(Op::Delete, delete_body("/a/c")), ErrorCode::NoNode);
  EXPECT_EQ(run(Op::Delete, delete_body("/behind")), ErrorCode::NoNode);
  EXPECT_EQ(create("/gone"), ErrorCode::Ok);
}

// A record whose newer change was taken back must go when its own txn is applied, not before and
// not later.
TEST_F(TreeMulti, RecordsThatCameBackGoWithTheirTxns) {
  ASSERT_EQ(create("/a"), ErrorCode::Ok);
  const Bytes create_entry = entry_;
  ASSERT_EQ(multi({set_op("/a", "x"), check_op("/a", 9)}), ErrorCode::Ok);
  const Bytes multi_entry = entry_;
  EXPECT_EQ(pending_.size(), 2U);
  Effects effects;
  tree_.apply(*decode_txn(create_entry), effects);
  pending_.forget(tree_.last_applied());
  EXPECT_TRUE(pending_.empty());
  tree_.apply(*decode_txn(multi_entry), effects);
  EXPECT_EQ(effects.error, ErrorCode::BadVersion);
  EXPECT_EQ(effects.changes.size(), 0U);
  EXPECT_EQ(run(Op::SetData, set_data_body("/a", "y", 0)), ErrorCode::Ok);
}

TEST_F(TreeMulti, AnEphemeralTakenBackIsNobodys) {
  ASSERT_EQ(multi({create_op("/e", Op::Create, CreateFlag::Ephemeral), check_op("/", 9)}),
            ErrorCode::Ok);
  ASSERT_EQ(run(Op::CloseSession, {}), ErrorCode::Ok);
  EXPECT_TRUE(std::get<CloseSessionTxn>(txn_.body).paths.empty());
}

TEST_F(TreeMulti, EveryOperationAsksForTheSessionAndTheAcl) {
  ASSERT_EQ(create("/shut", CreateFlag::Persistent, {{kPermAll, "ip", "9.9.9.9"}}), ErrorCode::Ok);
  ASSERT_EQ(multi({create_op("/a"), check_op("/shut", -1)}), ErrorCode::Ok);
  EXPECT_EQ(codes().back(), ErrorCode::NoAuth);
  WriteRequest moved = request(Op::Multi);
  moved.owner = ServerId{2};
  Bytes body;
  encode_multi_request({create_op("/a")}, body);
  ASSERT_EQ(code_of(prepare_entry(moved, body)), ErrorCode::Ok);
  EXPECT_EQ(codes(), std::vector<ErrorCode>{ErrorCode::SessionMoved});
}

TEST_F(TreeMulti, WhatDoesNotDecodeFailsAsAWhole) {
  Bytes body;
  encode_multi_request({create_op("/a"), delete_op("/b")}, body);
  for (size_t bytes = 0; bytes < body.size(); ++bytes) {
    EXPECT_EQ(run(Op::Multi, Bytes(body.begin(), body.begin() + static_cast<ptrdiff_t>(bytes))),
              ErrorCode::MarshallingError);
  }
  EXPECT_EQ(multi({create_op("/a", Op::Create, static_cast<CreateFlag>(7))}),
            ErrorCode::MarshallingError);
  EXPECT_EQ(multi({create_op("/a"), {Op::GetData, PathWatchRequest{"/a", false}}}),
            ErrorCode::MarshallingError);
  EXPECT_TRUE(pending_.empty());
}

TEST_F(TreeMulti, ATxnThatWouldBeTooLargeIsRefused) {
  Bytes body;
  const std::string data(100, 'x');
  encode_multi_request({create_op("/a"), set_op("/a", data), set_op("/a", data)}, body);
  ASSERT_EQ(code_of(prepare_entry(request(Op::Multi), body, 250)), ErrorCode::MarshallingError);
  EXPECT_TRUE(pending_.empty());
  EXPECT_EQ(txn_.digest->tree_digest, tree_.digest());
  ASSERT_EQ(code_of(prepare_entry(request(Op::Multi), body, 1000)), ErrorCode::Ok);
  apply_multi();
}

// --- containers and TTL nodes

class TreeContainers : public TreeMulti {
 protected:
  TreeContainers() { rules_.extended_types = true; }

  ErrorCode create_as(Op op, std::string_view path, CreateFlag flag, int64_t ttl_ms = -1) {
    CreateRequest request;
    request.path = path;
    request.acl = open_to_all();
    request.flags = static_cast<int32_t>(flag);
    request.ttl_ms = ttl_ms;
    Bytes body;
    encode(request, body, op);
    return run(op, body);
  }
  ErrorCode reap(std::string_view path) {
    WriteRequest removal;
    removal.op = Op::DeleteContainer;
    removal.internal = true;
    Bytes body;
    encode(PathRequest{path}, body);
    return code_of(prepare_entry(removal, body));
  }
  int64_t owner_of(std::string_view path) const {
    return tree_.view(tree_.find(path)).stat.ephemeral_owner;
  }
};

TEST_F(TreeContainers, TheOpcodeDecidesWhatIsMade) {
  ASSERT_EQ(create_as(Op::CreateContainer, "/c", CreateFlag::Container), ErrorCode::Ok);
  EXPECT_EQ(txn_.header.type, TxnType::CreateContainer);
  apply_last();
  EXPECT_EQ(owner_of("/c"), kContainerOwner);
  EXPECT_EQ(tree_.stat(tree_.find("/c")).ephemeral_owner, 0);
  ASSERT_EQ(create_as(Op::CreateContainer, "/c/e", CreateFlag::Ephemeral), ErrorCode::Ok);
  apply_last();
  EXPECT_EQ(owner_of("/c/e"), kContainerOwner);
  ASSERT_EQ(create_as(Op::CreateContainer, "/c/s-", CreateFlag::PersistentSequential),
            ErrorCode::Ok);
  EXPECT_EQ(created().path, "/c/s-0000000001");
  apply_last();
  ASSERT_EQ(create_as(Op::Create2, "/plain", CreateFlag::Container), ErrorCode::Ok);
  apply_last();
  EXPECT_EQ(owner_of("/plain"), 0);
  ASSERT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::PersistentTtl, 5000), ErrorCode::Ok);
  EXPECT_EQ(created().ttl_ms, 5000);
  apply_last();
  EXPECT_EQ(owner_of("/t"), static_cast<int64_t>(0xff00000000000000ULL | 5000ULL));
  EXPECT_EQ(tree_.stat(tree_.find("/t")).ephemeral_owner, 0);
  ASSERT_EQ(create_as(Op::CreateTtl, "/t-", CreateFlag::PersistentSequentialTtl, kTtlMsMax),
            ErrorCode::Ok);
  apply_last();
  EXPECT_EQ(tree_.unowned().size(), 5U);
}

TEST_F(TreeContainers, TtlsThatDoNotFit) {
  for (const int64_t ttl : {int64_t{0}, int64_t{-1}, kTtlMsMax + 1}) {
    EXPECT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::PersistentTtl, ttl),
              ErrorCode::BadArguments);
  }
  EXPECT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::Persistent, 5), ErrorCode::BadArguments);
  EXPECT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::Persistent, -1), ErrorCode::BadArguments);
  for (const Op op : {Op::Create, Op::Create2, Op::CreateContainer}) {
    EXPECT_EQ(create_as(op, "/t", CreateFlag::PersistentTtl), ErrorCode::BadArguments);
  }
  rules_.extended_types = false;
  EXPECT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::PersistentTtl, 5), ErrorCode::Unimplemented);
  EXPECT_EQ(create_as(Op::Create, "/t", CreateFlag::PersistentTtl), ErrorCode::Unimplemented);
}

TEST_F(TreeContainers, RemovalIsDecidedByWhatIsPending) {
  ASSERT_EQ(create_as(Op::CreateContainer, "/c", CreateFlag::Container), ErrorCode::Ok);
  apply_last();
  ASSERT_EQ(create("/c/child"), ErrorCode::Ok);
  EXPECT_EQ(reap("/c"), ErrorCode::NotEmpty);
  ASSERT_EQ(run(Op::Delete, delete_body("/c/child")), ErrorCode::Ok);
  ASSERT_EQ(reap("/c"), ErrorCode::Ok);
  EXPECT_EQ(txn_.header.type, TxnType::DeleteContainer);
  EXPECT_EQ(txn_.header.session, SessionId{});
  EXPECT_EQ(reap("/c"), ErrorCode::NoNode);
  ASSERT_EQ(create("/plain"), ErrorCode::Ok);
  EXPECT_EQ(reap("/plain"), ErrorCode::BadVersion);

  now_ = WallTime{1000};
  ASSERT_EQ(create_as(Op::CreateTtl, "/t", CreateFlag::PersistentTtl, 50), ErrorCode::Ok);
  now_ = WallTime{1050};
  EXPECT_EQ(reap("/t"), ErrorCode::BadVersion);
  ASSERT_EQ(run(Op::SetData, set_data_body("/t", "again")), ErrorCode::Ok);
  now_ = WallTime{1100};
  EXPECT_EQ(reap("/t"), ErrorCode::BadVersion);
  now_ = WallTime{1101};
  EXPECT_EQ(reap("/t"), ErrorCode::Ok);
}

TEST_F(TreeContainers, InAMulti) {
  MultiOp ttl = create_op("/t", Op::CreateTtl, CreateFlag::PersistentTtl);
  std::get<CreateRequest>(ttl.record).ttl_ms = 7;
  ASSERT_EQ(multi({create_op("/c", Op::CreateContainer, CreateFlag::Container), ttl}),
            ErrorCode::Ok);
  EXPECT_EQ(types(), (std::vector<TxnType>{TxnType::CreateContainer, TxnType::CreateTtl}));
  apply_multi();
  EXPECT_EQ(owner_of("/c"), kContainerOwner);
  EXPECT_EQ(ttl_ms_of(owner_of("/t")), 7);
}

// --- quotas

class TreeQuota : public tree_test::TreePrepare {
 protected:
  TreeQuota() {
    rules_.enforce_quota = true;
    for (const std::string_view path : {"/q", "/q/a", "/zookeeper/quota/q"}) {
      EXPECT_EQ(create(path), ErrorCode::Ok);
      apply_last();
    }
  }
  // The quota of /q, where two znodes with 8 bytes are.
  void limit(std::string_view text) {
    for (const std::string_view name : {"limits", "stats"}) {
      const std::string path = "/zookeeper/quota/q/zookeeper_" + std::string(name);
      ASSERT_EQ(run(Op::Create, create_body(path, text, CreateFlag::Persistent)), ErrorCode::Ok);
      apply_last();
    }
  }
};

TEST_F(TreeQuota, HardLimitsForbid) {
  limit("count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3");
  EXPECT_EQ(run(Op::SetData, set_data_body("/q/a", std::string(17, 'x'))),
            ErrorCode::QuotaExceeded);
  EXPECT_NE(notice_.find("bytes 21 of 20 (hard)"), std::string::npos) << notice_;
  EXPECT_EQ(run(Op::SetData, set_data_body("/q/a", std::string(12, 'x'))), ErrorCode::Ok);
  EXPECT_EQ(notice_, "");
  apply_last();
  EXPECT_EQ(create("/q/b"), ErrorCode::Ok);
  apply_last();
  EXPECT_EQ(create("/q/c"), ErrorCode::QuotaExceeded);
  EXPECT_EQ(create("/elsewhere"), ErrorCode::Ok);
  apply_last();
  // What does not grow is not asked about, and what goes makes room.
  EXPECT_EQ(run(Op::SetData, set_data_body("/q/a", std::string(12, 'y'))), ErrorCode::Ok);
  apply_last();
  ASSERT_EQ(run(Op::Delete, delete_body("/q/b")), ErrorCode::Ok);
  apply_last();
  EXPECT_EQ(create("/q/c"), ErrorCode::Ok);
}

TEST_F(TreeQuota, SoftLimitsAreOnlyTold) {
  limit("count=1,bytes=1");
  EXPECT_EQ(create("/q/b"), ErrorCode::Ok);
  EXPECT_NE(notice_.find("quota of /q exceeded"), std::string::npos) << notice_;
}

TEST_F(TreeQuota, NothingIsAskedWithoutEnforcement) {
  limit("count=-1,bytes=-1=;countHardLimit=0");
  EXPECT_EQ(create("/q/b"), ErrorCode::QuotaExceeded);
  rules_.enforce_quota = false;
  EXPECT_EQ(create("/q/b"), ErrorCode::Ok);
}

TEST_F(TreeQuota, QuotasThatAreNoneAreRefused) {
  const auto create_with = [&](std::string_view path, std::string_view data) {
    return run(Op::Create, create_body(path, data, CreateFlag::Persistent));
  };
  EXPECT_EQ(create_with("/zookeeper/quota/q/zookeeper_limits", "count=many"),
            ErrorCode::BadArguments);
  EXPECT_EQ(create_with("/zookeeper/quota/zookeeper_limits", "count=1,bytes=1"),
            ErrorCode::BadArguments);
  EXPECT_EQ(create_with("/zookeeper/quota/q/anything", "count=many"), ErrorCode::Ok);
  limit("count=1,bytes=1");
  EXPECT_EQ(run(Op::SetData, set_data_body("/zookeeper/quota/q/zookeeper_stats", "x")),
            ErrorCode::BadArguments);
}

}  // namespace
}  // namespace vivarium
