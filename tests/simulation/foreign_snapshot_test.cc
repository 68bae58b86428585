// Snapshots of ZooKeeper's (RULES 7): exact when the digest in them is that of their own zxid, and
// right; any other may be ahead of its zxid, until a digest says that the log has caught up. A tree
// that no digest vouches for, where there are some, is used by nobody; an older snapshot is, if the
// log goes on from it as far.
#include <gtest/gtest.h>

#include "core/base/hash.h"
#include "core/storage/snapshot.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

constexpr uint32_t kLast = 10;

// States behind txns 1:1 to 1:10, and the txns.
struct Past {
  std::vector<DataTree> trees;  // [n] is the state behind 1:n
  std::vector<Bytes> entries;   // [n - 1] is 1:n
};

Past past() {
  Past out;
  out.trees.emplace_back();
  for (uint32_t counter = 1; counter <= kLast; ++counter) {
    DataTree tree = out.trees.back();
    out.entries.push_back(make_entry({1, counter}, 30, tree));
    out.trees.push_back(std::move(tree));
  }
  return out;
}

struct Said {
  Zxid zxid;  // 0: no digest
  uint64_t digest = 0;
};

// A snapshot file with that state in it, whatever its name, and those words about it.
Bytes snapshot_of(const DataTree& tree, Said said) {
  Bytes file;
  encode_snapshot_header(file);
  encode_snapshot_body(tree, file);
  encode_snapshot_seals(adler32(file), said.zxid,
                        said.zxid == Zxid{} ? std::nullopt : std::optional(said.digest), file);
  return file;
}

// As ZooKeeper writes it that has no digest: not even our mark of what was received.
Bytes snapshot_without_digest(const DataTree& tree) {
  Bytes file;
  encode_snapshot_header(file);
  encode_snapshot_body(tree, file);
  encode_snapshot_seals(adler32(file), Zxid{}, uint64_t{0}, file);
  return file;
}

class ForeignSnapshot : public ::testing::Test {
 protected:
  void SetUp() override {
    disk.put(Dir::Snapshots, kAcceptedName, epoch_text(1));
    disk.put(Dir::Snapshots, kCurrentName, epoch_text(1));
  }

  // One log file with the txns from `from` to `to`.
  void put_log(uint32_t from, uint32_t to, bool digests = true) {
    std::vector<Bytes> entries;
    for (uint32_t counter = from; counter <= to; ++counter) {
      Txn txn = *decode_txn(p.entries[counter - 1]);
      if (!digests) txn.digest.reset();
      entries.push_back(encode_txn(txn));
    }
    disk.put(Dir::Logs, log_name({1, from}), apache_log(entries));
  }
  void put_snapshot(uint32_t name, const Bytes& file) {
    disk.put(Dir::Snapshots, snapshot_name(SnapshotName{Zxid{1, name}}), file);
  }
  // The state behind that txn in a snapshot that says so.
  void put_exact(uint32_t counter) {
    put_snapshot(counter, snapshot_of(p.trees[counter], {{1, counter}, p.trees[counter].digest()}));
  }

  StorageHost start() {
    StorageHost host(disk);
    host.start();
    host.run();
    return host;
  }
  void expect_state(uint32_t counter) {
    StorageHost host = start();
    const Recovered& recovered = host.storage().recovered();
    ASSERT_EQ(recovered.found, Found::Foreign) << recovered.reason;
    EXPECT_TRUE(recovered.vouched);
    EXPECT_FALSE(recovered.untrue);
    EXPECT_EQ(recovered.last, Zxid(1, counter));
    EXPECT_EQ(host.tree().state_hash(), p.trees[counter].state_hash());
  }
  void expect_untrue(std::string_view why) {
    StorageHost host = start();
    const Recovered& recovered = host.storage().recovered();
    EXPECT_EQ(recovered.found, Found::Damaged);
    EXPECT_TRUE(recovered.untrue);
    EXPECT_FALSE(recovered.damage.has_value()) << "nothing is known to be missing";
    EXPECT_NE(recovered.reason.find(why), std::string::npos) << recovered.reason;
    EXPECT_EQ(host.disk().hash(Image::Cached), disk.hash(Image::Cached)) << "not touched";
  }

