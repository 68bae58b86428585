#include "core/storage/snapshot_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/storage/record.h"
#include "core/storage/repair.h"
#include "core/storage/snapshot.h"

namespace vivarium {

// ------------------------------------------------------------------------------------- taking

void SnapshotTaker::start(Disk& disk, const DataTree& tree) {
  CHECK(!running());
  state_ = State::Writing;
  zxid_ = tree.last_applied();
  file_ = disk.world.open(Dir::Snapshots, taking_name(zxid_), OpenMode::Create, Lane::Bulk,
                          OnError::Report);
  Bytes whole;
  encode_snapshot_file(tree, whole);
  for (size_t at = 0; at < whole.size(); at += kSliceBytes) {
    const ByteView slice = ByteView(whole).subspan(at, std::min(kSliceBytes, whole.size() - at));
    disk.world.write_shared(file_, at, share(Bytes(slice.begin(), slice.end())));
  }
  token_ = disk.token();
  started_ = disk.world.now();
  disk.world.sync(file_, token_);
}

std::optional<Zxid> SnapshotTaker::cancel(Disk& disk) {
  if (!running()) return std::nullopt;
  const bool named = state_ == State::Naming;
  if (!named) {
    disk.world.close(file_);
    disk.world.remove(Dir::Snapshots, taking_name(zxid_), Lane::Bulk);
  }
  file_ = FileId{};
  state_ = State::Idle;
  return named ? std::optional<Zxid>(zxid_) : std::nullopt;
}

bool SnapshotTaker::step(const Event& event, Disk& disk) {
  if (!running()) return false;
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    return file_.valid() && opened->file == file_;
  }
  if (const auto* failed = std::get_if<FileFailed>(&event)) {
    if (!file_.valid() || failed->file != file_) return false;
    disk.world.log(LogLevel::Error,
                   fmt::format("the snapshot of zxid {:x} could not be written", zxid_.value));
    disk.world.count("snapshot_error_count", 1);
    cancel(disk);
    failed_ = true;
    return true;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (!file_.valid() || synced->file != file_) return false;
    CHECK(state_ == State::Writing);
    disk.world.close(file_);
    file_ = FileId{};
    disk.world.rename(Dir::Snapshots, taking_name(zxid_), snapshot_name(zxid_), Lane::Bulk);
    token_ = disk.token();
    disk.world.sync_dir(Dir::Snapshots, token_, Lane::Bulk);
    state_ = State::Naming;
    return true;
  }
  if (const auto* named = std::get_if<DirSynced>(&event)) {
    if (state_ != State::Naming || named->token != token_) return false;
    state_ = State::Idle;
    disk.world.sample("snapshottime", (disk.world.now() - started_).ms());
    finished_ = zxid_;
    return true;
  }
  return false;
}

std::optional<Zxid> SnapshotTaker::take_finished() {
  std::optional<Zxid> finished = finished_;
  finished_.reset();
  return finished;
}

// ------------------------------------------------------------------------------------- receiving

void SnapshotReceiver::put(Disk& disk, ByteView bytes) {
  disk.world.write(file_, size_, bytes);
  size_ += bytes.size();
}

void SnapshotReceiver::begin(Disk& disk, Zxid zxid) {
  CHECK(state_ == State::Idle);
  *this = SnapshotReceiver();
  state_ = State::Receiving;
  zxid_ = zxid;
  file_ = disk.world.open(Dir::Snapshots, received_name(zxid), OpenMode::Create, Lane::Bulk,
                          OnError::Report);
  Bytes header;
  encode_snapshot_header(header);
  adler_ = adler32(header);
  put(disk, header);
}

void SnapshotReceiver::bytes(Disk& disk, ByteView body) {
  if (state_ != State::Receiving || body.empty()) return;
  adler_ = adler32(body, adler_);
  put(disk, body);
}

void SnapshotReceiver::finish(Disk& disk, uint64_t digest) {
  if (state_ != State::Receiving) return;
  digest_ = digest;
  Bytes seals;
  encode_snapshot_seals(adler_, zxid_, digest, seals);
  put(disk, seals);
  token_ = disk.token();
  disk.world.sync(file_, token_);
  state_ = State::Syncing;
}

void SnapshotReceiver::cancel(Disk& disk) {
  if (file_.valid()) disk.world.close(file_);
  if (state_ != State::Idle) {
    disk.world.remove(Dir::Snapshots, received_name(zxid_), Lane::Bulk);
  }
  *this = SnapshotReceiver();
}

bool SnapshotReceiver::step(const Event& event, Disk& disk) {
  if (state_ == State::Naming) {
    const auto* named = std::get_if<DirSynced>(&event);
    if (named == nullptr || named->token != token_) return false;
    state_ = State::Ready;
    return true;
  }
  if (!file_.valid()) return false;
  if (const auto* opened = std::get_if<FileOpened>(&event)) return opened->file == file_;
  if (const auto* failed = std::get_if<FileFailed>(&event)) {
    if (failed->file != file_) return false;
    disk.world.log(
        LogLevel::Error,
        fmt::format("the state at zxid {:x} that was received could not be written", zxid_.value));
    state_ = State::Failed;
    return true;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (synced->file != file_) return false;
    CHECK(state_ == State::Syncing && synced->token == token_);
    disk.world.close(file_);
    file_ = FileId{};
    token_ = disk.token();
    disk.world.sync_dir(Dir::Snapshots, token_, Lane::Bulk);
    state_ = State::Naming;
    return true;
  }
  return false;
}

}  // namespace vivarium
