// The parts that core/tree is built of: byte arena, hash chains, node store, ACLs, paths, quota
// texts.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "core/tree/acl.h"
#include "core/tree/byte_arena.h"
#include "core/tree/data_tree.h"
#include "core/tree/path.h"
#include "core/tree/quota.h"
#include "core/tree/slot_index.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

TEST(TreeParts, ArenaKeepsWhatItWasGiven) {
  Random random(1);
  ByteArena arena;
  std::map<ByteArena::Ref, std::string> model;
  for (int step = 0; step < 20'000; ++step) {
    if (model.size() > 400 || (random.chance(2, 5) && !model.empty())) {
      auto victim = model.begin();
      std::advance(victim, static_cast<ptrdiff_t>(random.below(model.size())));
      arena.release(victim->first, victim->second.size());
      model.erase(victim);
      continue;
    }
    const size_t size = random.chance(1, 20) ? random.below(9000) : random.below(300);
    const std::string text(size, static_cast<char>('a' + random.below(26)));
    const size_t cut = random.below(size + 1);
    const ByteView bytes = as_bytes(text);
    const ByteArena::Ref ref = arena.put(bytes.first(cut), bytes.subspan(cut));
    ASSERT_FALSE(model.contains(ref));
    model[ref] = text;
  }
  const ByteArena copy = arena;
  for (const auto& [ref, text] : model) {
    ASSERT_EQ(as_text({arena.data(ref), text.size()}), text);
    ASSERT_EQ(as_text({copy.data(ref), text.size()}), text);
  }
}

TEST(TreeParts, ArenaBlocksOfEverySizeAreApart) {
  for (size_t size = 0; size <= 4200; ++size) {
    ByteArena arena;
    const std::string a(size, 'a');
    const std::string b(size, 'b');
    const ByteArena::Ref first = arena.put(as_bytes(a), {});
    const ByteArena::Ref second = arena.put({}, as_bytes(b));
    ASSERT_EQ(as_text({arena.data(first), size}), a);
    ASSERT_EQ(as_text({arena.data(second), size}), b);
    ASSERT_NE(first, second);
    ASSERT_TRUE(size > 4096 || ByteArena::same_block(size, size));
  }
  EXPECT_TRUE(ByteArena::same_block(17, 32));
  EXPECT_FALSE(ByteArena::same_block(16, 17));
  EXPECT_FALSE(ByteArena::same_block(5000, 5000));
}

// Slots with their hashes: in an index, or not.
class Indexed {
 public:
  explicit Indexed(size_t count) : hashes_(count), present_(count) {}

  void toggle(uint32_t slot, uint32_t hash) {
    if (present_[slot]) {
      index_.erase(hashes_[slot], slot);
    } else {
      hashes_[slot] = hash;
      index_.insert(hash, slot);
    }
    present_[slot] = !present_[slot];
  }
  bool present(uint32_t slot) const { return present_[slot]; }
  void check() const {
    uint32_t present = 0;
    for (uint32_t slot = 0; slot < hashes_.size(); ++slot) {
      present += present_[slot] ? 1U : 0U;
      const uint32_t found =
          index_.find(hashes_[slot], [&](uint32_t other) { return other == slot; });
      ASSERT_EQ(found, present_[slot] ? slot : SlotIndex::kNone);
    }
    ASSERT_EQ(index_.size(), present);
  }

 private:
  std::vector<uint32_t> hashes_;
  std::vector<bool> present_;
  SlotIndex index_;
};

