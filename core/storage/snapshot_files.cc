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

SnapshotTaker::SnapshotTaker(const Config& config)
    : slice_elements_(config.snapshot_slice_elements),
      image_bytes_max_(config.snapshot_image_bytes_max),
      owed_bytes_max_(config.snapshot_unsynced_bytes_max),
      coding_(config.snapshot_coding) {}

void SnapshotTaker::start(Disk& disk, DataTree& tree, bool exact) {
  CHECK(!running());
  tree.end_snapshot(name_);
  state_ = State::Encoding;
  file_name_ = {tree.last_applied(), coding_};
  const std::string name = taking_name(file_name_.zxid);
  if (coding_ == Coding::Plain) {
    file_ = disk.world.open(Dir::Snapshots, name, OpenMode::Create, Lane::Bulk, OnError::Report);
  } else {
    file_ = disk.world.open_coded(Dir::Snapshots, name, OpenMode::Create, coding_);
  }
  started_ = disk.world.now();
  name_ = disk.token();
  tree.begin_snapshot(name_, image_bytes_max_);
  encoder_.emplace(SnapshotEncoder::Form::File, exact);
  next_slice_ = started_;
  size_ = 0;
  syncing_ = 0;
  synced_ = 0;
  advance(disk, tree);
}

void SnapshotTaker::advance(Disk& disk, DataTree& tree) {
  if (name_ != 0 && state_ != State::Encoding) tree.end_snapshot(std::exchange(name_, 0));
  if (state_ != State::Encoding || disk.world.now() < next_slice_) return;
  TreeSnapshot* const state = tree.snapshot(name_);
  if (state == nullptr) {  // another tree has come in place of the one that was written
    cancel(disk);
    failed_ = true;
    return;
  }
  if (state->lost()) {
    disk.world.log(LogLevel::Warn,
                   fmt::format("the snapshot of zxid {:x} is given up: what changed meanwhile "
                               "exceeds {} bytes; it is tried again in larger slices",
                               file_name_.zxid.value, image_bytes_max_));
    doublings_ = std::min(doublings_ + 1, kDoublingsMax);
    return fail(disk);
  }
  if (owed_bytes() > owed_bytes_max()) return;
  Bytes bytes;
  const SnapshotSlice slice{size_t{slice_elements_} << doublings_, kSliceBytes << doublings_};
  const bool last = encoder_->encode(tree, *state, slice, bytes);
  const size_t written = bytes.size();
  if (written > 0) disk.world.write_shared(file_, size_, share(std::move(bytes)));
  size_ += written;
  next_slice_ = disk.world.now() + kSlicePause;
  if (last) {
    state_ = State::Syncing;
    encoder_.reset();
    tree.end_snapshot(std::exchange(name_, 0));
    if (coding_ != Coding::Plain) disk.world.end_coded(file_);
  }
  if (syncing_ == 0 && (last || owed_bytes() > owed_bytes_max() / 2)) sync(disk);
}

void SnapshotTaker::sync(Disk& disk) {
  token_ = disk.token();
  syncing_ = size_;
  disk.world.sync(file_, token_);
}

Instant SnapshotTaker::deadline() const {
  const bool waits = owed_bytes() > owed_bytes_max();
  return state_ == State::Encoding && !waits ? next_slice_ : Instant::never();
}

std::optional<SnapshotName> SnapshotTaker::cancel(Disk& disk) {
  if (!running()) return std::nullopt;
  const bool named = state_ == State::Naming;
  if (!named) {
    disk.world.close(file_);
    disk.world.remove(Dir::Snapshots, taking_name(file_name_.zxid), Lane::Bulk);
  }
  file_ = FileId{};
  encoder_.reset();
  state_ = State::Idle;
  return named ? std::optional<SnapshotName>(file_name_) : std::nullopt;
}

void SnapshotTaker::fail(Disk& disk) {
  disk.world.count("snapshot_error_count", 1);
  cancel(disk);
  failed_ = true;
}

bool SnapshotTaker::step(const Event& event, Disk& disk) {
  if (!running()) return false;
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    return file_.valid() && opened->file == file_;
  }
  if (const auto* failed = std::get_if<FileFailed>(&event)) {
    if (!file_.valid() || failed->file != file_) return false;
    disk.world.log(LogLevel::Error, fmt::format("the snapshot of zxid {:x} could not be written",
                                                file_name_.zxid.value));
    fail(disk);
    return true;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (!file_.valid() || synced->file != file_) return false;
    CHECK(synced->token == token_ && syncing_ != 0);
    synced_ = std::exchange(syncing_, 0);
    const bool encoding = state_ == State::Encoding;
    CHECK(encoding || state_ == State::Syncing);
    // What was written behind the sync that has just ended.
    if (owed_bytes() > (encoding ? owed_bytes_max() / 2 : 0)) sync(disk);
    if (encoding || syncing_ != 0) return true;
    disk.world.close(file_);
    file_ = FileId{};
    disk.world.rename(Dir::Snapshots, taking_name(file_name_.zxid), snapshot_name(file_name_),
                      Lane::Bulk);
    token_ = disk.token();
    disk.world.sync_dir(Dir::Snapshots, token_, Lane::Bulk);
    state_ = State::Naming;
    return true;
  }
  if (const auto* named = std::get_if<DirSynced>(&event)) {
    if (state_ != State::Naming || named->token != token_) return false;
    state_ = State::Idle;
    if (doublings_ > 0) --doublings_;
    disk.world.sample("snapshottime", (disk.world.now() - started_).ms());
    finished_ = file_name_;
    return true;
  }
  return false;
}

std::optional<SnapshotName> SnapshotTaker::take_finished() {
  std::optional<SnapshotName> finished = finished_;
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

void SnapshotReceiver::finish(Disk& disk, uint64_t digest, bool exact) {
  if (state_ != State::Receiving) return;
  digest_ = digest;
  exact_ = exact;
  Bytes seals;
  encode_snapshot_seals(adler_, zxid_, exact ? std::optional(digest) : std::nullopt, seals);
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
