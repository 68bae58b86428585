#include "sim/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/wire/jute.h"
#include "sim/operations.h"
#include "sim/sim_network.h"
#include "sim/sim_sasl.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kCredit = 1 << 20;
constexpr int32_t kXidSetWatches = -8;
constexpr int32_t kXidSasl = -9;  // ours; servers return what comes

// A frame's length goes in front of it once it is known.
Bytes begun_frame() {
  Bytes frame;
  frame.reserve(256);
  frame.resize(4);
  return frame;
}

ByteView sealed(Bytes& frame) {
  put_u32(frame.data(), static_cast<uint32_t>(frame.size() - 4));
  return frame;
}

}  // namespace

void SimClient::step(const Event& event, World& world, Choices& choices, SimTime true_now) {
  if (std::holds_alternative<Started>(event)) {
    state_ = State::Waiting;
    wake_at_ = world.now();
  } else if (const auto* up = std::get_if<LinkUp>(&event)) {
    if (state_ != State::Connecting || up->link != link_) return;
    send_connect(world, true_now);
  } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    if (state_ != State::Off && bytes->link == link_) on_bytes(bytes->bytes, world, true_now);
  } else if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (link_.valid() && down->link == link_) disconnect(world, false);
  } else if (std::holds_alternative<TimerFired>(event)) {
    on_timer(world, true_now);
  } else if (std::holds_alternative<TurnEnded>(event)) {
    const bool elsewhere = preferred_ && state_ != State::Waiting && *preferred_ != server_;
    if (state_ != State::Off && elsewhere) disconnect(world, true);
    if (state_ == State::Waiting && wake_at_ <= world.now()) connect(world, choices);
    if (state_ == State::Connected && leaves_) {
      world.close(link_, true);
      disconnect(world, false);
      wake_at_ = world.now();
      connect(world, choices);
    }
    if (state_ == State::Connected) issue(world, choices, true_now);
    arm(world);
  }
}

void SimClient::send_connect(World& world, SimTime true_now) {
  ConnectRequest request;
  request.last_zxid_seen = last_zxid_;
  request.timeout_ms = options_.session_timeout_ms;
  request.session = session_;
  Bytes password = password_;
  password.resize(16);
  if (lie_ == Lie::Password) password[connects_ % 16] ^= 1;
  request.password = password;
  request.has_read_only = true;
  request.read_only = options_.read_only;
  Bytes frame = begun_frame();
  encode(request, frame);
  world.send(link_, sealed(frame));
  connect_sent_ = true_now;
  log_.attempts.push_back({true_now, session_, false});
  world.give_credit(link_, kCredit);
  state_ = State::Handshaking;
}

void SimClient::connect(World& world, Choices& choices) {
  ++connects_;
  server_ = static_cast<uint32_t>(
      choices.below({ChoiceKind::Workload, options_.index, connects_, kServerChoice},
                    options_.servers, (options_.index + connects_) % options_.servers));
  server_ = preferred_.value_or(server_);
  link_ = world.connect({fmt::format("s{}", server_ + 1), kClientPort});
  state_ = State::Connecting;
  lie_ = Lie::None;
  const Choice lies{ChoiceKind::Workload, options_.index, connects_, kLieChoice};
  if (options_.wrong_one_in != 0 && choices.chance(lies, 1, options_.wrong_one_in)) {
    const bool both = session_ != SessionId{} && !sasl_name_of(options_.who).empty();
    const bool secret = both ? connects_ % 2 == 0 : session_ == SessionId{};
    if (!secret) lie_ = Lie::Password;
    if (secret && !sasl_name_of(options_.who).empty()) lie_ = Lie::Secret;
  }
  silent_at_ = world.now() + milliseconds(std::max(300, options_.session_timeout_ms / 2));
}

void SimClient::disconnect(World& world, bool close_link) {
  if (close_link && link_.valid()) world.close(link_, false);
  link_ = LinkId{};
  in_.clear();
  for (const size_t op : in_flight_) log_.ops[op].lost = true;
  in_flight_.clear();  // unanswered for ever: may have happened
  closing_ = leaves_ = false;
  if (probe_state_ == Probe::Sent) probe_state_ = Probe::Wanted;
  // A session that began on a read-only server is known there alone; Apache's clients leave it.
  if (read_only_) end_session();
  read_only_ = false;
  state_ = State::Waiting;
  wake_at_ = world.now() + milliseconds(20 + static_cast<int64_t>(connects_ % 5) * 10);
  next_op_ = next_ping_ = silent_at_ = Instant::never();
}

