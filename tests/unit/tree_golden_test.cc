// Logs of real ZooKeeper 3.8.0 servers, replayed: after every record that carries a digest ours
// agrees, and the end is the tree that clients saw (tests/golden).
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/tree/data_tree.h"
#include "core/wire/acl_codec.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using nlohmann::json;

uint64_t hex_number(const json& text) {
  return std::stoull(text.get<std::string>().substr(2), nullptr, 16);
}

// Turns the decoded records of the golden JSON into our structures; owns what their views point to.
class GoldenTxns {
 public:
  Txn txn(const json& record) {
    Txn txn;
    txn.header.session = SessionId{static_cast<int64_t>(hex_number(record["sid"]))};
    txn.header.cxid = record["cxid"].get<int32_t>();
    txn.header.zxid = Zxid{hex_number(record["zxid"])};
    txn.header.time = WallTime{record["time"].get<int64_t>()};
    txn.header.type = static_cast<TxnType>(record["type"].get<int32_t>());
    txn.body = body(txn.header.type, record["txn"]);
    if (!record["digest"].is_null()) {
      txn.digest = TxnDigest{record["digest"]["version"].get<int32_t>(),
                             hex_number(record["digest"]["tree"])};
    }
    return txn;
  }

 private:
  TxnBody body(TxnType type, const json& fields) {
    switch (type) {
      case TxnType::Create:
      case TxnType::Create2:
      case TxnType::CreateContainer:
      case TxnType::CreateTtl: {
        CreateTxn create;
        create.path = path(fields);
        create.null_data = fields["data"].is_null();
        create.data = data(fields);
        create.acl = acl(fields["acl"]);
        create.ephemeral = fields.value("eph", false);
        create.parent_cversion = fields["pcv"].get<int32_t>();
        create.ttl_ms = fields.value("ttl", int64_t{0});
        return create;
      }
      case TxnType::Delete:
      case TxnType::DeleteContainer:
        return DeleteTxn{path(fields)};
      case TxnType::SetData:
      case TxnType::Reconfig:
        return SetDataTxn{path(fields), data(fields), fields["data"].is_null(),
                          fields["version"].get<int32_t>()};
      case TxnType::SetAcl:
        return SetAclTxn{path(fields), acl(fields["acl"]), fields["version"].get<int32_t>()};
      case TxnType::Check:
        return CheckTxn{path(fields), fields["version"].get<int32_t>()};
      case TxnType::CreateSession:
        return CreateSessionTxn{fields["timeout"].get<int32_t>()};
      case TxnType::CloseSession: {
        CloseSessionTxn close;
        close.has_paths = !fields["paths"].is_null();
        if (!close.has_paths) return close;
        for (const json& one : fields["paths"]) close.paths.push_back(keep(one));
        return close;
      }
      case TxnType::Error:
        return ErrorTxn{static_cast<ErrorCode>(fields["err"].get<int32_t>())};
      case TxnType::Multi: {
        MultiTxn multi;
        for (const json& part : fields["txns"]) {
          const TxnType part_type = static_cast<TxnType>(part["type"].get<int32_t>());
          Bytes& encoded = bytes_.emplace_back();
          encode_body(part_type, body(part_type, part["body"]), encoded);
          multi.parts.push_back({part_type, encoded});
        }
        return multi;
      }
    }
    ADD_FAILURE() << "unknown type " << static_cast<int>(type);
    return ErrorTxn{};
  }
  std::string_view keep(const json& text) { return texts_.emplace_back(text.get<std::string>()); }
  std::string_view path(const json& fields) { return keep(fields["path"]); }
  ByteView data(const json& fields) {
    if (fields["data"].is_null()) return {};
    return bytes_.emplace_back(golden::from_hex(fields["data"].get<std::string>()));
  }
  static Acl acl(const json& list) {
    Acl acl;
    for (const json& entry : list) {
      acl.push_back(
          {entry[0].get<int32_t>(), entry[1].get<std::string>(), entry[2].get<std::string>()});
    }
    return acl;
  }

  std::deque<std::string> texts_;
  std::deque<Bytes> bytes_;
};

Stat stat_of(const json& fields) {
  Stat stat;
  stat.czxid = Zxid{fields["czxid"].get<uint64_t>()};
  stat.mzxid = Zxid{fields["mzxid"].get<uint64_t>()};
  stat.ctime_ms = fields["ctime"].get<int64_t>();
  stat.mtime_ms = fields["mtime"].get<int64_t>();
  stat.version = fields["version"].get<int32_t>();
  stat.cversion = fields["cversion"].get<int32_t>();
  stat.aversion = fields["aversion"].get<int32_t>();
  stat.ephemeral_owner = fields["ephemeralOwner"].get<int64_t>();
  stat.data_length = fields["dataLength"].get<int32_t>();
  stat.num_children = fields["numChildren"].get<int32_t>();
  stat.pzxid = Zxid{fields["pzxid"].get<uint64_t>()};
  return stat;
}

