// Recovery: from a directory to a tree, a history and a log that can be continued. A state machine
// over list and read events: names, small files, an unfinished install, the newest valid snapshot,
// every log file to its end; then recovery_table.h decides, and only then, for what is whole,
// anything is changed.
//
// A limit makes it stop at one zxid: that is how a truncation finds out what it would keep, while
// the server runs (nothing is changed) and again at a restart that finds its intent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/event.h"
#include "core/storage/damage.h"
#include "core/storage/disk_script.h"
#include "core/storage/epochs.h"
#include "core/storage/file_reader.h"
#include "core/storage/history.h"
#include "core/storage/log_scanner.h"
#include "core/storage/record.h"
#include "core/storage/recovery_table.h"
#include "core/storage/repair.h"
#include "core/storage/snapshot.h"
#include "core/storage/txn_log.h"
#include "core/tree/data_tree.h"
#include "core/tree/digest_audit.h"

namespace vivarium {

struct Recovered {
  Found found = Found::Blank;
  Zxid last;           // last zxid of the good prefix (what the tree holds)
  Zxid claimed;        // last zxid that this server may have acknowledged, by frontier or by links
  std::string reason;  // one line for a person: Damaged, Amnesia, Refused; or what was cut
  // Damaged, when all that is missing is known (RULES 9).
  std::optional<Damage> damage;
  // A digest says that the tree is the state at `last`, or was on the way there (RULES 7).
  bool vouched = false;
  // It is not, or may be ahead: nobody may see it, or be led with it.
  bool untrue = false;
};

struct SnapshotFile {
  Zxid zxid;
  Coding coding = Coding::Plain;
  bool valid = false;  // read or written in this life
  // Holds effects up to here (Apache's are fuzzy): no state below can be rebuilt from it.
  Zxid upto;
  bool bad = false;  // read in this life, and not usable

  SnapshotName name() const { return {zxid, coding}; }
};

class Recovery {
 public:
  static constexpr Zxid kNoLimit{UINT64_MAX};

  // The first of a life reads everything and mends what is whole.
  void start(Disk& disk, const Config& config);
  // Later in a life: tree and history up to `limit`, changing nothing on the disk.
  void reload(Disk& disk, const Config& config, Zxid limit);
  bool running() const { return step_ != Step::Idle; }
  bool step(const Event& event, Disk& disk, DataTree& tree, History& history);

  // --- results
  const Recovered& recovered() const { return recovered_; }
  const LogStart& log() const { return log_; }
  const std::vector<SnapshotFile>& snapshots() const { return snapshots_; }
  // All log files seen, whatever is in them.
  const std::vector<Zxid>& log_files() const { return logs_; }
  // Txns behind the snapshot.
  uint64_t replayed() const { return replayed_; }
  // Of the tree that was read, and the txns behind its snapshot.
  const DigestAudit& digests() const { return digests_; }
  // When the snapshot was read and the logs' turn came; never: it did not.
  Instant logs_begun() const { return logs_begun_; }
  // The snapshot that was read is the state of its zxid; or there was none.
  bool base_exact() const { return base_exact_ || !base_loaded_; }
  uint64_t next_spare() const { return next_spare_; }
  Epoch accepted_epoch() const { return accepted_; }
  Epoch current_epoch() const { return current_; }
  std::optional<Epoch> current_tmp() const { return facts_.current_tmp_file; }
  // With a limit: set when the state at exactly the limit can be rebuilt.
  const std::optional<TruncationPlan>& truncation() const { return truncation_; }

 private:
  enum class Step : uint8_t {
    Idle,
    List,
    SmallFiles,
    FinishInstall,
    Snapshots,
    Logs,
    Survey,
    Settle
  };
  enum class Small : uint8_t { Frontier, Accepted, Current, CurrentTmp };
  // The record before, as links and history need it.
  struct Previous {
    Zxid zxid;
    uint32_t crc = 0;
    bool ours = false;
    uint64_t end = 0;
    uint64_t file_id = 0;
    Zxid file;
  };

  void begin(Disk& disk, const Config& config, Zxid limit, bool first);
  void list(Disk& disk);
  void on_list(const DirListed& listed);
  void on_name(Dir dir, const std::string& name);
  void next_small_file(Disk& disk);
  void on_small_file(Disk& disk);
  void after_small_files(Disk& disk);
  bool apache_after_intent() const;
  void finish_install(Disk& disk);

