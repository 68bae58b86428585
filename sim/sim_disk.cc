#include "sim/sim_disk.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/random.h"

namespace vivarium::sim {
namespace {

constexpr Byte kZeroSector[kSectorBytes] = {};

std::vector<NameEntry>::iterator position(std::vector<NameEntry>& names, std::string_view name) {
  return std::lower_bound(names.begin(), names.end(), name,
                          [](const NameEntry& e, std::string_view n) { return e.name < n; });
}

Inode find_in(const std::vector<NameEntry>& names, std::string_view name) {
  for (const NameEntry& entry : names) {
    if (entry.name == name) return entry.inode;
  }
  return kNoInode;
}

void insert_into(std::vector<NameEntry>& names, std::string_view name, Inode inode) {
  const auto at = position(names, name);
  if (at != names.end() && at->name == name) {
    at->inode = inode;
  } else {
    names.insert(at, {std::string(name), inode});
  }
}

bool erase_from(std::vector<NameEntry>& names, std::string_view name) {
  const auto at = position(names, name);
  if (at == names.end() || at->name != name) return false;
  names.erase(at);
  return true;
}

// Whether a name leads to the file now, or would after a power loss.
bool has_name(const std::array<SimDirectory, kDirs>& dirs, Inode inode) {
  const auto leads = [inode](const auto& entry) { return entry.inode == inode; };
  return std::any_of(dirs.begin(), dirs.end(), [&](const SimDirectory& d) {
    return std::any_of(d.cached.begin(), d.cached.end(), leads) ||
           std::any_of(d.durable.begin(), d.durable.end(), leads) ||
           std::any_of(d.ops.begin(), d.ops.end(), leads);
  });
}

// The file is free for another, with its buffers. Returns the bytes that it took.
uint64_t forget(SimFile& file) {
  const uint64_t size = file.cached.size;
  file.used = false;
  file.executed = 0;
  file.cached.data.clear();
  file.cached.size = 0;
  file.durable.data.clear();
  file.durable.size = 0;
  file.ops.clear();
  file.payloads.clear();
  return size;
}

}  // namespace

// ---------------------------------------------------------------------------------- FileImage

void FileImage::reach(uint64_t end) {
  const uint64_t whole = sector_ceil(end);
  if (whole <= data.size()) return;
  if (whole > data.capacity()) data.reserve(std::max<uint64_t>({whole, 4096, 2 * data.capacity()}));
  data.resize(whole);
}

void FileImage::store(uint64_t offset, ByteView bytes) {
  if (bytes.empty()) return;
  reach(offset + bytes.size());
  std::memcpy(data.data() + offset, bytes.data(), bytes.size());
}

void FileImage::resize(uint64_t new_size) {
  if (new_size < data.size()) {
    data.resize(sector_ceil(new_size));
    if (new_size < data.size()) std::memset(data.data() + new_size, 0, data.size() - new_size);
  }
  size = new_size;
}

void FileImage::read(uint64_t offset, uint64_t length, Bytes& out) const {
  out.clear();
  if (offset >= size) return;
  const uint64_t end = offset + std::min(length, size - offset);
  const uint64_t stored_end = std::min<uint64_t>(end, data.size());
  if (offset < stored_end) {
    out.assign(data.begin() + static_cast<ptrdiff_t>(offset),
               data.begin() + static_cast<ptrdiff_t>(stored_end));
  }
  out.resize(end - offset);
}

Bytes FileImage::bytes() const {
  Bytes out;
  read(0, size, out);
  return out;
}

uint64_t FileImage::hash() const {
  size_t used = data.size();
  while (used >= kSectorBytes &&
         std::memcmp(data.data() + used - kSectorBytes, kZeroSector, kSectorBytes) == 0) {
    used -= kSectorBytes;
  }
  return hash64({data.data(), used}, size);
}

bool FileImage::operator==(const FileImage& o) const {
  if (size != o.size) return false;
  const FileImage& longer = data.size() >= o.data.size() ? *this : o;
  const FileImage& shorter = data.size() >= o.data.size() ? o : *this;
  const size_t common = shorter.data.size();
  if (common != 0 && std::memcmp(longer.data.data(), shorter.data.data(), common) != 0)
    return false;
  return std::all_of(longer.data.begin() + static_cast<ptrdiff_t>(common), longer.data.end(),
                     [](Byte b) { return b == 0; });
}

// ---------------------------------------------------------------------------------- looking

bool SimDisk::durable_name(Dir dir, Inode inode, std::string_view prefix) const {
  const std::vector<NameEntry>& names = dirs_[index(dir)].durable;
  return std::any_of(names.begin(), names.end(), [&](const NameEntry& e) {
    return e.inode == inode && std::string_view(e.name).substr(0, prefix.size()) == prefix;
  });
}

Inode SimDisk::find(Dir dir, std::string_view name) const {
  return find_in(dirs_[index(dir)].cached, name);
}

std::vector<DirEntry> SimDisk::list(Dir dir, Image image) const {
  const SimDirectory& directory = dirs_[index(dir)];
  const auto& names = image == Image::Cached ? directory.cached : directory.durable;
  std::vector<DirEntry> out;
  out.reserve(names.size());
  for (const NameEntry& entry : names) {
    const SimFile& file = files_[entry.inode];
    out.push_back({entry.name, image == Image::Cached ? file.cached.size : file.durable.size});
  }
  return out;
}

std::optional<Bytes> SimDisk::content(Dir dir, std::string_view name, Image image) const {
  const SimDirectory& directory = dirs_[index(dir)];
  const Inode inode = find_in(image == Image::Cached ? directory.cached : directory.durable, name);
  if (inode == kNoInode) return std::nullopt;
  return image == Image::Cached ? files_[inode].cached.bytes() : files_[inode].durable.bytes();
}

uint64_t SimDisk::hash(Image image) const {
  uint64_t h = 0;
  for (const SimDirectory& directory : dirs_) {
    const auto& names = image == Image::Cached ? directory.cached : directory.durable;
    if (&directory == &dirs_[index(Dir::Config)] && names.empty()) continue;  // as if it were not
    h = hash_combine(h, names.size());
    for (const NameEntry& entry : names) {
      const SimFile& file = files_[entry.inode];
      h = hash64(as_bytes(entry.name), h);
      h = hash_combine(h, image == Image::Cached ? file.cached.hash() : file.durable.hash());
    }
  }
  return h;
}

size_t SimDisk::unsynced_operations() const {
  size_t count = 0;
  for (const SimDirectory& directory : dirs_) count += directory.ops.size();
  for (const SimFile& file : files_) {
    if (file.used) count += file.ops.size();
  }
  return count;
}

// ---------------------------------------------------------------------------------- damaging

SimFile* SimDisk::lookup(Dir dir, std::string_view name) {
  const Inode inode = find(dir, name);
  return inode == kNoInode ? nullptr : &files_[inode];
}

void SimDisk::put(Dir dir, std::string_view name, ByteView bytes) {
  SimDirectory& directory = dirs_[index(dir)];
  const Inode inode = allocate();
  SimFile& file = files_[inode];
  file.cached.size = bytes.size();
  file.cached.store(0, bytes);
  file.durable = file.cached;
  used_bytes_ += bytes.size();
  insert_into(directory.cached, name, inode);
  insert_into(directory.durable, name, inode);
  collect();
}

bool SimDisk::erase(Dir dir, std::string_view name) {
  SimDirectory& directory = dirs_[index(dir)];
  const bool cached = erase_from(directory.cached, name);
  const bool durable = erase_from(directory.durable, name);
  collect();
  return cached || durable;
}

void SimDisk::wipe() {
  for (const SimFile& file : files_) CHECK(file.handles == 0);
  const uint64_t capacity = capacity_;
  *this = SimDisk(logs_apart_);
  capacity_ = capacity;
}

void SimDisk::wipe_data() {
  std::vector<std::pair<std::string, Bytes>> kept;
  for (const DirEntry& entry : list(Dir::Config, Image::Cached)) {
    kept.emplace_back(entry.name, *content(Dir::Config, entry.name, Image::Cached));
  }
  wipe();
  for (const auto& [name, bytes] : kept) put(Dir::Config, name, bytes);
}

bool SimDisk::wipe_logs() {
  if (!logs_apart_) return false;
  for (const Image image : {Image::Cached, Image::Durable}) {
    for (const DirEntry& entry : list(Dir::Logs, image)) erase(Dir::Logs, entry.name);
  }
  return true;
}

bool SimDisk::flip_bit(Dir dir, std::string_view name, uint64_t bit, bool durable_only) {
  SimFile* file = lookup(dir, name);
  if (file == nullptr) return false;
  const auto flip = [bit](FileImage& image) {
    if (bit / 8 >= image.size) return false;
    Bytes byte;
    image.read(bit / 8, 1, byte);
    byte[0] = static_cast<Byte>(byte[0] ^ (1U << (bit % 8)));
    image.store(bit / 8, byte);
    return true;
  };
  if (!flip(file->durable)) return false;
  if (!durable_only) flip(file->cached);
  return true;
}

bool SimDisk::zero_sector(Dir dir, std::string_view name, uint64_t sector, bool durable_only) {
  SimFile* file = lookup(dir, name);
  if (file == nullptr) return false;
  const auto zero = [sector](FileImage& image) {
    if (sector * kSectorBytes >= image.size) return false;
    image.store(sector * kSectorBytes, kZeroSector);
    return true;
  };
  if (!zero(file->durable)) return false;
  if (!durable_only) zero(file->cached);
  return true;
}

bool SimDisk::garble_sector(Dir dir, std::string_view name, uint64_t sector, uint64_t seed,
                            bool durable_only) {
  SimFile* file = lookup(dir, name);
  if (file == nullptr) return false;
  Bytes junk(kSectorBytes);
  Random random(seed);
  for (Byte& byte : junk) byte = static_cast<Byte>(random.next());
  const auto garble = [sector, &junk](FileImage& image) {
    if (sector * kSectorBytes >= image.size) return false;
    const uint64_t length = std::min(kSectorBytes, image.size - sector * kSectorBytes);
    image.store(sector * kSectorBytes, ByteView(junk).first(length));
    return true;
  };
  if (!garble(file->durable)) return false;
  if (!durable_only) garble(file->cached);
  return true;
}

bool SimDisk::lose_write(Dir dir, std::string_view name) {
  const Inode inode = find(dir, name);
  return inode != kNoInode && lose_write(inode);
}

bool SimDisk::misdirect_write(Dir dir, std::string_view name, int64_t shift_bytes) {
  const Inode inode = find(dir, name);
  return inode != kNoInode && misdirect_write(inode, shift_bytes);
}

bool SimDisk::lose_write(Inode inode) {
  SimFile& file = files_[inode];
  for (size_t i = file.ops.size(); i-- > 0;) {
    if (file.ops[i].kind != FileOpKind::Data) continue;
    file.ops[i].lost = true;
    return true;
  }
  return false;
}

bool SimDisk::misdirect_write(Inode inode, int64_t shift_bytes) {
  SimFile& file = files_[inode];
  if (shift_bytes % static_cast<int64_t>(kSectorBytes) != 0) return false;
  for (size_t i = file.ops.size(); i-- > 0;) {
    FileOp& op = file.ops[i];
    if (op.kind != FileOpKind::Data) continue;
    const int64_t lands = static_cast<int64_t>(op.offset) + shift_bytes;
    if (lands < 0 || static_cast<uint64_t>(lands) + op.length > sector_ceil(file.cached.size)) {
      return false;
    }
    op.shift = shift_bytes;
    return true;
  }
  return false;
}

// ---------------------------------------------------------------------------------- names

Inode SimDisk::allocate() {
  for (Inode i = 0; i < files_.size(); ++i) {
    if (!files_[i].used) {
      files_[i].used = true;
      return i;
    }
  }
  files_.emplace_back().used = true;
  return static_cast<Inode>(files_.size() - 1);
}

Inode SimDisk::create(Dir dir, std::string_view name, SimTime now) {
  SimDirectory& directory = dirs_[index(dir)];
  CHECK(find_in(directory.cached, name) == kNoInode);
  const Inode inode = allocate();
  directory.ops.push_back(
      {NameOpKind::Create, ++sequence_, now, std::string(name), std::string(), inode});
  insert_into(directory.cached, name, inode);
  return inode;
}

bool SimDisk::rename(Dir dir, std::string_view from, std::string_view to, SimTime now) {
  SimDirectory& directory = dirs_[index(dir)];
  if (find_in(directory.cached, from) == kNoInode) return false;
  directory.ops.push_back(
      {NameOpKind::Rename, ++sequence_, now, std::string(from), std::string(to), kNoInode});
  return apply(directory.cached, directory.ops.back());
}

bool SimDisk::remove(Dir dir, std::string_view name, SimTime now) {
  SimDirectory& directory = dirs_[index(dir)];
  if (find_in(directory.cached, name) == kNoInode) return false;
  directory.ops.push_back(
      {NameOpKind::Remove, ++sequence_, now, std::string(name), std::string(), kNoInode});
  return apply(directory.cached, directory.ops.back());
}

// False, and nothing done, when the name that the operation starts from is not there.
bool SimDisk::apply(std::vector<NameEntry>& names, const NameOp& op) {
  switch (op.kind) {
    case NameOpKind::Create:
      insert_into(names, op.name, op.inode);
      return true;
    case NameOpKind::Rename: {
      const Inode inode = find_in(names, op.name);
      if (inode == kNoInode) return false;
      if (op.name == op.to) return true;
      erase_from(names, op.name);
      insert_into(names, op.to, inode);
      return true;
    }
    case NameOpKind::Remove:
      return erase_from(names, op.name);
  }
  return false;
}

void SimDisk::sync_dir(Dir dir, uint64_t sequence) {
  SimDirectory& directory = dirs_[index(dir)];
  size_t count = 0;
  for (const NameOp& op : directory.ops) {
    if (op.sequence > sequence) break;
    apply(directory.durable, op);
    ++count;
  }
  if (count == 0) return;
  directory.ops.erase(directory.ops.begin(), directory.ops.begin() + static_cast<ptrdiff_t>(count));
  collect();
}

// ---------------------------------------------------------------------------------- contents

FileOp& SimDisk::add_op(SimFile& file, FileOpKind kind, SimTime now) {
  FileOp& op = file.ops.emplace_back();
  op.kind = kind;
  op.sequence = ++sequence_;
  op.issued = now;
  return op;
}

// The sectors of [first, end) as the cache holds them now.
void SimDisk::add_data_op(SimFile& file, uint64_t first, uint64_t end, SimTime now) {
  FileOp& op = add_op(file, FileOpKind::Data, now);
  op.offset = first / kSectorBytes * kSectorBytes;
  op.length = sector_ceil(end) - op.offset;
  op.payload = file.payloads.size();
  const Bytes& data = file.cached.data;
  CHECK(op.offset + op.length <= data.size());
  const auto from = data.begin() + static_cast<ptrdiff_t>(op.offset);
  file.payloads.insert(file.payloads.end(), from, from + static_cast<ptrdiff_t>(op.length));
}

void SimDisk::resize_cached(SimFile& file, uint64_t size) {
  used_bytes_ = used_bytes_ - file.cached.size + size;
  file.cached.resize(size);
}

bool SimDisk::fits(Inode inode, uint64_t end) const {
  const uint64_t size = files_[inode].cached.size;
  return end <= size || end - size <= free_bytes();
}

void SimDisk::write(Inode inode, uint64_t offset, ByteView bytes, SimTime now) {
  SimFile& file = files_[inode];
  CHECK(file.used);
  if (bytes.empty()) return;
  const uint64_t end = offset + bytes.size();
  if (end > file.cached.size) {
    resize_cached(file, end);
    add_op(file, FileOpKind::Extend, now).offset = end;
  }
  file.cached.store(offset, bytes);
  add_data_op(file, offset, end, now);
}

void SimDisk::zero_fill(Inode inode, uint64_t offset, uint64_t length, SimTime now) {
  SimFile& file = files_[inode];
  CHECK(file.used);
  const uint64_t end = offset + length;
  // Only what was stored before has to be overwritten: what is not stored is zeros already.
  const uint64_t stored_end = std::min<uint64_t>(end, file.cached.data.size());
  if (offset < stored_end) {
    std::memset(file.cached.data.data() + offset, 0, stored_end - offset);
    add_data_op(file, offset, stored_end, now);
  }
  if (end > file.cached.size) {
    resize_cached(file, end);
    add_op(file, FileOpKind::Extend, now).offset = end;
  }
}

void SimDisk::truncate(Inode inode, uint64_t size, SimTime now) {
  SimFile& file = files_[inode];
  CHECK(file.used);
  if (size == file.cached.size) return;
  add_op(file, size < file.cached.size ? FileOpKind::Truncate : FileOpKind::Extend, now).offset =
      size;
  resize_cached(file, size);
}

void SimDisk::apply(FileImage& image, const FileOp& op, const Bytes& payloads) {
  switch (op.kind) {
    case FileOpKind::Data: {
      if (op.lost) return;
      const uint64_t at = static_cast<uint64_t>(static_cast<int64_t>(op.offset) + op.shift);
      image.store(at, ByteView(payloads).subspan(op.payload, op.length));
      if (op.shift != 0) image.resize(image.size);
      return;
    }
    case FileOpKind::Extend:
      image.size = std::max(image.size, op.offset);
      return;
    case FileOpKind::Truncate:
      image.resize(std::min(image.size, op.offset));
      return;
  }
}

// Forgets the first `count` operations and their payloads.
void SimDisk::drop_ops(SimFile& file, size_t count) {
  if (count == file.ops.size()) {
    file.ops.clear();
    file.payloads.clear();
    return;
  }
  size_t payload = file.payloads.size();
  for (size_t i = count; i < file.ops.size(); ++i) {
    if (file.ops[i].kind == FileOpKind::Data) {
      payload = file.ops[i].payload;
      break;
    }
  }
  file.ops.erase(file.ops.begin(), file.ops.begin() + static_cast<ptrdiff_t>(count));
  for (FileOp& op : file.ops) {
    if (op.kind == FileOpKind::Data) op.payload -= payload;
  }
  file.payloads.erase(file.payloads.begin(),
                      file.payloads.begin() + static_cast<ptrdiff_t>(payload));
}

void SimDisk::sync(Inode inode, uint64_t sequence) {
  SimFile& file = files_[inode];
  size_t count = 0;
  for (const FileOp& op : file.ops) {
    if (op.sequence > sequence) break;
    apply(file.durable, op, file.payloads);
    ++count;
  }
  if (count != 0) drop_ops(file, count);
}

void SimDisk::forget_dirty(Inode inode, uint64_t sequence) {
  SimFile& file = files_[inode];
  size_t count = 0;
  // Metadata is the journal's: it stays to be written with the next sync.
  std::vector<FileOp> kept;
  for (const FileOp& op : file.ops) {
    if (op.sequence > sequence) break;
    ++count;
    if (op.kind != FileOpKind::Data) kept.push_back(op);
  }
  drop_ops(file, count);
  file.ops.insert(file.ops.begin(), kept.begin(), kept.end());
}

void SimDisk::executed(Inode inode, uint64_t sequence) {
  files_[inode].executed = std::max(files_[inode].executed, sequence);
}

void SimDisk::dir_executed(Dir dir, uint64_t sequence) {
  SimDirectory& directory = dirs_[index(dir)];
  directory.executed = std::max(directory.executed, sequence);
}

void SimDisk::release(Inode inode) {
  CHECK(files_[inode].handles > 0);
  SimFile& file = files_[inode];
  if (--file.handles == 0 && !has_name(dirs_, inode)) used_bytes_ -= forget(file);
}

// Frees the files that no name, handle or unsynced operation can reach. Buffers are kept.
void SimDisk::collect() {
  for (Inode i = 0; i < files_.size(); ++i) {
    SimFile& file = files_[i];
    if (!file.used || file.handles != 0 || has_name(dirs_, i)) continue;
    used_bytes_ -= forget(file);
  }
}

}  // namespace vivarium::sim
