#include "tests/simulation/zab_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

#include "core/storage/snapshot.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/packet_names.h"

namespace vivarium::zab_test {
namespace {

Acl anyone() { return {AclEntry{kPermAll, "world", "anyone"}}; }

Bytes request_body(Op op, const Words& words, size_t at) {
  Bytes body;
  if (words.size() <= at && op != Op::Sync) {
    if (op == Op::CreateSession) JuteWriter(body).i32(10000);
  } else if (op == Op::Create) {
    CreateRequest record;
    record.path = words.at(at);
    record.acl = anyone();
    record.flags = has(words, "ephemeral") ? 1 : 0;
    encode(record, body);
  } else if (op == Op::Delete) {
    encode(PathVersionRequest{words.at(at), -1}, body);
  } else if (op == Op::Sync) {
    encode(SyncRequest{"/", false}, body);
  } else if (op == Op::CreateSession) {
    JuteWriter(body).i32(static_cast<int32_t>(number(words, "timeout", 10000)));
  }
  return body;
}

Op op_of(const std::string& name) {
  static const std::map<std::string, Op> table = {{"create", Op::Create},
                                                  {"delete", Op::Delete},
                                                  {"sync", Op::Sync},
                                                  {"open", Op::CreateSession},
                                                  {"close", Op::CloseSession}};
  const auto found = table.find(name);
  if (found == table.end()) throw std::runtime_error("which request? " + name);
  return found->second;
}

// "REQUEST session=77 create /a [cxid=N]", or by number: "REQUEST session=77 op=4 body=HEX".
Bytes request_of(const Words& words, size_t at) {
  const std::string by_number = option(words, "op", "");
  const Op op = by_number.empty() ? op_of(words.at(at + 2)) : static_cast<Op>(std::stoi(by_number));
  Bytes body = request_body(op, words, at + 3);
  if (!by_number.empty()) body = golden::from_hex(option(words, "body", ""));
  const auto cxid = static_cast<int32_t>(number(words, "cxid", 1));
  return request_packet({SessionId{number(words, "session", 0)}, cxid, op, body}, "10.0.0.9");
}

Bytes learner_info_of(const Words& words) {
  LearnerInfo info;
  info.id = ServerId{number(words, "id", 0)};
  info.protocol_version = static_cast<int32_t>(number(words, "version", 0x10000));
  Bytes data;
  encode(info, data);
  return data;
}

std::string text_of_data(ByteView data) {
  const bool printable =
      std::all_of(data.begin(), data.end(), [](Byte b) { return b > ' ' && b < 0x7f; });
  if (!printable) return fmt::format(" ({} bytes)", data.size());
  return data.empty() ? "" : fmt::format(" {}", as_text(data));
}

std::string text_of_request(const QuorumPacket& packet) {
  const std::optional<ForwardedRequest> request = decode_forwarded_request(packet.data);
  if (!request) return " which does not decode";
  std::string out = fmt::format(" session={:x} cxid={} op={}", request->session.value,
                                request->cxid, static_cast<int32_t>(request->op));
  if (packet.null_auth) return out + " without identities";
  for (const AuthId& id : packet.auth) out += fmt::format(" {}:{}", id.scheme, id.id);
  return out;
}

// What stands behind name and zxid.
std::string text_of_body(const QuorumPacket& packet) {
  switch (packet.type) {
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo: {
      const std::optional<LearnerInfo> info = decode_learner_info(packet.data);
      return info ? fmt::format(" id={}", info->id.value) : " which does not decode";
    }
    case PacketType::AckEpoch: {
      JuteReader in(packet.data);
      return fmt::format(" current={}", in.i32());
    }
    case PacketType::Proposal:
    case PacketType::Inform: {
      const Result<Txn> txn = decode_txn(packet.data);
      return txn ? " " + text_of(*txn) : " which does not decode";
    }
    case PacketType::Ping: {
      const auto touches = decode_touches(packet.data);
      std::string out;
      if (!touches) return " which does not decode";
      for (const SessionTouch& t : *touches) {
        out += fmt::format(" {:x}:{}", t.session.value, t.timeout_ms);
      }
      return out;
    }
    case PacketType::Revalidate: {
      if (packet.data.size() == 12) {
        const std::optional<SessionTouch> asked = decode_revalidate(packet.data);
        return fmt::format(" {:x} timeout={}", asked->session.value, asked->timeout_ms);
      }
      const auto answer = decode_revalidate_answer(packet.data);
      if (!answer) return " which does not decode";
      return fmt::format(" {:x} {}", answer->session.value, answer->valid ? "valid" : "invalid");
    }
    case PacketType::Request:
      return text_of_request(packet);
    case PacketType::Ack:
    case PacketType::Commit:
    case PacketType::Sync:
    case PacketType::CommitAndActivate:
    case PacketType::NewLeader:
    case PacketType::UpToDate:
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
    case PacketType::LeaderInfo:
    case PacketType::InformAndActivate:
      break;
  }
  return "";
}

}  // namespace

Bytes request_packet(const ForwardedRequest& request, const std::string& address) {
  Bytes data;
  encode(request, data);
  QuorumPacket packet;
  packet.type = PacketType::Request;
  packet.zxid = kNoZxidWire;
  packet.null_data = false;
  packet.data = data;
  packet.null_auth = request.op == Op::CreateSession;
  if (!packet.null_auth) packet.auth = {AuthId{"ip", address}};
  Bytes out;
  encode(packet, out);
  return out;
}

Words split(const std::string& text) {
  std::istringstream in(text);
  return Words(std::istream_iterator<std::string>(in), {});
}

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string option(const Words& words, const std::string& name, const std::string& otherwise) {
  for (const std::string& word : words) {
    if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
  }
  return otherwise;
}

int64_t number(const Words& words, const std::string& name, int64_t otherwise) {
  const std::string text = option(words, name, "");
  return text.empty() ? otherwise : std::stoll(text, nullptr, 0);
}

std::string text_of(Zxid zxid) { return fmt::format("{}:{}", zxid.epoch(), zxid.counter()); }

std::string text_of_wire(int64_t zxid) {
  return zxid == kNoZxidWire ? "-1" : text_of(Zxid::from_wire(zxid));
}

Zxid zxid_of(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) throw std::runtime_error("zxid " + text);
  return Zxid(static_cast<Epoch>(std::stoul(text.substr(0, colon))),
              static_cast<uint32_t>(std::stoul(text.substr(colon + 1))));
}

