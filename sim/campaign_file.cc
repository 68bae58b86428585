#include "sim/campaign_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace vivarium::sim {
namespace {

using JsonRecord = nlohmann::ordered_json;

template <class T>
struct TallyField {
  std::string_view key;
  T Tally::*value;
};
constexpr std::array<TallyField<uint64_t>, 11> kNumbers{{{"planned", &Tally::planned},
                                                         {"seeds", &Tally::seeds},
                                                         {"passed", &Tally::passed},
                                                         {"events", &Tally::events},
                                                         {"completed", &Tally::completed},
                                                         {"leaderships", &Tally::leaderships},
                                                         {"crashes", &Tally::crashes},
                                                         {"needs_person", &Tally::needs_person},
                                                         {"excused", &Tally::excused},
                                                         {"twice", &Tally::twice},
                                                         {"traces", &Tally::traces}}};
constexpr std::array<TallyField<Medians>, 3> kMedians{
    {{"events", &Tally::median_events},
     {"completed", &Tally::median_completed},
     {"leaderships", &Tally::median_leaderships}}};
constexpr std::array<TallyField<double>, 2> kTimes{
    {{"seconds", &Tally::seconds}, {"job_seconds", &Tally::job_seconds}}};

std::string line_of(const JsonRecord& record) {
  return record.dump(-1, ' ', false, JsonRecord::error_handler_t::replace);
}

JsonRecord identified(std::string_view kind, const Origin& origin,
                      const std::vector<Share>& shares) {
  JsonRecord record{{"record", kind},
                    {"version", origin.version},
                    {"commit", origin.commit},
                    {"profile", origin.profile}};
  record["shares"] = JsonRecord::array();
  for (const Share& share : shares) {
    if (share.shards.empty()) continue;
    record["shares"].push_back({{"first", share.range.first},
                                {"count", share.range.count},
                                {"of", share.of},
                                {"shards", share.shards}});
  }
  return record;
}

// --- reading: what is not there or of another type leaves `good` false

class RecordReader {
 public:
  bool good() const { return good_; }

  const JsonRecord& at(const JsonRecord& object, std::string_view key) {
    static const JsonRecord none;
    const auto found = object.find(key);
    if (object.is_object() && found != object.end()) return *found;
    good_ = false;
    return none;
  }
  uint64_t number(const JsonRecord& value) {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    good_ = false;
    return 0;
  }
  double time(const JsonRecord& value) {
    if (value.is_number()) return value.get<double>();
    good_ = false;
    return 0;
  }
  std::string text(const JsonRecord& value) {
    if (value.is_string()) return value.get<std::string>();
    good_ = false;
    return {};
  }
  const JsonRecord& list(const JsonRecord& value) {
    if (!value.is_array()) good_ = false;
    return value;
  }
  const JsonRecord& object(const JsonRecord& value) {
    if (!value.is_object()) good_ = false;
    return value;
  }
  void expect(bool holds) { good_ = good_ && holds; }

