#include "core/storage/recovery_table.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

using Facts = RecoveryFacts;

bool newer(const std::optional<Epoch>& file, Epoch frontier) { return file && *file > frontier; }

bool promises_nothing(const Facts& f) {
  return f.frontier_valid && !f.frontier.member && f.frontier.zxid == Zxid{};
}

// What Apache takes for the end of a file: the end inside a record, no end byte, zeros. All else it
// refuses; and where something follows it silently drops it, which we do not.
bool end_for_apache(const Facts& f) {
  const bool kind = f.bad == BadPlace::PastEnd || f.bad == BadPlace::EndByte;
  return kind && !f.data_behind && !f.later_file && !f.unreadable;
}

// Apache's start-up conditions on its own files (disk-formats section 5).
bool apache_epochs_agree(const Facts& f) {
  if (f.standalone) return true;
  const Epoch last = f.last.epoch();
  Epoch current = f.current_file.value_or(last);
  if (last > current) {
    if (!f.current_tmp_file) return false;
    current = *f.current_tmp_file;
  }
  return f.accepted_file.value_or(last) >= current;
}

// Something here says that there was a frontier.
bool frontier_lost(const Facts& f) { return !f.frontier_file && (f.ours || f.mark_file); }

bool claims_more(const Facts& f) { return f.frontier.zxid > f.last; }

struct Row {
  const char* name;
  bool (*applies)(const Facts&);
  Found found;
  bool cut;
};

// The names are what people read when a server stands aside or stops.
constexpr Row kRows[] = {
    // --- what is there at all
    Row{"an empty directory",
        [](const Facts& f) { return !f.data && !f.frontier_file && !frontier_lost(f); },
        Found::Blank, false},
    Row{"the frontier file is unreadable: what was promised and acknowledged is forgotten",
        [](const Facts& f) { return f.frontier_file && !f.frontier_valid; }, Found::Amnesia, false},
    Row{"a directory without data", [](const Facts& f) { return !f.data && promises_nothing(f); },
        Found::Blank, false},
    Row{"the frontier file is missing: what was promised and acknowledged is forgotten",
        frontier_lost, Found::Amnesia, false},
    Row{"the frontier file is younger than the data: what was acknowledged is forgotten",
        [](const Facts& f) { return promises_nothing(f) && !foreign_era(f); }, Found::Amnesia,
        false},
    Row{"the log holds a transaction that this version does not know",
        [](const Facts& f) { return f.end == PrefixEnd::Undecodable; }, Found::Refused, false},

    // --- Apache was here
    Row{"there is no snapshot. The log begins with the first txn: with snapshot.trust.empty=true "
        "it "
        "is taken for all there is",
        [](const Facts& f) { return foreign_era(f) && f.lone_log && !f.trust_lone; },
        Found::Refused, false},
    Row{"there is no snapshot, and the log does not hold all that its txns rest on",
        [](const Facts& f) { return foreign_era(f) && f.lone_log && f.misfit; }, Found::Refused,
        false},
    Row{"the tree here is not the one that the digests beside it tell of",
        [](const Facts& f) { return f.untrue; }, Found::Damaged, false},
    Row{"no valid snapshot, and the log does not begin with the empty state",
        [](const Facts& f) { return foreign_era(f) && !f.base_found; }, Found::Refused, false},
    Row{"the log has a gap",
        [](const Facts& f) { return foreign_era(f) && f.end == PrefixEnd::Gap; }, Found::Refused,
        false},
    Row{"the log is damaged",
        [](const Facts& f) {
          return foreign_era(f) && (f.unreadable || f.end == PrefixEnd::Bad) && !end_for_apache(f);
        },
        Found::Refused, false},
    Row{"a snapshot that cannot be used holds more than the log",
        [](const Facts& f) { return foreign_era(f) && f.unread > f.last; }, Found::Damaged, false},
    Row{"the epoch files do not agree with the log",
        [](const Facts& f) { return foreign_era(f) && !apache_epochs_agree(f); }, Found::Refused,
        false},
    Row{"an epoch file cannot be read",
        [](const Facts& f) { return foreign_era(f) && f.epoch_file_unreadable; }, Found::Refused,
        false},
    Row{"last written by Apache ZooKeeper; an unfinished record at the end was dropped",
        [](const Facts& f) { return foreign_era(f) && f.end == PrefixEnd::Bad; }, Found::Foreign,
        true},
    Row{"last written by Apache ZooKeeper", foreign_era, Found::Foreign, false},

    // --- ours: damage to what was acknowledged
    Row{"the snapshot of an unfinished installation is missing",
        [](const Facts& f) { return f.install_lost; }, Found::Damaged, false},
    Row{"there is no snapshot, and the log begins with ZooKeeper's first txn: with "
        "snapshot.trust.empty=true it is taken for all there is",
        [](const Facts& f) { return !f.base_found && f.lone_log && !f.trust_lone; }, Found::Damaged,
        false},
    Row{"no valid snapshot, and the log does not begin with the empty state",
        [](const Facts& f) { return !f.base_found; }, Found::Damaged, false},
    Row{"a log file is missing, or records in it",
        [](const Facts& f) { return f.end == PrefixEnd::Gap; }, Found::Damaged, false},
    Row{"a log file cannot be read", [](const Facts& f) { return f.unreadable; }, Found::Damaged,
        false},
    Row{"the log is damaged: a later file was begun behind it",
        [](const Facts& f) { return f.end == PrefixEnd::Bad && f.later_file; }, Found::Damaged,
        false},
    Row{"the log is damaged: a snapshot says that it was durable",
        [](const Facts& f) { return f.end == PrefixEnd::Bad && f.below_base; }, Found::Damaged,
        false},
    Row{"the log is damaged: later records say that it was durable",
        [](const Facts& f) { return f.durable_behind > f.last; }, Found::Damaged, false},
    Row{"the log is damaged: the frontier says that it was durable",
        [](const Facts& f) { return f.end == PrefixEnd::Bad && claims_more(f); }, Found::Damaged,
        false},
    Row{"the log ends before what the frontier says was durable", claims_more, Found::Damaged,
        false},
    Row{"the log is damaged: no crash leaves this",
        [](const Facts& f) { return f.end == PrefixEnd::Bad && !f.could_be_torn; }, Found::Damaged,
        false},

    // --- well
    Row{"what a truncation had removed came back, and was dropped again",
        [](const Facts& f) { return f.end == PrefixEnd::Stale; }, Found::Whole, true},
    Row{"an unfinished write at the end of the log, never acknowledged, was dropped",
        [](const Facts& f) { return f.end == PrefixEnd::Bad; }, Found::Whole, true},
    Row{"whole", [](const Facts&) { return true; }, Found::Whole, false},
};

}  // namespace

