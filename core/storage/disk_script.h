// DiskScript: a short list of operations on files and names, carried out strictly one after
// another: each is durable before the next begins, except that names wait for their sync_dir. All
// that storage does off the path of the log (epochs, truncation, installs, what recovery mends) is
// such a list, so that the order of durable steps can be read in one place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/event.h"
#include "core/storage/frontier.h"
#include "core/world.h"

namespace vivarium {

// What the parts of storage need for the length of one step.
struct Disk {
  World& world;
  FrontierFile& frontier;
  uint64_t& next_token;  // of DirSynced, DirListed and FileSynced; never reused

  uint64_t token() { return next_token++; }
};

// A change of the frontier's value; fields without a value stay.
struct FrontierEdit {
  struct Position {
    Zxid zxid;
    uint64_t file_id = 0;
    uint64_t end_offset = 0;
    uint32_t entry_crc = 0;
  };
  std::optional<Epoch> accepted_epoch;
  std::optional<Epoch> current_epoch;
  std::optional<Intent> intent;
  Zxid intent_zxid;
  std::optional<uint32_t> generation;
  std::optional<bool> member;
  std::optional<Position> position;
  std::optional<Zxid> acknowledged;  // position's zxid unless said otherwise
  bool boot = false;                 // one life more

  void apply(Frontier& value) const;
};

class DiskScript {
 public:
  // --- writing the script; nothing happens before start().
  void write_file(Dir dir, std::string name, Bytes content);  // created or emptied, synced
  void rewrite(Dir dir, std::string name, uint64_t offset, Bytes content);  // synced
  void cut_file(Dir dir, std::string name, uint64_t size);                  // synced
  // The file has this size, but perhaps only in the cache, in a page that counts as clean.
  void cut_file_again(Dir dir, std::string name, uint64_t size);
  void sync_file(Dir dir, std::string name);
  void rename(Dir dir, std::string from, std::string to);
  void remove(Dir dir, std::string name);
  void sync_dir(Dir dir);
  void save_frontier(FrontierEdit edit);

  void start(Disk& disk);
  // Started and not done.
  bool running() const { return running_; }
  // Every event while running (completions of the frontier are noticed at any). True: it was the
  // script's.
  bool step(const Event& event, Disk& disk);

 private:
  enum class Kind : uint8_t {
    Write,
    Rewrite,
    Cut,
    CutAgain,
    SyncFile,
    Rename,
    Remove,
    SyncDir,
    SaveFrontier
  };
  struct Op {
    Kind kind{};
    Dir dir{};
    std::string name;
    std::string to;
    Bytes content;
    uint64_t size = 0;  // of a cut, or where content goes
    FrontierEdit edit;
  };

  Op& add(Kind kind, Dir dir, std::string name);
  // True: done already, nothing to wait for.
  bool issue(const Op& op, Disk& disk);
  void run(Disk& disk);
  void next(Disk& disk);

  std::vector<Op> ops_;
  size_t at_ = 0;
  bool running_ = false;
  FileId file_;
  uint64_t token_ = 0;     // of the sync waited for
  uint64_t revision_ = 0;  // of the frontier, waited for
};

}  // namespace vivarium
