// ServerHost: a Server on a replication that is one leader without peers or a disk, in a world that
// records what leaves. A value: a copy has the same future. Writes are committed when commit() is
// called, or at the end of each turn while `commits_by_itself`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/server/server.h"
#include "core/tree/prepare.h"
#include "core/tree/sessions.h"
#include "core/wire/client_messages.h"
#include "core/wire/txn.h"
#include "core/world.h"
#include "core/zab/rules.h"

namespace vivarium::server_test {

enum class LinkEnd : uint8_t { Open, Drained, Aborted };

// The server's end of a client's link, and the wire to it.
struct FakeLink {
  Bytes towards_server;  // sent by the client, not yet permitted
  uint64_t credit = 0;
  uint64_t credit_given = 0;
  uint64_t arrived = 0;
  Bytes from_server;  // everything ever sent and taken by the wire
  size_t frames_read = 0;
  bool reads = true;  // false: what is sent stays unsent
  uint64_t unsent = 0;
  bool half_open = false;
  LinkEnd end = LinkEnd::Open;
};

// Links and time. Files are for nobody here.
class FakeWorld final : public World {
 public:
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return {1'700'000'000'000 + now_.ns / 1'000'000}; }
  uint64_t random() override { return chance_; }
  void set_timer(Instant) override {}

  // A mechanism of one word: "?" is answered by a question, a name in capitals is whose it is, and
  // so is "super".
  SaslAnswer sasl(LinkId, ByteView token) override {
    const std::string_view text = as_text(token);
    if (!has_sasl_) return {};
    if (text == "?") return {SaslAnswer::State::Continue, Bytes{'w', 'h', 'o'}, {}};
    const bool in_capitals = !text.empty() && text.front() >= 'A' && text.front() <= 'Z';
    const bool known = in_capitals || text == "super";
    if (!known) return {SaslAnswer::State::Failed, {}, {}};
    const Bytes last = sasl_ends_silently_ ? Bytes() : Bytes{'o', 'k'};
    return {SaslAnswer::State::Done, last, std::string(text)};
  }

  LinkId connect(const Address&) override { return {}; }
  void send(LinkId link, ByteView bytes) override {
    FakeLink& l = open_link(link);
    append_bytes(l.from_server, bytes);
    l.unsent += bytes.size();
    ++sends_;
  }
  void send_shared(LinkId link, SharedBytes bytes) override { send(link, *bytes); }
  uint64_t unsent(LinkId link) const override { return links_.at(link).unsent; }
  void give_credit(LinkId link, uint64_t bytes) override {
    FakeLink& l = open_link(link);
    l.credit += bytes;
    l.credit_given += bytes;
  }
  void close(LinkId link, bool drain) override {
    FakeLink& l = open_link(link);
    l.end = drain ? LinkEnd::Drained : LinkEnd::Aborted;
  }
  void keep_half_open(LinkId link) override { open_link(link).half_open = true; }

  FileId open(Dir, std::string_view, OpenMode, Lane, OnError) override { return {}; }
  void write(FileId, uint64_t, ByteView) override {}
  void write_shared(FileId, uint64_t, SharedBytes) override {}
  void preallocate(FileId, uint64_t, uint64_t) override {}
  void truncate(FileId, uint64_t) override {}
  void sync(FileId, uint64_t) override {}
  void read(FileId, uint64_t, uint64_t, uint64_t) override {}
  void close(FileId) override {}
  void rename(Dir, std::string_view, std::string_view, Lane) override {}
  void remove(Dir, std::string_view, Lane) override {}
  void sync_dir(Dir, uint64_t, Lane) override {}
  void list(Dir dir, uint64_t token) override { lists_.emplace_back(dir, token); }
  uint64_t free_bytes(Dir) const override { return uint64_t{1} << 40; }

  void log(LogLevel, std::string_view line) override { lines_.emplace_back(line); }
  void count(std::string_view key, int64_t add) override { counts_[std::string(key)] += add; }
  void gauge(std::string_view, int64_t) override {}
  void audit(std::string_view line) override { audit_.emplace_back(line); }
  void stop(StopReason, std::string_view) override {}

  FakeLink& open_link(LinkId link) {
    FakeLink& l = links_.at(link);
    CHECK(l.end == LinkEnd::Open);
    return l;
  }

