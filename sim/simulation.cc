#include "sim/simulation.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "sim/sim_world.h"

namespace vivarium::sim {

// ---------------------------------------------------------------------------------- building

Simulation::Host::Host(const HostOptions& options, const SimOptions& sim, HostId id)
    : name(options.name),
      address(fmt::format("10.0.{}.{}", options.server ? 0 : 1, id.value + 1)),
      certificate_subject(options.certificate_subject),
      server(options.server),
      clock({sim.wall_start_ms + options.clock_offset_ms}, options.clock_drift_ppm),
      disk(options.logs_apart),
      files(sim.disk, id) {
  disk.set_capacity(options.disk_bytes);
}

Simulation::Simulation(const SimOptions& options)
    : options_(options),
      choices_(options.seed),
      network_(options.net),
      trace_hash_(mix64(options.seed)) {}

HostId Simulation::add_host(const HostOptions& options) {
  const HostId id = network_.add_host();
  CHECK(id.value == hosts_.size());
  hosts_.emplace_back(options, options_, id);
  return id;
}

HostId Simulation::host(std::string_view name) const {
  for (uint32_t i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i].name == name) return HostId{i};
  }
  CHECK(false && "no host of this name");
  return kNoHost;
}

void Simulation::note(HostId host, std::string_view what) {
  mix(hash64(as_bytes(what), host.value));
  if (observer() != nullptr) observer()->happened(*this, host, what);
}

// ---------------------------------------------------------------------------------- running

bool Simulation::step(Programs& programs) {
  if (queue_.empty()) return false;
  const SimTime due = queue_.next_time();
  CHECK(due >= now_);
  now_ = due;
  const Happening h = queue_.pop();
  dispatch(h, programs);
  if (open_turn_ != kNoHost &&
      (queue_.empty() || queue_.next_time() != now_ || queue_.next().host != open_turn_)) {
    end_open_turn(programs);
  }
  network_.reap();
  return true;
}

void Simulation::end_open_turn(Programs& programs) {
  const HostId host = std::exchange(open_turn_, kNoHost);
  end_turn(host, programs);
}

void Simulation::step_out_of_turn(uint64_t order, Programs& programs) {
  const EventQueue::Pending taken = queue_.take(order);
  if (taken.what.kind == Happens::Timer && taken.due > now_) {
    now_ = taken.due;
    queue_.postpone(now_);
  }
  dispatch(taken.what, programs);
  if (open_turn_ != kNoHost) end_open_turn(programs);
  network_.reap();
}

void Simulation::run_until(Programs& programs, SimTime limit) {
  while (!queue_.empty() && queue_.next_time() <= limit) step(programs);
  if (now_ < limit) now_ = limit;
}

void Simulation::dispatch(const Happening& h, Programs& programs) {
  if (h.kind == Happens::Alarm) {
    mix(h.a);
    programs.alarm(h.a);
  } else if (h.kind <= Happens::Signal) {
    dispatch_process(h, programs);
  } else if (h.kind <= Happens::Down) {
    dispatch_link(h, programs);
  } else {
    dispatch_disk(h, programs);
  }
}

// False when nobody is there to hear it; kept for later when the process is paused.
bool Simulation::hears(HostId host, const Happening& h) {
  Host& target = at(host);
  if (target.state == HostState::Running) return true;
  if (target.state == HostState::Paused) target.deferred.push_back(h);
  return false;
}

void Simulation::dispatch_process(const Happening& h, Programs& programs) {
  if (h.generation != at(h.host).life) return;
  if (h.kind == Happens::Start) return begin_life(h, programs);
  if (!hears(h.host, h)) return;
  if (h.kind == Happens::Timer) {
    timer_due(h, programs);
  } else if (h.kind == Happens::TurnEnd) {
    if (at(h.host).turn_open) end_turn(h.host, programs);
  } else {
    deliver(h.host, StopRequested{}, 0, 0, programs);
  }
}

