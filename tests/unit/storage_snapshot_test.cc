// Snapshots at their limits: what the largest txns have made of the tree can be read again.
#include "core/storage/snapshot.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/wire/jute.h"
#include "tests/unit/tree_support.h"

namespace vivarium::tree_test {
namespace {

// As a disk gives it, piece by piece.
Result<DataTree> read_back(const Bytes& file) {
  constexpr size_t kPiece = 1 << 20;
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  for (size_t at = 0; at < file.size(); at += kPiece) {
    const ByteView rest = ByteView(file).subspan(at);
    if (!reader.feed(rest.first(std::min(kPiece, rest.size())), tree)) break;
  }
  const Result<SnapshotFileReader::Seals> seals = reader.finish();
  if (!seals) return tl::unexpected<Error>(seals.error());
  return tree;
}

TEST(StorageSnapshot, TheLargestZnodeIsReadAgain) {
  DataTree tree;
  const std::string path = "/" + std::string(kPacketBytesMax - 1, 'p');
  const std::string data(kPacketBytesMax, 'd');
  apply_body(tree, TxnType::Create, create_txn(path, data, 1), Zxid(1, 1));
  ASSERT_NE(tree.find(path), DataTree::kNone);
  Bytes file;
  encode_snapshot_file(tree, file);
  EXPECT_GT(file.size(), 2 * kPacketBytesMax);
  const Result<DataTree> back = read_back(file);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(text_of(*back, path) == data);
  EXPECT_EQ(back->digest(), tree.digest());
}

// Sixteen bytes are what the shortest entry that means something takes of a request.
TEST(StorageSnapshot, AnAclOfManyEntriesIsReadAgain) {
  constexpr int kEntries = 100'000;
  DataTree tree;
  CreateTxn txn = create_txn("/a", "", 1);
  txn.acl.clear();
  for (int i = 0; i < kEntries; ++i) txn.acl.push_back({kPermAll, "ip", fmt::format("::{:x}", i)});
  apply_body(tree, TxnType::Create, txn, Zxid(1, 1));
  Bytes file;
  encode_snapshot_file(tree, file);
  const Result<DataTree> back = read_back(file);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back->view(back->find("/a")).acl, txn.acl);
}

// An empty state is none, however well it is sealed: there is always a root.
TEST(StorageSnapshot, AStateWithoutARootIsRefused) {
  Bytes file;
  encode_snapshot_header(file);
  JuteWriter writer(file);
  writer.i32(0);  // sessions
  writer.i32(0);  // ACLs
  writer.string("/");
  encode_snapshot_seals(adler32(file), Zxid(1, 1), 0, file);
  const Result<DataTree> back = read_back(file);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().message, "the snapshot has no root");
}

void write_znode(JuteWriter& writer, std::string_view path, int64_t acl, int64_t zxid) {
  writer.string(path);
  writer.buffer(as_bytes("x"));
  writer.i64(acl);
  writer.i64(zxid);                           // czxid
  writer.i64(zxid);                           // mzxid
  for (int i = 0; i < 2; ++i) writer.i64(0);  // times
  for (int i = 0; i < 3; ++i) writer.i32(0);  // versions
  writer.i64(0);                              // owner
  writer.i64(zxid);                           // pzxid
}

// As ZooKeeper writes one while txns are applied (hazards R4): its lists first, and behind them a
// znode whose list was not there yet. The txns that came in between are replayed.
TEST(StorageSnapshot, AnAclThatCameWhileItWasWrittenIsNamedByTheTxnBehindIt) {
  Bytes file;
  encode_snapshot_header(file);
  JuteWriter writer(file);
  writer.i32(0);  // sessions
  writer.i32(0);  // ACLs
  write_znode(writer, "", -1, 0);
  write_znode(writer, "/a", 1, Zxid(1, 2).wire());
  write_znode(writer, "/b", 2, Zxid(1, 1).wire());
  writer.string("/");
  encode_snapshot_seals(adler32(file), Zxid(1, 1), 0, file);
  Result<DataTree> back = read_back(file);
  ASSERT_TRUE(back) << back.error().message;
  const Acl closed{{0, "world", "anyone"}};
  EXPECT_EQ(*back->view(back->find("/a")).acl, closed);
  EXPECT_EQ(*back->view(back->find("/b")).acl, closed);

  CreateTxn create = create_txn("/a", "x", 1);
  create.acl = {{kPermRead, "digest", "alice:secret"}};
  apply_body(*back, TxnType::Create, create, Zxid(1, 2));
  EXPECT_EQ(*back->view(back->find("/a")).acl, create.acl);
  const SetAclTxn set{"/b", {{kPermAll, "ip", "10.0.0.1"}}, 1};
  apply_body(*back, TxnType::SetAcl, set, Zxid(1, 3));
  EXPECT_EQ(*back->view(back->find("/b")).acl, set.acl);
}

}  // namespace
}  // namespace vivarium::tree_test
