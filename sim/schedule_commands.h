// What vivsim does with schedule files. Each prints for a person; false, or another status than 0,
// when it could not do it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "sim/replay.h"
#include "sim/schedule.h"

namespace vivarium::sim {

// DIRECTORY/SEED.sched of a seed that failed; a line about it goes to `text`.
bool save_failure(const std::string& directory, uint64_t seed, ProfileKind kind, std::FILE* text);
struct ShrinkArguments {
  std::string what;  // a seed as it is, or a file
  std::string out;   // has the smallest one found so far, at any time
  std::string time = "60s";
  uint32_t jobs = 1;
};
int shrink_command(const ShrinkArguments& arguments, ProfileKind kind);
// A seed as it is, or a file. The options' title and command are made here.
int replay_command(const std::string& seed_or_file, ReplayOptions options, ProfileKind kind);

}  // namespace vivarium::sim