void Simulation::dispatch_link(const Happening& h, Programs& programs) {
  Moment m = moment();
  if (h.kind == Happens::Arrive || h.kind == Happens::Fin) {
    if (network_.arrive(m, h)) deliver_bytes(h, programs);
  } else if (h.kind == Happens::Deliver) {
    deliver_bytes(h, programs);
  } else if (h.kind == Happens::Syn || h.kind == Happens::Accepted) {
    if (h.kind == Happens::Syn && !network_.syn(m, h)) return;
    Happening accepted = h;
    accepted.kind = Happens::Accepted;
    if (!hears(h.host, accepted) || !network_.accepted(accepted)) return;
    const LinkId link = network_.link_of(accepted);
    const Host& peer = at(network_.peer_of(accepted));
    deliver(
        h.host,
        LinkAccepted{link, network_.door_of(accepted), peer.address, 0, peer.certificate_subject},
        link.slot, link.generation, programs);
  } else if (h.kind == Happens::Up) {
    if (!hears(h.host, h) || !network_.up(m, h)) return;
    const LinkId link = network_.link_of(h);
    deliver(h.host, LinkUp{link}, link.slot, link.generation, programs);
  } else if (h.kind == Happens::WindowOpen) {
    if (at(h.host).state != HostState::Paused || hears(h.host, h)) network_.window_open(m, h);
  } else if (h.kind == Happens::Drained) {
    if (!hears(h.host, h) || !network_.drained(h)) return;
    const LinkId link = network_.link_of(h);
    deliver(h.host, LinkDrained{link}, link.slot, link.generation, programs);
  } else if (h.kind == Happens::Reset) {
    if (network_.reset(m, h)) link_down(h, programs);
  } else {
    link_down(h, programs);
  }
}

void Simulation::deliver_bytes(const Happening& h, Programs& programs) {
  Happening later = h;
  later.kind = Happens::Deliver;
  if (!hears(h.host, later)) return;
  Moment m = moment();
  const ByteView bytes = network_.take(m, h);
  if (!bytes.empty()) {
    const LinkId link = network_.link_of(h);
    deliver(h.host, LinkBytes{link, bytes}, uint64_t{link.generation} << 32 | link.slot,
            bytes.size(), programs);
  }
  if (!network_.at_end(later)) return;
  link_down({Happens::Down, h.host, h.slot, h.generation, 1 - h.a, 0}, programs);
}

void Simulation::link_down(const Happening& h, Programs& programs) {
  Happening down = h;
  down.kind = Happens::Down;
  if (!hears(h.host, down)) return;
  Moment m = moment();
  if (!network_.down(m, down)) return;
  const LinkId link = network_.link_of(down);
  at(h.host).sasl.forget(link);
  deliver(h.host, LinkDown{link}, link.slot, link.generation, programs);
}

void Simulation::dispatch_disk(const Happening& h, Programs& programs) {
  Host& host = at(h.host);
  if (host.disk_stuck) {
    host.stuck.push_back(h);
    return;
  }
  if (!hears(h.host, h)) return;
  const SimFiles::Outcome outcome = host.files.carry_out(host.disk, h);
  if (h.kind == Happens::Synced || h.kind == Happens::DirSynced) disk_changed(h.host);
  if (outcome == SimFiles::Outcome::Stop) {
    const std::string reason = host.files.stop_reason();
    die(h.host, Death::Kill, StopReason::Fatal, reason, programs);
    return;
  }
  if (outcome == SimFiles::Outcome::Report) {
    const FileId file{h.slot, h.generation};
    const Dir dir = static_cast<Dir>(h.slot);
    const uint64_t who = uint64_t{h.generation} << 32 | h.slot;
    if (h.kind == Happens::Synced) {
      deliver(h.host, FileSynced{file, h.a}, who, h.a, programs);
    } else if (h.kind == Happens::ReadDone) {
      const ReadDone done = host.files.read_done(h);
      deliver(h.host, done, who, hash64(done.bytes, done.offset), programs);
    } else if (h.kind == Happens::FileOpened) {
      deliver(h.host, FileOpened{file, h.a}, who, h.a, programs);
    } else if (h.kind == Happens::FileFailed) {
      deliver(h.host, FileFailed{file, static_cast<FileError>(h.a)}, who, h.a, programs);
    } else if (h.kind == Happens::Preallocated) {
      deliver(h.host, Preallocated{file, (h.a & 1) != 0}, who, h.a, programs);
    } else if (h.kind == Happens::DirSynced) {
      deliver(h.host, DirSynced{dir, h.a}, h.slot, h.a, programs);
    } else {
      CHECK(h.kind == Happens::DirListed);
      const DirListed listed = host.files.listed(h);
      deliver(h.host, listed, h.a, listed.entries->size(), programs);
    }
  }
  host.files.delivered(host.disk, h);
}

