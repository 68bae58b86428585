#include "sim/explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vivarium::sim {
namespace {

// What is so in the end, when all faults are over: see Cluster::finish.
std::optional<Violation> violation_in_the_end(SmallWorld world) {
  Cluster& cluster = world.cluster();
  cluster.also_observe(nullptr);
  cluster.sim().observe(&cluster);
  for (ClientIndex i = 0; i < cluster.profile().clients; ++i) {
    cluster.sim().resume(cluster.client_host(i));
  }
  return cluster.finish().violation;
}

}  // namespace

Explored Explorer::run(const std::function<void(const Layer&)>& told) {
  Explored out;
  for (uint32_t changes = bounds_.changes_min; changes <= bounds_.changes_max; ++changes) {
    Layer layer;
    layer.changes = changes;
    const bool fine = run_layer(layer);
    out.layers.push_back(layer);
    if (told) told(layer);
    if (!fine || !layer.complete || layer.every_order) break;
  }
  out.found = found_;
  return out;
}

// False: something was violated.
bool Explorer::run_layer(Layer& layer) {
  left_out_ = false;
  any_number_ = layer.changes == ExploreBounds::kAnyNumber;
  layer.beginnings = beginnings_.size();
  for (size_t i = 0; i < beginnings_.size(); ++i) {
    const uint64_t left = bounds_.states_max - std::min(bounds_.states_max, layer.states);
    const uint64_t share = std::max<uint64_t>(1, left / (beginnings_.size() - i));
    if (!explore(beginnings_[i], layer.states + share, layer)) return false;
  }
  layer.complete = layer.cut == 0 && layer.too_long == 0;
  layer.every_order = layer.complete && !left_out_;
  return true;
}

bool Explorer::explore(const Beginning& beginning, uint64_t states_max, Layer& layer) {
  seen_.clear();
  frames_.clear();
  path_.clear();
  beginning_ = &beginning;
  if (!enter(beginning.world, layer.changes, layer)) return false;
  while (!frames_.empty()) {
    if (layer.states >= states_max) {
      ++layer.cut;
      return true;
    }
    Frame& frame = frames_.back();
    const Move move = frame.moves[frame.next++];
    const bool last = frame.next == frame.moves.size();
    // The usual move is the last one, and costs no change.
    const bool counts = !last && !any_number_;
    const uint32_t left = frame.changes_left - (counts ? 1 : 0);
    path_.resize(frame.way);
    path_.push_back(move);
    SmallWorld next = last ? std::move(frame.world) : frame.world;
    if (last) frames_.pop_back();
    if (!next.make(move)) continue;
    ++layer.transitions;
    if (!enter(std::move(next), left, layer)) return false;
  }
  return true;
}

// A state at the end of path_. False: something was violated.
bool Explorer::enter(SmallWorld world, uint32_t changes_left, Layer& layer) {
  if (fails(world.cluster().verdict().violation(), layer)) return false;
  if (!is_new(world, changes_left, layer)) {
    ++layer.pruned;
    return true;
  }
  layer.deepest = std::max(layer.deepest, static_cast<uint32_t>(path_.size()));
  if (beginning_->reached(world.cluster())) {
    ++layer.ends;
    return !fails(violation_in_the_end(std::move(world)), layer);
  }
  if (path_.size() >= bounds_.steps_max) {
    ++layer.too_long;
    return !fails(violation_in_the_end(std::move(world)), layer);
  }
  const std::optional<Move> usual = world.usual();
  if (!usual) {
    ++layer.stuck;
    return !fails(violation_in_the_end(std::move(world)), layer);
  }
  std::vector<Move> moves;
  if (changes_left > 0) {
    moves = world.others(!any_number_);
  } else {
    left_out_ = left_out_ || !world.others(true).empty();
  }
  moves.push_back(*usual);
  frames_.push_back({std::move(world), std::move(moves), 0, path_.size(), changes_left});
  return true;
}

// Where changes are counted, two states are one only if the same is usual in both.
uint64_t Explorer::hash_of(const SmallWorld& world) const {
  return world.hash({bounds_.in_order, !any_number_});
}

bool Explorer::is_new(const SmallWorld& world, uint32_t changes_left, Layer& layer) {
  const auto [at, added] = seen_.try_emplace(hash_of(world), static_cast<uint8_t>(changes_left));
  if (added) {
    ++layer.states;
    return true;
  }
  if (at->second >= changes_left) return false;
  at->second = static_cast<uint8_t>(changes_left);
  return true;
}

bool Explorer::fails(const std::optional<Violation>& violation, const Layer& layer) {
  if (!violation) return false;
  found_ = Found{*violation, beginning_->name, layer.changes, layer.states, steps_of(path_)};
  return true;
}

// The path once more, with words. Unusual moves have a star.
std::vector<std::string> Explorer::steps_of(const std::vector<Move>& path) const {
  std::vector<std::string> steps;
  SmallWorld world = beginning_->world;
  for (const Move& move : path) {
    const std::optional<Move> usual = world.usual();
    const bool is_usual =
        usual && usual->kind == move.kind && usual->order == move.order && usual->host == move.host;
    steps.push_back(fmt::format("{} {}", is_usual ? ' ' : '*', world.text_of(move)));
    world.make(move);
  }
  return steps;
}

}  // namespace vivarium::sim
