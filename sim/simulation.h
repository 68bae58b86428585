// Simulation: hosts with clocks and disks, the network between them, and the queue of what will
// happen, from one seed. A value: a copy has the same future. The processes of the hosts are not in
// it: whoever runs it lends them (Programs), so that a copied cluster is a copied Simulation and
// its copied processes. Virtual time passes only between steps.
//
// A turn is what a host's loop does at once: one or more events, then TurnEnded, then what was sent
// leaves. How long a turn collects events is a choice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/metrics.h"
#include "core/world.h"
#include "sim/choices.h"
#include "sim/crash.h"
#include "sim/event_queue.h"
#include "sim/observer.h"
#include "sim/sim_clock.h"
#include "sim/sim_disk.h"
#include "sim/sim_files.h"
#include "sim/sim_network.h"
#include "sim/sim_sasl.h"

namespace vivarium::sim {

class SimWorld;

// The processes that hosts run.
class Programs {
 public:
  virtual ~Programs() = default;
  // A life of the host's process begins: make a new one. Started follows.
  virtual void born(HostId host, uint32_t life) = 0;
  virtual void step(HostId host, const Event& event, World& world) = 0;
  // The life ended, by whatever cause; not called within a step.
  virtual void died(HostId /*host*/) {}
  // What Simulation::alarm() asked for. Not within a step: faults may be applied here.
  virtual void alarm(uint64_t /*token*/) {}
};

struct HostOptions {
  std::string name;     // "s1", "c1": what Address::host says
  bool server = false;  // has doors
  // What its links show to servers, as if TLS had checked it. Empty: nothing.
  std::string certificate_subject{};
  bool logs_apart = false;
  int64_t clock_offset_ms = 0;  // of the wall clock
  int64_t clock_drift_ppm = 0;
  uint64_t disk_bytes = SimDisk::kNoLimit;
};

struct SimOptions {
  uint64_t seed = 1;
  NetOptions net;
  DiskOptions disk;
  int64_t wall_start_ms = 1'700'000'000'000;
  // A share of the turns collects events for up to this long.
  uint32_t long_turns_per_1024 = 64;
  Duration long_turn = microseconds(200);
};

enum class HostState : uint8_t { Off, Starting, Running, Paused };
enum class Death : uint8_t { Kill, PowerLoss };

class Simulation {
 public:
  explicit Simulation(const SimOptions& options);

  // --- building
  HostId add_host(const HostOptions& options);
  size_t host_count() const { return hosts_.size(); }
  HostId host(std::string_view name) const;  // CHECKed
  const std::string& name(HostId host) const { return at(host).name; }
  // What its links show to those who accept them.
  const std::string& address(HostId host) const { return at(host).address; }
  bool is_server(HostId host) const { return at(host).server; }

  // --- running. False when nothing is left to happen.
  bool step(Programs& programs);
  // Until virtual time `limit`; everything due at it has happened then.
  void run_until(Programs& programs, SimTime limit);
  void run_for(Programs& programs, Duration d) { run_until(programs, now_ + d); }
  // Until done() holds between two happenings; false when `limit` came first.
  template <class Done>
  bool run_until(Programs& programs, SimTime limit, Done&& done) {
    while (!done()) {
      if (queue_.empty() || queue_.next_time() > limit) {
        if (now_ < limit) now_ = limit;
        return false;
      }
      step(programs);
    }
    return true;
  }
  // --- other orders than that of time. What is pending and not yet heard, in the order in which it
  // was caused.
  std::vector<EventQueue::Pending> pending() const { return queue_.pending(); }
  // One of it happens next, and is a turn of its own. Now, even if it was due later: how long
  // things are under way is nobody's promise. A timer alone makes time pass until it is due, and
  // what was due before that is late.
  void step_out_of_turn(uint64_t order, Programs& programs);
  // When the host's timer is due; never: none is set.
  SimTime timer_due(HostId host) const { return at(host).clock.when(at(host).timer, now_); }
  // One step of a running host that is no event, and then the end of the turn. For tests and
  // scripts.
  void act(HostId host, Programs& programs, const std::function<void(World&)>& action);
  SimTime now() const { return now_; }
  uint64_t events() const { return events_; }  // delivered to processes
  uint64_t trace_hash() const { return trace_hash_; }
  // Anything the owner's decisions hang on may be mixed in.
  void mix_into_trace(uint64_t value) { mix(value); }
  void alarm(SimTime at, uint64_t token) {
    queue_.push(at, {Happens::Alarm, kNoHost, 0, 0, token, 0});
  }

  // --- processes
  HostState state(HostId host) const { return at(host).state; }
  uint32_t life(HostId host) const { return at(host).life; }
  bool running(HostId host) const { return at(host).state == HostState::Running; }
  // Why the last life ended; empty while it goes on.
  const std::string& death_reason(HostId host) const { return at(host).death_reason; }
  // How the last life ended by World::stop or a failed file; nullopt while it goes on and after a
  // kill.
  std::optional<StopReason> ended(HostId host) const { return at(host).ended; }
  bool stopped_itself(HostId host) const { return at(host).ended.has_value(); }
  void start(HostId host, Duration after = {});  // when Off
  // Nothing when Off. kill: the process, not the machine.
  void kill(HostId host, Programs& programs) {
    die(host, Death::Kill, std::nullopt, "killed", programs);
  }
  // Also when Off after a kill: then the cache is lost.
  void lose_power(HostId host, Programs& programs) {
    die(host, Death::PowerLoss, std::nullopt, "lost power", programs);
  }
  void pause(HostId host);
  void resume(HostId host);
  void request_stop(HostId host);  // SIGTERM
  // Ends the host's life in the middle of a step: calls from now on do nothing.
  void doom(HostId host, Death death);
  // As doom, right after the file operation that brings file_operations() to `count`.
  void doom_at(HostId host, uint64_t count, Death death);
  // Opens, writes, syncs, renames ... of all lives so far.
  uint64_t file_operations(HostId host) const { return at(host).file_operations; }

