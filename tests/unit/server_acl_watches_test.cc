// What watches tell under ACLs: every way to set one or to register it again, with every event that
// it may bring, every permission, and holders of every kind of id. An event passes by READ on the
// ACL that the znode has when it happens, and a watch that is used up is so either way (semantics
// sections 3 and 8). Setting one directly is asked as the read that it comes with.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/acl_table.h"

namespace vivarium::server_test::acl_table {
namespace {

// Lists of setWatches and setWatches2, by their places.
enum class List : uint8_t { Data, Exist, Child, Persistent, Recursive };

struct Way {
  const char* name = "";
  Op op{};
  int32_t number = 0;  // of addWatch its mode, of setWatches the List
  const char* path = kNode;
  bool lasts = false;
  bool data = false;      // hears of the znode's data
  bool children = false;  // hears that its children changed
  bool creation = false;  // may wait for a znode that is not there
};

constexpr int32_t place(List list) { return static_cast<int32_t>(list); }
constexpr int32_t kPersistentMode = 0;
constexpr int32_t kRecursiveMode = 1;

constexpr Way kWays[] = {
    {"getData", Op::GetData, 0, kNode, false, true, false, false},
    {"exists", Op::Exists, 0, kNode, false, true, false, true},
    {"getChildren", Op::GetChildren, 0, kNode, false, false, true, false},
    {"getChildren2", Op::GetChildren2, 0, kNode, false, false, true, false},
    {"addWatch, persistent", Op::AddWatch, kPersistentMode, kNode, true, true, true, true},
    {"addWatch, recursive", Op::AddWatch, kRecursiveMode, kNode, true, true, false, true},
    {"addWatch, recursive above", Op::AddWatch, kRecursiveMode, kParent, true, true, false, true},
    {"addWatch, recursive at the root", Op::AddWatch, kRecursiveMode, "/", true, true, false, true},
    {"setWatches, data", Op::SetWatches, place(List::Data), kNode, false, true, false, false},
    {"setWatches, exist", Op::SetWatches, place(List::Exist), kNode, false, false, false, true},
    {"setWatches, child", Op::SetWatches, place(List::Child), kNode, false, false, true, false},
    {"setWatches2, data", Op::SetWatches2, place(List::Data), kNode, false, true, false, false},
    {"setWatches2, exist", Op::SetWatches2, place(List::Exist), kNode, false, false, false, true},
    {"setWatches2, child", Op::SetWatches2, place(List::Child), kNode, false, false, true, false},
    {"setWatches2, persistent", Op::SetWatches2, place(List::Persistent), kNode, true, true, true,
     true},
    {"setWatches2, recursive", Op::SetWatches2, place(List::Recursive), kNode, true, true, false,
     true},
    {"setWatches2, recursive above", Op::SetWatches2, place(List::Recursive), kParent, true, true,
     false, true},
};

bool sets_again(Op op) { return op == Op::SetWatches || op == Op::SetWatches2; }

bool is_above(const Way& way) { return std::string_view(way.path) != kNode; }

// A client that comes back to a server that has seen `since`.
Bytes set_watches(Op op, Zxid since, const std::vector<std::pair<List, std::string>>& watches) {
  Bytes body;
  JuteWriter out(body);
  out.i64(since.wire());
  for (int32_t list = 0; list < (op == Op::SetWatches ? 3 : 5); ++list) {
    std::vector<std::string> paths;
    for (const auto& [of, path] : watches) {
      if (place(of) == list) paths.push_back(path);
    }
    out.i32(static_cast<int32_t>(paths.size()));
    for (const std::string& path : paths) out.string(path);
  }
  return request(-8, op, body);
}

Bytes request_for(const Way& way, Zxid since, std::string_view path) {
  if (way.op == Op::AddWatch) {
    return request_of(5, Op::AddWatch, PathVersionRequest{path, way.number});
  }
  if (!sets_again(way.op)) return read(5, way.op, path, true);
  return set_watches(way.op, since, {{static_cast<List>(way.number), std::string(path)}});
}

// The watch is there and has told nothing yet.
void set(Guarded& server, const Way& way, std::string_view path) {
  const ErrorCode error = server.ask(request_for(way, server.last_applied(), path));
  const bool is_there = error == ErrorCode::Ok;
  ASSERT_TRUE(is_there || (way.op == Op::Exists && error == ErrorCode::NoNode));
  ASSERT_EQ(server.told(), Events{});
}

Events events_if(bool told, WatchEvent event) { return told ? Events{event} : Events{}; }

void change_data(Guarded& server, std::string_view path = kNode) {
  server.expect_ok_of_super(set_data(3, path, "1"));
}

const std::string kChild = std::string(kNode) + "/c";

// A child that nobody but super may read.
void add_child(Guarded& server) {
  server.expect_ok_of_super(create(4, kChild, "", CreateFlag::Persistent, Guarded::nobody()));
}

// Each event of a watch on a znode that is there, and whether the watch is there behind it. Counts
// events that were told and that were held back.
struct Count {
  size_t told = 0;
  size_t held_back = 0;
  void add(bool was_told) { ++(was_told ? told : held_back); }
};

void change_and_see(Guarded server, const Way& way, bool may, Count& count) {
  if (!way.data) return;
  count.add(may);
  change_data(server);
  EXPECT_EQ(server.told(), events_if(may, WatchEvent::DataChanged));
  server.open(kNode);
  change_data(server);
  EXPECT_EQ(server.told(), events_if(way.lasts, WatchEvent::DataChanged));
}

void add_child_and_see(Guarded server, const Way& way, bool may, bool is_super, Count& count) {
  add_child(server);
  if (!way.children) {
    const bool told = is_super && way.lasts;  // of recursive ones
    EXPECT_EQ(server.told(kChild), events_if(told, WatchEvent::Created));
    return;
  }
  count.add(may);
  EXPECT_EQ(server.told(), events_if(may, WatchEvent::ChildrenChanged));
  server.open(kNode);
  server.expect_ok_of_super(remove(5, kChild));
  EXPECT_EQ(server.told(), events_if(way.lasts, WatchEvent::ChildrenChanged));
}

void remove_and_see(Guarded server, const Way& way, bool may, Count& count) {
  count.add(may);
  server.expect_ok_of_super(remove(6, kNode));
  EXPECT_EQ(server.told(), events_if(may, WatchEvent::Deleted));
  server.expect_ok_of_super(create(7, kNode));
  EXPECT_EQ(server.told(), events_if(way.lasts, WatchEvent::Created));
}

TEST(ServerAclWatches, EveryWayToSetOneAndEveryEvent) {
  Count count;
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const Way& way : kWays) {
      if (!way.data && !way.children) continue;
      SCOPED_TRACE(way.name);
      Guarded watched = open;
      set(watched, way, way.path);
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("permissions {}", perms));
        const bool may = granted(holder, perms, kPermRead);
        Guarded server = watched;
        server.restrict_to(perms, On::Node);
        EXPECT_EQ(server.told(), Events{});
        change_and_see(server, way, may, count);
        add_child_and_see(server, way, may, holder.is_super, count);
        remove_and_see(server, way, may, count);
        if (testing::Test::HasFailure()) return;
      }
    }
  });
  const size_t grants = holders().size() * std::size(kPermissions);
  // DataChanged for 11 ways, ChildrenChanged for 6, Deleted for all 15.
  EXPECT_EQ(count.told + count.held_back, grants * (11 + 6 + 15));
  EXPECT_GT(count.told, grants * 10);
  EXPECT_GT(count.held_back, grants * 10);
}

