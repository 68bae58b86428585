// What tests of checkers share: made-up times and sessions, and what a verdict says.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/storage/record.h"
#include "sim/checkers/verdict.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

inline constexpr SessionId kSession{77};

// A log record as Apache reads it: checksum, length, entry, 'B'.
inline Bytes framed(ByteView entry) {
  Bytes record(kRecordHeadBytes);
  put_u64(record.data(), adler32(entry));
  put_u32(record.data() + 8, static_cast<uint32_t>(entry.size()));
  append_bytes(record, entry);
  record.push_back(kRecordEnd);
  return record;
}

inline SimTime at_ms(int64_t ms) { return SimTime{ms * 1'000'000}; }

// The checker and what it found; empty: nothing.
inline std::string said(const Verdict& verdict) {
  const auto& violation = verdict.violation();
  return violation ? violation->checker + ": " + violation->text : "";
}

}  // namespace vivarium::sim
