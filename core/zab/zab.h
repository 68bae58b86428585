// Zab: one server's part in the replication protocol. Holds its role, one of Recovering, Looking,
// Learner, Leader, and is the only place that changes it (hazards, design rules). docs/zab.md maps
// each step of the paper to a packet, a function and a test.
//
// Below it: Storage and DataTree. Above it: whoever serves clients, told through ZabUser within a
// step.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/storage/storage.h"
#include "core/tree/data_tree.h"
#include "core/tree/prepare.h"
#include "core/world.h"
#include "core/zab/election.h"
#include "core/zab/leader.h"
#include "core/zab/learner.h"
#include "core/zab/parts.h"

namespace vivarium {

enum class ZabRole : uint8_t { Recovering, Looking, Learner, Leader };

class Zab {
 public:
  explicit Zab(const Config& config);

  // Begins a life: recovery of the storage.
  void start(Parts& parts);
  // Routes one event that is not a client's. True: it was Zab's.
  bool step(const Event& event, Parts& parts);
  // After every event of the node, whoever took it: what waited for something goes on.
  void advance(Parts& parts);
  // Flushes links and log; call once per turn, after the user of Zab has submitted its requests.
  void end_turn(Parts& parts);
  Instant deadline() const;
  void on_deadline(Parts& parts);
  // Leaves the role and ends the process when the disk is quiet.
  void stop(Parts& parts);

  // --- for the server above; only while serving().
  bool serving() const;
  // Not serving: until then it may serve, because it lost its leader not long ago and elections are
  // quick. In the past: nobody need wait for it.
  Instant may_serve_until() const;
  // Submits a client's write; its txn comes back through ZabUser::applied() in the order of
  // submission, never within this call.
  void submit(const WriteRequest& request, Parts& parts);
  // A barrier: ZabUser::synced(ticket) once everything committed before is applied here (RULES 15);
  // never within this call.
  void sync(SessionId session, int32_t cxid, uint64_t ticket, Parts& parts);
  // Does the ensemble know the session? Answered by ZabUser::revalidated(), on a leader within this
  // call.
  void revalidate(SessionId session, int32_t timeout_ms, Parts& parts);
  // A frame of the session arrived. False: the leader here knows that the session is gone or
  // closing.
  bool touch(SessionId session, int32_t timeout_ms, Parts& parts);
  // Requests in the pipeline exceed the limits: stop reading from clients.
  bool congested(const Parts& parts) const;

  // --- for observers of the protocol: logs, metrics, the simulator's checkers.
  ZabRole role() const;
  bool leading() const { return role() == ZabRole::Leader; }
  std::optional<ServerId> leader() const;
  // The epoch of the leadership this server is part of; 0 while it has none.
  Epoch epoch() const;
  bool established() const;
  // What it applies is committed, and meant for clients: it serves them, or leads or is a shadow
  // without.
  bool delivers() const;
  Zxid committed() const;
  Standing standing() const { return standing_; }
  const Election& election() const { return election_; }
  // The role, or null while it is another one.
  const Leader* leader_role() const { return std::get_if<Leader>(&role_); }
  Leader* leader_role() { return std::get_if<Leader>(&role_); }
  const Learner* learner_role() const { return std::get_if<Learner>(&role_); }

 private:
  struct Recovering {};
  // Votes are cast only when the disk is quiet, so that they state what recovery would find.
  struct Looking {
    bool voting = false;
  };
  using Role = std::variant<Recovering, Looking, Learner, Leader>;

  void on_recovered(Parts& parts);
  void look(std::string_view why, Parts& parts);
  void start_vote(Parts& parts);
  void on_decided(ServerId leader, Parts& parts);
  void advance_looking(Parts& parts);
  void advance_learner(Parts& parts);
  void note_available(bool leads, World& world);
  bool deserted(const Parts& parts) const;
  bool deserted_by_one(const Parts& parts) const;
  void delay_observer(Parts& parts);
  // --- zab_configs.cc: the ensemble changes
  Standing due_standing(const Parts& parts) const;
  void hear_configs(Parts& parts);
  void follow_configs(Parts& parts);
  void fit_in(Parts& parts);
  void show_config(Parts& parts);
  bool take_over(Parts& parts);
  bool may_found(const Parts& parts) const;
  bool told_to_found(const Parts& parts) const;
  std::optional<Election::Told> missing_acknowledged(const Parts& parts) const;
  void weigh_memory(Parts& parts);
  static bool holds_another_tree(const Parts& parts);
  void weigh_digests(Parts& parts);
  void weigh_damage(Parts& parts);
  void adopt_install(Parts& parts);
  Instant forgotten_at(const Parts& parts) const;
  void return_from_aside(Parts& parts);
  void serve_read_only(Parts& parts);
  void end_read_only(Parts& parts);

  Role role_;
  Election election_;
  bool serves_when_leading_ = true;  // clients
  bool serves_clients_ = true;       // no shadow
  std::optional<Member> own_;        // as it is reached in this life
  uint64_t configs_seen_ = 0;        // Configs::changes() that have been followed
  // Who leads next, as the last leader has said: no election is needed.
  std::optional<ServerId> handed_to_;
  Standing standing_ = Standing::Voter;
  Instant started_at_;
  Instant forgets_from_;  // stood aside with what it had acknowledged in this life
  Instant looking_since_;
  Instant unavailable_since_ = Instant::never();  // never: it leads, or follows somebody
  bool settled_ = false;                          // the election was told of the established leader
  bool force_snap_ = false;
  bool founding_ = false;
  bool stopping_ = false;
  std::optional<Learner::Install> install_;  // finishes although its role is over
  // A learner whose role ended before it was synced waits a little, longer each time, before it
  // looks for a leader again: otherwise two servers that cannot agree would do nothing else.
  uint32_t failed_joins_ = 0;
  Instant look_at_ = Instant::never();
  // A damaged server that could not be filled lets the others try without it until then.
  Instant claim_at_ = Instant::never();
  // Read-only service while looking. What a restarted server holds may not be committed: only what
  // a leader has said to be, in this life, may be read.
  Zxid known_committed_;
  Instant read_only_at_ = Instant::never();
  bool read_only_due_ = false;
  bool read_only_ = false;
  Instant waiting_line_at_;  // next line for a person while nothing can be done
};

}  // namespace vivarium
