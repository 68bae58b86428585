// Every operation with every permission, for holders of every kind of id, by every way there is:
// direct, in a multi, as a watch event and when a watch is registered again. What is due stands
// here as semantics section 8 has it, and is not taken from core/tree/permissions.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/server/identity.h"
#include "core/wire/acl_codec.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

enum class On : uint8_t { Nothing, Node, Parent };

struct Operation {
  Op op{};
  const char* name = "";
  On on{};
  int32_t needs = 0;  // any one of them
};

constexpr Operation kOperations[] = {
    {Op::Create, "create", On::Parent, kPermCreate},
    {Op::Create2, "create2", On::Parent, kPermCreate},
    {Op::CreateContainer, "createContainer", On::Parent, kPermCreate},
    {Op::CreateTtl, "createTTL", On::Parent, kPermCreate},
    {Op::Delete, "delete", On::Parent, kPermDelete},
    {Op::SetData, "setData", On::Node, kPermWrite},
    {Op::SetAcl, "setACL", On::Node, kPermAdmin},
    {Op::GetData, "getData", On::Node, kPermRead},
    {Op::Exists, "exists", On::Node, kPermRead},
    {Op::GetChildren, "getChildren", On::Node, kPermRead},
    {Op::GetChildren2, "getChildren2", On::Node, kPermRead},
    {Op::GetAllChildrenNumber, "getAllChildrenNumber", On::Node, kPermRead},
    {Op::GetAcl, "getACL", On::Node, kPermRead | kPermAdmin},
    {Op::Check, "check", On::Node, kPermRead},
    {Op::Sync, "sync", On::Nothing, 0},
    {Op::AddWatch, "addWatch", On::Nothing, 0},
    {Op::GetEphemerals, "getEphemerals", On::Nothing, 0},
};

struct Holder {
  const char* name = "";
  const char* scheme = "";
  std::string id;
  bool matches = false;   // the client, 10.0.0.1 with the digest identity u:p
  bool is_super = false;  // the client besides
};

std::vector<Holder> holders() {
  const std::string own = digest_id(as_bytes("u:p"), DigestAlgorithm::Sha1);
  const std::string others = digest_id(as_bytes("u:q"), DigestAlgorithm::Sha1);
  return {{"world", "world", "anyone", true, false},
          {"own digest", "digest", own, true, false},
          {"digest of another password", "digest", others, false, false},
          {"own address", "ip", "10.0.0.1", true, false},
          {"own net", "ip", "10.0.0.0/8", true, false},
          {"other net", "ip", "10.1.0.0/16", false, false},
          {"auth", "auth", "", true, false},
          {"super", "digest", others, false, true}};
}

constexpr const char* kParent = "/p";
constexpr const char* kNode = "/p/n";
constexpr const char* kNew = "/p/new";

// One client, and a server whose /p or /p/n grants `perms` to the holder and nothing else to
// anybody. The other of the two grants nothing at all: no right on it may be asked for.
class Guarded {
 public:
  Guarded(const Holder& holder, int32_t perms, bool guards_parent) {
    host.config.super_digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    host.config.extended_types = true;
    super_ = joined({"super:test"});
    client_ = joined(holder.is_super ? std::vector<const char*>{"u:p", "super:test"}
                                     : std::vector<const char*>{"u:p"});
    for (const char* path : {kParent, kNode}) expect_ok(super_, create(1, path));
    const Acl list = {AclEntry{perms, holder.scheme, holder.id}};
    const Acl nothing = {AclEntry{kPermAll, "ip", "192.0.2.1"}};
    set_acl(kNode, guards_parent ? nothing : list);
    set_acl(kParent, guards_parent ? list : nothing);
  }

  ErrorCode direct(Op op) { return error_of(client_, request(7, op, body_of(op))); }

  // nullopt: it may not be in one. The part's own error.
  std::optional<ErrorCode> in_multi(Op op) {
    const std::optional<MultiOp> part = part_of(op);
    if (!part) return std::nullopt;
    const bool reads = op == Op::GetData || op == Op::GetChildren;
    Bytes body;
    encode_multi_request({*part}, body);
    host.send_frame(client_, request(7, reads ? Op::MultiRead : Op::Multi, body));
    host.settle();
    const std::vector<Bytes> replies = host.received(client_);
    CHECK(replies.size() == 1);
    JuteReader in(ByteView(replies.front()).subspan(16));
    const int32_t type = in.i32();
    (void)in.boolean();
    const auto error = static_cast<ErrorCode>(in.i32());
    EXPECT_EQ(type == -1, error != ErrorCode::Ok);
    return type == -1 ? static_cast<ErrorCode>(in.i32()) : ErrorCode::Ok;
  }

