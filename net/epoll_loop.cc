#include "net/epoll_loop.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "core/base/check.h"
#include "net/process_facts.h"

namespace vivarium {
namespace {

constexpr int kReadinessPerTurn = 256;
// How long the end of the process waits for what was sent to leave.
constexpr Duration kEndingMax = milliseconds(1000);

constexpr Duration kStepWorthALine = milliseconds(1000);
// Who asks oftener for what the system knows of the process gets the same answer.
constexpr Duration kFactsAge = milliseconds(1000);

// Tokens that are not TcpLinks' (generation 0, slots above its listeners).
constexpr uint64_t kDiskToken = 0xffff'0000;
constexpr uint64_t kSignalToken = 0xffff'0001;
constexpr uint64_t kResolverToken = 0xffff'0002;
constexpr uint64_t kTlsToken = 0xffff'0003;

int64_t clock_ns(clockid_t clock) {
  timespec time = {};
  CHECK(clock_gettime(clock, &time) == 0);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// In front of what is wrong with a door: the port alone tells few people whose it is.
const char* whose(Door door) {
  switch (door) {
    case Door::Client:
      return "clientPort or secureClientPort: ";
    case Door::Election:
      return "the electionPort: ";
    case Door::Quorum:
      return "the quorumPort: ";
    case Door::Admin:
      return "AdminServer (admin.serverPort, admin.enableServer=false): ";
    case Door::Metrics:
      return "metricsProvider.httpPort: ";
  }
  return "";
}

}  // namespace

Result<std::unique_ptr<EpollLoop>> EpollLoop::make(LoopOptions options,
                                                   std::unique_ptr<FileDisk> disk,
                                                   Handler handler) {
  CHECK(disk != nullptr);
  CHECK(handler != nullptr);
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return fail(fmt::format("cannot create epoll: {}", std::strerror(errno)));
  // Both mean an error code where a signal would end the process.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  std::unique_ptr<EpollLoop> loop(
      new EpollLoop(std::move(options), std::move(disk), std::move(handler), std::move(epoll)));
  const Result<void> opened = loop->open_all();
  if (!opened) return tl::unexpected<Error>(opened.error());
  return loop;
}

EpollLoop::EpollLoop(LoopOptions options, std::unique_ptr<FileDisk> disk, Handler handler, Fd epoll)
    : options_(std::move(options)),
      disk_(std::move(disk)),
      handler_(std::move(handler)),
      epoll_(std::move(epoll)),
      links_(epoll_.get()),
      deliver_([this](const Event& event) { step(event); }) {
  read_clocks();
}

EpollLoop::~EpollLoop() = default;

Result<void> EpollLoop::watch(int fd, uint64_t token) {
  epoll_event interest = {};
  interest.events = EPOLLIN;
  interest.data.u64 = token;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) == 0) return {};
  return fail(fmt::format("cannot watch a descriptor: {}", std::strerror(errno)));
}

Result<void> EpollLoop::open_all() {
  if (options_.take_signals) {
    sigset_t set = stop_signals();
    if (options_.tls != nullptr) sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_.valid()) {
      return fail(fmt::format("cannot create signalfd: {}", std::strerror(errno)));
    }
    if (Result<void> done = watch(signals_.get(), kSignalToken); !done) return done;
  }
  if (Result<void> done = watch(disk_->wake_fd(), kDiskToken); !done) return done;
  if (Result<void> done = watch(links_.wake_fd(), kResolverToken); !done) return done;
  if (options_.tls != nullptr) {
    links_.use_tls(options_.tls, options_.handshake_deadline);
    tls_reloader_ = std::make_unique<TlsReloader>(*options_.tls);
    if (Result<void> done = watch(tls_reloader_->wake_fd(), kTlsToken); !done) return done;
  }
  links_.keep_connections_alive(options_.keep_connections_alive);
  for (const LoopDoor& door : options_.doors) {
    const Result<void> done = open_door(door);
    if (done) continue;
    const std::string line = fmt::format("{}{}", whose(door.door), done.error().message);
    if (!door.may_fail) return fail(line);
    log(LogLevel::Warn, line);
  }
  return {};
}

