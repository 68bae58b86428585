// Random requests through prepare, encode, decode and apply against a model that is a plain map:
// results, stats, names of sequential znodes, watch changes, and the digest predicted, applied and
// recomputed.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using tree_test::create_body;
using tree_test::delete_body;
using tree_test::set_data_body;
using tree_test::timeout_body;
using Changes = std::vector<std::pair<WatchEvent, std::string>>;

constexpr size_t kSlots = 4;  // of sessions; the last one is never opened
constexpr size_t kPendingMax = 8;

// --- the model

struct ModelNode {
  std::string data;
  Acl acl;
  StatPersisted stat;
};

struct Outcome {
  ErrorCode error{};
  std::string path;
  std::optional<Stat> stat;
  Changes changes;
  uint64_t digest = 0;
  std::vector<Outcome> parts;  // of a multi
};

uint32_t bitwise_crc(const Bytes& bytes) {
  uint32_t crc = 0xffffffff;
  for (const Byte byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

std::vector<AuthId> auth_of(size_t slot) {
  if (slot == 0) return {{"ip", "10.0.0.1"}, {"digest", "alice:x"}};
  if (slot == 1) return {{"ip", "10.0.0.2"}};
  if (slot == 2) return {{"super", ""}};
  return {};
}

Acl requested_acl(int choice) {
  switch (choice) {
    case 0:
      return {{31, "digest", "alice:x"}};
    case 1:
      return {{1, "world", "anyone"}, {4, "ip", "10.0.0.0/31"}};
    case 2:
      return {{15, "auth", ""}};
    case 3:
      return {};
    case 4:
      return {{31, "nosuch", "x"}};
    case 5:
      return {{31, "digest", "a:b:c"}};
    case 6:
      return {{31, "world", "anyone"}, {31, "world", "anyone"}};
    default:
      return tree_test::open_to_all();
  }
}

std::optional<Acl> stored_acl(int choice, size_t slot) {
  if (choice == 2) {
    if (slot != 0) return std::nullopt;
    return Acl{{15, "digest", "alice:x"}};
  }
  if (choice >= 3 && choice <= 5) return std::nullopt;
  if (choice == 6) return tree_test::open_to_all();
  return requested_acl(choice);
}

bool allowed(const Acl& acl, int32_t perm, size_t slot) {
  if (slot == 2) return true;
  for (const AclEntry& entry : acl) {
    if ((entry.perms & perm) == 0) continue;
    if (entry.scheme == "world") return true;
    if (entry.scheme == "digest" && slot == 0) return true;
    if (entry.scheme == "ip" && slot == 0) return true;  // 10.0.0.0/31 holds 10.0.0.1, not .2
  }
  return false;
}

bool proper(const std::string& path) {
  if (path == "/") return true;
  if (path.empty() || path[0] != '/' || path.back() == '/') return false;
  return path.find("//") == std::string::npos && path.find('\x01') == std::string::npos;
}

std::string above(const std::string& path) {
  const std::string parent = path.substr(0, path.rfind('/'));
  return parent.empty() ? "/" : parent;
}

class Model {
 public:
  Model() {
    nodes_["/"] = nodes_["/zookeeper"] =
        nodes_["/zookeeper/quota"] = {"", tree_test::open_to_all(), {}};
    nodes_["/zookeeper/config"] = {"", {{1, "world", "anyone"}}, {}};
    nodes_["/zookeeper/config"].stat.aversion = -1;
  }

  int32_t children(const std::string& path) const {
    int32_t count = 0;
    for (const auto& [other, node] : nodes_) count += other != "/" && above(other) == path ? 1 : 0;
    return count;
  }
  Stat client_stat(const std::string& path) const {
    const ModelNode& node = nodes_.at(path);
    const int32_t count = children(path);
    return {node.stat.czxid,
            node.stat.mzxid,
            node.stat.ctime_ms,
            node.stat.mtime_ms,
            node.stat.version,
            2 * node.stat.cversion - count,
            node.stat.aversion,
            std::max<int64_t>(node.stat.ephemeral_owner, 0),  // sessions have positive ids here
            static_cast<int32_t>(node.data.size()),
            count,
            node.stat.pzxid};
  }
  uint64_t digest() const {
    uint64_t sum = 0;
    for (const auto& [path, node] : nodes_) {
      if (path.starts_with("/zookeeper/")) continue;
      Bytes bytes;
      JuteWriter out(bytes);
      if (path != "/") out.raw(as_bytes(path));
      out.raw(as_bytes(node.data));
      out.i64(node.stat.czxid.wire());
      out.i64(node.stat.mzxid.wire());
      out.i64(node.stat.pzxid.wire());
      out.i64(node.stat.ctime_ms);
      out.i64(node.stat.mtime_ms);
      out.i32(node.stat.version);
      out.i32(node.stat.cversion);
      out.i32(node.stat.aversion);
      out.i64(node.stat.ephemeral_owner);
      sum += bitwise_crc(bytes);
    }
    return sum;
  }

  ErrorCode session_error(SessionId session, ServerId owner) {
    if (!open_.contains(session)) return ErrorCode::SessionExpired;
    return owners_.at(session) == owner ? ErrorCode::Ok : ErrorCode::SessionMoved;
  }

  Outcome open(SessionId session, int32_t timeout_ms, ServerId owner) {
    open_.insert(session);
    sessions_[session] = timeout_ms;
    owners_[session] = owner;
    return {};
  }

  Outcome close(SessionId session, Zxid zxid) {
    Outcome outcome;
    std::vector<std::string> doomed;
    for (const auto& [path, node] : nodes_) {
      if (node.stat.ephemeral_owner == session.value) doomed.push_back(path);
    }
    for (const std::string& path : doomed) remove(path, zxid, outcome.changes);
    open_.erase(session);
    sessions_.erase(session);
    return outcome;
  }

  Outcome create(Op op, std::string path, const std::string& data, int32_t flags, int64_t ttl_ms,
                 int acl_choice, size_t slot, SessionId session, ServerId owner, Zxid zxid,
                 int64_t now) {
    Outcome outcome;
    outcome.error = [&] {
      if (flags < 0 || flags > 6) return ErrorCode::BadArguments;
      if ((flags == 5 || flags == 6) != (op == Op::CreateTtl)) return ErrorCode::BadArguments;
      if (op == Op::CreateTtl && ttl_ms <= 0) return ErrorCode::BadArguments;
      if (const ErrorCode e = session_error(session, owner); e != ErrorCode::Ok) return e;
      if (path.find('/') == std::string::npos) return ErrorCode::BadArguments;
      const std::optional<Acl> acl = stored_acl(acl_choice, slot);
      if (!acl) return ErrorCode::InvalidAcl;
      const auto parent = nodes_.find(above(path));
      if (parent == nodes_.end()) return ErrorCode::NoNode;
      if (!allowed(parent->second.acl, kPermCreate, slot)) return ErrorCode::NoAuth;
      if (flags == 2 || flags == 3 || flags == 6) {
        std::string number = std::to_string(parent->second.stat.cversion);
        path += std::string(10 - number.size(), '0') + number;
      }
      if (!proper(path)) return ErrorCode::BadArguments;
      if (nodes_.contains(path)) return ErrorCode::NodeExists;
      if (parent->second.stat.ephemeral_owner > 0) return ErrorCode::NoChildrenForEphemerals;
      ++parent->second.stat.cversion;
      parent->second.stat.pzxid = zxid;
      ModelNode& node = nodes_[path];
      node.data = data;
      node.acl = *acl;
      node.stat.czxid = node.stat.mzxid = node.stat.pzxid = zxid;
      node.stat.ctime_ms = node.stat.mtime_ms = now;
      node.stat.ephemeral_owner = flags == 1 || flags == 3 ? session.value : 0;
      if (op == Op::CreateContainer) node.stat.ephemeral_owner = INT64_MIN;
      if (op == Op::CreateTtl) node.stat.ephemeral_owner = ttl_ms - (int64_t{1} << 56);
      outcome.path = path;
      outcome.stat = client_stat(path);
      outcome.changes = {{WatchEvent::Created, path}, {WatchEvent::ChildrenChanged, above(path)}};
      return ErrorCode::Ok;
    }();
    return outcome;
  }

  Outcome erase(const std::string& path, int32_t version, size_t slot, SessionId session,
                ServerId owner, Zxid zxid) {
    Outcome outcome;
    outcome.error = [&] {
      if (const ErrorCode e = session_error(session, owner); e != ErrorCode::Ok) return e;
      if (path.find('/') == std::string::npos || path == "/" || path == "/zookeeper" ||
          path == "/zookeeper/quota" || path == "/zookeeper/config") {
        return ErrorCode::BadArguments;
      }
      const auto parent = nodes_.find(above(path));
      if (parent == nodes_.end()) return ErrorCode::NoNode;
      if (!allowed(parent->second.acl, kPermDelete, slot)) return ErrorCode::NoAuth;
      const auto node = nodes_.find(path);
      if (node == nodes_.end()) return ErrorCode::NoNode;
      if (version != -1 && version != node->second.stat.version) return ErrorCode::BadVersion;
      if (children(path) > 0) return ErrorCode::NotEmpty;
      remove(path, zxid, outcome.changes);
      outcome.path = path;
      return ErrorCode::Ok;
    }();
    return outcome;
  }

  Outcome set_data(const std::string& path, const std::string& data, int32_t version, size_t slot,
                   SessionId session, ServerId owner, Zxid zxid, int64_t now) {
    Outcome outcome;
    outcome.error = [&] {
      if (const ErrorCode e = session_error(session, owner); e != ErrorCode::Ok) return e;
      if (!proper(path)) return ErrorCode::BadArguments;
      const auto found = nodes_.find(path);
      if (found == nodes_.end()) return ErrorCode::NoNode;
      ModelNode& node = found->second;
      if (!allowed(node.acl, kPermWrite, slot)) return ErrorCode::NoAuth;
      if (version != -1 && version != node.stat.version) return ErrorCode::BadVersion;
      node.data = data;
      ++node.stat.version;
      node.stat.mzxid = zxid;
      node.stat.mtime_ms = now;
      outcome.path = path;
      outcome.stat = client_stat(path);
      outcome.changes = {{WatchEvent::DataChanged, path}};
      return ErrorCode::Ok;
    }();
    return outcome;
  }

  Outcome set_acl(const std::string& path, int acl_choice, int32_t version, size_t slot,
                  SessionId session, ServerId owner) {
    Outcome outcome;
    outcome.error = [&] {
      if (const ErrorCode e = session_error(session, owner); e != ErrorCode::Ok) return e;
      if (!proper(path)) return ErrorCode::BadArguments;
      const std::optional<Acl> acl = stored_acl(acl_choice, slot);
      if (!acl) return ErrorCode::InvalidAcl;
      const auto found = nodes_.find(path);
      if (found == nodes_.end()) return ErrorCode::NoNode;
      ModelNode& node = found->second;
      if (!allowed(node.acl, kPermAdmin, slot)) return ErrorCode::NoAuth;
      if (version != -1 && version != node.stat.aversion) return ErrorCode::BadVersion;
      node.acl = *acl;
      node.stat.aversion = node.stat.aversion == -2 ? 0 : node.stat.aversion + 1;
      outcome.path = path;
      outcome.stat = client_stat(path);
      return ErrorCode::Ok;
    }();
    return outcome;
  }

  Outcome check(const std::string& path, int32_t version, size_t slot, SessionId session,
                ServerId owner) {
    Outcome outcome;
    outcome.error = [&] {
      if (const ErrorCode e = session_error(session, owner); e != ErrorCode::Ok) return e;
      if (!proper(path)) return ErrorCode::BadArguments;
      const auto found = nodes_.find(path);
      if (found == nodes_.end()) return ErrorCode::NoNode;
      if (!allowed(found->second.acl, kPermRead, slot)) return ErrorCode::NoAuth;
      const bool right = version == -1 || version == found->second.stat.version;
      return right ? ErrorCode::Ok : ErrorCode::BadVersion;
    }();
    return outcome;
  }

  // What the leader removes by itself: a container, or a TTL node whose time is over.
  Outcome reap(const std::string& path, Zxid zxid, int64_t now) {
    Outcome outcome;
    outcome.error = [&] {
      const auto found = nodes_.find(path);
      if (found == nodes_.end()) return ErrorCode::NoNode;
      if (children(path) > 0) return ErrorCode::NotEmpty;
      const int64_t owner = found->second.stat.ephemeral_owner;
      const int64_t age = now - found->second.stat.mtime_ms;
      if (owner >= 0) return ErrorCode::BadVersion;
      if (owner != INT64_MIN && age <= owner + (int64_t{1} << 56)) return ErrorCode::BadVersion;
      remove(path, zxid, outcome.changes);
      outcome.path = path;
      return ErrorCode::Ok;
    }();
    return outcome;
  }

  const std::map<std::string, ModelNode>& nodes() const { return nodes_; }
  const std::map<SessionId, int32_t>& sessions() const { return sessions_; }

 private:
  void remove(const std::string& path, Zxid zxid, Changes& changes) {
    nodes_.at(above(path)).stat.pzxid = zxid;
    nodes_.erase(path);
    changes.emplace_back(WatchEvent::Deleted, path);
    changes.emplace_back(WatchEvent::ChildrenChanged, above(path));
  }

  std::map<std::string, ModelNode> nodes_;
  std::map<SessionId, int32_t> sessions_;
  std::set<SessionId> open_;
  std::map<SessionId, ServerId> owners_;
};

// --- random steps

struct Step {
  int kind = 0;
  size_t slot = 0;
  int path = 0;
  int version = 0;
  int flags = 0;
  int acl = 0;
  int data = 0;
  int applies = 0;
  int moved = 0;  // 7: by way of a server that does not own the session
};

void showValue(const Step& step, std::ostream& out) {
  out << "{kind " << step.kind << " slot " << step.slot << " path " << step.path << " version "
      << step.version << " flags " << step.flags << " acl " << step.acl << " data " << step.data
      << " applies " << step.applies << " moved " << step.moved << "}";
}

// Mostly what succeeds, now and then what must not.
rc::Gen<Step> any_step() {
  const auto below = [](int end) { return rc::gen::inRange(0, end); };
  return rc::gen::build<Step>(
      rc::gen::set(&Step::kind, below(56)),
      rc::gen::set(&Step::slot, rc::gen::weightedElement<size_t>({{6, 0}, {6, 1}, {6, 2}, {1, 3}})),
      rc::gen::set(&Step::path, below(60)),
      rc::gen::set(&Step::version,
                   rc::gen::weightedElement<int>({{6, -1}, {2, 0}, {1, 1}, {1, 7}})),
      rc::gen::set(&Step::flags, rc::gen::weightedOneOf<int>({{9, below(4)}, {1, below(10)}})),
      rc::gen::set(&Step::acl, below(30)), rc::gen::set(&Step::data, below(5)),
      rc::gen::set(&Step::applies, below(3)), rc::gen::set(&Step::moved, below(25)));
}

const std::vector<std::string>& good_paths() {
  static const std::vector<std::string> paths = {"/a",   "/b",   "/a/c", "/a/c/d", "/b/e",
                                                 "/a/s", "/b/s", "/a/f", "/b/g",   "/a/c/s"};
  return paths;
}
const std::vector<std::string>& odd_paths() {
  static const std::vector<std::string> paths = {"/",
                                                 "/a/",
                                                 "/a//b",
                                                 "",
                                                 "nope",
                                                 "/zookeeper",
                                                 "/b/\x01",
                                                 "/nowhere/x",
                                                 "/zookeeper/quota",
                                                 "/zookeeper/config"};
  return paths;
}

class Rehearsal {
 public:
  void step(const Step& step) {
    const Zxid zxid = last_.next();
    last_ = zxid;
    now_ms_ += step.data;  // the clock may stand still
    request_ = WriteRequest();
    request_.cxid = static_cast<int32_t>(zxid.value);
    request_.session = slots_[step.slot];
    auth_ = auth_of(step.slot);
    request_.auth = auth_;
    request_.owner = ServerId{step.moved == 7 ? 2 : 1};
    Outcome outcome = prepare_both(step, zxid);
    outcome.digest = model_.digest();
    request_.body = body_;
    WriteRules rules;
    rules.extended_types = true;
    const Bytes entry =
        prepare(request_, zxid, WallTime{now_ms_}, tree_, pending_, tracker_, rules);
    waiting_.emplace_back(entry, outcome);
    for (int i = 0; i < step.applies && !waiting_.empty(); ++i) apply_one();
    while (waiting_.size() > kPendingMax) apply_one();
  }

  void finish() {
    while (!waiting_.empty()) apply_one();
    pending_.forget(last_);
    RC_ASSERT(pending_.empty());
    compare_trees();
    compare_with_loaded();
  }

  const std::vector<Effects>& applied() const { return applied_; }

 private:
  std::string pick_path(int choice) const {
    const size_t index = static_cast<size_t>(choice);
    if (index < 40) return good_paths()[index % good_paths().size()];
    if (index < 40 + odd_paths().size()) return odd_paths()[index - 40];
    auto node = model_.nodes().begin();
    std::advance(node, static_cast<ptrdiff_t>(index * 7 % model_.nodes().size()));
    return node->first;
  }

  // Runs the model and leaves the request for prepare() in request_ and body_.
  Outcome prepare_both(const Step& step, Zxid zxid) {
    const SessionId session = request_.session;
    const std::string path = pick_path(step.path);
    const std::string data(static_cast<size_t>(step.data) * 11, static_cast<char>('a' + step.data));
    const int32_t version = step.version;
    if (step.kind < 18) return create(step, path, data, zxid);
    if (step.kind < 25) {
      request_.op = Op::Delete;
      body_ = delete_body(path, version);
      return model_.erase(path, version, step.slot, session, request_.owner, zxid);
    }
    if (step.kind < 32) {
      request_.op = Op::SetData;
      body_ = set_data_body(path, data, version);
      return model_.set_data(path, data, version, step.slot, session, request_.owner, zxid,
                             now_ms_);
    }
    if (step.kind < 36) return open_session(step);
    if (step.kind == 36 || step.kind == 39) {
      request_.op = Op::CloseSession;
      request_.internal = step.data % 2 == 0;
      body_.clear();
      return model_.close(session, zxid);
    }
    if (step.kind == 37) {
      request_.op = Op::Check;
      body_ = delete_body(path);
      return error(ErrorCode::Unimplemented);
    }
    if (step.kind >= 53) return reap(path, zxid);
    if (step.kind >= 46) return multi(step, zxid);
    if (step.kind >= 40) {
      request_.op = Op::SetAcl;
      SetAclRequest record;
      record.path = path;
      record.acl = requested_acl(step.acl);
      record.version = version;
      body_.clear();
      encode(record, body_);
      return model_.set_acl(path, step.acl, version, step.slot, session, request_.owner);
    }
    request_.op = step.flags % 2 == 0 ? Op::Create : Op::SetData;
    body_ = step.flags % 2 == 0 ? create_body(path, data, CreateFlag::Persistent)
                                : set_data_body(path, data);
    body_.resize(body_.size() - 1);
    return error(ErrorCode::MarshallingError);
  }

  Outcome create(const Step& step, const std::string& path, const std::string& data, Zxid zxid) {
    static constexpr Op kOps[] = {Op::Create, Op::Create2,         Op::Create,
                                  Op::Create, Op::CreateContainer, Op::CreateTtl};
    request_.op = kOps[step.kind % 6];
    CreateRequest record = create_record(request_.op, step, path, data);
    body_.clear();
    encode(record, body_, request_.op);
    return model_.create(request_.op, path, data, record.flags, record.ttl_ms, step.acl, step.slot,
                         request_.session, request_.owner, zxid, now_ms_);
  }

  static CreateRequest create_record(Op op, const Step& step, const std::string& path,
                                     const std::string& data) {
    CreateRequest record;
    record.path = path;
    record.data = as_bytes(data);
    record.acl = requested_acl(step.acl);
    record.flags = step.flags;
    if (op != Op::CreateTtl) return record;
    if (step.flags < 4) record.flags = 5 + step.flags % 2;
    record.ttl_ms = step.data * 3;
    return record;
  }

  Outcome reap(std::string path, Zxid zxid) {
    if (path.empty()) path = "/";  // the tree takes both for the root
    request_.op = Op::DeleteContainer;
    request_.session = SessionId{};
    request_.internal = true;
    body_.clear();
    encode(PathRequest{path}, body_);
    return model_.reap(path, zxid, now_ms_);
  }

  // Some operations whose details follow from the step's by a hash.
  Outcome multi(const Step& step, Zxid zxid) {
    request_.op = Op::Multi;
    const Model before = model_;
    std::deque<std::string> texts;  // what the records point into
    std::vector<MultiOp> ops;
    Outcome outcome;
    const size_t count = static_cast<size_t>(step.data + step.applies);
    for (size_t i = 0; i < count; ++i) {
      Step part = step;
      const uint64_t hash = hash_combine(zxid.value, i);
      part.kind = static_cast<int>(hash % 20);
      part.path = static_cast<int>(hash / 32 % 60);
      part.version = hash / 2048 % 3 == 0 ? step.version : -1;
      part.flags = static_cast<int>(hash / 8192 % 4);
      part.acl = static_cast<int>(hash / 65536 % 30);
      part.data = static_cast<int>(hash / 4194304 % 5);
      texts.push_back(pick_path(part.path));
      const std::string& path = texts.back();
      texts.emplace_back(static_cast<size_t>(part.data) * 11, 'm');
      ops.emplace_back();
      const Outcome result = prepare_part(part, path, texts.back(), zxid, ops.back());
      if (outcome.error == ErrorCode::Ok) {
        outcome.error = result.error;
        outcome.parts.push_back(result);
        outcome.changes.insert(outcome.changes.end(), result.changes.begin(), result.changes.end());
      } else {
        outcome.parts.push_back(error(ErrorCode::RuntimeInconsistency));
      }
    }
    if (outcome.error != ErrorCode::Ok) {
      model_ = before;
      outcome.changes.clear();
      for (Outcome& part : outcome.parts) part = error(part.error);
    }
    body_.clear();
    encode_multi_request(ops, body_);
    return outcome;
  }

  Outcome prepare_part(const Step& part, const std::string& path, const std::string& data,
                       Zxid zxid, MultiOp& op) {
    const SessionId session = request_.session;
    const ServerId owner = request_.owner;
    if (part.kind < 10) {
      static constexpr Op kOps[] = {Op::Create, Op::Create2, Op::Create, Op::CreateContainer,
                                    Op::CreateTtl};
      op.op = kOps[part.kind % 5];
      const CreateRequest record = create_record(op.op, part, path, data);
      op.record = record;
      return model_.create(op.op, path, data, record.flags, record.ttl_ms, part.acl, part.slot,
                           session, owner, zxid, now_ms_);
    }
    if (part.kind < 13) {
      op.op = Op::Delete;
      op.record = PathVersionRequest{path, part.version};
      return model_.erase(path, part.version, part.slot, session, owner, zxid);
    }
    if (part.kind < 16) {
      op.op = Op::Check;
      op.record = PathVersionRequest{path, part.version};
      return model_.check(path, part.version, part.slot, session, owner);
    }
    op.op = Op::SetData;
    op.record = SetDataRequest{path, as_bytes(data), false, part.version};
    return model_.set_data(path, data, part.version, part.slot, session, owner, zxid, now_ms_);
  }

  Outcome open_session(const Step& step) {
    if (step.slot < kSlots - 1) slots_[step.slot] = SessionId{next_session_++};
    request_.session = SessionId{next_session_++};
    if (step.slot < kSlots - 1) request_.session = slots_[step.slot];
    request_.op = Op::CreateSession;
    const int32_t timeout_ms = 1000 * (1 + step.data);
    body_ = timeout_body(timeout_ms);
    tracker_.add(request_.session, timeout_ms, Instant{0});
    return model_.open(request_.session, timeout_ms, request_.owner);
  }

  static Outcome error(ErrorCode code) {
    Outcome outcome;
    outcome.error = code;
    return outcome;
  }

  void apply_one() {
    const auto [entry, expected] = waiting_.front();
    waiting_.pop_front();
    const Result<Txn> txn = decode_txn(entry);
    RC_ASSERT(txn.has_value());
    RC_ASSERT(txn->digest.has_value());
    tree_.apply(*txn, effects_);
    RC_ASSERT(tree_.last_applied() == txn->header.zxid);
    RC_ASSERT(effects_.error == expected.error);
    RC_ASSERT(tree_.digest() == expected.digest);
    RC_ASSERT(txn->digest->tree_digest == expected.digest);
    compare_result(effects_, expected);
    RC_ASSERT(effects_.parts.size() == expected.parts.size());
    for (size_t i = 0; i < expected.parts.size(); ++i) {
      RC_ASSERT(effects_.parts[i].error == expected.parts[i].error);
      compare_result(effects_.parts[i], expected.parts[i]);
    }
    applied_.push_back(effects_);
    Changes changes;
    for (const Effects::Change& change : effects_.changes) {
      changes.emplace_back(change.event, change.path);
    }
    // The order in which a closing session's znodes go is the preparer's choice, but it is in
    // pairs.
    if (txn->header.type == TxnType::CloseSession) {
      Changes expected_changes = expected.changes;
      std::sort(changes.begin(), changes.end());
      std::sort(expected_changes.begin(), expected_changes.end());
      RC_ASSERT(changes == expected_changes);
    } else {
      RC_ASSERT(changes == expected.changes);
    }
  }

  static void compare_result(const Effects& effects, const Outcome& expected) {
    if (!expected.path.empty()) RC_ASSERT(effects.path == expected.path);
    if (expected.stat) RC_ASSERT(effects.stat == *expected.stat);
  }

  void compare_trees() const {
    RC_ASSERT(tree_.node_count() == model_.nodes().size());
    RC_ASSERT(tree_.sessions() == model_.sessions());
    size_t ephemerals = 0;
    for (const auto& [path, node] : model_.nodes()) {
      const DataTree::Slot slot = tree_.find(path);
      RC_ASSERT(slot != DataTree::kNone);
      const DataTree::NodeView view = tree_.view(slot);
      RC_ASSERT(tree_.path_of(slot) == path);
      RC_ASSERT(as_text(view.data) == node.data);
      RC_ASSERT(!view.null_data);
      RC_ASSERT(*view.acl == node.acl);
      RC_ASSERT(view.stat == node.stat);
      RC_ASSERT(tree_.stat(slot) == model_.client_stat(path));
      std::set<std::string> names;
      for (const std::string& name : tree_test::children_of(tree_, path)) names.insert(name);
      RC_ASSERT(static_cast<int32_t>(names.size()) == view.num_children);
      RC_ASSERT(view.num_children == model_.children(path));
      if (path != "/") RC_ASSERT(tree_.parent(slot) == tree_.find(above(path)));
      RC_ASSERT(tree_.unowned().contains(slot) == (node.stat.ephemeral_owner < 0));
      if (node.stat.ephemeral_owner <= 0) continue;
      ++ephemerals;
      const std::vector<std::string> owned = tree_.ephemerals(SessionId{node.stat.ephemeral_owner});
      RC_ASSERT(std::count(owned.begin(), owned.end(), path) == 1);
    }
    RC_ASSERT(tree_.ephemeral_count() == ephemerals);
  }

  // The same state by another way, a snapshot, has the same hashes.
  void compare_with_loaded() const {
    DataTree loaded;
    loaded.clear();
    for (const auto& [path, node] : model_.nodes()) {
      RC_ASSERT(loaded.load_node(path, as_bytes(node.data), false, node.acl, node.stat));
    }
    for (const auto& [session, timeout_ms] : model_.sessions()) {
      loaded.load_session(session, timeout_ms);
    }
    RC_ASSERT(loaded.state_hash() == tree_.state_hash());
    RC_ASSERT(loaded.digest() == tree_.digest());
    RC_ASSERT(loaded.data_bytes() == tree_.data_bytes());
  }

  Model model_;
  DataTree tree_;
  PendingChanges pending_;
  SessionTracker tracker_{milliseconds(1000)};
  Effects effects_;
  std::vector<Effects> applied_;
  std::deque<std::pair<Bytes, Outcome>> waiting_;
  std::vector<SessionId> slots_ = std::vector<SessionId>(kSlots, SessionId{77});
  int64_t next_session_ = 0x100;
  int64_t now_ms_ = 1000;
  Zxid last_;
  WriteRequest request_;
  std::vector<AuthId> auth_;
  Bytes body_;
};

TEST(TreeModel, RandomRequestsDoWhatTheModelDoes) {
  std::map<ErrorCode, int> errors;
  std::map<TxnType, int> types;
  int closing_deletes = 0;
  int succeeded_multis = 0;
  int reaped = 0;
  const bool held = rc::check([&] {
    const std::vector<Step> steps =
        *rc::gen::scale(6.0, rc::gen::container<std::vector<Step>>(any_step()));
    Rehearsal rehearsal;
    for (size_t slot = 0; slot + 1 < kSlots; ++slot) {
      Step open;
      open.kind = 35;
      open.slot = slot;
      rehearsal.step(open);
    }
    for (const Step& step : steps) rehearsal.step(step);
    rehearsal.finish();
    for (const Effects& effects : rehearsal.applied()) {
      ++errors[effects.error];
      ++types[effects.header.type];
      if (effects.header.type == TxnType::DeleteContainer) ++reaped;
      if (effects.error == ErrorCode::Ok && effects.parts.size() > 1) ++succeeded_multis;
      if (effects.header.type != TxnType::CloseSession) continue;
      closing_deletes += static_cast<int>(effects.changes.size() / 2);
    }
  });
  EXPECT_TRUE(held);
  for (const ErrorCode code :
       {ErrorCode::Ok, ErrorCode::MarshallingError, ErrorCode::Unimplemented,
        ErrorCode::BadArguments, ErrorCode::NoNode, ErrorCode::NoAuth, ErrorCode::BadVersion,
        ErrorCode::NoChildrenForEphemerals, ErrorCode::NodeExists, ErrorCode::NotEmpty,
        ErrorCode::SessionExpired, ErrorCode::InvalidAcl, ErrorCode::SessionMoved}) {
    EXPECT_GT(errors[code], 1) << "code " << static_cast<int>(code) << " was not reached";
  }
  EXPECT_GT(succeeded_multis, 5);
  for (const TxnType type :
       {TxnType::Create, TxnType::Create2, TxnType::Delete, TxnType::SetData, TxnType::SetAcl,
        TxnType::CreateContainer, TxnType::CreateTtl, TxnType::Multi, TxnType::CreateSession,
        TxnType::CloseSession, TxnType::Error}) {
    EXPECT_GT(types[type], 10) << "type " << static_cast<int>(type) << " was not reached";
  }
  EXPECT_GT(closing_deletes, 10);
  EXPECT_GT(reaped, 2);
}

}  // namespace
}  // namespace vivarium
