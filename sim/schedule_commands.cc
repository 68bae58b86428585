#include "sim/schedule_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "sim/seed_range.h"
#include "sim/shrink.h"

namespace vivarium::sim {
namespace {

// Under its name it is whole at any time.
bool save_schedule(const std::string& name, const Schedule& schedule) {
  const std::string beside = name + ".new";
  std::ofstream file(beside, std::ios::binary);
  file << to_text(schedule);
  file.close();
  if (file && std::rename(beside.c_str(), name.c_str()) == 0) return true;
  fmt::print(stderr, "vivsim: {} could not be written\n", name);
  return false;
}

Result<Schedule> schedule_in(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(fmt::format("\"{}\" is neither a seed nor a file", name));
  std::ostringstream text;
  text << file.rdbuf();
  Result<Schedule> schedule = parse_schedule(text.str());
  if (!schedule) return fail(fmt::format("{}: {}", name, schedule.error().message));
  return schedule;
}

// A seed, or the name of a file. Of a seed the whole schedule is written down by running it.
Result<Schedule> schedule_from(const std::string& seed_or_file, ProfileKind kind) {
  if (const std::optional<uint64_t> seed = parse_number(seed_or_file)) {
    return schedule_of(*seed, kind);
  }
  return schedule_in(seed_or_file);
}

// The lines that matched nothing.
void print_stale(const Schedule& schedule, const Stale& stale) {
  if (stale.count() == 0) return;
  fmt::print("{} of {} lines match nothing in this run:\n", stale.count(), schedule.lines());
  for (size_t i = 0; i < schedule.faults.size(); ++i) {
    if (stale.faults[i]) fmt::print("  fault {}\n", to_line(schedule.faults[i]));
  }
  for (size_t i = 0; i < schedule.operations.size(); ++i) {
    const KeptOperation& kept = schedule.operations[i];
    if (stale.operations[i]) fmt::print("  operation c{} {}\n", kept.client + 1, kept.nth);
  }
  for (size_t i = 0; i < schedule.choices.size(); ++i) {
    if (!stale.choices[i]) continue;
    fmt::print("  choice {}\n", to_text(schedule.choices[i].choice, schedule.hosts()));
  }
}

}  // namespace

bool save_failure(const std::string& directory, uint64_t seed, ProfileKind kind, std::FILE* text) {
  const std::string name = fmt::format("{}/{}.sched", directory, seed);
  const Schedule schedule = schedule_of(seed, kind);
  if (!save_schedule(name, schedule)) return false;
  fmt::print(text, "seed {} is written down in {}: {} lines\n", seed, name, schedule.lines());
  return true;
}

int shrink_command(const ShrinkArguments& arguments, ProfileKind kind) {
  const std::optional<std::chrono::seconds> time = parse_span(arguments.time);
  if (!time) {
    fmt::print(stderr, "vivsim: --time as 90s, 10m or 2h, not \"{}\"\n", arguments.time);
    return 2;
  }
  const Result<Schedule> given = schedule_from(arguments.what, kind);
  if (!given) {
    fmt::print(stderr, "vivsim: {}\n", given.error().message);
    return 2;
  }
  const auto began = std::chrono::steady_clock::now();
  bool saved = true;
  ShrinkOptions options;
  options.jobs = arguments.jobs;
  options.over = [&] { return !saved || std::chrono::steady_clock::now() - began > *time; };
  options.found = [&](const Schedule& s) { saved = saved && save_schedule(arguments.out, s); };
  const Shrunk shrunk = shrink(*given, options);
  if (!shrunk.failed) {
    fmt::print("it does not fail{}: nothing to shrink\n",
               given->violates.empty() ? "" : " with " + given->violates);
    return 1;
  }
  if (!saved) return 1;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const Schedule& s = shrunk.schedule;
  fmt::print("{}: {} lines, of {}: {} faults, {} operations, {} other choices\n", s.violates,
             s.lines(), shrunk.lines_before, s.faults.size(), s.operations.size(),
             s.choices.size());
  fmt::print("{} tries in {:.1f} s; written to {}{}\n", shrunk.tries, took.count(), arguments.out,
             shrunk.whole ? "" : "; more may go (--time)");
  return 0;
}

int replay_command(const std::string& seed_or_file, ReplayOptions options, ProfileKind kind) {
  const std::string profile =
      kind == ProfileKind::Standard ? std::string() : fmt::format(" --{}", name_of(kind));
  options.command = fmt::format("vivsim replay {}{}", seed_or_file, profile);
  if (const std::optional<uint64_t> seed = parse_number(seed_or_file)) {
    Cluster cluster(*seed, kind);
    options.title = fmt::format("seed {}", *seed);
    return replay(cluster, options);
  }
  const Result<Schedule> schedule = schedule_in(seed_or_file);
  if (!schedule) {
    fmt::print(stderr, "vivsim: {}\n", schedule.error().message);
    return 2;
  }
  Cluster cluster = cluster_of(*schedule);
  options.title = seed_or_file;
  options.ran = [&] { print_stale(*schedule, stale_of(*schedule, cluster)); };
  return replay(cluster, options);
}

}  // namespace vivarium::sim
