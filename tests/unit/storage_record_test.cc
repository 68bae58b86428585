// The bytes of core/storage/record.h: trailers, frontier slots, names.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/storage/record.h"

namespace vivarium {
namespace {

Trailer some_trailer() {
  Trailer t;
  t.entry_crc = 0x11223344;
  t.previous_crc = 0x55667788;
  t.previous = Zxid(1, 2);
  t.durable = Zxid(1, 1);
  t.file_id = 0x0102030405060708;
  t.offset = 4711;
  t.generation = 3;
  t.state_zxid = Zxid(1, 1);
  t.state_hash = {1, 2};
  return t;
}

Frontier some_frontier(uint64_t sequence) {
  Frontier f;
  f.sequence = sequence;
  f.uuid_high = 1;
  f.uuid_low = 2;
  f.zxid = Zxid(3, sequence & 0xff);
  f.accepted_epoch = 4;
  f.current_epoch = 3;
  f.member = true;
  return f;
}

Bytes frontier_file(const Frontier& first, const Frontier& second) {
  Bytes file;
  encode_frontier(first, file);
  file.resize(kFrontierSlotStride);
  encode_frontier(second, file);
  file.resize(kFrontierSlotStride + kFrontierSlotBytes);
  return file;
}

RC_GTEST_PROP(StorageRecord, TrailersComeBack, ()) {
  Trailer t;
  t.anchor = *rc::gen::arbitrary<bool>();
  t.entry_crc = *rc::gen::arbitrary<uint32_t>();
  t.previous_crc = *rc::gen::arbitrary<uint32_t>();
  t.previous = Zxid{*rc::gen::arbitrary<uint64_t>()};
  t.durable = Zxid{*rc::gen::arbitrary<uint64_t>()};
  t.file_id = *rc::gen::arbitrary<uint64_t>();
  t.offset = *rc::gen::arbitrary<uint64_t>();
  t.generation = *rc::gen::arbitrary<uint32_t>();
  t.state_zxid = Zxid{*rc::gen::arbitrary<uint64_t>()};
  t.state_hash = {*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>()};
  t.anchor_digest = *rc::gen::arbitrary<uint64_t>();
  Bytes covered = *rc::gen::arbitrary<Bytes>();  // the entry before it
  const size_t entry_bytes = covered.size();
  encode_trailer(t, covered);
  RC_ASSERT(covered.size() == entry_bytes + kTrailerBytes);
  RC_ASSERT(decode_trailer(covered) == t);
}

RC_GTEST_PROP(StorageRecord, FrontiersComeBack, ()) {
  Frontier f;
  f.sequence = *rc::gen::arbitrary<uint64_t>();
  f.uuid_high = *rc::gen::arbitrary<uint64_t>();
  f.uuid_low = *rc::gen::arbitrary<uint64_t>();
  f.boots = *rc::gen::arbitrary<uint64_t>();
  f.zxid = Zxid{*rc::gen::arbitrary<uint64_t>()};
  f.file_id = *rc::gen::arbitrary<uint64_t>();
  f.end_offset = *rc::gen::arbitrary<uint64_t>();
  f.entry_crc = *rc::gen::arbitrary<uint32_t>();
  f.generation = *rc::gen::arbitrary<uint32_t>();
  f.accepted_epoch = *rc::gen::arbitrary<uint32_t>();
  f.current_epoch = *rc::gen::arbitrary<uint32_t>();
  f.intent = *rc::gen::element(Intent::None, Intent::Truncation, Intent::SnapshotInstall);
  f.member = *rc::gen::arbitrary<bool>();
  f.intent_zxid = Zxid{*rc::gen::arbitrary<uint64_t>()};
  f.acknowledged = Zxid{*rc::gen::arbitrary<uint64_t>()};
  const auto voters = *rc::gen::inRange<size_t>(0, kRememberedMax + 1);
  for (size_t i = 0; i < voters; ++i) {
    const LogId log{*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint32_t>()};
    const Zxid upto{*rc::gen::arbitrary<uint64_t>()};
    f.remembered.push_back({ServerId{static_cast<int64_t>(i)},
                            Acknowledged{log, *rc::gen::arbitrary<uint32_t>(), upto}});
  }
  Bytes slot;
  encode_frontier(f, slot);
  RC_ASSERT(slot.size() <= kFrontierSlotBytes);
  slot.resize(kFrontierSlotBytes);
  RC_ASSERT(decode_frontier(slot) == f);
}

// What an earlier version wrote has nothing behind the frontier, and what it reads ends there.
TEST(StorageRecord, WhatIsRememberedStandsBehindAFrontierOfTheOldForm) {
  Frontier f = some_frontier(9);
  Bytes old;
  encode_frontier(f, old);
  EXPECT_EQ(old.size(), kFrontierBytes);
  old.resize(kFrontierSlotBytes);
  EXPECT_TRUE(decode_frontier(old)->remembered.empty());
  f.remembered = {{ServerId{3}, Acknowledged{LogId{7, 2}, 5, Zxid(5, 9)}}};
  Bytes slot;
  encode_frontier(f, slot);
  EXPECT_TRUE(std::equal(slot.begin(), slot.begin() + kFrontierBytes, old.begin()));
  // Damage there takes the memory, not the promise.
  for (size_t bit = 8 * kFrontierBytes; bit < 8 * slot.size(); ++bit) {
    Bytes bad = slot;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1U << (bit % 8)));
    ASSERT_TRUE(decode_frontier(bad));
    EXPECT_TRUE(decode_frontier(bad)->remembered.empty()) << "bit " << bit;
  }
}

