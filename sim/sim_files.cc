#include "sim/sim_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace vivarium::sim {
namespace {

std::string_view text_of(FileError error) {
  switch (error) {
    case FileError::NotFound:
      return "no such file";
    case FileError::NoSpace:
      return "no space left on device";
    case FileError::Io:
    case FileError::Damaged:
      return "input/output error";
  }
  return "unknown error";
}

}  // namespace

std::string_view name_of(DiskOp op) {
  switch (op) {
    case DiskOp::Open:
      return "open";
    case DiskOp::Write:
      return "write";
    case DiskOp::Preallocate:
      return "preallocate";
    case DiskOp::Truncate:
      return "truncate";
    case DiskOp::Sync:
      return "sync";
    case DiskOp::Read:
      return "read";
    case DiskOp::Rename:
      return "rename";
    case DiskOp::Remove:
      return "remove";
    case DiskOp::SyncDir:
      return "sync of the directory of";
  }
  return "operation";
}

// ---------------------------------------------------------------------------------- handles

SimFiles::Open* SimFiles::find(FileId file) {
  if (file.slot >= opens_.size()) return nullptr;
  Open& open = opens_[file.slot];
  return open.used && open.generation == file.generation ? &open : nullptr;
}

std::string_view SimFiles::name_of(FileId file) const {
  if (file.slot >= opens_.size()) return "?";
  const Open& open = opens_[file.slot];
  return open.used && open.generation == file.generation ? std::string_view(open.name) : "?";
}

Inode SimFiles::inode_of(FileId file) const {
  if (file.slot >= opens_.size()) return kNoInode;
  const Open& open = opens_[file.slot];
  return open.used && open.generation == file.generation ? open.inode : kNoInode;
}

uint32_t SimFiles::take_slot() {
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(opens_.size());
    opens_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Open& open = opens_[slot];
  open.generation += 1;
  open.used = true;
  open.closed = false;
  open.broken = false;
  open.inode = kNoInode;
  open.pending = 0;
  open.fills = 0;
  open.filled = 0;
  return slot;
}

void SimFiles::free_slot(SimDisk& disk, uint32_t slot) {
  Open& open = opens_[slot];
  CHECK(open.used);
  open.used = false;
  if (open.inode != kNoInode) disk.release(open.inode);
  free_slots_.push_back(slot);
}

void SimFiles::end_life() {
  for (uint32_t slot = 0; slot < opens_.size(); ++slot) {
    if (!opens_[slot].used) continue;
    opens_[slot].used = false;
    free_slots_.push_back(slot);
  }
  for (Buffer& buffer : buffers_) buffer.used = false;
  names_ready_.fill(SimTime{});
  reasons_.clear();
  roles_.clear();
  names_count_.fill(0);
  std::erase_if(faults_, [](const DiskFault& fault) { return fault.of_this_life; });
}

uint32_t SimFiles::take_buffer() {
  for (uint32_t i = 0; i < buffers_.size(); ++i) {
    if (!buffers_[i].used) {
      buffers_[i].used = true;
      return i;
    }
  }
  buffers_.emplace_back().used = true;
  return static_cast<uint32_t>(buffers_.size() - 1);
}

uint64_t SimFiles::subject_of(std::string_view name) const {
  const uint64_t role = hash64(as_bytes(name.substr(0, name.find('.'))));
  return uint64_t{host_.value} << 48 | (uint64_t{life_} & 0xffff) << 32 | (role & UINT32_MAX);
}

uint32_t SimFiles::role_of(std::string_view name) {
  const uint64_t subject = subject_of(name);
  const auto found = std::find_if(roles_.begin(), roles_.end(),
                                  [&](const Role& role) { return role.subject == subject; });
  if (found != roles_.end()) return static_cast<uint32_t>(found - roles_.begin());
  roles_.push_back({subject});
  return static_cast<uint32_t>(roles_.size() - 1);
}

Duration SimFiles::delay(Moment& m, const Choice& choice, const Delay& d, Lane lane) {
  const Duration drawn = m.choices.delay(choice, d);
  return drawn * (slowness_ * (lane == Lane::Bulk ? options_.bulk_factor : 1));
}

void SimFiles::answer(Moment& m, FileId file, Happens kind, uint64_t a, uint64_t b, SimTime at) {
  Open& open = opens_[file.slot];
  open.ready = std::max(open.ready, at);
  open.pending += 1;
  m.queue.push(open.ready, {kind, host_, file.slot, file.generation, a, b});
}

