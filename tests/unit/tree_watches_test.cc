// One-shot watches in their two tables (semantics section 3).
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/tree/watches.h"

namespace vivarium {
namespace {

using Kind = WatchTable::Kind;
using Fired = std::vector<WatcherId>;

Fired fire(WatchTable& table, WatchEvent event, std::string_view path) {
  Fired fired = {99};  // fire() starts from nothing
  table.fire(event, path, fired);
  return fired;
}

TEST(TreeWatches, EachEventUsesItsTable) {
  WatchTable table;
  const auto arm = [&] {
    table.add(1, Kind::Data, "/a");
    table.add(2, Kind::Child, "/a");
    table.add(3, Kind::Data, "/a/b");
  };
  arm();
  EXPECT_EQ(fire(table, WatchEvent::Created, "/a"), Fired{1});
  arm();
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/a"), Fired{1});
  arm();
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{2});
  arm();
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), (Fired{1, 2}));
  EXPECT_EQ(table.count(), 1U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), Fired{});
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a/b"), Fired{3});
  EXPECT_EQ(table.count(), 0U);
}

TEST(TreeWatches, OneEventPerWatcherInAscendingOrder) {
  WatchTable table;
  for (const WatcherId watcher : {7U, 3U, 5U}) {
    table.add(watcher, Kind::Data, "/a");
    table.add(watcher, Kind::Data, "/a");
    table.add(watcher, Kind::Child, "/a");
  }
  EXPECT_EQ(table.count(), 6U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), (Fired{3, 5, 7}));
  EXPECT_EQ(table.count(), 0U);
}

TEST(TreeWatches, AChildWatchOutlivesADataEvent) {
  WatchTable table;
  table.add(1, Kind::Data, "/a");
  table.add(1, Kind::Child, "/a");
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/a"), Fired{1});
  EXPECT_FALSE(table.watches(1, Kind::Data, "/a"));
  EXPECT_TRUE(table.watches(1, Kind::Child, "/a"));
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{1});
}

TEST(TreeWatches, DieWithTheirWatcher) {
  WatchTable table;
  table.add(1, Kind::Data, "/a");
  table.add(1, Kind::Child, "/b");
  table.add(2, Kind::Data, "/a");
  table.remove_watcher(1);
  table.remove_watcher(4);
  EXPECT_EQ(table.count(), 1U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/b"), Fired{});
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), Fired{2});
}

struct Action {
  int kind = 0;
  WatcherId watcher = 0;
  int path = 0;
};

TEST(TreeWatches, IsASetOfTriples) {
  rc::check([] {
    const auto actions = *rc::gen::container<std::vector<Action>>(
        rc::gen::build<Action>(rc::gen::set(&Action::kind, rc::gen::inRange(0, 12)),
                               rc::gen::set(&Action::watcher, rc::gen::inRange<WatcherId>(0, 4)),
                               rc::gen::set(&Action::path, rc::gen::inRange(0, 6))));
    WatchTable table;
    std::set<std::tuple<std::string, Kind, WatcherId>> model;
    for (const Action& action : actions) {
      const std::string path = "/" + std::to_string(action.path);
      const Kind kind = action.kind % 2 == 0 ? Kind::Data : Kind::Child;
      if (action.kind < 7) {
        table.add(action.watcher, kind, path);
        model.emplace(path, kind, action.watcher);
      } else if (action.kind == 7) {
        table.remove_watcher(action.watcher);
        std::erase_if(model, [&](const auto& one) { return std::get<2>(one) == action.watcher; });
      } else {
        const WatchEvent event = static_cast<WatchEvent>(action.kind - 7);
        std::set<WatcherId> expected;
        std::erase_if(model, [&](const auto& one) {
          const bool in_table =
              event == WatchEvent::Deleted ||
              (event == WatchEvent::ChildrenChanged) == (std::get<1>(one) == Kind::Child);
          if (std::get<0>(one) != path || !in_table) return false;
          expected.insert(std::get<2>(one));
          return true;
        });
        RC_ASSERT(fire(table, event, path) == Fired(expected.begin(), expected.end()));
      }
      RC_ASSERT(table.count() == model.size());
    }
  });
}

}  // namespace
}  // namespace vivarium