 private:
  bool good_ = true;
};

std::vector<Share> read_shares(RecordReader& in, const JsonRecord& record) {
  std::vector<Share> shares;
  for (const JsonRecord& one : in.list(in.at(record, "shares"))) {
    Share share;
    share.range = {in.number(in.at(one, "first")), in.number(in.at(one, "count"))};
    share.of = in.number(in.at(one, "of"));
    for (const JsonRecord& shard : in.list(in.at(one, "shards")))
      share.shards.insert(in.number(shard));
    in.expect(share.range.count != 0 && share.range.count - 1 <= UINT64_MAX - share.range.first);
    in.expect(!share.shards.empty() && *share.shards.rbegin() < share.of);
    shares.push_back(std::move(share));
  }
  in.expect(!shares.empty());
  return shares;
}

Tally read_tally(RecordReader& in, const JsonRecord& record) {
  Tally tally;
  for (const auto& field : kNumbers) tally.*field.value = in.number(in.at(record, field.key));
  for (const auto& field : kTimes) tally.*field.value = in.time(in.at(record, field.key));
  if (tally.seeds != 0) {
    const JsonRecord& medians = in.at(record, "medians");
    for (const auto& field : kMedians) {
      const JsonRecord& ends = in.list(in.at(medians, field.key));
      in.expect(ends.size() == 2);
      if (in.good()) tally.*field.value = {in.number(ends[0]), in.number(ends[1])};
    }
  }
  for (const auto& [invariant, times] : in.object(in.at(record, "failures")).items()) {
    tally.failed[invariant] = in.number(times);
  }
  const JsonRecord& evaluated = in.at(record, "evaluated");
  for (size_t c = 0; c < kCheckers; ++c) {
    tally.evaluated[c] = in.number(in.at(evaluated, name_of(static_cast<Checker>(c))));
  }
  const JsonRecord& coverage = in.at(record, "coverage");
  for_each_cell([&](FaultKind kind, Phase phase) {
    tally.coverage.struck(kind, phase,
                          in.number(in.at(in.at(coverage, name_of(kind)), name_of(phase))));
  });
  return tally;
}

Failure read_failure(RecordReader& in, const JsonRecord& record) {
  Failure failure;
  failure.seed = in.number(in.at(record, "seed"));
  failure.violation.checker = in.text(in.at(record, "invariant"));
  failure.violation.text = in.text(in.at(record, "text"));
  failure.violation.at.ns = static_cast<int64_t>(in.number(in.at(record, "at_ns")));
  return failure;
}

// False: the line is no record in its place.
bool read_record(const JsonRecord& record, const std::string& file,
                 std::vector<CampaignRecord>& out) {
  RecordReader in;
  const std::string kind = in.text(in.at(record, "record"));
  if (kind == "begin") {
    CampaignRecord begun;
    begun.file = file;
    begun.origin = {in.text(in.at(record, "version")), in.text(in.at(record, "commit")),
                    in.text(in.at(record, "profile"))};
    begun.shares = read_shares(in, record);
    out.push_back(std::move(begun));
    return in.good();
  }
  if (out.empty() || out.back().tally) return false;
  if (kind == "failure") {
    out.back().failures.push_back(read_failure(in, record));
  } else if (kind == "summary") {
    out.back().tally = read_tally(in, record);
  } else {
    return false;
  }
  return in.good();
}

// --- merging

// "shard 3/8 of 1:1000"
std::string share_text(const Share& share) {
  return fmt::format("shard {}/{} of seeds {}", fmt::join(share.shards, ","), share.of,
                     to_text(share.range));
}

bool overlap(const Share& a, const Share& b) {
  if (a.range == b.range && a.of == b.of) {
    return std::any_of(a.shards.begin(), a.shards.end(),
                       [&](uint64_t shard) { return b.shards.contains(shard); });
  }
  const SeedRange& low = a.range < b.range ? a.range : b.range;
  const SeedRange& high = a.range < b.range ? b.range : a.range;
  return high.first - low.first < low.count;
}

const Share* overlapping(const std::vector<Share>& shares, const Share& with) {
  const auto found = std::find_if(shares.begin(), shares.end(),
                                  [&](const Share& share) { return overlap(share, with); });
  return found == shares.end() ? nullptr : &*found;
}

void add_share(std::vector<Share>& shares, const Share& share) {
  for (Share& known : shares) {
    if (known.range != share.range || known.of != share.of) continue;
    known.shards.insert(share.shards.begin(), share.shards.end());
    return;
  }
  shares.push_back(share);
}

// "0-2,5"
std::string missing_shards(const Share& share) {
  std::string text;
  uint64_t next = 0;
  const auto gap = [&](uint64_t end) {
    if (next == end) return;
    text += text.empty() ? "" : ",";
    text += next + 1 == end ? fmt::format("{}", next) : fmt::format("{}-{}", next, end - 1);
  };
  for (const uint64_t shard : share.shards) {
    gap(shard);
    next = shard + 1;
  }
  gap(share.of);
  return text;
}

Result<void> add_ended(const CampaignRecord& record, Merged& merged) {
  for (const Share& share : record.shares) {
    const Share* known = overlapping(merged.shares, share);
    if (known != nullptr) {
      return fail(fmt::format("{} has {}, of which another file has seeds too ({})", record.file,
                              share_text(share), share_text(*known)));
    }
  }
  for (const Share& share : record.shares) add_share(merged.shares, share);
  merged.tally.add(*record.tally);
  merged.failures.insert(merged.failures.end(), record.failures.begin(), record.failures.end());
  return {};
}

// What its worker had found before it died; nothing when somebody has run the shard since.
void add_broken(const CampaignRecord& record, Merged& merged) {
  for (const Share& share : record.shares) {
    if (overlapping(merged.shares, share) != nullptr) return;
  }
  for (const Share& share : record.shares) {
    merged.wanting.push_back(fmt::format("{} has no summary of {}: its {} failures count, no more",
                                         record.file, share_text(share), record.failures.size()));
    Share none = share;
    none.shards.clear();
    add_share(merged.shares, none);
  }
  for (const Failure& failure : record.failures) {
    const bool known = std::any_of(merged.failures.begin(), merged.failures.end(),
                                   [&](const Failure& f) { return f.seed == failure.seed; });
    if (known) continue;  // it died twice
    ++merged.tally.failed[failure.violation.checker];
    merged.failures.push_back(failure);
  }
}

}  // namespace

