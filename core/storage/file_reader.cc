#include "core/storage/file_reader.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {

void FileReader::open(Disk& disk, Dir dir, std::string_view name, Coding coding) {
  CHECK(!active());
  size_ = asked_ = got_ = 0;
  coded_ = coding != Coding::Plain;
  if (coded_) {
    file_ = disk.world.open_coded(dir, name, OpenMode::Read, coding);
  } else {
    file_ = disk.world.open(dir, name, OpenMode::Read, Lane::Bulk, OnError::Report);
  }
}

void FileReader::close(Disk& disk) {
  disk.world.close(file_);
  file_ = FileId{};
}

void FileReader::ask(Disk& disk) {
  while (asked_ < size_ && asked_ < got_ + 2 * kChunkBytes) {
    const uint64_t length = std::min(kChunkBytes, size_ - asked_);
    disk.world.read(file_, asked_, length, asked_);
    asked_ += length;
  }
}

FileReader::Got FileReader::step(const Event& event, Disk& disk, ByteView& chunk) {
  chunk = {};
  if (!active()) return Got::NotMine;
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    if (opened->file != file_) return Got::NotMine;
    size_ = coded_ ? UINT64_MAX : opened->size;
    ask(disk);
    if (size_ != 0) return Got::Nothing;
    close(disk);
    return Got::Last;
  }
  if (const auto* failed = std::get_if<FileFailed>(&event)) {
    if (failed->file != file_) return Got::NotMine;
    error_ = failed->error;
    close(disk);
    return Got::Failed;
  }
  if (const auto* done = std::get_if<ReadDone>(&event)) {
    if (done->file != file_) return Got::NotMine;
    CHECK(done->offset == got_);
    const uint64_t wanted = std::min(kChunkBytes, size_ - got_);
    CHECK(done->bytes.size() <= wanted);
    chunk = done->bytes;
    got_ += chunk.size();
    if (got_ < size_ && chunk.size() == wanted) {
      ask(disk);
      return Got::Chunk;
    }
    close(disk);
    return Got::Last;
  }
  return Got::NotMine;
}

}  // namespace vivarium
