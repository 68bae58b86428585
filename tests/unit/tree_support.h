// What the tests of core/tree share: txns and requests in one line each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium::tree_test {

inline constexpr SessionId kSession{0x100};

inline Acl open_to_all() { return {{kPermAll, "world", "anyone"}}; }

// Encodes, decodes and applies: what the tree sees has been bytes.
inline Effects apply_body(DataTree& tree, TxnType type, const TxnBody& body, Zxid zxid,
                          SessionId session = {}, WallTime time = {1000}) {
  Txn txn;
  txn.header = {session, 0, zxid, time, type};
  txn.body = body;
  const Bytes entry = encode_txn(txn);
  const Result<Txn> decoded = decode_txn(entry);
  Effects effects;
  if (decoded) tree.apply(*decoded, effects);
  return effects;
}

inline CreateTxn create_txn(std::string_view path, std::string_view data, int32_t parent_cversion,
                            bool ephemeral = false) {
  CreateTxn txn;
  txn.path = path;
  txn.data = as_bytes(data);
  txn.acl = open_to_all();
  txn.ephemeral = ephemeral;
  txn.parent_cversion = parent_cversion;
  return txn;
}

inline SetDataTxn set_data_txn(std::string_view path, std::string_view data, int32_t version) {
  return {path, as_bytes(data), false, version};
}

inline Bytes create_body(std::string_view path, std::string_view data, CreateFlag flag,
                         Acl acl = open_to_all()) {
  CreateRequest request;
  request.path = path;
  request.data = as_bytes(data);
  request.acl = std::move(acl);
  request.flags = static_cast<int32_t>(flag);
  Bytes out;
  encode(request, out);
  return out;
}

inline Bytes delete_body(std::string_view path, int32_t version = -1) {
  Bytes out;
  encode(PathVersionRequest{path, version}, out);
  return out;
}

inline Bytes set_data_body(std::string_view path, std::string_view data, int32_t version = -1) {
  Bytes out;
  encode(SetDataRequest{path, as_bytes(data), false, version}, out);
  return out;
}

inline Bytes timeout_body(int32_t timeout_ms) {
  Bytes out;
  JuteWriter(out).i32(timeout_ms);
  return out;
}

inline std::string text_of(const DataTree& tree, std::string_view path) {
  const DataTree::Slot slot = tree.find(path);
  return slot == DataTree::kNone ? "(none)" : std::string(as_text(tree.view(slot).data));
}

inline std::vector<std::string> children_of(const DataTree& tree, std::string_view path) {
  std::vector<std::string> names;
  for (DataTree::Slot s = tree.first_child(tree.find(path)); s != DataTree::kNone;
       s = tree.next_sibling(s)) {
    names.emplace_back(tree.view(s).name);
  }
  return names;
}

}  // namespace vivarium::tree_test
