#include "sim/apache/log_thread.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "sim/apache/files.h"

namespace vivarium::apache {
namespace {

constexpr size_t kBatchMax = 1000;         // zookeeper.maxBatchSize
constexpr uint64_t kPadAheadBytes = 4096;  // FilePadding
constexpr uint64_t kLogNamed = 101;        // token of the directory's sync

}  // namespace

void LogThread::close(World& world) {
  // A batch under way closes it when it is synced.
  if (file_.valid() && flushing_.empty()) {
    world.close(file_);
    std::erase(unsynced_, file_);
  }
  file_ = {};
  synced_ = {};
}

void LogThread::forget_acknowledgements() {
  acknowledged_.clear();
  for (Request& request : queued_) request.acknowledge = false;
  for (Request& request : flushing_) request.acknowledge = false;
}

void LogThread::advance(const Config& config, World& world) {
  if (!flushing_.empty() || queued_.empty()) return;
  while (!queued_.empty() && flushing_.size() < kBatchMax) {
    append_to_file(queued_.front(), config, world);
    flushing_.push_back(std::move(queued_.front()));
    queued_.pop_front();
    if (!file_.valid()) break;  // rolled
  }
  write_out(world);
  for (const FileId file : unsynced_) world.sync(file, 0);
  syncs_left_ = static_cast<uint32_t>(unsynced_.size());
  if (std::exchange(new_name_, false)) {
    world.sync_dir(Dir::Logs, kLogNamed, Lane::Log);
    ++syncs_left_;
  }
}

void LogThread::append_to_file(const Request& request, const Config& config, World& world) {
  if (!file_.valid()) {
    file_ = world.open(Dir::Logs, file_name(kLog, request.zxid), OpenMode::Create, Lane::Log,
                       OnError::Stop);
    position_ = 0;
    size_ = 0;
    append_log_header(buffer_);
    unsynced_.push_back(file_);
    new_name_ = true;
  }
  pad(config, world);
  append_record(*request.entry, buffer_);
  if (roll_at_ == 0) {
    const uint32_t half = std::max(config.snapshot_every_txns / 2, 1U);
    roll_at_ = half + static_cast<uint32_t>(world.random() % half);
  }
  if (++since_roll_ > roll_at_) roll(world);
}

// FilePadding.calculateFileSizeWithPadding.
void LogThread::pad(const Config& config, World& world) {
  const uint64_t position = position_ + buffer_.size();
  if (config.log_prealloc_bytes == 0 || position + kPadAheadBytes < size_) return;
  if (position > size_) {
    size_ = position + config.log_prealloc_bytes;
    size_ -= size_ % config.log_prealloc_bytes;
  } else {
    size_ += config.log_prealloc_bytes;
  }
  write_out(world);
  world.truncate(file_, std::max(size_, position_));
}

void LogThread::write_out(World& world) {
  if (buffer_.empty()) return;
  world.write(file_, position_, buffer_);
  position_ += buffer_.size();
  buffer_.clear();
}

void LogThread::roll(World& world) {
  write_out(world);
  file_ = {};
  since_roll_ = 0;
  roll_at_ = 0;
  snapshot_due_ = true;
}

bool LogThread::handle(const Event& event, World& world) {
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    return std::find(unsynced_.begin(), unsynced_.end(), opened->file) != unsynced_.end();
  }
  const auto* synced = std::get_if<FileSynced>(&event);
  const auto* named = std::get_if<DirSynced>(&event);
  const bool file = synced != nullptr &&
                    std::find(unsynced_.begin(), unsynced_.end(), synced->file) != unsynced_.end();
  const bool name = named != nullptr && named->dir == Dir::Logs && named->token == kLogNamed;
  if (!file && !name) return false;
  if (--syncs_left_ > 0) return true;
  for (const FileId done : unsynced_) {
    if (done != file_) world.close(done);
  }
  unsynced_.clear();
  if (file_.valid()) unsynced_.push_back(file_);
  for (const Request& request : flushing_) {
    if (request.acknowledge) acknowledged_.push_back(request.zxid);
    synced_ = request.zxid;
  }
  flushing_.clear();
  return true;
}

std::vector<Zxid> LogThread::take_acknowledged() {
  return std::exchange(acknowledged_, std::vector<Zxid>());
}

}  // namespace vivarium::apache
