// Election: ZooKeeper's fast leader election over the election port (quorum-protocol sections 2 to
// 4, RULES 9 to 11), run for the whole life of a server: while it looks it votes, afterwards it
// answers. Owns the election links; decides nothing about roles: Zab asks decided() and tells what
// became of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/acknowledged.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/base/zxid_range.h"
#include "core/config.h"
#include "core/event.h"
#include "core/wire/peer_messages.h"
#include "core/world.h"
#include "core/zab/configs.h"
#include "core/zab/election_links.h"
#include "core/zab/quorum.h"
#include "core/zab/vote.h"

namespace vivarium {

// How this server takes part (RULES 10 and 11).
enum class Standing : uint8_t {
  Voter,      // votes with (current epoch, last zxid)
  Observer,   // configured as one: listens and follows
  NonVoting,  // in no configuration: listens and follows
  Aside,      // amnesiac or damaged: notifications carry zxid -1, decides like an observer
  Blank       // never used or wiped: as Aside, and all_blank() is watched
};

// What recovery would find on this server's disk: the vote states nothing else (K-MEMDISK).
struct SelfVote {
  Standing standing = Standing::Voter;
  Zxid last_zxid;
  Epoch current_epoch = 0;
  bool damaged = false;             // last_zxid is a claim (RULES 9)
  std::vector<ZxidRange> faults{};  // and this is missing of it
};

class Election {
 public:
  Election() = default;
  explicit Election(const Config& config);

  // This server has left a leader of whom it heard nothing any more: his vote is not waited for
  // until he says something.
  void leave_silent(ServerId leader);
  // This server has left its leader, or its leadership, and may not be able to vote yet: it says
  // nothing until look(). Others would take it for what it said it was, and follow nobody else.
  void leave();
  // Starts a new round from the self vote; forgets the last decision.
  void look(const SelfVote& self, World& world);
  // After a decision: the state to advertise, and (once established) the one canonical vote of the
  // ensemble, the leader and its epoch (hazards E5). From the decision on this server advertises it
  // as FOLLOWING, LEADING or OBSERVING by itself; an epoch below the decided vote's changes
  // nothing. A server that stands aside or is blank always advertises OBSERVING: its word must not
  // count.
  void settle(PeerState state, ServerId leader, Epoch epoch, World& world);

  // The ensemble has changed, and with it perhaps this server's standing. An election under way
  // ends without a decision: look() begins the next one.
  void configure(const Configs& configs, Standing standing, World& world);
  // While it looked, a member has told of a newer configuration that is committed.
  std::optional<Membership> take_heard_config();
  // The same of one that is pending with the member that told, or with others by its word.
  std::optional<Membership> take_heard_pending();

  // Takes events of the election door and its links. True: the event was Election's.
  bool step(const Event& event, World& world);
  Instant deadline() const;
  void on_deadline(World& world);
  // `remembered`: what this server knows of others' acknowledgements; each voter is told its own.
  void end_turn(World& world, const std::vector<RememberedAck>& remembered = {});

  bool looking() const;
  // The leader that this round chose: possibly this server. Set until look() or settle().
  std::optional<ServerId> decided() const;
  // Standing Blank: every configured voter has been heard in this life, each of them blank, or a
  // voter with zxid 0 and epoch 0 that looks too (RULES 11).
  bool all_blank() const;
  // Voters heard, with this server, are a quorum, and all of them are ours (RULES 9).
  bool heard_only_ours() const;
  // The highest acknowledgement of this `log` that anybody heard remembers, and who; those given
  // before the leadership of `since` are void: its initial history took their place.
  struct Told {
    ServerId by;
    Zxid upto;
  };
  std::optional<Told> told(LogId log, Epoch since) const;
  bool has_heard(ServerId voter) const { return heard_.count(voter) != 0; }
  // The last that this voter was heard to say is that it leads.
  bool says_it_leads(ServerId voter) const;
  // A voter was heard that is not one of ours.
  bool heard_foreign() const;
  // Standing Blank or Aside: one line for a person saying who is missing. Otherwise empty.
  std::string waiting_for() const;
  // The leader gave up on a voter: true when `voter` was heard LOOKING since settle() (hazards E6).
  // A voter that still votes for this server in the deciding round has only not decided yet.
  bool heard_looking(ServerId voter) const;

