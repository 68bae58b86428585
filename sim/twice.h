// A run done twice, to prove that nothing but its seed decides it: the first time with zeros in
// what it allocates, has freed and finds on the stack, the second time with junk there and
// everything elsewhere on the heap. Where the two part, both sides of the first thing that differs
// are named.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/observer.h"
#include "sim/trace.h"

namespace vivarium::sim {

// Of all things that are heard of a run, some.
struct Stretch {
  uint64_t from = 0;
  uint64_t to = 0;  // the first behind it
};

// Folds all that an observer hears, with its contents, into one rolling hash, and keeps that hash
// after every kEvery-th thing. Of the things of a window it keeps each, with its line of a trace.
class Fingerprint final : public Observer {
 public:
  static constexpr uint64_t kEvery = 256;
  struct Heard {
    uint64_t hash = 0;  // rolling
    std::string line;
  };

  // `stack_fill`: what the stack below a process is painted with before each of its steps.
  explicit Fingerprint(uint8_t stack_fill, Stretch window = {});
  Fingerprint(const Fingerprint&) = delete;
  Fingerprint& operator=(const Fingerprint&) = delete;

  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void called(Simulation& sim, HostId host, const Call& call) override;
  void happened(Simulation& sim, HostId host, std::string_view what) override;
  // The run is over, and this came of it.
  void finish(uint64_t verdict);

  const std::vector<uint64_t>& checkpoints() const { return checkpoints_; }  // the last: the end
  const std::vector<Heard>& heard() const { return heard_; }                 // in the window

 private:
  bool in_window() const { return count_ >= window_.from && count_ < window_.to; }
  void add(uint64_t hash);

  uint8_t stack_fill_;
  Stretch window_;
  TraceWriter writer_;
  std::string line_;  // of what is being heard
  uint64_t count_ = 0;
  uint64_t hash_ = 0;
  std::vector<uint64_t> checkpoints_;
  std::vector<Heard> heard_;
};

// One whole run from nothing, told to an observer; returns a hash of what came of it.
using Run = std::function<uint64_t(Observer&)>;

// Nullopt: the two runs were the same. Otherwise some lines on where they part.
std::optional<std::string> difference_of_two(const Run& run, uint8_t junk);

}  // namespace vivarium::sim
