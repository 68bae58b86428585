// The disk of one host as a value: for every file and directory the image that processes see
// (cached) apart from the one that survives power loss (durable), and between them the operations
// that no sync has covered yet. Timing, handles and errors are in sim_files.h; which of the
// unsynced operations a crash keeps is decided in crash.h. Contents are kept in sectors of 512
// bytes; zeros at a file's end cost nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/event.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

inline constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t sector_ceil(uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

// What a file holds. `data` is whole sectors, and what lies beyond it up to `size` is zeros; `data`
// beyond `size` is zeros too.
struct FileImage {
  Bytes data;
  uint64_t size = 0;

  // Stores without changing the size: the caller sees to it that offset + bytes.size() <= size.
  void store(uint64_t offset, ByteView bytes);
  void resize(uint64_t new_size);
  void read(uint64_t offset, uint64_t length, Bytes& out) const;
  Bytes bytes() const;
  uint64_t hash() const;
  bool operator==(const FileImage& o) const;

 private:
  void reach(uint64_t end);
};

using Inode = uint32_t;
inline constexpr Inode kNoInode = UINT32_MAX;

// Data: whole sectors as the cache holds them after the operation. Extend: the size grows, zeros.
// Truncate: the size shrinks.
enum class FileOpKind : uint8_t { Data, Extend, Truncate };
struct FileOp {
  FileOpKind kind{};
  bool lost = false;      // the disk says it wrote, and did not
  uint64_t sequence = 0;  // over the whole disk
  SimTime issued;
  uint64_t offset = 0;  // of the first sector; the new size for Extend and Truncate
  uint64_t length = 0;  // of the payload
  size_t payload = 0;   // where it begins in SimFile::payloads
  int64_t shift = 0;    // a misdirected write lands this far off
};

struct SimFile {
  bool used = false;
  uint32_t handles = 0;
  uint64_t executed = 0;  // operations up to here have certainly reached the cache
  FileImage cached;
  FileImage durable;
  std::vector<FileOp> ops;  // unsynced, in order
  Bytes payloads;
};

enum class NameOpKind : uint8_t { Create, Rename, Remove };
struct NameOp {
  NameOpKind kind{};
  uint64_t sequence = 0;
  SimTime issued;
  std::string name;
  std::string to;          // Rename
  Inode inode = kNoInode;  // Create
};

struct NameEntry {
  std::string name;
  Inode inode = kNoInode;
};

struct SimDirectory {
  std::vector<NameEntry> cached;  // sorted by name
  std::vector<NameEntry> durable;
  std::vector<NameOp> ops;  // unsynced, in order
  uint64_t executed = 0;
};

class SimDisk {
 public:
  static constexpr uint64_t kNoLimit = uint64_t{1} << 40;
  // Snapshots and Logs are one directory unless `logs_apart`.
  explicit SimDisk(bool logs_apart = false) : logs_apart_(logs_apart) {}
  bool logs_apart() const { return logs_apart_; }

  // --- for looking. Images: Cached is what a restarted process would read, Durable what is safe
  // now.
  enum class Image : uint8_t { Cached, Durable };
  std::vector<DirEntry> list(Dir dir, Image image) const;
  std::optional<Bytes> content(Dir dir, std::string_view name, Image image) const;
  // Whether a durable name that begins with `prefix` leads to the file.
  bool durable_name(Dir dir, Inode inode, std::string_view prefix) const;
  // Over names, sizes and contents of all directories.
  uint64_t hash(Image image) const;
  // Operations that a power loss now could lose.
  size_t unsynced_operations() const;

  // --- for damaging and preparing; at once and durable. False: no such file, or beyond its end.
  void put(Dir dir, std::string_view name, ByteView bytes);
  bool erase(Dir dir, std::string_view name);
  void wipe();
  // All but the directory of zoo.cfg, which is a person's.
  void wipe_data();
  // All of one directory. False: it is not a directory of its own.
  bool wipe_logs();
  // `durable_only`: the cache still shows the old content, until power is lost.
  bool flip_bit(Dir dir, std::string_view name, uint64_t bit, bool durable_only = false);
  bool zero_sector(Dir dir, std::string_view name, uint64_t sector, bool durable_only = false);
  bool garble_sector(Dir dir, std::string_view name, uint64_t sector, uint64_t seed,
                     bool durable_only = false);
  // The last unsynced write of the file: synced as if well, but not (or elsewhere) on the disk. See
  // SimFiles::arm for the next one.
  bool lose_write(Dir dir, std::string_view name);
  bool misdirect_write(Dir dir, std::string_view name, int64_t shift_bytes);
  bool lose_write(Inode inode);
  bool misdirect_write(Inode inode, int64_t shift_bytes);

  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t free_bytes() const { return used_bytes_ < capacity_ ? capacity_ - used_bytes_ : 0; }

  // --- operations, on the cached image and on the list of what is unsynced.
  uint64_t last_sequence() const { return sequence_; }
  Inode find(Dir dir, std::string_view name) const;
  Inode create(Dir dir, std::string_view name, SimTime now);
  bool rename(Dir dir, std::string_view from, std::string_view to, SimTime now);
  bool remove(Dir dir, std::string_view name, SimTime now);
  // Whether a write or preallocation to `end` fits into what is free.
  bool fits(Inode inode, uint64_t end) const;
  void write(Inode inode, uint64_t offset, ByteView bytes, SimTime now);
  void zero_fill(Inode inode, uint64_t offset, uint64_t length, SimTime now);
  void truncate(Inode inode, uint64_t size, SimTime now);
  void sync(Inode inode, uint64_t sequence);  // all operations up to it become durable
  // After a failed sync: what it should have covered is no longer dirty, and not durable either.
  void forget_dirty(Inode inode, uint64_t sequence);
  void sync_dir(Dir dir, uint64_t sequence);
  void hold(Inode inode) { ++files_[inode].handles; }
  void release(Inode inode);
  // A completion was reported: everything up to `sequence` reached the cache.
  void executed(Inode inode, uint64_t sequence);
  void dir_executed(Dir dir, uint64_t sequence);

  const SimFile& file(Inode inode) const { return files_[inode]; }
  // Which of the directories `dir` is.
  size_t index(Dir dir) const {
    if (dir == Dir::Root || dir == Dir::Config) return dir == Dir::Root ? 0 : 3;
    return dir == Dir::Logs && logs_apart_ ? 2 : 1;
  }

 private:
  friend class Crash;

  Inode allocate();
  SimFile* lookup(Dir dir, std::string_view name);
  FileOp& add_op(SimFile& file, FileOpKind kind, SimTime now);
  void add_data_op(SimFile& file, uint64_t first, uint64_t end, SimTime now);
  void resize_cached(SimFile& file, uint64_t size);
  static void apply(FileImage& image, const FileOp& op, const Bytes& payloads);
  static void drop_ops(SimFile& file, size_t count);
  static bool apply(std::vector<NameEntry>& names, const NameOp& op);
  void collect();

  bool logs_apart_ = false;
  uint64_t capacity_ = kNoLimit;
  uint64_t used_bytes_ = 0;
  uint64_t sequence_ = 0;
  std::array<SimDirectory, kDirs> dirs_;
  std::vector<SimFile> files_;
};

}  // namespace vivarium::sim
