// The files of the simulator's ZooKeeper peers (sim/apache): what its writers make, its readers and
// ours take for the same, whatever is applied meanwhile.
#include <gtest/gtest.h>

#include <string>

#include "core/storage/snapshot.h"
#include "sim/apache/files.h"
#include "sim/apache/snapshot.h"

namespace vivarium::apache {
namespace {

Bytes create_entry(Zxid zxid, std::string_view path, std::string_view data, int32_t cversion,
                   Acl acl = open_acl()) {
  CreateTxn body;
  body.path = path;
  body.data = as_bytes(data);
  body.acl = std::move(acl);
  body.parent_cversion = cversion;
  Txn txn;
  txn.header.session = SessionId{7};
  txn.header.zxid = zxid;
  txn.header.type = TxnType::Create;
  txn.body = body;
  return encode_txn(txn);
}

void replay_entry(DataTree& tree, const Bytes& entry) {
  const Result<Txn> txn = decode_txn(entry);
  ASSERT_TRUE(txn.has_value());
  Effects effects;
  tree.apply(*txn, effects);
}

DataTree small_tree() {
  DataTree tree;
  for (uint32_t i = 1; i <= 6; ++i) {
    const Acl acl = i % 2 == 0 ? open_acl() : Acl{{kPermRead, "digest", "a:b"}};
    replay_entry(tree, create_entry(Zxid(1, i), "/n" + std::to_string(i), "data",
                                    static_cast<int32_t>(i), acl));
  }
  return tree;
}

Bytes whole_file(const DataTree& tree) {
  SnapshotWriter writer(tree, SnapshotWriter::Form::File);
  Bytes file;
  while (!writer.write(tree, 1, file)) {
  }
  return file;
}

TEST(ApacheFiles, ASnapshotIsReadAsItWasWrittenByBoth) {
  const DataTree tree = small_tree();
  const Bytes file = whole_file(tree);
  DataTree again;
  again.clear();
  SnapshotSeals seals;
  ASSERT_TRUE(read_file(file, again, seals));
  EXPECT_EQ(again.state_hash(), tree.state_hash());
  EXPECT_EQ(again.digest(), tree.digest());
  EXPECT_EQ(seals.digest_zxid, Zxid(1, 6));

  DataTree ours;
  ours.clear();
  SnapshotFileReader reader;
  ASSERT_TRUE(reader.feed(file, ours));
  const auto found = reader.finish();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->digest, tree.digest());
  EXPECT_EQ(ours.state_hash(), tree.state_hash());
}

TEST(ApacheFiles, EachLossIsSeen) {
  const Bytes file = whole_file(small_tree());
  for (size_t size = 0; size < file.size(); ++size) {
    DataTree tree;
    tree.clear();
    SnapshotSeals seals;
    EXPECT_FALSE(read_file(ByteView(file).first(size), tree, seals)) << size;
  }
}

}  // namespace
}  // namespace vivarium::apache