int64_t wire_of(const std::string& text) {
  return text == "-1" ? kNoZxidWire : zxid_of(text).wire();
}

Txn txn_of(Zxid zxid, const Words& words, size_t at) {
  Txn txn;
  txn.header.session = SessionId{0x1000};
  txn.header.cxid = static_cast<int32_t>(zxid.counter());
  txn.header.zxid = zxid;
  txn.header.time = {1'700'000'000'000};
  const std::string& verb = words.at(at);
  if (verb == "create") {
    CreateTxn create;
    create.path = words.at(at + 1);
    const int64_t owner = number(words, "ephemeral", 0);
    if (owner == 0 && words.size() > at + 2) create.data = as_bytes(words[at + 2]);
    create.acl = anyone();
    create.ephemeral = owner != 0;
    if (create.ephemeral) txn.header.session = SessionId{owner};
    txn.header.type = TxnType::Create;
    txn.body = create;
  } else if (verb == "delete") {
    txn.header.type = TxnType::Delete;
    txn.body = DeleteTxn{words.at(at + 1)};
  } else if (verb == "session") {
    txn.header.session = SessionId{std::stoll(words.at(at + 1), nullptr, 0)};
    txn.header.type = TxnType::CreateSession;
    txn.body = CreateSessionTxn{static_cast<int32_t>(number(words, "timeout", 10000))};
  } else if (verb == "error") {
    txn.header.type = TxnType::Error;
    txn.body = ErrorTxn{static_cast<ErrorCode>(std::stoi(words.at(at + 1)))};
  } else {
    throw std::runtime_error("which txn? " + verb);
  }
  return txn;
}

std::string text_of(const Txn& txn) {
  if (const auto* create = std::get_if<CreateTxn>(&txn.body)) {
    return fmt::format("create {}{}", create->path, text_of_data(create->data));
  }
  if (const auto* remove = std::get_if<DeleteTxn>(&txn.body)) {
    return fmt::format("delete {}", remove->path);
  }
  if (const auto* set = std::get_if<SetDataTxn>(&txn.body)) {
    return fmt::format("set {}{}", set->path, text_of_data(set->data));
  }
  if (const auto* session = std::get_if<CreateSessionTxn>(&txn.body)) {
    return fmt::format("session {:x} timeout={}", txn.header.session.value, session->timeout_ms);
  }
  if (std::holds_alternative<CloseSessionTxn>(txn.body)) {
    return fmt::format("close {:x}", txn.header.session.value);
  }
  if (const auto* error = std::get_if<ErrorTxn>(&txn.body)) {
    return fmt::format("error {}", static_cast<int32_t>(error->error));
  }
  return fmt::format("txn of type {}", static_cast<int32_t>(txn.header.type));
}

