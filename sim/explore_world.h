// SmallWorld: one state of an exploration. A small cluster as a value, the moves that are possible
// in it, and the hash by which two states are taken for one.
//
// What happens next is a move: the next happening of any source (a direction of a link, a file, a
// directory, a host's timer), or a crash, or a broken link. Time stands still but for timers. What
// no order of others can tell apart happens at once, without being a move: answers to opens, reads,
// listings and preallocations, spare log files, and all answers of the disk while a server
// recovers. Every happening is a turn of its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/cluster.h"
#include "sim/event_queue.h"
#include "sim/observer.h"
#include "sim/sim_network.h"

namespace vivarium::sim {

// How much trouble there may be on one path.
struct Trouble {
  uint32_t crashes = 0;     // each a kill, or a loss of power
  uint32_t drops = 0;       // broken links between servers; what was under way is lost
  uint32_t hurries = 0;     // timers that are due before what is under way, or before another's
  uint32_t images_max = 4;  // of a loss of power: nothing kept, all, prefixes of what was written
};

struct Move {
  enum class Kind : uint8_t {
    Deliver,    // of what is pending, `order`
    HoldBack,   // its source waits until no other has anything left
    Timer,      // of `host`, when nothing else is under way
    Hurry,      // the same before it is its turn
    Kill,       // of `host`, which starts again
    PowerLoss,  // the same; its disk is the crash image number `image`
    Break       // the link
  };
  Kind kind{};
  uint64_t order = 0;
  HostId host = kNoHost;
  uint32_t image = 0;
  LinkInfo link;
};
std::string_view name_of(Move::Kind kind);

// What makes two states different, beside what SmallWorld::hash() is always about.
struct Sameness {
  // The order in which each host heard everything, in place of what it has heard and of its facts.
  // Then only such states are taken for one whose servers have the same past; left out are the
  // distance of clocks and what checkers remember.
  bool pasts_in_order = false;
  // Which of what is under way was caused first: that tells what is usual.
  bool queue_in_order = false;
};

class SmallWorld final : public Observer {
 public:
  static constexpr size_t kHosts = 4;

  // Its choices are benign from now on.
  SmallWorld(Cluster cluster, const Trouble& trouble);

  Cluster& cluster() { return cluster_; }
  const Cluster& cluster() const { return cluster_; }

  // From now on.
  void allow(const Trouble& trouble) { trouble_ = trouble; }

  // What an ordinary run would do next: the oldest happening, or else the earliest timer. Nullopt:
  // nothing will ever happen.
  std::optional<Move> usual() const;
  // All else that could happen instead. Without `holding`, nothing is held back: every order can be
  // had without it, one move at a time.
  std::vector<Move> others(bool holding) const;
  // False: there is no such crash image, and nothing is changed.
  bool make(const Move& move);
  // For a person, before it is made.
  std::string text_of(const Move& move) const;

  // Of states: facts, trees, both images of each disk, timers, what is under way, for each host
  // what it has heard of each source and said to each peer, in the order of that source, and what
  // was committed, delivered and acknowledged, whoever still knows. Left out are the order in which
  // a host heard its sources, as far as none of that shows it, what roles keep to themselves beyond
  // it, deadlines behind a host's next one, and what else checkers remember.
  uint64_t hash(const Sameness& sameness) const;

  // --- Observer
  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void called(Simulation& sim, HostId host, const Call& call) override;

 private:
  // By peer, port and who connected.
  static constexpr size_t kSources = kHosts * 4 * 2;
  struct Past {
    std::array<uint64_t, kSources> heard{};
    std::array<uint64_t, kSources> said{};
    uint64_t files = 0;  // a sum: files answer in their own order
    uint64_t timers = 0;
    uint64_t in_order = 0;
    std::vector<std::pair<uint8_t, uint32_t>> links;  // by slot: its source, and which there
  };
  using Pending = EventQueue::Pending;

  void attach();
  void settle();
  bool is_spare(const Happening& h) const;
  bool silent(const Happening& h) const;
  bool held(uint64_t source) const;
  // Of each source that is not held back, or of all when those are all that is left.
  std::vector<Pending> next_of_sources() const;
  std::optional<Move> earliest_timer() const;
  void add_crashes(std::vector<Move>& moves) const;
  void add_breaks(std::vector<Move>& moves) const;
  void fire_timer(HostId host);
  bool lose_power(HostId host, uint32_t image);
  void start_again(HostId host);
  void hear(HostId host, const Event& event);
  void know_link(HostId host, LinkId link);
  uint64_t hash_of_host(HostId host, bool in_order) const;
  uint64_t hash_of_server(ServerIndex server) const;
  uint64_t hash_of_promises() const;
  uint64_t hash_of(const Happening& h) const;

  Cluster cluster_;
  Trouble trouble_;  // what is left of it
  std::vector<Past> pasts_;
  std::vector<uint64_t> held_;  // sources, ascending
};

}  // namespace vivarium::sim
