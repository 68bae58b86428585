// One file of a directory, read whole.
#pragma once

#include <string_view>
#include <variant>

#include "core/base/bytes.h"
#include "core/event.h"
#include "core/world.h"

namespace vivarium::apache {

class FileReader {
 public:
  void begin(Dir dir, std::string_view name, World& world) {
    bytes_.clear();
    done_ = false;
    file_ = world.open(dir, name, OpenMode::Read, Lane::Bulk, OnError::Report);
  }
  bool done() const { return done_; }
  // Empty when it was not there.
  const Bytes& bytes() const { return bytes_; }

  // True: the event was its own.
  bool handle(const Event& event, World& world) {
    if (const auto* opened = std::get_if<FileOpened>(&event); opened && opened->file == file_) {
      world.read(file_, 0, opened->size, 0);
      return true;
    }
    if (const auto* failed = std::get_if<FileFailed>(&event); failed && failed->file == file_) {
      file_ = {};
      done_ = true;
      return true;
    }
    const auto* read = std::get_if<ReadDone>(&event);
    if (read == nullptr || read->file != file_) return false;
    bytes_.assign(read->bytes.begin(), read->bytes.end());
    world.close(file_);
    file_ = {};
    done_ = true;
    return true;
  }

 private:
  FileId file_;
  Bytes bytes_;
  bool done_ = false;
};

}  // namespace vivarium::apache