SimTime SimFiles::after_names(const SimDisk& disk, Dir dir, SimTime at) {
  SimTime& ready = names_ready_[disk.index(dir)];
  ready = std::max(ready, at);
  return ready;
}

// The error, if a fault is armed for this operation.
std::optional<FileError> SimFiles::verdict(DiskOp op, std::string_view name) {
  for (size_t i = 0; i < faults_.size(); ++i) {
    DiskFault& fault = faults_[i];
    if (fault.op != op || !name.starts_with(fault.name_prefix)) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    const FileError error = fault.error;
    if (fault.times != UINT32_MAX && --fault.times == 0) {
      faults_.erase(faults_.begin() + static_cast<ptrdiff_t>(i));
    }
    return error;
  }
  return std::nullopt;
}

// The write just taken meets the first quiet fault that is due for it.
void SimFiles::spoil_write(SimDisk& disk, const Open& open) {
  for (size_t i = 0; i < quiet_faults_.size(); ++i) {
    QuietFault& fault = quiet_faults_[i];
    if (!open.name.starts_with(fault.name_prefix)) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    const bool done = fault.shift_bytes == 0 ? disk.lose_write(open.inode)
                                             : disk.misdirect_write(open.inode, fault.shift_bytes);
    if (!done) continue;  // it would land outside of the file: the next write may do
    quiet_faults_.erase(quiet_faults_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void SimFiles::fail(Moment& m, FileId file, FileError error, std::string_view what) {
  Open& open = opens_[file.slot];
  open.broken = true;
  reasons_.push_back(fmt::format("{} {}: {}", what, open.name, text_of(error)));
  answer(m, file, Happens::FileFailed, static_cast<uint64_t>(error), reasons_.size() - 1, m.now);
}

void SimFiles::fail_dir(Moment& m, Dir dir, FileError error, std::string_view what) {
  reasons_.push_back(fmt::format("{}: {}", what, text_of(error)));
  m.queue.push(m.now, {Happens::DirFailed, host_, static_cast<uint32_t>(dir), life_, 0,
                       reasons_.size() - 1});
}

// ---------------------------------------------------------------------------------- operations

FileId SimFiles::open(Moment& m, SimDisk& disk, Dir dir, std::string_view name, OpenMode mode,
                      Lane lane, OnError on_error) {
  const uint32_t slot = take_slot();
  Open& open = opens_[slot];
  open.on_error = on_error;
  open.lane = lane;
  open.dir = dir;
  open.name.assign(name);
  open.role = role_of(name);
  open.written = false;
  Role& role = roles_[open.role];
  const FileId file{slot, open.generation};
  open.nth = static_cast<uint32_t>(role.opens++);
  const Duration took =
      delay(m, {ChoiceKind::OpenDelay, role.subject, 0, open.nth}, options_.open, lane);
  open.ready = after_names(disk, dir, m.now + took);
  if (const auto error = verdict(DiskOp::Open, name)) {
    fail(m, file, *error, "open");
    return file;
  }
  Inode inode = disk.find(dir, name);
  if (inode == kNoInode && mode == OpenMode::Read) {
    fail(m, file, FileError::NotFound, "open");
    return file;
  }
  if (inode == kNoInode) {
    inode = disk.create(dir, name, m.now);
  } else if (mode == OpenMode::Create) {
    disk.truncate(inode, 0, m.now);
  }
  open.inode = inode;
  disk.hold(inode);
  answer(m, file, Happens::FileOpened, disk.file(inode).cached.size, disk.last_sequence(),
         open.ready);
  return file;
}

void SimFiles::write(Moment& m, SimDisk& disk, FileId file, uint64_t offset, ByteView bytes) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed) return;
  open->written = true;
  if (const auto error = verdict(DiskOp::Write, open->name)) {
    return fail(m, file, *error, "write");
  }
  const uint64_t end = offset + bytes.size();
  if (!disk.fits(open->inode, end)) return fail(m, file, FileError::NoSpace, "write");
  disk.write(open->inode, offset, bytes, m.now);
  if (!quiet_faults_.empty()) spoil_write(disk, *open);
}

void SimFiles::preallocate(Moment& m, SimDisk& disk, FileId file, uint64_t offset,
                           uint64_t length) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed) return;
  open->written = true;
  const auto error = verdict(DiskOp::Preallocate, open->name);
  if (error && *error != FileError::NoSpace) return fail(m, file, *error, "preallocate");
  const bool ok = !error && disk.fits(open->inode, offset + length);
  if (ok) disk.zero_fill(open->inode, offset, length, m.now);
  Role& role = roles_[open->role];
  const uint64_t nth = role.fills++;
  const Choice taken{ChoiceKind::OpenDelay, role.subject, 1, nth};
  const Choice zeros{ChoiceKind::OpenDelay, role.subject, 3, nth};
  const Duration took = delay(m, taken, options_.preallocate, open->lane) +
                        delay(m, zeros, options_.zeros, open->lane);
  open->fills += 1;
  open->fill_ok = ok;
  open->hurried = false;
  const uint64_t which = uint64_t{open->fills} << 1;
  answer(m, file, Happens::Preallocated, which | (ok ? 1 : 0), disk.last_sequence(), m.now + took);
}

