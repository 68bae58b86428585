// K-CFG: which configuration a server takes for active is a function of what is committed, one text
// for each version; a serving server is not behind what it has delivered; and while the end of its
// log holds a change that is not known to be committed, it counts in both. Says for K-QUORUM whose
// acknowledgements a commit needs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"
#include "sim/reconfig_model.h"

namespace vivarium::sim {

class ConfigCheck {
 public:
  ConfigCheck(uint32_t servers, std::vector<bool> first_voters);

  // After a step of a server in which any of its facts has changed.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
               const Configs& configs, const Ledger& ledger, SimTime now, Verdict& verdict);

  // A commit of everything up to `zxid` needs acknowledgements of a majority of `voters`.
  struct Need {
    Zxid zxid;
    std::vector<bool> voters;
  };
  // Of a leader that has committed what lies between, after stepped().
  std::vector<Need> needs(const NodeFacts& before, const NodeFacts& after) const;
  // Voters of the last committed configuration and of all that were proposed behind it: whoever
  // takes something from servers asks all of them.
  std::vector<std::vector<bool>> live(const Ledger& ledger) const;
  Zxid committed() const { return committed_; }  // version of the newest committed change; 0: none
  std::vector<bool> voters(Zxid version) const;
  bool member(Zxid version, ServerIndex server) const;

 private:
  void mark_committed(ServerIndex leader, const NodeFacts& before, const NodeFacts& after,
                      const Ledger& ledger);

  uint32_t servers_;
  std::vector<bool> first_;
  std::map<Zxid, std::string> texts_;  // by version, as a server was first seen to use it
  Zxid committed_;
  std::map<Zxid, ConfigLines> changes_;  // committed ones
};

}  // namespace vivarium::sim
