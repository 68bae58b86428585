// World: all that the core can know of, or do to, the world outside. net/ and disk/ implement it
// for production, sim/ for simulation, and nothing in core/ can tell which.
//
// Rules that both implementations keep (tests/contract runs one suite against both):
//  - No call blocks, fails or calls back. Answers arrive as events (event.h), one per Node::step.
//  - Bytes given to send() and write() are copied before the call returns; send_shared() and
//    write_shared() keep a reference instead.
//  - Operations on one file complete in the order issued; operations on names of one directory too.
//    Between files, and between a file and its name, there is no order but the one made by waiting
//    for FileSynced or DirSynced. In particular create+write+sync of a file does not make its name
//    durable: sync_dir does.
//  - A step's sends leave together when the turn ends: one system call per link and turn.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"

namespace vivarium {

// Host is a name or a literal; the World below resolves it.
struct Address {
  std::string host;
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

// What a failed write or sync of a file means. Log, epoch and frontier files stop the process (a
// failed sync is never retried); a snapshot that fails is only that file's failure.
enum class OnError : uint8_t { Stop, Report };

// Which executor serves the file: bulk reads and snapshot writes do not stall the log.
enum class Lane : uint8_t { Log, Bulk };

enum class OpenMode : uint8_t {
  Read,    // must exist, else FileFailed{NotFound}
  Update,  // read and write, created when missing, content kept
  Create   // read and write, created or emptied
};

// How the bytes of a file lie on the disk.
enum class Coding : uint8_t { Plain, Gzip, Snappy };

enum class LogLevel : uint8_t { Debug, Info, Warn, Error };

// How the process ends: 0 asked for, 1 cannot go on (the text says why).
enum class StopReason : uint8_t { Requested, Fatal };

// What the system says about the process. -1: it does not say.
struct ProcessFacts {
  int64_t open_descriptors = -1;
  int64_t descriptors_max = -1;
  int64_t resident_bytes = -1;
  int64_t virtual_bytes = -1;
  int64_t cpu_ms = -1;
};

// What SASL makes of a client's token.
struct SaslAnswer {
  enum class State : uint8_t { NotSetUp, Continue, Done, Failed };
  State state = State::NotSetUp;
  Bytes token;       // for the client
  std::string user;  // Done: who it is
};

class MetricTable;

class World {
 public:
  virtual ~World() = default;

  // --- time and chance. Constant within a step, but for random().
  virtual Instant now() const = 0;
  virtual WallTime wall_now() const = 0;
  virtual uint64_t random() = 0;
  // One timer per node; a new setting replaces the old one, Instant::never() cancels. Fires not
  // before `at`.
  virtual void set_timer(Instant at) = 0;

  // --- links: byte streams. The accepting doors are open from start to stop.
  virtual LinkId connect(const Address& to) = 0;  // LinkUp or LinkDown follows
  virtual void send(LinkId link, ByteView bytes) = 0;
  virtual void send_shared(LinkId link, SharedBytes bytes) = 0;
  // Bytes accepted by send() that have not left yet. Grows by sends in this step, shrinks between
  // steps only.
  virtual uint64_t unsent(LinkId link) const = 0;
  // Permits `bytes` more bytes to arrive. A new link starts with none.
  virtual void give_credit(LinkId link, uint64_t bytes) = 0;
  // Ends the link after what was sent has left (`drain`, best effort) or at once. No event of this
  // link arrives afterwards.
  virtual void close(LinkId link, bool drain) = 0;
  // The other end may end its half when it has asked what it wanted: LinkEnded tells so, and
  // LinkDown comes only when the connection breaks. Programs that ask by four-letter words do so,
  // ZooKeeper's own among them.
  virtual void keep_half_open(LinkId) {}

  // The next step of a client's authentication by SASL, whose mechanisms are the World's. It
  // computes and waits for nothing; what is under way is kept for the link until it ends.
  virtual SaslAnswer sasl(LinkId, ByteView) { return {}; }

  // --- files, by plain name inside a directory.
  virtual FileId open(Dir dir, std::string_view name, OpenMode mode, Lane lane,
                      OnError on_error) = 0;
  // The same for a file that is compressed on the disk, on Lane::Bulk and with OnError::Report; who
  // compresses and unpacks is the World's business, the core sees plain bytes. Create: written in
  // order from the beginning, until end_coded() says that nothing follows. Read: read in order; its
  // size is not known before (FileOpened does not tell it), and what is not of that coding ends it
  // with FileFailed{Damaged}.
  virtual FileId open_coded(Dir dir, std::string_view name, OpenMode mode, Coding) {
    return open(dir, name, mode, Lane::Bulk, OnError::Report);
  }
  virtual void end_coded(FileId) {}
  virtual void write(FileId file, uint64_t offset, ByteView bytes) = 0;
  virtual void write_shared(FileId file, uint64_t offset, SharedBytes bytes) = 0;
  // Extends the file with zeros from `offset` for `length` bytes, whose blocks are then its own.
  // The only operation that may say "disk full" (Preallocated{ok=false}), and then the file is as
  // it was.
  virtual void preallocate(FileId file, uint64_t offset, uint64_t length) = 0;
  // Somebody waits for preallocate(): what it has not written yet may be left to the file system,
  // which has set those blocks aside and reads them as zeros too.
  virtual void hurry(FileId) {}
  virtual void truncate(FileId file, uint64_t size) = 0;
  virtual void sync(FileId file, uint64_t token) = 0;
  virtual void read(FileId file, uint64_t offset, uint64_t length, uint64_t token) = 0;
  // Forgets the handle. Operations already issued are carried out; their events are dropped.
  virtual void close(FileId file) = 0;
  // Renaming replaces an existing `to`. Both names stay inside `dir`. A failure stops the process,
  // except that removing a missing name is nothing.
  virtual void rename(Dir dir, std::string_view from, std::string_view to, Lane lane) = 0;
  virtual void remove(Dir dir, std::string_view name, Lane lane) = 0;
  virtual void sync_dir(Dir dir, uint64_t token, Lane lane) = 0;
  virtual void list(Dir dir, uint64_t token) = 0;
  virtual uint64_t free_bytes(Dir dir) const = 0;

  // --- people. `key` names a metric of docs/operations.md; values add up (count) or replace
  // (gauge).
  virtual void log(LogLevel level, std::string_view line) = 0;
  virtual void count(std::string_view key, int64_t add) = 0;
  virtual void gauge(std::string_view key, int64_t value) = 0;
  virtual void audit(std::string_view line) = 0;
  // One more number of a kind of which people want averages and quantiles.
  virtual void sample(std::string_view, int64_t) {}
  // What count, gauge and sample have gathered in this life, or null when nobody keeps it.
  virtual const MetricTable* metrics() const { return nullptr; }
  virtual void reset_metrics() {}
  // Lines of a lower level are left out from now on.
  virtual void set_log_level(LogLevel) {}
  virtual ProcessFacts process_facts() const { return {}; }

  // The process ends after this step; no event arrives afterwards. What was written but not synced
  // may or may not survive.
  virtual void stop(StopReason reason, std::string_view why) = 0;
};

}  // namespace vivarium
