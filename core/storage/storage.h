// Storage: one server's durable state: log, snapshots, epochs, frontier, and their recovery.
// Commands are given within a step, facts are read at any time; nothing here waits. Everything
// about disk order lives behind this header, so that zab/ only says *what* must be durable before
// what is sent:
//
//   persist, then promise       save_accepted_epoch(e);  send when accepted_epoch() >= e
//   persist, then acknowledge   append(z, entry);        send when last_durable() >= z
//   history, epoch, ACK         append/install...;       save_current_epoch(e) orders itself behind
//   all
//                                                        appended before it; send when
//                                                        current_epoch() >= e
//
// Failures of log, epoch or frontier files stop the process (World::OnError::Stop).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/config.h"
#include "core/event.h"
#include "core/storage/config_files.h"
#include "core/storage/disk_script.h"
#include "core/storage/epochs.h"
#include "core/storage/frontier.h"
#include "core/storage/history.h"
#include "core/storage/log_search.h"
#include "core/storage/record.h"
#include "core/storage/recovery.h"
#include "core/storage/snapshot_files.h"
#include "core/storage/txn_log.h"
#include "core/tree/data_tree.h"
#include "core/world.h"

namespace vivarium {

class Storage {
 public:
  static constexpr Duration kSnapshotPauseMin = milliseconds(1000);
  static constexpr Duration kSnapshotPauseMax = milliseconds(64'000);

  Storage() = default;
  explicit Storage(const Config& config);

  // Starts recovery at the beginning of a life; `tree` is filled while file events arrive.
  void recover(World& world, DataTree& tree);
  // Every file event goes here. True: it was one of Storage's.
  bool step(const Event& event, World& world, DataTree& tree);
  // Ends the turn: one write and one sync for all that was appended, the frontier when due, a slice
  // of the snapshot that is being taken.
  void end_turn(World& world, DataTree& tree);
  // A deadline of its own (frontier sync), Instant::never() when there is none.
  Instant deadline() const;
  void on_deadline(World& world);

  bool recovering() const { return recovering_; }
  const Recovered& recovered() const { return recovered_; }

  // --- known damage (RULES 9): the log is not whole, all that it lacks is known, and last_logged()
  // ends the good prefix. Null once the history was made whole.
  const Damage* damage() const {
    return recovered_.found == Found::Damaged && recovered_.damage ? &*recovered_.damage : nullptr;
  }
  // The last zxid that this server may have acknowledged: what its vote has to state.
  Zxid claimed() const { return damage() != nullptr ? damage()->claimed : last_logged(); }
  // Makes durable what a vote in spite of damage rests on: frontier and epochs, as they were read.
  // busy() until done. From then on an install leaves this server a member.
  void claim(World& world);
  // It stands aside again, and an install is a new beginning.
  void renounce() { claims_ = false; }
  // The history behind the good prefix as it should be: becomes a snapshot of its end, in the way
  // of a received one. `tree` is the state there. busy() or installing() until done; damage() stays
  // when the file could not be written.
  void refill(World& world, const DataTree& tree, std::vector<History::Item> items);

  // What the log files hold of a range: take_found() when searching() is over. Nothing is appended,
  // cut or installed meanwhile.
  void search_log(World& world, ZxidRange range);
  bool searching() const { return search_.running(); }
  LogSearch::Found take_found() { return search_.take(); }
  void stop_search(World& world);

  // --- acknowledgements (RULES 2, 3)
  // The log here, as others name it when they remember what was acknowledged from it.
  std::optional<LogId> log_id() const;
  // A leader here has counted an acknowledgement of another voter, for its log as that names it;
  // nullopt: it names none. Reaches the disk with the frontier, a little later than all else there.
  void remember(World& world, ServerId voter, const std::optional<Acknowledged>& acknowledged);
  std::optional<Acknowledged> remembered(ServerId voter) const {
    return find_remembered(frontier_.value().remembered, voter);
  }
  // Somebody remembers an acknowledgement of this very log above claimed(): its end is lost, and
  // nobody knows how much of it. From now on, also after a restart, it is damaged, without a list.
  // busy() until that is durable.
  void found_short(World& world, Zxid acknowledged);
  // The tree is not what the ensemble's was: from here on this is no member, until it is filled. A
  // restart finds the same.
  void found_untrue();
  // A digest said so of the tree that was read last, at the start or for a truncation.
  bool vouched() const { return recovery_.recovered().vouched; }

  // --- facts
  Epoch accepted_epoch() const { return epochs_.accepted(); }  // durable
  Epoch current_epoch() const { return epochs_.current(); }    // durable
  Zxid last_logged() const;                                    // appended, perhaps not durable
  Zxid last_durable() const;
  // A truncation or a snapshot install is under way: append nothing, apply nothing.
  bool busy() const { return recovering_ || task_ != Task::None; }
  const History& history() const { return history_; }
  // Bytes appended and not yet durable: back-pressure for the pipeline.
  uint64_t unsynced_bytes() const { return log_.unsynced_bytes(); }
  // Writes wait, or would have to, because the log's disk has had no room since then;
  // Instant::never(): they need not.
  Instant no_room_since() const { return log_.no_room_since(); }
  // The same, or because a sync takes so long.
  Instant waiting_since() const { return log_.waiting_since(); }
  const Frontier& frontier() const { return frontier_.value(); }

  // --- commands
  // Appends one entry to a member's log, or to one that was installed. zxid.follows(last_logged());
  // CHECKed. A record of an epoch above current_epoch() waits for `currentEpoch.tmp` to be durable
  // (RULES 6).
  void append(World& world, Zxid zxid, SharedBytes entry);
  // Raise; smaller or equal values are nothing.
  void save_accepted_epoch(World& world, Epoch epoch);
  void save_current_epoch(World& world, Epoch epoch);
  // A blank directory becomes a member with empty history: `snapshot.0` and the frontier durable,
  // then last_logged() is 0 and member() true (RULES 11). One that was installed into just becomes
  // a member.
  void found_new(World& world);
  bool member() const { return member_; }
  // The files beside zoo.cfg follow. config_saved(): all that was asked for is durable.
  void save_config(World& world, const Membership& active,
                   const std::optional<Membership>& pending);
  bool config_saved() const { return config_files_.saved(); }
  // The newest snapshot on disk.
  std::optional<Zxid> newest_snapshot() const {
    if (snapshots_.empty()) return std::nullopt;
    return snapshots_.back().zxid;
  }

  // Cuts everything above `keep` durably (RULES 4) and rebuilds `tree` from disk to exactly `keep`.
  // busy() until done. A zxid below the oldest snapshot cannot be reached: truncate_failed().
  void truncate(World& world, Zxid keep, DataTree& tree);
  bool truncate_failed() const { return truncate_failed_; }

  // Installs a state received by SNAP: bytes of the body as they arrive, then the tree decoded from
  // them. finish: file durable, intent, older log and newer snapshots removed, frontier at `zxid`;
  // busy() until done; `tree` is already the new state. abort: nothing has happened. When the file
  // cannot be written, finish ends with install_failed(), and nothing has happened. `exact`:
  // nothing that came behind its zxid is in the state (RULES 7); else the file says so, and a
  // snapshot of this server's own is due at once.
  void begin_install(World& world, Zxid zxid);
  void install_bytes(World& world, ByteView body);
  void finish_install(World& world, const DataTree& tree, bool exact);
  void abort_install(World& world);
  bool install_failed() const { return install_failed_; }
  // An epoch is on its way to the disk.
  bool saving_epochs() const { return !epochs_.idle(); }
  bool installing() const { return receiver_.state() != SnapshotReceiver::State::Idle; }

  // Takes a snapshot of `tree` (at tree.last_applied() <= last_durable(); whether it is exact,
  // which no digest may have said yet, stands in it: see finish_install()) when enough txns were
  // appended since the last one and none is running; rolls the log and purges afterwards. Only
  // committed state may be given (hazards S20). One that could not be written is tried again after
  // a pause, which doubles from failure to failure. It is written in slices, turn by turn, while
  // `tree` goes on.
  void maybe_snapshot(World& world, DataTree& tree, bool exact = true);
  // One is due at the next maybe_snapshot(), whatever the count and however the last one ended.
  void ask_for_snapshot() { snapshot_asked_ = true; }
  // For a snapshot of the tree that is taken for another purpose (DataTree::begin_snapshot).
  uint64_t snapshot_name_in_tree() { return next_token_++; }
  // The newest one that was written or read in this life; its file is whole and durable.
  std::optional<SnapshotName> newest_valid_snapshot() const;
  // When the newest one became durable; nullopt: before this life.
  std::optional<WallTime> snapshot_time() const { return snapshot_time_; }
  uint64_t snapshots_failed() const { return snapshots_failed_; }

  // Everything issued so far becomes durable, then the frontier (graceful stop). True when done.
  bool quiesced(World& world);

 private:
  // What is under way besides appending; one at a time.
  enum class Task : uint8_t {
    None,
    Found,
    Claim,
    TruncateWait,   // for the log's syncs
    TruncateRead,   // can the state at keep_ be rebuilt?
    TruncateWrite,  // it can
    TruncateUndo,   // it cannot: the whole tree again
    InstallFile,    // the received file becomes durable
    InstallCover,   // so does a currentEpoch.tmp for its epoch
    InstallWrite
  };

  Disk disk(World& world) { return {world, frontier_, next_token_}; }
  void advance(Disk& disk);
  void on_recovery_done(Disk& disk, const DataTree& tree);
  void note_recovery(World& world) const;
  void adopt_recovery(Disk& disk);
  void start_log(Disk& disk, const LogStart& start);
  void stop_log(Disk& disk);
  void advance_truncation(Disk& disk);
  void finish_truncation(Disk& disk);
  void advance_install(Disk& disk);
  void write_install(Disk& disk);
  void end_install(Disk& disk);
  void finish_founding(Disk& disk);
  void on_snapshot_taken(Disk& disk, SnapshotName name);
  void on_snapshot_failed(World& world);
  void add_snapshot(SnapshotName name);
  void stop_snapshot(Disk& disk);
  void choose_snapshot_interval(World& world);
  bool enough_for_snapshot() const;
  void purge_when_due(World& world);
  void purge(World& world);
  void purge_behind_snapshot(World& world);

  Config config_;
  uint64_t next_token_ = kFrontierMarkToken + 1;
  FrontierFile frontier_;
  Recovery recovery_;
  bool recovering_ = false;
  Instant recovery_began_;
  Recovered recovered_;
  Epochs epochs_;
  ConfigFiles config_files_;
  TxnLog log_;
  History history_;
  bool member_ = false;
  bool claims_ = false;  // votes in spite of damage
  std::optional<std::vector<History::Item>> refilled_;
  LogSearch search_;
  Zxid resting_last_;  // what the log holds while log_ is not started

  Task task_ = Task::None;
  DiskScript script_;
  Zxid keep_;
  bool truncate_failed_ = false;
  bool install_failed_ = false;
  SnapshotReceiver receiver_;

  SnapshotTaker taker_;
  std::vector<SnapshotFile> snapshots_;  // on disk, ascending
  uint64_t txns_since_snapshot_ = 0;
  uint64_t bytes_since_snapshot_ = 0;  // of entries, in this life
  uint64_t snapshot_after_txns_ = 0;   // 0: to be chosen
  uint64_t snapshot_after_bytes_ = 0;
  Instant purge_at_ = Instant::never();
  bool purge_due_ = false;
  bool snapshot_due_ = false;  // whatever the count
  Duration snapshot_pause_ = kSnapshotPauseMin;
  Instant snapshot_retry_ = Instant::never();  // none before, after one that failed
  bool snapshot_again_ = false;                // that time has come
  bool snapshot_asked_ = false;
  std::optional<WallTime> snapshot_time_;
  uint64_t snapshots_failed_ = 0;
};

}  // namespace vivarium