  const Past p = past();
  sim::SimDisk disk;
};

TEST_F(ForeignSnapshot, IsExactByItsOwnDigest) {
  put_exact(5);
  expect_state(5);
  put_log(3, 8);
  expect_state(8);
}

TEST_F(ForeignSnapshot, IsExactByTheTxnBehindWhichItStands) {
  put_snapshot(5, snapshot_without_digest(p.trees[5]));
  put_log(3, 5);
  expect_state(5);
}

TEST_F(ForeignSnapshot, ThatIsAheadIsTrueWhenTheLogHasCaughtUp) {
  put_snapshot(5, snapshot_of(p.trees[7], {{1, 7}, p.trees[7].digest()}));
  for (const uint32_t last : {7U, 9U}) {
    put_log(4, last);
    expect_state(last);
    StorageHost host = start();
    for (const std::string& line : host.world().lines()) {
      EXPECT_EQ(line.find("digest"), std::string::npos) << line;
    }
  }
  put_log(4, 7, false);  // the snapshot's own word is enough
  expect_state(7);
}

TEST_F(ForeignSnapshot, WithoutADigestIsTrueWhenOneOfTheLogIsEqual) {
  put_snapshot(5, snapshot_without_digest(p.trees[7]));
  put_log(4, 9);
  expect_state(9);
}

TEST_F(ForeignSnapshot, ThatStaysAheadIsForNobody) {
  put_snapshot(5, snapshot_of(p.trees[7], {{1, 7}, p.trees[7].digest()}));
  expect_untrue("holds txns up to 100000007, and the log ends at 100000005");
  put_log(4, 6);
  expect_untrue("behind zxid 100000006 the tree is not the one that a digest tells of");
  put_log(4, 6, false);
  expect_untrue("holds txns up to 100000007, and the log ends at 100000006");
  put_snapshot(5, snapshot_without_digest(p.trees[7]));
  put_log(4, 6);
  expect_untrue("behind zxid 100000006 the tree is not the one that a digest tells of");
}

TEST_F(ForeignSnapshot, WithAWrongDigestIsForNobodyUntilALaterOneIsEqual) {
  put_snapshot(5, snapshot_of(p.trees[5], {{1, 5}, p.trees[5].digest() + 1}));
  expect_untrue("behind zxid 100000005 the tree is not the one that a digest tells of");
  put_log(4, 6);
  expect_state(6);
  put_log(4, 6, false);
  expect_untrue("behind zxid 100000006 the tree is not the one that a digest tells of");
}

TEST_F(ForeignSnapshot, OfAnotherTreeIsForNobody) {
  put_snapshot(5, snapshot_of(p.trees[3], {{1, 5}, p.trees[3].digest()}));  // right by its own word
  put_log(4, 9);
  StorageHost host = start();
  EXPECT_TRUE(host.storage().recovered().vouched);
  bool told = false;
  for (const std::string& line : host.world().lines()) {
    told = told || line.find("differs from that of 4 txns in the log, first behind 100000006") !=
                       std::string::npos;
  }
  EXPECT_TRUE(told) << "what comes behind an exact snapshot is told, as ZooKeeper does";

  put_snapshot(5, snapshot_without_digest(p.trees[3]));
  expect_untrue("behind zxid 100000009 the tree is not the one that a digest tells of");
}

TEST_F(ForeignSnapshot, WithAnOlderOneThatTheLogGoesOnFromGivesWayToIt) {
  put_exact(2);
  put_log(3, 6);
  put_snapshot(5, snapshot_without_digest(p.trees[3]));
  expect_state(6);
  put_exact(3);
  put_snapshot(4, snapshot_without_digest(p.trees[2]));  // and that from 3, the second try
  expect_state(6);
}

TEST_F(ForeignSnapshot, IsNotReplacedByLess) {
  put_exact(2);
  put_log(3, 6);
  put_snapshot(5, snapshot_of(p.trees[7], {{1, 7}, p.trees[7].digest()}));
  expect_untrue("behind zxid 100000006 the tree is not the one that a digest tells of");
}