// A second answer on its way; the one that comes later says nothing.
void SimFiles::hurry(Moment& m, SimDisk& disk, FileId file) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed || open->hurried) return;
  if (open->fills != open->filled + 1 || open->pending != 1) return;  // others wait behind it
  open->hurried = true;
  const uint64_t which = uint64_t{open->fills} << 1;
  Role& role = roles_[open->role];
  const Choice choice{ChoiceKind::OpenDelay, role.subject, 4, role.hurries++};
  const Duration took = delay(m, choice, options_.preallocate, open->lane);
  open->ready = std::max(m.now, std::min(open->ready, m.now + took));
  open->pending += 1;
  m.queue.push(open->ready, {Happens::Preallocated, host_, file.slot, file.generation,
                             which | (open->fill_ok ? 1 : 0), disk.last_sequence()});
}

void SimFiles::truncate(Moment& m, SimDisk& disk, FileId file, uint64_t size) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed) return;
  open->written = true;
  if (const auto error = verdict(DiskOp::Truncate, open->name)) {
    return fail(m, file, *error, "truncate");
  }
  if (!disk.fits(open->inode, size)) return fail(m, file, FileError::NoSpace, "truncate");
  disk.truncate(open->inode, size, m.now);
}

void SimFiles::sync(Moment& m, SimDisk& disk, FileId file, uint64_t token) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed) return;
  Role& role = roles_[open->role];
  const uint64_t nth = role.syncs++;
  const Choice choice{ChoiceKind::SyncDelay, role.subject, 0, nth};
  const SimTime at = m.now + delay(m, choice, options_.sync, open->lane);
  if (const auto error = verdict(DiskOp::Sync, open->name)) {
    // What a failed sync should have written stays dirty, or is forgotten (as Linux does).
    const bool forgotten = m.choices.chance({ChoiceKind::FailedSync, role.subject, 0, nth}, 1, 2);
    answer(m, file, Happens::SyncFailed, forgotten ? 1 : 0, disk.last_sequence(), at);
    return fail(m, file, *error, "sync");
  }
  answer(m, file, Happens::Synced, token, disk.last_sequence(), at);
}

void SimFiles::read(Moment& m, SimDisk& disk, FileId file, uint64_t offset, uint64_t length,
                    uint64_t token) {
  Open* open = find(file);
  if (open == nullptr || open->broken || open->closed) return;
  if (const auto error = verdict(DiskOp::Read, open->name)) return fail(m, file, *error, "read");
  const uint32_t at = take_buffer();
  Buffer& buffer = buffers_[at];
  buffer.token = token;
  buffer.offset = offset;
  // Later writes must not show: a read happens in its place.
  disk.file(open->inode).cached.read(offset, length, buffer.bytes);
  const Choice choice{ChoiceKind::ReadDelay, roles_[open->role].subject, open->nth, offset};
  answer(m, file, Happens::ReadDone, token, at,
         m.now + delay(m, choice, options_.read, open->lane));
}

void SimFiles::close(SimDisk& disk, FileId file) {
  Open* open = find(file);
  if (open == nullptr || open->closed) return;
  open->closed = true;
  if (open->pending == 0) free_slot(disk, file.slot);
}

void SimFiles::rename(Moment& m, SimDisk& disk, Dir dir, std::string_view from,
                      std::string_view to) {
  if (const auto error = verdict(DiskOp::Rename, from)) {
    return fail_dir(m, dir, *error, fmt::format("rename {} to {}", from, to));
  }
  if (!disk.rename(dir, from, to, m.now)) {
    fail_dir(m, dir, FileError::NotFound, fmt::format("rename {} to {}", from, to));
  }
}

void SimFiles::remove(Moment& m, SimDisk& disk, Dir dir, std::string_view name) {
  if (const auto error = verdict(DiskOp::Remove, name)) {
    return fail_dir(m, dir, *error, fmt::format("remove {}", name));
  }
  disk.remove(dir, name, m.now);
}

