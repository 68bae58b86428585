#include "sim/sim_operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/bytes.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr std::array<std::string_view, 18> kWords{"srvr", "srvr", "mntr", "mntr", "stat", "ruok",
                                                  "isro", "cons", "conf", "dirs", "dump", "envi",
                                                  "gtmk", "hash", "wchc", "wchp", "wchs", "crst"};
constexpr std::array<std::string_view, 10> kCommands{
    "server_stats", "server_stats", "monitor", "zabstate",      "leader",
    "hash",         "voting_view",  "dirs",    "watch_summary", "connections"};

constexpr uint64_t kAnswerCredit = 1 << 20;
constexpr uint64_t kSlowCredit = 256;
constexpr Duration kSlowPause = milliseconds(5);
constexpr Duration kPiecePause = milliseconds(3);
constexpr Duration kSilence = milliseconds(700);
// Longer than the checker waits.
constexpr Duration kPatience = milliseconds(8000);

std::string request_for(const Asking& asking) {
  if (!asking.http) return asking.what;
  return fmt::format("GET /commands/{} HTTP/1.1\r\nHost: s\r\n{}Connection: close\r\n\r\n",
                     asking.what,
                     asking.credentials ? "Authorization: digest operator:secret\r\n" : "");
}

// What nobody should send, on either door.
std::string nonsense(uint64_t roll, const Asking& asking) {
  switch (roll % 5) {
    case 0:
      return request_for(asking) + std::string(3000, '\xff');
    case 1:
      return std::string(20'000, 'A');
    case 2:
      return "POST /commands/monitor HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n";
    case 3:
      return std::string("\x7f\xff\xff\xff", 4) + request_for(asking);
    default:
      return "GET /commands/../../etc HTTP/9.9\r\nHost\r\n\r\n\r\n";
  }
}

}  // namespace

uint64_t SimOperator::draw(Choices& choices, uint64_t what, uint64_t n) const {
  // Behind the numbers of clients.
  return choices.below({ChoiceKind::Workload, 1000 + options_.index, asked_.size(), what}, n);
}

void SimOperator::step(const Event& event, World& world, Choices& choices, SimTime true_now) {
  if (std::holds_alternative<Started>(event)) {
    next_ = world.now() + options_.pause;
  } else if (const auto* up = std::get_if<LinkUp>(&event)) {
    if (up->link != link_) return;
    up_ = true;
    next_ = world.now();
  } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    if (bytes->link != link_) return;
    asked_.back().answer += as_text(bytes->bytes);
    const bool slow = asked_.back().manner == Manner::SlowReader;
    if (!slow) world.give_credit(link_, bytes->bytes.size());
  } else if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (down->link == link_) end(world, true_now, false);
  } else if (std::holds_alternative<TurnEnded>(event)) {
    const Instant now = world.now();
    if (link_.valid() && give_up_ <= now) end(world, true_now, true);
    if (next_ <= now) {
      next_ = Instant::never();
      if (!link_.valid()) {
        if (asked_.size() < options_.questions) begin(world, choices);
      } else if (up_ && !unsent_.empty()) {
        send_piece(world, true_now);
      } else if (up_ && asked_.back().manner == Manner::SlowReader) {
        world.give_credit(link_, kSlowCredit);
        next_ = now + kSlowPause;
      }
    }
    world.set_timer(std::min(next_, link_.valid() ? give_up_ : Instant::never()));
  }
}

void SimOperator::begin(World& world, Choices& choices) {
  Asking asking;
  asking.server = static_cast<uint32_t>(draw(choices, 0, options_.servers));
  asking.http = draw(choices, 1, 3) == 0;
  const uint64_t manner = draw(choices, 2, 12);
  asking.manner = manner < 8    ? Manner::Plain
                  : manner < 10 ? Manner::SlowReader
                  : manner < 11 ? Manner::Silent
                                : Manner::Hostile;
  asking.what = asking.http ? kCommands[draw(choices, 3, kCommands.size())]
                            : kWords[draw(choices, 3, kWords.size())];
  asking.credentials = asking.http && draw(choices, 6, 2) == 0;
  unsent_ = request_for(asking);
  if (asking.manner == Manner::Hostile) unsent_ = nonsense(draw(choices, 4, 100), asking);
  if (asking.manner == Manner::Silent) unsent_.resize(unsent_.size() / 2);
  pieces_ = 1 + draw(choices, 5, 3);
  up_ = false;
  link_ = world.connect(
      {fmt::format("s{}", asking.server + 1), asking.http ? kAdminPort : kClientPort});
  give_up_ = world.now() + (asking.is_fair() ? kPatience : kSilence);
  asked_.push_back(std::move(asking));
}

void SimOperator::send_piece(World& world, SimTime true_now) {
  Asking& asking = asked_.back();
  if (asking.manner != Manner::SlowReader) world.give_credit(link_, kAnswerCredit);
  const size_t size = pieces_ > 1 ? std::max<size_t>(1, unsent_.size() / pieces_) : unsent_.size();
  world.send(link_, as_bytes(unsent_).first(size));
  unsent_.erase(0, size);
  pieces_ = std::max<size_t>(1, pieces_ - 1);
  if (!unsent_.empty()) {
    next_ = world.now() + kPiecePause;
    return;
  }
  asking.sent = true_now;
  if (asking.manner == Manner::SlowReader) next_ = world.now();
}

void SimOperator::end(World& world, SimTime true_now, bool close_link) {
  if (close_link) world.close(link_, false);
  link_ = LinkId{};
  asked_.back().ended = true_now;
  // Not all at the same pace.
  next_ = world.now() + options_.pause * static_cast<int64_t>(1 + asked_.size() % 3) / 2;
}

}  // namespace vivarium::sim