std::string begin_line(const Origin& origin, const std::vector<Share>& shares) {
  return line_of(identified("begin", origin, shares));
}

std::string failure_line(const Failure& failure) {
  return line_of({{"record", "failure"},
                  {"seed", failure.seed},
                  {"invariant", failure.violation.checker},
                  {"text", failure.violation.text},
                  {"at_ns", static_cast<uint64_t>(failure.violation.at.ns)}});
}

std::string summary_line(const Origin& origin, const std::vector<Share>& shares,
                         const Tally& tally) {
  JsonRecord record = identified("summary", origin, shares);
  for (const auto& field : kNumbers) record[std::string(field.key)] = tally.*field.value;
  for (const auto& field : kTimes) record[std::string(field.key)] = tally.*field.value;
  record["rate"] = tally.seconds > 0 ? static_cast<double>(tally.seeds) / tally.seconds : 0.0;
  for (const auto& field : kMedians) {
    const Medians& ends = tally.*field.value;
    if (tally.seeds != 0) record["medians"][std::string(field.key)] = {ends.least, ends.most};
  }
  record["failed"] = tally.failures();
  record["failures"] = JsonRecord(tally.failed);
  for (size_t c = 0; c < kCheckers; ++c) {
    record["evaluated"][std::string(name_of(static_cast<Checker>(c)))] = tally.evaluated[c];
  }
  JsonRecord& coverage = record["coverage"];
  for_each_cell([&](FaultKind kind, Phase phase) {
    coverage[std::string(name_of(kind))][std::string(name_of(phase))] =
        tally.coverage.times(kind, phase);
  });
  return line_of(record);
}

Result<std::vector<CampaignRecord>> parse_records(std::string_view text, const std::string& file) {
  std::vector<CampaignRecord> records;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const JsonRecord record = JsonRecord::parse(text.substr(0, end), nullptr, false);
    if (record.is_discarded() || !read_record(record, file, records)) {
      return fail(fmt::format("{} line {} is no record of a campaign in its place", file, number));
    }
    text.remove_prefix(end + 1);
  }
  return records;
}

Result<Merged> merge(const std::vector<CampaignRecord>& records) {
  Merged merged;
  if (records.empty()) return fail("there is no record of a campaign");
  merged.origin = records.front().origin;
  for (const CampaignRecord& record : records) {
    if (record.origin == merged.origin) continue;
    return fail(fmt::format("{} is of {} ({}), profile {}, and {} of {} ({}), profile {}",
                            records.front().file, merged.origin.version, merged.origin.commit,
                            merged.origin.profile, record.file, record.origin.version,
                            record.origin.commit, record.origin.profile));
  }
  for (const CampaignRecord& record : records) {
    if (!record.tally) continue;
    const Result<void> added = add_ended(record, merged);
    if (!added) return fail(added.error().message);
  }
  for (const CampaignRecord& record : records) {
    if (!record.tally) add_broken(record, merged);
  }
  for (const Share& share : merged.shares) {
    if (share.shards.size() == share.of) continue;
    merged.wanting.push_back(fmt::format("of seeds {} the shards {} of {} are missing",
                                         to_text(share.range), missing_shards(share), share.of));
  }
  std::sort(merged.failures.begin(), merged.failures.end(),
            [](const Failure& a, const Failure& b) { return a.seed < b.seed; });
  return merged;
}

}  // namespace vivarium::sim
