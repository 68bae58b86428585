// Every operation of the protocol with every permission, for holders of every kind of id, by itself
// and in a multi; what watches tell is in server_acl_watches_test.cc. What is due stands here as
// semantics section 8 has it, and is not taken from core/tree/permissions.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <string>

#include "tests/unit/acl_table.h"

namespace vivarium::server_test::acl_table {
namespace {

struct Row {
  Op op{};
  const char* name = "";
  On on{};
  int32_t needs = 0;  // any one of them
  bool alone = true;  // may be asked for by itself
  bool in_multi = false;
};

constexpr Row kRows[] = {
    {Op::Create, "create", On::Parent, kPermCreate, true, true},
    {Op::Create2, "create2", On::Parent, kPermCreate, true, true},
    {Op::CreateContainer, "createContainer", On::Parent, kPermCreate, true, true},
    {Op::CreateTtl, "createTTL", On::Parent, kPermCreate, true, true},
    {Op::Delete, "delete", On::Parent, kPermDelete, true, true},
    {Op::SetData, "setData", On::Node, kPermWrite, true, true},
    {Op::SetAcl, "setACL", On::Node, kPermAdmin},
    {Op::GetData, "getData", On::Node, kPermRead, true, true},
    {Op::Exists, "exists", On::Node, kPermRead},
    {Op::GetChildren, "getChildren", On::Node, kPermRead, true, true},
    {Op::GetChildren2, "getChildren2", On::Node, kPermRead},
    {Op::GetAllChildrenNumber, "getAllChildrenNumber", On::Node, kPermRead},
    {Op::GetAcl, "getACL", On::Node, kPermRead | kPermAdmin},
    {Op::Check, "check", On::Node, kPermRead, false, true},
    {Op::Reconfig, "reconfig", On::Config, kPermWrite},
    // Each operation of theirs is asked for what it is.
    {Op::Multi, "multi", On::Nothing},
    {Op::MultiRead, "multiRead", On::Nothing},
    // FinalRequestProcessor of 3.9 asks no ACL for these: the event has to pass it, not the watch.
    {Op::AddWatch, "addWatch", On::Nothing},
    {Op::SetWatches, "setWatches", On::Nothing},
    {Op::SetWatches2, "setWatches2", On::Nothing},
    {Op::CheckWatches, "checkWatches", On::Nothing},
    {Op::RemoveWatches, "removeWatches", On::Nothing},
    // About the caller or the server, whatever path they name.
    {Op::Sync, "sync", On::Nothing},
    {Op::GetEphemerals, "getEphemerals", On::Nothing},
    {Op::WhoAmI, "whoAmI", On::Nothing},
    {Op::Ping, "ping", On::Nothing},
    {Op::Auth, "auth", On::Nothing},
    {Op::Sasl, "sasl", On::Nothing},
    {Op::CloseSession, "closeSession", On::Nothing},
};

struct Reason {
  Op op{};
  const char* why = "";
};
// No client gets as far as an ACL with these.
constexpr Reason kNotForClients[] = {
    {Op::Notification, "the number of events, of which nobody can ask one"},
    {Op::Error, "the type of error txns, and of errors in multis"},
    {Op::CreateSession, "the servers' own: a handshake makes a session"},
    {Op::DeleteContainer, "the servers' own: the reaper's"},
};

bool is_create(Op op) {
  return op == Op::Create || op == Op::Create2 || op == Op::CreateContainer || op == Op::CreateTtl;
}

CreateRequest create_request(Op op) {
  CreateRequest record;
  record.path = kNew;
  record.acl = anyone();
  if (op == Op::CreateContainer) record.flags = static_cast<int32_t>(CreateFlag::Container);
  if (op == Op::CreateTtl) {
    record.flags = static_cast<int32_t>(CreateFlag::PersistentTtl);
    record.ttl_ms = 1000;
  }
  return record;
}

MultiOp part_of(Op op) {
  MultiOp part;
  part.op = op;
  if (is_create(op)) {
    part.record = create_request(op);
  } else if (op == Op::SetData) {
    part.record = SetDataRequest{kNode, {}, false, -1};
  } else if (op == Op::Delete || op == Op::Check) {
    part.record = PathVersionRequest{kNode, -1};
  } else {
    part.record = PathWatchRequest{kNode, false};
  }
  return part;
}

// Body of a setWatches with one path in each list, of which nothing was missed.
Bytes watches_body(Op op) {
  Bytes body;
  JuteWriter out(body);
  out.i64(INT64_MAX);
  const int lists = op == Op::SetWatches ? 3 : 5;
  for (int list = 0; list < lists; ++list) {
    out.i32(1);
    out.string(list == 1 ? "/none" : kNode);
  }
  return body;
}

Bytes body_of(Op op) {
  Bytes body;
  if (is_create(op)) {
    encode(create_request(op), body, op);
  } else if (op == Op::SetData) {
    encode(SetDataRequest{kNode, {}, false, -1}, body);
  } else if (op == Op::SetAcl) {
    encode(SetAclRequest{kNode, false, anyone(), -1}, body);
  } else if (op == Op::GetAcl || op == Op::GetAllChildrenNumber || op == Op::DeleteContainer) {
    encode(PathRequest{kNode}, body);
  } else if (op == Op::Sync || op == Op::GetEphemerals) {
    encode(SyncRequest{kNode, false}, body);
  } else if (op == Op::Delete || op == Op::Check) {
    encode(PathVersionRequest{kNode, -1}, body);
  } else if (op == Op::AddWatch) {
    encode(PathVersionRequest{kNode, 0}, body);
  } else if (op == Op::CheckWatches || op == Op::RemoveWatches) {
    encode(PathVersionRequest{kNode, 4}, body);  // a persistent one
  } else if (op == Op::SetWatches || op == Op::SetWatches2) {
    body = watches_body(op);
  } else if (op == Op::Reconfig) {
    encode(ReconfigRequest{"server.2=two:1:2", {}, {}, -1}, body);
  } else if (op == Op::Multi || op == Op::MultiRead) {
    encode_multi_request({}, body);
  } else if (op == Op::Auth) {
    encode(AuthPacket{"digest", false, as_bytes("u:p"), false}, body);
  } else if (op == Op::Sasl) {
    JuteWriter(body).buffer(as_bytes("Me"));
  } else if (op == Op::CreateSession) {
    JuteWriter(body).i32(10'000);
  } else if (op != Op::WhoAmI && op != Op::Ping && op != Op::CloseSession) {
    encode(PathWatchRequest{kNode, false}, body);
  }
  return body;
}

ErrorCode by_itself(Guarded server, Op op) {
  if (op == Op::CheckWatches || op == Op::RemoveWatches) {
    EXPECT_EQ(server.ask(request(6, Op::AddWatch, body_of(Op::AddWatch))), ErrorCode::Ok);
  }
  return server.ask(request(7, op, body_of(op)));
}

// The part's own error.
ErrorCode in_multi(Guarded server, Op op) {
  const bool reads = op == Op::GetData || op == Op::GetChildren;
  Bytes body;
  encode_multi_request({part_of(op)}, body);
  const Bytes reply = server.reply_to(request(7, reads ? Op::MultiRead : Op::Multi, body));
  JuteReader in(reply);
  const int32_t type = in.i32();
  (void)in.boolean();
  const auto error = static_cast<ErrorCode>(in.i32());
  EXPECT_EQ(type == -1, error != ErrorCode::Ok);
  // Whoever asks for a Stat gets it in the form of create2.
  const Op answered = op == Op::CreateContainer || op == Op::CreateTtl ? Op::Create2 : op;
  EXPECT_EQ(type, error == ErrorCode::Ok ? static_cast<int32_t>(answered) : -1);
  return type == -1 ? static_cast<ErrorCode>(in.i32()) : ErrorCode::Ok;
}

TEST(ServerAclTable, EveryOperationByItselfAndInAMulti) {
  std::map<Op, size_t> alone;
  std::map<Op, size_t> in_multis;
  std::map<ErrorCode, size_t> verdicts;
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const int32_t perms : kPermissions) {
      std::map<On, Guarded> servers;
      for (const On on : {On::Nothing, On::Node, On::Parent, On::Config}) {
        servers.emplace(on, open).first->second.restrict_to(perms, on);
      }
      for (const Row& row : kRows) {
        SCOPED_TRACE(fmt::format("{} with permissions {}", row.name, perms));
        const bool may = row.on == On::Nothing || granted(holder, perms, row.needs);
        const ErrorCode due = may ? ErrorCode::Ok : ErrorCode::NoAuth;
        ++verdicts[due];
        if (row.alone) {
          EXPECT_EQ(by_itself(servers.at(row.on), row.op), due);
          ++alone[row.op];
        }
        if (row.in_multi) {
          EXPECT_EQ(in_multi(servers.at(row.on), row.op), due);
          ++in_multis[row.op];
        }
      }
    }
  });
  EXPECT_EQ(alone.size(), 28U);
  EXPECT_EQ(in_multis.size(), 9U);
  const size_t grants = holders().size() * std::size(kPermissions);
  for (const auto& [op, count] : alone) EXPECT_EQ(count, grants);
  for (const auto& [op, count] : in_multis) EXPECT_EQ(count, grants);
  EXPECT_GT(verdicts[ErrorCode::NoAuth], grants * 5);
  EXPECT_GT(verdicts[ErrorCode::Ok], grants * 5);
}

