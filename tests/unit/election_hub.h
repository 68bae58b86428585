// ElectionHub: several Elections on one small network. Nothing arrives by itself: the test delivers
// item by item, breaks connections, holds a direction back, lets time pass. A server may be
// scripted instead: it has no Election, and says what the test says.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/zab/configs.h"
#include "core/zab/election.h"
#include "tests/unit/link_world.h"

namespace vivarium::election_test {

// voters 1, 2, 3 ... at n1, n2, n3 ...
Config ensemble(int64_t own_id, const std::vector<int64_t>& voters,
                const std::vector<int64_t>& observers = {});
// "LOOKING leader=2 zxid=0:0 round=1 epoch=0"
std::string describe(const Notification& n);

class ElectionHub {
 public:
  // A direction of a connection that has something to deliver.
  struct Way {
    size_t wire = 0;
    bool to_acceptor = false;
    int64_t from = 0;
    int64_t to = 0;
  };

  ElectionHub(std::vector<int64_t> voters, std::vector<int64_t> observers);
  ElectionHub(const ElectionHub&) = delete;
  ElectionHub& operator=(const ElectionHub&) = delete;

  // --- servers
  void start(int64_t id);   // a new life, without look()
  void script(int64_t id);  // a new life without an Election
  void kill(int64_t id);
  bool alive(int64_t id) const { return nodes_.at(id).alive; }
  Election& election(int64_t id);
  const std::vector<int64_t>& ids() const { return ids_; }
  void look(int64_t id, const SelfVote& self);
  void configure(int64_t id, const Configs& configs);  // a voter of them
  void settle(int64_t id, PeerState state, int64_t leader, Epoch epoch);
  // A scripted server sends; it connects first when it may.
  void say(int64_t from, int64_t to, const Notification& n);

  // --- network
  std::vector<Way> ways() const;
  void deliver(const Way& way);
  // All that matches, and what comes of it, until nothing does.
  void deliver_all(const std::function<bool(const Way&)>& matches);
  void deliver_all();
  void break_between(int64_t a, int64_t b);      // both ends hear of it, what was under way is lost
  void hold(int64_t from, int64_t to, bool on);  // nothing arrives, nobody is told
  void release_all() { held_.clear(); }

  // --- time
  Instant now() const { return now_; }
  Instant next_deadline() const;
  void advance_to(Instant to);
  // Timers and deliveries until `ms` have passed.
  void run(int64_t ms);

  // "2->1 LOOKING leader=..." for each notification that arrived, in order; emptied by the caller.
  std::vector<std::string> heard;

 private:
  void start(int64_t id, const Config& config);

  struct Item {
    enum Kind : uint8_t { Syn, Up, Data, Fin } kind{};
    Bytes bytes;
  };
  struct End {
    int64_t id = 0;
    LinkId link;
    bool open = false;
    uint64_t credit = 0;
    std::deque<Item> inbox;
    Bytes unread;  // what a person reading along has not decoded yet
    bool hello_read = false;
  };
  struct Wire {
    End opener;
    End acceptor;
  };
  class NodeWorld : public LinkWorld {
   public:
    ElectionHub* hub = nullptr;
    int64_t id = 0;
    LinkId connect(const Address& to) override;
    void send(LinkId link, ByteView bytes) override;
    uint64_t unsent(LinkId) const override { return 0; }
    void give_credit(LinkId link, uint64_t bytes) override;
    void close(LinkId link, bool drain) override;
    using LinkWorld::close;
  };
  struct Node {
    bool alive = false;
    std::unique_ptr<NodeWorld> world;
    std::optional<Election> election;
  };

  std::pair<End*, End*> ends(int64_t id, LinkId link);  // own, other
  void step(int64_t id, const Event& event);
  void read_along(int64_t from, bool hello_first, End& to, ByteView bytes);
  bool held(int64_t from, int64_t to) const { return held_.count({from, to}) > 0; }

  std::vector<int64_t> voters_;
  std::vector<int64_t> observers_;
  std::vector<int64_t> ids_;
  std::map<int64_t, Node> nodes_;
  std::deque<Wire> wires_;
  std::map<std::pair<int64_t, int64_t>, bool> held_;
  Instant now_{1'000'000'000};
  uint32_t next_slot_ = 1;
};

}  // namespace vivarium::election_test
