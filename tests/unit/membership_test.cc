// The list of members as a value, its text, and what changes of it may be asked for.
#include "core/membership.h"

#include <gtest/gtest.h>

#include "core/storage/config_files.h"
#include "core/zab/configs.h"
#include "core/zab/reconfig.h"

namespace vivarium {
namespace {

Member member(int64_t id, bool observer = false) {
  const std::string host = "s" + std::to_string(id);
  return {ServerId{id}, {host, 2888}, {host, 3888}, observer, {"0.0.0.0", 2181}};
}

Membership of(uint64_t version, const std::vector<Member>& members) {
  return {Zxid(version), members};
}

constexpr std::string_view kFour =
    "server.1=s1:2888:3888:participant;0.0.0.0:2181\n"
    "server.2=s2:2888:3888:participant;0.0.0.0:2181\n"
    "server.3=s3:2888:3888:participant;0.0.0.0:2181\n"
    "server.10=s10:2888:3888:observer;0.0.0.0:2181\n"
    "version=100000007";

TEST(Membership, TextAndBack) {
  const Membership four = of(0x100000007, {member(1), member(2), member(3), member(10, true)});
  EXPECT_EQ(to_text(four), kFour);
  const Result<Membership> back = parse_membership(kFour);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, four);
  EXPECT_EQ(back->voter_count(), 3U);
  EXPECT_FALSE(back->is_voter(ServerId{10}));
  // A server line that names no client port, and an address in brackets.
  const Result<Membership> bare = parse_membership("server.7=[::1]:2888:3888\nversion=0");
  ASSERT_TRUE(bare) << bare.error().message;
  EXPECT_EQ(to_text(*bare), "server.7=[::1]:2888:3888:participant\nversion=0");
}

TEST(Membership, WhatIsNoMembershipSaysWhy) {
  const auto why = [](std::string_view text) {
    const Result<Membership> parsed = parse_membership(text);
    return parsed ? std::string("it parses") : parsed.error().message;
  };
  EXPECT_EQ(why(""), "there is no participant among the servers");
  EXPECT_EQ(why("server.1=a:1:2:observer"), "there is no participant among the servers");
  EXPECT_EQ(why("server.9=bad"),
            "server.9=bad: expected host:quorumPort:electionPort with ports from 1 to 65535");
  EXPECT_EQ(why("server.1=a:1:2\nversion=xyz"), "version=xyz: not a zxid in hex");
  EXPECT_EQ(why("server.1=a:1:2\nserver.1=b:1:2"), "server.1 stands there twice");
  EXPECT_EQ(why("server.1=a:1:2\nserver.2=a:1:3"),
            "the address a:1 stands in the server lines twice");
  EXPECT_EQ(why("server.1=a:1:2\ngroup.1=1"), "group.1: hierarchical quorums are not supported");
  EXPECT_EQ(why("server.1=a:1:2\nclientPort=3"), "clientPort: no line of a configuration");
  EXPECT_EQ(why("server.255=a:1:2"),
            "the id 255 cannot be used: below 2^40, and its last byte not 255");
}

TEST(Quorum, OfTwoConfigurationsHoldsInBoth) {
  const Membership three = of(1, {member(1), member(2), member(3)});
  const Membership other = of(2, {member(1), member(4), member(5)});
  const Quorum joint(three, other);
  const auto holds = [&](const Quorum& quorum, const std::vector<int64_t>& ids) {
    return quorum.holds(
        [&](ServerId id) { return std::find(ids.begin(), ids.end(), id.value) != ids.end(); });
  };
  EXPECT_TRUE(holds(Quorum(three), {1, 2}));
  EXPECT_FALSE(holds(joint, {1, 2})) << "one of three of the other";
  EXPECT_FALSE(holds(joint, {1, 4}));
  EXPECT_FALSE(holds(joint, {2, 3, 4})) << "one of three of the other";
  EXPECT_TRUE(holds(joint, {1, 2, 4}));
  EXPECT_TRUE(holds(joint, {2, 3, 4, 5}));
  EXPECT_TRUE(joint.holds_in_one([](ServerId id) { return id.value < 3; }));
  EXPECT_FALSE(joint.holds_in_one([](ServerId id) { return id.value == 1; }));
  EXPECT_TRUE(joint.is_voter(ServerId{5}) && joint.is_voter(ServerId{3}));
  EXPECT_EQ(joint.voters().size(), 5U);
  // Observers are nobody's voters.
  const Quorum with_observer(of(1, {member(1), member(2, true)}));
  EXPECT_FALSE(with_observer.is_voter(ServerId{2}));
  EXPECT_TRUE(holds(with_observer, {1}));
}

Config three_of_us() {
  Config config;
  config.id = ServerId{1};
  config.members = {member(1), member(2), member(3)};
  config.reconfig.enabled = true;
  return config;
}

TEST(Configs, OnlyTheLastChangeOfALogIsPending) {
  Configs configs(three_of_us());
  EXPECT_FALSE(configs.pending());
  const Membership two = of(0x100000002, {member(1), member(2)});
  const Membership four = of(0x100000005, {member(1), member(2), member(3), member(4)});
  configs.logged(two);
  ASSERT_TRUE(configs.pending());
  EXPECT_EQ(configs.active().version, Zxid());
  EXPECT_EQ(configs.seat(ServerId{3}), Seat::Voter) << "still one of the active one";
  configs.logged(four);
  EXPECT_EQ(configs.active(), two) << "nobody proposes a change before the last is committed";
  EXPECT_EQ(configs.last_seen(), four);
  EXPECT_EQ(configs.seat(ServerId{4}), Seat::Voter);
  configs.activate_pending();
  EXPECT_EQ(configs.active(), four);
  // Never back.
  const uint64_t changes = configs.changes();
  configs.activate(two);
  configs.logged(two);
  EXPECT_EQ(configs.active(), four);
  EXPECT_FALSE(configs.pending());
  EXPECT_EQ(configs.changes(), changes);
  EXPECT_EQ(configs.seat(ServerId{9}), Seat::None);
}

void change(DataTree& tree, Zxid zxid, const Membership& membership) {
  const std::string text = to_text(membership);
  Txn txn;
  txn.header.zxid = zxid;
  txn.header.type = TxnType::Reconfig;
  txn.body = SetDataTxn{"/zookeeper/config", as_bytes(text), false, -1};
  Effects effects;
  tree.apply(txn, effects);
  ASSERT_EQ(effects.error, ErrorCode::Ok);
  EXPECT_EQ(effects.data, text);
}

TEST(Configs, TheTreeOfALogSaysWhatIsPending) {
  const Membership two = of(0x100000002, {member(1), member(2)});
  const Membership four = of(0x100000005, {member(1), member(2), member(3), member(4)});
  DataTree tree;
  Configs configs(three_of_us());
  configs.rebase(tree);
  EXPECT_FALSE(configs.pending());
  change(tree, two.version, two);
  configs.rebase(tree);
  EXPECT_EQ(configs.active().version, Zxid());
  ASSERT_TRUE(configs.pending());
  EXPECT_EQ(configs.last_seen(), two);
  DataTree before = tree;
  change(tree, four.version, four);
  configs.rebase(tree);
  EXPECT_EQ(configs.active(), two) << "it was committed, or the next had not been proposed";
  EXPECT_EQ(configs.last_seen(), four);
  configs.rebase(before);  // the second change is cut off
  EXPECT_EQ(configs.active(), two);
  EXPECT_FALSE(configs.pending());
}

TEST(Configs, WhatAClientWritesIntoTheZnodeIsNoConfiguration) {
  DataTree tree;
  const std::string text = to_text(of(0x100000002, {member(9)}));
  Txn txn;
  txn.header.zxid = Zxid(1, 7);
  txn.header.type = TxnType::SetData;
  txn.body = SetDataTxn{"/zookeeper/config", as_bytes(text), false, 1};
  Effects effects;
  tree.apply(txn, effects);
  EXPECT_FALSE(config_in(tree));
  Configs configs(three_of_us());
  configs.rebase(tree);
  EXPECT_FALSE(configs.pending());
}

// --- what is asked for

ReconfigRequest adding(std::string_view lines) {
  ReconfigRequest request;
  request.joining = lines;
  return request;
}

TEST(ReconfigRequests, AddRemoveAndReplace) {
  const Membership now = of(9, {member(1), member(2), member(3)});
  ReconfigRequest request = adding(
      "server.4=s4:2888:3888:participant;2181, "
      "server.2=s2:2888:3888:observer;2181");
  request.leaving = "3,99";
  Asked asked = asked_membership(request, now);
  ASSERT_EQ(asked.error, ErrorCode::Ok);
  EXPECT_EQ(asked.membership.members, (std::vector<Member>{member(1), member(2, true), member(4)}));

  ReconfigRequest whole;
  whole.new_members = "server.5=s5:2888:3888:participant;2181,server.1=s1:2888:3888;2181";
  asked = asked_membership(whole, now);
  ASSERT_EQ(asked.error, ErrorCode::Ok);
  EXPECT_EQ(asked.membership.members, (std::vector<Member>{member(1), member(5)}));
}

TEST(ReconfigRequests, WhatMakesNoSenseIsRefused) {
  const Membership now = of(9, {member(1), member(2), member(3)});
  const auto error = [&](const ReconfigRequest& request) {
    return asked_membership(request, now).error;
  };
  EXPECT_EQ(error(adding("server.9=bad")), ErrorCode::BadArguments);
  EXPECT_EQ(error(adding("server.4")), ErrorCode::BadArguments);
  EXPECT_EQ(error(adding("server.x=s4:1:2:participant;3")), ErrorCode::MarshallingError);
  EXPECT_EQ(error(adding("server.4=s4:1:2:participant")), ErrorCode::BadArguments)
      << "clients would not know where";
  EXPECT_EQ(error(adding("server.4=s1:2888:3999:participant;2181")), ErrorCode::BadArguments)
      << "an address of server.1";
  EXPECT_EQ(error(adding("server.4=s4:2888:3888:witness;2181")), ErrorCode::BadArguments);
  ReconfigRequest leaving;
  leaving.leaving = "two";
  EXPECT_EQ(error(leaving), ErrorCode::MarshallingError);
  ReconfigRequest weighted;
  weighted.new_members = "server.1=s1:1:2;3,group.1=1";
  EXPECT_EQ(error(weighted), ErrorCode::BadArguments);
}

TEST(ReconfigRequests, AreJudgedInZooKeepersOrder) {
  Config config = three_of_us();
  Configs configs(config);
  configs.activate(of(0x100000000, config.members));
  const auto judge = [&](const ReconfigRequest& request, const std::vector<ServerId>& synced) {
    Bytes body;
    encode(request, body);
    return judge_reconfig(body, config, configs, Zxid(1, 8), synced);
  };
  const std::vector<ServerId> both = {ServerId{1}, ServerId{2}};
  ReconfigRequest bad = adding("server.9=bad");
  bad.version = 7;
  EXPECT_EQ(judge(bad, {}).error, ErrorCode::BadVersion);
  bad.version = 0x100000000;
  EXPECT_EQ(judge(bad, {}).error, ErrorCode::BadArguments);
  ReconfigRequest two_go;
  two_go.leaving = "2,3";
  EXPECT_EQ(judge(two_go, both).error, ErrorCode::BadArguments) << "one is no ensemble";
  config.reconfig.standalone_enabled = false;
  EXPECT_EQ(judge(two_go, both).error, ErrorCode::Ok);
  ReconfigRequest replace;
  replace.new_members = "server.1=s1:2888:3888;2181,server.4=s4:2888:3888;2181";
  EXPECT_EQ(judge(replace, both).error, ErrorCode::NewConfigNoQuorum);
  ReconfigRequest odd;
  odd.new_members = "server.1=s1:2888:3888;2181,server.2=s\\\\2:2888:3888;2181";
  EXPECT_EQ(judge(odd, both).error, ErrorCode::BadArguments) << "a name that nobody reads back";
  const ReconfigVerdict yes = judge(replace, {ServerId{1}, ServerId{4}});
  EXPECT_EQ(yes.error, ErrorCode::Ok);
  EXPECT_EQ(yes.text,
            "server.1=s1:2888:3888:participant;0.0.0.0:2181\n"
            "server.4=s4:2888:3888:participant;0.0.0.0:2181\nversion=100000008");
  configs.logged(*parse_membership(yes.text));
  EXPECT_EQ(judge(bad, {}).error, ErrorCode::ReconfigInProgress);
}

// --- files

TEST(ConfigFilesTexts, ZooCfgKeepsWhatIsAPersonsAndPointsToTheMembers) {
  constexpr std::string_view kText =
      "# our ensemble\n"
      "tickTime=2000\n"
      "server.1=a:2888:3888;2181\n"
      "  server.2 = b:2888:\\\n   3888\n"
      "dataDir=/var/lib/zookeeper\n"
      "clientPort=2181\n"
      "peerType=observer\n"
      "group.1=1:2\n"
      "dynamicConfigFile=/etc/zoo.cfg.dynamic.100000000\n"
      "maxClientCnxns=7";
  EXPECT_EQ(pointing_zoo_cfg(kText, "/etc/zoo.cfg.dynamic.100000004", true),
            "# our ensemble\n"
            "tickTime=2000\n"
            "dataDir=/var/lib/zookeeper\n"
            "maxClientCnxns=7\n"
            "dynamicConfigFile=/etc/zoo.cfg.dynamic.100000004\n");
  const std::string kept = pointing_zoo_cfg(kText, "/d", false);
  EXPECT_NE(kept.find("\nclientPort=2181\n"), std::string::npos);
  EXPECT_EQ(pointing_zoo_cfg(kept, "/d", false), kept) << "the same again";
}

TEST(ConfigFilesTexts, DynamicFilesAreSortedAndHaveNoVersion) {
  EXPECT_EQ(dynamic_text(*parse_membership(kFour)),
            "server.10=s10:2888:3888:observer;0.0.0.0:2181\n"
            "server.1=s1:2888:3888:participant;0.0.0.0:2181\n"
            "server.2=s2:2888:3888:participant;0.0.0.0:2181\n"
            "server.3=s3:2888:3888:participant;0.0.0.0:2181")
      << "as ZooKeeper sorts them";
}

}  // namespace
}  // namespace vivarium
