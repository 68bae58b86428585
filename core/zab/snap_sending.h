// SnapSending: the body of a SNAP on its way to one learner: the state as it was when the plan was
// made, encoded in slices while the tree goes on (RULES 7). What follows the SNAP waits for it in
// the learner's link. A slice is due when a pause is over and the network has taken most of what it
// was given; but when half of the memory for old images is used up, all that is left is encoded at
// once.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/storage/snapshot.h"
#include "core/wire/jute.h"
#include "core/wire/peer_messages.h"
#include "core/zab/parts.h"

namespace vivarium {

class SnapSending {
 public:
  static constexpr size_t kSliceBytes = 512 << 10;
  static constexpr Duration kSlicePause = milliseconds(1);
  static constexpr uint64_t kUnsentBytesMax = 4 << 20;

  enum class Progress : uint8_t {
    Waits,
    Goes,  // there is another slice of it
    Ends,  // there is the last one, with the signature
    Lost   // too much has changed meanwhile, or the tree is another one
  };

  explicit SnapSending(Parts& parts) : name_(parts.storage.snapshot_name_in_tree()) {
    parts.tree.begin_snapshot(name_, parts.config.snapshot_image_bytes_max);
    next_slice_ = parts.world.now();
  }
  // `unsent`: what the network has not taken. Appends the slice to `out`.
  Progress advance(uint64_t unsent, Parts& parts, Bytes& out) {
    TreeSnapshot* const state = parts.tree.snapshot(name_);
    if (state == nullptr || state->lost()) return Progress::Lost;
    const bool hurries = state->image_bytes() > parts.config.snapshot_image_bytes_max / 2;
    blocked_ = unsent > kUnsentBytesMax;
    if (!hurries && (blocked_ || parts.world.now() < next_slice_)) return Progress::Waits;
    next_slice_ = parts.world.now() + kSlicePause;
    const SnapshotSlice slice{parts.config.snapshot_slice_elements, kSliceBytes};
    if (!encoder_.encode(parts.tree, *state, hurries ? SnapshotSlice{} : slice, out)) {
      return Progress::Goes;
    }
    JuteWriter(out).string(kSnapSignature);
    return Progress::Ends;
  }
  // The end, whatever came of it.
  void end(Parts& parts) const { parts.tree.end_snapshot(name_); }
  // Instant::never(): it waits for the network.
  Instant deadline() const { return blocked_ ? Instant::never() : next_slice_; }

 private:
  uint64_t name_ = 0;  // of the tree's snapshot
  SnapshotEncoder encoder_{SnapshotEncoder::Form::Body};
  Instant next_slice_;
  bool blocked_ = false;
};

}  // namespace vivarium
