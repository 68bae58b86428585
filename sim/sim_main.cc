// vivsim: runs schedules of the simulator from seeds, and replays one of them.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "sim/campaign.h"
#include "sim/cluster.h"
#include "sim/seed_range.h"
#include "sim/trace.h"

namespace vivarium::sim {
namespace {

int run(const std::string& seeds, uint32_t jobs, uint64_t failures_max, bool all_evaluated,
        ProfileKind kind) {
  const std::optional<SeedRange> range = parse_range(seeds);
  if (!range) {
    fmt::print(stderr, "vivsim: run takes --seed SEED or --seeds FIRST:COUNT, below 2^64{}\n",
               seeds.empty() ? "" : fmt::format(", not \"{}\"", seeds));
    return 2;
  }
  CampaignOptions options;
  options.first = range->first;
  options.count = range->count;
  options.jobs = jobs;
  options.kind = kind;
  options.failures_max = failures_max;
  options.failed = [](const Failure& f) {
    fmt::print("seed {} failed: {}: {}\n", f.seed, f.violation.checker, f.violation.text);
    std::fflush(stdout);
  };
  options.progress = [&, terminal = isatty(STDERR_FILENO) != 0](uint64_t done) {
    if (!terminal || (done % 64 != 0 && done != options.count)) return;
    const uint64_t filled = done * 40 / options.count;
    fmt::print(stderr, "\r[{}{}] {} of {} schedules", std::string(filled, '#'),
               std::string(40 - filled, ' '), done, options.count);
    if (done == options.count) fmt::print(stderr, "\n");
  };
  const CampaignResult r = run_campaign(options);
  fmt::print("evaluated:");
  for (size_t c = 0; c < kCheckers; ++c) {
    fmt::print(" {} {}", name_of(static_cast<Checker>(c)), r.evaluated[c]);
  }
  const uint64_t ran = r.passed + r.failures.size();
  fmt::print(
      "\nmedians: {} events, {} completed operations, {} leaderships; {} crashes\n"
      "{} ended with a pending change that most of its voters have lost (no K-LIVE)\n",
      r.median_events, r.median_completed, r.median_leaderships, r.crashes, r.needs_person);
  if (kind == ProfileKind::Mixed) {
    fmt::print("{} ended when a flaw of ZooKeeper's had struck (sim/apache/flaws.h)\n", r.excused);
  }
  fmt::print("hash {:016x}; {} profile, {} jobs: {:.1f} s, {:.0f} schedules/s, {:.2f} M events/s\n",
             r.hash, kind == ProfileKind::Mixed ? "mixed" : "standard", jobs, r.seconds,
             static_cast<double>(ran) / r.seconds, static_cast<double>(r.events) / r.seconds / 1e6);
  bool complete = true;
  for (size_t c = 0; all_evaluated && c < kCheckers; ++c) {
    if (r.evaluated[c] != 0 || !is_asked(static_cast<Checker>(c), kind)) continue;
    fmt::print("{} was never evaluated\n", name_of(static_cast<Checker>(c)));
    complete = false;
  }
  fmt::print("{} passed, {} failed\n", r.passed, r.failures.size());
  return r.failures.empty() && complete ? 0 : 1;
}

int replay(const std::string& text, bool trace, ProfileKind kind) {
  const std::optional<uint64_t> seed = parse_number(text);
  if (!seed) {
    fmt::print(stderr, "vivsim: replay takes a seed, not \"{}\"\n", text);
    return 2;
  }
  Cluster cluster(*seed, kind);
  fmt::print("seed {}: {} servers, {} clients, {} faults\n", *seed, cluster.profile().servers,
             cluster.profile().clients, cluster.faults().size());
  for (uint32_t i = 0; i < cluster.profile().servers; ++i) {
    if (cluster.profile().is_apache(i)) fmt::print("s{} is ZooKeeper's\n", i + 1);
  }
  for (const Fault& fault : cluster.faults()) fmt::print("{}\n", to_text(fault));
  TraceWriter lines([](std::string_view line) { fmt::print("{}\n", line); });
  if (trace) cluster.also_observe(&lines);
  const Outcome o = cluster.run();
  fmt::print(
      "{} events, {} completed operations, {} leaderships, {} txns, {} crashes, hash {:016x}\n",
      o.events, o.completed, o.leaderships, o.txns, o.crashes, o.trace_hash);
  if (o.excused) fmt::print("ended by a flaw of ZooKeeper's: {}\n", *o.excused);
  if (!o.violation) {
    fmt::print("1 passed, 0 failed\n");
    return 0;
  }
  fmt::print("violated {} at {:.6f} s: {}\n", o.violation->checker,
             static_cast<double>(o.violation->at.ns) / 1e9, o.violation->text);
  fmt::print("0 passed, 1 failed\n");
  return 1;
}

int main_of(int argc, char** argv) {
  CLI::App app{
      "vivsim: the simulator of Vivarium. A schedule is a seed: the same seed is the same run."};
  app.set_version_flag("--version", "vivsim " VIVARIUM_VERSION);
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return fmt::format("vivsim: {} (see --help)\n", error.what());
  });
  std::string seeds;
  uint64_t one_seed = 0;
  uint32_t jobs = 1;
  uint64_t failures_max = 20;
  CLI::App* run_command = app.add_subcommand("run", "Run schedules and check them");
  CLI::Option* range = run_command->add_option("--seeds", seeds, "FIRST:COUNT");
  run_command->add_option("--seed", one_seed, "One seed")->excludes(range);
  run_command->add_option("--jobs", jobs, "Schedules at once")->check(CLI::Range(1, 256));
  run_command
      ->add_option("--failures", failures_max, "End the campaign after so many failures (20)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  std::string what;
  bool all_evaluated = false;
  run_command->add_flag("--all-evaluated", all_evaluated,
                        "Fail when a checker has found nothing to look at");
  bool trace = false;
  bool mixed = false;
  CLI::App* replay_command = app.add_subcommand("replay", "Run one schedule and tell about it");
  replay_command->add_option("SEED", what, "The seed")->required();
  replay_command->add_flag("--trace", trace, "A line for each event");
  for (CLI::App* command : {run_command, replay_command}) {
    command->add_flag("--mixed", mixed, "Some of the servers are like Apache ZooKeeper's");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (run_command->count("--seed") != 0) seeds = fmt::format("{}:1", one_seed);
  const ProfileKind kind = mixed ? ProfileKind::Mixed : ProfileKind::Standard;
  const int code = *run_command ? run(seeds, jobs, failures_max, all_evaluated, kind)
                                : replay(what, trace, kind);
  // A result that nobody could read is none.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fmt::print(stderr, "vivsim: the output could not be written\n");
    return 1;
  }
  return code;
}

}  // namespace
}  // namespace vivarium::sim

int main(int argc, char** argv) { return vivarium::sim::main_of(argc, argv); }