void Simulation::deliver(HostId host, const Event& event, uint64_t a, uint64_t b,
                         Programs& programs) {
  mix(static_cast<uint64_t>(now_.ns));
  mix(uint64_t{host.value} << 8 | event.index());
  mix(a);
  mix(b);
  open_turn(host);
  step_process(host, event, programs);
}

void Simulation::step_process(HostId host, const Event& event, Programs& programs) {
  CHECK(stepping_ == kNoHost);
  ++events_;
  if (observer() != nullptr) observer()->delivering(*this, host, event);
  stepping_ = host;
  SimWorld world(*this, host);
  programs.step(host, event, world);
  stepping_ = kNoHost;
  if (observer() != nullptr) observer()->delivered(*this, host, event);
  after_step(host, programs);
}

void Simulation::act(HostId host, Programs& programs, const std::function<void(World&)>& action) {
  CHECK(stepping_ == kNoHost);
  CHECK(running(host));
  if (observer() != nullptr) observer()->happened(*this, host, "acts");
  at(host).turn_open = true;
  stepping_ = host;
  SimWorld world(*this, host);
  action(world);
  stepping_ = kNoHost;
  after_step(host, programs);
  if (running(host)) end_turn(host, programs);
  network_.reap();
}

void Simulation::after_step(HostId host, Programs& programs) {
  Host& h = at(host);
  if (h.doomed) {
    die(host, h.death, std::nullopt, "died within a step", programs);
  } else if (h.stopping) {
    // What the last turn sent may or may not have left.
    if (choices_.below({ChoiceKind::LinkEnd, host.value, h.life, 5}, 2, 1) == 1) {
      Moment m = moment();
      network_.end_turn(m, host);
    }
    const std::string text = h.stop_text;
    die(host, Death::Kill, h.stop_reason, text, programs);
  }
}

void Simulation::open_turn(HostId host) {
  Host& h = at(host);
  if (h.turn_open) return;
  h.turn_open = true;
  const Choice choice{ChoiceKind::TurnLength, host.value, h.life, h.turns++};
  if (!choices_.chance(choice, options_.long_turns_per_1024, 1024)) {
    open_turn_ = host;
    return;
  }
  const Duration length = {1 + static_cast<int64_t>(choices_.draw(choice) & 0xffff) *
                                   options_.long_turn.ns / 0x10000};
  queue_.push(now_ + length, {Happens::TurnEnd, host, 0, h.life, 0, 0});
}

void Simulation::end_turn(HostId host, Programs& programs) {
  if (open_turn_ == host) open_turn_ = kNoHost;  // an action from outside came in between
  step_process(host, TurnEnded{}, programs);
  Host& h = at(host);
  if (h.state != HostState::Running) return;  // died in it
  h.turn_open = false;
  Moment m = moment();
  network_.end_turn(m, host);
}

// ---------------------------------------------------------------------------------- timers

void Simulation::queue_timer(HostId host) {
  Host& h = at(host);
  const SimTime when = h.clock.when(h.timer, now_);
  if (when >= h.timer_queued) return;
  h.timer_queued = when;
  queue_.push(when, {Happens::Timer, host, 0, h.life, 0, 0});
}

void Simulation::timer_due(const Happening& happening, Programs& programs) {
  Host& h = at(happening.host);
  if (now_ >= h.timer_queued) h.timer_queued = SimTime::never();
  if (h.timer == Instant::never()) return;
  if (h.clock.monotonic(now_) < h.timer) return queue_timer(happening.host);
  h.timer = Instant::never();
  deliver(happening.host, TimerFired{}, 0, 0, programs);
}

void Simulation::clock_changed(HostId host) {
  mix(static_cast<uint64_t>(local_now(host).ns));
  at(host).timer_queued = SimTime::never();
  queue_timer(host);
}

// ---------------------------------------------------------------------------------- lives

void Simulation::start(HostId host, Duration after) {
  Host& h = at(host);
  CHECK(h.state == HostState::Off);
  h.state = HostState::Starting;
  h.life += 1;
  queue_.push(now_ + after, {Happens::Start, host, 0, h.life, 0, 0});
}

