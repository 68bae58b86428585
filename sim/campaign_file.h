// What campaigns write for programs: JSON lines, each with "record": "begin" says whose results
// follow, "failure" comes as it happens, "summary" in the end. What is there of a worker that died
// counts for what it is. Records of several campaigns may stand in one file, one behind the other.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "sim/campaign.h"

namespace vivarium::sim {

// Only results of one program under one profile add up.
struct Origin {
  std::string version;
  std::string commit;
  std::string profile;
  bool operator==(const Origin&) const = default;
};

// Some of the shards of a range of seeds.
struct Share {
  SeedRange range;
  uint64_t of = 1;
  std::set<uint64_t> shards;
};

struct CampaignRecord {
  std::string file;  // for messages
  Origin origin;
  std::vector<Share> shares;
  std::vector<Failure> failures;
  std::optional<Tally> tally;  // none: it has not come to its end
};

// Without the line's end.
std::string begin_line(const Origin& origin, const std::vector<Share>& shares);
std::string failure_line(const Failure& failure);
std::string summary_line(const Origin& origin, const std::vector<Share>& shares,
                         const Tally& tally);

// A last line without an end was being written when its worker died, and is none.
Result<std::vector<CampaignRecord>> parse_records(std::string_view text, const std::string& file);

struct Merged {
  Origin origin;
  std::vector<Share> shares;
  std::vector<Failure> failures;     // by seed, also those of who did not come to an end
  Tally tally;                       // `failed` counts these; all else is of those who did
  std::vector<std::string> wanting;  // what is not there, a line each
};
// An error: they do not belong together, and why.
Result<Merged> merge(const std::vector<CampaignRecord>& records);

}  // namespace vivarium::sim
