#include "sim/apache/snapshot_saver.h"

#include <variant>

#include "sim/apache/files.h"

namespace vivarium::apache {
namespace {

constexpr uint64_t kSnapshotNamed = 102;

}  // namespace

SnapshotSaver::SnapshotSaver(const DataTree& tree, bool synced, World& world)
    : writer_(tree, SnapshotWriter::Form::File),
      name_(file_name(kSnapshot, tree.last_applied())),
      synced_(synced) {
  const std::string under = synced_ ? temporary(name_) : name_;
  file_ = world.open(Dir::Snapshots, under, OpenMode::Create, Lane::Bulk, OnError::Stop);
}

void SnapshotSaver::advance(const DataTree& tree, size_t znodes, World& world) {
  if (stage_ != Stage::Writing) return;
  Bytes slice;
  const bool all = writer_.write(tree, znodes, slice);
  world.write(file_, position_, slice);
  position_ += slice.size();
  if (!all) return;
  world.sync(file_, 0);
  if (synced_) {
    stage_ = Stage::Syncing;
    return;
  }
  world.close(file_);
  file_ = {};
  stage_ = Stage::Done;
}

bool SnapshotSaver::handle(const Event& event, World& world) {
  if (const auto* opened = std::get_if<FileOpened>(&event)) return opened->file == file_;
  const auto* synced = std::get_if<FileSynced>(&event);
  if (synced != nullptr && synced->file == file_ && stage_ == Stage::Syncing) {
    world.close(file_);
    file_ = {};
    world.rename(Dir::Snapshots, temporary(name_), name_, Lane::Bulk);
    world.sync_dir(Dir::Snapshots, kSnapshotNamed, Lane::Bulk);
    stage_ = Stage::Naming;
    return true;
  }
  const auto* named = std::get_if<DirSynced>(&event);
  if (named == nullptr || named->dir != Dir::Snapshots || named->token != kSnapshotNamed) {
    return false;
  }
  if (stage_ == Stage::Naming) stage_ = Stage::Done;
  return true;
}

}  // namespace vivarium::apache
