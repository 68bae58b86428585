#include "disk/file_disk.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

// Small writes that follow each other share one buffer up to this size.
constexpr size_t kMergedWriteMax = 1 << 20;
constexpr Duration kFreeBytesAge = milliseconds(1000);

void exit_with(const std::string& line) {
  std::fprintf(stderr, "vivariumd: %s\n", line.c_str());
  std::fflush(stderr);
  ::_exit(1);
}

std::string checked_name(std::string_view name) {
  CHECK(!name.empty());
  CHECK(name.find('/') == std::string_view::npos);
  CHECK(name != "." && name != "..");
  return std::string(name);
}

}  // namespace

Result<std::unique_ptr<FileDisk>> FileDisk::make(FileDiskOptions options) {
  Result<Directories> directories =
      open_directories(options.data_dir, options.data_log_dir, options.config_dir, options.create);
  if (!directories) return tl::unexpected<Error>(directories.error());
  if (options.calls == nullptr) options.calls = std::make_shared<Syscalls>();
  if (options.fatal == nullptr) options.fatal = exit_with;
  const bool sync_log = options.sync_log;
  std::unique_ptr<FileDisk> disk(
      new FileDisk(std::move(*directories), std::move(options.calls), std::move(options.fatal)));
  disk->sync_log_ = sync_log;
  return disk;
}

FileDisk::FileDisk(Directories directories, std::shared_ptr<Syscalls> calls,
                   std::function<void(const std::string&)> fatal)
    : directories_(std::move(directories)),
      calls_(std::move(calls)),
      shared_(std::make_unique<DiskShared>(*calls_, std::move(fatal))),
      log_lane_(*shared_),
      bulk_lane_(*shared_),
      spare_lane_(*shared_),
      name_lane_(*shared_,
                 {directories_.dirs[0].get(), directories_.dirs[1].get(),
                  directories_.dirs[2].get(), directories_.dirs[3].get()},
                 kLockName),
      log_worker_(std::make_unique<Worker>([this](auto& batch) { log_lane_.run(batch); })),
      bulk_worker_(std::make_unique<Worker>([this](auto& batch) { bulk_lane_.run(batch); })),
      spare_worker_(std::make_unique<Worker>([this](auto& batch) { spare_lane_.run(batch); })),
      name_worker_(std::make_unique<Worker>([this](auto& batch) { name_lane_.run(batch); })) {}

FileDisk::~FileDisk() { shared_->hurry(); }

FileDisk::Slot* FileDisk::find(FileId file) {
  if (!file.valid() || file.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[file.slot];
  const bool alive = slot.used && !slot.closed && slot.generation == file.generation;
  return alive ? &slot : nullptr;
}

FileId FileDisk::open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error,
                      Coding coding) {
  CHECK(coding == Coding::Plain || mode != OpenMode::Update);
  uint32_t index = static_cast<uint32_t>(slots_.size());
  if (free_slots_.empty()) {
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  CHECK(!slot.used);
  CHECK(slot.waiting.empty());
  slot.used = true;
  slot.opened = false;
  slot.closed = false;
  slot.file = std::make_shared<OpenFile>();
  slot.file->id = FileId{index, slot.generation};
  slot.file->dir = dir;
  slot.file->name = checked_name(name);
  slot.file->mode = mode;
  slot.file->lane = lane;
  slot.file->on_error = on_error;
  slot.file->coding = coding;
  const bool spare = dir == Dir::Logs && name.starts_with("spare.");
  const bool of_log = spare || (dir == Dir::Logs && name.starts_with("log."));
  slot.file->is_spare = spare && lane == Lane::Bulk;
  slot.file->reaches_disk = sync_log_ || !of_log;
  DiskOp op;
  op.kind = DiskOp::Kind::Open;
  op.file = slot.file;
  op.dir = dir;
  issue_name(std::move(op));
  return FileId{index, slot.generation};
}

void FileDisk::issue(Slot& slot, DiskOp&& op) {
  op.file = slot.file;
  std::vector<DiskOp>& queue = slot.opened ? staged(*slot.file) : slot.waiting;
  queue.push_back(std::move(op));
}

void FileDisk::issue_name(DiskOp&& op) { name_ops_.push_back(std::move(op)); }

bool FileDisk::append_to_last(std::vector<DiskOp>& ops, const OpenFilePtr& file, uint64_t offset,
                              ByteView bytes) {
  if (ops.empty()) return false;
  DiskOp& last = ops.back();
  if (last.kind != DiskOp::Kind::Write || last.file != file) return false;
  if (last.write.shared != nullptr || last.write.end() != offset) return false;
  if (last.write.owned.size() + bytes.size() > kMergedWriteMax) return false;
  append_bytes(last.write.owned, bytes);
  return true;
}

void FileDisk::write(FileId file, uint64_t offset, ByteView bytes) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  std::vector<DiskOp>& queue = slot->opened ? staged(*slot->file) : slot->waiting;
  if (append_to_last(queue, slot->file, offset, bytes)) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Write;
  op.write.offset = offset;
  op.write.owned.assign(bytes.begin(), bytes.end());
  issue(*slot, std::move(op));
}