  void watch(const char* path, int32_t mode) {
    expect_ok(client_, request_of(5, Op::AddWatch, PathVersionRequest{path, mode}));
  }
  void expect_ok_of_super(const Bytes& frame) { expect_ok(super_, frame); }
  // As after a reconnection of a client that has seen nothing yet.
  void register_again(const char* data, const char* exist, const char* child) {
    Bytes body;
    JuteWriter out(body);
    out.i64(0);
    for (const char* path : {data, exist, child}) {
      out.i32(1);
      out.string(path);
    }
    host.send_frame(client_, request(-8, Op::SetWatches, body));
  }
  std::vector<WatchEvent> told() {
    host.settle();
    std::vector<WatchEvent> out;
    for (const Bytes& frame : host.received(client_)) {
      if (decode_reply_header(frame)->xid != kXidWatchEvent) continue;
      out.push_back(decode_watch_event(ByteView(frame).subspan(16))->type);
    }
    return out;
  }

 private:
  LinkId joined(const std::vector<const char*>& secrets) {
    const LinkId link = host.open("10.0.0.1");
    host.send_frame(link, connect_request());
    for (const char* secret : secrets) {
      host.send_frame(
          link, request_of(kXidAuth, Op::Auth, AuthPacket{"digest", false, as_bytes(secret)}));
    }
    host.settle();
    CHECK(host.received(link).size() == 1 + secrets.size());
    return link;
  }
  ErrorCode error_of(LinkId link, const Bytes& frame) {
    host.send_frame(link, frame);
    host.settle();
    const std::vector<Bytes> replies = host.received(link);
    CHECK(replies.size() == 1);
    return decode_reply_header(replies[0])->error;
  }
  void expect_ok(LinkId link, const Bytes& frame) {
    ASSERT_EQ(error_of(link, frame), ErrorCode::Ok);
  }
  // By the client while it may, so that "auth" becomes its own id.
  void set_acl(const char* path, const Acl& list) {
    expect_ok(client_, request_of(2, Op::SetAcl, SetAclRequest{path, false, list, -1}));
  }

  static CreateRequest create_request(Op op) {
    CreateRequest record;
    record.path = kNew;
    record.acl = anyone();
    if (op == Op::CreateContainer) record.flags = static_cast<int32_t>(CreateFlag::Container);
    if (op == Op::CreateTtl) {
      record.flags = static_cast<int32_t>(CreateFlag::PersistentTtl);
      record.ttl_ms = 1000;
    }
    return record;
  }

  static bool is_create(Op op) {
    return op == Op::Create || op == Op::Create2 || op == Op::CreateContainer ||
           op == Op::CreateTtl;
  }

  static std::optional<MultiOp> part_of(Op op) {
    MultiOp part;
    part.op = op;
    if (is_create(op)) {
      part.record = create_request(op);
    } else if (op == Op::SetData) {
      part.record = SetDataRequest{kNode, {}, false, -1};
    } else if (op == Op::Delete || op == Op::Check) {
      part.record = PathVersionRequest{kNode, -1};
    } else if (op == Op::GetData || op == Op::GetChildren) {
      part.record = PathWatchRequest{kNode, false};
    } else {
      return std::nullopt;
    }
    return part;
  }

  static Bytes body_of(Op op) {
    Bytes body;
    if (is_create(op)) {
      encode(create_request(op), body, op);
    } else if (op == Op::SetData) {
      encode(SetDataRequest{kNode, {}, false, -1}, body);
    } else if (op == Op::SetAcl) {
      encode(SetAclRequest{kNode, false, anyone(), -1}, body);
    } else if (op == Op::GetAcl || op == Op::GetAllChildrenNumber) {
      encode(PathRequest{kNode}, body);
    } else if (op == Op::Sync || op == Op::GetEphemerals) {
      encode(SyncRequest{kNode, false}, body);
    } else if (op == Op::Delete) {
      encode(PathVersionRequest{kNode, -1}, body);
    } else if (op == Op::AddWatch) {
      encode(PathVersionRequest{kNode, 0}, body);
    } else {
      encode(PathWatchRequest{kNode, false}, body);
    }
    return body;
  }

  ServerHost host;
  LinkId super_;
  LinkId client_;
};

constexpr int32_t kPermissions[] = {
    kPermRead,
    kPermWrite,
    kPermCreate,
    kPermDelete,
    kPermAdmin,
    kPermAll,
    kPermAll & ~kPermRead,
    kPermAll & ~kPermWrite,
    kPermAll & ~kPermCreate,
    kPermAll & ~kPermDelete,
    kPermAll & ~kPermAdmin,
};