TEST(ServerAclWatches, EveryWayToWaitForAZnode) {
  Count count;
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const Way& way : kWays) {
      if (!way.creation) continue;
      SCOPED_TRACE(way.name);
      Guarded watched = open;
      set(watched, way, is_above(way) ? way.path : kNew);
      watched.allow(kParent, kPermCreate);  // and READ of the parent is not what counts
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("permissions {}", perms));
        const bool may = granted(holder, perms, kPermRead);
        count.add(may);
        Guarded server = watched;
        const Acl list = server.list_of(perms);
        EXPECT_EQ(server.ask(create(8, kNew, "", CreateFlag::Persistent, list)), ErrorCode::Ok);
        EXPECT_EQ(server.told(kNew), events_if(may, WatchEvent::Created));
        server.open(kNew);
        change_data(server, kNew);
        EXPECT_EQ(server.told(kNew), events_if(way.lasts, WatchEvent::DataChanged));
        if (testing::Test::HasFailure()) return;
      }
    }
  });
  EXPECT_EQ(count.told + count.held_back, holders().size() * std::size(kPermissions) * 10);
  EXPECT_GT(count.told, 0U);
  EXPECT_GT(count.held_back, 0U);
}

TEST(ServerAclWatches, AReadThatIsRefusedLeavesNone) {
  Count count;
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const Way& way : kWays) {
      if (way.op == Op::AddWatch || sets_again(way.op)) continue;
      SCOPED_TRACE(way.name);
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("permissions {}", perms));
        const bool may = granted(holder, perms, kPermRead);
        count.add(may);
        Guarded server = open;
        server.restrict_to(perms, On::Node);
        EXPECT_EQ(server.ask(request_for(way, {}, kNode)), may ? ErrorCode::Ok : ErrorCode::NoAuth);
        server.open(kNode);
        server.expect_ok_of_super(remove(6, kNode));
        EXPECT_EQ(server.told(), events_if(may, WatchEvent::Deleted));
        if (testing::Test::HasFailure()) return;
      }
    }
  });
  EXPECT_EQ(count.told + count.held_back, holders().size() * std::size(kPermissions) * 4);
  EXPECT_GT(count.told, 0U);
  EXPECT_GT(count.held_back, 0U);
}

