// Watches of all modes in their two tables (semantics section 3).
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/tree/watches.h"

namespace vivarium {
namespace {

using Modes = WatchTable::Modes;
using Fired = std::vector<WatcherId>;
constexpr Modes kData = WatchTable::kData;
constexpr Modes kChild = WatchTable::kChild;
constexpr Modes kPersistent = WatchTable::kPersistent;
constexpr Modes kRecursive = WatchTable::kRecursive;

Fired fire(WatchTable& table, WatchEvent event, std::string_view path) {
  std::set<WatcherId> fired;
  table.seek(event, path);
  while (const auto watcher = table.next()) {
    if (table.take(*watcher, event, path)) fired.insert(*watcher);
  }
  return {fired.begin(), fired.end()};
}

TEST(TreeWatches, EachEventUsesItsTable) {
  WatchTable table;
  const auto arm = [&] {
    table.add(1, kData, "/a");
    table.add(2, kChild, "/a");
    table.add(3, kData, "/a/b");
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
    table.add(watcher, kData, "/a");
    table.add(watcher, kData, "/a");
    table.add(watcher, kChild | kPersistent, "/a");
    table.add(watcher, kRecursive, "/");
  }
  EXPECT_EQ(table.count(), 9U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), (Fired{3, 5, 7}));
  EXPECT_EQ(table.count(), 9U);
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), (Fired{3, 5, 7}));
}

TEST(TreeWatches, AChildWatchOutlivesADataEvent) {
  WatchTable table;
  table.add(1, kData | kChild, "/a");
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/a"), Fired{1});
  EXPECT_EQ(table.modes(1, "/a"), kChild);
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{1});
  EXPECT_EQ(table.modes(1, "/a"), 0);
}

TEST(TreeWatches, APersistentWatchOutlivesEverythingButItsWatcher) {
  WatchTable table;
  table.add(1, kPersistent, "/a");
  table.add(1, kData | kChild, "/a");  // 3.8 would have lost the persistent one by this
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(fire(table, WatchEvent::Created, "/a"), Fired{1});
    EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/a"), Fired{1});
    EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{1});
    EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), Fired{1});
  }
  EXPECT_EQ(fire(table, WatchEvent::Created, "/a/b"), Fired{});
  EXPECT_EQ(table.modes(1, "/a"), kPersistent);
  table.remove_watcher(1, SIZE_MAX);
  EXPECT_EQ(fire(table, WatchEvent::Created, "/a"), Fired{});
}

TEST(TreeWatches, AWatcherGoesInBits) {
  WatchTable table;
  table.add(1, kData | kChild, "/a");
  table.add(1, kPersistent, "/b");
  table.add(1, kData, "/c");
  table.add(2, kData, "/c");
  EXPECT_FALSE(table.remove_watcher(1, 2));
  EXPECT_EQ(table.count(), 3U);  // what came last goes first
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/c"), Fired{2});
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{1});
  EXPECT_TRUE(table.remove_watcher(1, 2));
  EXPECT_EQ(table.count(), 0U);
  EXPECT_TRUE(table.remove_watcher(1, 1));
}

TEST(TreeWatches, ARecursiveWatchHearsOfAllBelowAndOfNoChildren) {
  WatchTable table;
  table.add(1, kRecursive, "/a");
  table.add(2, kRecursive, "/");
  EXPECT_EQ(fire(table, WatchEvent::Created, "/a/b/c"), (Fired{1, 2}));
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), (Fired{1, 2}));
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/"), Fired{2});
  EXPECT_EQ(fire(table, WatchEvent::DataChanged, "/ab"), Fired{2});
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/a"), Fired{});
  EXPECT_EQ(fire(table, WatchEvent::ChildrenChanged, "/"), Fired{});
  EXPECT_TRUE(table.remove(2, kRecursive, "/"));
  EXPECT_EQ(fire(table, WatchEvent::Created, "/a/b"), Fired{1});
}