// Somebody may be about to leave the port, or a name about to be known. Nothing else goes on yet.
Result<void> EpollLoop::open_door(const LoopDoor& door) {
  constexpr int kPauseMs = 1000;
  for (uint32_t tries = 0;; ++tries) {
    Result<void> done = links_.listen(door.door, door.address, door.options);
    if (done || tries >= door.bind_retries) return done;
    log(LogLevel::Warn, fmt::format("{}{}; trying again", whose(door.door), done.error().message));
    pollfd stop = {signals_.get(), POLLIN, 0};
    if (::poll(&stop, 1, kPauseMs) > 0) return fail("stopped as asked");
  }
}

// ------------------------------------------------------------------------------------------- turns

int EpollLoop::run() {
  while (turn(-1)) continue;
  return ended_ == StopReason::Requested ? 0 : 1;
}

bool EpollLoop::turn(int wait_ms) {
  if (ended_) return false;
  if (stopping_) {
    turn_to_the_end();
    return !ended_;
  }
  delivered_ = 0;
  if (started_) {
    poll(wait_ms);
    turn_began_ = Instant{clock_ns(CLOCK_MONOTONIC)};
    deliver_all();
  } else {
    started_ = true;
    turn_began_ = Instant{clock_ns(CLOCK_MONOTONIC)};
    step(Started{});
  }
  end_turn();
  note_turn();
  return !ended_;
}

void EpollLoop::act(const std::function<void(World&)>& action) {
  CHECK(started_);
  if (ended_ || stopping_) return;
  read_clocks();
  delivered_ = 1;
  in_step_ = true;
  action(*this);
  in_step_ = false;
  end_turn();
}

void EpollLoop::step(const Event& event) {
  if (stopping_) return;
  CHECK(!in_step_);
  const auto* down = std::get_if<LinkDown>(&event);
  if (down != nullptr && options_.sasl != nullptr) options_.sasl->forget(down->link);
  read_clocks();
  ++delivered_;
  in_step_ = true;
  handler_(event, *this);
  in_step_ = false;
  note_step();
}

// While a step lasts nobody else is served: with a thread of its own it would be a pause.
void EpollLoop::note_step() {
  const Duration took = Instant{clock_ns(CLOCK_MONOTONIC)} - now_;
  if (took > kStepWorthALine) {
    log(LogLevel::Warn, fmt::format("one step took {} ms: nobody was served", took.ms()));
  }
  if (took <= longest_step_) return;
  longest_step_ = took;
  metrics_.gauge("longest_step_us", took.ns / 1000);
}

// One step for all that was ready, and what was sent behind it.
void EpollLoop::note_turn() {
  const Duration took = Instant{clock_ns(CLOCK_MONOTONIC)} - turn_began_;
  if (took <= longest_turn_) return;
  longest_turn_ = took;
  metrics_.gauge("longest_turn_us", took.ns / 1000);
}

void EpollLoop::read_clocks() {
  now_ = Instant{clock_ns(CLOCK_MONOTONIC)};
  wall_now_ = WallTime{clock_ns(CLOCK_REALTIME) / 1'000'000};
}

int EpollLoop::milliseconds_to_wait(int wait_ms) const {
  if (!started_ || links_.has_work() || stop_asked_) return 0;
  const Instant next = std::min(timer_, links_.next_deadline());
  if (next == Instant::never()) return wait_ms;
  const Instant current{clock_ns(CLOCK_MONOTONIC)};
  if (next <= current) return 0;
  // Rounded up: a timer must not fire early.
  const int64_t ms = ((next - current).ns + 999'999) / 1'000'000;
  const int64_t capped = std::min<int64_t>(ms, 3'600'000);
  return static_cast<int>(wait_ms < 0 ? capped : std::min<int64_t>(capped, wait_ms));
}

void EpollLoop::poll(int wait_ms) {
  std::array<epoll_event, kReadinessPerTurn> ready;
  const int n =
      epoll_wait(epoll_.get(), ready.data(), kReadinessPerTurn, milliseconds_to_wait(wait_ms));
  CHECK(n >= 0 || errno == EINTR);
  for (int i = 0; i < n; ++i) {
    const epoll_event& one = ready[static_cast<size_t>(i)];
    if (TcpLinks::is_mine(one.data.u64)) links_.note_ready(one.data.u64, one.events);
    if (one.data.u64 == kDiskToken) disk_ready_ = true;
    if (one.data.u64 == kResolverToken) links_.note_answers();
    if (one.data.u64 == kSignalToken) take_signals();
    if (one.data.u64 == kTlsToken) take_tls_news();
  }
}

void EpollLoop::take_signals() {
  signalfd_siginfo info = {};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      reload_tls();
    } else {
      stop_asked_ = true;
    }
  }
  if (!stop_asked_) return;
  // A second signal ends the process at once, should the orderly way hang.
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void EpollLoop::reload_tls() {
  if (tls_reloader_ != nullptr) tls_reloader_->ask();
}

