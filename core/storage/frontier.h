// FrontierFile: the sidecar `frontier` (record.h): one value, two slots. The slot known durable is
// never touched: a new value goes into the other one, which counts once a sync has covered it
// (RULES 2).
//
//   write(): the value leaves for the file at once; a sync follows off the acknowledgement path
//            (5 ms idle, 100 ms at most), or with the next save().
//   touch(): the value leaves at the latest with that sync, which becomes due: for what changes
//            often and may come late.
//   save():  durable when durable(result). The first save of a directory creates the file under
//            another name, so that `frontier` exists only with a whole value in it.
//
// The frontier lies beside the log. Who loses the log directory loses both, and what is left looks
// like Apache's; so the directory of the snapshots has a mark, which says that there was a
// frontier. No save is durable before the mark is, and the mark is made after the first frontier is
// durable.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/storage/record.h"
#include "core/world.h"

namespace vivarium {

// The tokens of DirSynced that are not drawn from Disk::next_token.
inline constexpr uint64_t kFrontierDirToken = 1;
inline constexpr uint64_t kFrontierMarkToken = 2;
// The file on its way; never taken for the frontier.
inline constexpr const char* kFrontierNewName = "frontier.new";
// Beside the snapshots: there is, or was, a frontier. Apache ignores it.
inline constexpr const char* kFrontierMarkName = "frontier.mark";

class FrontierFile {
 public:
  static constexpr Duration kSyncIdle = milliseconds(5);
  static constexpr Duration kSyncLatest = milliseconds(100);

  // What is on disk at the start of a life: the file's bytes. False: neither slot is valid.
  bool load(ByteView file);
  // A slot that is neither empty nor valid was seen by load(): something has damaged it.
  bool slot_damaged() const { return slot_damaged_; }
  // The mark is there.
  void found_mark() { marked_ = true; }
  // Opens a loaded file for writing.
  void open(World& world);

  // On disk with a valid value: the promise and the claims of this directory have a home.
  bool exists() const { return exists_; }
  const Frontier& value() const { return value_; }
  // Changes reach the disk with the next write() or save().
  Frontier& edit() { return value_; }

  void write(World& world);
  void touch(World& world);
  uint64_t save(World& world);
  bool durable(uint64_t revision) const { return durable_revision_ >= revision; }
  bool idle() const { return durable_revision_ == revision_; }
  // The sync that is due anyway, now.
  void hurry(World& world);

  bool step(const Event& event, World& world);
  Instant deadline() const;
  void on_deadline(World& world);

 private:
  enum class Creating : uint8_t { No, Content, Name, Mark, MarkName };

  void create(World& world);
  void make_mark(World& world);
  void made_durable(World& world);
  void put_slot(World& world);
  void pump(World& world);

  Frontier value_;
  bool exists_ = false;
  bool slot_damaged_ = false;
  bool marked_ = false;
  Creating creating_ = Creating::No;
  FileId file_;
  FileId mark_;
  uint32_t durable_slot_ = 1;
  // Revisions count changes of the value within this life.
  uint64_t revision_ = 0;
  uint64_t written_revision_ = 0;
  uint64_t wanted_revision_ = 0;   // to be synced without waiting
  uint64_t syncing_revision_ = 0;  // 0: no sync in flight
  uint64_t durable_revision_ = 0;
  Instant first_unsynced_at_ = Instant::never();
  Instant last_written_at_ = Instant::never();
};

}  // namespace vivarium