TEST(TreeWatches, RemovingTakesOnlyWhatIsNamed) {
  WatchTable table;
  EXPECT_FALSE(table.remove(1, WatchTable::kAll, "/a"));
  table.add(1, WatchTable::kAll, "/a");
  table.add(2, kData, "/a");
  EXPECT_TRUE(table.remove(1, kData, "/a"));
  EXPECT_FALSE(table.remove(1, kData, "/a"));
  EXPECT_EQ(table.modes(1, "/a"), kChild | kPersistent | kRecursive);
  EXPECT_FALSE(table.remove(2, kChild, "/a"));
  EXPECT_TRUE(table.remove(1, WatchTable::kAll, "/a"));
  EXPECT_EQ(table.count(), 1U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), Fired{2});
  EXPECT_EQ(table.path_count(), 0U);
  EXPECT_EQ(table.watcher_count(), 0U);
}

TEST(TreeWatches, DieWithTheirWatcher) {
  WatchTable table;
  table.add(1, kData, "/a");
  table.add(1, kChild, "/b");
  table.add(1, kRecursive, "/");
  table.add(2, kData, "/a");
  table.remove_watcher(1, SIZE_MAX);
  table.remove_watcher(4, SIZE_MAX);
  EXPECT_EQ(table.count(), 1U);
  EXPECT_EQ(table.path_count(), 1U);
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/b"), Fired{});
  EXPECT_EQ(fire(table, WatchEvent::Deleted, "/a"), Fired{2});
}

// The same, as plainly as it can be written.
class WatchModel {
 public:
  void add(WatcherId watcher, Modes modes, const std::string& path) {
    Modes& all = modes_[{path, watcher}];
    all = static_cast<Modes>(all | modes);
  }
  bool remove(WatcherId watcher, Modes modes, const std::string& path) {
    const auto found = modes_.find({path, watcher});
    if (found == modes_.end() || (found->second & modes) == 0) return false;
    found->second = static_cast<Modes>(found->second & ~modes);
    return true;
  }
  void remove_watcher(WatcherId watcher) {
    std::erase_if(modes_, [&](const auto& one) { return one.first.second == watcher; });
  }
  // Of all, or of one alone.
  Fired fire(WatchEvent event, const std::string& path,
             std::optional<WatcherId> only = std::nullopt) {
    std::set<WatcherId> told;
    for (auto& [key, modes] : modes_) {
      if (only && key.second != *only) continue;
      const bool here = key.first == path;
      const std::string below = key.first == "/" ? "/" : key.first + "/";
      const bool above = !here && path.rfind(below, 0) == 0;
      const bool children = event == WatchEvent::ChildrenChanged;
      Modes hears =
          children ? Modes{kChild | kPersistent} : Modes{kData | kPersistent | kRecursive};
      if (event == WatchEvent::Deleted) hears = WatchTable::kAll;
      if (here && (modes & hears) != 0) {
        told.insert(key.second);
        modes = static_cast<Modes>(modes & ~(hears & (kData | kChild)));
      }
      if (above && !children && (modes & kRecursive) != 0) told.insert(key.second);
    }
    return {told.begin(), told.end()};
  }
  Modes modes(WatcherId watcher, const std::string& path) const {
    const auto found = modes_.find({path, watcher});
    return found == modes_.end() ? Modes{0} : found->second;
  }
  size_t count() const {
    size_t n = 0;
    for (const auto& [key, modes] : modes_) {
      n += (modes & (kData | kPersistent | kRecursive)) != 0 ? 1 : 0;
      n += (modes & (kChild | kPersistent)) != 0 ? 1 : 0;
    }
    return n;
  }

 private:
  std::map<std::pair<std::string, WatcherId>, Modes> modes_;
};

struct Action {
  int kind = 0;
  WatcherId watcher = 0;
  int path = 0;
  int modes = 0;
};