// Connections that are there keep what they began with.
void EpollLoop::take_tls_news() {
  const std::optional<TlsReloader::News> news = tls_reloader_->take();
  if (!news) return;
  if (news->context != nullptr) links_.use_tls(news->context, options_.handshake_deadline);
  log(news->context != nullptr ? LogLevel::Info : LogLevel::Error, news->line);
}

void EpollLoop::note_strangers() {
  World& world = *this;
  const TlsCounts counts = links_.take_tls_counts();
  if (counts.refused != 0) world.count("unsuccessful_handshake", counts.refused);
  if (counts.crowded_out != 0) world.count("tls_handshake_exceeded", counts.crowded_out);
  const auto strangers = static_cast<int64_t>(links_.stranger_count());
  if (std::exchange(strangers_, strangers) != strangers) {
    world.gauge("outstanding_tls_handshake", strangers);
  }
}

// The disk first, because acknowledgements wait for it; the timer last, so that input is seen
// before a deadline passes (RULES 16).
void EpollLoop::deliver_all() {
  if (std::exchange(disk_ready_, false)) disk_->deliver(deliver_);
  links_.deliver(Instant{clock_ns(CLOCK_MONOTONIC)}, deliver_);
  if (std::exchange(stop_asked_, false)) step(StopRequested{});
  if (timer_ != Instant::never() && Instant{clock_ns(CLOCK_MONOTONIC)} >= timer_) {
    timer_ = Instant::never();
    step(TimerFired{});
  }
}

void EpollLoop::end_turn() {
  if (delivered_ != 0) step(TurnEnded{});
  if (disk_->dead()) {
    ended_ = StopReason::Fatal;
    return;
  }
  disk_->flush(now_);
  links_.flush(now_);
  const std::string warning = links_.take_warning();
  if (!warning.empty()) log(LogLevel::Warn, warning);
  if (tls_reloader_ != nullptr) note_strangers();
  if (stopping_) begin_ending();
}

// -------------------------------------------------------------------------------------- the end

void EpollLoop::stop(StopReason reason, std::string_view why) {
  CHECK(in_step_);
  if (stopping_) return;
  stopping_ = reason;
  if (reason == StopReason::Fatal) {
    log(LogLevel::Error, why);
  } else {
    log(LogLevel::Info, fmt::format("stopping: {}", why));
  }
}

void EpollLoop::begin_ending() {
  disk_->finish();
  if (*stopping_ == StopReason::Fatal || disk_->dead()) {
    ended_ = StopReason::Fatal;
    return;
  }
  read_clocks();
  ending_deadline_ = now_ + kEndingMax;
  links_.begin_shutdown(now_);
  links_.flush(now_);
  turn_to_the_end();
}

// Links only: what was sent leaves, for a while.
void EpollLoop::turn_to_the_end() {
  read_clocks();
  if (now_ < ending_deadline_ && !links_.is_quiet()) {
    const auto left = static_cast<int>((ending_deadline_ - now_).ms());
    poll(std::min(left, 20));
    read_clocks();
    links_.deliver(now_, deliver_);
    links_.flush(now_);
  }
  if (now_ >= ending_deadline_ || links_.is_quiet()) ended_ = *stopping_;
}

// ------------------------------------------------------------------------------------------- World

