// Who is told of watch events: READ on the znode, or on the parent for children changed, as the ACL
// was when it happened (client-protocol section 10, CVE-2024-23944).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "core/wire/jute.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

const Acl kNearOnly = {AclEntry{kPermRead, "ip", "10.0.0.1"},
                       AclEntry{kPermAll & ~kPermRead, "world", "anyone"}};

using EventsOfPaths = std::vector<std::pair<WatchEvent, std::string>>;

// A server with two clients: one whose address may read everything, and one far away.
struct Clients {
  ServerHost host;
  LinkId near = host.open("10.0.0.1");
  LinkId far = host.open("10.0.0.2");
  int32_t next_xid = 1;

  Clients() {
    for (const LinkId link : {near, far}) host.send_frame(link, connect_request());
    host.settle();
    for (const LinkId link : {near, far}) CHECK(host.received(link).size() == 1);
  }
  void make(std::string_view path, const Acl& acl) {
    host.send_frame(near, create(next_xid++, path, "", CreateFlag::Persistent, acl));
    forget();
  }
  void forget() {
    host.settle();
    for (const LinkId link : {near, far}) host.received(link);
  }
  void both(const Bytes& frame) {
    for (const LinkId link : {near, far}) host.send_frame(link, frame);
  }
  EventsOfPaths events(LinkId link) {
    host.settle();
    EventsOfPaths out;
    for (const Bytes& frame : host.received(link)) {
      const auto header = decode_reply_header(frame);
      if (header->xid != kXidWatchEvent) continue;
      const auto event = decode_watch_event(ByteView(frame).subspan(16));
      out.emplace_back(event->type, std::string(event->path));
    }
    return out;
  }
};

Bytes add_watch(int32_t xid, std::string_view path, int32_t mode) {
  return request_of(xid, Op::AddWatch, PathVersionRequest{path, mode});
}

Bytes set_watches(int32_t xid, Zxid since, std::string_view data, std::string_view exist,
                  std::string_view child) {
  Bytes body;
  JuteWriter out(body);
  out.i64(since.wire());
  for (const std::string_view path : {data, exist, child}) {
    out.i32(path.empty() ? 0 : 1);
    if (!path.empty()) out.string(path);
  }
  return request(xid, Op::SetWatches, body);
}

TEST(ServerWatches, ADeletionIsToldToThoseWhoCouldReadTheZnode) {
  Clients c;
  c.make("/x", kNearOnly);
  c.both(add_watch(5, "/x", 0));
  c.both(add_watch(6, "/", 1));
  c.forget();
  c.host.send_frame(c.near, remove(7, "/x"));
  EXPECT_EQ(c.events(c.near), (EventsOfPaths{{WatchEvent::Deleted, "/x"}}));
  EXPECT_EQ(c.events(c.far), EventsOfPaths{});
}

TEST(ServerWatches, ChildrenChangedAsksTheParent) {
  Clients c;
  c.make("/hidden", kNearOnly);
  c.make("/open", anyone());
  c.both(add_watch(5, "/hidden", 0));
  c.both(add_watch(6, "/open", 0));
  c.forget();
  c.make("/hidden/c", anyone());
  c.both(add_watch(7, "/open/c", 0));
  c.both(add_watch(8, "/hidden/c", 0));
  c.forget();
  c.host.send_frame(c.near, create(9, "/open/c", "", CreateFlag::Persistent, kNearOnly));
  EXPECT_EQ(c.events(c.far), (EventsOfPaths{{WatchEvent::ChildrenChanged, "/open"}}));
  c.host.send_frame(c.near, remove(10, "/hidden/c"));
  EXPECT_EQ(c.events(c.far), (EventsOfPaths{{WatchEvent::Deleted, "/hidden/c"}}));
  EXPECT_EQ(c.events(c.near).size(), 4U);
}