TEST(TreeParts, AnIndexFindsExactlyWhatIsIn) {
  Random random(2);
  Indexed indexed(20'000);
  for (int step = 0; step < 100'000; ++step) {
    const uint32_t slot = static_cast<uint32_t>(random.below(20'000));
    if (indexed.present(slot) && random.chance(1, 2)) continue;
    // Many equal hashes, and ones that differ in high bits only.
    const uint32_t few = static_cast<uint32_t>(random.below(64) << (random.below(4) * 8));
    indexed.toggle(slot, random.chance(3, 4) ? static_cast<uint32_t>(random.next()) : few);
    if (step % 10'000 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(indexed.check());
  }
  indexed.check();
}

TEST(TreeParts, AnIndexOfEqualHashesEmptiesAndFillsAgain) {
  Indexed indexed(200);
  for (int round = 0; round < 4; ++round) {
    for (uint32_t slot = 0; slot < 200; ++slot) indexed.toggle(slot, 7);
    ASSERT_NO_FATAL_FAILURE(indexed.check());
  }
}

TEST(TreeParts, TreesAreValues) {
  DataTree tree;
  for (int i = 0; i < 1000; ++i) {
    const std::string path = "/" + std::to_string(i);
    tree_test::apply_body(
        tree, TxnType::Create,
        tree_test::create_txn(path, std::string(static_cast<size_t>(i), 'x'), i + 1),
        Zxid{static_cast<uint64_t>(i) + 1});
  }
  DataTree copy = tree;
  EXPECT_EQ(copy.state_hash(), tree.state_hash());
  for (int i = 0; i < 1000; i += 2) {
    tree_test::apply_body(copy, TxnType::Delete, DeleteTxn{"/" + std::to_string(i)},
                          Zxid{static_cast<uint64_t>(i) + 2000});
  }
  EXPECT_EQ(tree.node_count(), 1004U);
  EXPECT_EQ(copy.node_count(), 504U);
  for (int i = 0; i < 1000; ++i) {
    const std::string path = "/" + std::to_string(i);
    ASSERT_EQ(tree_test::text_of(tree, path), std::string(static_cast<size_t>(i), 'x'));
    ASSERT_EQ(copy.find(path) == DataTree::kNone, i % 2 == 0);
  }
  const std::vector<std::string> children = tree_test::children_of(copy, "/");
  ASSERT_EQ(children.size(), 501U);
  EXPECT_EQ(children[0], "zookeeper");
  EXPECT_EQ(children[1], "1");  // in order of creation
  EXPECT_EQ(children[500], "999");
}

// Random sizes, in place and moved, with neighbours that must not notice.
TEST(TreeParts, DataOfEverySizeIsReplaced) {
  Random random(3);
  DataTree tree;
  std::map<std::string, std::string> model;
  for (uint64_t zxid = 1; zxid < 4000; ++zxid) {
    const std::string path = "/a-rather-long-name-" + std::to_string(random.below(40));
    const std::string data(random.chance(1, 30) ? random.below(20'000) : random.below(400),
                           static_cast<char>('a' + zxid % 26));
    const bool exists = model.contains(path);
    if (exists && random.chance(1, 5)) {
      tree_test::apply_body(tree, TxnType::Delete, DeleteTxn{path}, Zxid{zxid});
      model.erase(path);
    } else if (exists) {
      tree_test::apply_body(tree, TxnType::SetData, tree_test::set_data_txn(path, data, 1),
                            Zxid{zxid});
      model[path] = data;
    } else {
      tree_test::apply_body(tree, TxnType::Create, tree_test::create_txn(path, data, 1),
                            Zxid{zxid});
      model[path] = data;
    }
  }
  uint64_t bytes = DataTree().data_bytes();
  for (const auto& [path, data] : model) {
    ASSERT_EQ(tree_test::text_of(tree, path), data);
    bytes += path.size() + data.size();
  }
  EXPECT_EQ(tree.data_bytes(), bytes);
}

// --- ACLs

const AclRules kRules;

TEST(TreeParts, AclGrants) {
  const std::vector<AuthId> nobody;
  const std::vector<AuthId> alice = {{"ip", "10.1.2.3"}, {"digest", "alice:h"}};
  const std::vector<AuthId> super = {{"super", ""}};
  const Acl acl = {{kPermRead | kPermAdmin, "digest", "alice:h"},
                   {kPermWrite, "ip", "10.1.0.0/16"}};
  EXPECT_TRUE(acl_grants({}, kPermWrite, nobody, kRules));
  EXPECT_TRUE(acl_grants(open_acl(), kPermAll, nobody, kRules));
  EXPECT_TRUE(acl_grants(acl, kPermRead, alice, kRules));
  EXPECT_TRUE(acl_grants(acl, kPermWrite, alice, kRules));
  EXPECT_FALSE(acl_grants(acl, kPermCreate, alice, kRules));
  EXPECT_FALSE(acl_grants(acl, kPermRead, nobody, kRules));
  EXPECT_TRUE(acl_grants(acl, kPermCreate, super, kRules));
  EXPECT_TRUE(acl_grants(acl, kPermRead | kPermCreate, alice, kRules));  // either suffices
  EXPECT_FALSE(acl_grants({{0, "world", "anyone"}}, kPermRead, alice, kRules));
  EXPECT_FALSE(acl_grants({{kPermRead, "digest", "10.1.2.3"}}, kPermRead, alice, kRules));
}

TEST(TreeParts, IdsOfDigest) {
  for (const std::string_view id : {"a:b", ":b", "user:aYXlLOpEooaV1cRAvUL1fp9Qt7E="}) {
    EXPECT_TRUE(is_valid_digest_id(id)) << id;
  }
  for (const std::string_view id : {"", "a", ":", "a:", "a:b:c", "a:b:"}) {
    EXPECT_FALSE(is_valid_digest_id(id)) << id;
  }
}

TEST(TreeParts, IdsOfIp) {
  for (const std::string_view id :
       {"1.2.3.4", "0.0.0.0/0", "1.2.3.4/32", "::1", "::", "1::", "2001:db8::1/64",
        "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7.8.9.10/128"}) {
    EXPECT_TRUE(is_valid_ip_id(id)) << id;
  }
  for (const std::string_view id :
       {"",         "1.2.3",      "1.2.3.4.5",         "1.2.3.256", "1.2.3.4/33",
        "1.2.3.4/", "1.2.3.4/-1", "a.b.c.d",           "1..2.3",    ":",
        ":::",      "1:2",        "1:2:3:4:5:6:7:8:9", "1::2::3",   "12345::",
        "::1/129",  "g::",        "1:2:3:4:5:6:7:8::", "host",      "/8",
        "1.2.3.4 "}) {
    EXPECT_FALSE(is_valid_ip_id(id)) << id;
  }
}

TEST(TreeParts, AddressesMatchUnderTheMask) {
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.1.2.3"));
  EXPECT_FALSE(ip_matches("10.1.2.4", "10.1.2.3"));
  EXPECT_TRUE(ip_matches("10.1.2.4", "10.1.2.3/29"));
  EXPECT_FALSE(ip_matches("10.1.2.9", "10.1.2.3/29"));
  EXPECT_TRUE(ip_matches("10.1.255.9", "10.1.2.3/16"));
  EXPECT_TRUE(ip_matches("9.9.9.9", "0.0.0.0/0"));
  EXPECT_TRUE(ip_matches("2001:db8::5", "2001:db8::/32"));
  EXPECT_FALSE(ip_matches("2001:db9::5", "2001:db8::/32"));
  EXPECT_FALSE(ip_matches("1.2.3.4", "::/0"));
  EXPECT_FALSE(ip_matches("nonsense", "0.0.0.0/0"));
}

TEST(TreeParts, AclTableHoldsEachListOnce) {
  AclTable table;
  const Acl a = {{1, "world", "anyone"}};
  const Acl b = {{1, "world", "anyone"}, {2, "digest", "u:h"}};
  EXPECT_EQ(table.intern(open_acl()), 0U);
  const uint32_t first = table.intern(a);
  EXPECT_EQ(table.intern(a), first);
  const uint32_t second = table.intern(b);
  EXPECT_NE(first, second);
  EXPECT_EQ(table.get(second), b);
  EXPECT_NE(table.hash(first), table.hash(second));
  table.release(first);
  EXPECT_EQ(table.get(first), a);
  table.release(first);
  EXPECT_EQ(table.intern({}), first);  // the slot serves again
  EXPECT_EQ(table.get(0), open_acl());
}

// --- paths

TEST(TreeParts, ValidPaths) {
  for (const std::string_view path : {"/", "/a", "/a/b", "/a b", "/...", "/.a", "/a.", "/\xc3\xa4",
                                      "/\xe2\x82\xac", "/\xef\xa4\x80", "/~", "/\xc2\xa0"}) {
    EXPECT_TRUE(is_valid_path(path)) << path;
  }
  const std::string nul("/a\0b", 4);
  for (const std::string_view path : {std::string_view(""),
                                      std::string_view("a"),
                                      std::string_view("a/b"),
                                      std::string_view("//"),
                                      std::string_view("/a/"),
                                      std::string_view("/a//b"),
                                      std::string_view("/."),
                                      std::string_view("/a/../b"),
                                      std::string_view("/a/."),
                                      std::string_view(nul),
                                      std::string_view("/\x1f"),
                                      std::string_view("/\x7f"),
                                      std::string_view("/\xc2\x9f"),
                                      std::string_view("/\xed\xa0\x80"),      // a surrogate
                                      std::string_view("/\xee\x80\x80"),      // U+E000
                                      std::string_view("/\xef\xa3\xbf"),      // U+F8FF
                                      std::string_view("/\xef\xbf\xbd"),      // U+FFFD
                                      std::string_view("/\xf0\x9f\x98\x80"),  // outside the plane
                                      std::string_view("/\xc0\xaf"),          // overlong
                                      std::string_view("/\xe0\x80\xaf"),
                                      std::string_view("/\x80"),
                                      std::string_view("/\xc3"),
                                      std::string_view("/\xe2\x82")}) {
    EXPECT_FALSE(is_valid_path(path)) << path;
  }
}

TEST(TreeParts, KindsOfOwners) {
  EXPECT_EQ(node_kind(0), NodeKind::Persistent);
  EXPECT_EQ(node_kind(INT64_MIN), NodeKind::Container);
  EXPECT_EQ(node_kind(static_cast<int64_t>(0xff00000000000001U)), NodeKind::Ttl);
  EXPECT_EQ(node_kind(0x100000000000001), NodeKind::Ephemeral);
  EXPECT_EQ(node_kind(static_cast<int64_t>(0xfe00000000000001U)), NodeKind::Ephemeral);
  EXPECT_EQ(node_kind(INT64_MIN + 1), NodeKind::Ephemeral);
}

// --- quota texts

TEST(TreeParts, QuotaTexts) {
  const std::string_view full = "count=10,bytes=100=;byteHardLimit=1000;countHardLimit=20";
  const auto quota = parse_quota(full);
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->count, 10);
  EXPECT_EQ(quota->bytes, 100);
  EXPECT_EQ(quota->more.at("byteHardLimit"), 1000);
  EXPECT_EQ(format_quota(*quota), full);
  EXPECT_EQ(format_quota(*parse_quota("")), "count=-1,bytes=-1");
  EXPECT_EQ(format_quota(*parse_quota("bytes=,count=5")), "count=5,bytes=-1");
  EXPECT_EQ(format_quota(*parse_quota("count=-3;;,bytes=2")), "count=-3,bytes=2");
  for (const std::string_view text :
       {"count", "count=x", "count=1 ", "count=99999999999999999999"}) {
    EXPECT_FALSE(parse_quota(text).has_value()) << text;
  }
}

TEST(TreeParts, QuotaPathsNestByPath) {
  QuotaPaths paths;
  EXPECT_EQ(paths.deepest("/a/b"), "");
  paths.add("/a");
  paths.add("/a/b/c");
  EXPECT_EQ(paths.deepest("/a"), "/a");
  EXPECT_EQ(paths.deepest("/a/b"), "/a");
  EXPECT_EQ(paths.deepest("/a/b/c/d"), "/a/b/c");
  EXPECT_EQ(paths.deepest("/ab"), "");
  paths.remove("/a/b/c");
  paths.remove("/never");
  EXPECT_EQ(paths.deepest("/a/b/c/d"), "/a");
  EXPECT_EQ(quota_target("/zookeeper/quota/a/b"), "/a/b");
  EXPECT_EQ(quota_target("/zookeeper/quota"), "");
  EXPECT_EQ(quota_target("/zookeeper/quotas/x"), "");
  EXPECT_EQ(quota_target("/a"), "");
}

}  // namespace
}  // namespace vivarium