  Instant now_{1'000'000'000};
  uint64_t chance_ = 4;
  std::map<LinkId, FakeLink> links_;
  std::map<std::string, int64_t> counts_;
  std::vector<std::string> audit_;
  bool has_sasl_ = false;
  bool sasl_ends_silently_ = false;
  std::vector<std::pair<Dir, uint64_t>> lists_;  // asked for and not answered
  std::vector<std::string> lines_;
  size_t sends_ = 0;
};

class ServerHost final : public Replication {
 public:
  explicit ServerHost(Config settings = default_config())
      : config(std::move(settings)), server(config), tracker_(config.tick()) {
    start_serving();
  }
  static Config default_config() {
    Config settings;
    settings.tick_ms = 1000;
    return settings;
  }

  ServerParts parts() { return {config, world, *this, tree}; }

  // --- Replication
  bool serving() const override { return is_serving; }
  Instant may_serve_until() const override { return may_serve; }
  void submit(const WriteRequest& request) override {
    CHECK(is_serving);
    last_was_local = request.local;
    if (request.op == Op::CreateSession) {
      const auto timeout_ms = static_cast<int32_t>(get_u32(request.body.data()));
      tracker_.add(request.session, timeout_ms, world.now());
    }
    const Zxid zxid = last_proposed_.next();
    WriteRequest judged = request;
    if (request.op == Op::Reconfig) judged.reconfig = reconfig;
    log_.push_back({zxid, prepare(judged, zxid, world.wall_now(), tree, pending_, tracker_,
                                  write_rules(config))});
    last_proposed_ = zxid;
    if (stops_at_submit) stop_serving();
  }
  void sync(SessionId, int32_t, uint64_t ticket) override {
    CHECK(is_serving);
    if (answers_at_once) {
      ServerParts p = parts();
      server.synced(ticket, p);
    } else {
      tickets_.push_back(ticket);
    }
  }
  void revalidate(SessionId session, int32_t timeout_ms) override {
    CHECK(is_serving);
    const bool valid = tracker_.touch(session, timeout_ms, world.now());
    if (answers_at_once) {
      ServerParts p = parts();
      server.revalidated(session, valid, known_to_be_proposed(), p);
    } else {
      revalidations_.emplace_back(session, valid);
    }
  }
  bool touch(SessionId session, int32_t timeout_ms) override {
    CHECK(is_serving);
    ++touches;
    return tracker_.touch(session, timeout_ms, world.now());
  }
  bool congested() const override { return is_congested; }

  void start_serving() {
    is_serving = true;
    ServerParts p = parts();
    server.serving_started(p);
  }
  // Its leader is lost, and for a while there is no other.
  void start_read_only() {
    ServerParts p = parts();
    server.read_only_started(p);
  }
  // As stop_serving(), at the beginning of an election that clients may wait for.
  void lose_leader() {
    stop_serving();
    may_serve = world.now() + milliseconds(500);
  }
  void stop_serving() {
    is_serving = false;
    log_.clear();
    tickets_.clear();
    revalidations_.clear();
    pending_ = PendingChanges();
    last_proposed_ = tree.last_applied();
    ServerParts p = parts();
    server.serving_stopped(p);
  }

  // --- the ensemble's side
  // Applies up to `count` of the proposed txns, as many as the server takes.
  size_t commit(size_t count = SIZE_MAX) {
    size_t done = 0;
    while (done < count && !log_.empty() && server.takes_more()) {
      const Proposed proposed = std::move(log_.front());
      log_.pop_front();
      apply(proposed.entry);
      ++done;
    }
    return done;
  }
  // A txn that came from another server.
  void commit_foreign(const WriteRequest& request) {
    submit(request);
    commit();
  }
  void answer_syncs() {
    const std::vector<uint64_t> tickets = std::exchange(tickets_, {});
    ServerParts p = parts();
    for (const uint64_t ticket : tickets) server.synced(ticket, p);
  }
  void answer_revalidations() {
    const auto asked = std::exchange(revalidations_, {});
    ServerParts p = parts();
    for (const auto& [session, valid] : asked)
      server.revalidated(session, valid, known_to_be_proposed(), p);
  }
  Zxid known_to_be_proposed() const {
    return hears_of_proposals ? last_proposed_ : tree.last_applied();
  }
  size_t proposed_count() const { return log_.size(); }
  SessionTracker& tracker() { return tracker_; }

