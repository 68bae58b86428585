#include "disk/file_lane.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/check.h"
#include "disk/write_parts.h"
#include "disk/zero_pace.h"

namespace vivarium {
namespace {

constexpr size_t kZerosSize = 512 << 10;
constexpr auto kZerosPause = std::chrono::milliseconds(2);
constexpr size_t kCodedPieceBytes = 64 << 10;

iovec part_of(ByteView bytes) {
  return {const_cast<Byte*>(bytes.data()), bytes.size()};  // pwritev only reads it
}

}  // namespace

void FileLane::run(std::vector<DiskOp>& batch) {
  for (DiskOp& op : batch) {
    if (shared_.dead()) break;
    execute(op);
  }
  settle();
  CHECK(dirty_.empty());
}

void FileLane::execute(DiskOp& op) {
  CHECK(op.file != nullptr);
  OpenFile& file = *op.file;
  switch (op.kind) {
    case DiskOp::Kind::Write:
      if (file.failed || op.write.view().empty()) return;
      gather(op.file);
      if (file.coding != Coding::Plain) return encode(file, std::move(op.write));
      file.writes.push_back(std::move(op.write));
      return;
    case DiskOp::Kind::EndCoded:
      if (file.failed) return;
      gather(op.file);
      return end_coded(file);
    case DiskOp::Kind::Sync:
      if (file.failed) return;
      gather(op.file);
      file.sync_tokens.push_back(op.token);
      return;
    case DiskOp::Kind::Preallocate:
    case DiskOp::Kind::Truncate:
    case DiskOp::Kind::Read:
    case DiskOp::Kind::Close:
      break;
    case DiskOp::Kind::Open:
    case DiskOp::Kind::Rename:
    case DiskOp::Kind::Remove:
    case DiskOp::Kind::SyncDir:
    case DiskOp::Kind::List:
    case DiskOp::Kind::MeasureFree:
      CHECK(false);
  }
  settle();
  if (file.failed || shared_.dead()) return;
  if (op.kind == DiskOp::Kind::Preallocate) preallocate(file, op.offset, op.length);
  if (op.kind == DiskOp::Kind::Truncate) truncate(file, op.offset);
  if (op.kind == DiskOp::Kind::Read && file.coding == Coding::Plain) read(file, op);
  if (op.kind == DiskOp::Kind::Read && file.coding != Coding::Plain) read_coded(file, op);
  if (op.kind == DiskOp::Kind::Close) file.fd.reset();
}

void FileLane::gather(const OpenFilePtr& file) {
  if (file->dirty) return;
  file->dirty = true;
  dirty_.push_back(file);
}

void FileLane::settle() {
  for (const OpenFilePtr& file : dirty_) {
    if (!shared_.dead()) settle(*file);
    file->writes.clear();
    file->sync_tokens.clear();
    file->dirty = false;
  }
  dirty_.clear();
}

void FileLane::settle(OpenFile& file) {
  if (!write_all(file)) return;
  if (file.sync_tokens.empty()) return;
  if (file.reaches_disk && shared_.calls().fdatasync(file.fd.get()) != 0) {
    // Never again: after a failed sync the kernel may call dirty pages clean (hazards R16).
    fail(file, "fdatasync", errno);
    return;
  }
  if (file.lane == Lane::Log) shared_.note_log_sync();
  for (const uint64_t token : file.sync_tokens) {
    Completion done;
    done.kind = Completion::Kind::Synced;
    done.file = file.id;
    done.token = token;
    shared_.post(std::move(done));
  }
}

bool FileLane::write_all(OpenFile& file) {
  size_t first = 0;
  while (first < file.writes.size()) {
    size_t next = first + 1;
    while (next < file.writes.size() && file.writes[next].offset == file.writes[next - 1].end()) {
      ++next;
    }
    if (!write_run(file, first, next - first)) return false;
    first = next;
  }
  return true;
}

bool FileLane::write_run(OpenFile& file, size_t first, size_t count) {
  std::vector<iovec> parts;
  parts.reserve(count);
  for (size_t i = first; i < first + count; ++i) parts.push_back(part_of(file.writes[i].view()));
  const int error = write_parts(shared_.calls(), file.fd.get(), parts, file.writes[first].offset);
  if (error != 0) {
    fail(file, "write", error);
    return false;
  }
  if (file.lane == Lane::Log) {
    shared_.note_logged(file.writes[first + count - 1].end() - file.writes[first].offset);
  }
  return true;
}

void FileLane::preallocate(OpenFile& file, uint64_t offset, uint64_t length) {
  Syscalls& calls = shared_.calls();
  struct stat before = {};
  if (fstat(file.fd.get(), &before) != 0) return fail(file, "fstat", errno);
  Completion done;
  done.kind = Completion::Kind::Preallocated;
  done.file = file.id;
  // The extents first: a full disk shows while nothing is written yet. Then real zeros, so that
  // later writes change no metadata and a small sync needs no second disk write.
  int error = 0;
  const auto from = static_cast<off_t>(offset);
  if (length != 0 && calls.fallocate(file.fd.get(), from, static_cast<off_t>(length)) != 0) {
    error = errno;
  }
  const bool is_set_aside = error == 0;
  if (error == EOPNOTSUPP) error = 0;
  if (error == 0 && !write_zeros(file, offset, length, is_set_aside)) error = errno;
  if (file.failed || shared_.dead()) return;
  if (error != 0) {
    if (calls.ftruncate(file.fd.get(), before.st_size) != 0) return fail(file, "truncate", errno);
    if (!is_disk_full(error)) return fail(file, "preallocate", error);
  }
  done.ok = error == 0;
  shared_.post(std::move(done));
}

// In pieces, each on the disk before the next is given to it: a sync of the log, which goes to the
// same disk, waits for one of them and not for all.
bool FileLane::write_zeros(OpenFile& file, uint64_t offset, uint64_t length, bool is_set_aside) {
  const Bytes zeros(std::min<uint64_t>(length, kZerosSize));
  const auto is_awaited = [&] { return file.is_awaited.load(std::memory_order_relaxed); };
  ZeroPace pace(shared_.logged());
  while (length != 0) {
    while (pace.waits(shared_.logged()) && !is_awaited() && !shared_.hurries() && !shared_.dead()) {
      std::this_thread::sleep_for(kZerosPause);
    }
    if (shared_.dead()) return false;
    if (is_set_aside && is_awaited()) return true;
    const uint64_t size = std::min<uint64_t>(length, zeros.size());
    const bool is_left_out = is_set_aside && pace.leaves_out(shared_.logged());
    if (!is_left_out && !write_zeros_piece(file, offset, ByteView(zeros).first(size))) return false;
    pace.wrote(size, shared_.logged());
    offset += size;
    length -= size;
  }
  return true;
}

bool FileLane::write_zeros_piece(OpenFile& file, uint64_t offset, ByteView zeros) {
  std::vector<iovec> parts{part_of(zeros)};
  errno = write_parts(shared_.calls(), file.fd.get(), parts, offset);
  if (errno != 0) return false;
  if (file.reaches_disk && shared_.calls().fdatasync(file.fd.get()) != 0) {
    fail(file, "fdatasync", errno);
    return false;
  }
  return true;
}

void FileLane::truncate(OpenFile& file, uint64_t size) {
  int result = 0;
  do {
    result = shared_.calls().ftruncate(file.fd.get(), static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail(file, "truncate", errno);
}

void FileLane::read(OpenFile& file, const DiskOp& op) {
  struct stat now = {};
  if (fstat(file.fd.get(), &now) != 0) return fail(file, "fstat", errno);
  const auto size = static_cast<uint64_t>(now.st_size);
  Completion done;
  done.kind = Completion::Kind::Read;
  done.file = file.id;
  done.token = op.token;
  done.offset = op.offset;
  done.bytes = shared_.spare_bytes();
  done.bytes.resize(op.offset < size ? std::min(op.length, size - op.offset) : 0);
  const std::optional<size_t> filled = read_at(file, op.offset, done.bytes);
  if (!filled) return;
  done.bytes.resize(*filled);
  shared_.post(std::move(done));
}

std::optional<size_t> FileLane::read_at(OpenFile& file, uint64_t offset, std::span<Byte> to) {
  size_t filled = 0;
  while (filled < to.size()) {
    const ssize_t n = shared_.calls().pread(file.fd.get(), to.data() + filled, to.size() - filled,
                                            static_cast<off_t>(offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      fail(file, "read", errno);
      return std::nullopt;
    }
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  return filled;
}

// ------------------------------------------------------------------------------------- codings

void FileLane::encode(OpenFile& file, PendingWrite plain) {
  CHECK(file.mode == OpenMode::Create && plain.offset == file.plain_at);
  if (file.encoder == nullptr) file.encoder = make_encoder(file.coding);
  PendingWrite coded;
  coded.offset = file.coded_at;
  file.encoder->put(plain.view(), coded.owned);
  file.plain_at = plain.end();
  file.coded_at = coded.end();
  if (!coded.owned.empty()) file.writes.push_back(std::move(coded));
}

void FileLane::end_coded(OpenFile& file) {
  CHECK(file.mode == OpenMode::Create);
  if (file.encoder == nullptr) file.encoder = make_encoder(file.coding);
  PendingWrite coded;
  coded.offset = file.coded_at;
  file.encoder->end(coded.owned);
  file.coded_at = coded.end();
  if (!coded.owned.empty()) file.writes.push_back(std::move(coded));
}

// Takes of the file no more than is needed for what was asked.
void FileLane::read_coded(OpenFile& file, const DiskOp& op) {
  CHECK(file.mode == OpenMode::Read && (op.offset == file.plain_at || file.at_end));
  if (file.decoder == nullptr) file.decoder = make_decoder(file.coding);
  Completion done;
  done.kind = Completion::Kind::Read;
  done.file = file.id;
  done.token = op.token;
  done.offset = op.offset;
  Bytes piece(kCodedPieceBytes);
  while (done.bytes.size() < op.length && !file.at_end) {
    const size_t room = static_cast<size_t>(op.length) - done.bytes.size();
    const StreamDecoder::State state = file.decoder->take(room, done.bytes);
    if (state == StreamDecoder::State::Damaged) return fail_damaged(file);
    if (state == StreamDecoder::State::Full) continue;
    const std::optional<size_t> got = read_at(file, file.coded_at, piece);
    if (!got) return;
    if (*got == 0) {
      if (!file.decoder->whole()) return fail_damaged(file);
      file.at_end = true;
      break;
    }
    file.coded_at += *got;
    file.decoder->feed(ByteView(piece).first(*got));
  }
  file.plain_at += done.bytes.size();
  shared_.post(std::move(done));
}

void FileLane::fail_damaged(OpenFile& file) {
  CHECK(file.on_error == OnError::Report);
  tell_failed(file, FileError::Damaged);
}

void FileLane::fail(OpenFile& file, const char* operation, int error) {
  if (file.on_error == OnError::Stop) {
    shared_.die(fmt::format("{} of {}", operation, file.name), error);
    return;
  }
  tell_failed(file, file_error(error));
}

void FileLane::tell_failed(OpenFile& file, FileError error) {
  CHECK(!file.failed);
  file.failed = true;
  file.fd.reset();
  Completion done;
  done.kind = Completion::Kind::Failed;
  done.file = file.id;
  done.error = error;
  shared_.post(std::move(done));
}

}  // namespace vivarium
