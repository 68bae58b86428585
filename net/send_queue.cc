#include "net/send_queue.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kBufferSize = 64 << 10;
constexpr size_t kSpareMax = 16 << 10;  // ten thousand idle links must not keep large buffers
constexpr size_t kPiecesPerCall = 256;
constexpr size_t kBytesPerCall = 1 << 20;

}  // namespace

void SendQueue::append(ByteView bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  const bool fits = !pieces_.empty() && pieces_.back().shared == nullptr &&
                    pieces_.back().owned.size() + bytes.size() <= kBufferSize;
  if (!fits) {
    pieces_.emplace_back();
    pieces_.back().owned = std::exchange(spare_, Bytes{});
  }
  append_bytes(pieces_.back().owned, bytes);
}

void SendQueue::append_shared(SharedBytes bytes) {
  CHECK(bytes != nullptr);
  if (bytes->empty()) return;
  size_ += bytes->size();
  pieces_.push_back(Piece{{}, std::move(bytes)});
}

void SendQueue::clear() {
  pieces_.clear();
  sent_ = 0;
  size_ = 0;
}

size_t SendQueue::copy_front(Byte* out, size_t max) const {
  size_t size = 0;
  size_t skip = sent_;
  for (const Piece& piece : pieces_) {
    if (size == max) break;
    const ByteView view = piece.view().subspan(std::exchange(skip, 0));
    const size_t taken = std::min(view.size(), max - size);
    std::copy_n(view.begin(), taken, out + size);
    size += taken;
  }
  return size;
}

void SendQueue::consume(size_t bytes) {
  CHECK(bytes <= size_);
  size_ -= bytes;
  while (bytes != 0) {
    Piece& first = pieces_.front();
    const size_t left = first.view().size() - sent_;
    if (bytes < left) {
      sent_ += bytes;
      return;
    }
    bytes -= left;
    sent_ = 0;
    if (first.shared == nullptr && first.owned.capacity() <= kSpareMax) {
      spare_ = std::move(first.owned);
      spare_.clear();
    }
    pieces_.pop_front();
  }
}

int SendQueue::send_to(int socket) {
  while (size_ != 0) {
    iovec parts[kPiecesPerCall];
    size_t count = 0;
    size_t total = 0;
    for (const Piece& piece : pieces_) {
      if (count == kPiecesPerCall || total == kBytesPerCall) break;
      ByteView view = piece.view();
      if (count == 0) view = view.subspan(sent_);
      view = view.first(std::min(view.size(), kBytesPerCall - total));
      parts[count] = {const_cast<Byte*>(view.data()), view.size()};  // sendmsg only reads it
      total += view.size();
      ++count;
    }
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EWOULDBLOCK ? EAGAIN : errno;
    consume(static_cast<size_t>(n));
    if (static_cast<size_t>(n) < total) return EAGAIN;
  }
  return 0;
}

}  // namespace vivarium
