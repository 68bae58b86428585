// SimOperator: a person with nc and curl, as a value with a step, like Node: asks one server after
// the other a four-letter word on its client door or a command over HTTP on its admin door, with
// the bytes cut anywhere, and waits for the end of the connection. Now and then it reads slowly,
// falls silent in the middle, or sends what nobody should. Keeps what it asked and what came back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/world.h"
#include "sim/choices.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

enum class Manner : uint8_t {
  Plain,
  SlowReader,
  Silent,  // half of the question, and then nothing
  Hostile  // more, or something else
};

// One question to one server.
struct Asking {
  uint32_t server = 0;
  bool http = false;
  Manner manner{};
  std::string what;                 // the word, or the command
  bool credentials = false;         // HTTP: it says who asks
  SimTime sent = SimTime::never();  // when its last byte was
  SimTime ended = SimTime::never();
  std::string answer;  // all that came
  // Whether an answer, or the end, is due to it.
  bool is_fair() const { return manner == Manner::Plain || manner == Manner::SlowReader; }
};

struct OperatorOptions {
  uint32_t index = 0;
  uint32_t servers = 1;
  uint32_t questions = 12;
  Duration pause = milliseconds(250);  // mean, between two of them
};

class SimOperator {
 public:
  explicit SimOperator(const OperatorOptions& options) : options_(options) {}
  void step(const Event& event, World& world, Choices& choices, SimTime true_now);
  // The last one may be under way.
  const std::vector<Asking>& asked() const { return asked_; }

 private:
  void begin(World& world, Choices& choices);
  void send_piece(World& world, SimTime true_now);
  void end(World& world, SimTime true_now, bool close_link);
  uint64_t draw(Choices& choices, uint64_t what, uint64_t n) const;

  OperatorOptions options_;
  std::vector<Asking> asked_;
  LinkId link_;
  bool up_ = false;
  std::string unsent_;
  size_t pieces_ = 1;
  Instant next_ = Instant::never();     // question, piece, or bytes to read
  Instant give_up_ = Instant::never();  // on the present question
};

}  // namespace vivarium::sim