uint64_t EpollLoop::random() {
  if (random_left_ == 0) {
    size_t filled = 0;
    auto* out = reinterpret_cast<Byte*>(random_.data());
    while (filled < sizeof random_) {
      const ssize_t n = getrandom(out + filled, sizeof random_ - filled, 0);
      CHECK(n > 0 || errno == EINTR);
      if (n > 0) filled += static_cast<size_t>(n);
    }
    random_left_ = random_.size();
  }
  return random_[--random_left_];
}

LinkId EpollLoop::connect(const Address& to) { return links_.connect(to); }
void EpollLoop::send(LinkId link, ByteView bytes) { links_.send(link, bytes); }
void EpollLoop::send_shared(LinkId link, SharedBytes bytes) {
  links_.send_shared(link, std::move(bytes));
}
uint64_t EpollLoop::unsent(LinkId link) const { return links_.unsent(link); }
void EpollLoop::give_credit(LinkId link, uint64_t bytes) { links_.give_credit(link, bytes); }
void EpollLoop::close(LinkId link, bool drain) {
  if (options_.sasl != nullptr) options_.sasl->forget(link);
  links_.close(link, drain, now_);
}
void EpollLoop::keep_half_open(LinkId link) { links_.keep_half_open(link); }
SaslAnswer EpollLoop::sasl(LinkId link, ByteView token) {
  return options_.sasl != nullptr ? options_.sasl->step(link, token) : SaslAnswer();
}

FileId EpollLoop::open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) {
  return disk_->open(dir, name, mode, lane, on_error);
}
FileId EpollLoop::open_coded(Dir dir, std::string_view name, OpenMode mode, Coding coding) {
  return disk_->open(dir, name, mode, Lane::Bulk, OnError::Report, coding);
}
void EpollLoop::end_coded(FileId file) { disk_->end_coded(file); }
void EpollLoop::write(FileId file, uint64_t offset, ByteView bytes) {
  disk_->write(file, offset, bytes);
}
void EpollLoop::write_shared(FileId file, uint64_t offset, SharedBytes bytes) {
  disk_->write_shared(file, offset, std::move(bytes));
}
void EpollLoop::preallocate(FileId file, uint64_t offset, uint64_t length) {
  disk_->preallocate(file, offset, length);
}
void EpollLoop::hurry(FileId file) { disk_->hurry(file); }
void EpollLoop::truncate(FileId file, uint64_t size) { disk_->truncate(file, size); }
void EpollLoop::sync(FileId file, uint64_t token) { disk_->sync(file, token); }
void EpollLoop::read(FileId file, uint64_t offset, uint64_t length, uint64_t token) {
  disk_->read(file, offset, length, token);
}
void EpollLoop::close(FileId file) { disk_->close(file); }
// Names have one executor whatever the lane: see NameLane.
void EpollLoop::rename(Dir dir, std::string_view from, std::string_view to, Lane) {
  disk_->rename(dir, from, to);
}
void EpollLoop::remove(Dir dir, std::string_view name, Lane) { disk_->remove(dir, name); }
void EpollLoop::sync_dir(Dir dir, uint64_t token, Lane) { disk_->sync_dir(dir, token); }
void EpollLoop::list(Dir dir, uint64_t token) { disk_->list(dir, token); }
uint64_t EpollLoop::free_bytes(Dir dir) const { return disk_->free_bytes(dir); }

void EpollLoop::log(LogLevel level, std::string_view line) {
  if (options_.log && level >= log_least_) options_.log(level, line);
}

void EpollLoop::count(std::string_view key, int64_t add) { metrics_.count(key, add); }
void EpollLoop::gauge(std::string_view key, int64_t value) { metrics_.gauge(key, value); }
void EpollLoop::sample(std::string_view key, int64_t value) { metrics_.sample(key, value); }

ProcessFacts EpollLoop::process_facts() const {
  if (facts_at_ == Instant{INT64_MIN} || now_ - facts_at_ > kFactsAge) {
    facts_ = read_process_facts();
    facts_at_ = now_;
  }
  return facts_;
}

void EpollLoop::audit(std::string_view line) {
  // Whatever level is logged: who asked for an audit log wants all of it.
  if (options_.log) options_.log(LogLevel::Info, fmt::format("audit: {}", line));
}

}  // namespace vivarium
