// FileReader: reads one file from its beginning to its end in chunks, two of them asked for at a
// time. A file that is missing or cannot be read fails; that is never more than this file's
// failure.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/event.h"
#include "core/storage/disk_script.h"

namespace vivarium {

class FileReader {
 public:
  static constexpr uint64_t kChunkBytes = 32 << 10;

  enum class Got : uint8_t {
    NotMine,
    Nothing,
    Chunk,  // more follows
    Last,   // the last chunk, perhaps an empty one; the file is closed
    Failed  // the file is closed
  };

  void open(Disk& disk, Dir dir, std::string_view name, Coding coding = Coding::Plain);
  bool active() const { return file_.valid(); }
  uint64_t size() const { return size_; }     // known with the first chunk, unless it is coded
  FileError error() const { return error_; }  // why it failed
  // Enough read.
  void stop(Disk& disk) { close(disk); }
  // `chunk` is borrowed from the event.
  Got step(const Event& event, Disk& disk, ByteView& chunk);

 private:
  void ask(Disk& disk);
  void close(Disk& disk);

  FileId file_;
  bool coded_ = false;
  FileError error_{};
  uint64_t size_ = 0;
  uint64_t asked_ = 0;  // up to here
  uint64_t got_ = 0;    // up to here
};

}  // namespace vivarium