void SimFiles::sync_dir(Moment& m, SimDisk& disk, Dir dir, uint64_t token, Lane lane) {
  if (const auto error = verdict(DiskOp::SyncDir, "")) {
    return fail_dir(m, dir, *error, "sync of a directory");
  }
  const size_t index = disk.index(dir);
  const Choice choice{ChoiceKind::NameDelay, subject_of(""), index, names_count_[index]++};
  const Duration took = delay(m, choice, options_.names, lane);
  m.queue.push(
      after_names(disk, dir, m.now + took),
      {Happens::DirSynced, host_, static_cast<uint32_t>(dir), life_, token, disk.last_sequence()});
}

void SimFiles::list(Moment& m, SimDisk& disk, Dir dir, uint64_t token) {
  const uint32_t at = take_buffer();
  buffers_[at].token = disk.last_sequence();
  buffers_[at].entries = disk.list(dir, SimDisk::Image::Cached);
  const size_t index = disk.index(dir);
  const Choice choice{ChoiceKind::NameDelay, subject_of(""), index, names_count_[index]++};
  const Duration took = delay(m, choice, options_.names, Lane::Log);
  m.queue.push(after_names(disk, dir, m.now + took),
               {Happens::DirListed, host_, static_cast<uint32_t>(dir), life_, token, at});
}

// ---------------------------------------------------------------------------------- completions

SimFiles::Outcome SimFiles::carry_out(SimDisk& disk, const Happening& happening) {
  const bool directory = happening.kind == Happens::DirSynced ||
                         happening.kind == Happens::DirListed ||
                         happening.kind == Happens::DirFailed;
  if (directory) {
    if (happening.generation != life_) return Outcome::Nothing;
    const Dir dir = static_cast<Dir>(happening.slot);
    if (happening.kind == Happens::DirFailed) {
      stop_reason_ = reasons_[happening.b];
      return Outcome::Stop;
    }
    if (happening.kind == Happens::DirSynced) {
      disk.sync_dir(dir, happening.b);
    } else {
      disk.dir_executed(dir, buffers_[happening.b].token);
    }
    return Outcome::Report;
  }

  Open* open = find({happening.slot, happening.generation});
  if (open == nullptr) return Outcome::Nothing;
  const Outcome report = open->closed ? Outcome::Nothing : Outcome::Report;
  const Happens kind = happening.kind;
  if (kind == Happens::FileFailed) {
    // A file that is not there is an answer, not a failure of the disk.
    if (open->on_error == OnError::Report ||
        happening.a == static_cast<uint64_t>(FileError::NotFound)) {
      return report;
    }
    stop_reason_ = reasons_[happening.b];
    return Outcome::Stop;
  }
  if (kind == Happens::SyncFailed) {
    disk.executed(open->inode, happening.b);
    if (happening.a != 0) disk.forget_dirty(open->inode, happening.b);
    return Outcome::Nothing;
  }
  if (kind == Happens::Synced) {
    disk.sync(open->inode, happening.b);
  } else if (kind == Happens::FileOpened) {
    disk.dir_executed(open->dir, happening.b);
    disk.executed(open->inode, happening.b);
  } else if (kind == Happens::Preallocated) {
    if (happening.a >> 1 <= open->filled) return Outcome::Nothing;
    open->filled += 1;
    disk.executed(open->inode, happening.b);
  } else {
    CHECK(kind == Happens::ReadDone);
  }
  return report;
}

ReadDone SimFiles::read_done(const Happening& happening) const {
  const Buffer& buffer = buffers_[happening.b];
  return {{happening.slot, happening.generation}, buffer.token, buffer.offset, buffer.bytes};
}

DirListed SimFiles::listed(const Happening& happening) const {
  return {static_cast<Dir>(happening.slot), happening.a, &buffers_[happening.b].entries};
}

void SimFiles::delivered(SimDisk& disk, const Happening& happening) {
  if (happening.kind == Happens::DirSynced || happening.kind == Happens::DirFailed) return;
  if (happening.kind == Happens::DirListed) {
    if (happening.generation == life_) buffers_[happening.b].used = false;
    return;
  }
  Open* open = find({happening.slot, happening.generation});
  if (open == nullptr) return;
  if (happening.kind == Happens::ReadDone) buffers_[happening.b].used = false;
  CHECK(open->pending > 0);
  open->pending -= 1;
  if (open->pending == 0 && (open->closed || happening.kind == Happens::FileFailed)) {
    free_slot(disk, happening.slot);
  }
}

}  // namespace vivarium::sim
