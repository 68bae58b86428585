// Explorer: every run of a small world that departs from the ordinary one in at most so many moves:
// first none, then one, then two ... Depth first, by copying the cluster; a state that was seen
// with as many moves left is not gone into again. All checkers of the cluster watch, and where a
// path ends, faults end and the cluster has to converge.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/explore_world.h"

namespace vivarium::sim {

struct ExploreBounds {
  static constexpr uint32_t kAnyNumber = 255;
  uint64_t states_max = 200'000;  // of one layer; beginnings share what is left of it
  // Unusual moves on a path: a layer for each number from the least on. kAnyNumber is a layer too.
  uint32_t changes_min = 0;
  uint32_t changes_max = 16;
  uint32_t steps_max = 600;  // of a path
  bool in_order = false;     // see Sameness
};

// Where an exploration begins, and what ends a path well.
struct Beginning {
  std::string name;
  SmallWorld world;
  std::function<bool(const Cluster&)> reached;
};

struct Found {
  Violation violation;
  std::string beginning;
  uint32_t changes = 0;
  uint64_t states = 0;  // visited in its layer until then
  std::vector<std::string> steps;
};

// All paths with at most `changes` unusual moves.
struct Layer {
  uint32_t changes = 0;
  uint64_t states = 0;       // different ones
  uint64_t transitions = 0;  // moves made
  uint64_t pruned = 0;       // of these, into a state that was known
  uint64_t ends = 0;         // the goal was reached, and everything converged after it
  uint64_t stuck = 0;        // nothing is left to happen
  uint64_t too_long = 0;     // paths cut at steps_max
  uint32_t deepest = 0;
  uint64_t beginnings = 0;
  uint64_t cut = 0;          // of these, how many had paths left when their states were used up
  bool complete = false;     // every path was taken to its end
  bool every_order = false;  // and none was kept from more changes
};

struct Explored {
  std::vector<Layer> layers;
  std::optional<Found> found;
};

class Explorer {
 public:
  Explorer(std::vector<Beginning> beginnings, const ExploreBounds& bounds)
      : beginnings_(std::move(beginnings)), bounds_(bounds) {}

  // `told` after each layer.
  Explored run(const std::function<void(const Layer&)>& told = {});
  // In the last layer, from the last beginning.
  bool has_seen(const SmallWorld& world) const { return seen_.count(hash_of(world)) != 0; }

 private:
  // A state with moves that were not tried yet. `way`: how long the path to it is.
  struct Frame {
    SmallWorld world;
    std::vector<Move> moves;
    size_t next = 0;
    size_t way = 0;
    uint32_t changes_left = 0;
  };

  bool run_layer(Layer& layer);
  bool explore(const Beginning& beginning, uint64_t states_max, Layer& layer);
  bool enter(SmallWorld world, uint32_t changes_left, Layer& layer);
  uint64_t hash_of(const SmallWorld& world) const;
  bool is_new(const SmallWorld& world, uint32_t changes_left, Layer& layer);
  bool fails(const std::optional<Violation>& violation, const Layer& layer);
  std::vector<std::string> steps_of(const std::vector<Move>& path) const;

  std::vector<Beginning> beginnings_;
  ExploreBounds bounds_;
  const Beginning* beginning_ = nullptr;
  bool any_number_ = false;  // of changes, in this layer
  std::vector<Frame> frames_;
  std::vector<Move> path_;
  std::unordered_map<uint64_t, uint8_t> seen_;  // with how many changes left, at most
  bool left_out_ = false;
  std::optional<Found> found_;
};

}  // namespace vivarium::sim
