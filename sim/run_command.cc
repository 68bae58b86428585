#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <optional>

#include "sim/commands.h"
#include "sim/schedule_commands.h"

namespace vivarium::sim {
namespace {

int wrong_usage(const std::string& what) {
  fmt::print(stderr, "vivsim: run takes {}\n", what);
  return 2;
}

// A bar, where a person looks on.
std::function<void(uint64_t)> progress_bar(uint64_t planned) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [planned](uint64_t done) {
    if (done % 64 != 0 && done != planned) return;
    const uint64_t filled = done * 40 / planned;
    fmt::print(stderr, "\r[{}{}] {} of {} schedules", std::string(filled, '#'),
               std::string(40 - filled, ' '), done, planned);
    if (done == planned) fmt::print(stderr, "\n");
  };
}

volatile std::sig_atomic_t results_descriptor = -1;

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(descriptor, text.data(), text.size());
    if (done <= 0) return;
    text.remove_prefix(static_cast<size_t>(done));
  }
}

// A CHECK of a schedule's ends the process: its seed is the last thing that is said.
extern "C" void tell_seed_and_die(int signal) {
  std::array<char, 200> line{};
  const auto tell = [&](int descriptor, auto format) {
    const auto end = fmt::format_to_n(line.data(), line.size(), format, seed_under_way(), signal);
    write_all(descriptor, {line.data(), std::min(end.size, line.size())});
  };
  tell(STDERR_FILENO, FMT_STRING("vivsim: seed {} ended the process (signal {})\n"));
  if (results_descriptor >= 0) {
    tell(results_descriptor,
         FMT_STRING("{{\"record\":\"failure\",\"seed\":{},\"invariant\":\"process ended\","
                    "\"text\":\"signal {}\",\"at_ns\":0}}\n"));
  }
  std::raise(signal);
}

// But where somebody else already listens to it (a sanitizer).
void tell_seed_when_dying(int descriptor) {
  results_descriptor = descriptor;
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) {
    struct sigaction known {};
    struct sigaction action {};
    action.sa_handler = tell_seed_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    if (sigaction(signal, nullptr, &known) == 0 && known.sa_handler == SIG_DFL) {
      sigaction(signal, &action, nullptr);
    }
  }
}

// Checkers that had nothing to look at; a line each.
std::string never_evaluated(const Tally& tally, ProfileKind kind) {
  std::string text;
  for (size_t c = 0; c < kCheckers; ++c) {
    if (tally.evaluated[c] != 0 || !is_asked(static_cast<Checker>(c), kind)) continue;
    text += fmt::format("{} was never evaluated\n", name_of(static_cast<Checker>(c)));
  }
  return text;
}

int run_and_tell(const CampaignOptions& options, const RunArguments& arguments, LineFile& lines) {
  std::FILE* const out = lines.text();
  const Origin origin{arguments.version, arguments.commit, std::string(name_of(options.kind))};
  const std::vector<Share> shares{{options.range, options.shard.of, {options.shard.index}}};
  tell_seed_when_dying(lines.descriptor());
  lines.write(begin_line(origin, shares));
  const CampaignResult result = run_campaign(options);
  const Tally& tally = result.tally;
  lines.write(summary_line(origin, shares, tally));
  const double seconds = tally.seconds;
  fmt::print(out, "{}", tally_text(tally, options.kind));
  fmt::print(out,
             "hash {:016x}; {} profile, {} jobs: {:.1f} s, {:.0f} schedules/s, {:.2f} M events/s\n",
             result.hash, origin.profile, options.jobs, seconds,
             static_cast<double>(tally.seeds) / seconds,
             static_cast<double>(tally.events) / seconds / 1e6);
  if (arguments.coverage) fmt::print(out, "{}", to_text(tally.coverage));
  std::string missing;
  if (arguments.all_evaluated) missing += never_evaluated(tally, options.kind);
  if (arguments.all_covered) missing += coverage_gaps(tally.coverage);
  fmt::print(out, "{}{} passed, {} failed\n", missing, tally.passed, tally.failures());
  if (!lines.good()) {
    fmt::print(stderr, "vivsim: {} could not be written\n", arguments.json);
    return 1;
  }
  return tally.failures() == 0 && missing.empty() ? 0 : 1;
}

}  // namespace

int run_command(const RunArguments& arguments) {
  const std::string& seeds = arguments.seeds;
  const std::optional<SeedRange> range = parse_range(seeds);
  if (!range) {
    return wrong_usage(fmt::format("--seed SEED or --seeds FIRST:COUNT, below 2^64{}",
                                   seeds.empty() ? "" : fmt::format(", not \"{}\"", seeds)));
  }
  const std::optional<Shard> shard = parse_shard(arguments.shard);
  if (!shard) {
    return wrong_usage(
        fmt::format("--shard I/N with I from 0 to N-1, not \"{}\"", arguments.shard));
  }
  CampaignOptions options;
  const std::optional<uint64_t> twice = parse_one_in(arguments.twice);
  if (!twice) {
    return wrong_usage(fmt::format("--twice 1/N or 0, not \"{}\"", arguments.twice));
  }
  options.twice_one_in = *twice;
  if (!arguments.time.empty()) {
    options.time = parse_span(arguments.time);
    if (!options.time) {
      return wrong_usage(fmt::format("--time as 90s, 10m or 2h, not \"{}\"", arguments.time));
    }
  }
  LineFile lines(arguments.json);
  if (!lines.good()) {
    fmt::print(stderr, "vivsim: {} cannot be written\n", arguments.json);
    return 2;
  }
  options.range = *range;
  options.shard = *shard;
  options.jobs = arguments.jobs;
  options.kind = arguments.kind;
  if (arguments.checkers == "client") options.checkers = checkers_from_outside();
  options.failures_max = arguments.failures_max;
  options.failed = [&](const Failure& failure) {
    fmt::print(lines.text(), "{}\n", failure_text(failure));
    std::fflush(lines.text());
    lines.write(failure_line(failure));
    if (!arguments.save.empty()) {
      save_failure(arguments.save, failure.seed, arguments.kind, lines.text());
    }
  };
  options.progress = progress_bar(shard->size(range->count));
  return run_and_tell(options, arguments, lines);
}

}  // namespace vivarium::sim