void expect_node(const DataTree& tree, const json& node) {
  const std::string path = node["path"].get<std::string>();
  SCOPED_TRACE(path);
  const DataTree::Slot slot = tree.find(path);
  ASSERT_NE(slot, DataTree::kNone);
  const DataTree::NodeView view = tree.view(slot);
  EXPECT_EQ(tree.path_of(slot), path);
  EXPECT_EQ(view.null_data, node["data"].is_null());
  if (!view.null_data) {
    EXPECT_EQ(Bytes(view.data.begin(), view.data.end()),
              golden::from_hex(node["data"].get<std::string>()));
  }
  EXPECT_EQ(tree.stat(slot), stat_of(node["stat"]));
  EXPECT_EQ(static_cast<uint64_t>(view.stat.ephemeral_owner),
            hex_number(node["stored"]["ephemeralOwner"]));
  EXPECT_EQ(view.stat.cversion, node["stored"]["cversion"].get<int32_t>());
  ASSERT_EQ(view.acl->size(), node["acl"].size());
  for (size_t i = 0; i < view.acl->size(); ++i) {
    EXPECT_EQ((*view.acl)[i], (AclEntry{node["acl"][i]["perms"].get<int32_t>(),
                                        node["acl"][i]["scheme"].get<std::string>(),
                                        node["acl"][i]["id"].get<std::string>()}));
  }
  std::vector<std::string> children = tree_test::children_of(tree, path);
  std::sort(children.begin(), children.end());
  EXPECT_EQ(children, node["children"].get<std::vector<std::string>>());
}

// Sessions, ACL map and nodes of a golden snapshot file, as they stand, into a cleared tree.
void load_snapshot(ByteView file, DataTree& tree) {
  tree.clear();
  JuteReader in(file.subspan(16));
  for (int32_t left = in.i32(); left > 0; --left) {
    const SessionId session{in.i64()};
    tree.load_session(session, in.i32());
  }
  std::map<int64_t, Acl> acls = {{-1, tree_test::open_to_all()}};
  for (int32_t left = in.i32(); left > 0; --left) {
    const int64_t id = in.i64();
    acls[id] = decode_acl(in);
  }
  for (std::string_view path = in.string(); path != "/"; path = in.string()) {
    bool null_data = false;
    const ByteView data = in.buffer(&null_data);
    const Acl& acl = acls.at(in.i64());
    StatPersisted stat;
    stat.czxid = Zxid::from_wire(in.i64());
    stat.mzxid = Zxid::from_wire(in.i64());
    stat.ctime_ms = in.i64();
    stat.mtime_ms = in.i64();
    stat.version = in.i32();
    stat.cversion = in.i32();
    stat.aversion = in.i32();
    stat.ephemeral_owner = in.i64();
    stat.pzxid = Zxid::from_wire(in.i64());
    ASSERT_TRUE(in.ok() && tree.load_node(path, data, null_data, acl, stat)) << path;
  }
  tree.recount_quotas();
}

// Apache's snapshots are fuzzy: snapshot.46 holds effects of later txns. Replaying those over it
// ends in the same tree from any snapshot, and the digests agree again from the end of the fuzzy
// range on.
void expect_replay_over_snapshots(const std::string& archive, const std::string& expected_name,
                                  size_t snapshots) {
  const std::map<std::string, Bytes> files = golden::read_archive(archive);
  const json expected = golden::read_json("data/" + expected_name);
  std::map<Zxid, Bytes> entries;
  for (const auto& [name, bytes] : files) {
    if (name.find("/log.") == std::string::npos) continue;
    for (const Bytes& entry : golden::log_entries(bytes)) {
      entries[decode_txn_header(entry)->zxid] = entry;
    }
  }
  std::optional<Hash128> state_hash;
  for (const auto& [name, bytes] : files) {
    if (name.find("/snapshot.") == std::string::npos) continue;
    SCOPED_TRACE(name);
    --snapshots;
    DataTree tree;
    load_snapshot(bytes, tree);
    const Zxid start{std::stoull(name.substr(name.rfind('.') + 1), nullptr, 16)};
    tree.set_last_applied(start);
    Effects effects;
    bool agreed = false;
    for (auto entry = entries.upper_bound(start); entry != entries.end(); ++entry) {
      const Result<Txn> txn = decode_txn(entry->second);
      ASSERT_TRUE(txn.has_value());
      tree.apply(*txn, effects);
      if (!txn->digest) continue;
      if (agreed) {
        ASSERT_EQ(tree.digest(), txn->digest->tree_digest) << entry->first.value;
      }
      agreed = agreed || tree.digest() == txn->digest->tree_digest;
    }
    EXPECT_TRUE(agreed);
    EXPECT_EQ(tree.digest(), hex_number(expected["tree_digest_v2"]));
    EXPECT_EQ(tree.last_applied().value, hex_number(expected["last_zxid"]));
    if (!state_hash) state_hash = tree.state_hash();
    EXPECT_EQ(tree.state_hash(), *state_hash);
    for (const json& node : expected["nodes"]) {
      if (node["path"] != "/zookeeper/config") expect_node(tree, node);
    }
  }
  EXPECT_EQ(snapshots, 0U);
}