TEST(ServerWatches, WhatWasMissedIsToldToThoseWhoMayReadItNow) {
  Clients c;
  c.make("/hidden", kNearOnly);
  c.make("/open", anyone());
  const Zxid now = c.host.tree.last_applied();
  c.both(set_watches(5, Zxid(), "/hidden", "/hidden", "/hidden"));
  EXPECT_EQ(c.events(c.near), (EventsOfPaths{{WatchEvent::DataChanged, "/hidden"},
                                             {WatchEvent::Created, "/hidden"},
                                             {WatchEvent::ChildrenChanged, "/hidden"}}));
  EXPECT_EQ(c.events(c.far), EventsOfPaths{});
  EXPECT_EQ(c.host.server.watch_count(), 0U);
  // Nothing missed: both wait on, and who is told is decided when there is something to tell.
  c.both(set_watches(6, now, "/hidden", "/none", "/hidden"));
  c.forget();
  EXPECT_EQ(c.host.server.watch_count(), 6U);
  c.host.send_frame(c.near, set_data(7, "/hidden", "1"));
  c.host.send_frame(c.near, create(8, "/none", "", CreateFlag::Persistent, kNearOnly));
  EXPECT_EQ(c.events(c.near).size(), 2U);
  EXPECT_EQ(c.events(c.far), EventsOfPaths{});
}

// Whatever happens between two slices is told once: as an event, or as missed. The client's own
// write waits for the end of the request.
TEST(ServerWatches, ThousandsAreSetTurnByTurn) {
  constexpr int32_t kXidSetWatches = -8;  // as Java's clients have it
  constexpr int kPaths = 5000;
  Clients c;
  Bytes body;
  JuteWriter out(body);
  out.i64(c.host.tree.last_applied().wire());
  out.i32(0);
  out.i32(kPaths);
  for (int i = 0; i < kPaths; ++i) out.string(fmt::format("/w{}", i));
  out.i32(0);
  c.host.send_frame(c.far, request(kXidSetWatches, Op::SetWatches, body));
  c.host.send_frame(c.far, create(1, "/own"));
  EXPECT_GT(c.host.server.watch_count(), 0U);
  EXPECT_LT(c.host.server.watch_count(), size_t{kPaths} / 2);
  EXPECT_EQ(c.host.proposed_count(), 0U);
  c.host.tells_of_draining = false;  // one settle() is one turn
  for (const std::string_view path : {"/w0", "/w4999"}) {
    c.host.send_frame(c.near, create(c.next_xid++, path));
  }
  c.host.settle();
  EXPECT_LT(c.host.server.watch_count(), size_t{kPaths} / 2 + 1024);
  c.host.let_pass(5000);
  EXPECT_EQ(c.host.server.watch_count(), size_t{kPaths} - 2);
  EXPECT_NE(c.host.tree.find("/own"), DataTree::kNone);
  std::vector<int32_t> told;
  for (const Bytes& frame : c.host.received(c.far)) told.push_back(decode_reply_header(frame)->xid);
  EXPECT_EQ(told, (std::vector<int32_t>{kXidWatchEvent, kXidWatchEvent, kXidSetWatches, 1}));
}

TEST(ServerWatches, TruncatedRequestsLeaveNoWatch) {
  Clients c;
  for (const Op op :
       {Op::SetWatches, Op::SetWatches2, Op::AddWatch, Op::CheckWatches, Op::RemoveWatches}) {
    Bytes body;
    JuteWriter out(body);
    if (op == Op::SetWatches || op == Op::SetWatches2) {
      out.i64(0);
      out.i32(1);
    }
    out.string("/x");
    c.host.send_frame(c.near, request(3, op, body));
    c.host.settle();
    const auto frames = c.host.received(c.near);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(decode_reply_header(frames[0])->error, ErrorCode::MarshallingError);
  }
  EXPECT_EQ(c.host.server.watch_count(), 0U);
  EXPECT_EQ(c.host.end_of(c.near), LinkEnd::Open);
}

TEST(ServerWatches, DieWithTheirConnection) {
  Clients c;
  c.both(add_watch(5, "/x", 0));
  c.both(add_watch(6, "/x", 1));
  c.forget();
  EXPECT_EQ(c.host.server.watch_count(), 4U);
  c.host.break_link(c.far);
  EXPECT_EQ(c.host.server.watch_count(), 2U);
  c.host.send_frame(c.near, create(7, "/x"));
  EXPECT_EQ(c.events(c.near), (EventsOfPaths{{WatchEvent::Created, "/x"}}));
}

}  // namespace
}  // namespace vivarium::server_test
