#include "sim/explore_command.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include "sim/explore.h"
#include "sim/explore_images.h"
#include "sim/explore_phases.h"

namespace vivarium::sim {
namespace {

// Those that are numbers.
struct ExploreNumber {
  const char* flag;
  uint32_t ExploreArguments::*to;
  uint32_t least;
  uint32_t most;
  const char* help;
};
constexpr std::array<ExploreNumber, 7> kExploreNumbers{{
    {"--states", &ExploreArguments::states_max, 1, UINT32_MAX, "Of a phase, in one round"},
    {"--changes", &ExploreArguments::changes_max, 0, 200, "Unusual moves on a path"},
    {"--steps", &ExploreArguments::steps_max, 1, 100'000, "Moves on a path"},
    {"--txns", &ExploreArguments::txns, 1, 8, "Writes under way"},
    {"--crashes", &ExploreArguments::crashes, 0, 8, "On a path"},
    {"--drops", &ExploreArguments::drops, 0, 8, "Broken links on a path"},
    {"--hurries", &ExploreArguments::hurries, 0, 8, "Timers out of turn on a path"},
}};

std::string text_of_changes(uint32_t changes) {
  return changes == 1 ? "1 change" : fmt::format("{} changes", changes);
}

std::string text_of(const Layer& layer) {
  std::string text =
      layer.changes == ExploreBounds::kAnyNumber ? "any order" : text_of_changes(layer.changes);
  text += fmt::format(": {} states, {} moves, {} into known ones, {} paths to the end, deepest {}",
                      layer.states, layer.transitions, layer.pruned, layer.ends, layer.deepest);
  if (layer.stuck != 0) text += fmt::format(", {} where nothing is left", layer.stuck);
  if (layer.too_long != 0) text += fmt::format(", {} paths too long", layer.too_long);
  if (layer.every_order) return text + "; exhausted: every order";
  if (layer.complete) return text + "; exhausted";
  if (layer.cut + layer.too_long == 0) return text + "; ended by a violation";
  return text +
         fmt::format("; NOT exhausted: {} of {} beginnings cut", layer.cut, layer.beginnings);
}

// The widest bound within which every path was taken.
std::string bound_of(const std::vector<Layer>& layers) {
  std::string bound = "none";
  for (const Layer& layer : layers) {
    if (!layer.complete) continue;
    bound = layer.every_order ? "every order"
                              : "every path of at most " + text_of_changes(layer.changes);
  }
  return bound;
}

void print_found(const Found& found) {
  fmt::print("  {} {}\n", found.violation.checker, found.violation.text);
  fmt::print("  began {}; {} steps, found as state {}:\n", found.beginning, found.steps.size(),
             found.states);
  for (const std::string& step : found.steps) fmt::print("  {}\n", step);
}

// A line for each layer as it comes.
Explored explore_rounds(const std::vector<Beginning>& beginnings, const ExploreBounds& bounds) {
  auto began = std::chrono::steady_clock::now();
  const Explored explored = Explorer(beginnings, bounds).run([&began](const Layer& layer) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> took = now - began;
    began = now;
    fmt::print("    {}; {:.1f} s\n", text_of(layer), took.count());
    std::fflush(stdout);
  });
  if (explored.found) print_found(*explored.found);
  return explored;
}

// Every order at once; when there are too many, the ordinary run, those of one change, of two, and
// so on. False: something is violated.
bool explore_within(const std::vector<Beginning>& beginnings, const ExploreBounds& bounds,
                    bool at_once) {
  std::vector<Layer> layers;
  if (at_once) {
    ExploreBounds any = bounds;
    any.changes_min = any.changes_max = ExploreBounds::kAnyNumber;
    const Explored explored = explore_rounds(beginnings, any);
    if (explored.found) return false;
    layers = explored.layers;
  }
  if (layers.empty() || !layers.back().every_order) {
    const Explored explored = explore_rounds(beginnings, bounds);
    if (explored.found) return false;
    layers.insert(layers.end(), explored.layers.begin(), explored.layers.end());
  }
  fmt::print("    bound reached: {}\n", bound_of(layers));
  return true;
}

// First a world without trouble, then with trouble as far as it goes.
bool explore_phase(ExplorePhase phase, const ExploreArguments& arguments) {
  PhaseOptions options;
  options.txns = arguments.txns;
  ExploreBounds bounds;
  bounds.states_max = arguments.states_max;
  bounds.steps_max = arguments.steps_max;
  bounds.changes_max = arguments.changes_max;
  bounds.in_order = arguments.in_order;
  std::vector<Beginning> beginnings = beginnings_of(phase, options);
  fmt::print("{}: {}\n  {} beginnings; no trouble\n", name_of(phase), text_of(phase),
             beginnings.size());
  if (!explore_within(beginnings, bounds, true)) return false;
  const bool trouble = arguments.crashes + arguments.drops + arguments.hurries != 0;
  if (!trouble || arguments.changes_max == 0) return true;
  options.trouble.crashes = arguments.crashes;
  options.trouble.drops = arguments.drops;
  options.trouble.hurries = arguments.hurries;
  for (Beginning& beginning : beginnings) beginning.world.allow(options.trouble);
  bounds.changes_min = 1;
  fmt::print("  up to {} crashes, {} broken links, {} timers out of turn\n", arguments.crashes,
             arguments.drops, arguments.hurries);
  return explore_within(beginnings, bounds, false);
}

void print_counts(const ImageCounts& counts, const ImageBounds& bounds) {
  std::string operations;
  for (size_t kind = 0; kind < counts.operations.size(); ++kind) {
    if (counts.operations[kind] == 0) continue;
    operations += fmt::format("{}{} {}", operations.empty() ? "" : ", ", counts.operations[kind],
                              name_of(static_cast<CallKind>(kind)));
  }
  fmt::print("images: {}\n", operations);
  fmt::print(
      "  {} points, of {} every image, of the others at most {}; {} images recovered, {} "
      "of them went on to the end\n",
      counts.points, counts.complete, bounds.images_max, counts.images, counts.finished);
}

bool explore_images() {
  const ImageBounds bounds;
  Scenario scenario(profile_of_images());
  scenario.sim().choices().set_benign(true);
  ImageExplorer images(scenario.cluster(), bounds);
  const std::string wrong = scenario.play([&] { run_of_images(scenario); });
  print_counts(images.counts(), bounds);
  if (!wrong.empty()) fmt::print("  the run itself: {}\n", wrong);
  if (images.violation()) {
    fmt::print("  {} {}\n  {}\n", images.violation()->checker, images.violation()->text,
               images.how());
  }
  return wrong.empty() && !images.violation();
}

}  // namespace

int explore_command(const ExploreArguments& arguments) {
  if (arguments.images) return explore_images() ? 0 : 1;
  std::vector<ExplorePhase> phases(kExplorePhases.begin(), kExplorePhases.end());
  if (!arguments.phase.empty()) {
    const std::optional<ExplorePhase> phase = phase_of(arguments.phase);
    if (!phase) {
      fmt::print(stderr, "vivsim: there is no phase \"{}\"\n", arguments.phase);
      return 2;
    }
    phases = {*phase};
  }
  bool well = true;
  for (const ExplorePhase phase : phases) well = explore_phase(phase, arguments) && well;
  return well ? 0 : 1;
}

CLI::App* add_explore(CLI::App& app, ExploreArguments& to) {
  CLI::App* explore = app.add_subcommand(
      "explore", "Take small worlds through every order of events, within bounds");
  explore->add_option("--phase", to.phase, "election, sync, broadcast or recovery; all of them");
  explore->add_flag("--images", to.images, "Instead: every crash image at each write of a run");
  for (const ExploreNumber& n : kExploreNumbers) {
    CLI::Option* option = explore->add_option(n.flag, to.*n.to, n.help);
    option->check(CLI::Range(n.least, n.most))->capture_default_str();
  }
  explore->add_flag("--in-order", to.in_order, "States differ by the order of all that was heard");
  return explore;
}

}  // namespace vivarium::sim
