// The simulated network: what links promise, and each of its faults.
#include "sim/sim_network.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/simulation/scripted.h"

namespace vivarium::sim {
namespace {

constexpr HostId kS1{0};
constexpr HostId kS2{1};

SimOptions with_seed(uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  return options;
}

TEST(SimNetwork, BytesArriveInOrderAndCutAnywhere) {
  SimOptions options;
  options.net.split_per_1024 = 1024;
  Scripted hosts(2, options);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  Bytes sent;
  std::set<size_t> sizes;
  hosts[1].react = [&](const Event& event, World&) {
    if (const auto* e = std::get_if<LinkBytes>(&event)) sizes.insert(e->bytes.size());
  };
  for (uint64_t i = 0; i < 50; ++i) {
    const Bytes message = pattern(100, i);
    append_bytes(sent, message);
    hosts.act(0, [&](World& world) { world.send(link, message); });
  }
  ASSERT_TRUE(hosts.until([&] { return hosts[1].received[far].size() == sent.size(); }));
  EXPECT_TRUE(hosts[1].received[far] == sent);
  EXPECT_GT(sizes.size(), 20U) << "pieces of many sizes";
}

TEST(SimNetwork, LinksCarryTheCertificateOfWhoConnected) {
  Scripted s(3, {}, {"CN=one", "", "CN=three"});
  s.connect(0, 1);
  s.connect(2, 1, kClientPort);
  s.connect(1, 0);
  EXPECT_EQ(s[1].subjects, (std::vector<std::string>{"CN=one", "CN=three"}));
  EXPECT_EQ(s[0].subjects, std::vector<std::string>{""});
}

TEST(SimNetwork, DelaysArePerDirectionAndDrawnPerPacket) {
  SimOptions options;
  options.net.split_per_1024 = 0;
  Scripted hosts(2, options);
  const LinkId link = hosts.connect(0, 1);
  hosts.sim.network().set_delay(kS1, kS2, {milliseconds(5), milliseconds(10), 0, {}});
  hosts.sim.network().set_delay(kS2, kS1, {microseconds(10), {}, 0, {}});
  std::set<int64_t> there;
  std::set<int64_t> back;
  SimTime sent;
  SimTime answered;
  hosts[1].react = [&](const Event& event, World& world) {
    if (!std::holds_alternative<LinkBytes>(event)) return;
    there.insert((hosts.sim.now() - sent).ns);
    answered = hosts.sim.now();
    world.send(std::get<LinkBytes>(event).link, as_bytes("pong"));
  };
  hosts[0].react = [&](const Event& event, World&) {
    if (std::holds_alternative<LinkBytes>(event)) back.insert((hosts.sim.now() - answered).ns);
  };
  for (int i = 0; i < 20; ++i) {
    sent = hosts.sim.now();
    hosts.act(0, [&](World& world) { world.send(link, as_bytes("ping")); });
    hosts.run(milliseconds(100));
  }
  EXPECT_EQ(there.size(), 20U);
  EXPECT_GE(*there.begin(), milliseconds(5).ns);
  EXPECT_LT(*there.rbegin(), milliseconds(15).ns);
  EXPECT_EQ(*back.begin(), microseconds(10).ns) << "but for a long turn, as configured";
}

TEST(SimNetwork, ABreakCutsTheStreamAndIsNoticedAtDifferentTimes) {
  std::set<size_t> lengths;
  bool apart = false;
  const Bytes sent = pattern(5000, 1);
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SimOptions options = with_seed(seed);
    options.net.split_per_1024 = 1024;
    Scripted hosts(2, options);
    const LinkId link = hosts.connect(0, 1);
    const LinkId far = hosts[1].accepted[0];
    hosts.act(0, [&](World& world) { world.send(link, sent); });
    Moment m = hosts.moment();
    hosts.sim.network().break_link(m, hosts.info(0, link), seed);
    SimTime down[2];
    for (uint32_t i = 0; i < 2; ++i) {
      hosts[i].react = [&, i](const Event& event, World&) {
        if (std::holds_alternative<LinkDown>(event)) down[i] = hosts.sim.now();
      };
    }
    hosts.run(milliseconds(5000));
    EXPECT_EQ(hosts[0].down, std::vector<LinkId>{link});
    EXPECT_EQ(hosts[1].down, std::vector<LinkId>{far});
    apart = apart || down[0] != down[1];
    const Bytes& got = hosts[1].received[far];
    ASSERT_LE(got.size(), sent.size());
    EXPECT_TRUE(std::equal(got.begin(), got.end(), sent.begin()));
    lengths.insert(got.size());
  }
  EXPECT_TRUE(apart);
  EXPECT_GT(lengths.size(), 10U) << "cut at many places";
}

TEST(SimNetwork, AStalledPathHoldsBytesBackUntilItOpens) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.sim.set_paths(kS1, kS2, Path::Stalled);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("late")); });
  LinkId attempt;
  hosts.act(0, [&](World& world) { attempt = world.connect({"s2", kClientPort}); });
  hosts.run(milliseconds(10'000));
  EXPECT_TRUE(hosts[1].received[far].empty());
  EXPECT_TRUE(hosts[0].down.empty());
  EXPECT_EQ(hosts[0].up.size(), 1U);
  hosts.sim.set_paths(kS1, kS2, Path::Open);
  hosts.run(milliseconds(100));
  EXPECT_EQ(as_text(hosts[1].received[far]), "late");
  EXPECT_EQ(hosts[0].up.back(), attempt);
}

TEST(SimNetwork, ACutMayBeOneWay) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.sim.set_path(kS2, kS1, Path::Stalled);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("there")); });
  hosts.act(1, [&](World& world) { world.send(far, as_bytes("back")); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(as_text(hosts[1].received[far]), "there");
  EXPECT_TRUE(hosts[0].received[link].empty());
}

TEST(SimNetwork, ASenderCannotKnowThatItsWindowOpenedAcrossACut) {
  SimOptions options;
  options.net.window_bytes = 1000;
  Scripted hosts(2, options);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.sim.set_path(kS2, kS1, Path::Stalled);
  hosts.act(0, [&](World& world) { world.send(link, pattern(3000, 1)); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(hosts[1].received[far].size(), 1000U);
  hosts.sim.set_path(kS2, kS1, Path::Open);
  hosts.run(milliseconds(1000));
  EXPECT_TRUE(hosts[1].received[far] == pattern(3000, 1));
  EXPECT_EQ(hosts[0].drained.size(), 1U);
}

TEST(SimNetwork, ABlackHoleSwallowsWithoutAWord) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.sim.set_path(kS1, kS2, Path::BlackHole);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("gone")); });
  LinkId attempt;
  hosts.act(0, [&](World& world) { attempt = world.connect({"s2", kClientPort}); });
  hosts.run(milliseconds(60'000));
  EXPECT_TRUE(hosts[0].down.empty());
  EXPECT_TRUE(hosts[1].down.empty());
  EXPECT_EQ(hosts[0].up.size(), 1U) << "the attempt is never answered";
  // The stream that lost bytes never goes on; a new link works.
  hosts.sim.set_path(kS1, kS2, Path::Open);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("too")); });
  hosts.run(milliseconds(1000));
  EXPECT_TRUE(hosts[1].received[far].empty());
  const LinkId fresh = hosts.connect(0, 1);
  hosts.act(0, [&](World& world) { world.send(fresh, as_bytes("new")); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(as_text(hosts[1].received[hosts[1].accepted.back()]), "new");
}

TEST(SimNetwork, OneLinkMayBeAHoleWhileOthersWork) {
  Scripted hosts(2);
  const LinkId one = hosts.connect(0, 1);
  const LinkId two = hosts.connect(0, 1);
  hosts.sim.network().vanish(hosts.info(0, one), 0);
  hosts.act(0, [&](World& world) {
    world.send(one, as_bytes("one"));
    world.send(two, as_bytes("two"));
  });
  hosts.run(milliseconds(1000));
  EXPECT_TRUE(hosts[1].received[hosts[1].accepted[0]].empty());
  EXPECT_EQ(as_text(hosts[1].received[hosts[1].accepted[1]]), "two");
}

TEST(SimNetwork, AStallDelaysOneDirectionOfOneLink) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  const SimTime until = hosts.sim.now() + milliseconds(500);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("in flight")); });
  Moment m = hosts.moment();
  hosts.sim.network().stall(m, hosts.info(0, link), 0, until);
  hosts.act(0, [&](World& world) { world.send(link, as_bytes(" and behind")); });
  hosts.act(1, [&](World& world) { world.send(far, as_bytes("back")); });
  hosts.run(milliseconds(400));
  EXPECT_TRUE(hosts[1].received[far].empty());
  EXPECT_EQ(as_text(hosts[0].received[link]), "back");
  hosts.run(milliseconds(200));
  EXPECT_EQ(as_text(hosts[1].received[far]), "in flight and behind");
}

