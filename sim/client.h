// SimClient: a ZooKeeper client as a value with a step, like Node: connects, keeps its session over
// servers, pipelines operations drawn by name from its workload, and keeps the history of what it
// invoked and what came back.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/wire/client_messages.h"
#include "core/world.h"
#include "sim/choices.h"
#include "sim/client_log.h"
#include "sim/client_watches.h"
#include "sim/observation.h"
#include "sim/workload.h"

namespace vivarium::sim {

struct ClientOptions {
  ClientIndex index = 0;
  uint32_t servers = 3;
  int32_t session_timeout_ms = 1000;
  bool read_only = false;             // content with a read-only server
  uint32_t pipeline = 2;              // operations in flight at most
  uint32_t burst = 1;                 // issued at once, and then a longer pause
  uint32_t operations = 50;           // of the workload; then it only keeps its session
  Duration think = milliseconds(20);  // mean pause between operations
  Identity who;
  Padding padding;
  uint32_t wrong_one_in = 0;      // connects with a wrong password or secret; 0: never
  bool changes_ensemble = false;  // asks for other members, and for nothing else
  // Of the workload, only these are invoked: which, ascending, from 0. All, when not set.
  std::optional<std::vector<uint32_t>> kept{};
};

class SimClient {
 public:
  // Xids of different clients differ too: a server whose wall clock goes back between two lives may
  // give a closed session's id again (core/server/session_ids.h), and txns carry session and xid.
  explicit SimClient(const ClientOptions& options)
      : options_(options), next_xid_(1 + static_cast<int32_t>(options.index) * 1'000'000) {
    log_.who = options.who;
  }

  // `true_now` stamps the history: the client's clock is nobody's evidence.
  void step(const Event& event, World& world, Choices& choices, SimTime true_now);

  const std::vector<ClientOp>& ops() const { return log_.ops; }
  // All that it invoked and heard.
  const ClientLog& log() const { return log_; }
  void keep_operations(std::vector<uint32_t> which) { options_.kept = std::move(which); }
  uint32_t issued() const { return issued_; }  // left out ones too
  bool workload_done() const { return issued_ >= options_.operations && in_flight_.empty(); }
  size_t completed() const { return completed_; }
  bool connected() const { return state_ == State::Connected; }
  bool busy() const { return !in_flight_.empty(); }
  SessionId session() const { return session_; }
  size_t sessions_begun() const { return sessions_begun_; }
  // Something a server must never send: empty while all is well.
  const std::string& protocol_error() const { return protocol_error_; }

  // One more write, to be issued at the next step: the probe of K-LIVE. done when it was answered.
  void ask_probe();
  const ClientOp& probe() const { return log_.ops[probe_op_]; }  // the last one sent
  bool probe_done() const { return probe_state_ == Probe::Done; }

  // For scenarios, to be issued at the next step: an operation of theirs, and which server to be
  // connected to from now on. asked() is null until the operation was sent.
  void begin_anew() { *this = SimClient(options_); }  // another client on the same host
  size_t ask(Operation operation);
  const ClientOp* asked(size_t ticket) const;
  // Of these, how many are neither answered nor lost.
  size_t asked_open() const;
  void prefer(uint32_t server);
  uint32_t server() const { return server_; }  // connected to it, or last

 private:
  // Identifying: the session is there, and SASL has not said yet who the client is.
  enum class State : uint8_t { Off, Waiting, Connecting, Handshaking, Identifying, Connected };
  enum class Probe : uint8_t { None, Wanted, Sent, Done };

  void connect(World& world, Choices& choices);
  void disconnect(World& world, bool close_link);
  void on_bytes(ByteView bytes, World& world, SimTime true_now);
  bool on_frame(ByteView frame, World& world, SimTime true_now);
  void send_connect(World& world, SimTime true_now);
  bool on_connect_response(ByteView frame, World& world, SimTime true_now);
  void identify(World& world, SimTime true_now);
  void send_sasl(ByteView token, World& world);
  bool on_sasl_reply(ByteView frame, World& world, SimTime true_now);
  void begin(World& world, SimTime true_now);
  bool on_reply(ByteView frame, SimTime true_now);
  bool on_watch_event(ByteView body, int64_t zxid, SimTime true_now);
  void end_session();
  void issue(World& world, Choices& choices, SimTime true_now);
  void send_op(const Operation& operation, World& world, SimTime true_now);
  void on_timer(World& world, SimTime true_now);
  void arm(World& world);
  bool refuse(std::string why);

  ClientOptions options_;
  State state_ = State::Off;
  LinkId link_;
  Bytes in_;
  uint32_t server_ = 0;
  uint64_t connects_ = 0;
  Instant wake_at_ = Instant::never();  // to connect
  Instant next_op_ = Instant::never();
  Instant next_ping_ = Instant::never();
  Instant silent_at_ = Instant::never();  // nothing heard until then: try another server
  SessionId session_;
  Bytes password_;
  int32_t timeout_ms_ = 0;
  Zxid last_zxid_;
  int32_t next_xid_;
  uint32_t issued_ = 0;
  size_t completed_ = 0;
  size_t sessions_begun_ = 0;
  bool closing_ = false;  // something is in flight that ends the connection: nothing behind it
  bool leaves_ = false;   // for another server, in the next turn
  Probe probe_state_ = Probe::None;
  size_t probe_op_ = 0;
  std::vector<Operation> asked_;   // by ticket
  std::vector<size_t> asked_ops_;  // index of log_.ops, as far as they were sent
  std::optional<uint32_t> preferred_;
  std::deque<size_t> in_flight_;  // indices of log_.ops
  ClientLog log_;
  ClientWatches watches_;
  SimTime connect_sent_{};
  SimTime ping_sent_{};
  bool read_only_ = false;  // the present connection's server is
  // What it says wrong on the present connection.
  enum class Lie : uint8_t { None, Password, Secret };
  Lie lie_{};
  bool sasl_asked_ = false;  // the challenge has come
  std::string protocol_error_;
};

}  // namespace vivarium::sim
