// Codings of compressed snapshots: what Java writes is read, what is written is read, in pieces of
// any size; damage is an answer, and nothing unpacks more than was asked for.
#include "disk/coding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/storage/snapshot.h"
#include "core/tree/data_tree.h"
#include "tests/contract/actor.h"
#include "tests/unit/golden_data.h"

namespace vivarium::contract {
namespace {

constexpr Coding kCodings[] = {Coding::Gzip, Coding::Snappy};

Bytes coded(Coding coding, ByteView plain, size_t piece) {
  Bytes out;
  const std::unique_ptr<StreamEncoder> encoder = make_encoder(coding);
  for (size_t at = 0; at < plain.size(); at += piece) {
    encoder->put(plain.subspan(at, std::min(piece, plain.size() - at)), out);
  }
  encoder->end(out);
  return out;
}

// nullopt: damaged, or it ends early.
std::optional<Bytes> unpacked(Coding coding, ByteView in, size_t piece, size_t room) {
  Bytes out;
  const std::unique_ptr<StreamDecoder> decoder = make_decoder(coding);
  size_t at = 0;
  while (true) {
    const size_t before = out.size();
    const StreamDecoder::State state = decoder->take(room, out);
    EXPECT_LE(out.size(), before + room);
    if (state == StreamDecoder::State::Damaged) return std::nullopt;
    if (state == StreamDecoder::State::Full) {
      EXPECT_EQ(out.size(), before + room);
      continue;
    }
    if (at == in.size()) break;
    const size_t part = std::min(piece, in.size() - at);
    decoder->feed(in.subspan(at, part));
    at += part;
  }
  if (!decoder->whole()) return std::nullopt;
  return out;
}

// Half of it repeats, half does not.
Bytes mixed(size_t size) {
  Bytes bytes = pattern(size, 3);
  for (size_t i = 0; i < size; ++i) {
    if (i / 1000 % 2 == 0) bytes[i] = static_cast<Byte>(i % 7);
  }
  return bytes;
}

TEST(Coding, WhatIsWrittenComesBackInAnyPieces) {
  for (const Coding coding : kCodings) {
    for (const size_t size : {0U, 1U, 100U, 32768U, 32769U, 65536U, 300'000U}) {
      const Bytes plain = mixed(size);
      const Bytes in = coded(coding, plain, 10'000);
      EXPECT_LT(in.size(), 40 + plain.size() * 3 / 4);
      for (const auto& [piece, room] :
           {std::pair(size_t{1} << 20, size_t{1} << 20), std::pair(size_t{777}, size_t{333}),
            std::pair(size_t{64} << 10, size_t{256} << 10)}) {
        const std::optional<Bytes> back = unpacked(coding, in, piece, room);
        ASSERT_TRUE(back) << size;
        EXPECT_TRUE(*back == plain) << size;
      }
    }
    const Bytes plain = mixed(5000);
    EXPECT_TRUE(unpacked(coding, coded(coding, plain, 1), 1, 1) == plain);
  }
}

// The same state, as ZooKeeper 3.8 has written it with each method.
TEST(Coding, SnapshotsOfApacheAreRead) {
  const auto files = golden::read_archive("compressed-snapshots.tar.gz");
  std::vector<Hash128> states;
  for (const auto& [coding, ending] :
       {std::pair(Coding::Gzip, "gz"), std::pair(Coding::Snappy, "snappy")}) {
    const Bytes& file = files.at(std::string("compressed-snapshots/snapshot.c6.") + ending);
    for (const size_t piece : {size_t{1} << 20, size_t{100}}) {
      const std::optional<Bytes> plain = unpacked(coding, file, piece, 10'000);
      ASSERT_TRUE(plain) << ending;
      EXPECT_GT(plain->size(), file.size());
      DataTree tree;
      tree.clear();
      SnapshotFileReader reader;
      EXPECT_TRUE(reader.feed(*plain, tree));
      const auto seals = reader.finish();
      ASSERT_TRUE(seals) << ending << ": " << seals.error().message;
      EXPECT_EQ(seals->digest_zxid, Zxid{0xc6});
      EXPECT_EQ(seals->digest, tree.digest());
      EXPECT_GT(tree.node_count(), 10U);
      states.push_back(tree.state_hash());
    }
  }
  EXPECT_EQ(states, std::vector<Hash128>(4, states[0]));
}

// Every prefix, and every byte another one: damage is found, or harmless as in gzip's head.
TEST(Coding, DamageIsAnAnswer) {
  const Bytes plain = mixed(3000);
  for (const Coding coding : kCodings) {
    const Bytes whole = coded(coding, plain, 3000);
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_FALSE(unpacked(coding, ByteView(whole).first(length), 1000, 1000) == plain) << length;
    }
    size_t found = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      Bytes damaged = whole;
      damaged[i] = static_cast<Byte>(damaged[i] ^ 0x55);
      const std::optional<Bytes> back = unpacked(coding, damaged, 1000, 1000);
      found += back == plain ? 0U : 1U;
    }
    EXPECT_GT(found, whole.size() - 16) << static_cast<int>(coding);
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(unpacked(coding, longer, 1000, 1000)) << "bytes behind the end";
  }
}

TEST(Coding, BytesAtRandomAreDamage) {
  Random random(5);
  for (int i = 0; i < 2000; ++i) {
    for (const Coding coding : kCodings) {
      Bytes bytes = coded(coding, mixed(200), 200);
      const size_t kept = random.below(20);
      for (size_t at = kept; at < bytes.size(); ++at) bytes[at] = static_cast<Byte>(random.next());
      EXPECT_FALSE(unpacked(coding, bytes, 50, 100) == mixed(200));
    }
  }
}

// One stream behind another, as `cat` makes them and Java reads them.
TEST(Coding, GzipsMayFollowEachOther) {
  Bytes twice = coded(Coding::Gzip, as_bytes("one"), 3);
  append_bytes(twice, coded(Coding::Gzip, as_bytes("two"), 3));
  for (const size_t piece : {1U, 1000U}) {
    const std::optional<Bytes> plain = unpacked(Coding::Gzip, twice, piece, 2);
    ASSERT_TRUE(plain);
    EXPECT_EQ(as_text(*plain), "onetwo");
  }
}

// Little of a bomb is unpacked at a time; and a block that announces much is refused unread.
TEST(Coding, BombsGiveNoMoreThanIsAskedFor) {
  const Bytes bomb = coded(Coding::Gzip, Bytes(50'000'000), 1 << 20);
  EXPECT_LT(bomb.size(), 60'000U);
  const std::unique_ptr<StreamDecoder> decoder = make_decoder(Coding::Gzip);
  decoder->feed(bomb);
  Bytes some;
  EXPECT_EQ(decoder->take(1000, some), StreamDecoder::State::Full);
  EXPECT_EQ(some.size(), 1000U);

  const Bytes head = coded(Coding::Snappy, {}, 1);
  ASSERT_EQ(head.size(), 16U);
  const auto block = [&head](std::string_view hex) {
    Bytes bytes = head;
    append_bytes(bytes, golden::from_hex(hex));
    return unpacked(Coding::Snappy, bytes, 1000, 1000);
  };
  EXPECT_TRUE(
      block("00000003"
            "01"
            "00"
            "61"))
      << "one byte, literally";
  EXPECT_FALSE(
      block("7fffffff"
            "01"
            "00"
            "61"))
      << "a block of 2 GiB";
  EXPECT_FALSE(block("80000000"));
  EXPECT_FALSE(
      block("00000006"
            "8080808008"
            "00"))
      << "of 2 GiB when it is unpacked";
  EXPECT_FALSE(
      block("00000005"
            "81808001"
            "00"))
      << "of 2 MiB";
}

}  // namespace
}  // namespace vivarium::contract
