#include "core/zab/quorum_link.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr uint64_t kWindowBytesMax = 256 << 10;

}  // namespace

void QuorumLink::receive(ByteView bytes) {
  CHECK(bytes.size() <= credit_);
  credit_ -= bytes.size();
  if (at_ != 0 && at_ == in_.size()) {
    in_.clear();
    at_ = 0;
  }
  append_bytes(in_, bytes);
}

Decoded QuorumLink::peek(QuorumPacket& packet, size_t& used) const {
  return decode_quorum_packet(front(), data_bytes_max_, packet, used);
}

void QuorumLink::consume(size_t bytes) {
  CHECK(at_ + bytes <= in_.size());
  at_ += bytes;
  if (at_ == in_.size()) {
    in_.clear();
    at_ = 0;
  } else if (at_ > in_.size() / 2 && at_ > 4096) {
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }
}

void QuorumLink::replenish(World& world, bool reading) {
  const uint64_t window = std::min<uint64_t>(kWindowBytesMax, data_bytes_max_);
  if (!reading || credit_ > window / 2) return;
  world.give_credit(id_, window - credit_);
  credit_ = window;
}

void QuorumLink::flush(World& world) {
  if (out_.empty()) return;
  world.send(id_, out_);
  out_.clear();
}

void QuorumLink::send_shared(World& world, SharedBytes bytes) {
  flush(world);
  world.send_shared(id_, std::move(bytes));
}

}  // namespace vivarium
