// LogScanner: what it says of log files, good, torn and damaged, whatever chunks they come in.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/storage/log_scanner.h"
#include "core/wire/txn.h"
#include "core/zab/rules.h"

namespace vivarium {
namespace {

constexpr uint64_t kFileId = 0x4242424242424242;

// A log file in the making: records of ours or Apache's, then zeros.
class LogFile {
 public:
  explicit LogFile(uint64_t file_id = kFileId) : file_id_(file_id) {
    Bytes header(kLogHeaderBytes);
    put_u32(header.data(), kLogMagic);
    put_u32(header.data() + 4, kFileVersion);
    put_u64(header.data() + 8, file_id);
    bytes = header;
  }

  LogFile& ours(Zxid zxid, size_t entry_bytes = 60, Zxid durable = {}) {
    const Bytes entry = entry_of(zxid, entry_bytes);
    Trailer t;
    t.entry_crc = crc32c(entry);
    t.previous_crc = previous_crc_;
    t.previous = previous_;
    t.durable = durable;
    t.file_id = file_id_;
    t.offset = bytes.size();
    Bytes covered = entry;
    encode_trailer(t, covered);
    add(zxid, covered);
    previous_crc_ = t.entry_crc;
    return *this;
  }
  LogFile& apaches(Zxid zxid, size_t entry_bytes = 60) {
    add(zxid, entry_of(zxid, entry_bytes));
    return *this;
  }
  LogFile& zeros(size_t n) {
    bytes.resize(bytes.size() + n);
    return *this;
  }
  uint64_t start(size_t record) const { return starts_.at(record); }
  uint64_t end(size_t record) const { return ends_.at(record); }

  Bytes bytes;

 private:
  // An entry without a zero byte in its body, so that zeros in it were put there.
  static Bytes entry_of(Zxid zxid, size_t size) {
    Bytes entry;
    TxnHeader header;
    header.zxid = zxid;
    header.type = TxnType::Error;
    encode_txn_header(header, entry);
    while (entry.size() < size) entry.push_back(static_cast<Byte>(1 + entry.size() % 200));
    return entry;
  }
  void add(Zxid zxid, const Bytes& covered) {
    starts_.push_back(bytes.size());
    const size_t head = bytes.size();
    bytes.resize(head + kRecordHeadBytes);
    put_u64(bytes.data() + head, adler32(covered));
    put_u32(bytes.data() + head + 8, static_cast<uint32_t>(covered.size()));
    append_bytes(bytes, covered);
    bytes.push_back(kRecordEnd);
    ends_.push_back(bytes.size());
    previous_ = zxid;
  }