TEST(SimNetwork, AWindowThatNeverOpensKeepsBytesUnsent) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  Moment m = hosts.moment();
  hosts.sim.network().set_window(m, hosts.info(0, link), 0, 0);
  hosts.act(0, [&](World& world) { world.send(link, pattern(100, 1)); });
  hosts.run(milliseconds(60'000));
  hosts.act(0, [&](World& world) { EXPECT_EQ(world.unsent(link), 100U); });
  EXPECT_TRUE(hosts[0].drained.empty());
  EXPECT_TRUE(hosts[0].down.empty());
  Moment later = hosts.moment();
  hosts.sim.network().set_window(later, hosts.info(0, link), 0, 1000);
  hosts.run(milliseconds(100));
  EXPECT_EQ(hosts[0].drained, std::vector<LinkId>{link});
  EXPECT_EQ(hosts[1].received[far].size(), 100U);
}

TEST(SimNetwork, AReaderWithoutCreditFillsTheWindow) {
  SimOptions options;
  options.net.window_bytes = 1000;
  Scripted hosts(2, options);
  hosts[1].credit = 0;
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.act(0, [&](World& world) { world.send(link, pattern(5000, 1)); });
  hosts.run(milliseconds(1000));
  hosts.act(0, [&](World& world) { EXPECT_EQ(world.unsent(link), 4000U); });
  hosts.act(1, [&](World& world) { world.give_credit(far, 600); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(hosts[1].received[far].size(), 600U);
  hosts.act(0, [&](World& world) { EXPECT_EQ(world.unsent(link), 3400U); });
  EXPECT_TRUE(hosts[0].drained.empty());
  hosts.act(1, [&](World& world) { world.give_credit(far, 10'000); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(hosts[0].drained.size(), 1U);
  EXPECT_TRUE(hosts[1].received[far] == pattern(5000, 1));
}

TEST(SimNetwork, AKilledProcessIsHeardOfAndRefusesConnections) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scripted hosts(2, with_seed(seed));
    const LinkId link = hosts.connect(0, 1);
    hosts.sim.kill(kS2, hosts);
    hosts.run(milliseconds(1000));
    EXPECT_EQ(hosts[0].down, std::vector<LinkId>{link});
    LinkId refused;
    hosts.act(0, [&](World& world) { refused = world.connect({"s2", kQuorumPort}); });
    hosts.run(milliseconds(1000));
    EXPECT_EQ(hosts[0].down.back(), refused);
  }
}

TEST(SimNetwork, ALostMachineIsHeardOfLateOrWhenSomethingIsSentToItAgain) {
  size_t told = 0;
  size_t silent = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Scripted hosts(2, with_seed(seed));
    const LinkId link = hosts.connect(0, 1);
    hosts.sim.lose_power(kS2, hosts);
    hosts.act(0, [&](World& world) { world.send(link, as_bytes("anyone?")); });
    hosts.run(milliseconds(60'000));
    if (!hosts[0].down.empty()) {
      ++told;
      continue;
    }
    ++silent;
    hosts.sim.start(kS2);
    hosts.run(milliseconds(60'000));
    EXPECT_TRUE(hosts[0].down.empty()) << "nothing was sent to the new life";
    hosts.act(0, [&](World& world) { world.send(link, as_bytes("still?")); });
    hosts.run(milliseconds(1000));
    EXPECT_EQ(hosts[0].down, std::vector<LinkId>{link});
    EXPECT_TRUE(hosts[1].received.empty());
  }
  EXPECT_GT(told, 3U);
  EXPECT_GT(silent, 3U);
}

TEST(SimNetwork, AConnectionToALostMachineFailsOrIsAnsweredWhenItIsBack) {
  size_t failed = 0;
  size_t answered = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Scripted hosts(2, with_seed(seed));
    hosts.sim.lose_power(kS2, hosts);
    LinkId attempt;
    hosts.act(0, [&](World& world) { attempt = world.connect({"s2", kQuorumPort}); });
    hosts.run(milliseconds(5000));
    EXPECT_TRUE(hosts[0].up.empty());
    if (!hosts[0].down.empty()) {
      ++failed;
      continue;
    }
    hosts.sim.start(kS2);
    hosts.run(milliseconds(1000));
    EXPECT_EQ(hosts[0].up, std::vector<LinkId>{attempt});
    ++answered;
  }
  EXPECT_GT(failed, 3U);
  EXPECT_GT(answered, 3U);
}

TEST(SimNetwork, APausedProcessAcceptsInItsKernelOnly) {
  SimOptions options;
  options.net.window_bytes = 1000;
  Scripted hosts(2, options);
  hosts.sim.pause(kS2);
  LinkId link;
  hosts.act(0, [&](World& world) {
    link = world.connect({"s2", kQuorumPort});
    world.send(link, pattern(1500, 1));
  });
  hosts.run(milliseconds(10'000));
  EXPECT_EQ(hosts[0].up, std::vector<LinkId>{link});
  hosts.act(0, [&](World& world) { EXPECT_EQ(world.unsent(link), 500U); });
  EXPECT_TRUE(hosts[1].accepted.empty());
  hosts.sim.resume(kS2);
  hosts.run(milliseconds(100));
  ASSERT_EQ(hosts[1].accepted.size(), 1U);
  EXPECT_TRUE(hosts[1].received[hosts[1].accepted[0]] == pattern(1500, 1));
}

TEST(SimNetwork, APausedCallerLearnsLaterThatItWasAcceptedAndLeft) {
  Scripted hosts(2);
  LinkId link;
  hosts.act(0, [&](World& world) { link = world.connect({"s2", kQuorumPort}); });
  hosts.sim.pause(kS1);
  hosts[1].react = [](const Event& event, World& world) {
    if (const auto* e = std::get_if<LinkAccepted>(&event)) world.close(e->link, true);
  };
  hosts.run(milliseconds(1000));
  hosts.sim.resume(kS1);
  hosts.run(milliseconds(1000));
  EXPECT_EQ(hosts[0].up, std::vector<LinkId>{link});
  EXPECT_EQ(hosts[0].down, std::vector<LinkId>{link});
}

TEST(SimNetwork, ClosingAtOnceMayLoseWhatIsInFlight) {
  std::set<size_t> lengths;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SimOptions options = with_seed(seed);
    options.net.split_per_1024 = 1024;
    Scripted hosts(2, options);
    const LinkId link = hosts.connect(0, 1);
    const LinkId far = hosts[1].accepted[0];
    hosts.act(0, [&](World& world) { world.send(link, pattern(1000, 1)); });
    hosts.act(0, [&](World& world) { world.close(link, false); });
    hosts.run(milliseconds(1000));
    EXPECT_EQ(hosts[1].down, std::vector<LinkId>{far});
    EXPECT_TRUE(hosts[0].down.empty());
    lengths.insert(hosts[1].received[far].size());
  }
  EXPECT_TRUE(lengths.contains(1000));
  EXPECT_GT(lengths.size(), 4U);
}

TEST(SimNetwork, WhoSendsToAClosedEndIsTold) {
  Scripted hosts(2);
  hosts[1].credit = 0;  // the end of the stream lies behind bytes that are not read
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.act(0, [&](World& world) {
    world.send(link, as_bytes("unread"));
    world.close(link, true);
  });
  hosts.run(milliseconds(1000));
  EXPECT_TRUE(hosts[1].down.empty());
  hosts.act(1, [&](World& world) { world.send(far, as_bytes("hello?")); });
  hosts.run(milliseconds(1000));
  EXPECT_EQ(hosts[1].down, std::vector<LinkId>{far});
}

TEST(SimNetwork, HostileBytesComeFromNowhere) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  const LinkId far = hosts[1].accepted[0];
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("good")); });
  Moment m = hosts.moment();
  hosts.sim.network().inject(m, hosts.info(0, link), 0, as_bytes("EVIL"));
  hosts.sim.network().inject(m, hosts.info(0, link), 1, as_bytes("BAD"));
  hosts.run(milliseconds(100));
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("good")); });
  hosts.run(milliseconds(100));
  EXPECT_EQ(as_text(hosts[1].received[far]), "goodEVILgood");
  EXPECT_EQ(as_text(hosts[0].received[link]), "BAD");
}