  void next_snapshot(Disk& disk, DataTree& tree);
  void weigh_seals(const SnapshotFileReader::Seals& seals, const DataTree& tree);
  void read_again(DataTree& tree, Disk& disk);
  void on_snapshot_chunk(FileReader::Got got, ByteView chunk, Disk& disk, DataTree& tree);
  // --- recovery_logs.cc
  void begin_logs(Disk& disk, DataTree& tree, History& history);
  void next_log(Disk& disk, DataTree& tree, History& history);
  void on_log_chunk(FileReader::Got got, ByteView chunk, Disk& disk, DataTree& tree,
                    History& history);
  void on_log_end(const DataTree& tree);
  void on_record(const ScannedRecord& record, DataTree& tree, History& history);
  void apply(const ScannedRecord& record, DataTree& tree);
  bool follows(const ScannedRecord& record, Zxid last) const;
  bool resumes(const ScannedRecord& record, Zxid last) const;
  bool is_stale(const ScannedRecord& record) const;
  // The truncation generation; 0 when no frontier tells, or one that Apache has overtaken.
  uint32_t generation() const {
    return facts_.frontier_valid && !intent_void_ ? facts_.frontier.generation : 0;
  }
  void note_evidence(const ScannedRecord& record);
  void remember(const ScannedRecord& record, History& history);
  void note_unvouched(const ScannedRecord& record);

  // --- recovery_survey.cc
  bool may_survey(const Verdict& verdict) const;
  void begin_survey(Disk& disk);
  void next_surveyed(Disk& disk);
  void on_survey_chunk(FileReader::Got got, ByteView chunk, Disk& disk);
  void conclude_survey();

  // --- recovery_settle.cc
  void conclude(Disk& disk, DataTree& tree, History& history);
  std::string what_is_untrue(Zxid last) const;
  void tell_digests(World& world) const;
  void place_cuts(const Verdict& verdict);
  void explain(const Verdict& verdict);
  void plan_truncation();
  void fill_log_start(const DataTree& tree);
  void choose_epochs(Found found);
  void settle(const Verdict& verdict, Disk& disk);
  void settle_logs(const Verdict& verdict);
  void settle_epochs();
  void finish();

  Config config_;
  Step step_ = Step::Idle;
  bool first_ = false;  // of this life
  Zxid limit_ = kNoLimit;
  RecoveryFacts facts_;

  // --- what the directories hold
  uint64_t list_tokens_[2] = {0, 0};
  int lists_left_ = 0;
  std::vector<SnapshotFile> snapshots_;
  std::vector<Zxid> logs_;
  std::vector<std::pair<Dir, std::string>> leftovers_;
  uint64_t next_spare_ = 1;
  std::vector<std::pair<Small, std::string>> small_files_;
  Bytes small_content_;
  bool small_files_done_ = false;
  RecoveryFacts directory_facts_;  // what facts_ held before any snapshot was read
  bool intent_void_ = false;

  FileReader reader_;
  DiskScript script_;

  // --- snapshots
  size_t snapshot_left_ = 0;  // candidates not tried yet: those below this index
  SnapshotFileReader snapshot_reader_;
  bool base_loaded_ = false;
  bool base_exact_ = false;
  Zxid base_;
  Coding base_coding_ = Coding::Plain;
  SnapshotFileReader::Seals seals_;  // those of the base
  Zxid untrue_upto_;  // the last zxid of what was read with a later snapshot, and was not true
  std::string untrue_why_;

  // --- logs
  size_t first_log_ = 0;  // the first that is read
  size_t log_at_ = 0;
  bool scanner_ready_ = false;
  LogScanner scanner_;
  bool first_in_file_ = true;
  bool limit_passed_ = false;
  std::optional<LogCut> limit_cut_;
  std::optional<Previous> previous_;
  bool from_zero_ = false;   // the first record is ours and follows the empty history
  bool from_first_ = false;  // it is another's, and the first txn of all
  std::string misfit_;       // where a txn was not made for the state before it
  // The file where the good prefix ended, and whether someone may have gone on behind it.
  struct EndPlace {
    size_t log_at = 0;
    uint64_t good_end = 0;
    bool tolerable = false;
  };
  EndPlace end_place_;
  std::string where_;
  std::vector<LogCut> cuts_;
  std::vector<Zxid> empty_logs_;
  // Of the file with the last good record.
  LogFacts last_facts_;
  // Good records of ours that no sync is known to have covered, as runs of bytes of a file.
  struct Unvouched {
    Zxid log;
    uint64_t offset = 0;
    Bytes bytes;
  };
  std::vector<Unvouched> unvouched_;
  DamageSurvey survey_;
  Bytes surveyed_;
  Effects effects_;
  DigestAudit digests_;
  Instant logs_begun_ = Instant::never();
  uint64_t replayed_ = 0;

  // --- results
  Recovered recovered_;
  LogStart log_;
  Epoch accepted_ = 0;
  Epoch current_ = 0;
  std::optional<TruncationPlan> truncation_;
};

}  // namespace vivarium
