// K-CFG, and K-QUORUM over a change of the ensemble: each fires on a run that is told to be wrong,
// and stays quiet on the one that is right. And the files and wishes of the simulator themselves.
#include "sim/checkers/configs.h"

#include <gtest/gtest.h>

#include "core/storage/record.h"
#include "core/wire/txn.h"
#include "sim/checkers/durability.h"
#include "tests/simulation/checker_support.h"

namespace vivarium::sim {
namespace {

constexpr SimTime kAnyTime{1'000'000};

Config config_of(const std::vector<uint32_t>& servers) {
  Config config;
  config.reconfig.enabled = true;
  for (const uint32_t i : servers) {
    const std::string host = "s" + std::to_string(i);
    config.members.push_back({ServerId{i}, {host, 2}, {host, 3}, false, {host, 1}});
  }
  return config;
}

// Servers 1 to 3 begin; server 4 is there too.
struct Change {
  Ledger ledger{4};
  ConfigCheck check{4, {true, true, true, false}};
  Durability durability{4};
  Verdict verdict;
  std::vector<NodeFacts> facts{4};
  std::vector<Configs> configs{4, Configs(config_of({1, 2, 3}))};
  std::vector<SimDisk> disks{4};

  Change() {
    for (NodeFacts& f : facts) f.role = ZabRole::Learner;
  }
  static Membership membership(Zxid version, const std::vector<uint32_t>& servers) {
    return {version, config_of(servers).members};
  }
  // The change to `servers` stands in the server's log.
  void log(ServerIndex server, Zxid zxid, const std::vector<uint32_t>& servers) {
    const std::string text = to_text(membership(zxid, servers));
    Txn txn;
    txn.header.zxid = zxid;
    txn.header.type = TxnType::Reconfig;
    txn.body = SetDataTxn{"/zookeeper/config", as_bytes(text), false, -1};
    txn.digest = TxnDigest{};
    const Bytes entry = encode_txn(txn);
    const Bytes record = framed(entry);
    disks[server].put(Dir::Logs, log_name(zxid), record);
    ASSERT_EQ(ledger.log_written(server, disks[server].find(Dir::Logs, log_name(zxid)), 0, record),
              std::nullopt);
  }
  template <class Does>
  void step(ServerIndex server, Does&& does) {
    const NodeFacts before = facts[server];
    does(facts[server], configs[server]);
    NodeFacts& after = facts[server];
    after.active_config = configs[server].active().version;
    after.pending_config = configs[server].pending() ? configs[server].last_seen().version : Zxid{};
    check.stepped(server, before, after, configs[server], ledger, kAnyTime, verdict);
    durability.stepped(server, before, after, disks[server], ledger, Zxid{},
                       check.needs(before, after), kAnyTime, verdict);
  }
  void acknowledge(ServerIndex server, Zxid zxid) {
    QuorumPacket packet;
    packet.type = PacketType::Ack;
    packet.zxid = zxid.wire();
    durability.packet_sent(server, facts[server], packet, disks[server], ledger, kAnyTime, verdict);
  }
  void lead() {
    step(0, [](NodeFacts& f, Configs&) {
      f.role = ZabRole::Leader;
      f.leading = f.established = true;
      f.epoch = 1;
    });
  }
  void commit(Zxid zxid) {
    step(0, [&](NodeFacts& f, Configs& c) {
      f.committed = zxid;
      c.activate_pending();
    });
  }
  // s1 leads and s1, s2 and s4 have the change from 1, 2, 3 to 1, 2, 4 in their logs.
  void propose(Zxid zxid) {
    lead();
    for (const ServerIndex i : {0U, 1U, 3U}) {
      log(i, zxid, {1, 2, 4});
      step(i, [&](NodeFacts& f, Configs& c) {
        f.last_logged = zxid;
        c.logged(membership(zxid, {1, 2, 4}));
      });
    }
  }
};

constexpr Zxid kChange(1, 5);

TEST(ConfigChecker, IsQuietOnAChangeAsItShouldBe) {
  Change s;
  s.propose(kChange);
  s.acknowledge(1, kChange);
  s.commit(kChange);
  s.step(3, [](NodeFacts&, Configs& c) { c.activate_pending(); });
  EXPECT_EQ(said(s.verdict), "");
  EXPECT_EQ(s.check.committed(), kChange);
  EXPECT_EQ(s.check.live(s.ledger), (std::vector<std::vector<bool>>{{true, true, false, true}}));
  EXPECT_TRUE(s.check.member(kChange, 3));
  EXPECT_FALSE(s.check.member(kChange, 2));
  EXPECT_GT(s.verdict.counts()[static_cast<size_t>(Checker::Cfg)], 10U);
}

TEST(ConfigChecker, FiresOnAConfigurationThatNobodyHasCommitted) {
  Change s;
  s.propose(kChange);
  s.step(3, [](NodeFacts&, Configs& c) { c.activate_pending(); });
  EXPECT_EQ(said(s.verdict),
            "K-CFG: s4 takes configuration 100000005 for active, and nobody has committed it");
}

TEST(ConfigChecker, FiresOnAChangeInTheLogThatDoesNotCount) {
  Change s;
  s.lead();
  s.log(1, kChange, {1, 2, 4});
  s.step(1, [](NodeFacts& f, Configs&) { f.last_logged = kChange; });
  EXPECT_EQ(said(s.verdict), "K-CFG: s2 has logged configuration 100000005 over 0 and counts by 0");
}

TEST(ConfigChecker, FiresOnAServerThatServesByAnOldConfiguration) {
  Change s;
  s.propose(kChange);
  s.acknowledge(1, kChange);
  s.commit(kChange);
  s.step(1, [](NodeFacts& f, Configs&) {
    f.delivers = f.established = true;
    f.committed = f.last_applied = kChange;
  });
  EXPECT_EQ(said(s.verdict),
            "K-CFG: s2 serves zxid 100000005 by configuration 0, and 100000005 is committed");
}

TEST(ConfigChecker, FiresOnTwoTextsOfOneVersionAndOnAStepBack) {
  Change s;
  s.propose(kChange);
  s.acknowledge(1, kChange);
  s.commit(kChange);
  s.step(2, [](NodeFacts&, Configs& c) { c.activate(Change::membership(kChange, {1, 2, 3, 4})); });
  EXPECT_EQ(said(s.verdict), "K-CFG: s3 has another configuration 100000005 than others had");

  Change t;
  t.propose(kChange);
  t.acknowledge(1, kChange);
  t.commit(kChange);
  t.step(0, [](NodeFacts&, Configs& c) { c = Configs(config_of({1, 2, 3})); });
  EXPECT_EQ(said(t.verdict), "K-CFG: s1 goes back from configuration 100000005 to 0");
}

// A majority of the old ones alone, or of the new ones alone, does not commit the change.
TEST(ConfigChecker, QuorumFiresWithoutAMajorityOfEach) {
  Change s;
  s.propose(kChange);
  s.commit(kChange);
  EXPECT_EQ(said(s.verdict),
            "K-QUORUM: s1 committed zxid 100000005 with 1 of 3 voters having it on disk");

  Change t;
  t.propose(kChange);
  t.acknowledge(3, kChange);
  t.commit(kChange);
  EXPECT_EQ(said(t.verdict),
            "K-QUORUM: s1 committed zxid 100000005 with 1 of 3 voters having it on disk")
      << "s1 and s4 are no majority of 1, 2, 3";
}

TEST(ReconfigModel, ListsAndWishes) {
  const ConfigLines three = config_lines("server.1=a\nserver.2=b:observer\nserver.3=c\nversion=9");
  EXPECT_EQ(voters_of(three, 3), (std::vector<bool>{true, false, true}));
  ReconfigAsk ask;
  ask.leaving = "1";
  ask.joining = "server.4=d,server.2=e";
  EXPECT_EQ(config_text_of(asked_lines(three, ask), Zxid(0x1f)),
            "server.2=e\nserver.3=c\nserver.4=d\nversion=1f");
}

TEST(ReconfigModel, ReadsTheFilesOfAServer) {
  SimDisk disk;
  EXPECT_FALSE(membership_on(disk));
  const Config config = config_of({1, 2, 3});
  disk.put(Dir::Config, kZooCfg, as_bytes(first_zoo_cfg(config.members)));
  const std::optional<Membership> first = membership_on(disk);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->version, Zxid());
  EXPECT_EQ(first->voter_count(), 3U);
  disk.erase(Dir::Config, kZooCfg);
  disk.put(Dir::Config, kZooCfg,
           as_bytes("tickTime=100\ndynamicConfigFile=/etc/zoo.cfg.dynamic.100000005\n"));
  EXPECT_FALSE(membership_on(disk)) << "it points to nothing";
  disk.put(Dir::Config, "zoo.cfg.dynamic.100000005",
           as_bytes("server.1=s1:2:3:participant\nserver.2=s2:2:3:participant"));
  const std::optional<Membership> second = membership_on(disk);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->version, Zxid(1, 5));
  EXPECT_EQ(second->members.size(), 2U);
}

}  // namespace
}  // namespace vivarium::sim
