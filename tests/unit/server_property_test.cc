// Properties of the client side under any order of requests, commits, losses and splits of bytes,
// and under hostile bytes.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "core/base/random.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

// A client that checks what it is told: answers in the order of its requests, zxids that never go
// back, each event before any answer that shows its txn, no state older than one it has seen.
class CheckingClient {
 public:
  void connect(ServerHost& host) {
    link_ = host.open();
    greeted_ = false;
    xid_ = 0;  // as kazoo does
    asked_.clear();
    host.send_frame(link_, connect_request(session_, 10'000, seen_));
  }
  bool connected(ServerHost& host) const {
    return link_.valid() && host.end_of(link_) == LinkEnd::Open;
  }
  void lose(ServerHost& host) { host.break_link(link_); }

  void ask(ServerHost& host, Random& random) {
    const std::string path = "/n" + std::to_string(random.below(3));
    const bool watch = random.chance(1, 2);
    const uint64_t kind = random.below(8);
    Bytes payload = ping();
    if (kind == 0) payload = create(++xid_, path);
    if (kind == 1) payload = set_data(++xid_, path, "x");
    if (kind == 2) payload = remove(++xid_, path);
    if (kind == 3) payload = sync(++xid_, path);
    if (kind == 4) payload = read(++xid_, Op::GetData, path, watch);
    if (kind == 5) payload = read(++xid_, Op::Exists, path, watch);
    if (kind == 6) payload = read(++xid_, Op::GetChildren, "/", watch);
    const RequestHeader header = *decode_request_header(payload);
    asked_.push_back({header.xid, static_cast<Op>(header.type), path});
    say(host, payload, random);
  }

  void hear(ServerHost& host) {
    if (!link_.valid()) return;
    for (const Bytes& frame : host.received(link_)) {
      if (greeted_) {
        hear_frame(frame);
      } else {
        const auto response = decode_connect_response(frame);
        RC_ASSERT(response.has_value());
        RC_ASSERT(response->session != SessionId());
        RC_ASSERT(session_ == SessionId() || session_ == response->session);
        session_ = response->session;
        greeted_ = true;
      }
    }
  }

  size_t unanswered() const { return asked_.size(); }
  size_t answers() const { return answers_; }
  size_t events() const { return events_; }

 private:
  struct Asked {
    int32_t xid = 0;
    Op op{};
    std::string path;
  };

  void say(ServerHost& host, const Bytes& payload, Random& random) {
    Bytes frame(4);
    put_u32(frame.data(), static_cast<uint32_t>(payload.size()));
    append_bytes(frame, payload);
    for (size_t at = 0; at < frame.size();) {
      const size_t n = random.chance(1, 2)
                           ? frame.size() - at
                           : std::min<size_t>(frame.size() - at, 1 + random.below(9));
      host.send(link_, ByteView(frame).subspan(at, n));
      at += n;
    }
  }

  void hear_frame(ByteView frame) {
    const auto header = decode_reply_header(frame);
    RC_ASSERT(header.has_value());
    const Zxid zxid = Zxid::from_wire(header->zxid);
    RC_ASSERT(zxid >= seen_);
    if (header->xid == kXidWatchEvent) {
      // No answer that was given before shows this txn.
      RC_ASSERT(answered_ < zxid);
      ++events_;
    } else {
      RC_ASSERT(!asked_.empty());
      const Asked asked = asked_.front();
      asked_.pop_front();
      RC_ASSERT(header->xid == asked.xid);
      answered_ = zxid;
      ++answers_;
      check_data(asked, *header, frame.subspan(16));
    }
    seen_ = zxid;
  }

  // What is told of one node never goes back: not behind an own write, nor behind an earlier read.
  void check_data(const Asked& asked, const ReplyHeader& header, ByteView body) {
    if (header.error != ErrorCode::Ok) return;
    if (asked.op != Op::Exists && asked.op != Op::SetData && asked.op != Op::GetData) return;
    const auto stat = decode_stat(body.subspan(body.size() - 68));
    RC_ASSERT(stat.has_value());
    RC_ASSERT(stat->mzxid.wire() <= header.zxid);
    Zxid& newest = newest_[asked.path];
    RC_ASSERT(stat->mzxid >= newest);
    newest = stat->mzxid;
  }

  LinkId link_;
  SessionId session_;
  bool greeted_ = false;
  int32_t xid_ = 0;
  std::deque<Asked> asked_;
  std::map<std::string, Zxid> newest_;  // mzxid last told, by path
  Zxid seen_;
  Zxid answered_;
  size_t answers_ = 0;
  size_t events_ = 0;
};

struct Totals {
  size_t answers = 0;
  size_t events = 0;
};

void run_schedule(uint64_t seed, bool at_once, Totals& totals) {
  Random random(seed);
  Config config = ServerHost::default_config();
  config.outstanding_requests_max = static_cast<uint32_t>(1 + random.below(20));
  ServerHost host(config);
  host.commits_by_itself = false;
  host.answers_at_once = at_once;
  host.hears_of_proposals = random.chance(1, 2);
  std::vector<CheckingClient> clients(3);
  for (int step = 0; step < 300; ++step) {
    CheckingClient& client = clients[random.below(clients.size())];
    const uint64_t what = random.below(20);
    if (!client.connected(host)) {
      client.connect(host);
    } else if (what < 12) {
      client.ask(host, random);
    } else if (what < 16) {
      host.commit(random.below(3));
    } else if (what == 16) {
      host.answer_syncs();
    } else if (what == 17) {
      host.answer_revalidations();
    } else if (what == 18 && random.chance(1, 3)) {
      client.hear(host);
      client.lose(host);
    } else {
      host.settle();
    }
    for (CheckingClient& each : clients) each.hear(host);
  }
  host.commits_by_itself = true;
  host.settle();
  for (CheckingClient& client : clients) {
    client.hear(host);
    if (client.connected(host)) RC_ASSERT(client.unanswered() == 0U);
    totals.answers += client.answers();
    totals.events += client.events();
  }
  RC_ASSERT(host.server.requests_in_flight() == 0U);
}

TEST(ServerProperty, EachClientIsAnsweredInOrderAndNeverSeesThePast) {
  Totals totals;
  size_t schedules = 0;
  const bool held = rc::check([&](uint64_t seed, bool at_once) {
    run_schedule(seed, at_once, totals);
    ++schedules;
  });
  EXPECT_TRUE(held);
  EXPECT_GT(totals.answers, schedules * 50);
  EXPECT_GT(totals.events, schedules);
}

// What a hostile client may send: noise, frames of all kinds with the wrong insides, right ones.
Bytes hostile_bytes(Random& random) {
  Bytes noise(random.below(200));
  for (Byte& byte : noise) byte = static_cast<Byte>(random.next());
  const uint64_t kind = random.below(6);
  if (kind == 0) return noise;
  Bytes payload = noise;
  if (kind == 2) payload = connect_request(SessionId{static_cast<int64_t>(random.next())});
  if (kind == 3) payload = connect_request();
  if (kind == 4)
    payload = create(static_cast<int32_t>(random.next()), "/h" + std::to_string(random.below(4)));
  if (kind == 5) {
    constexpr int32_t kTypes[] = {1, 2, 3, 4, 5, 8, 9, 11, 12, 15, 101, -11, -10, 13, 999, 14};
    payload = request(static_cast<int32_t>(random.next()),
                      static_cast<Op>(kTypes[random.below(16)]), noise);
  }
  if (!payload.empty() && random.chance(1, 3)) {
    payload[random.below(payload.size())] ^= static_cast<Byte>(1 + random.below(255));
  }
  Bytes frame(4);
  const auto lie = random.chance(1, 10) ? static_cast<uint32_t>(random.next()) : 0;
  put_u32(frame.data(), static_cast<uint32_t>(payload.size()) + lie);
  append_bytes(frame, payload);
  return frame;
}

TEST(ServerProperty, HostileBytesCostTheirSenderOnly) {
  size_t ended = 0;
  size_t schedules = 0;
  const bool held = rc::check([&](uint64_t seed) {
    Random random(seed);
    ServerHost host;
    const LinkId good = host.open("10.0.0.2");
    host.send_frame(good, connect_request());
    host.settle();
    RC_ASSERT(host.received(good).size() == 1U);
    std::vector<LinkId> bad;
    for (int step = 0; step < 60; ++step) {
      if (bad.empty() || random.chance(1, 10)) bad.push_back(host.open());
      const LinkId link = bad[random.below(bad.size())];
      if (host.end_of(link) == LinkEnd::Open) host.send(link, hostile_bytes(random));
      if (random.chance(1, 3)) host.settle();
      const FakeLink& wire = host.world.links_.at(link);
      const bool has_session = wire.credit_given > 1024;
      RC_ASSERT(host.server.bytes_held(link) <= (has_session ? 1'200'000U : 1024U));
    }
    host.send_frame(good, read(7, Op::Exists, "/"));
    host.settle();
    const auto answers = host.received(good);
    RC_ASSERT(answers.size() == 1U);
    RC_ASSERT(decode_reply_header(answers[0])->xid == 7);
    for (const LinkId link : bad) ended += host.end_of(link) == LinkEnd::Open ? 0U : 1U;
    host.let_pass(60'000);
    RC_ASSERT(host.server.connection_count() == 0U);
    RC_ASSERT(host.server.requests_in_flight() == 0U);
    RC_ASSERT(host.server.watch_count() == 0U);
    ++schedules;
  });
  EXPECT_TRUE(held);
  EXPECT_GT(ended, schedules);
}

}  // namespace
}  // namespace vivarium::server_test
