// SendQueue: the bytes of one link that have not left yet. Small sends are copied once into the
// tail buffer, shared bytes are kept by reference, and one sendmsg takes as many pieces as the
// kernel does.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/bytes.h"

namespace vivarium {

class SendQueue {
 public:
  void append(ByteView bytes);
  void append_shared(SharedBytes bytes);
  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear();

  // Sends what the socket takes. 0, or the errno: EAGAIN when the socket is full, else the link's
  // end.
  int send_to(int socket);
  // For whoever sends by other means: copies bytes from the front, all or `max`, and forgets them
  // when they have left.
  size_t copy_front(Byte* out, size_t max) const;
  void consume(size_t bytes);

 private:
  struct Piece {
    Bytes owned;
    SharedBytes shared;
    ByteView view() const { return shared != nullptr ? ByteView(*shared) : ByteView(owned); }
  };

  std::deque<Piece> pieces_;
  Bytes spare_;      // the last owned buffer that was sent, to be filled again
  size_t sent_ = 0;  // of the first piece
  uint64_t size_ = 0;
};

}  // namespace vivarium
