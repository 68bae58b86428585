// One snapshot on its way to the disk, in slices between which the tree may change. Synced: beside
// its name first, as AtomicFileOutputStream does. Otherwise under its name at once, and written
// back by the system some time later.
#pragma once

#include <cstdint>
#include <string>

#include "core/event.h"
#include "core/tree/data_tree.h"
#include "core/world.h"
#include "sim/apache/snapshot.h"

namespace vivarium::apache {

class SnapshotSaver {
 public:
  SnapshotSaver(const DataTree& tree, bool synced, World& world);

  Zxid zxid() const { return writer_.zxid(); }
  bool done() const { return stage_ == Stage::Done; }
  bool writing() const { return stage_ == Stage::Writing; }
  // The next slice, while it is writing.
  void advance(const DataTree& tree, size_t znodes, World& world);
  bool handle(const Event& event, World& world);

 private:
  enum class Stage : uint8_t { Writing, Syncing, Naming, Done };

  SnapshotWriter writer_;
  std::string name_;
  bool synced_ = false;
  FileId file_;
  uint64_t position_ = 0;
  Stage stage_ = Stage::Writing;
};

}  // namespace vivarium::apache