void SimClient::on_timer(World& world, SimTime true_now) {
  const Instant now = world.now();
  if (silent_at_ <= now && state_ != State::Waiting) return disconnect(world, true);
  if (state_ == State::Connected && next_ping_ <= now) {
    Bytes frame = begun_frame();
    encode(RequestHeader{kXidPing, static_cast<int32_t>(Op::Ping)}, frame);
    world.send(link_, sealed(frame));
    ping_sent_ = true_now;
    next_ping_ = now + milliseconds(timeout_ms_ / 3);
  }
}

void SimClient::arm(World& world) {
  Instant at = silent_at_;
  if (state_ == State::Waiting) at = std::min(at, wake_at_);
  if (state_ == State::Connected) {
    at = std::min(at, leaves_ ? world.now() : next_ping_);
    const bool more = issued_ < options_.operations || probe_state_ == Probe::Wanted;
    if (more && !closing_ && in_flight_.size() < options_.pipeline) at = std::min(at, next_op_);
  }
  world.set_timer(at);
}

bool SimClient::refuse(std::string why) {
  if (protocol_error_.empty()) protocol_error_ = std::move(why);
  return false;
}

void SimClient::on_bytes(ByteView bytes, World& world, SimTime true_now) {
  append_bytes(in_, bytes);
  world.give_credit(link_, bytes.size());
  silent_at_ = world.now() + milliseconds(std::max(timeout_ms_, 200) * 2 / 3);
  size_t at = 0;
  while (in_.size() - at >= 4) {
    const uint32_t length = get_u32(in_.data() + at);
    if (length > (1U << 20)) {
      refuse("a frame of absurd length");
      break;
    }
    if (in_.size() - at - 4 < length) break;
    const ByteView frame = ByteView(in_).subspan(at + 4, length);
    at += 4 + length;
    if (!on_frame(frame, world, true_now)) return disconnect(world, true);
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
}

bool SimClient::on_frame(ByteView frame, World& world, SimTime true_now) {
  if (state_ == State::Handshaking) return on_connect_response(frame, world, true_now);
  if (state_ == State::Identifying) return on_sasl_reply(frame, world, true_now);
  return on_reply(frame, true_now);
}

void SimClient::end_session() {
  session_ = SessionId{};
  password_.clear();
  watches_.clear();
  closing_ = false;
}

bool SimClient::on_connect_response(ByteView frame, World& world, SimTime true_now) {
  const std::optional<ConnectResponse> response = decode_connect_response(frame);
  if (!response) return refuse("a ConnectResponse that does not decode");
  log_.attempts.back().answered = true;
  if (lie_ == Lie::Password) {
    // Refused, and the session goes on.
    return response->timeout_ms > 0 ? refuse("K-SESSION: a wrong password was accepted") : false;
  }
  if (response->timeout_ms <= 0) {
    // Expired. The next connection begins a new session.
    end_session();
    return false;
  }
  if (session_ != SessionId{} && response->session != session_) {
    return refuse("re-attached to another session");
  }
  if (session_ == SessionId{}) ++sessions_begun_;
  session_ = response->session;
  password_ = response->password;
  timeout_ms_ = response->timeout_ms;
  read_only_ = response->read_only;
  if (read_only_ && !options_.read_only) return refuse("a read-only server, unasked");
  Heard heard{HeardKind::Attached, true_now, connect_sent_, last_zxid_.wire(), log_.ops.size()};
  heard.session = session_;
  heard.timeout_ms = timeout_ms_;
  log_.heard.push_back(std::move(heard));
  identify(world, true_now);
  return true;
}

// Before anything else on every connection, as client libraries do.
void SimClient::identify(World& world, SimTime true_now) {
  if (const std::string_view secret = digest_secret_of(options_.who); !secret.empty()) {
    Bytes request = begun_frame();
    encode(RequestHeader{kXidAuth, static_cast<int32_t>(Op::Auth)}, request);
    encode(AuthPacket{"digest", false, as_bytes(secret)}, request);
    world.send(link_, sealed(request));
  }
  const std::string_view name = sasl_name_of(options_.who);
  if (name.empty()) return begin(world, true_now);
  state_ = State::Identifying;
  sasl_asked_ = false;
  send_sasl(as_bytes(name), world);
}

void SimClient::send_sasl(ByteView token, World& world) {
  Bytes request = begun_frame();
  encode(RequestHeader{kXidSasl, static_cast<int32_t>(Op::Sasl)}, request);
  JuteWriter(request).buffer(token);
  world.send(link_, sealed(request));
}

// The challenge, then the verdict; the answer to the auth packet stands before both.
bool SimClient::on_sasl_reply(ByteView frame, World& world, SimTime true_now) {
  const std::optional<ReplyHeader> header = decode_reply_header(frame);
  if (!header) return refuse("a reply without a header");
  if (header->xid == kXidAuth) return on_reply(frame, true_now);
  if (header->xid != kXidSasl) return refuse("another reply than SASL's");
  const bool right = header->error == ErrorCode::Ok;
  if (!sasl_asked_) {
    if (!right) return refuse("SASL refused a name");
    sasl_asked_ = true;
    const std::string secret = sasl_secret(sasl_name_of(options_.who));
    JuteReader in(frame.subspan(16));
    send_sasl(sasl_proof(lie_ == Lie::Secret ? "a guess" : secret, in.buffer()), world);
    return true;
  }
  if (lie_ == Lie::Secret) return right ? refuse("a wrong secret was accepted") : false;
  if (!right) return refuse("SASL refused the right secret");
  begin(world, true_now);
  return true;
}

// The server knows who asks.
void SimClient::begin(World& world, SimTime true_now) {
  state_ = State::Connected;
  if (!watches_.empty()) {
    log_.rearms.push_back(watches_.rearm(last_zxid_));
    log_.rearms.back().sent = true_now;
    Bytes request = begun_frame();
    encode_rearm(log_.rearms.back(), kXidSetWatches, request);
    world.send(link_, sealed(request));
  }
  const Instant now = world.now();
  next_ping_ = now + milliseconds(timeout_ms_ / 3);
  silent_at_ = now + milliseconds(timeout_ms_ * 2 / 3);
  next_op_ = now;
}

bool SimClient::on_reply(ByteView frame, SimTime true_now) {
  const std::optional<ReplyHeader> header = decode_reply_header(frame);
  if (!header) return refuse("a reply without a header");
  if (header->xid == kXidWatchEvent) {
    return on_watch_event(frame.subspan(16), header->zxid, true_now);
  }
  if (header->xid == kXidAuth) {
    return header->error == ErrorCode::Ok || refuse("an identity was not accepted");
  }
  if (header->xid == kXidPing) {
    log_.heard.push_back({HeardKind::Pong, true_now, ping_sent_, header->zxid});
    return true;
  }
  // As Apache's client: pings and events do not count as seen, another event of the same txn may be
  // on its way.
  const Zxid seen = last_zxid_;
  if (header->zxid > last_zxid_.wire()) last_zxid_ = Zxid::from_wire(header->zxid);
  if (header->xid == kXidSetWatches) {
    if (log_.rearms.empty()) return refuse("a reply to no setWatches");
    if (header->error != ErrorCode::Ok) return refuse("setWatches was refused");
    const size_t index = log_.rearms.size() - 1;
    log_.heard.push_back(
        {HeardKind::Rearmed, true_now, log_.rearms[index].sent, header->zxid, index});
    return true;
  }
  if (in_flight_.empty()) return refuse(fmt::format("reply {} to nothing", header->xid));
  ClientOp& op = log_.ops[in_flight_.front()];
  if (op.xid != header->xid) {
    return refuse(fmt::format("K-FIFO: reply {} when {} was due", header->xid, op.xid));
  }
  if (is_refused(op.op)) {
    in_flight_.pop_front();
    ++completed_;
    op.lost = true;
    const bool right = header->error == ErrorCode::Unimplemented && header->zxid == -1;
    return right ? false : refuse(fmt::format("op {} was answered", static_cast<int>(op.op)));
  }
  if (header->zxid < seen.wire()) {
    return refuse(
        fmt::format("K-MONO: a reply at zxid {:x} after one at {:x}", header->zxid, seen.value));
  }
  // A read-only server's refusal is no answer: the probe is sent again on the next connection. So
  // it is at once where too many others were in front of it.
  const bool refused = read_only_ && header->error == ErrorCode::NotReadOnly;
  const bool throttled = header->error == ErrorCode::ThrottledOp;
  if (probe_state_ == Probe::Sent && in_flight_.front() == probe_op_ && !refused) {
    probe_state_ = throttled ? Probe::Wanted : Probe::Done;
  }
  log_.heard.push_back({HeardKind::Reply, true_now, op.invoked, header->zxid, in_flight_.front()});
  in_flight_.pop_front();
  ++completed_;
  op.answered = true;
  op.returned = true_now;
  op.reply_zxid = Zxid::from_wire(header->zxid);
  op.error = header->error;
  if (op.error == ErrorCode::Ok && !decode_result(frame.subspan(16), op)) {
    return refuse("a reply whose body does not decode");
  }
  watches_.answered(op);
  if (op.op == Op::CloseSession) end_session();
  return protocol_error_.empty() && op.op != Op::CloseSession;
}

bool SimClient::on_watch_event(ByteView body, int64_t zxid, SimTime true_now) {
  const std::optional<WatcherEvent> event = decode_watch_event(body);
  if (!event) return refuse("a watch event that does not decode");
  Heard heard{HeardKind::Event, true_now, {}, zxid};
  heard.event = event->type;
  heard.path = event->path;
  watches_.fired(heard.event, heard.path);
  log_.heard.push_back(std::move(heard));
  return true;
}

void SimClient::ask_probe() {
  if (probe_state_ == Probe::None || probe_state_ == Probe::Done) probe_state_ = Probe::Wanted;
}

size_t SimClient::ask(Operation operation) {
  asked_.push_back(std::move(operation));
  return asked_.size() - 1;
}

const ClientOp* SimClient::asked(size_t ticket) const {
  return ticket < asked_ops_.size() ? &log_.ops[asked_ops_[ticket]] : nullptr;
}

size_t SimClient::asked_open() const {
  size_t open = 0;
  for (size_t ticket = 0; ticket < asked_.size(); ++ticket) {
    const ClientOp* const op = asked(ticket);
    if (op == nullptr || (!op->answered && !op->lost)) ++open;
  }
  return open;
}

void SimClient::prefer(uint32_t server) { preferred_ = server; }

void SimClient::issue(World& world, Choices& choices, SimTime true_now) {
  if (closing_ || leaves_) return;
  const Instant now = world.now();
  while (asked_ops_.size() < asked_.size() && in_flight_.size() < options_.pipeline) {
    asked_ops_.push_back(log_.ops.size());
    send_op(asked_[asked_ops_.size() - 1], world, true_now);
  }
  if (probe_state_ == Probe::Wanted && in_flight_.size() < options_.pipeline) {
    Operation probe;
    probe.op = Op::SetData;
    probe.path = "/";
    const std::string datum = fmt::format("probe-{}-{}", options_.index, log_.ops.size());
    probe.data.assign(datum.begin(), datum.end());
    probe_state_ = Probe::Sent;
    probe_op_ = log_.ops.size();
    send_op(probe, world, true_now);
  }
  while (issued_ < options_.operations && in_flight_.size() < options_.pipeline &&
         next_op_ <= now && !closing_) {
    const Operation operation =
        options_.changes_ensemble
            ? draw_change(issued_, options_.servers, choices)
            : draw_operation(options_.index, issued_, options_.padding, choices);
    const auto& kept = options_.kept;
    const bool left_out = kept && !std::binary_search(kept->begin(), kept->end(), issued_);
    ++issued_;
    if (issued_ % options_.burst == 0) {
      const uint64_t longest = static_cast<uint64_t>(options_.think.ns) * 2 * options_.burst;
      const Choice choice{ChoiceKind::Workload, options_.index, issued_, kPauseChoice};
      next_op_ = now + Duration{static_cast<int64_t>(choices.below(choice, longest, longest / 2))};
    }
    if (left_out) continue;  // its pause stays, so that the others keep their time
    send_op(operation, world, true_now);
    // Now and then a client goes to another server with everything in flight, its goodbye too.
    const uint32_t moves_in = closing_ ? 3 : 40;
    if (choices.chance({ChoiceKind::Workload, options_.index, issued_, kMoveChoice}, 1, moves_in)) {
      leaves_ = true;
      return;
    }
  }
}

void SimClient::send_op(const Operation& operation, World& world, SimTime true_now) {
  ClientOp op = recorded(operation);
  op.client = options_.index;
  op.session = session_;
  op.xid = next_xid_++;
  op.who = options_.who;
  op.invoked = true_now;
  if (op.op == Op::CloseSession || is_refused(op.op)) closing_ = true;
  Bytes frame = begun_frame();
  encode(RequestHeader{op.xid, static_cast<int32_t>(op.op)}, frame);
  const size_t head = frame.size();
  encode_body(op, frame);
  if (op.truncated) frame.resize(head + (frame.size() - head) / 2);
  in_flight_.push_back(log_.ops.size());
  log_.ops.push_back(std::move(op));
  world.send(link_, sealed(frame));
}

}  // namespace vivarium::sim
