// Configs: what this server knows of the ensemble's members. Active is the newest configuration
// known to be committed, pending one that is in the log here and not known to be. While there is a
// pending one, every quorum has to hold in both (hazards X3).
//
// The log is the truth about the pending one, and says most about the active one too: a leader
// proposes no change before the last one is committed, so of all changes in a log only the last can
// be uncommitted. Whether it is, the file says (storage/config_files.h), or whoever knows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/membership.h"
#include "core/tree/data_tree.h"
#include "core/zab/quorum.h"

namespace vivarium {

// A server's part in the ensemble, by the lists alone.
enum class Seat : uint8_t { Voter, Observer, None };

class Configs {
 public:
  Configs() = default;
  explicit Configs(const Config& config);

  // False: the list of zoo.cfg is all there is, for the whole life.
  bool enabled() const { return enabled_; }
  const Membership& active() const { return active_; }
  bool pending() const { return pending_.has_value(); }
  // The pending one if there is one: what a leader would build on.
  const Membership& last_seen() const { return pending_ ? *pending_ : active_; }
  const Quorum& quorum() const { return quorum_; }
  // Of either configuration, the pending one first, or of the hint.
  const Member* find(ServerId id) const;
  // A voter of any of them is one. An observer is what the active one says.
  Seat seat(ServerId id) const;
  // Whether it may lead here, or its word count there.
  bool is_voter(ServerId id) const {
    return quorum_.is_voter(id) || (hint_ && hint_->is_voter(id));
  }
  // In an election others have told of a change that is pending with them and not known here. No
  // quorum of this server's needs it; but theirs may need this server's vote, and their candidate
  // be nobody of its own lists. Until there is a leader.
  void hint(Membership membership);
  void drop_hint();
  const std::optional<Membership>& hinted() const { return hint_; }
  // Grows with each change of what is said above.
  uint64_t changes() const { return changes_; }

  // A change was appended to the log here, by whatever role. Whatever was pending is committed.
  void logged(Membership membership);
  // Known to be committed. Older and equal versions are nothing.
  void activate(Membership membership);
  void activate_pending();
  // The tree is all that the log here holds: after recovery, a truncation, an install.
  void rebase(const DataTree& tree);

 private:
  void changed();

  bool enabled_ = false;
  Membership active_;
  std::optional<Membership> pending_;  // of a higher version than the active one
  std::optional<Membership> hint_;     // of a higher version than both
  Quorum quorum_;
  uint64_t changes_ = 0;
};

// What /zookeeper/config of the tree says, when it was made by a change of configuration or by a
// server's own hand: not what a client may have written there.
std::optional<Membership> config_in(const DataTree& tree);

}  // namespace vivarium