bool granted(const Holder& holder, int32_t perms, int32_t needs) {
  return holder.is_super || (holder.matches && (perms & needs) != 0);
}

template <class Try>
void for_each_grant(Try&& attempt) {
  for (const Holder& holder : holders()) {
    for (const int32_t perms : kPermissions) {
      SCOPED_TRACE(fmt::format("permissions {} for {}", perms, holder.name));
      attempt(holder, perms);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(ServerAclTable, EveryOperationByItselfAndInAMulti) {
  size_t direct = 0;
  size_t in_multi = 0;
  for_each_grant([&](const Holder& holder, int32_t perms) {
    for (const bool guards_parent : {false, true}) {
      const Guarded server(holder, perms, guards_parent);
      for (const Operation& operation : kOperations) {
        if ((operation.on == On::Parent) != guards_parent) continue;
        SCOPED_TRACE(operation.name);
        const bool may = operation.on == On::Nothing || granted(holder, perms, operation.needs);
        const ErrorCode due = may ? ErrorCode::Ok : ErrorCode::NoAuth;
        if (operation.op != Op::Check) {  // which is a part of a multi and nothing else
          EXPECT_EQ(Guarded(server).direct(operation.op), due);
          ++direct;
        }
        if (const auto error = Guarded(server).in_multi(operation.op)) {
          EXPECT_EQ(*error, due);
          ++in_multi;
        }
      }
    }
  });
  EXPECT_EQ(direct, 16U * 8 * std::size(kPermissions));
  EXPECT_EQ(in_multi, 9U * 8 * std::size(kPermissions));
}

using Events = std::vector<WatchEvent>;

TEST(ServerAclTable, EventsOfEveryKindOfWatch) {
  for_each_grant([](const Holder& holder, int32_t perms) {
    const bool may = granted(holder, perms, kPermRead);
    const Guarded server(holder, perms, false);
    struct Watch {
      const char* path;
      int32_t mode;
      bool hears_children;
    };
    for (const Watch& watch : {Watch{kNode, 0, true}, Watch{kNode, 1, false},
                               Watch{kParent, 1, false}, Watch{"/", 1, false}}) {
      SCOPED_TRACE(fmt::format("{} mode {}", watch.path, watch.mode));
      Guarded watched(server);
      watched.watch(watch.path, watch.mode);
      watched.expect_ok_of_super(set_data(3, kNode, "1"));
      EXPECT_EQ(watched.told(), may ? Events{WatchEvent::DataChanged} : Events{});
      const Acl nobody = {AclEntry{kPermAll, "ip", "192.0.2.1"}};
      // The child is nobody's to read but super's: what is told of it is that children changed.
      const std::string child = std::string(kNode) + "/c";
      watched.expect_ok_of_super(create(4, child, "", CreateFlag::Persistent, nobody));
      Events due;
      if (watch.hears_children && may) due = {WatchEvent::ChildrenChanged};
      if (!watch.hears_children && holder.is_super) due = {WatchEvent::Created};
      EXPECT_EQ(watched.told(), due);
      watched.expect_ok_of_super(remove(5, child));
      watched.told();
      watched.expect_ok_of_super(remove(6, kNode));
      EXPECT_EQ(watched.told(), may ? Events{WatchEvent::Deleted} : Events{});
    }
  });
}

TEST(ServerAclTable, WatchesThatAreRegisteredAgain) {
  for_each_grant([](const Holder& holder, int32_t perms) {
    const bool may = granted(holder, perms, kPermRead);
    Guarded server(holder, perms, false);
    server.register_again(kNode, kNode, kNode);
    EXPECT_EQ(server.told(), may ? (Events{WatchEvent::DataChanged, WatchEvent::Created,
                                           WatchEvent::ChildrenChanged})
                                 : Events{});
    // What is gone has no ACL: everybody is told.
    server.register_again("/gone", "/gone", "/gone");
    EXPECT_EQ(server.told(), (Events{WatchEvent::Deleted, WatchEvent::Deleted}));
    // The watch on what did not exist waits: for a znode that the client may read, or not.
    server.expect_ok_of_super(
        create(4, "/gone", "", CreateFlag::Persistent, {AclEntry{perms, "world", "anyone"}}));
    const bool created = holder.is_super || (perms & kPermRead) != 0;
    EXPECT_EQ(server.told(), created ? Events{WatchEvent::Created} : Events{});
  });
}

}  // namespace
}  // namespace vivarium::server_test