TEST_F(ForeignSnapshot, IsNotReplacedByWhatALogWithAGapGives) {
  put_exact(2);
  put_log(3, 4);
  put_log(6, 8);
  put_snapshot(5, snapshot_without_digest(p.trees[3]));
  expect_untrue("behind zxid 100000008 the tree is not the one that a digest tells of");
  disk.put(Dir::Snapshots, "snapshot.100000009", Bytes{1, 2, 3});
  put_exact(5);
  StorageHost host = start();
  EXPECT_EQ(host.storage().recovered().found, Found::Damaged);
  EXPECT_NE(host.storage().recovered().reason.find("holds more than the log"), std::string::npos)
      << host.storage().recovered().reason;
}

// Servers before 3.6, and those with digest.enabled=false: there is nothing but ZooKeeper's word.
TEST_F(ForeignSnapshot, OfADirectoryWithoutDigestsIsTaken) {
  put_snapshot(5, snapshot_without_digest(p.trees[7]));
  put_log(4, 9, false);
  StorageHost host = start();
  ASSERT_EQ(host.storage().recovered().found, Found::Foreign) << host.storage().recovered().reason;
  EXPECT_FALSE(host.storage().recovered().vouched);
  EXPECT_EQ(host.tree().state_hash(), p.trees[9].state_hash());
  bool told = false;
  for (const std::string& line : host.world().lines()) {
    told = told || line.starts_with("no digest, neither in the snapshot nor in the log");
  }
  EXPECT_TRUE(told);
}

// A state received from ZooKeeper's, and a crash before the txns that it may be ahead of had come.
class ReceivedState : public ForeignSnapshot {
 protected:
  // Installed by a member of ours, which has gone on up to `last`.
  void receive(uint32_t zxid, uint32_t holds, uint32_t last) {
    StorageHost host(sim::SimDisk{});
    host.found();
    DataTree state = p.trees[holds];
    state.set_last_applied({1, zxid});
    Bytes body;
    encode_snapshot_body(state, body);
    host.storage().begin_install(host.world(), {1, zxid});
    host.storage().install_bytes(host.world(), body);
    host.storage().finish_install(host.world(), state, false);
    host.run();
    host.storage().save_accepted_epoch(host.world(), 1);
    host.storage().save_current_epoch(host.world(), 1);
    for (uint32_t counter = zxid + 1; counter <= last; ++counter) {
      host.storage().append(host.world(), {1, counter}, share(Bytes(p.entries[counter - 1])));
    }
    host.end_turn();
    host.run();
    disk = host.disk();
  }
};

TEST_F(ReceivedState, IsForNobodyWhenTheDigestsOfTheLogRefuteIt) {
  receive(5, 7, 5);
  {
    StorageHost host = start();
    EXPECT_EQ(host.storage().recovered().found, Found::Whole);
    EXPECT_FALSE(host.storage().recovered().vouched) << "its own word is nobody's";
  }
  receive(5, 7, 6);
  expect_untrue("behind zxid 100000006 the tree is not the one that a digest tells of");
  receive(5, 7, 8);
  StorageHost host = start();
  const Recovered& recovered = host.storage().recovered();
  EXPECT_EQ(recovered.found, Found::Whole) << recovered.reason;
  EXPECT_TRUE(recovered.vouched);
  EXPECT_EQ(host.tree().state_hash(), p.trees[8].state_hash());
}

TEST_F(ReceivedState, IsNoPlaceToTruncateToBeforeThat) {
  receive(5, 7, 8);
  for (const uint32_t keep : {6U, 7U}) {
    StorageHost host = start();
    host.storage().truncate(host.world(), {1, keep}, host.tree());
    host.run();
    EXPECT_EQ(host.storage().truncate_failed(), keep == 6);
    EXPECT_EQ(host.storage().last_durable(), Zxid(1, keep == 6 ? 8 : keep));
  }
}

}  // namespace
}  // namespace vivarium::storage_test
