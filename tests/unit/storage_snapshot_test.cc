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

}  // namespace
}  // namespace vivarium::tree_test
