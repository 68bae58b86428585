// Codings of compressed files (World::open_coded), in the form in which Apache ZooKeeper writes its
// snapshots: gzip, by zlib; and snappy, by libsnappy, in the framing of snappy-java:
// "\x82SNAPPY\0", two numbers of versions, then blocks, each behind its length in four bytes, big
// endian. A decoder is handed what the disk holds and trusts none of it: damage is an answer, and
// what it unpacks at a time is bounded by the asker.
#pragma once

#include <cstddef>
#include <memory>

#include "core/base/bytes.h"
#include "core/world.h"

namespace vivarium {

class StreamEncoder {
 public:
  virtual ~StreamEncoder() = default;
  // Appends to `coded` what there is to be written by now.
  virtual void put(ByteView plain, Bytes& coded) = 0;
  // Nothing follows. Once.
  virtual void end(Bytes& coded) = 0;
};

class StreamDecoder {
 public:
  enum class State : uint8_t {
    More,    // there is room left: feed
    Full,    // there may be more to take
    Damaged  // for good
  };

  virtual ~StreamDecoder() = default;
  virtual void feed(ByteView coded) = 0;
  // Appends up to `room` bytes to `plain`.
  virtual State take(size_t room, Bytes& plain) = 0;
  // After More, when nothing more can be fed: whether the stream may end there.
  virtual bool whole() const = 0;
};

// Null for Coding::Plain.
std::unique_ptr<StreamEncoder> make_encoder(Coding coding);
std::unique_ptr<StreamDecoder> make_decoder(Coding coding);

}  // namespace vivarium
