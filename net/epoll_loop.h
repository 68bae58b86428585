// EpollLoop: World on the real machine. One thread turns: wait for readiness, deliver each event as
// one step of the handler, then TurnEnded, then hand the turn's work to the disk and the sockets.
// It knows nothing of Node: whatever is called with events stands there.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/event.h"
#include "core/metrics.h"
#include "core/world.h"
#include "disk/fd.h"
#include "disk/file_disk.h"
#include "net/logging.h"
#include "net/sasl_server.h"
#include "net/tcp_links.h"
#include "net/tls_reloader.h"

namespace vivarium {

struct LoopDoor {
  Door door{};
  Address address;        // host empty: all interfaces; port 0: any
  bool may_fail = false;  // a door that cannot be opened is told of and stays shut
  DoorOptions options{};
  uint32_t bind_retries = 0;  // a second apart
};

struct LoopOptions {
  std::vector<LoopDoor> doors;
  bool take_signals = false;  // SIGTERM and SIGINT become StopRequested; with TLS SIGHUP reloads
  LogSink log;                // unset: lines are dropped
  std::shared_ptr<const TlsContext> tls;  // needed by doors with TLS
  std::shared_ptr<SaslServer> sasl;       // none: clients cannot authenticate by SASL
  Duration handshake_deadline = milliseconds(10'000);
  bool keep_connections_alive = false;  // SO_KEEPALIVE on those that the core opens
};

class EpollLoop final : public World {
 public:
  using Handler = std::function<void(const Event&, World&)>;

  // Opens the doors. Errors: an address that cannot be resolved or bound.
  static Result<std::unique_ptr<EpollLoop>> make(LoopOptions options,
                                                 std::unique_ptr<FileDisk> disk, Handler handler);
  // Ends all at once, as kill -9 does.
  ~EpollLoop() override;

  // Turns until the life ends, Started first. The process's exit status: 0 asked for, 1 fatal.
  int run();
  // One turn, that sleeps for `wait_ms` at most (-1: until something happens). False when the life
  // has ended.
  bool turn(int wait_ms);
  std::optional<StopReason> ended() const { return ended_; }
  uint16_t port(Door door) const { return links_.port(door); }
  uint16_t tls_port() const { return links_.tls_port(); }
  // Readable when a turn has something to do at once; timers aside.
  int descriptor() const { return epoll_.get(); }

  // For tests: `action` in place of a step of its own, and the end of the turn behind it.
  void act(const std::function<void(World&)>& action);
  // What a signal does.
  void ask_to_stop() { stop_asked_ = true; }
  void reload_tls();

  // --- World
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return wall_now_; }
  uint64_t random() override;
  void set_timer(Instant at) override { timer_ = at; }
  LinkId connect(const Address& to) override;
  void send(LinkId link, ByteView bytes) override;
  void send_shared(LinkId link, SharedBytes bytes) override;
  uint64_t unsent(LinkId link) const override;
  void give_credit(LinkId link, uint64_t bytes) override;
  void close(LinkId link, bool drain) override;
  void keep_half_open(LinkId link) override;
  SaslAnswer sasl(LinkId link, ByteView token) override;
  FileId open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) override;
  FileId open_coded(Dir dir, std::string_view name, OpenMode mode, Coding coding) override;
  void end_coded(FileId file) override;
  void write(FileId file, uint64_t offset, ByteView bytes) override;
  void write_shared(FileId file, uint64_t offset, SharedBytes bytes) override;
  void preallocate(FileId file, uint64_t offset, uint64_t length) override;
  void hurry(FileId file) override;
  void truncate(FileId file, uint64_t size) override;
  void sync(FileId file, uint64_t token) override;
  void read(FileId file, uint64_t offset, uint64_t length, uint64_t token) override;
  void close(FileId file) override;
  void rename(Dir dir, std::string_view from, std::string_view to, Lane lane) override;
  void remove(Dir dir, std::string_view name, Lane lane) override;
  void sync_dir(Dir dir, uint64_t token, Lane lane) override;
  void list(Dir dir, uint64_t token) override;
  uint64_t free_bytes(Dir dir) const override;
  void log(LogLevel level, std::string_view line) override;
  void count(std::string_view key, int64_t add) override;
  void gauge(std::string_view key, int64_t value) override;
  void sample(std::string_view key, int64_t value) override;
  const MetricTable* metrics() const override { return &metrics_; }
  void reset_metrics() override {
    metrics_.reset();
    longest_step_ = Duration();
    longest_turn_ = Duration();
  }
  void audit(std::string_view line) override;
  void set_log_level(LogLevel least) override { log_least_ = least; }
  ProcessFacts process_facts() const override;
  void stop(StopReason reason, std::string_view why) override;

 private:
  EpollLoop(LoopOptions options, std::unique_ptr<FileDisk> disk, Handler handler, Fd epoll);
  Result<void> open_all();
  Result<void> open_door(const LoopDoor& door);
  Result<void> watch(int fd, uint64_t token);
  void read_clocks();
  void step(const Event& event);
  void poll(int wait_ms);
  int milliseconds_to_wait(int wait_ms) const;
  void deliver_all();
  void end_turn();
  void begin_ending();
  void turn_to_the_end();
  void take_signals();
  void take_tls_news();
  void note_strangers();
  void note_step();
  void note_turn();

  LoopOptions options_;
  std::unique_ptr<FileDisk> disk_;
  Handler handler_;
  Fd epoll_;
  Fd signals_;
  TcpLinks links_;
  std::unique_ptr<TlsReloader> tls_reloader_;
  int64_t strangers_ = 0;  // as the metric has it
  Duration longest_step_;  // the same
  Duration longest_turn_;
  Instant turn_began_{};
  FileDisk::Deliver deliver_;
  Instant now_{};
  WallTime wall_now_{};
  Instant timer_ = Instant::never();
  std::array<uint64_t, 64> random_{};
  size_t random_left_ = 0;
  MetricTable metrics_;
  LogLevel log_least_ = LogLevel::Info;
  mutable ProcessFacts facts_;  // as of facts_at_
  mutable Instant facts_at_{INT64_MIN};
  bool started_ = false;
  bool in_step_ = false;
  bool stop_asked_ = false;
  bool disk_ready_ = false;
  size_t delivered_ = 0;                // steps of this turn
  std::optional<StopReason> stopping_;  // the handler is not called any more
  Instant ending_deadline_{};
  std::optional<StopReason> ended_;
};

}  // namespace vivarium
