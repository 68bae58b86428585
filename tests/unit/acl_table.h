// What the ACL tables are made of: clients of every kind, entries that name them or somebody else,
// and a server with one znode that grants some permissions to such an entry, and all others
// nothing.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/server/identity.h"
#include "core/tree/path.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test::acl_table {

inline constexpr const char* kParent = "/p";
inline constexpr const char* kNode = "/p/n";
inline constexpr const char* kNew = "/p/new";
inline constexpr const char* kSubject = "CN=Me,O=x";

// How a client says who it is. What is empty it does not say.
struct Person {
  std::string address = "10.0.0.1";
  std::string certificate = kSubject;
  std::string sasl_user = "Me";
  std::vector<std::string> secrets = {"u:p"};
};

// An entry of an ACL, and a client.
struct Holder {
  const char* name = "";
  const char* scheme = "";
  std::string id;
  bool matches = false;   // the entry means the client
  bool is_super = false;  // the client may do everything, whatever the entry
  Person who{};
};

inline std::vector<Holder> holders() {
  const std::string own = digest_id(as_bytes("u:p"), DigestAlgorithm::Sha1);
  const std::string others = digest_id(as_bytes("u:q"), DigestAlgorithm::Sha1);
  const Person stranger{"10.0.0.1", "", "", {}};
  const Person by_digest{"10.0.0.1", "", "", {"u:p"}};
  const Person by_sasl{"10.0.0.1", "", "Me", {}};
  const Person by_certificate{"10.0.0.1", kSubject, "", {}};
  return {
      {"world", "world", "anyone", true, false, stranger},
      {"own digest", "digest", own, true},
      {"digest of another password", "digest", others},
      {"own address", "ip", "10.0.0.1", true},
      {"own net", "ip", "10.0.0.0/8", true, false, stranger},
      {"other net", "ip", "10.1.0.0/16"},
      {"own net of IPv6", "ip", "2001:db8::/32", true, false, {"2001:db8::7", "", "", {}}},
      {"net of the other family", "ip", "::/0"},
      {"own user of SASL", "sasl", "Me", true},
      {"other user of SASL", "sasl", "You"},
      {"any user of SASL", "sasl", "Everybody", true, false, by_sasl},
      {"any user of SASL, for a stranger", "sasl", "Everybody", false, false, stranger},
      {"the user of SASL who is all of them",
       "sasl",
       "You",
       true,
       false,
       {"10.0.0.1", "", "super", {}}},
      {"own certificate", "x509", kSubject, true},
      {"other certificate", "x509", "CN=You,O=x"},
      {"a user of SASL with a subject's name",
       "x509",
       kSubject,
       false,
       false,
       {"10.0.0.1", "", kSubject, {}}},
      {"a subject with a user's name", "sasl", kSubject, false, false, by_certificate},
      {"auth of a digest", "auth", "", true, false, by_digest},
      {"auth of a user of SASL", "auth", "", true, false, by_sasl},
      {"auth of a certificate", "auth", "", true, false, by_certificate},
      {"auth of all of them", "auth", "", true},
      {"super by a digest", "digest", others, false, true, {"10.0.0.1", "", "", {"super:test"}}},
      {"super by SASL", "sasl", "You", false, true, {"10.0.0.1", "", "Root", {}}},
      {"super by a certificate", "x509", "CN=You", false, true, {"10.0.0.1", "CN=Root", "", {}}},
  };
}