  uint64_t file_id_;
  Zxid previous_;
  uint32_t previous_crc_ = 0;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
};

struct Scan {
  std::vector<Zxid> zxids;
  LogFacts facts;
};

Scan scan(const Bytes& file, size_t chunk = 100'000) {
  Scan result;
  LogScanner scanner(file.size());
  for (size_t at = 0; at < file.size(); at += chunk) {
    scanner.feed(ByteView(file).subspan(at, std::min(chunk, file.size() - at)));
    while (const ScannedRecord* record = scanner.next()) result.zxids.push_back(record->zxid);
  }
  EXPECT_FALSE(scanner.done());
  scanner.end();
  while (const ScannedRecord* record = scanner.next()) result.zxids.push_back(record->zxid);
  EXPECT_TRUE(scanner.done());
  result.facts = scanner.facts();
  EXPECT_EQ(result.facts.records, result.zxids.size());
  return result;
}

TEST(StorageScanner, ReadsOursAndApaches) {
  const LogFile ours = LogFile().ours({1, 1}).ours({1, 2}, 3000).ours({2, 1}).zeros(5000);
  const Scan found = scan(ours.bytes);
  EXPECT_EQ(found.zxids, (std::vector<Zxid>{{1, 1}, {1, 2}, {2, 1}}));
  EXPECT_EQ(found.facts.bad, BadPlace::None);
  EXPECT_EQ(found.facts.good_end, ours.end(2));
  EXPECT_EQ(found.facts.data_end, ours.end(2));
  EXPECT_EQ(found.facts.file_id, kFileId);

  const LogFile apaches = LogFile(0).apaches({1, 1}).apaches({1, 2});
  EXPECT_EQ(scan(apaches.bytes).zxids.size(), 2U);
  EXPECT_EQ(scan(apaches.bytes).facts.bad, BadPlace::None) << "no zeros are needed at the end";
}

TEST(StorageScanner, TheLargestTxnThatMayBeAcknowledgedIsRead) {
  Config config;
  config.packet_bytes_max = kPacketBytesMax;
  const size_t largest = write_rules(config).entry_bytes_max;
  const LogFile file = LogFile().ours(Zxid(1, 1), largest).ours(Zxid(1, 2)).zeros(5000);
  const Scan all = scan(file.bytes, 1 << 20);
  EXPECT_EQ(all.zxids, (std::vector<Zxid>{Zxid(1, 1), Zxid(1, 2)}));
  EXPECT_EQ(all.facts.bad, BadPlace::None);
}

TEST(StorageScanner, EmptyFiles) {
  EXPECT_EQ(scan(LogFile().zeros(100).bytes).facts.bad, BadPlace::None);
  EXPECT_EQ(scan(LogFile().bytes).facts.good_end, kLogHeaderBytes);
  EXPECT_EQ(scan({}).facts.bad, BadPlace::Header);
  EXPECT_EQ(scan(Bytes(100)).facts.bad, BadPlace::Header);
  EXPECT_EQ(scan(Bytes(100)).facts.data_end, 0U);
}

TEST(StorageScanner, ChunksDoNotMatter) {
  LogFile file = LogFile().ours({1, 1}).ours({1, 2}, 1500).ours({1, 3}).ours({1, 4}).zeros(700);
  file.bytes[file.start(2) + 30] ^= 1;
  const Scan whole = scan(file.bytes);
  for (size_t chunk = 1; chunk < 600; chunk = chunk * 3 / 2 + 1) {
    const Scan pieces = scan(file.bytes, chunk);
    EXPECT_EQ(pieces.zxids, whole.zxids) << chunk;
    EXPECT_EQ(pieces.facts.bad, whole.facts.bad) << chunk;
    EXPECT_EQ(pieces.facts.could_be_torn, whole.facts.could_be_torn) << chunk;
    EXPECT_EQ(pieces.facts.good_end, whole.facts.good_end) << chunk;
    EXPECT_EQ(pieces.facts.data_end, whole.facts.data_end) << chunk;
    EXPECT_EQ(pieces.facts.trailers_behind, whole.facts.trailers_behind) << chunk;
    EXPECT_EQ(pieces.facts.durable_behind, whole.facts.durable_behind) << chunk;
  }
}

TEST(StorageScanner, ALostSectorIsTornAWrongOneIsNot) {
  LogFile file = LogFile().ours({1, 1}).ours({1, 2}, 2000).zeros(3000);
  const uint64_t from = file.start(1) / kSectorBytes;
  const uint64_t to = (file.end(1) - 1) / kSectorBytes;
  for (uint64_t sector = from; sector <= to; ++sector) {
    Bytes lost = file.bytes;
    const uint64_t begin = std::max(sector * kSectorBytes, file.start(1));
    for (uint64_t i = begin; i < (sector + 1) * kSectorBytes; ++i) lost[i] = 0;
    const Scan found = scan(lost);
    EXPECT_NE(found.facts.bad, BadPlace::None) << sector;
    EXPECT_TRUE(found.facts.could_be_torn) << sector;
    EXPECT_EQ(found.facts.good_end, file.end(0));

    Bytes wrong = file.bytes;
    wrong[std::min(begin + 40, file.end(1) - 1)] ^= 4;
    EXPECT_NE(scan(wrong).facts.bad, BadPlace::None) << sector;
    EXPECT_FALSE(scan(wrong).facts.could_be_torn) << sector;
  }
}

TEST(StorageScanner, EveryFlippedBitOfARecordIsSeen) {
  const LogFile file = LogFile().ours({1, 1}).ours({1, 2}).ours({1, 3}, 60, {1, 2}).zeros(600);
  for (uint64_t bit = 8 * file.start(1); bit < 8 * file.end(1); ++bit) {
    Bytes bad = file.bytes;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1U << (bit % 8)));
    const Scan found = scan(bad);
    ASSERT_EQ(found.zxids.size(), 1U) << bit;
    ASSERT_NE(found.facts.bad, BadPlace::None) << bit;
    ASSERT_GE(found.facts.trailers_behind, 1U) << bit;
    ASSERT_EQ(found.facts.durable_behind, Zxid(1, 2)) << "the later record says so, bit " << bit;
  }
}

