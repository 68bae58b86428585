// EpollLoop beyond the contract of World: real sockets at the other end, names, signals,
// exhaustion, and the end of the process.
#include "net/epoll_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <fstream>
#include <iterator>

#include "net/send_queue.h"
#include "net/socket_address.h"
#include "tests/contract/actor.h"
#include "tests/contract/real_worlds.h"

namespace vivarium::contract {
namespace {

using testing::HasSubstr;

// A blocking client that is no World.
Fd plain_client(const Address& to) {
  const auto address = resolve_literal(to);
  EXPECT_TRUE(address);
  Fd fd(socket(address->front().storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), address->front().get(), address->front().length), 0);
  return fd;
}

void reset(Fd& socket) {
  const linger at_once{1, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.reset();
}

std::unique_ptr<EpollLoop> loop_at(const std::string& directory, LoopOptions options,
                                   EpollLoop::Handler handler) {
  auto disk = FileDisk::make({directory, "", {}, {}, {}});
  EXPECT_TRUE(disk) << disk.error().message;
  auto loop = EpollLoop::make(std::move(options), std::move(*disk), std::move(handler));
  EXPECT_TRUE(loop) << loop.error().message;
  return std::move(*loop);
}

TEST(EpollLoop, AResetIsLinkDownAndSendingIntoItHarmless) {
  RealWorlds worlds;
  Actor a(worlds);
  Fd client = plain_client(a.door(Door::Client));
  a.wait([&] { return a.count<LinkAccepted>() == 1; }, "LinkAccepted");
  const LinkId link = a.accepted(Door::Client).front();
  reset(client);
  a.act([&](World& world) { world.send(link, pattern(1 << 20, 1)); });
  a.act([&](World& world) { world.send(link, pattern(1 << 20, 2)); });
  a.wait([&] { return a.count<LinkDown>(link) == 1; }, "LinkDown");
}

TEST(EpollLoop, AResetIsHeardWithoutCredit) {
  RealWorlds worlds;
  Actor a(worlds);
  a.credit_of_new_links = 0;
  Fd client = plain_client(a.door(Door::Client));
  ASSERT_EQ(::write(client.get(), "unread", 6), 6);
  a.wait([&] { return a.count<LinkAccepted>() == 1; }, "LinkAccepted");
  reset(client);
  a.wait([&] { return a.count<LinkDown>() == 1; }, "LinkDown");
  EXPECT_EQ(a.count<LinkBytes>(), 0U);
}

TEST(EpollLoop, BytesBeforeAHalfClosedEndArrive) {
  RealWorlds worlds;
  Actor a(worlds);
  Fd client = plain_client(a.door(Door::Client));
  const Bytes sent = pattern(100'000, 1);
  ASSERT_EQ(::write(client.get(), sent.data(), sent.size()), static_cast<ssize_t>(sent.size()));
  shutdown(client.get(), SHUT_WR);
  a.wait([&] { return a.count<LinkDown>() == 1; }, "LinkDown");
  EXPECT_TRUE(a.received(a.accepted(Door::Client).front()) == sent);
}

// Its end is told once, behind its bytes, with credit and without, and it still hears.
TEST(EpollLoop, AHalfOpenLinkGoesOn) {
  for (const bool credit : {true, false}) {
    SCOPED_TRACE(credit);
    RealWorlds worlds;
    Actor a(worlds);
    a.credit_of_new_links = 0;
    Fd client = plain_client(a.door(Door::Client));
    a.wait([&] { return a.count<LinkAccepted>() == 1; }, "LinkAccepted");
    const LinkId link = a.accepted(Door::Client).front();
    a.act([&](World& world) {
      world.keep_half_open(link);
      a.give_credit(world, link, credit ? 1000 : 5);
    });
    ASSERT_EQ(::write(client.get(), "asked", 5), 5);
    shutdown(client.get(), SHUT_WR);
    a.wait([&] { return a.count<LinkEnded>(link) == 1; }, "LinkEnded");
    EXPECT_EQ(as_text(a.received(link)), "asked");
    a.act([&](World& world) {
      a.give_credit(world, link, 1000);
      world.send(link, as_bytes("answered"));
    });
    char answer[8];
    a.wait([&] { return ::recv(client.get(), answer, 8, MSG_PEEK | MSG_DONTWAIT) == 8; }, "answer");
    a.let_pass(5);
    EXPECT_EQ(a.count<LinkEnded>(link), 1U);
    EXPECT_EQ(a.count<LinkDown>(link), 0U);
    reset(client);
    a.wait([&] { return a.count<LinkDown>(link) == 1; }, "LinkDown");
  }
}

TEST(EpollLoop, WhatWasSentBeforeTheLinkWasUpIsDrainedToo) {
  RealWorlds worlds;
  Actor a(worlds);
  Actor b(worlds);
  const Bytes sent = pattern(300'000, 1);
  a.act([&](World& world) {
    const LinkId link = a.connect(world, b.door(Door::Client));
    world.send(link, sent);
    a.close(world, link, true);
  });
  b.wait([&] { return b.count<LinkDown>() == 1; }, "LinkDown");
  EXPECT_TRUE(b.received(b.accepted(Door::Client).front()) == sent);
}

TEST(EpollLoop, OnlyALinkThatWasHeldUpSaysDrained) {
  RealWorlds worlds;
  Actor a(worlds);
  Actor b(worlds);
  const LinkEnds ends = link_between(a, b);
  size_t total = 0;
  const auto send_and_await = [&](size_t bytes) {
    a.act([&](World& world) { world.send(ends.near, pattern(bytes, 1)); });
    total += bytes;
    b.wait([&] { return b.received(ends.far).size() == total; }, "the bytes");
    a.let_pass(1);
  };
  send_and_await(10);
  EXPECT_EQ(a.count<LinkDrained>(), 0U);
  send_and_await(16 << 20);
  EXPECT_EQ(a.count<LinkDrained>(), 1U);
  send_and_await(10);
  EXPECT_EQ(a.count<LinkDrained>(), 1U);
}

TEST(EpollLoop, NamesAreResolved) {
  RealWorlds worlds;
  Actor a(worlds);
  const TemporaryDirectory directory;
  std::optional<LinkId> accepted;
  LoopOptions options;
  options.doors.push_back({Door::Client, {"127.0.0.1", 0}});
  const auto listening =
      loop_at(directory.path(), std::move(options), [&](const Event& event, World&) {
        if (const auto* one = std::get_if<LinkAccepted>(&event)) accepted = one->link;
      });
  // "localhost" may mean an IPv6 address first, at which nobody listens.
  LinkId link;
  a.act([&](World& world) {
    link = a.connect(world, {"localhost", listening->port(Door::Client)});
  });
  a.wait(
      [&] {
        listening->turn(0);
        return a.count<LinkUp>(link) == 1 && accepted;
      },
      "LinkUp");
}

TEST(EpollLoop, AnUnknownNameIsLinkDown) {
  RealWorlds worlds;
  Actor a(worlds);
  LinkId link;
  LinkId closed;
  a.act([&](World& world) {
    link = a.connect(world, {"no-such-host.invalid", 2181});
    closed = a.connect(world, {"no-such-host.invalid", 2181});
    a.close(world, closed, false);
  });
  a.wait([&] { return a.count<LinkDown>(link) == 1; }, "LinkDown");
  EXPECT_EQ(a.events_of(closed), 0U);
}

TEST(EpollLoop, AllInterfacesMeansBothFamilies) {
  const TemporaryDirectory directory;
  std::vector<std::string> remotes;
  LoopOptions options;
  options.doors.push_back({Door::Client, {"", 0}});
  const auto loop = loop_at(directory.path(), std::move(options), [&](const Event& event, World&) {
    const auto* one = std::get_if<LinkAccepted>(&event);
    if (one != nullptr) remotes.emplace_back(one->remote_address);
  });
  loop->turn(0);
  const uint16_t port = loop->port(Door::Client);
  const Fd four = plain_client({"127.0.0.1", port});
  while (remotes.empty()) loop->turn(1000);
  EXPECT_EQ(remotes.front(), "127.0.0.1");
  Fd probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto six_address = resolve_literal({"::1", port});
  ASSERT_TRUE(six_address);
  if (::connect(probe.get(), six_address->front().get(), six_address->front().length) != 0) {
    GTEST_SKIP() << "no IPv6 here";
  }
  while (remotes.size() < 2) loop->turn(1000);
  EXPECT_EQ(remotes.back(), "::1");
}

TEST(EpollLoop, APortInUseIsOneClearError) {
  const TemporaryDirectory first_directory;
  const TemporaryDirectory second_directory;
  LoopOptions options;
  options.doors.push_back({Door::Client, {"127.0.0.1", 0}});
  const auto first = loop_at(first_directory.path(), options, [](const Event&, World&) {});
  options.doors.front().address.port = first->port(Door::Client);
  auto disk = FileDisk::make({second_directory.path(), "", {}, {}, {}});
  ASSERT_TRUE(disk);
  const auto second = EpollLoop::make(options, std::move(*disk), [](const Event&, World&) {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(first->port(Door::Client))));
  EXPECT_THAT(second.error().message, HasSubstr("in use"));
}

TEST(EpollLoop, StopCarriesOutWhatWasIssuedAndSent) {
  RealWorlds worlds;
  Actor a(worlds);
  Actor b(worlds);
  const LinkEnds ends = link_between(a, b);
  const Bytes sent = pattern(500'000, 1);
  a.act([&](World& world) {
    const FileId log = a.open(world, Dir::Logs, "log.1", OpenMode::Create);
    world.write(log, 0, as_bytes("appended last"));
    world.send(ends.near, sent);
    a.stop(world, StopReason::Requested);
  });
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1 && a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Requested);
  EXPECT_TRUE(b.received(ends.far) == sent);
  std::ifstream in(worlds.directory(a.host()) + "/version-2/log.1");
  const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(content, "appended last");
}

// A client that neither reads nor closes does not keep the process.
TEST(EpollLoop, StopDoesNotWaitForASilentClient) {
  RealWorlds worlds;
  Actor a(worlds);
  const Fd client = plain_client(a.door(Door::Client));
  a.wait([&] { return a.count<LinkAccepted>() == 1; }, "LinkAccepted");
  a.act([&](World& world) {
    world.send(a.accepted(Door::Client).front(), pattern(32 << 20, 1));
    a.stop(world, StopReason::Requested);
  });
  a.wait([&] { return a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Requested);
}

TEST(EpollLoop, MetricsAddUpOrReplace) {
  RealWorlds worlds;
  Actor a(worlds);
  a.act([](World& world) {
    world.count("requests", 2);
    world.count("requests", 3);
    world.gauge("sessions", 7);
    world.gauge("sessions", 4);
  });
  const MetricTable& metrics = *worlds.loop(a.host()).metrics();
  EXPECT_EQ(metrics.counters(), (MetricTable::Numbers{{"requests", 5}}));
  EXPECT_EQ(metrics.gauges().at("sessions"), 4);
}

TEST(EpollLoop, TheLongestStepAndTurnAreMetrics) {
  const TemporaryDirectory directory;
  const auto loop = loop_at(directory.path(), LoopOptions(), [](const Event& event, World&) {
    if (!std::holds_alternative<Started>(event)) return;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    while (std::chrono::steady_clock::now() < until) continue;
  });
  loop->turn(0);
  EXPECT_GE(loop->metrics()->gauges().at("longest_step_us"), 20'000);
  EXPECT_GE(loop->metrics()->gauges().at("longest_turn_us"),
            loop->metrics()->gauges().at("longest_step_us"));
}

// The exit status of a process whose loop stops when it is asked to.
int run_until_stopped(const std::string& directory, int signals) {
  LoopOptions options;
  options.take_signals = true;
  options.doors.push_back({Door::Client, {"127.0.0.1", 0}});
  const auto loop = loop_at(directory, std::move(options), [&](const Event& event, World& world) {
    if (std::holds_alternative<Started>(event)) {
      for (int i = 0; i < signals; ++i) kill(getpid(), SIGTERM);
      world.set_timer(world.now());
    }
    // With a second signal, asking nicely has not helped: this one never stops.
    if (std::holds_alternative<TimerFired>(event)) {
      if (signals > 1) kill(getpid(), SIGTERM);
      world.set_timer(world.now() + milliseconds(1));
    }
    if (std::holds_alternative<StopRequested>(event) && signals == 1) {
      world.stop(StopReason::Requested, "stopped as asked");
    }
  });
  return loop->run();
}

TEST(EpollLoopDeathTest, ASignalAsksForAnOrderlyEnd) {
  const TemporaryDirectory directory;
  EXPECT_EXIT(std::_Exit(run_until_stopped(directory.path(), 1)), testing::ExitedWithCode(0), "");
}

TEST(EpollLoopDeathTest, ASecondSignalEndsAtOnce) {
  const TemporaryDirectory directory;
  EXPECT_EXIT(std::_Exit(run_until_stopped(directory.path(), 2)), testing::KilledBySignal(SIGTERM),
              "");
}

// Connections beyond the limit are refused, and those that there are go on. Clients meet the limit
// first, and leave room for others.
int serve_without_descriptors(const std::string& directory) {
  {
    // UBSan reads a vtable that is new to it through a pipe, and reports an error where it gets
    // none. Behind this, those of the threads are known, however late they begin the next time.
    RealWorlds first;
    const Actor once(first);
  }
  RealWorlds worlds;
  Actor a(worlds);
  Actor b(worlds);
  const LinkEnds ends = link_between(a, b);
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  std::vector<Fd> clients;
  clients.reserve(30);
  for (int i = 0; i < 30; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  // Room for a few more only.
  const Fd next(::open(directory.c_str(), O_RDONLY | O_CLOEXEC));
  limit.rlim_cur = static_cast<rlim_t>(next.get()) + 5;
  setrlimit(RLIMIT_NOFILE, &limit);
  {
    const Fd client = plain_client(a.door(Door::Client));
    Byte byte = 0;
    const auto closed = [&] { return recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0; };
    if (!worlds.run_until(closed) || a.count<LinkAccepted>() != 0) return 7;
  }
  const auto to = resolve_literal(a.door(Door::Election));
  for (const Fd& client : clients) ::connect(client.get(), to->front().get(), to->front().length);
  const auto all_known = [&] {
    size_t refused = 0;
    for (const Fd& client : clients) {
      Byte byte = 0;
      const ssize_t n = recv(client.get(), &byte, 1, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) ++refused;
    }
    return refused + a.count<LinkAccepted>() >= clients.size();
  };
  if (!worlds.run_until(all_known)) return 2;
  if (a.count<LinkAccepted>() == 0 || a.count<LinkAccepted>() > 10) return 3;
  a.act([&](World& world) { world.send(ends.near, as_bytes("still here")); });
  if (!worlds.run_until([&] { return b.received(ends.far).size() == 10; })) return 4;
  bool warned = false;
  for (const std::string& line : worlds.lines(a.host())) {
    warned = warned || line.find("refused") != std::string::npos;
  }
  if (!warned) return 5;
  // With descriptors again, doors are open again.
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const size_t before = a.count<LinkAccepted>();
  const Fd late = plain_client(a.door(Door::Client));
  return worlds.run_until([&] { return a.count<LinkAccepted>() > before; }) ? 0 : 6;
}

TEST(EpollLoopDeathTest, WithoutDescriptorsNewConnectionsAreRefused) {
  const TemporaryDirectory directory;
  EXPECT_EXIT(std::_Exit(serve_without_descriptors(directory.path())), testing::ExitedWithCode(0),
              "");
}

TEST(SendQueue, KeepsOrderWhateverTheSocketTakes) {
  int pair[2] = {};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  const Fd in(pair[0]);
  const Fd out(pair[1]);
  SendQueue queue;
  Bytes expected;
  for (uint64_t i = 0; i < 600; ++i) {
    const Bytes bytes = pattern(i % 7 == 0 ? 9000 : i % 50, i);
    if (i % 3 == 0) {
      queue.append_shared(share(Bytes(bytes)));
    } else {
      queue.append(bytes);
    }
    append_bytes(expected, bytes);
  }
  EXPECT_EQ(queue.size(), expected.size());
  Bytes received;
  Bytes buffer(10'001);
  bool was_full = false;
  while (received.size() < expected.size()) {
    const int error = queue.send_to(in.get());
    ASSERT_TRUE(error == 0 || error == EAGAIN) << error;
    was_full = was_full || error == EAGAIN;
    const ssize_t n = ::read(out.get(), buffer.data(), buffer.size());
    ASSERT_GT(n, 0);
    append_bytes(received, ByteView(buffer).first(static_cast<size_t>(n)));
  }
  EXPECT_TRUE(received == expected);
  EXPECT_TRUE(was_full) << "the test has to fill the socket";
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace vivarium::contract
