// TreePrepare: a tree with an open session, and requests prepared against it one after another.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "tests/unit/tree_support.h"

namespace vivarium::tree_test {

inline constexpr ServerId kHere{1};

class TreePrepare : public testing::Test {
 protected:
  TreePrepare() { sessions_.add(kSession, 5000, Instant{0}); }

  WriteRequest request(Op op) const {
    WriteRequest request;
    request.session = kSession;
    request.cxid = 5;
    request.op = op;
    request.owner = kHere;
    request.auth = auth_;
    return request;
  }
  Bytes prepare_entry(WriteRequest request, const Bytes& body, size_t limit = SIZE_MAX) {
    request.body = body;
    last_ = last_.next();
    rules_.entry_bytes_max = limit;
    return prepare(request, last_, now_, tree_, pending_, sessions_, rules_, &notice_);
  }
  // The code of the error txn, Ok for any other txn.
  ErrorCode code_of(const Bytes& entry) {
    entry_ = entry;
    const Result<Txn> txn = decode_txn(entry_);
    EXPECT_TRUE(txn.has_value());
    txn_ = *txn;
    EXPECT_TRUE(txn_.digest.has_value());
    const ErrorTxn* const error = std::get_if<ErrorTxn>(&txn_.body);
    return error == nullptr ? ErrorCode::Ok : error->error;
  }
  ErrorCode run(Op op, const Bytes& body) { return code_of(prepare_entry(request(op), body)); }
  ErrorCode create(std::string_view path, CreateFlag flag = CreateFlag::Persistent,
                   Acl acl = open_to_all()) {
    return run(Op::Create, create_body(path, "data", flag, std::move(acl)));
  }
  void apply_last() {
    Effects effects;
    tree_.apply(txn_, effects);
    EXPECT_EQ(effects.error, ErrorCode::Ok);
    EXPECT_EQ(tree_.digest(), txn_.digest->tree_digest);
  }
  const CreateTxn& created() const { return std::get<CreateTxn>(txn_.body); }

  DataTree tree_;
  PendingChanges pending_;
  SessionTracker sessions_{milliseconds(1000)};
  WriteRules rules_;
  WallTime now_{99};
  std::string notice_;
  std::vector<AuthId> auth_ = {{"ip", "127.0.0.1"}};
  Zxid last_;
  Bytes entry_;
  Txn txn_;
};

}  // namespace vivarium::tree_test