Bytes packet_of(const Words& words, size_t at) {
  const std::string& name = words.at(at);
  const auto found = std::find_if(packet_names().begin(), packet_names().end(),
                                  [&](const auto& row) { return row.second == name; });
  if (found == packet_names().end()) throw std::runtime_error("which packet? " + name);
  const PacketType type = found->first;
  const std::string first = words.size() > at + 1 ? words[at + 1] : "";
  const bool zxid_given = first == "-1" || first.find(':') != std::string::npos;
  const auto epoch = static_cast<Epoch>(number(words, "epoch", 0));
  int64_t zxid = zxid_given ? wire_of(first) : Zxid(epoch, 0).wire();
  Bytes data;
  Bytes out;
  if (type == PacketType::Request) return request_of(words, at);
  if (type == PacketType::FollowerInfo || type == PacketType::ObserverInfo) {
    zxid = Zxid(static_cast<Epoch>(number(words, "accepted", 0)), 0).wire();
    data = learner_info_of(words);
  } else if (type == PacketType::LeaderInfo) {
    JuteWriter(data).i32(kLeaderProtocolVersion);
  } else if (type == PacketType::AckEpoch) {
    JuteWriter(data).i32(static_cast<int32_t>(number(words, "current", -1)));
  } else if (type == PacketType::Revalidate) {
    zxid = kNoZxidWire;
    const SessionId session{number(words, "session", 0)};
    if (has(words, "valid") || has(words, "invalid")) {
      encode(RevalidateAnswer{session, has(words, "valid")}, data);
    } else {
      encode(SessionTouch{session, static_cast<int32_t>(number(words, "timeout", 10000))}, data);
    }
  } else if (type == PacketType::UpToDate) {
    zxid = kNoZxidWire;
  } else if (type == PacketType::Ping && has(words, "touch")) {
    encode_touches({{SessionId{number(words, "session", 0)}, 10000}}, data);
  } else if (type == PacketType::NewLeader) {
    append_bytes(data, as_bytes("version=0"));
  }
  if (data.empty()) {
    encode_packet(type, zxid, out);
  } else {
    encode_packet(type, zxid, data, out);
  }
  return out;
}

std::string text_of(const QuorumPacket& packet) {
  const auto found = packet_names().find(packet.type);
  std::string out = found == packet_names().end()
                        ? fmt::format("packet {}", static_cast<int>(packet.type))
                        : found->second;
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  switch (packet.type) {
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
      out += fmt::format(" accepted={}", zxid.epoch());
      break;
    case PacketType::LeaderInfo:
    case PacketType::NewLeader:
      out += fmt::format(" epoch={}", zxid.epoch());
      if (zxid.counter() != 0) out += " and a counter";
      break;
    case PacketType::Sync:
    case PacketType::UpToDate:
    case PacketType::Request:
    case PacketType::Revalidate:
      break;
    case PacketType::Ack:
    case PacketType::Commit:
    case PacketType::Ping:
    case PacketType::Proposal:
    case PacketType::Inform:
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
    case PacketType::AckEpoch:
    case PacketType::CommitAndActivate:
    case PacketType::InformAndActivate:
      out += " " + text_of_wire(packet.zxid);
      break;
  }
  return out + text_of_body(packet);
}

DataTree snap_tree(Zxid zxid, const Words& paths) {
  DataTree tree;
  Effects effects;
  uint32_t counter = 0;
  for (const std::string& path : paths) {
    effects.clear();
    tree.apply(txn_of(Zxid(1, ++counter), {"create", path}, 0), effects);
  }
  tree.set_last_applied(zxid);
  return tree;
}

Bytes snap_of(const DataTree& tree) {
  Bytes out;
  encode_snapshot_body(tree, out);
  JuteWriter(out).string("BenWasHere");
  return out;
}

std::optional<SnapText> read_snap(ByteView bytes) {
  DataTree tree;
  tree.clear();
  SnapshotBodyReader reader;
  size_t used = 0;
  const Decoded state = reader.feed(bytes, tree, used);
  if (state == Decoded::Bad) throw std::runtime_error("SNAP: " + reader.error());
  if (state == Decoded::NeedMore) return std::nullopt;
  JuteReader tail(bytes.subspan(used));
  const std::string signature(tail.string());
  if (!tail.ok()) return std::nullopt;
  return SnapText{
      fmt::format("znodes={} sessions={} {}", tree.node_count(), tree.sessions().size(), signature),
      used + tail.position()};
}

}  // namespace vivarium::zab_test