// Each permission alone, all, and all but one.
inline constexpr int32_t kPermissions[] = {
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

inline bool granted(const Holder& holder, int32_t perms, int32_t needs) {
  return holder.is_super || (holder.matches && (perms & needs) != 0);
}

enum class On : uint8_t { Nothing, Node, Parent, Config };

using Events = std::vector<WatchEvent>;

// The client of a holder, a super user, and /p with /p/n, open to everybody.
class Guarded {
 public:
  explicit Guarded(const Holder& holder) : entry_{0, holder.scheme, holder.id}, host_(config()) {
    host_.world.has_sasl_ = true;
    host_.reconfig = ReconfigVerdict{ErrorCode::Ok, "server.1=one:1:2:participant\nversion=0"};
    super_ = joined({"10.0.0.9", "", "", {"super:test"}});
    client_ = joined(holder.who);
    for (const char* path : {kParent, kNode}) expect_ok(super_, create(1, path));
    set_acl(super_, kConfigPath, anyone());
  }

  // `perms` to the entry on `on`, and nothing to anybody on all else.
  void restrict_to(int32_t perms, On on) {
    // By the client while it may, so that "auth" becomes its own ids.
    if (on == On::Node) set_acl(client_, kNode, list_of(perms));
    if (on == On::Parent) set_acl(client_, kParent, list_of(perms));
    if (on == On::Config) set_acl(client_, kConfigPath, list_of(perms));
    if (on != On::Node) set_acl(super_, kNode, nobody());
    if (on != On::Parent) set_acl(super_, kParent, nobody());
    if (on != On::Config) set_acl(super_, kConfigPath, nobody());
    set_acl(super_, "/", nobody());
  }
  void open(std::string_view path) { set_acl(super_, path, anyone()); }
  void allow(std::string_view path, int32_t perms) {
    set_acl(super_, path, {AclEntry{perms, "world", "anyone"}});
  }
  Acl list_of(int32_t perms) const { return {AclEntry{perms, entry_.scheme, entry_.id}}; }
  static Acl nobody() { return {AclEntry{kPermAll, "ip", "192.0.2.1"}}; }

  ErrorCode ask(const Bytes& frame) { return error_of(client_, frame); }
  void expect_ok_of_super(const Bytes& frame) { expect_ok(super_, frame); }
  // The whole reply, from behind its header.
  Bytes reply_to(const Bytes& frame) {
    host_.send_frame(client_, frame);
    host_.settle();
    const std::vector<Bytes> replies = host_.received(client_);
    CHECK(replies.size() == 1);
    EXPECT_EQ(decode_reply_header(replies[0])->error, ErrorCode::Ok);
    return Bytes(replies[0].begin() + 16, replies[0].end());
  }
  LinkEnd end() const { return host_.end_of(client_); }
  void disable_reconfig() { host_.reconfig.reset(); }
  Zxid last_applied() const { return host_.tree.last_applied(); }

  // What the client has been told since it was last asked, of those paths.
  Events told(std::string_view path = kNode) {
    host_.settle();
    take(client_);
    Events out;
    for (const Event& event : events_) {
      EXPECT_EQ(event.path, path);
      out.push_back(event.type);
    }
    events_.clear();
    return out;
  }

 private:
  struct Event {
    WatchEvent type{};
    std::string path;
  };

  static Config config() {
    Config settings = ServerHost::default_config();
    settings.super_digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    settings.extended_types = true;
    settings.x509_ids = true;
    settings.x509_super_user = "CN=Root";
    settings.sasl_ids = true;
    settings.any_sasl_user = "Everybody";
    settings.auth.sasl_super_users = {"Root"};
    return settings;
  }
  LinkId joined(const Person& who) {
    const LinkId link = host_.open(who.address, who.certificate);
    host_.send_frame(link, connect_request());
    host_.settle();
    CHECK(host_.received(link).size() == 1);
    for (const std::string& secret : who.secrets) {
      expect_ok(link, request_of(kXidAuth, Op::Auth,
                                 AuthPacket{"digest", false, as_bytes(secret), false}));
    }
    if (!who.sasl_user.empty()) {
      Bytes body;
      JuteWriter(body).buffer(as_bytes(who.sasl_user));
      expect_ok(link, request(1, Op::Sasl, body));
    }
    return link;
  }
  // Events apart: those of the client are for told().
  std::vector<Bytes> take(LinkId link) {
    std::vector<Bytes> replies;
    for (Bytes& frame : host_.received(link)) {
      if (decode_reply_header(frame)->xid != kXidWatchEvent) {
        replies.push_back(std::move(frame));
      } else {
        CHECK(link == client_);
        const auto event = decode_watch_event(ByteView(frame).subspan(16));
        events_.push_back({event->type, std::string(event->path)});
      }
    }
    return replies;
  }
  ErrorCode error_of(LinkId link, const Bytes& frame) {
    host_.send_frame(link, frame);
    host_.settle();
    const std::vector<Bytes> replies = take(link);
    CHECK(replies.size() == 1);
    return decode_reply_header(replies[0])->error;
  }
  void expect_ok(LinkId link, const Bytes& frame) {
    ASSERT_EQ(error_of(link, frame), ErrorCode::Ok);
  }
  void set_acl(LinkId link, std::string_view path, const Acl& list) {
    expect_ok(link, request_of(2, Op::SetAcl, SetAclRequest{path, false, list, -1}));
  }

  AclEntry entry_;
  ServerHost host_;
  LinkId super_;
  LinkId client_;
  std::vector<Event> events_;
};

// Calls `attempt(holder, open server)`, up to the first failure.
template <class Try>
void for_each_holder(Try&& attempt) {
  for (const Holder& holder : holders()) {
    SCOPED_TRACE(holder.name);
    attempt(holder, Guarded(holder));
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace vivarium::server_test::acl_table
