// ZKDatabase, FileTxnSnapLog and the epochs of QuorumPeer: tree and committed log in memory, and
// the data directory. What ZooKeeper's main thread waits for are jobs, carried out one after the
// other; log thread and snapshot thread go on beside them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/config.h"
#include "core/event.h"
#include "core/tree/data_tree.h"
#include "core/world.h"
#include "sim/apache/file_reader.h"
#include "sim/apache/flaws.h"
#include "sim/apache/log_thread.h"
#include "sim/apache/snapshot_saver.h"

namespace vivarium::apache {

struct Proposal {
  Zxid zxid;
  SharedBytes entry;
};

// How far the synchronisation of a role had come when the role ended.
enum class SyncState : uint8_t {
  None,     // no packet of it was taken
  Open,     // NEWLEADER is not acknowledged yet
  Waiting,  // it is, and UPTODATE has not come
  Over
};

class Database {
 public:
  Database(const Config& config, Flaws flaws);

  // --- jobs of the main thread; busy() until all of them are done
  void load() { jobs_.push_back({Job::Load}); }
  void truncate(Zxid keep) { jobs_.push_back({Job::Truncate, keep}); }
  // A state that came by SNAP is in the tree, of this zxid.
  void install(Zxid zxid);
  void save_snapshot(bool synced);
  void accept_epoch(Epoch epoch) { jobs_.push_back({Job::AcceptedEpoch, {}, epoch}); }
  void begin_epoch(Epoch epoch) { jobs_.push_back({Job::CurrentEpoch, {}, epoch}); }
  void flush() { jobs_.push_back({Job::Flush}); }
  // A role is over: what is in memory is made what the next election goes by.
  void end_role(SyncState reached, bool by_snap);
  bool busy() const { return !jobs_.empty(); }

  // --- the log thread
  void log(const Proposal& txn, bool acknowledge);
  std::vector<Zxid> take_acknowledged() { return log_.take_acknowledged(); }

  // --- memory
  const DataTree& tree() const { return tree_; }
  // An empty tree, for a SNAP that comes in. A snapshot under way goes on with the one before,
  // which has no other use: what is left of it is written at once.
  DataTree& clear_tree(World& world);
  // A committed txn; `remember`: for DIFFs of later.
  void apply(const Proposal& txn, bool remember = true);
  void set_last_processed(Zxid zxid) { tree_.set_last_applied(zxid); }
  Zxid last_processed() const { return tree_.last_applied(); }
  const std::deque<Proposal>& committed() const { return committed_; }
  // A learner that keeps its txns up to `keep` is brought here from the committed log.
  void committed_log_used(Zxid keep);
  Epoch accepted_epoch() const { return accepted_; }
  Epoch current_epoch() const { return current_; }
  Flaws flaws() const { return flaws_; }

  // --- events
  void advance(World& world);
  bool handle(const Event& event, World& world);
  // More is to be done without anything happening.
  bool wants_a_turn() const;

  // --- facts
  // The last txn whose effects are in the tree; nullopt: an epoch's start says that it is the last
  // one before.
  std::optional<Zxid> last_txn() const { return last_txn_; }
  Zxid log_end() const { return log_end_; }
  Zxid synced() const { return synced_; }  // of the log
  Zxid saved() const { return saved_; }
  // The tree holds effects of txns up to here, and not of all that lie between.
  bool fuzzy() const { return last_txn_ ? *last_txn_ < fuzzy_until_ : fuzzy_until_ > saved_; }
  // What its sender had applied while it sent a SNAP has come too.
  void now_exact() { fuzzy_until_ = Zxid(); }
  // How often the directory has been read, or a snapshot saved that is ahead of the log.
  uint64_t reloads() const { return reloads_; }
  bool initialised() const { return initialised_; }
  const std::string& harm() const { return harm_; }
  void harmed(std::string how) {
    if (harm_.empty()) harm_ = std::move(how);
  }

 private:
  struct Job {
    enum Kind : uint8_t {
      Load,
      FastForward,
      Truncate,
      Snapshot,
      AcceptedEpoch,
      CurrentEpoch,
      Flush
    };
    Kind kind{};
    Zxid zxid{};
    Epoch epoch = 0;
    bool synced = false;  // Snapshot
    bool started = false;
  };
  enum class Reading : uint8_t { Nothing, Lists, Snapshots, Logs, Syncs, Epochs };

  // --- database_load.cc: what is on the disk
  void begin_reading(World& world);
  void listed(const DirListed& event, World& world);
  void choose_logs(Zxid from);
  void read_next(World& world);
  void snapshot_read(World& world);
  void begin_empty(World& world);
  void take_epochs(World& world);
  std::optional<Epoch> epoch_in(std::string_view name) const;
  void replay();
  void cut_log(World& world);
  void logs_read(World& world);
  void sync_logs(World& world);
  void syncs_done(World& world);
  void end_reading();
  bool handle_reading(const Event& event, World& world);

  void start(World& world);
  void end_job();
  void save_epoch(std::string_view name, Epoch epoch, World& world);
  bool handle_epoch(const Event& event, World& world);
  void remember(const Proposal& txn);
  void check_memory();

  Config config_;
  Flaws flaws_;
  std::deque<Job> jobs_;
  LogThread log_;
  std::optional<SnapshotSaver> saver_;
  bool saver_is_job_ = false;

  DataTree tree_;
  std::deque<Proposal> committed_;
  Zxid unremembered_;  // the last txn that is in the tree and should be in the committed log
  std::optional<Zxid> last_txn_ = Zxid();
  Zxid log_end_;
  Zxid synced_;
  Zxid saved_;  // the newest snapshot
  Zxid fuzzy_until_;
  Epoch accepted_ = 0;
  Epoch current_ = 0;
  bool initialised_ = false;
  uint64_t reloads_ = 0;
  std::string harm_;

  // What is being read, and what of it there is.
  Reading reading_ = Reading::Nothing;
  FileReader reader_;
  uint32_t lists_left_ = 0;
  std::vector<Zxid> snapshots_;  // newest last; those behind the one under way were no good
  std::vector<Zxid> logs_;       // ascending
  std::vector<Bytes> contents_;  // of logs_
  std::vector<std::string> epochs_;
  std::vector<std::string> epoch_texts_;
  std::vector<FileId> syncing_;
  uint32_t dirs_syncing_ = 0;
  std::optional<Zxid> cut_at_;  // a TRUNC is being carried out

  FileId epoch_file_;
  std::string epoch_name_;
};

}  // namespace vivarium::apache
