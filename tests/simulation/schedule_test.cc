// Schedules: what a seed did, written down, read back, obeyed, and made smaller.
#include "sim/schedule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "sim/schedule_words.h"
#include "sim/shrink.h"

namespace vivarium::sim {
namespace {

Schedule read_back(const Schedule& schedule) {
  const Result<Schedule> parsed = parse_schedule(to_text(schedule));
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed.value_or(Schedule{});
}

// ------------------------------------------------------------------------------ files

TEST(Schedule, EveryChoiceOfARunCanBeReadBack) {
  for (const ProfileKind kind : {ProfileKind::Standard, ProfileKind::Mixed}) {
    const Schedule schedule = schedule_of(3, kind);
    std::set<ChoiceKind> kinds;
    ASSERT_GT(schedule.choices.size(), 1000U);
    for (const FixedChoice& fixed : schedule.choices) {
      kinds.insert(fixed.choice.kind);
      const std::string text = to_text(fixed.choice, schedule.hosts());
      const std::optional<Choice> choice = parse_choice(words_of(text), schedule.hosts());
      ASSERT_TRUE(choice.has_value()) << text;
      ASSERT_EQ(*choice, fixed.choice) << text;
    }
    EXPECT_GT(kinds.size(), 12U);
  }
}

TEST(Schedule, OfASeedIsObeyedToTheLastEvent) {
  for (const ProfileKind kind : {ProfileKind::Standard, ProfileKind::Mixed}) {
    for (const uint64_t seed : {2U, 5U, 7U}) {
      const Outcome drawn = Cluster(seed, kind).run();
      const Schedule schedule = read_back(schedule_of(seed, kind));
      const ScheduleRun obeyed = run_schedule(schedule);
      EXPECT_EQ(obeyed.outcome.trace_hash, drawn.trace_hash) << "seed " << seed;
      EXPECT_EQ(obeyed.outcome.events, drawn.events) << "seed " << seed;
      EXPECT_EQ(obeyed.outcome.completed, drawn.completed) << "seed " << seed;
      EXPECT_EQ(obeyed.outcome.evaluated, drawn.evaluated) << "seed " << seed;
      EXPECT_EQ(obeyed.violated(), schedule.violates) << "seed " << seed;
      const auto& stale = obeyed.stale;
      EXPECT_EQ(std::count(stale.choices.begin(), stale.choices.end(), true), 0);
      EXPECT_EQ(std::count(stale.operations.begin(), stale.operations.end(), true), 0);
    }
  }
}

TEST(Schedule, ReadsAsItWasWritten) {
  Schedule schedule = schedule_of(11, ProfileKind::Mixed);
  schedule.violates = "K-DURACK";
  schedule.profile.absent = 2;
  schedule.profile.has_operator = false;
  schedule.profile.trouble = microseconds(1234567);
  EXPECT_EQ(to_text(read_back(schedule)), to_text(schedule));
  EXPECT_EQ(read_back(schedule).profile.absent, 2U);
}

TEST(Schedule, NamesTheLineThatItDoesNotUnderstand) {
  const std::string begin = "vivarium-schedule 1\nseed 3\nprofile standard\n";
  EXPECT_TRUE(parse_schedule(begin + "# a comment\n\nservers 3+0+0  # and another\n").has_value());
  for (const char* wrong : {"servers 9",
                            "servers 0",
                            "clients c9",
                            "operator maybe",
                            "trouble soon",
                            "fault 1",
                            "fault 1 kill at=5ms target=9",
                            "fault 1 tickle at=5ms",
                            "fault 1 kill at=5",
                            "fault 1 kill at=5ms power=perhaps",
                            "fault 1 kill at=5ms packet=SNIP",
                            "operation c1",
                            "operation s1 1",
                            "operation c1 x",
                            "seed 4",
                            "choice packet-delay",
                            "choice packet-delay s1>s9:quorum#1 there 1 = 5 ns",
                            "choice packet-delay s1>s2:quorum#1 there 1 = 5",
                            "choice packet-split s1>s2:quorum#1 up 1 = 1",
                            "choice topology s1/1 turn 1 = 5",
                            "choice crash-mode s1 dir0 0 = 1",
                            "nonsense 1"}) {
    const Result<Schedule> parsed = parse_schedule(begin + wrong);
    ASSERT_FALSE(parsed.has_value()) << wrong;
    EXPECT_EQ(parsed.error().message, fmt::format("line 4: \"{}\" is not understood", wrong));
  }
  EXPECT_FALSE(parse_schedule("").has_value());
  EXPECT_FALSE(parse_schedule("vivarium-schedule 1\n").has_value());
  EXPECT_FALSE(parse_schedule("vivarium-schedule 2\nseed 3\nprofile standard\n").has_value());
}

// Lines about things that do not come to pass are told, and change nothing.
TEST(Schedule, TellsWhichLinesMatchNothing) {
  Schedule schedule = schedule_of(2, ProfileKind::Standard);
  schedule.choices.clear();
  const uint64_t hash = run_schedule(schedule).outcome.trace_hash;
  Fault late;
  late.id = 99;
  late.kind = FaultKind::Kill;
  late.at = SimTime{} + schedule.profile.trouble + milliseconds(100);
  schedule.faults.push_back(late);
  schedule.operations.push_back({0, 100'000});
  schedule.choices.push_back({{ChoiceKind::TurnLength, 0, 77, 5}, 1});
  const ScheduleRun run = run_schedule(schedule);
  EXPECT_TRUE(run.stale.faults.back());
  EXPECT_TRUE(run.stale.operations.back());
  EXPECT_TRUE(run.stale.choices.back());
  EXPECT_FALSE(run.stale.operations.front());
  EXPECT_GE(run.stale.count(), 3U);
  // An alarm that finds nothing to do is part of the hash.
  schedule.faults.pop_back();
  EXPECT_EQ(run_schedule(schedule).outcome.trace_hash, hash);
}

// ------------------------------------------------------------------------------ shrinking

bool has_fault(const Schedule& schedule, uint32_t id) {
  return std::any_of(schedule.faults.begin(), schedule.faults.end(),
                     [&](const Fault& f) { return f.id == id; });
}

bool has_operation(const Schedule& schedule, KeptOperation operation) {
  return std::find(schedule.operations.begin(), schedule.operations.end(), operation) !=
         schedule.operations.end();
}

// Fails as long as a fault, an operation and a choice are there.
Tried needs_three(const Schedule& schedule, const Choice& choice) {
  const bool chosen = std::any_of(schedule.choices.begin(), schedule.choices.end(),
                                  [&](const FixedChoice& f) { return f.choice == choice; });
  Tried done;
  if (chosen && has_fault(schedule, 5) && has_operation(schedule, {1, 7})) done.violated = "K-TEST";
  return done;
}

TEST(Shrink, LeavesWhatIsNeededAndNothingElse) {
  const Schedule schedule = schedule_of(2, ProfileKind::Standard);
  const Choice needed = schedule.choices[schedule.choices.size() / 3].choice;
  std::vector<std::string> texts;
  for (const uint32_t jobs : {1U, 2U}) {
    ShrinkOptions options;
    options.jobs = jobs;
    options.trial = [&](const Schedule& s) { return needs_three(s, needed); };
    const Shrunk shrunk = shrink(schedule, options);
    EXPECT_TRUE(shrunk.failed);
    EXPECT_EQ(shrunk.lines_before, schedule.lines());
    EXPECT_EQ(shrunk.schedule.lines(), 3U);
    EXPECT_EQ(shrunk.schedule.violates, "K-TEST");
    EXPECT_LT(shrunk.tries, 400U);
    EXPECT_LT(shrunk.schedule.profile.trouble, milliseconds(100));
    texts.push_back(to_text(shrunk.schedule));
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(Shrink, DoesNothingWhenNothingFails) {
  const Schedule schedule = schedule_of(2, ProfileKind::Standard);
  const Shrunk shrunk = shrink(schedule, {});
  EXPECT_FALSE(shrunk.failed);
  EXPECT_EQ(shrunk.tries, 1U);
}

// Another failure than the one that is looked for does not count.
TEST(Shrink, KeepsTheChecker) {
  Schedule schedule = schedule_of(2, ProfileKind::Standard);
  schedule.violates = "K-TEST";
  ShrinkOptions options;
  options.trial = [](const Schedule& s) {
    Tried done;
    done.violated = s.faults.size() > 10 ? "K-TEST" : "K-OTHER";
    return done;
  };
  const Shrunk shrunk = shrink(schedule, options);
  EXPECT_TRUE(shrunk.failed);
  EXPECT_EQ(shrunk.schedule.faults.size(), 11U);
}

TEST(Shrink, StopsWhenItsTimeIsOverWithTheBestSoFar) {
  const Schedule schedule = schedule_of(2, ProfileKind::Standard);
  ShrinkOptions options;
  options.trial = [](const Schedule& s) {
    Tried done;
    if (!s.faults.empty()) done.violated = "K-TEST";
    return done;
  };
  const Shrunk whole = shrink(schedule, options);
  EXPECT_TRUE(whole.whole);
  EXPECT_EQ(whole.schedule.faults.size(), 1U);

  uint64_t asked = 0;
  size_t last = SIZE_MAX;
  options.over = [&] { return ++asked > whole.tries / 2; };
  options.found = [&](const Schedule& s) {
    EXPECT_LE(s.lines(), last);
    last = s.lines();
  };
  const Shrunk shorter = shrink(schedule, options);
  EXPECT_TRUE(shorter.failed);
  EXPECT_FALSE(shorter.whole);
  EXPECT_LT(shorter.tries, whole.tries);
  EXPECT_EQ(shorter.schedule.lines(), last);
}

// A real one: a flaw of ZooKeeper's that strikes counts as the violation.
Tried struck(const Schedule& schedule) {
  ScheduleRun run = run_schedule(schedule);
  Tried done;
  if (run.outcome.excused) done.violated = "FLAW";
  done.at = SimTime{} + schedule.profile.trouble;
  done.stale = std::move(run.stale);
  return done;
}

TEST(Shrink, AFlawOfZooKeepersIsLeftWithWhatItTakes) {
  Schedule schedule;
  for (uint64_t seed = 1; schedule.violates.empty(); ++seed) {
    ASSERT_LT(seed, 300U);
    if (!Cluster(seed, ProfileKind::Mixed).run().excused) continue;
    schedule = schedule_of(seed, ProfileKind::Mixed);
    schedule.violates = "FLAW";
  }
  ShrinkOptions options;
  options.trial = struck;
  const Shrunk shrunk = shrink(schedule, options);
  ASSERT_TRUE(shrunk.failed);
  EXPECT_LE(shrunk.schedule.lines(), 30U);
  EXPECT_EQ(struck(read_back(shrunk.schedule)).violated, "FLAW");
}

// ------------------------------------------------------------------------------ names

// Of the choices that a run makes and that are not benign, how many are made again with the same
// value when one operation is left out: of all, in thousandths.
uint64_t as_before_without(const Schedule& schedule, KeptOperation left_out) {
  std::vector<std::vector<uint32_t>> kept(schedule.profile.clients);
  for (const KeptOperation& operation : schedule.operations) {
    if (operation != left_out) kept[operation.client].push_back(operation.nth);
  }
  Cluster cluster(schedule.seed, schedule.profile, schedule.faults);
  for (ClientIndex client = 0; client < kept.size(); ++client) {
    cluster.client(client).keep_operations(std::move(kept[client]));
  }
  cluster.sim().choices().record(true);
  cluster.run();
  std::map<Choice, uint64_t> made;
  for (const MadeChoice& choice : cluster.choices().recorded()) made[choice.choice] = choice.value;
  uint64_t same = 0;
  for (const FixedChoice& fixed : schedule.choices) {
    const auto found = made.find(fixed.choice);
    if (found != made.end() && found->second == fixed.value) ++same;
  }
  return same * 1000 / schedule.choices.size();
}

// Where nobody is elected at another moment, nearly all stay. docs/testing.md tells what does not.
TEST(Schedule, AnOperationLessLeavesTheOtherChoicesAsTheyWere) {
  const char* asked = std::getenv("VIVARIUM_STABILITY_SEEDS");
  const uint64_t seeds = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 20;
  std::vector<uint64_t> shares;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const Schedule schedule = schedule_of(seed, ProfileKind::Standard);
    const uint64_t which = mix64(seed) % schedule.operations.size();
    shares.push_back(as_before_without(schedule, schedule.operations[which]));
  }
  std::sort(shares.begin(), shares.end());
  uint64_t sum = 0;
  for (const uint64_t share : shares) sum += share;
  fmt::print("figure: of the choices {} in a thousand stay, median {}, least {}\n",
             sum / shares.size(), shares[shares.size() / 2], shares.front());
  EXPECT_GE(sum / shares.size(), 950U);
  EXPECT_GE(shares[shares.size() / 2], 980U);
}

// ------------------------------------------------------------------------------ tests/schedules

std::vector<std::filesystem::path> schedule_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_DIR "/tests/schedules")) {
    if (entry.path().extension() == ".sched") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What planted bugs took to be found, and what bugs took that were there once.
TEST(Schedule, OnesThatFailedOncePass) {
  const std::vector<std::filesystem::path> files = schedule_files();
  EXPECT_FALSE(files.empty());
  for (const std::filesystem::path& file : files) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    const Result<Schedule> schedule = parse_schedule(text.str());
    ASSERT_TRUE(schedule.has_value()) << file << ": " << schedule.error().message;
    const ScheduleRun run = run_schedule(*schedule);
    EXPECT_EQ(run.violated(), "") << file << ": "
                                  << (run.outcome.violation ? run.outcome.violation->text : "");
    fmt::print("{}: {} of {} lines match nothing\n", file.filename().string(), run.stale.count(),
               schedule->lines());
    const auto& faults = run.stale.faults;
    EXPECT_TRUE(faults.empty() || std::count(faults.begin(), faults.end(), false) > 0)
        << file << ": none of its faults happens any more";
  }
}

// ------------------------------------------------------------------------------ properties

constexpr uint64_t kScriptSeed = 5;

rc::Gen<Fault> any_fault() {
  return rc::gen::exec([] {
    const Profile profile = profile_of(kScriptSeed, ProfileKind::Standard);
    const auto below = [](uint32_t n) { return *rc::gen::inRange<uint32_t>(0, n); };
    Fault fault;
    fault.kind = static_cast<FaultKind>(below(static_cast<uint32_t>(FaultKind::DrawnLast) + 1));
    fault.at = SimTime{} + milliseconds(below(4500));
    fault.lasts = milliseconds(10 + below(900));
    const bool client = fault.kind == FaultKind::BreakClient;
    fault.target = below(client ? profile.clients : profile.servers);
    fault.other = (fault.target + 1 + below(profile.servers - 1)) % profile.servers;
    fault.packet = below(2) == 0 ? PacketType::Proposal : PacketType::NewLeader;
    fault.struck = static_cast<Struck>(below(5));
    fault.after = microseconds(below(8000));
    fault.power = below(2) == 0;
    fault.count = 1 + below(40);
    return fault;
  });
}

// All operations of the seed, no other choice, and these faults.
Schedule scripted_schedule(std::vector<Fault> faults) {
  Schedule schedule;
  schedule.seed = kScriptSeed;
  schedule.profile = profile_of(kScriptSeed, ProfileKind::Standard);
  for (uint32_t i = 0; i < faults.size(); ++i) faults[i].id = i;
  schedule.faults = std::move(faults);
  for (ClientIndex client = 0; client < schedule.profile.clients; ++client) {
    for (uint32_t nth = 0; nth < schedule.profile.operations_per_client; ++nth) {
      schedule.operations.push_back({client, nth});
    }
  }
  return schedule;
}

// Generates scripts until one violates something; that one, made smaller by RapidCheck and then by
// shrink(). Every script goes through the text of a file.
std::optional<Schedule> counterexample(const Trial& trial) {
  std::optional<Schedule> found;
  const bool holds = rc::check([&] {
    const auto faults = *rc::gen::container<std::vector<Fault>>(any_fault());
    const Schedule schedule = read_back(scripted_schedule(faults));
    for (const Fault& fault : schedule.faults) RC_LOG() << to_line(fault) << "\n";
    const Tried done = trial(schedule);
    if (!done.violated.empty()) found = schedule;
    RC_ASSERT(done.violated.empty());
  });
  if (holds) return std::nullopt;
  ShrinkOptions options;
  options.trial = trial;
  return shrink(*found, options).schedule;
}

TEST(ScheduleProperty, NoScriptOfFaultsViolatesAnything) {
  const std::optional<Schedule> found = counterexample(try_schedule);
  EXPECT_FALSE(found.has_value()) << to_text(*found);
}

// The planted defect: a second leadership is called a violation. One fault is enough for it.
TEST(ScheduleProperty, FindsASecondLeaderAndLeavesOneFault) {
  const std::optional<Schedule> found = counterexample([](const Schedule& schedule) {
    ScheduleRun run = run_schedule(schedule);
    Tried done;
    if (run.outcome.leaderships > 1) done.violated = "K-TEST";
    done.at = SimTime{} + schedule.profile.trouble;
    done.stale = std::move(run.stale);
    return done;
  });
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->faults.size(), 1U);
  EXPECT_EQ(found->lines(), 1U);
}

}  // namespace
}  // namespace vivarium::sim
