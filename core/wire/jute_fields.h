// Fields that requests and txns share, beyond what Jute itself knows.
#pragma once

#include <string_view>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/wire/jute.h"

namespace vivarium {

// A null path is as bad as a truncated one: in a request (client-protocol section 8), and in a txn,
// since no request with one becomes a txn.
inline std::string_view read_path(JuteReader& in) {
  bool null = false;
  const std::string_view path = in.string(&null);
  if (null) in.set_failed();
  return path;
}

inline void write_data(ByteView data, bool null, JuteWriter& out) {
  CHECK(!null || data.empty());
  if (null) {
    out.null_buffer();
  } else {
    out.buffer(data);
  }
}

}  // namespace vivarium