// The server says so before it looks at who asks.
TEST(ServerAclTable, ReconfigIsDisabledForSuperToo) {
  for_each_holder([](const Holder&, Guarded server) {
    server.disable_reconfig();
    EXPECT_EQ(by_itself(server, Op::Reconfig), ErrorCode::ReconfigDisabled);
    server.restrict_to(kPermRead, On::Config);
    EXPECT_EQ(by_itself(server, Op::Reconfig), ErrorCode::ReconfigDisabled);
  });
}

TEST(ServerAclTable, WhatIsNotForClientsIsForNobody) {
  for_each_holder([](const Holder&, const Guarded& open) {
    std::vector<Op> ops = {Op::Check};  // which is a part of a multi and nothing else
    for (const Reason& reason : kNotForClients) ops.push_back(reason.op);
    for (const Op op : ops) {
      SCOPED_TRACE(static_cast<int32_t>(op));
      Guarded server = open;
      EXPECT_EQ(server.ask(request(7, op, body_of(op))), ErrorCode::Unimplemented);
      EXPECT_EQ(server.end(), LinkEnd::Drained);
    }
  });
}

// The header's text, so that a new operation cannot be forgotten here.
TEST(ServerAclTable, HasAPlaceForEveryOperationOfTheWire) {
  std::ifstream in(SOURCE_DIR "/core/wire/codes.h");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::regex list("enum class Op : int32_t \\{([^}]*)\\}");
  std::smatch body;
  ASSERT_TRUE(std::regex_search(text, body, list));
  const std::string members = body[1];
  std::map<Op, size_t> places;
  for (const Row& row : kRows) ++places[row.op];
  for (const Reason& reason : kNotForClients) ++places[reason.op];
  const std::regex member("(\\w+) = (-?\\d+)");
  size_t operations = 0;
  for (auto at = std::sregex_iterator(members.begin(), members.end(), member);
       at != std::sregex_iterator(); ++at) {
    ++operations;
    EXPECT_EQ(places[static_cast<Op>(std::stoi((*at)[2]))], 1U) << (*at)[1];
  }
  EXPECT_EQ(operations, 33U);  // those of ZooKeeper 3.9's ZooDefs.OpCode
  EXPECT_EQ(places.size(), operations);
}

}  // namespace
}  // namespace vivarium::server_test::acl_table
