#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "sim/commands.h"

namespace vivarium::sim {
namespace {

Result<std::vector<CampaignRecord>> read_records(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) return fail(fmt::format("{} cannot be read", name));
  Result<std::vector<CampaignRecord>> records = parse_records(text, name);
  if (records && records->empty()) return fail(fmt::format("{} has no record", name));
  return records;
}

int tell(const Merged& merged, const std::string& json, bool coverage) {
  LineFile lines(json);
  std::FILE* const out = lines.text();
  lines.write(begin_line(merged.origin, merged.shares));
  for (const Failure& failure : merged.failures) {
    fmt::print(out, "{}\n", failure_text(failure));
    lines.write(failure_line(failure));
  }
  const Tally& tally = merged.tally;
  lines.write(summary_line(merged.origin, merged.shares, tally));
  const ProfileKind kind = profile_named(merged.origin.profile).value_or(ProfileKind::Standard);
  fmt::print(out, "{}", tally_text(tally, kind));
  if (coverage) fmt::print(out, "{}", to_text(tally.coverage));
  for (const auto& [invariant, times] : tally.failed) {
    fmt::print(out, "{} failed {} times\n", invariant, times);
  }
  fmt::print(out,
             "traces {:016x}; {} profile, vivsim {} ({}): {:.1f} s, {:.1f} schedules/s and job\n",
             tally.traces, merged.origin.profile, merged.origin.version, merged.origin.commit,
             tally.seconds, static_cast<double>(tally.seeds) / tally.job_seconds);
  for (const std::string& wanting : merged.wanting) fmt::print(stderr, "vivsim: {}\n", wanting);
  fmt::print(out, "{} passed, {} failed\n", tally.passed, tally.failures());
  if (!lines.good()) {
    fmt::print(stderr, "vivsim: {} could not be written\n", json);
    return 1;
  }
  return tally.failures() == 0 && merged.wanting.empty() ? 0 : 1;
}

}  // namespace

int merge_command(const std::vector<std::string>& files, const std::string& json, bool coverage) {
  std::vector<CampaignRecord> all;
  std::vector<std::string> unread;
  for (const std::string& file : files) {
    Result<std::vector<CampaignRecord>> records = read_records(file);
    if (records) {
      std::move(records->begin(), records->end(), std::back_inserter(all));
    } else {
      // A worker may have left nothing: that keeps nobody else's results from being summed.
      unread.push_back(records.error().message);
    }
  }
  Result<Merged> merged = all.empty() ? fail("there is no record of a campaign") : merge(all);
  for (const std::string& why : unread) {
    if (merged) merged->wanting.push_back(why);
  }
  if (merged) return tell(*merged, json, coverage);
  for (const std::string& why : unread) fmt::print(stderr, "vivsim: {}\n", why);
  fmt::print(stderr, "vivsim: {}\n", merged.error().message);
  return 2;
}

}  // namespace vivarium::sim