TEST(TreeGoldenSnapshots, StandaloneEndsEqualFromEachOne) {
  expect_replay_over_snapshots("standalone.tar.gz", "expected-standalone.json", 3);
}
TEST(TreeGoldenSnapshots, EnsembleEndsEqualFromEachOne) {
  expect_replay_over_snapshots("ensemble-1.tar.gz", "expected-ensemble.json", 3);
  expect_replay_over_snapshots("ensemble-2.tar.gz", "expected-ensemble.json", 2);
  expect_replay_over_snapshots("ensemble-3.tar.gz", "expected-ensemble.json", 2);
}

struct GoldenLog {
  const char* name;
  size_t digests;  // records that carry one
  bool config_is_local;
};

class TreeGolden : public testing::TestWithParam<GoldenLog> {};

TEST_P(TreeGolden, ReplaysToWhatClientsSaw) {
  const json log = golden::read_json(std::string("data/txnlog-") + GetParam().name + ".json");
  const json expected =
      golden::read_json(std::string("data/expected-") + GetParam().name + ".json");
  ASSERT_TRUE(log.is_array() && expected.is_object());
  DataTree tree;
  GoldenTxns txns;
  Effects effects;
  size_t digests = 0;
  for (const json& record : log) {
    const Txn txn = txns.txn(record);
    const Bytes entry = encode_txn(txn);
    const Result<Txn> decoded = decode_txn(entry);
    ASSERT_TRUE(decoded.has_value()) << record;
    tree.apply(*decoded, effects);
    if (txn.header.type != TxnType::Error && txn.header.type != TxnType::Multi) {
      EXPECT_EQ(effects.error, ErrorCode::Ok) << record;
    }
    if (!txn.digest) continue;
    ++digests;
    ASSERT_EQ(tree.digest(), txn.digest->tree_digest) << record;
  }
  EXPECT_EQ(digests, GetParam().digests);
  EXPECT_EQ(tree.last_applied().value, hex_number(expected["last_zxid"]));
  EXPECT_EQ(tree.digest(), hex_number(expected["tree_digest_v2"]));

  std::map<SessionId, int32_t> sessions;
  for (const json& one : expected["sessions"]) {
    sessions[SessionId{static_cast<int64_t>(hex_number(one["id"]))}] =
        one["timeout"].get<int32_t>();
  }
  EXPECT_EQ(tree.sessions(), sessions);
  for (const json& node : expected["nodes"]) {
    if (GetParam().config_is_local && node["path"] == "/zookeeper/config") continue;
    expect_node(tree, node);
  }
  if (!expected["nodes"].empty()) {
    EXPECT_EQ(tree.node_count(), expected["nodes"].size());
  }
}

// A snapshot is the tree as a list of nodes: loading it gives equal hashes, whatever the order of
// siblings, and statistics of quotas are what a recount gives.
TEST_P(TreeGolden, LoadsToTheSameHashes) {
  const json log = golden::read_json(std::string("data/txnlog-") + GetParam().name + ".json");
  DataTree tree;
  GoldenTxns txns;
  Effects effects;
  for (const json& record : log) tree.apply(txns.txn(record), effects);

  DataTree loaded;
  loaded.clear();
  EXPECT_EQ(loaded.state_hash(), Hash128{});
  EXPECT_EQ(loaded.digest(), 0U);
  std::vector<DataTree::Slot> stack = {tree.find("/")};
  while (!stack.empty()) {
    const DataTree::Slot slot = stack.back();
    stack.pop_back();
    const DataTree::NodeView view = tree.view(slot);
    EXPECT_TRUE(
        loaded.load_node(tree.path_of(slot), view.data, view.null_data, *view.acl, view.stat));
    for (DataTree::Slot s = tree.first_child(slot); s != DataTree::kNone;
         s = tree.next_sibling(s)) {
      stack.push_back(s);  // visited in reverse order of creation
    }
  }
  for (const auto& [session, timeout_ms] : tree.sessions())
    loaded.load_session(session, timeout_ms);
  EXPECT_EQ(loaded.digest(), tree.digest());
  EXPECT_EQ(loaded.state_hash(), tree.state_hash());
  EXPECT_EQ(loaded.ephemeral_count(), tree.ephemeral_count());
  EXPECT_EQ(loaded.data_bytes(), tree.data_bytes());
  loaded.recount_quotas();
  EXPECT_EQ(tree_test::text_of(loaded, "/zookeeper/quota/q/zookeeper_stats"),
            tree_test::text_of(tree, "/zookeeper/quota/q/zookeeper_stats"));
}

INSTANTIATE_TEST_SUITE_P(Logs, TreeGolden,
                         testing::Values(GoldenLog{"standalone", 188, false},
                                         GoldenLog{"ensemble", 192, true},
                                         GoldenLog{"standalone-nodigest", 0, false}),
                         [](const testing::TestParamInfo<GoldenLog>& log) {
                           std::string name = log.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace vivarium
