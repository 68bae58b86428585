// A run of zxids, as what is missing from a history is named.
#pragma once

#include "core/base/ids.h"

namespace vivarium {

// The zxids behind `after`, up to and with `upto`.
struct ZxidRange {
  Zxid after;
  Zxid upto;
  constexpr bool operator==(const ZxidRange&) const = default;
};

}  // namespace vivarium
