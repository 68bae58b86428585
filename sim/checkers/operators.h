// K-ADMIN: whoever asks a running server that is not stalled an allowed word, or a command of its
// AdminServer, gets a whole answer or the end of the connection within a second (a slow reader,
// or what needs the sizes of directories, later); whoever may not ask it is refused; the answer
// reads well, and what it says of the server can be: its mode is one that the server may have,
// "leader" only if it led while it was asked; its zxid is not behind what the server had shown
// applied in this life when it was asked, nor beyond all that anybody had logged.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sim/admin_answers.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"
#include "sim/sim_operator.h"

namespace vivarium::sim {

class Operators {
 public:
  struct Rules {
    uint32_t servers = 0;
    uint32_t voters = 0;  // the first ones
    bool all_words = true;
    bool read_only_mode = false;
    bool parts_change = false;  // voters become observers and the other way round
  };
  explicit Operators(const Rules& rules) : rules_(rules), seen_(rules.servers) {}

  // A server's life begins or ends: what it was asked before may stay without an answer.
  void life_changed(ServerIndex server);
  // It took a step that changed its facts.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after, SimTime now);
  // The operator took a step; all that it has asked so far.
  void stepped(const std::vector<Asking>& asked, SimTime now, Verdict& verdict);
  // Its disk is slow: answers that need the sizes of directories may wait for it.
  void disk_slow(ServerIndex server);
  // Called now and then, at intervals of `since`; `stalled`: the process does not run as it should.
  void passed(ServerIndex server, bool stalled, Duration since, SimTime now, Verdict& verdict);

 private:
  struct Seen {
    uint32_t life = 0;
    NodeFacts facts;
    SimTime led = SimTime{-1};  // at this time it still led, or no longer
  };
  // The question under way.
  struct Open {
    Asking asking;
    uint32_t life = 0;
    Zxid floor;
    Duration waited{};  // while the server could have answered
  };
  void judge(const Open& open, const Asking& asking, SimTime now, Verdict& verdict);
  bool may_be(std::string_view mode, const Open& open) const;
  bool may_ask(const Asking& asking) const;

  Rules rules_;
  std::vector<Seen> seen_;
  Zxid proposed_;  // the highest zxid that anybody has logged or applied
  std::optional<Open> open_;
  size_t judged_ = 0;  // questions of the operator that are over
};

}  // namespace vivarium::sim
