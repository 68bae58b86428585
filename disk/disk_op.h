// What passes between the loop and the disk's threads: operations one way, completions the other.
// An OpenFile belongs to the loop until its open was carried out, and to its lane's thread
// afterwards.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/event.h"
#include "core/world.h"
#include "disk/coding.h"
#include "disk/fd.h"
#include "disk/syscalls.h"
#include "disk/zero_pace.h"

namespace vivarium {

// Bytes to be written, owned or shared.
struct PendingWrite {
  uint64_t offset = 0;
  Bytes owned;
  SharedBytes shared;

  ByteView view() const { return shared != nullptr ? ByteView(*shared) : ByteView(owned); }
  uint64_t end() const { return offset + view().size(); }
};

struct OpenFile {
  FileId id;
  Dir dir{};
  std::string name;
  OpenMode mode{};
  Lane lane{};
  OnError on_error{};
  Fd fd;
  bool is_spare = false;                 // a log file that is being prepared
  bool reaches_disk = true;              // false: a sync is answered when all is written
  std::atomic<bool> is_awaited = false;  // zeros have to end now
  Coding coding = Coding::Plain;
  // Of the lane's thread: what the current batch has gathered, and whether the file is failed.
  std::vector<PendingWrite> writes;
  std::vector<uint64_t> sync_tokens;
  bool dirty = false;
  bool failed = false;
  // Of the lane's thread too: a coded file is written or read once, in order.
  std::unique_ptr<StreamEncoder> encoder;
  std::unique_ptr<StreamDecoder> decoder;
  uint64_t plain_at = 0;  // where the next plain byte stands
  uint64_t coded_at = 0;  // and where its coded one
  bool at_end = false;    // all that can be read was read
};
using OpenFilePtr = std::shared_ptr<OpenFile>;

struct DiskOp {
  enum class Kind : uint8_t {
    // Of a file, on its lane.
    Write,
    Preallocate,
    Truncate,
    Sync,
    Read,
    EndCoded,
    Close,
    // Of names, on the names' thread.
    Open,
    Rename,
    Remove,
    SyncDir,
    List,
    MeasureFree
  };
  Kind kind{};
  OpenFilePtr file;
  Dir dir{};
  uint64_t offset = 0;  // Truncate: the size
  uint64_t length = 0;
  uint64_t token = 0;
  PendingWrite write;
  std::string name;
  std::string to;
};

struct Completion {
  enum class Kind : uint8_t { Opened, Failed, Preallocated, Synced, Read, DirSynced, Listed };
  Kind kind{};
  FileId file;
  Dir dir{};
  FileError error{};
  bool ok = false;
  uint64_t token = 0;
  uint64_t offset = 0;  // Opened: the size
  Bytes bytes;
  std::vector<DirEntry> entries;
};

// What the threads share. All functions may be called on any thread.
class DiskShared {
 public:
  // `fatal` receives one line; in production it does not return.
  DiskShared(Syscalls& calls, std::function<void(const std::string&)> fatal);

  Syscalls& calls() { return calls_; }
  int wake_fd() const { return wake_.get(); }
  void post(Completion&& completion);
  // All completions so far, in the order posted.
  void take(std::vector<Completion>& out);
  // Memory of reads goes round: filled on a lane, given back when it was delivered. Its content is
  // what it was.
  Bytes spare_bytes();
  void give_back(Bytes&& bytes);

  // Ends the process: `what` failed with `error`. When the test's `fatal` returns, nothing more is
  // carried out.
  void die(const std::string& what, int error);
  bool dead() const { return dead_.load(std::memory_order_acquire); }

  // What was written to files of the log's lane so far.
  void note_logged(uint64_t bytes) { logged_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void note_log_sync() { logged_syncs_.fetch_add(1, std::memory_order_relaxed); }
  Logged logged() const {
    return {logged_bytes_.load(std::memory_order_relaxed),
            logged_syncs_.load(std::memory_order_relaxed)};
  }
  // The process is about to end: nothing is put off any more.
  void hurry() { hurries_.store(true, std::memory_order_relaxed); }
  bool hurries() const { return hurries_.load(std::memory_order_relaxed); }

 private:
  Syscalls& calls_;
  std::function<void(const std::string&)> fatal_;
  std::atomic<bool> dead_{false};
  std::atomic<bool> hurries_{false};
  std::atomic<uint64_t> logged_bytes_{0};
  std::atomic<uint64_t> logged_syncs_{0};
  Fd wake_;
  std::mutex mutex_;
  std::vector<Completion> completions_;
  std::vector<Bytes> spare_bytes_;
};

FileError file_error(int error);
bool is_disk_full(int error);

}  // namespace vivarium