// Neither addWatch nor setWatches ask for anything: what a watch may tell is asked when it tells.
TEST(ServerAclWatches, WhoMayNotReadMaySetOneAndHearsLater) {
  size_t heard = 0;
  for_each_holder([&](const Holder&, const Guarded& open) {
    for (const Way& way : kWays) {
      if (way.op != Op::AddWatch && !sets_again(way.op)) continue;
      if (!way.data && !way.children) continue;
      SCOPED_TRACE(way.name);
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("permissions {}", perms));
        Guarded server = open;
        server.restrict_to(perms, On::Node);
        set(server, way, way.path);
        server.open(kNode);
        server.expect_ok_of_super(remove(6, kNode));
        EXPECT_EQ(server.told(), Events{WatchEvent::Deleted});
        ++heard;
        if (testing::Test::HasFailure()) return;
      }
    }
  });
  EXPECT_EQ(heard, holders().size() * std::size(kPermissions) * 11);
}

// docs/compatibility.md: 3.9 tells what was missed to anybody.
TEST(ServerAclWatches, WhatWasMissedIsToldToReaders) {
  constexpr const char* kGone = "/gone";
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const Op op : {Op::SetWatches, Op::SetWatches2}) {
      std::vector<std::pair<List, std::string>> watches;
      std::vector<std::pair<List, std::string>> gone;
      for (const List list :
           {List::Data, List::Exist, List::Child, List::Persistent, List::Recursive}) {
        if (op == Op::SetWatches && list >= List::Persistent) continue;
        if (list < List::Persistent) watches.emplace_back(list, kNode);
        gone.emplace_back(list, kGone);
      }
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("{} with permissions {}", static_cast<int32_t>(op), perms));
        const bool may = granted(holder, perms, kPermRead);
        Guarded server = open;
        server.restrict_to(perms, On::Node);
        EXPECT_EQ(server.ask(set_watches(op, {}, watches)), ErrorCode::Ok);
        EXPECT_EQ(server.told(), may ? (Events{WatchEvent::DataChanged, WatchEvent::Created,
                                               WatchEvent::ChildrenChanged})
                                     : Events{});
        // Told or not, that was all.
        server.open(kNode);
        change_data(server);
        EXPECT_EQ(server.told(), Events{});
        // What is gone has no ACL: everybody is told.
        EXPECT_EQ(server.ask(set_watches(op, {}, gone)), ErrorCode::Ok);
        EXPECT_EQ(server.told(kGone), (Events{WatchEvent::Deleted, WatchEvent::Deleted}));
        if (testing::Test::HasFailure()) return;
      }
    }
  });
}

TEST(ServerAclWatches, AChangeOfTheEnsembleIsToldToReadersOfTheConfiguration) {
  Count count;
  for_each_holder([&](const Holder& holder, const Guarded& open) {
    for (const Way& way : kWays) {
      if (!way.data || is_above(way)) continue;
      SCOPED_TRACE(way.name);
      Guarded watched = open;
      set(watched, way, kConfigPath);
      for (const int32_t perms : kPermissions) {
        SCOPED_TRACE(fmt::format("permissions {}", perms));
        const bool may = granted(holder, perms, kPermRead);
        count.add(may);
        Guarded server = watched;
        server.restrict_to(perms, On::Config);
        server.expect_ok_of_super(
            request_of(9, Op::Reconfig, ReconfigRequest{"server.2=two:1:2", {}, {}, -1}));
        EXPECT_EQ(server.told(kConfigPath), events_if(may, WatchEvent::DataChanged));
        if (testing::Test::HasFailure()) return;
      }
    }
  });
  EXPECT_EQ(count.told + count.held_back, holders().size() * std::size(kPermissions) * 8);
  EXPECT_GT(count.told, 0U);
  EXPECT_GT(count.held_back, 0U);
}

}  // namespace
}  // namespace vivarium::server_test::acl_table
