#include "core/server/session_ids.h"

#include <algorithm>
#include <iterator>

#include "core/tree/data_tree.h"

namespace vivarium {
namespace {

constexpr int kPrefixShift = 56;
// More ids than a server gives out between two restarts, and an hour of the clock's.
constexpr uint64_t kFarMin = uint64_t{1} << 32;
constexpr uint64_t kFarSpread = uint64_t{1} << 38;

}  // namespace

void SessionIds::start(ServerId server, WallTime now, const std::map<SessionId, int32_t>& sessions,
                       uint64_t random) {
  const uint64_t prefix = (static_cast<uint64_t>(server.value) & 0xff) << kPrefixShift;
  const uint64_t last = prefix | ((uint64_t{1} << kPrefixShift) - 1);
  const uint64_t clock = prefix | ((static_cast<uint64_t>(now.ms) << 24) >> 8);
  // Of an earlier serving period of this life; a prefix changes only with the server's id.
  if (next_ < prefix || next_ > last) next_ = 0;
  next_ = std::max(next_, clock);
  const auto after = sessions.upper_bound(SessionId{static_cast<int64_t>(last)});
  if (after == sessions.begin()) return;
  const auto largest = static_cast<uint64_t>(std::prev(after)->first.value);
  if (largest < prefix || largest >= last || next_ > largest) return;
  const uint64_t far = largest + kFarMin + random % kFarSpread;
  next_ = far <= last ? far : largest + 1;
}

SessionId SessionIds::next() {
  // The mark of a container in ephemeralOwner is no session's id.
  if (next_ == 0 || next_ == static_cast<uint64_t>(kContainerOwner)) ++next_;
  return SessionId{static_cast<int64_t>(next_++)};
}

}  // namespace vivarium
