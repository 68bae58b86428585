// One whole server for conversations on its ports: a Node on a simulated disk and clock, and a test
// that plays everybody else. Nothing takes time but pass(); every event is a turn of its own. The
// disk is as quick as that too, except for syncs that are held up (DiskWorld::hold).
//
// Of what the server sends, everything that states a durable fact is compared with what recovery
// would find if power failed at that moment: a difference fails the test.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/node.h"
#include "core/wire/peer_messages.h"
#include "sim/crash.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::zab_test {

// The network as the node sees it: what it sends is kept, what others send arrives as credit
// allows.
class ZabWorld final : public storage_test::DiskWorld {
 public:
  struct Link {
    Address to;  // dialled; empty host: accepted
    Door door{};
    bool up = false;
    bool gone = false;
    bool told_gone = false;  // the test has seen the end
    Bytes sent;              // by the node, not yet read by the test
    Bytes coming;            // to the node
    bool ends = false;       // the other side closes behind what is coming
    uint64_t credit = 0;
    uint64_t unsent = 0;
  };

  using DiskWorld::DiskWorld;
  LinkId open(const Address& to, Door door);
  Link& at(LinkId link) { return links_.at(link.slot); }
  size_t link_count() const { return links_.size(); }
  Instant timer() const { return timer_; }
  WallTime wall_now() const override { return wall; }
  WallTime wall{1'700'000'000'000};
  std::vector<std::string> take_lines();
  std::vector<SharedBytes> shared_sent;  // all of this life

  void set_timer(Instant at) override { timer_ = at; }
  LinkId connect(const Address& to) override;
  void send(LinkId link, ByteView bytes) override;
  void send_shared(LinkId link, SharedBytes bytes) override {
    send(link, *bytes);
    shared_sent.push_back(std::move(bytes));
  }
  uint64_t unsent(LinkId link) const override { return links_.at(link.slot).unsent; }
  void give_credit(LinkId link, uint64_t bytes) override;
  void close(LinkId link, bool drain) override;
  using DiskWorld::close;
  using DiskWorld::open;

 private:
  std::vector<Link> links_;
  size_t lines_taken_ = 0;
  Instant timer_ = Instant::never();
};

// What recovery would find after a power failure that keeps nothing unsynced.
struct Durable {
  Found found{};
  Epoch accepted = 0;
  Epoch current = 0;
  Zxid last;
  Zxid logged;  // more, where the tree that the log gives is no state of the ensemble's
};

class ZabHost {
 public:
  // Members 1..n, the last `observers` of them as such; `self` runs here.
  static Config make_config(int64_t self, int64_t members, int64_t observers);

  explicit ZabHost(const Config& config, sim::SimDisk disk = sim::SimDisk());
  // Somebody who is there beside the members of the configuration.
  void add_neighbour(const Member& member) { neighbours_.push_back(member); }

  // A disk of an established member: epochs, and a log of creates (see make_entry) up to each zxid.
  static sim::SimDisk make_disk(const Config& config, Epoch accepted, Epoch current,
                                const std::vector<Zxid>& log);
  // One with a state that came by SNAP: `body` as it was sent.
  static sim::SimDisk make_disk(const Config& config, Epoch epoch, Zxid zxid, ByteView body);
  // One whose log ends with a change of the ensemble.
  static sim::SimDisk make_disk(const Config& config, Epoch epoch, const Membership& pending);

  // --- life
  void start();
  void kill();        // what was written is still there
  void lose_power();  // only what was synced is
  bool alive() const { return node_ != nullptr && !world_->stopped(); }
  bool has_node() const { return node_ != nullptr; }
  Node& node() { return *node_; }
  ZabWorld& world() { return *world_; }
  const Config& config() const { return config_; }
  Durable durable() const;

  // --- time. Everything that can happen at once has happened when a call returns.
  void settle();
  void pass(Duration time);

  // --- the ports. Named links: "3" dialled by the node to server 3, or accepted as the test says.
  // Whose quorum or election port it is.
  std::optional<ServerId> quorum_peer(const Address& to) const;
  std::optional<ServerId> election_peer(const Address& to) const;
  // The node has dialled the server's quorum port and not been answered.
  bool dials(const std::string& name) const { return dialled(name).valid(); }
  void accept_dial(const std::string& name);
  void refuse_dial(const std::string& name);
  void connect(const std::string& name, Door door);
  void tell(const std::string& name, ByteView bytes);
  void hang_up(const std::string& name);
  bool has_link(const std::string& name) const { return names_.count(name) > 0; }
  ZabWorld::Link& link(const std::string& name);
  const std::map<std::string, LinkId>& links() const { return names_; }
  // Election: server `from` says it, over the connection that the two ids call for, if there is
  // one.
  bool can_notify(ServerId from) const;
  void notify(ServerId from, const Notification& said);
  // All other voters vote for this server, and the finalize wait passes.
  void elect(int64_t round = 1);
  // What the node has told anybody on the election port and not told before.
  std::vector<Notification> take_notifications();

  // Whether each promise is compared with the disk, which costs a recovery (on by default).
  void check_promises(bool on) { checks_promises_ = on; }
  // What the node has sent on links of the quorum port since the last call.
  struct Packet {
    LinkId link;
    Bytes bytes;
    std::string snap;  // of SNAP: the state behind it, in words
  };
  std::vector<Packet> take_packets() { return std::exchange(packets_, {}); }

  // The entry that a leader would propose at `zxid` after all that the node has logged.
  Bytes entry(const Txn& txn);
  // What was sent as a SNAP, and is on its way: the next txns are made for it.
  void leader_has(DataTree tree) { sent_ = std::move(tree); }

 private:
  void turn(const Event& event);
  void read_packets();
  void check_promise(const QuorumPacket& packet);
  // Of the members and their neighbours.
  template <class Matches>
  std::optional<ServerId> find_server(Matches matches) const;
  LinkId dialled(const std::string& name) const;  // invalid: it is not
  bool pump_link(size_t slot);
  void pump_election(size_t slot);
  void read_notifications(ZabWorld::Link& link);

  Config config_;
  std::vector<Member> neighbours_;
  sim::SimDisk disk_;
  Instant now_{1'000'000'000};
  bool checks_promises_ = true;
  std::unique_ptr<ZabWorld> world_;
  std::unique_ptr<Node> node_;
  std::map<std::string, LinkId> names_;
  std::map<ServerId, LinkId> elections_;
  std::set<LinkId> hello_read_;
  std::vector<Notification> notifications_;
  std::vector<Packet> packets_;
  std::optional<DataTree> sent_;
};

}  // namespace vivarium::zab_test