void FileDisk::write_shared(FileId file, uint64_t offset, SharedBytes bytes) {
  CHECK(bytes != nullptr);
  Slot* slot = find(file);
  if (slot == nullptr) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Write;
  op.write.offset = offset;
  op.write.shared = std::move(bytes);
  issue(*slot, std::move(op));
}

void FileDisk::preallocate(FileId file, uint64_t offset, uint64_t length) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Preallocate;
  op.offset = offset;
  op.length = length;
  issue(*slot, std::move(op));
}

void FileDisk::hurry(FileId file) {
  const Slot* slot = find(file);
  if (slot != nullptr) slot->file->is_awaited.store(true, std::memory_order_relaxed);
}

void FileDisk::truncate(FileId file, uint64_t size) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Truncate;
  op.offset = size;
  issue(*slot, std::move(op));
}

void FileDisk::sync(FileId file, uint64_t token) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Sync;
  op.token = token;
  issue(*slot, std::move(op));
}

void FileDisk::read(FileId file, uint64_t offset, uint64_t length, uint64_t token) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  DiskOp op;
  op.kind = DiskOp::Kind::Read;
  op.offset = offset;
  op.length = length;
  op.token = token;
  issue(*slot, std::move(op));
}

void FileDisk::end_coded(FileId file) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  CHECK(slot->file->coding != Coding::Plain);
  DiskOp op;
  op.kind = DiskOp::Kind::EndCoded;
  issue(*slot, std::move(op));
}

void FileDisk::close(FileId file) {
  Slot* slot = find(file);
  if (slot == nullptr) return;
  // The lane's thread closes the descriptor: that of a removed file may take long.
  DiskOp op;
  op.kind = DiskOp::Kind::Close;
  issue(*slot, std::move(op));
  slot->closed = true;
  if (slot->opened) release(file.slot);
}

void FileDisk::rename(Dir dir, std::string_view from, std::string_view to) {
  DiskOp op;
  op.kind = DiskOp::Kind::Rename;
  op.dir = dir;
  op.name = checked_name(from);
  op.to = checked_name(to);
  issue_name(std::move(op));
}

void FileDisk::remove(Dir dir, std::string_view name) {
  DiskOp op;
  op.kind = DiskOp::Kind::Remove;
  op.dir = dir;
  op.name = checked_name(name);
  issue_name(std::move(op));
}

void FileDisk::sync_dir(Dir dir, uint64_t token) {
  DiskOp op;
  op.kind = DiskOp::Kind::SyncDir;
  op.dir = dir;
  op.token = token;
  issue_name(std::move(op));
}