TEST(SimNetwork, ABitInFlightCanFlip) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  EXPECT_FALSE(hosts.sim.network().corrupt(hosts.info(0, link), 0, 0)) << "nothing in flight";
  hosts.act(0, [&](World& world) { world.send(link, as_bytes("abc")); });
  EXPECT_TRUE(hosts.sim.network().corrupt(hosts.info(0, link), 0, 1));
  hosts.run(milliseconds(100));
  EXPECT_EQ(as_text(hosts[1].received[hosts[1].accepted[0]]), "cbc");
}

TEST(SimNetwork, HandlesOfEarlierLivesAndClosedLinksAreIgnored) {
  Scripted hosts(2);
  const LinkId link = hosts.connect(0, 1);
  hosts.act(0, [&](World& world) { world.close(link, true); });
  const LinkId second = hosts.connect(0, 1);
  EXPECT_EQ(second.slot, link.slot);
  hosts.act(0, [&](World& world) {
    world.send(link, as_bytes("stale"));
    world.close(link, false);
    world.give_credit(link, 1);
    EXPECT_EQ(world.unsent(link), 0U);
    EXPECT_EQ(world.unsent(LinkId{}), 0U);
    world.send(second, as_bytes("fresh"));
  });
  hosts.run(milliseconds(100));
  EXPECT_EQ(as_text(hosts[1].received[hosts[1].accepted.back()]), "fresh");
}

TEST(SimNetwork, ABrokenAttemptToConnectIsOneLinkDown) {
  Scripted hosts(2);
  LinkId attempt;
  hosts.act(0, [&](World& world) { attempt = world.connect({"s2", kQuorumPort}); });
  hosts.sim.break_links(kS1, kS2, 1);
  hosts.run(milliseconds(5000));
  EXPECT_EQ(hosts[0].down, std::vector<LinkId>{attempt});
  EXPECT_TRUE(hosts[0].up.empty());
  EXPECT_TRUE(hosts[1].accepted.empty());
}

TEST(SimNetwork, LinksSayWhoConnectedWhere) {
  Scripted hosts(2);
  hosts.connect(1, 0, kElectionPort);
  const std::vector<LinkInfo> links = hosts.sim.network().links();
  ASSERT_EQ(links.size(), 1U);
  EXPECT_EQ(links[0].from, kS2);
  EXPECT_EQ(links[0].to, kS1);
  EXPECT_EQ(links[0].port, kElectionPort);
  EXPECT_TRUE(links[0].up);
}

}  // namespace
}  // namespace vivarium::sim
