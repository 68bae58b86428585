// Clients that do not read what they are sent: what waits for them is bounded, for each and for all
// together; whoever goes too far is closed with one line, and nobody else notices.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

#ifdef VIVARIUM_SANITIZED  // a tenth as quick
constexpr int kWatches = 30'000;
#else
constexpr int kWatches = 100'000;
#endif

// As many watches as wanted, by one client: one on each of so many names that do not exist.
void watch_many(ServerHost& host, LinkId link, int count) {
  for (int i = 0; i < count; ++i) {
    host.send_frame(link, read(i + 1, Op::Exists, fmt::format("/n{}", i), true));
    if (i % 100 == 99) host.settle();
  }
  host.settle();
  CHECK(host.received(link).size() == static_cast<size_t>(count));
  CHECK(host.server.watch_count() == static_cast<size_t>(count));
}

void create_many(ServerHost& host, LinkId writer, int count) {
  for (int i = 0; i < count; ++i) {
    host.send_frame(writer, create(i + 1, fmt::format("/n{}", i)));
    if (i % 10 == 9) host.settle();
  }
  host.settle();
  EXPECT_EQ(host.received(writer).size(), static_cast<size_t>(count)) << "the writer never waits";
}

TEST(ServerSlowReader, AllItsEventsWaitForIt) {
  ServerHost host;
  const LinkId slow = joined(host, "10.0.0.1");
  const LinkId writer = joined(host, "10.0.0.2");
  watch_many(host, slow, kWatches);
  host.world.links_.at(slow).reads = false;
  create_many(host, writer, kWatches);
  EXPECT_EQ(host.end_of(slow), LinkEnd::Open);
  EXPECT_GT(host.world.unsent(slow), uint64_t{kWatches} * 38);
  EXPECT_LE(host.world.unsent(slow), host.config.connection_unsent_bytes_max);
  EXPECT_EQ(host.server.watch_count(), 0U);
  EXPECT_EQ(host.received(slow).size(), static_cast<size_t>(kWatches));
}

TEST(ServerSlowReader, IsClosedWithOneLineWhenTooMuchWaits) {
  Config config = ServerHost::default_config();
  config.connection_unsent_bytes_max = 1 << 20;
  ServerHost host(config);
  const LinkId slow = joined(host, "10.0.0.1");
  const LinkId writer = joined(host, "10.0.0.2");
  watch_many(host, slow, kWatches);
  host.world.links_.at(slow).reads = false;
  create_many(host, writer, kWatches);
  EXPECT_EQ(host.end_of(slow), LinkEnd::Aborted);
  EXPECT_LE(host.world.unsent(slow), config.connection_unsent_bytes_max);
  EXPECT_EQ(host.server.watch_count(), 0U);
  EXPECT_EQ(host.world.counts_["slow_readers_dropped"], 1);
  EXPECT_THAT(host.world.lines_, ElementsAre(HasSubstr("that it does not read")));
}

TEST(ServerSlowReader, AllTogetherAreBoundedAndTheWorstGoesFirst) {
  Config config = ServerHost::default_config();
  config.unsent_bytes_max = 256 << 10;
  ServerHost host(config);
  const LinkId writer = joined(host, "10.0.0.1");
  std::vector<LinkId> slow;
  for (int i = 0; i < 4; ++i) slow.push_back(joined(host, fmt::format("10.0.1.{}", i)));
  constexpr int kNames = 2000;
  for (int i = 0; i < kNames; ++i) {
    for (const LinkId link : slow) {
      // The last of them waits for twice as much.
      host.send_frame(link, read(2 * i + 1, Op::Exists, fmt::format("/n{}", i), true));
      if (link != slow.back()) continue;
      host.send_frame(link, read(2 * i + 2, Op::GetChildren, "/", true));
    }
    if (i % 50 == 49) host.settle();
  }
  host.settle();
  for (const LinkId link : slow) {
    host.received(link);
    host.world.links_.at(link).reads = false;
  }
  create_many(host, writer, kNames);
  uint64_t waiting = 0;
  size_t open = 0;
  for (const LinkId link : slow) {
    if (host.end_of(link) != LinkEnd::Open) continue;
    waiting += host.world.unsent(link);
    ++open;
  }
  EXPECT_LE(waiting, config.unsent_bytes_max);
  EXPECT_GE(open, 1U);
  EXPECT_LT(open, slow.size());
  EXPECT_EQ(host.end_of(writer), LinkEnd::Open);
}

}  // namespace
}  // namespace vivarium::server_test