TEST(StorageScanner, AHoleIsNotAnEnd) {
  LogFile file = LogFile().ours({1, 1}).ours({1, 2}).ours({1, 3}, 60, {1, 2}).zeros(600);
  std::fill(file.bytes.begin() + static_cast<ptrdiff_t>(file.start(1)),
            file.bytes.begin() + static_cast<ptrdiff_t>(file.end(1)), Byte{0});
  const Scan found = scan(file.bytes);
  EXPECT_EQ(found.facts.bad, BadPlace::Hole);
  EXPECT_TRUE(found.facts.data_behind);
  EXPECT_EQ(found.facts.durable_behind, Zxid(1, 2));
  EXPECT_EQ(found.facts.data_end, file.end(2));
}

TEST(StorageScanner, ARecordOfAnotherPlaceIsBad) {
  // The second record again where the third should be: a misdirected or a lost write.
  LogFile file = LogFile().ours({1, 1}).ours({1, 2});
  const auto begin = file.bytes.begin() + static_cast<ptrdiff_t>(file.start(1));
  const Bytes again(begin, file.bytes.end());
  append_bytes(file.bytes, again);
  const Scan found = scan(file.zeros(600).bytes);
  EXPECT_EQ(found.zxids.size(), 2U);
  EXPECT_EQ(found.facts.bad, BadPlace::Trailer);
  EXPECT_FALSE(found.facts.could_be_torn);

  LogFile other = LogFile(7).ours({1, 1}).zeros(600);
  put_u64(other.bytes.data() + 8, kFileId);
  EXPECT_EQ(scan(other.bytes).facts.bad, BadPlace::Trailer) << "a record of another file";
}

TEST(StorageScanner, ApachesKindsOfEnd) {
  const LogFile file = LogFile(0).apaches({1, 1}).apaches({1, 2});
  const auto with = [&](uint64_t offset, Byte value) {
    Bytes bytes = file.bytes;
    bytes[offset] = value;
    return bytes;
  };
  Bytes cut = file.bytes;
  cut.resize(cut.size() - 7);
  EXPECT_EQ(scan(cut).facts.bad, BadPlace::PastEnd);
  cut.resize(cut.size() + 100);
  EXPECT_EQ(scan(cut).facts.bad, BadPlace::EndByte);
  EXPECT_FALSE(scan(cut).facts.data_behind);
  const Bytes middle = with(file.end(0) - 1, 0);
  EXPECT_EQ(scan(middle).facts.bad, BadPlace::EndByte);
  EXPECT_TRUE(scan(middle).facts.data_behind);
  EXPECT_EQ(scan(with(file.start(1) + 50, 0xff)).facts.bad, BadPlace::Checksum);
  EXPECT_EQ(scan(with(file.start(1) + 8, 0xff)).facts.bad, BadPlace::Length) << "negative";
  EXPECT_EQ(scan(with(file.start(1) + 8, 0x7f)).facts.bad, BadPlace::Length) << "unreasonable";
  EXPECT_EQ(scan(with(file.start(1) + 9, 0x01)).facts.bad, BadPlace::PastEnd);
}

RC_GTEST_PROP(StorageScanner, AnyBytesAreReadToTheirEnd, (Bytes noise)) {
  LogFile file = LogFile().ours({1, 1});
  append_bytes(file.bytes, noise);
  const size_t chunk = *rc::gen::inRange<size_t>(1, 300);
  const Scan found = scan(file.bytes, chunk);
  RC_ASSERT(found.facts.records >= 1U);
  RC_ASSERT(found.facts.good_end <= file.bytes.size());
}

}  // namespace
}  // namespace vivarium
