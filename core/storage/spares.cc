#include "core/storage/spares.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/storage/record.h"

namespace vivarium {

void Spares::start(uint64_t next_number, uint64_t bytes) {
  CHECK(bytes > kLogHeaderBytes);
  next_number_ = std::max(next_number_, next_number);
  bytes_ = bytes;
}

void Spares::prepare(Disk& disk, uint64_t bytes_min) {
  CHECK(started());
  if (ready(bytes_min)) return;
  if (state_ == State::Full && disk.world.now() < retry_at_) return;
  if (state_ == State::Ready) drop(disk);
  if (state_ != State::None && state_ != State::Full) return;
  spare_.name = spare_name(next_number_++);
  spare_.size = std::max((bytes_min + bytes_ - 1) / bytes_, uint64_t{1}) * bytes_;
  do {
    spare_.file_id = disk.world.random();
  } while (spare_.file_id == 0);  // Apache's
  spare_.file =
      disk.world.open(Dir::Logs, spare_.name, OpenMode::Create, Lane::Bulk, OnError::Report);
  disk.world.preallocate(spare_.file, 0, spare_.size);
  state_ = State::Filling;
}

Spare Spares::take() {
  CHECK(state_ == State::Ready);
  state_ = State::None;
  return std::exchange(spare_, Spare{});
}

void Spares::drop(Disk& disk) {
  if (spare_.file.valid()) {
    disk.world.close(spare_.file);
    disk.world.remove(Dir::Logs, spare_.name,
                      state_ == State::Ready || state_ == State::Opening ? Lane::Log : Lane::Bulk);
  }
  spare_ = Spare{};
  state_ = State::None;
}

void Spares::failed(Disk& disk) {
  const Instant now = disk.world.now();
  if (full_since_ == Instant::never()) {
    full_since_ = now;
    silent_until_ = now;
  }
  if (now >= silent_until_) {
    disk.world.log(LogLevel::Error,
                   fmt::format("no room for a log file of {} bytes for {} s; trying again",
                               spare_.size, (now - full_since_).ms() / 1000));
    silent_until_ = now + kBetweenFullLines;
  }
  drop(disk);
  state_ = State::Full;
  retry_at_ = now + kRetryFullDisk;
}

void Spares::has_room(Disk& disk) {
  if (full_since_ == Instant::never()) return;
  const Duration wanting = disk.world.now() - full_since_;
  disk.world.log(LogLevel::Info, fmt::format("room for a log file of {} bytes again, after {} s",
                                             spare_.size, wanting.ms() / 1000));
  full_since_ = Instant::never();
}

bool Spares::step(const Event& event, Disk& disk) {
  if (!spare_.file.valid()) return false;
  if (const auto* failure = std::get_if<FileFailed>(&event)) {
    if (failure->file != spare_.file) return false;
    failed(disk);
    return true;
  }
  if (const auto* answer = std::get_if<Preallocated>(&event)) {
    if (answer->file != spare_.file) return false;
    CHECK(state_ == State::Filling);
    if (!answer->ok) {
      failed(disk);
      return true;
    }
    Bytes header(kLogHeaderBytes);
    put_u32(header.data(), kLogMagic);
    put_u32(header.data() + 4, kFileVersion);
    put_u64(header.data() + 8, spare_.file_id);
    disk.world.write(spare_.file, 0, header);
    token_ = disk.token();
    disk.world.sync(spare_.file, token_);
    state_ = State::Syncing;
    return true;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (synced->file != spare_.file || state_ != State::Syncing) return false;
    CHECK(synced->token == token_);
    disk.world.close(spare_.file);
    spare_.file =
        disk.world.open(Dir::Logs, spare_.name, OpenMode::Update, Lane::Log, OnError::Stop);
    state_ = State::Opening;
    return true;
  }
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    if (opened->file != spare_.file) return false;
    if (state_ == State::Opening) {
      CHECK(opened->size == spare_.size);
      state_ = State::Ready;
      has_room(disk);
    }
    return true;
  }
  return false;
}

}  // namespace vivarium