 private:
  // The last that was heard of a voter. The newest word replaces every earlier one.
  struct Word {
    PeerState state{};
    Vote vote;
    int64_t round = 0;
    int32_t version = 0;
    bool ours = false;
    std::optional<Acknowledged> remembered{};  // of this server
  };
  using Words = std::map<ServerId, Word>;
  using Contact = ElectionLinks::Contact;
  // One who is no voter and asked.
  struct Listener {
    bool looking = false;
    Instant answered{INT64_MIN / 2};
  };

  Vote initial_vote() const;
  Notification notification() const;
  Bytes frame_for(const std::optional<Acknowledged>& remembered) const;
  bool votes() const { return self_.standing == Standing::Voter; }
  // A voter by hearsay alone (Configs::hint()) votes, and leads nobody: by its own lists it is in
  // no quorum. Nor is it missed: whoever has the change in its log has the more recent history.
  bool may_lead() const { return votes() && quorum_.is_voter(id_); }
  bool is_blank(const Word& word) const;
  bool is_fresh(const Word& word) const;

  void start_round(int64_t round, World& world);
  void on_arrival(const ElectionLinks::Arrival& arrival, World& world);
  void on_listener(const Contact& from, const Word& word, World& world);
  void on_voter(ServerId from, const Word& word, World& world);
  void on_looking(ServerId from, const Word& word, World& world);
  void on_established(ServerId from, const Word& word, World& world);
  bool joins(const Words& words, const Word& word) const;
  void propose(const Vote& vote, World& world);
  bool all_have_voted(const Word& own) const;
  void count_votes(World& world);
  void decide(const Vote& vote, int64_t round, World& world);

  void hear_config(std::string_view text, bool pending, World& world);
  // Whose word is heard: a voter, or whom others take for one (Configs::hint()).
  bool speaks(ServerId id) const;
  void take_arrivals(const std::vector<ElectionLinks::Arrival>& arrivals, World& world);
  void tell(ServerId member);
  void tell_voters();
  // Those to whom the present vote is news.
  void tell_waiting(bool all_members);
  void stop_timers();

  ServerId id_;
  Quorum quorum_;
  bool learns_configs_ = false;
  Zxid config_version_;
  std::string config_text_;
  std::optional<Membership> heard_config_;
  Zxid pending_version_;      // the newest that is known here, pending or hinted at
  std::string pending_text_;  // in the log here
  std::string hinted_text_;
  std::optional<Membership> heard_pending_;
  std::vector<ServerId> hinted_;
  Duration resend_min_;
  Duration resend_max_;
  Duration finalize_wait_;
  ElectionLinks links_;

  bool begun_ = false;  // look() was called: there is something to say
  SelfVote self_;
  PeerState state_ = PeerState::Looking;
  int64_t round_ = 0;  // the logical clock
  Vote vote_;          // looking: the proposal; afterwards: the vote to advertise
  std::optional<ServerId> decided_;

  Words received_;     // votes of this round, of whatever state
  Words established_;  // FOLLOWING and LEADING of any round, heard while looking
  Words heard_;        // of this life
  std::set<ServerId> heard_looking_;
  std::set<ServerId> silent_;  // left as such, and not heard since
  std::map<ServerId, Listener> observers_;
  std::map<LinkId, Listener> strangers_;

  Instant resend_at_ = Instant::never();
  Duration resend_pause_;
  Instant finalize_at_ = Instant::never();  // a quorum agrees: decide then
  Instant withdraw_at_ = Instant::never();  // a quorum agrees on somebody unheard: start over then

  std::set<ServerId> to_tell_;
  std::set<LinkId> strangers_to_tell_;
};

}  // namespace vivarium