  // --- the parts, for faults and for looking
  Choices& choices() { return choices_; }
  const Choices& choices() const { return choices_; }
  SimNetwork& network() { return network_; }
  const SimNetwork& network() const { return network_; }
  SimDisk& disk(HostId host) { return at(host).disk; }
  const SimDisk& disk(HostId host) const { return at(host).disk; }
  SimFiles& files(HostId host) { return at(host).files; }
  const SimFiles& files(HostId host) const { return at(host).files; }
  SimClock& clock(HostId host) { return at(host).clock; }
  // After a clock was changed: the timer is due by the new one.
  void clock_changed(HostId host);
  Instant local_now(HostId host) const { return at(host).clock.monotonic(now_); }
  WallTime wall_now(HostId host) const { return at(host).clock.wall(now_); }
  Moment moment() { return {queue_, choices_, now_}; }
  // One direction, and both, between two hosts.
  void set_path(HostId from, HostId to, Path path);
  void set_paths(HostId a, HostId b, Path path);
  void break_links(HostId a, HostId b, uint64_t fault);
  // Disk answers of the host wait until released. Effects wait too.
  void stick_disk(HostId host);
  void release_disk(HostId host);
  bool disk_stuck(HostId host) const { return at(host).disk_stuck; }

  // Borrowed, and not copied with the simulation.
  void observe(Observer* observer) { observer_.pointer = observer; }
  Observer* observer() const { return observer_.pointer; }
  // Told to the observer, and part of the trace hash.
  void note(HostId host, std::string_view what);

 private:
  friend class SimWorld;

  // A pointer that a copy does not take along.
  template <class T>
  struct Borrowed {
    T* pointer = nullptr;
    Borrowed() = default;
    Borrowed(const Borrowed&) {}
    Borrowed& operator=(const Borrowed&) {
      pointer = nullptr;
      return *this;
    }
  };

  struct Host {
    Host(const HostOptions& options, const SimOptions& sim, HostId id);

    std::string name;
    std::string address;
    std::string certificate_subject;
    bool server;
    HostState state = HostState::Off;
    uint32_t life = 0;
    SimClock clock;
    SimDisk disk;
    SimFiles files;
    std::string death_reason;
    MetricTable metrics;
    std::optional<StopReason> ended;
    // The timer, by the host's clock, and the earliest happening that will look at it.
    Instant timer = Instant::never();
    SimTime timer_queued = SimTime::never();
    // The turn under way.
    bool turn_open = false;
    uint64_t turns = 0;
    uint64_t randoms = 0;
    uint64_t sasl_steps = 0;
    SimSasl sasl;
    uint64_t file_operations = 0;
    // In a step: the life ends after it; when doomed, calls do nothing any more.
    bool stopping = false;
    bool doomed = false;
    Death death = Death::Kill;
    std::string stop_text;
    StopReason stop_reason{};
    uint64_t doom_at = UINT64_MAX;
    Death doom_at_death = Death::PowerLoss;
    bool disk_stuck = false;
    std::vector<Happening> stuck;     // disk answers
    std::vector<Happening> deferred;  // while paused
  };

  Host& at(HostId host) { return hosts_[host.value]; }
  const Host& at(HostId host) const { return hosts_[host.value]; }
  bool hears(HostId host, const Happening& h);

  void dispatch(const Happening& h, Programs& programs);
  void dispatch_process(const Happening& h, Programs& programs);
  void dispatch_link(const Happening& h, Programs& programs);
  void dispatch_disk(const Happening& h, Programs& programs);
  void deliver_bytes(const Happening& h, Programs& programs);
  void link_down(const Happening& h, Programs& programs);
  void timer_due(const Happening& h, Programs& programs);
  void begin_life(const Happening& h, Programs& programs);
  void deliver(HostId host, const Event& event, uint64_t a, uint64_t b, Programs& programs);
  void step_process(HostId host, const Event& event, Programs& programs);
  void after_step(HostId host, Programs& programs);
  void open_turn(HostId host);
  void end_turn(HostId host, Programs& programs);
  void end_open_turn(Programs& programs);
  void queue_timer(HostId host);
  void die(HostId host, Death death, std::optional<StopReason> ended, std::string_view reason,
           Programs& programs);
  void count_file_operation(HostId host);
  void disk_changed(HostId host);

  void mix(uint64_t value) {
    trace_hash_ =
        (((trace_hash_ ^ value) << 29) | ((trace_hash_ ^ value) >> 35)) * 0x9fb21c651e98df25ULL;
  }

  SimOptions options_;
  Choices choices_;
  EventQueue queue_;
  SimNetwork network_;
  std::vector<Host> hosts_;
  SimTime now_;
  HostId open_turn_ = kNoHost;  // the host whose turn ends unless the next happening is its too
  HostId stepping_ = kNoHost;
  uint64_t events_ = 0;
  uint64_t trace_hash_ = 0;
  Borrowed<Observer> observer_;
};

}  // namespace vivarium::sim
