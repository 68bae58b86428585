// What is on the disk when a server says so: ACKs (K-DURACK), commits and leaders that rest on a
// quorum of disks (K-QUORUM), votes (K-MEMDISK), and that recovery brings back what was
// acknowledged (K-RECOVER).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/wire/peer_messages.h"
#include "sim/checkers/configs.h"
#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Durability {
 public:
  explicit Durability(uint32_t servers) : servers_(servers) {}

  void packet_sent(ServerIndex server, const NodeFacts& facts, const QuorumPacket& packet,
                   const SimDisk& disk, const Ledger& ledger, SimTime now, Verdict& verdict);
  // A leader announces an epoch: its own promise of it is durable.
  void epoch_announced(ServerIndex server, Epoch epoch, const SimDisk& disk, SimTime now,
                       Verdict& verdict);
  // `needs`: of a leader, whose acknowledgements its commits rest on.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
               const SimDisk& disk, const Ledger& ledger, Zxid committed,
               const std::vector<ConfigCheck::Need>& needs, SimTime now, Verdict& verdict);
  // A leader serves: `voters` are those of its configuration.
  void established(ServerIndex leader, Epoch epoch, const std::vector<bool>& voters,
                   const SimDisk& disk, SimTime now, Verdict& verdict) const;
  Zxid acknowledged(ServerIndex server) const { return servers_[server].acknowledged; }
  // What a follower has durably, and nobody has committed yet, it has acknowledged by the end of
  // the turn: its leader may be waiting for it.
  void turn_ended(ServerIndex server, const NodeFacts& facts, SimTime now, Verdict& verdict) const;
  // `committed`: what is committed of that. A truncation or an install has left the server's log
  // ending at `keep`.
  void truncated(ServerIndex server, Zxid keep, Zxid committed, SimTime now, Verdict& verdict);
  // A leader tells a learner to go back, with `committed` as it is then.
  void sent_back(ServerIndex server, Zxid committed) { servers_[server].sent_back = committed; }
  std::optional<Zxid> sent_back(ServerIndex server) const { return servers_[server].sent_back; }
  // Its ACKs may still be on their way, and were true when they left.
  void wiped(ServerIndex server) {
    const Server before = servers_[server];
    servers_[server] = {};
    servers_[server].said = before.said;
    servers_[server].began = before.began;
  }
  // The end of its log behind `kept` is lost, and its disk does not tell.
  void tail_lost(ServerIndex server, Zxid kept) {
    damaged(server);
    servers_[server].acknowledged = std::min(servers_[server].acknowledged, kept);
  }
  // It may find damage, and stand aside: now, or in a later life, when the snapshot that covered
  // the place is no longer the newest thing behind it.
  void damaged(ServerIndex server) { servers_[server].rotten = true; }

 private:
  struct Server {
    Zxid acknowledged;  // by ACKs found true, and by a leader's own count
    // How far it need not acknowledge any more to its present leader: what it claimed when it came,
    // what was committed when it acknowledged NEWLEADER, or its last ACK.
    Zxid answered;
    Zxid said;                // highest ACK ever found true, whatever became of the disk
    Epoch synced_epoch = 0;   // NEWLEADER acknowledged
    Epoch began = 0;          // the highest of these, whatever became of the connection
    bool going_back = false;  // a truncation or an install was under way
    // What of its acknowledgements was committed when a leader told it to go back.
    std::optional<Zxid> sent_back;
    bool voter = false;   // it was one: no crash makes it forget that
    bool rotten = false;  // something on its disk was damaged at some time
  };
  void check_commit(ServerIndex leader, const ConfigCheck::Need& need, const SimDisk& disk,
                    const Ledger& ledger, SimTime now, Verdict& verdict);

  std::vector<Server> servers_;
};

}  // namespace vivarium::sim