  // --- the clients' side
  LinkId open(std::string_view address = "10.0.0.1", std::string_view certificate_subject = {}) {
    LinkId link{next_slot_, ++generation_};
    for (const auto& [old, l] : world.links_) {
      if (old.slot == next_slot_ && l.end == LinkEnd::Open) ++link.slot;
    }
    next_slot_ = link.slot + 1;
    world.links_[link];
    deliver(LinkAccepted{link, Door::Client, address, 0, certificate_subject});
    return link;
  }
  void send(LinkId link, ByteView bytes) {
    append_bytes(world.links_.at(link).towards_server, bytes);
    arrive(link);
  }
  void send_frame(LinkId link, ByteView payload) {
    Bytes frame;
    append_frame(payload, frame);
    send(link, frame);
  }
  static void append_frame(ByteView payload, Bytes& out) {
    Bytes length(4);
    put_u32(length.data(), static_cast<uint32_t>(payload.size()));
    append_bytes(out, length);
    append_bytes(out, payload);
  }
  // The client's end breaks.
  void break_link(LinkId link) {
    FakeLink& l = world.open_link(link);
    l.end = LinkEnd::Aborted;
    deliver(LinkDown{link});
  }
  // The whole frames that came since the last call, without their lengths.
  std::vector<Bytes> received(LinkId link) {
    FakeLink& l = world.links_.at(link);
    std::vector<Bytes> frames;
    while (l.from_server.size() - l.frames_read >= 4) {
      const size_t length = get_u32(l.from_server.data() + l.frames_read);
      if (l.from_server.size() - l.frames_read - 4 < length) break;
      const auto begin = l.from_server.begin() + static_cast<std::ptrdiff_t>(l.frames_read + 4);
      frames.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
      l.frames_read += 4 + length;
    }
    return frames;
  }
  LinkEnd end_of(LinkId link) const { return world.links_.at(link).end; }

  // --- turns and time
  // Ends the turn, and delivers what new credit and free space permit until nothing moves.
  void settle() {
    for (bool moved = true; moved;) {
      if (commits_by_itself) {
        commit();
        answer_syncs();
        answer_revalidations();
      }
      ServerParts p = parts();
      server.end_turn(p);
      moved = commits_by_itself && (!log_.empty() || !tickets_.empty() || !revalidations_.empty());
      for (auto& [link, l] : world.links_) {
        if (l.end != LinkEnd::Open || !l.reads || l.unsent == 0) continue;
        l.unsent = 0;
        // A wire that took all before the turn had ended says nothing.
        if (tells_of_draining) deliver(LinkDrained{link});
        moved = moved || tells_of_draining;
      }
      for (const auto& [link, l] : world.links_) {
        if (l.end == LinkEnd::Open && l.credit > 0 && !l.towards_server.empty()) {
          arrive(link);
          moved = true;
          break;
        }
      }
    }
  }
  void let_pass(int64_t ms) {
    for (const int64_t step_ms = config.tick_ms / 2; ms > 0; ms -= step_ms) {
      step_of_time(std::min(ms, step_ms));
    }
  }

  Config config;
  FakeWorld world;
  DataTree tree;
  Server server;
  bool is_serving = false;
  Instant may_serve{INT64_MIN / 2};  // until then, while it is not serving
  bool is_congested = false;
  bool commits_by_itself = true;
  // Syncs and revalidations call back within the call, as on a leader.
  bool answers_at_once = false;
  bool stops_at_submit = false;
  // False: as on an observer behind a leader of Apache's, or a leader slow to propose.
  bool hears_of_proposals = true;
  bool tells_of_draining = true;
  // Whoever asks a four-letter word is closed, where no AdminWords is there to take him over.
  bool closes_words = false;
  size_t touches = 0;
  bool last_was_local = false;  // the last write was of a session that only the server knows
  std::optional<ReconfigVerdict> reconfig;  // of every reconfig; nullopt: it is disabled

 private:
  struct Proposed {
    Zxid zxid;
    Bytes entry;
  };