TEST(StorageRecord, NoBitOfATrailerMayDiffer) {
  Bytes good;
  encode_trailer(some_trailer(), good);
  for (size_t bit = 0; bit < 8 * kTrailerBytes; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(decode_trailer(bad)) << "bit " << bit;
  }
  EXPECT_FALSE(decode_trailer(ByteView(good).subspan(1)));
  EXPECT_FALSE(decode_trailer({}));
}

TEST(StorageRecord, NoBitOfAFrontierMayDiffer) {
  Bytes good;
  encode_frontier(some_frontier(9), good);
  for (size_t bit = 0; bit < 8 * kFrontierBytes; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(decode_frontier(bad)) << "bit " << bit;
  }
  EXPECT_FALSE(decode_frontier(ByteView(good).first(kFrontierBytes - 1)));
}

TEST(StorageRecord, TheNewerValidSlotCounts) {
  EXPECT_EQ(newest_frontier(frontier_file(some_frontier(7), some_frontier(8)))->sequence, 8U);
  EXPECT_EQ(newest_frontier(frontier_file(some_frontier(9), some_frontier(8)))->sequence, 9U);
  Bytes damaged = frontier_file(some_frontier(9), some_frontier(8));
  damaged[40] ^= 1;
  EXPECT_EQ(newest_frontier(damaged)->sequence, 8U) << "the other one stands in";
  damaged[kFrontierSlotStride + 40] ^= 1;
  EXPECT_FALSE(newest_frontier(damaged));
  EXPECT_FALSE(newest_frontier({}));
}

TEST(StorageRecord, NamesAreApaches) {
  EXPECT_EQ(log_name(Zxid(1, 0x1f)), "log.10000001f");
  EXPECT_EQ(snapshot_name(Zxid{}), "snapshot.0");
  EXPECT_EQ(parse_log_name("log.10000001f"), Zxid(1, 0x1f));
  EXPECT_EQ(parse_snapshot_name("snapshot.ffffffffffffffff"), SnapshotName{Zxid{UINT64_MAX}});
  EXPECT_EQ(snapshot_name({Zxid(1, 2), Coding::Gzip}), "snapshot.100000002.gz");
  EXPECT_EQ(snapshot_name({Zxid(1, 2), Coding::Snappy}), "snapshot.100000002.snappy");
  for (const char* name : {"snapshot..gz", "snapshot.gz", "snapshot.1.gzip", "snapshot.1.gz.gz",
                           "snapshot.1.", "snapshot.1.snappy.gz", "snapshot.01.gz", ".gz"}) {
    EXPECT_FALSE(parse_snapshot_name(name)) << name;
  }
  EXPECT_EQ(parse_spare_name(spare_name(17)), 17U);
  for (const char* name : {"log.", "log.01", "log.1F", "log.0x1", "log.1.gz", "log.g", "log.-1",
                           "log.10000000000000000", "snapshot.1", "log1", ""}) {
    EXPECT_FALSE(parse_log_name(name)) << name;
  }
  EXPECT_FALSE(parse_spare_name("spare.1f"));
  EXPECT_FALSE(parse_spare_name("spare.99999999999999999999"));
}

RC_GTEST_PROP(StorageRecord, NamesComeBack, (uint64_t value)) {
  RC_ASSERT(parse_log_name(log_name(Zxid{value})) == Zxid{value});
  for (const Coding coding : {Coding::Plain, Coding::Gzip, Coding::Snappy}) {
    const SnapshotName name{Zxid{value}, coding};
    RC_ASSERT(parse_snapshot_name(snapshot_name(name)) == name);
  }
  RC_ASSERT(parse_spare_name(spare_name(value)) == value);
}

}  // namespace
}  // namespace vivarium