TEST(TreeWatches, AnswersAsTheModelDoes) {
  const bool held = rc::check([] {
    const std::vector<std::string> paths = {"/", "/a", "/a/b", "/a/b/c", "/ab", "/a/d"};
    const auto actions = *rc::gen::container<std::vector<Action>>(
        rc::gen::build<Action>(rc::gen::set(&Action::kind, rc::gen::inRange(0, 14)),
                               rc::gen::set(&Action::watcher, rc::gen::inRange<WatcherId>(0, 4)),
                               rc::gen::set(&Action::path, rc::gen::inRange(0, 6)),
                               rc::gen::set(&Action::modes, rc::gen::inRange(1, 16))));
    WatchTable table;
    WatchModel model;
    for (const Action& action : actions) {
      const std::string& path = paths[static_cast<size_t>(action.path)];
      const auto modes = static_cast<Modes>(action.modes);
      if (action.kind < 6) {
        table.add(action.watcher, modes, path);
        model.add(action.watcher, modes, path);
      } else if (action.kind < 9) {
        RC_ASSERT(table.remove(action.watcher, modes, path) ==
                  model.remove(action.watcher, modes, path));
      } else if (action.kind == 9) {
        table.remove_watcher(action.watcher, SIZE_MAX);
        model.remove_watcher(action.watcher);
      } else {
        const auto event = static_cast<WatchEvent>(action.kind - 9);
        RC_ASSERT(fire(table, event, path) == model.fire(event, path));
      }
      RC_ASSERT(table.count() == model.count());
      RC_ASSERT(table.modes(action.watcher, path) == model.modes(action.watcher, path));
    }
  });
  EXPECT_TRUE(held);
}

// An event that is told in parts while others go on: whoever changes something is told first, as
// the server does it, and in the end those were told, once each, who had waited when it began.
TEST(TreeWatches, AnEventInPartsIsToldToTheSame) {
  const bool held = rc::check([] {
    const std::vector<std::string> paths = {"/", "/a", "/a/b", "/a/b/c", "/a/d"};
    constexpr WatcherId kWatchers = 12;
    WatchTable table;
    WatchModel model;
    const auto change = [&](WatcherId watcher) {
      const std::string& path = *rc::gen::elementOf(paths);
      const auto modes = static_cast<Modes>(*rc::gen::inRange(1, 16));
      switch (*rc::gen::inRange(0, 8)) {
        case 0:
          table.remove_watcher(watcher, SIZE_MAX);
          model.remove_watcher(watcher);
          return;
        case 1:
        case 2:
          RC_ASSERT(table.remove(watcher, modes, path) == model.remove(watcher, modes, path));
          return;
        default:
          table.add(watcher, modes, path);
          model.add(watcher, modes, path);
      }
    };
    const auto someone = [&] { return *rc::gen::inRange<WatcherId>(0, kWatchers); };
    for (int i = *rc::gen::inRange(0, 60); i > 0; --i) change(someone());

    const auto event = static_cast<WatchEvent>(*rc::gen::inRange(1, 5));
    const std::string& path = *rc::gen::elementOf(paths);
    const Fired due = WatchModel(model).fire(event, path);
    std::set<WatcherId> settled;
    Fired told;
    const auto settle = [&](WatcherId watcher) {
      if (!settled.insert(watcher).second) return;
      const bool waited = table.take(watcher, event, path);
      RC_ASSERT(waited == !model.fire(event, path, watcher).empty());
      if (waited) told.push_back(watcher);
    };
    table.seek(event, path);
    for (;;) {
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        const WatcherId watcher = someone();
        settle(watcher);
        change(watcher);
      }
      const auto next = table.next();
      if (!next) break;
      settle(*next);
    }
    std::sort(told.begin(), told.end());
    RC_ASSERT(told == due);
    for (WatcherId watcher = 0; watcher < kWatchers; ++watcher) {
      for (const std::string& at : paths) {
        RC_ASSERT(table.modes(watcher, at) == model.modes(watcher, at));
      }
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace vivarium
