#include "sim/checkers/ballots.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <optional>

namespace vivarium::sim {
namespace {

constexpr std::string_view kRound = "round ";
constexpr std::string_view kServer = "server.";

// The number behind the first `word` of a line.
std::optional<int64_t> number_behind(std::string_view line, std::string_view word, int base = 10) {
  const size_t at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  const char* const from = line.data() + at + word.size();
  int64_t number = 0;
  const auto read = std::from_chars(from, line.data() + line.size(), number, base);
  return read.ptr == from ? std::nullopt : std::optional(number);
}

}  // namespace

// "looking, round 3, vote server.1 (...)", "round 3, vote server.1 (...)" and "decided, round 3:
// server.1 (...)" (core/zab/election.cc).
void Ballots::said(ServerIndex server, std::string_view line, const Leads& leads, SimTime now,
                   Verdict& verdict) {
  const bool decided = line.starts_with("decided, ");
  if (!decided && !line.starts_with(kRound) && !line.starts_with("looking, ")) return;
  const std::optional<int64_t> round = number_behind(line, kRound);
  const std::optional<int64_t> id = number_behind(line, kServer);
  if (!round || !id || server >= voters_) return;
  const auto candidate = static_cast<ServerIndex>(*id - 1);
  if (!decided || candidate == server) votes_.emplace(*round, candidate, server);
  const Vote vote{*round, number_behind(line, "epoch ").value_or(0),
                  number_behind(line, "zxid 0x", 16).value_or(-1), *id};
  verdict.expect(Checker::Quorum, !line.starts_with(kRound) || vote > last_[server], now, [&] {
    return fmt::format("s{} changes its vote for a worse one: {}", server + 1, line);
  });
  if (!decided) {
    last_[server] = vote;
    return;
  }
  const uint32_t count = votes_for(candidate, *round);
  if (candidate != server) {
    const Vote& own = last_[server];
    const bool voted = std::get<0>(own) == *round && std::get<3>(own) == *id;
    verdict.expect(Checker::Quorum, (voted && count > voters_ / 2) || leads(candidate), now, [&] {
      return fmt::format(
          "s{} follows s{}, for whom {} of {} voted in round {}, and has not heard "
          "that it leads",
          server + 1, candidate + 1, count, voters_, *round);
    });
    return;
  }
  const bool its_round = std::get<0>(last_[server]) == *round;
  verdict.expect(Checker::Quorum, its_round && count > voters_ / 2, now, [&] {
    return fmt::format(
        "s{} takes itself for elected in round {}, in which {} of {} voted for it; it "
        "looked in round {}",
        server + 1, *round, count, voters_, std::get<0>(last_[server]));
  });
}

uint32_t Ballots::votes_for(ServerIndex candidate, int64_t round) const {
  const auto first = votes_.lower_bound({round, candidate, 0});
  const auto last = votes_.lower_bound({round, candidate + 1, 0});
  return static_cast<uint32_t>(std::distance(first, last));
}

}  // namespace vivarium::sim