void Simulation::begin_life(const Happening& happening, Programs& programs) {
  const HostId host = happening.host;
  Host& h = at(host);
  if (h.state != HostState::Starting) return;
  note(host, "starts");
  h.state = HostState::Running;
  h.death_reason.clear();
  h.ended.reset();
  h.randoms = h.sasl_steps = 0;
  h.sasl.clear();
  h.turns = 0;
  h.files.begin_life(h.life);
  h.metrics = MetricTable();
  const Choice zero{ChoiceKind::ClockZero, host.value, h.life, 0};
  h.clock.restart(now_, {static_cast<int64_t>(choices_.below(zero, 3'600'000'000'000))});
  h.timer_queued = SimTime::never();
  Moment m = moment();
  network_.set_presence(m, host, h.server ? Presence::Listening : Presence::NoProcess);
  programs.born(host, h.life);
  deliver(host, Started{}, h.life, 0, programs);
}

void Simulation::die(HostId host, Death death, std::optional<StopReason> ended,
                     std::string_view reason, Programs& programs) {
  CHECK(stepping_ == kNoHost);
  Host& h = at(host);
  const bool power_lost = death == Death::PowerLoss;
  const bool lived = h.state == HostState::Running || h.state == HostState::Paused;
  if (!power_lost && h.state == HostState::Off) return;
  note(host, reason);
  h.death_reason.assign(reason);
  if (lived) h.ended = ended;
  h.state = HostState::Off;
  h.turn_open = false;
  if (open_turn_ == host) open_turn_ = kNoHost;
  h.timer = Instant::never();
  h.stopping = false;
  h.doomed = false;
  h.doom_at = UINT64_MAX;
  h.deferred.clear();
  h.stuck.clear();
  Moment m = moment();
  network_.process_died(m, host, power_lost);
  network_.set_presence(m, host, power_lost ? Presence::MachineOff : Presence::NoProcess);
  h.files.end_life();
  if (power_lost) {
    Crash::lose_power(h.disk, choices_, host, h.life, h.files.tears());
  } else {
    Crash::kill(h.disk, choices_, host, h.life, now_, options_.disk.kill_lag);
  }
  mix(h.disk.hash(SimDisk::Image::Cached));
  if (observer() != nullptr) observer()->crashed(*this, host);
  if (lived) programs.died(host);
}

void Simulation::pause(HostId host) {
  if (at(host).state != HostState::Running) return;
  note(host, "is paused");
  at(host).state = HostState::Paused;
}

void Simulation::resume(HostId host) {
  Host& h = at(host);
  if (h.state != HostState::Paused) return;
  note(host, "goes on");
  h.state = HostState::Running;
  for (const Happening& later : h.deferred) queue_.push(now_, later);
  h.deferred.clear();
}

void Simulation::request_stop(HostId host) {
  if (!running(host)) return;
  note(host, "is asked to stop");
  queue_.push(now_, {Happens::Signal, host, 0, at(host).life, 0, 0});
}

void Simulation::doom(HostId host, Death death) {
  CHECK(stepping_ == host);
  at(host).doomed = true;
  at(host).death = death;
}

void Simulation::doom_at(HostId host, uint64_t count, Death death) {
  CHECK(count > at(host).file_operations);
  at(host).doom_at = count;
  at(host).doom_at_death = death;
}

void Simulation::count_file_operation(HostId host) {
  Host& h = at(host);
  ++h.file_operations;
  disk_changed(host);
  if (h.file_operations == h.doom_at) doom(host, h.doom_at_death);
}

void Simulation::disk_changed(HostId host) {
  if (observer() != nullptr) observer()->disk_changed(*this, host);
}

// ---------------------------------------------------------------------------------- faults

void Simulation::set_path(HostId from, HostId to, Path path) {
  Moment m = moment();
  network_.set_path(m, from, to, path);
}

void Simulation::set_paths(HostId a, HostId b, Path path) {
  set_path(a, b, path);
  set_path(b, a, path);
}

void Simulation::break_links(HostId a, HostId b, uint64_t fault) {
  Moment m = moment();
  for (const LinkInfo& link : network_.links()) {
    const bool between = (link.from == a && link.to == b) || (link.from == b && link.to == a);
    if (between) network_.break_link(m, link, fault);
  }
}

void Simulation::stick_disk(HostId host) {
  note(host, "disk is stuck");
  at(host).disk_stuck = true;
}

void Simulation::release_disk(HostId host) {
  Host& h = at(host);
  note(host, "disk answers again");
  h.disk_stuck = false;
  for (const Happening& later : h.stuck) queue_.push(now_, later);
  h.stuck.clear();
}

}  // namespace vivarium::sim
