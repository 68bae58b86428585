// The part of recovery that finds out what exactly a damaged log lacks. Nothing is changed.
#include <fmt/format.h>

#include "core/base/check.h"
#include "core/storage/recovery.h"

namespace vivarium {

bool Recovery::may_survey(const Verdict& verdict) const {
  const Frontier& f = facts_.frontier;
  return first_ && verdict.found == Found::Damaged && !facts_.standalone && facts_.base_found &&
         !facts_.install_lost && !facts_.untrue && !foreign_era(facts_) && limit_ == kNoLimit &&
         f.member && f.intent == Intent::None;
}

void Recovery::begin_survey(Disk& disk) {
  step_ = Step::Survey;
  std::optional<uint32_t> last_crc;
  if (previous_ && previous_->zxid == facts_.last && previous_->ours) last_crc = previous_->crc;
  survey_ = DamageSurvey(facts_.last, last_crc, facts_.frontier);
  log_at_ = first_log_;
  next_surveyed(disk);
}

void Recovery::next_surveyed(Disk& disk) {
  surveyed_.clear();
  if (log_at_ >= logs_.size()) return conclude_survey();
  reader_.open(disk, Dir::Logs, log_name(logs_[log_at_]));
}

void Recovery::on_survey_chunk(FileReader::Got got, ByteView chunk, Disk& disk) {
  append_bytes(surveyed_, chunk);
  if (got == FileReader::Got::Chunk) return;
  survey_.add_file(surveyed_, got == FileReader::Got::Failed);
  ++log_at_;
  next_surveyed(disk);
}

void Recovery::conclude_survey() {
  std::string why;
  std::optional<Damage> damage = survey_.conclude(why);
  if (damage && damage->claimed < recovered_.claimed) {
    damage.reset();
    why = "something says that more was durable";
  }
  if (damage) {
    CHECK(damage->faults.empty() || damage->faults.front().range.after >= facts_.last);
    recovered_.claimed = damage->claimed;
    recovered_.reason += "; missing: " + describe(damage->faults);
  } else {
    recovered_.reason += fmt::format("; what is missing cannot be listed: {}", why);
  }
  recovered_.damage = std::move(damage);
  finish();
}

}  // namespace vivarium
