// FileLane: carries out the operations of one lane's files, a batch at a time. Writes of a batch
// are gathered per file and leave as few pwritev as their offsets allow; all syncs of one file that
// no other operation separates are answered by one fdatasync behind those writes.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "disk/disk_op.h"

namespace vivarium {

class FileLane {
 public:
  explicit FileLane(DiskShared& shared) : shared_(shared) {}
  void run(std::vector<DiskOp>& batch);

 private:
  void execute(DiskOp& op);
  void gather(const OpenFilePtr& file);
  void settle();
  void settle(OpenFile& file);
  bool write_all(OpenFile& file);
  bool write_run(OpenFile& file, size_t first, size_t count);
  void preallocate(OpenFile& file, uint64_t offset, uint64_t length);
  // False: an error, or the file has failed. `is_set_aside`: its blocks are there and read as
  // zeros, so that whoever cannot wait goes without the rest.
  bool write_zeros(OpenFile& file, uint64_t offset, uint64_t length, bool is_set_aside);
  bool write_zeros_piece(OpenFile& file, uint64_t offset, ByteView zeros);
  void truncate(OpenFile& file, uint64_t size);
  void read(OpenFile& file, const DiskOp& op);
  // The number of bytes, at most those of `to`; nullopt: the file failed.
  std::optional<size_t> read_at(OpenFile& file, uint64_t offset, std::span<Byte> to);
  void encode(OpenFile& file, PendingWrite plain);
  void end_coded(OpenFile& file);
  void read_coded(OpenFile& file, const DiskOp& op);
  // What a failure means is the file's choice.
  void fail(OpenFile& file, const char* operation, int error);
  void fail_damaged(OpenFile& file);
  void tell_failed(OpenFile& file, FileError error);

  DiskShared& shared_;
  std::vector<OpenFilePtr> dirty_;  // files with gathered writes or syncs, in the order issued
};

}  // namespace vivarium
