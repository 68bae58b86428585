// Learner: a follower or observer from the connection to its leader on: discovery, synchronisation,
// broadcast, in the paper's order, one handler per packet (docs/zab.md). Sends nothing that states
// a durable fact but through its Outbox.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/storage/snapshot.h"
#include "core/tree/prepare.h"
#include "core/wire/jute.h"
#include "core/wire/peer_extension.h"
#include "core/wire/peer_messages.h"
#include "core/zab/outbox.h"
#include "core/zab/parts.h"
#include "core/zab/quorum_link.h"

namespace vivarium {

class Learner {
 public:
  // How it joins. A server aside (RULES 10) joins as an observer under an id that is in no
  // configuration, promises nothing, and takes a SNAP whatever it has.
  struct Manner {
    bool observer = false;
    bool aside = false;
    bool force_snap = false;
    // With known damage (RULES 9): its claim counts for the epoch, and it takes a SNAP.
    bool damaged = false;
  };

  Learner(ServerId leader, const Manner& manner, Parts& parts);

  // True: the event was this role's.
  bool step(const Event& event, Parts& parts);
  // After anything happened: what waits for the disk goes on.
  void advance(Parts& parts);
  void end_turn(Parts& parts);
  Instant deadline() const;
  void on_deadline(Parts& parts);

  // Why this role is over, empty while it is not. Zab then changes the role.
  const std::string& over() const { return over_; }
  // It is over because the leader said nothing for syncLimit, or for initLimit before UPTODATE.
  bool left_silent() const { return left_silent_; }
  const Address& leader_address() const { return address_; }
  // The last try ended because TRUNC could not be carried out here: the next one must ask for a
  // SNAP.
  bool needs_snap() const { return needs_snap_; }
  // A server aside that is synced and durable: it may return under its own id.
  bool synced() const { return phase_ == Phase::Broadcast; }
  // Everything that was committed when UPTODATE came is applied.
  bool caught_up(const Parts& parts) const {
    return synced() && parts.tree.last_applied() >= serve_from_;
  }
  bool serving() const { return serving_; }
  // What it applies is committed, and what a client may see, if any are served here.
  bool delivers() const { return delivers_; }
  // The last that the leader is known to have proposed, or at least committed.
  Zxid proposed() const { return std::max(proposed_, committed_); }
  ServerId leader() const { return leader_; }
  // How it joined, as far as others can see.
  bool observes() const { return manner_.observer; }
  bool stands_aside() const { return manner_.aside; }
  // Who leads next, as the leader that hands over has said.
  std::optional<ServerId> designated() const { return designated_; }
  Epoch epoch() const { return epoch_; }
  // The commit point this learner has been told of and may rely on.
  Zxid committed() const { return phase_ == Phase::Broadcast ? committed_ : Zxid{}; }
  // Everything above the link is cut: clients first, then the link.
  void leave(Parts& parts);
  // The ensemble has changed, and this role does not fit into it any more.
  void end(std::string why) { over(std::move(why)); }

  void submit(const WriteRequest& request, Parts& parts);
  void sync(SessionId session, int32_t cxid, uint64_t ticket, Parts& parts);
  void revalidate(SessionId session, int32_t timeout_ms, Parts& parts);
  void touch(SessionId session, int32_t timeout_ms);

  // A SNAP whose install is under way when the role ends: Zab finishes it.
  struct Install {
    Zxid zxid;
    DataTree tree;
    bool exact;  // else it may be ahead of its zxid
  };
  std::optional<Install> take_install();

 private:
  enum class Phase : uint8_t {
    Connecting,  // to the leader's quorum port
    Discovery,   // FOLLOWERINFO sent, LEADERINFO awaited
    Deciding,    // ACKEPOCH queued, DIFF, TRUNC or SNAP awaited
    Truncating,  // TRUNC under way on the disk
    Receiving,   // the SNAP stream comes in
    Installing,  // the SNAP is made durable
    Syncing,     // PROPOSALs and COMMITs up to NEWLEADER
    Acking,      // NEWLEADER received; UPTODATE awaited
    Broadcast    // UPTODATE received
  };