  void step_of_time(int64_t ms) {
    world.now_ = world.now_ + milliseconds(ms);
    ServerParts p = parts();
    if (server.deadline() <= world.now()) server.on_deadline(p);
    if (is_serving) {
      for (const SessionId session : tracker_.expire(world.now())) {
        WriteRequest close;
        close.session = session;
        close.op = Op::CloseSession;
        close.owner = config.id;
        close.internal = true;
        submit(close);
      }
    }
    settle();
  }
  void deliver(const Event& event) {
    ServerParts p = parts();
    CHECK(server.step(event, p));
  }
  void arrive(LinkId link) {
    FakeLink& l = world.links_.at(link);
    if (l.end != LinkEnd::Open) return;
    const size_t n = static_cast<size_t>(std::min<uint64_t>(l.credit, l.towards_server.size()));
    if (n == 0) return;
    const Bytes now(l.towards_server.begin(),
                    l.towards_server.begin() + static_cast<std::ptrdiff_t>(n));
    l.towards_server.erase(l.towards_server.begin(),
                           l.towards_server.begin() + static_cast<std::ptrdiff_t>(n));
    l.credit -= n;
    l.arrived += n;
    deliver(LinkBytes{link, now});
    if (!closes_words) return;
    for (const Server::WordAsked& asked : server.take_words()) world.close(asked.link, false);
  }
  void apply(ByteView entry) {
    const auto txn = decode_txn(entry);
    CHECK(txn.has_value());
    Effects effects;
    tree.apply(*txn, effects);
    pending_.forget(txn->header.zxid);
    if (txn->header.type == TxnType::CloseSession) tracker_.remove(txn->header.session);
    ServerParts p = parts();
    server.applied(effects, p);
  }

  SessionTracker tracker_;
  PendingChanges pending_;
  Zxid last_proposed_;
  std::deque<Proposed> log_;
  std::vector<uint64_t> tickets_;
  std::vector<std::pair<SessionId, bool>> revalidations_;
  uint32_t next_slot_ = 0;
  uint32_t generation_ = 0;
};

// --- what clients say

inline Bytes connect_request(SessionId session = {}, int32_t timeout_ms = 10'000, Zxid seen = {},
                             std::optional<Bytes> password = std::nullopt, bool read_only = false) {
  const Bytes right =
      password.value_or(session == SessionId() ? Bytes(16, 0) : apache_session_password(session));
  ConnectRequest request;
  request.last_zxid_seen = seen;
  request.timeout_ms = timeout_ms;
  request.session = session;
  request.password = right;
  request.has_read_only = true;
  request.read_only = read_only;
  Bytes out;
  encode(request, out);
  return out;
}

inline Bytes request(int32_t xid, Op op, ByteView body = {}) {
  Bytes out;
  encode(RequestHeader{xid, static_cast<int32_t>(op)}, out);
  append_bytes(out, body);
  return out;
}
template <class Record>
Bytes request_of(int32_t xid, Op op, const Record& record) {
  Bytes body;
  encode(record, body);
  return request(xid, op, body);
}
inline Acl anyone() { return {AclEntry{kPermAll, "world", "anyone"}}; }
inline Bytes create(int32_t xid, std::string_view path, std::string_view data = "",
                    CreateFlag flag = CreateFlag::Persistent, Acl acl = anyone()) {
  CreateRequest record;
  record.path = path;
  record.data = as_bytes(data);
  record.acl = std::move(acl);
  record.flags = static_cast<int32_t>(flag);
  return request_of(xid, Op::Create, record);
}
inline Bytes set_data(int32_t xid, std::string_view path, std::string_view data) {
  return request_of(xid, Op::SetData, SetDataRequest{path, as_bytes(data), false, -1});
}
inline Bytes remove(int32_t xid, std::string_view path) {
  return request_of(xid, Op::Delete, PathVersionRequest{path, -1});
}
inline Bytes read(int32_t xid, Op op, std::string_view path, bool watch = false) {
  return request_of(xid, op, PathWatchRequest{path, watch});
}
inline Bytes sync(int32_t xid, std::string_view path) {
  return request_of(xid, Op::Sync, SyncRequest{path, false});
}
inline Bytes ping() { return request(kXidPing, Op::Ping); }
inline Bytes close_session(int32_t xid) { return request(xid, Op::CloseSession); }

// The session of a client that connects, or comes back to it.
inline SessionId join(ServerHost& host, LinkId link, SessionId session = {}) {
  host.send_frame(link, connect_request(session));
  host.settle();
  const auto frames = host.received(link);
  CHECK(frames.size() == 1);
  return decode_connect_response(frames.front())->session;
}

// A client of that address, with a session.
inline LinkId joined(ServerHost& host, std::string_view address) {
  const LinkId link = host.open(address);
  join(host, link);
  return link;
}

}  // namespace vivarium::server_test
