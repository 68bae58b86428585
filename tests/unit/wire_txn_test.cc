// Txns: golden logs byte for byte, the ambiguous forms, round trips of every kind, hostile bytes.
#include "core/wire/txn.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "core/wire/jute.h"
#include "tests/unit/golden_data.h"

namespace vivarium {
namespace {

using nlohmann::json;

constexpr TxnType kAllTypes[] = {
    TxnType::Create,          TxnType::Delete,    TxnType::SetData,
    TxnType::SetAcl,          TxnType::Check,     TxnType::Multi,
    TxnType::Create2,         TxnType::Reconfig,  TxnType::CreateContainer,
    TxnType::DeleteContainer, TxnType::CreateTtl, TxnType::CreateSession,
    TxnType::CloseSession,    TxnType::Error};

Bytes with_digest(Bytes entry, int32_t version = kDigestVersion, uint64_t digest = 0x51c6d660) {
  encode_digest({version, digest}, entry);
  return entry;
}

Bytes header_bytes(TxnType type) {
  TxnHeader header;
  header.session = SessionId{0x100001a99820000};
  header.cxid = 7;
  header.zxid = Zxid(1, 2);
  header.time = WallTime{1795421159806};
  header.type = type;
  Bytes out;
  encode_txn_header(header, out);
  return out;
}

template <class T>
const T& as(const Txn& txn) {
  return std::get<T>(txn.body);
}

// --- what the independent parser of the golden logs says

json data_json(ByteView data, bool null) {
  return null ? json(nullptr) : json(golden::to_hex(data));
}

json acl_json(const Acl& acl) {
  json list = json::array();
  for (const AclEntry& e : acl) list.push_back(json::array({e.perms, e.scheme, e.id}));
  return list;
}

json body_json(TxnType type, const TxnBody& body);

struct BodyJson {
  TxnType type;
  json operator()(const CreateTxn& t) const {
    json j = {{"path", t.path}, {"data", data_json(t.data, t.null_data)}, {"acl", acl_json(t.acl)}};
    if (type == TxnType::Create || type == TxnType::Create2) j["eph"] = t.ephemeral;
    j["pcv"] = t.parent_cversion;
    if (type == TxnType::CreateTtl) j["ttl"] = t.ttl_ms;
    return j;
  }
  json operator()(const DeleteTxn& t) const { return {{"path", t.path}}; }
  json operator()(const SetDataTxn& t) const {
    return {{"path", t.path}, {"data", data_json(t.data, t.null_data)}, {"version", t.version}};
  }
  json operator()(const SetAclTxn& t) const {
    return {{"path", t.path}, {"acl", acl_json(t.acl)}, {"version", t.version}};
  }
  json operator()(const CheckTxn& t) const { return {{"path", t.path}, {"version", t.version}}; }
  json operator()(const CreateSessionTxn& t) const { return {{"timeout", t.timeout_ms}}; }
  json operator()(const CloseSessionTxn& t) const {
    if (!t.has_paths) return {{"paths", nullptr}};
    return {{"paths", t.paths}};
  }
  json operator()(const ErrorTxn& t) const { return {{"err", static_cast<int32_t>(t.error)}}; }
  json operator()(const MultiTxn& t) const {
    json parts = json::array();
    for (const MultiTxn::Part& part : t.parts) {
      parts.push_back({{"type", static_cast<int32_t>(part.type)},
                       {"body", body_json(part.type, decode_body(part.type, part.body).value())}});
    }
    return {{"txns", parts}};
  }
};

json body_json(TxnType type, const TxnBody& body) { return std::visit(BodyJson{type}, body); }

struct GoldenLog {
  const char* archive;
  const char* decoded;
  size_t records;
};

class WireTxnGolden : public testing::TestWithParam<GoldenLog> {};

TEST_P(WireTxnGolden, EveryRecordDecodesAsTheIndependentParserSaysAndReencodesToTheSameBytes) {
  std::vector<Bytes> entries;
  std::map<uint64_t, std::vector<Bytes>> logs;  // by the number in their names
  for (const auto& [path, content] : golden::read_archive(GetParam().archive)) {
    const size_t name = path.find("/log.");
    if (name == std::string::npos) continue;
    logs[std::stoull(path.substr(name + 5), nullptr, 16)] = golden::log_entries(content);
  }
  for (const auto& log : logs) entries.insert(entries.end(), log.second.begin(), log.second.end());
  ASSERT_EQ(entries.size(), GetParam().records);

  const json expected =
      GetParam().decoded == nullptr ? json::array() : golden::read_json(GetParam().decoded);
  if (GetParam().decoded != nullptr) {
    ASSERT_EQ(expected.size(), entries.size());
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const Result<Txn> txn = decode_txn(entries[i]);
    ASSERT_TRUE(txn) << txn.error().message << " " << golden::to_hex(entries[i]);
    EXPECT_EQ(golden::to_hex(encode_txn(*txn)), golden::to_hex(entries[i]));
    if (GetParam().decoded == nullptr) continue;
    const json& want = expected[i];
    EXPECT_EQ(txn->header.session.value, golden::to_i64(want["sid"]));
    EXPECT_EQ(txn->header.cxid, want["cxid"].get<int32_t>());
    EXPECT_EQ(txn->header.zxid.wire(), golden::to_i64(want["zxid"]));
    EXPECT_EQ(txn->header.time.ms, want["time"].get<int64_t>());
    EXPECT_EQ(static_cast<int32_t>(txn->header.type), want["type"].get<int32_t>());
    EXPECT_EQ(body_json(txn->header.type, txn->body), want["txn"]);
    ASSERT_EQ(txn->digest.has_value(), !want["digest"].is_null());
    if (!txn->digest) continue;
    EXPECT_EQ(txn->digest->version, want["digest"]["version"].get<int32_t>());
    EXPECT_EQ(static_cast<int64_t>(txn->digest->tree_digest),
              golden::to_i64(want["digest"]["tree"]));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Logs, WireTxnGolden,
    testing::Values(GoldenLog{"standalone.tar.gz", "data/txnlog-standalone.json", 198},
                    GoldenLog{"standalone-nodigest.tar.gz", "data/txnlog-standalone-nodigest.json",
                              6},
                    GoldenLog{"ensemble-1.tar.gz", "data/txnlog-ensemble.json", 202},
                    GoldenLog{"ensemble-2.tar.gz", nullptr, 202},
                    GoldenLog{"ensemble-3.tar.gz", nullptr, 202}));

// --- forms that need a decision

TEST(WireTxn, CloseSessionWithoutBodyInALogWithoutDigests) {
  const Result<Txn> txn = decode_txn(header_bytes(TxnType::CloseSession));
  ASSERT_TRUE(txn);
  EXPECT_FALSE(as<CloseSessionTxn>(*txn).has_paths);
  EXPECT_FALSE(txn->digest);
  EXPECT_EQ(encode_txn(*txn), header_bytes(TxnType::CloseSession));
}

TEST(WireTxn, CloseSessionWithoutBodyInALogWithDigests) {
  for (const uint64_t digest : {uint64_t{0x51c6d660}, uint64_t{0}, ~uint64_t{0}}) {
    const Bytes entry = with_digest(header_bytes(TxnType::CloseSession), kDigestVersion, digest);
    const Result<Txn> txn = decode_txn(entry);
    ASSERT_TRUE(txn) << digest;
    EXPECT_FALSE(as<CloseSessionTxn>(*txn).has_paths);
    ASSERT_TRUE(txn->digest);
    EXPECT_EQ(txn->digest->tree_digest, digest);
    EXPECT_EQ(encode_txn(*txn), entry);
  }
}

TEST(WireTxn, CloseSessionWhosePathsTakeAsManyBytesAsADigest) {
  Bytes entry = header_bytes(TxnType::CloseSession);
  encode_body(TxnType::CloseSession, CloseSessionTxn{true, {"/abc"}}, entry);
  ASSERT_EQ(entry.size(), kTxnHeaderBytes + kTxnDigestBytes);
  for (const Bytes& bytes : {entry, with_digest(entry)}) {
    const Result<Txn> txn = decode_txn(bytes);
    ASSERT_TRUE(txn);
    EXPECT_EQ(as<CloseSessionTxn>(*txn).paths, std::vector<std::string_view>{"/abc"});
    EXPECT_EQ(txn->digest.has_value(), bytes.size() > entry.size());
    EXPECT_EQ(encode_txn(*txn), bytes);
  }
}

TEST(WireTxn, CloseSessionWithNoEphemeralsKeepsItsEmptyList) {
  Bytes entry = header_bytes(TxnType::CloseSession);
  encode_body(TxnType::CloseSession, CloseSessionTxn{true, {}}, entry);
  const Result<Txn> txn = decode_txn(with_digest(entry));
  ASSERT_TRUE(txn);
  EXPECT_TRUE(as<CloseSessionTxn>(*txn).has_paths);
  EXPECT_EQ(encode_txn(*txn), with_digest(entry));
}

TEST(WireTxn, CreateOfOldLogsLacksTheParentsCversion) {
  Bytes body;
  JuteWriter out(body);
  out.string("/old");
  out.string("data");
  out.i32(1);
  out.i32(kPermAll);
  out.string("world");
  out.string("anyone");
  out.boolean(true);
  Bytes entry = header_bytes(TxnType::Create);
  append_bytes(entry, body);
  const Result<Txn> txn = decode_txn(entry);
  ASSERT_TRUE(txn);
  EXPECT_EQ(as<CreateTxn>(*txn).path, "/old");
  EXPECT_TRUE(as<CreateTxn>(*txn).ephemeral);
  EXPECT_EQ(as<CreateTxn>(*txn).parent_cversion, -1);

  // Only create itself is that old.
  Bytes newer = header_bytes(TxnType::Create2);
  append_bytes(newer, body);
  EXPECT_FALSE(decode_txn(newer));
}

TEST(WireTxn, ErrorRecordsMayCarryADigest) {
  Bytes entry = header_bytes(TxnType::Error);
  encode_body(TxnType::Error, ErrorTxn{ErrorCode::NoNode}, entry);
  for (const Bytes& bytes : {entry, with_digest(entry)}) {
    const Result<Txn> txn = decode_txn(bytes);
    ASSERT_TRUE(txn);
    EXPECT_EQ(as<ErrorTxn>(*txn).error, ErrorCode::NoNode);
    EXPECT_EQ(txn->digest.has_value(), bytes.size() > entry.size());
    EXPECT_EQ(encode_txn(*txn), bytes);
  }
}

TEST(WireTxn, RefusesWhatApacheRefuses) {
  EXPECT_FALSE(decode_txn({}));
  EXPECT_FALSE(decode_txn(Bytes(kTxnHeaderBytes - 1)));
  EXPECT_FALSE(decode_txn(header_bytes(static_cast<TxnType>(99))));
  EXPECT_FALSE(decode_txn(header_bytes(TxnType::Delete)));

  Bytes entry = header_bytes(TxnType::Delete);
  encode_body(TxnType::Delete, DeleteTxn{"/a"}, entry);
  EXPECT_TRUE(decode_txn(entry));
  for (size_t extra = 1; extra <= 24; ++extra) {
    entry.push_back(0);
    EXPECT_EQ(decode_txn(entry).has_value(), extra == kTxnDigestBytes) << extra;
  }
}

TEST(WireTxn, RefusesAMultiWithPartsThatCannotBeApplied) {
  Bytes inner;
  encode_body(TxnType::Multi, MultiTxn{}, inner);
  Bytes set_acl;
  encode_body(TxnType::SetAcl, SetAclTxn{"/a", {}, 1}, set_acl);
  Bytes check;
  encode_body(TxnType::Check, CheckTxn{"/a", 1}, check);
  const Bytes cut(check.begin(), check.end() - 1);
  const auto multi = [](TxnType type, ByteView part) {
    Bytes body;
    JuteWriter out(body);
    out.i32(1);
    out.i32(static_cast<int32_t>(type));
    out.buffer(part);
    return body;
  };
  EXPECT_TRUE(decode_body(TxnType::Multi, multi(TxnType::Check, check)));
  EXPECT_FALSE(decode_body(TxnType::Multi, multi(TxnType::Check, cut)));
  EXPECT_FALSE(decode_body(TxnType::Multi, multi(TxnType::SetAcl, set_acl)));
  EXPECT_FALSE(decode_body(TxnType::Multi, multi(TxnType::Multi, inner)));
}

TEST(WireTxn, HugeCountsCostNothing) {
  for (const TxnType type : {TxnType::Multi, TxnType::CloseSession}) {
    Bytes entry = header_bytes(type);
    JuteWriter(entry).i32(INT32_MAX);
    EXPECT_FALSE(decode_txn(entry));
  }
}

// --- properties

// Owns what the views of a drawn txn point to.
struct Storage {
  std::vector<std::string> paths;
  Bytes data;
  std::vector<Bytes> parts;
};

Acl draw_acl() {
  Acl acl;
  const size_t count = *rc::gen::inRange<size_t>(0, 4);
  for (size_t i = 0; i < count; ++i) {
    AclEntry entry;
    entry.perms = *rc::gen::arbitrary<int32_t>();
    entry.scheme = *rc::gen::arbitrary<std::string>();
    entry.id = *rc::gen::arbitrary<std::string>();
    acl.push_back(entry);
  }
  return acl;
}

MultiTxn draw_multi(Storage& storage);

TxnBody draw_body(TxnType type, Storage& storage) {
  storage.paths = *rc::gen::arbitrary<std::vector<std::string>>();
  storage.paths.push_back(*rc::gen::arbitrary<std::string>());
  const std::string_view path = storage.paths.back();
  const bool null_data = *rc::gen::arbitrary<bool>();
  if (!null_data) storage.data = *rc::gen::arbitrary<Bytes>();
  const int32_t number = *rc::gen::arbitrary<int32_t>();
  switch (type) {
    case TxnType::Create:
    case TxnType::Create2:
    case TxnType::CreateContainer:
    case TxnType::CreateTtl: {
      CreateTxn txn{path, storage.data, null_data, draw_acl(), false, number, 0};
      if (type == TxnType::Create || type == TxnType::Create2) {
        txn.ephemeral = *rc::gen::arbitrary<bool>();
      }
      if (type == TxnType::CreateTtl) txn.ttl_ms = *rc::gen::arbitrary<int64_t>();
      return txn;
    }
    case TxnType::Delete:
    case TxnType::DeleteContainer:
      return DeleteTxn{path};
    case TxnType::SetData:
    case TxnType::Reconfig:
      return SetDataTxn{path, storage.data, null_data, number};
    case TxnType::SetAcl:
      return SetAclTxn{path, draw_acl(), number};
    case TxnType::Check:
      return CheckTxn{path, number};
    case TxnType::CreateSession:
      return CreateSessionTxn{number};
    case TxnType::CloseSession: {
      CloseSessionTxn txn;
      // No session owns an empty path; two of them would pass for a digest.
      for (const std::string& p : storage.paths) {
        txn.paths.push_back(p.empty() ? std::string_view("/") : std::string_view(p));
      }
      return txn;
    }
    case TxnType::Error:
      return ErrorTxn{static_cast<ErrorCode>(number)};
    case TxnType::Multi:
      return draw_multi(storage);
  }
  return {};
}

MultiTxn draw_multi(Storage& storage) {
  constexpr TxnType kPartTypes[] = {TxnType::Create, TxnType::Delete, TxnType::SetData,
                                    TxnType::Check, TxnType::Error};
  MultiTxn multi;
  const size_t count = *rc::gen::inRange<size_t>(0, 5);
  for (size_t i = 0; i < count; ++i) {
    const TxnType type =
        *rc::gen::elementOf(std::vector<TxnType>(std::begin(kPartTypes), std::end(kPartTypes)));
    Storage part_storage;
    const TxnBody body = draw_body(type, part_storage);
    Bytes bytes;
    encode_body(type, body, bytes);
    storage.parts.push_back(bytes);
    multi.parts.push_back({type, {}});
  }
  for (size_t i = 0; i < count; ++i) multi.parts[i].body = storage.parts[i];
  return multi;
}

Txn draw_txn(Storage& storage) {
  Txn txn;
  txn.header.session = SessionId{*rc::gen::arbitrary<int64_t>()};
  txn.header.cxid = *rc::gen::arbitrary<int32_t>();
  txn.header.zxid = Zxid{*rc::gen::arbitrary<uint64_t>()};
  txn.header.time = WallTime{*rc::gen::arbitrary<int64_t>()};
  txn.header.type =
      *rc::gen::elementOf(std::vector<TxnType>(std::begin(kAllTypes), std::end(kAllTypes)));
  txn.body = draw_body(txn.header.type, storage);
  if (*rc::gen::arbitrary<bool>()) {
    txn.digest = TxnDigest{kDigestVersion, *rc::gen::arbitrary<uint64_t>()};
  }
  return txn;
}

RC_GTEST_PROP(WireTxnProperty, EveryTxnComesBack, ()) {
  Storage storage;
  const Txn txn = draw_txn(storage);
  const Bytes entry = encode_txn(txn);
  const Result<Txn> back = decode_txn(entry);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->header.session == txn.header.session);
  RC_ASSERT(back->header.cxid == txn.header.cxid);
  RC_ASSERT(back->header.zxid == txn.header.zxid);
  RC_ASSERT(back->header.time == txn.header.time);
  RC_ASSERT(back->header.type == txn.header.type);
  RC_ASSERT(back->digest.has_value() == txn.digest.has_value());
  if (txn.digest) RC_ASSERT(back->digest->tree_digest == txn.digest->tree_digest);
  // Fields are compared through the encoding, which the golden logs pin down.
  RC_ASSERT(encode_txn(*back) == entry);
  Bytes body;
  encode_body(txn.header.type, txn.body, body);
  RC_ASSERT(decode_body(txn.header.type, body).has_value());
}

RC_GTEST_PROP(WireTxnProperty, EveryCutOfAnEntryIsRefusedOrStillWellFormed, ()) {
  Storage storage;
  const Txn txn = draw_txn(storage);
  const Bytes entry = encode_txn(txn);
  for (size_t size = 0; size < entry.size(); ++size) {
    const Bytes cut(entry.begin(), entry.begin() + static_cast<ptrdiff_t>(size));
    const Result<Txn> back = decode_txn(cut);
    if (!back) continue;
    // Without the digest a txn is a txn; a create may pass for one of an old log; and a
    // closeSession is one without body, or by chance one with.
    const bool explained = (txn.digest && size + kTxnDigestBytes == entry.size()) ||
                           txn.header.type == TxnType::Create ||
                           txn.header.type == TxnType::CloseSession;
    RC_ASSERT(explained);
  }
}

// What decodes is encoded to something that decodes to the same encoding.
bool decodes_stably(const Bytes& entry) {
  const Result<Txn> txn = decode_txn(entry);
  if (!txn) return false;
  const Bytes again = encode_txn(*txn);
  const Result<Txn> back = decode_txn(again);
  RC_ASSERT(back.has_value());
  RC_ASSERT(encode_txn(*back) == again);
  return true;
}

RC_GTEST_PROP(WireTxnProperty, NoBytesCrash, ()) {
  Bytes entry = header_bytes(
      *rc::gen::elementOf(std::vector<TxnType>(std::begin(kAllTypes), std::end(kAllTypes))));
  const Bytes body =
      *rc::gen::container<Bytes>(rc::gen::weightedOneOf<Byte>({{3, rc::gen::just<Byte>(0)},
                                                               {2, rc::gen::inRange<Byte>(0, 8)},
                                                               {1, rc::gen::arbitrary<Byte>()}}));
  append_bytes(entry, body);
  decodes_stably(entry);
}

RC_GTEST_PROP(WireTxnProperty, NoDamageCrashes, ()) {
  Storage storage;
  Bytes entry = encode_txn(draw_txn(storage));
  const size_t count = *rc::gen::inRange<size_t>(1, 4);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, entry.size());
    entry[at] = *rc::gen::arbitrary<Byte>();
  }
  RC_CLASSIFY(decodes_stably(entry), "still a txn");
}

}  // namespace
}  // namespace vivarium