  void connect(Parts& parts);
  void on_link_up(Parts& parts);
  void on_link_down(Parts& parts);
  void retry_connecting(Parts& parts);
  void read_packets(Parts& parts);
  Instant patience(const Parts& parts) const;
  static Instant connecting_until(const Parts& parts);
  bool may_read(const Parts& parts) const;
  bool claims_nothing() const { return manner_.aside || manner_.force_snap; }
  bool only_snap() const { return claims_nothing() || manner_.damaged; }
  bool newleader_acked(const Parts& parts) const;
  bool expects(PacketType type, const Parts& parts) const;
  void on_packet(const QuorumPacket& packet, Parts& parts);
  void on_fill_ask(const QuorumPacket& packet, Parts& parts);
  void answer(ZxidRange range, const std::vector<History::Item>& entries, FillRest rest);
  void finish_search(Parts& parts);
  void on_leader_info(const QuorumPacket& packet, Parts& parts);
  void on_diff(const QuorumPacket& packet);
  void on_trunc(const QuorumPacket& packet, Parts& parts);
  void on_snap(const QuorumPacket& packet, Parts& parts);
  void on_snap_bytes(Parts& parts);
  void on_proposal(const QuorumPacket& packet, Parts& parts);
  void on_commit(const QuorumPacket& packet, Parts& parts);
  void on_inform(const QuorumPacket& packet, Parts& parts);
  void on_activate(const QuorumPacket& packet, Parts& parts);
  void hear_config(std::string_view text, Parts& parts);
  void settle_config(Parts& parts);
  void on_new_leader(const QuorumPacket& packet, Parts& parts);
  void on_up_to_date(Parts& parts);
  void on_ping(const QuorumPacket& packet, Parts& parts);
  void on_revalidate(const QuorumPacket& packet, Parts& parts);
  void on_sync();
  bool in_snap(const QuorumPacket& packet) const;
  bool append(const QuorumPacket& packet, Parts& parts);
  void commit_to(Zxid zxid, Parts& parts);
  void finish_truncation(Parts& parts);
  void finish_install(Parts& parts);
  void apply(Parts& parts);
  void over(std::string why);

  ServerId leader_;
  Manner manner_;
  Instant sync_began_;
  Phase phase_ = Phase::Connecting;
  QuorumLink link_;
  Bytes request_;  // being forwarded; keeps its memory
  bool linked_ = false;
  int attempts_ = 0;
  Instant give_up_;        // of connecting
  Instant first_refusal_;  // of this leader
  Instant retry_at_ = Instant::never();
  Instant read_deadline_;
  std::string over_;
  bool left_silent_ = false;
  bool needs_snap_ = false;
  bool reread_ = false;         // the tree, for a truncation
  const char* synced_by_ = "";  // DIFF, TRUNC or SNAP

  Epoch epoch_ = 0;
  std::optional<ZxidRange> sought_;  // by the leader, in the log files here
  bool leader_is_ours_ = false;      // it has shown our extension
  Outbox outbox_;
  Zxid proposed_;    // as its PINGs say
  Zxid committed_;   // highest zxid that the leader has said to be committed
  Zxid keep_;        // TRUNC's zxid
  Zxid snapped_;     // SNAP's, 0 without one
  Address address_;  // of the leader
  std::optional<ServerId> designated_;
  std::optional<Membership> announced_;  // by NEWLEADER
  Zxid history_end_;                     // last zxid before NEWLEADER
  std::deque<Zxid> unacked_;             // PROPOSALs before NEWLEADER: acknowledged behind it
  std::optional<Install> install_;
  SnapshotBodyReader body_reader_;
  bool body_done_ = false;
  bool delivers_ = false;
  bool serving_ = false;
  Zxid serve_from_;  // it delivers once this is applied

  struct PendingSync {
    uint64_t ticket = 0;
    std::optional<Zxid> at;  // the commit point when SYNC came; not yet: nullopt
  };
  std::deque<PendingSync> syncs_;
  std::map<SessionId, int32_t> touched_;
  Effects effects_;
  Instant apply_again_ = Instant::never();  // more could be applied
};

}  // namespace vivarium