void FileDisk::list(Dir dir, uint64_t token) {
  DiskOp op;
  op.kind = DiskOp::Kind::List;
  op.dir = dir;
  op.token = token;
  issue_name(std::move(op));
}

uint64_t FileDisk::free_bytes(Dir dir) {
  want_free_[static_cast<size_t>(dir)] = true;
  return name_lane_.free_bytes(dir);
}

void FileDisk::flush(Instant now) {
  for (const Dir dir : {Dir::Root, Dir::Snapshots, Dir::Logs}) {
    const auto i = static_cast<size_t>(dir);
    if (!want_free_[i] || now < measured_[i] + kFreeBytesAge) continue;
    want_free_[i] = false;
    measured_[i] = now;
    DiskOp op;
    op.kind = DiskOp::Kind::MeasureFree;
    op.dir = dir;
    issue_name(std::move(op));
  }
  hand_over();
}

void FileDisk::hand_over() {
  log_worker_->submit(log_ops_);
  bulk_worker_->submit(bulk_ops_);
  spare_worker_->submit(spare_ops_);
  name_worker_->submit(name_ops_);
}

void FileDisk::release(uint32_t index) {
  Slot& slot = slots_[index];
  CHECK(slot.used);
  slot.used = false;
  slot.file.reset();
  slot.waiting.clear();
  slot.generation = slot.generation == UINT32_MAX ? 1 : slot.generation + 1;
  free_slots_.push_back(index);
}

void FileDisk::deliver(const Deliver& deliver) {
  if (dead()) return;
  shared_->take(completions_);
  std::vector<Completion> batch;
  batch.swap(completions_);
  for (Completion& done : batch) handle(done, deliver);
  batch.clear();
  completions_.swap(batch);
}

void FileDisk::handle(Completion& done, const Deliver& deliver) {
  switch (done.kind) {
    case Completion::Kind::DirSynced:
      return deliver(DirSynced{done.dir, done.token});
    case Completion::Kind::Listed:
      return deliver(DirListed{done.dir, done.token, &done.entries});
    case Completion::Kind::Opened:
      return handle_opened(done, deliver);
    case Completion::Kind::Failed: {
      // Before it was opened, a closed file still has its slot.
      Slot& slot = slots_[done.file.slot];
      if (!slot.used || slot.generation != done.file.generation) return;
      const bool tell = !slot.closed;
      release(done.file.slot);
      if (tell) deliver(FileFailed{done.file, done.error});
      return;
    }
    case Completion::Kind::Preallocated:
      if (find(done.file) != nullptr) deliver(Preallocated{done.file, done.ok});
      return;
    case Completion::Kind::Synced:
      if (find(done.file) != nullptr) deliver(FileSynced{done.file, done.token});
      return;
    case Completion::Kind::Read:
      if (find(done.file) != nullptr) {
        deliver(ReadDone{done.file, done.token, done.offset, done.bytes});
      }
      shared_->give_back(std::move(done.bytes));
      return;
  }
}

void FileDisk::handle_opened(const Completion& done, const Deliver& deliver) {
  Slot& slot = slots_[done.file.slot];
  CHECK(slot.used);
  CHECK(slot.generation == done.file.generation);
  CHECK(!slot.opened);
  slot.opened = true;
  std::vector<DiskOp>& queue = staged(*slot.file);
  for (DiskOp& op : slot.waiting) queue.push_back(std::move(op));
  slot.waiting.clear();
  if (slot.closed) return release(done.file.slot);
  const bool coded = slot.file->coding != Coding::Plain;
  deliver(FileOpened{done.file, coded ? 0 : done.offset});
}

void FileDisk::finish() {
  shared_->hurry();
  // Opens first: only then are the operations that wait for them known to the lanes.
  hand_over();
  name_worker_->finish();
  deliver([](const Event&) {});
  hand_over();
  log_worker_->finish();
  bulk_worker_->finish();
  spare_worker_->finish();
}

}  // namespace vivarium