const char* to_string(Found found) {
  switch (found) {
    case Found::Blank:
      return "blank";
    case Found::Whole:
      return "whole";
    case Found::Amnesia:
      return "amnesia";
    case Found::Damaged:
      return "damaged";
    case Found::Foreign:
      return "foreign";
    case Found::Refused:
      return "refused";
  }
  return "";
}

bool foreign_era(const Facts& f) {
  if (!f.data) return false;
  if (frontier_lost(f)) return false;
  if (!f.frontier_file) return true;
  // What was there when a server of ours began with it is in its frontier.
  const bool seen = f.frontier_valid && f.last <= f.frontier.zxid && !f.foreign_end;
  if (f.foreign_tail && !seen) return true;
  // A server without peers has no epochs to go by: what files say of them is not Apache's doing.
  return f.frontier_valid && !f.standalone &&
         (newer(f.accepted_file, f.frontier.accepted_epoch) ||
          newer(f.current_file, f.frontier.current_epoch));
}

Verdict decide(const Facts& f) {
  Verdict verdict;
  verdict.claimed = f.last;
  if (!foreign_era(f)) {
    if (f.frontier_valid) verdict.claimed = std::max(verdict.claimed, f.frontier.zxid);
    verdict.claimed = std::max(verdict.claimed, f.durable_behind);
  }
  for (const Row& row : kRows) {
    if (!row.applies(f)) continue;
    verdict.found = row.found;
    verdict.cut = row.cut;
    verdict.row = row.name;
    return verdict;
  }
  CHECK(false);
  return verdict;
}

}  // namespace vivarium
