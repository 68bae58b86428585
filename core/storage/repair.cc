#include "core/storage/repair.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/storage/record.h"

namespace vivarium {
namespace {

// Each removal is durable before the next: no crash leaves a hole in the history.
template <class Name>
void remove_newest_first(Dir dir, const std::vector<Name>& files, std::string (*name)(Name),
                         DiskScript& script) {
  CHECK(std::is_sorted(files.begin(), files.end()));
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    script.remove(dir, name(*file));
    script.sync_dir(dir);
  }
}

std::string with_zxid(std::string_view prefix, Zxid zxid) {
  std::string name(prefix);
  name += snapshot_name(zxid).substr(std::string_view("snapshot.").size());
  return name;
}

}  // namespace

std::string taking_name(Zxid zxid) { return with_zxid(kTakingPrefix, zxid); }
std::string received_name(Zxid zxid) { return with_zxid(kReceivedPrefix, zxid); }

void truncation_script(const TruncationPlan& plan, Zxid last, uint32_t generation,
                       DiskScript& script) {
  CHECK(plan.position.zxid == plan.keep);
  FrontierEdit intent;
  intent.intent = Intent::Truncation;
  intent.intent_zxid = plan.keep;
  intent.generation = generation;
  intent.position = plan.position;
  intent.acknowledged = last;
  script.save_frontier(intent);
  remove_newest_first<SnapshotName>(Dir::Snapshots, plan.snapshots, snapshot_name, script);
  remove_newest_first<Zxid>(Dir::Logs, plan.logs, log_name, script);
  if (plan.cut) script.cut_file(Dir::Logs, log_name(plan.cut->log), plan.cut->at);
  FrontierEdit done;
  done.intent = Intent::None;
  done.acknowledged = plan.keep;
  script.save_frontier(done);
}

void install_script(Zxid zxid, const std::vector<Zxid>& logs,
                    const std::vector<SnapshotName>& snapshots, bool named, Zxid last,
                    uint32_t generation, DiskScript& script, bool stays_member) {
  FrontierEdit intent;
  if (!stays_member) intent.member = false;
  intent.intent = Intent::SnapshotInstall;
  intent.intent_zxid = zxid;
  intent.acknowledged = last;
  intent.generation = generation;
  script.save_frontier(intent);
  std::vector<SnapshotName> newer;
  std::copy_if(snapshots.begin(), snapshots.end(), std::back_inserter(newer),
               [zxid](const SnapshotName& other) { return other.zxid > zxid; });
  remove_newest_first<SnapshotName>(Dir::Snapshots, newer, snapshot_name, script);
  if (!named) script.rename(Dir::Snapshots, received_name(zxid), snapshot_name(zxid));
  script.sync_dir(Dir::Snapshots);
  remove_newest_first<Zxid>(Dir::Logs, logs, log_name, script);
  FrontierEdit done;
  done.intent = Intent::None;
  done.position = {zxid, 0, 0, 0};
  script.save_frontier(done);
}

}  // namespace vivarium
