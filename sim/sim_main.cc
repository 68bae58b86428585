// vivsim: runs schedules of the simulator from seeds, sums what machines found, replays one of
// them, and makes it smaller.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "sim/commands.h"
#include "sim/explore_command.h"
#include "sim/replay.h"
#include "sim/schedule_commands.h"

namespace vivarium::sim {
namespace {

struct Arguments {
  RunArguments run;
  uint64_t one_seed = 0;
  std::string what;
  ReplayOptions replay;
  ShrinkArguments shrink;
  std::vector<std::string> files;
  std::string merged;
  bool coverage = false;  // of merge
  ExploreArguments explore;
};

void add_profiles(CLI::App& command, ProfileKind& kind) {
  CLI::App* profiles = command.add_option_group("Profile", "Another one than the standard");
  profiles->require_option(0, 1);
  const auto is = [&kind](ProfileKind which) { return [&kind, which] { kind = which; }; };
  profiles->add_flag_callback("--mixed", is(ProfileKind::Mixed),
                              "Some of the servers are like Apache ZooKeeper's");
  profiles->add_flag_callback(
      "--swarm", is(ProfileKind::Swarm),
      "Seeds draw how many servers there are, what goes wrong, and every limit");
  profiles->add_flag_callback("--beyond", is(ProfileKind::Beyond),
                              "More disks are damaged than can be survived: a stop, and no loss");
}

CLI::App* add_run(CLI::App& app, Arguments& to) {
  CLI::App* run = app.add_subcommand("run", "Run schedules and check them");
  CLI::Option* range = run->add_option("--seeds", to.run.seeds, "FIRST:COUNT");
  run->add_option("--seed", to.one_seed, "One seed")->excludes(range);
  run->add_option("--shard", to.run.shard, "I/N: of these seeds every N-th, I from 0 to N-1");
  run->add_option("--time", to.run.time, "Begin no schedule after 90s, 10m, 2h");
  run->add_option("--twice", to.run.twice,
                  "1/N: run one of N seeds a second time, with junk in memory (1/64); 0: none");
  CLI::Option* json =
      run->add_option("--json", to.run.json, "Results as JSON lines to this file, or to -");
  CLI::Option* save =
      run->add_option("--save", to.run.save, "DIRECTORY: a schedule file of each seed that failed")
          ->check(CLI::ExistingDirectory);
  // Sums and schedule files are of all checkers.
  run->add_option("--checkers", to.run.checkers,
                  "client: by what can be told from outside, and progress, alone (all)")
      ->check(CLI::IsMember({"all", "client"}))
      ->excludes(json)
      ->excludes(save);
  run->add_option("--jobs", to.run.jobs, "Schedules at once")->check(CLI::Range(1, 256));
  run->add_option("--failures", to.run.failures_max, "End the campaign after so many failures (20)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  run->add_flag("--all-evaluated", to.run.all_evaluated,
                "Fail when a checker has found nothing to look at");
  run->add_flag("--coverage", to.run.coverage, "A table of faults by phase of the protocol");
  run->add_flag("--all-covered", to.run.all_covered,
                "Fail when a fault never struck in a phase in which it has to");
  return run;
}

CLI::App* add_replay(CLI::App& app, Arguments& to) {
  CLI::App* replay = app.add_subcommand("replay", "Run one schedule and tell about it");
  replay->add_option("SEED", to.what, "A seed, or a schedule file")->required();
  replay->add_flag("--trace", to.replay.trace, "A line for each event");
  replay->add_option("--html", to.replay.html, "FILE: the run as a page to look at");
  return replay;
}

CLI::App* add_shrink(CLI::App& app, Arguments& to) {
  CLI::App* shrink = app.add_subcommand("shrink", "Find the smallest schedule that still fails");
  shrink->add_option("SEED", to.shrink.what, "A seed, or a schedule file")->required();
  shrink->add_option("-o,--out", to.shrink.out, "FILE: where to write it")->required();
  shrink->add_option("--jobs", to.shrink.jobs, "Tries at once")->check(CLI::Range(1, 256));
  shrink->add_option("--time", to.shrink.time, "Try no more after this (60s)");
  return shrink;
}

CLI::App* add_merge(CLI::App& app, Arguments& to) {
  CLI::App* merge = app.add_subcommand("merge", "Sum what the shards of a campaign wrote");
  merge->add_option("FILE", to.files, "What run --json wrote")->required();
  merge->add_flag("--coverage", to.coverage, "A table of faults by phase of the protocol");
  merge->add_option("--json", to.merged, "The sum as JSON lines to this file, or to -");
  return merge;
}

int main_of(int argc, char** argv) {
  CLI::App app{
      "vivsim: the simulator of Vivarium. A schedule is a seed: the same seed is the same run."};
  Arguments arguments;
  arguments.run.version = VIVARIUM_VERSION;
  arguments.run.commit = build_commit();
  app.set_version_flag("--version",
                       fmt::format("vivsim {} ({})", arguments.run.version, arguments.run.commit));
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return fmt::format("vivsim: {} (see --help)\n", error.what());
  });
  CLI::App* run = add_run(app, arguments);
  CLI::App* replay = add_replay(app, arguments);
  CLI::App* shrink = add_shrink(app, arguments);
  add_merge(app, arguments);
  CLI::App* explore = add_explore(app, arguments.explore);
  for (CLI::App* command : {run, replay, shrink}) add_profiles(*command, arguments.run.kind);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return with_output([&] {
    if (*run) {
      if (run->count("--seed") != 0) arguments.run.seeds = fmt::format("{}:1", arguments.one_seed);
      return run_command(arguments.run);
    }
    if (*replay) return replay_command(arguments.what, arguments.replay, arguments.run.kind);
    if (*shrink) return shrink_command(arguments.shrink, arguments.run.kind);
    if (*explore) return explore_command(arguments.explore);
    return merge_command(arguments.files, arguments.merged, arguments.coverage);
  });
}

}  // namespace
}  // namespace vivarium::sim

int main(int argc, char** argv) { return vivarium::sim::main_of(argc, argv); }
