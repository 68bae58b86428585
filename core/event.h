// What the World reports back: one Event per call of Node::step. Views in an event are borrowed
// until the step returns. Completions of an earlier life of a handle or of the process never
// arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace vivarium {

// The doors of a server. Admin and Metrics speak HTTP.
enum class Door : uint8_t { Client, Election, Quorum, Admin, Metrics };

// The directories a server knows. Root is dataDir itself (myid, initialize); Snapshots and Logs are
// dataDir/version-2 and dataLogDir/version-2, which are one directory unless configured apart;
// Config is that of zoo.cfg, when reconfigEnabled says that it is written to.
enum class Dir : uint8_t { Root, Snapshots, Logs, Config };
inline constexpr size_t kDirs = 4;

// Damaged: what is in a compressed file is not of its coding.
enum class FileError : uint8_t { NotFound, NoSpace, Io, Damaged };

// The first event of a life. Nothing is known but the configuration the node was made with.
struct Started {};
// The timer set last is due.
struct TimerFired {};
// The batch of events that belong to one turn of the loop is over: flush log and links now.
struct TurnEnded {};

struct LinkAccepted {
  LinkId link;
  Door door{};
  std::string_view remote_address;  // "a.b.c.d" or IPv6 text, without the port
  uint16_t remote_port = 0;
  // The subject of the certificate that the peer has shown and TLS has checked, as RFC 2253 writes
  // it. Empty: none.
  std::string_view certificate_subject{};
};
// An outgoing link is connected.
struct LinkUp {
  LinkId link;
};
// Bytes arrived; never more than the credit given so far.
struct LinkBytes {
  LinkId link;
  ByteView bytes;
};
// World::unsent(link) fell to zero after a turn had ended with bytes unsent.
struct LinkDrained {
  LinkId link;
};
// The other end of a link that is kept half open will send no more; what is sent to it arrives.
// Once, behind its last bytes.
struct LinkEnded {
  LinkId link;
};
// The link ended (refused, closed by the other end, broken). The handle is dead; close() is not
// due.
struct LinkDown {
  LinkId link;
};

struct FileOpened {
  FileId file;
  uint64_t size = 0;
};
// The file (opened with OnError::Report) is failed: no further event of it arrives but this.
struct FileFailed {
  FileId file;
  FileError error{};
};
// Answer to preallocate(): when not ok the disk is full and nothing was changed.
struct Preallocated {
  FileId file;
  bool ok = false;
};
// All writes, truncations and preallocations of the file issued before sync(file, token) are
// durable.
struct FileSynced {
  FileId file;
  uint64_t token = 0;
};
// Fewer bytes than asked for means the end of the file.
struct ReadDone {
  FileId file;
  uint64_t token = 0;
  uint64_t offset = 0;
  ByteView bytes;
};
// All renames, removals and creations in `dir` issued before sync_dir(dir, token) are durable.
struct DirSynced {
  Dir dir{};
  uint64_t token = 0;
};
struct DirEntry {
  std::string name;
  uint64_t size = 0;
  bool operator==(const DirEntry&) const = default;
};
// Plain files of the directory, sorted by name. A missing directory was created and is empty.
struct DirListed {
  Dir dir{};
  uint64_t token = 0;
  const std::vector<DirEntry>* entries = nullptr;  // borrowed until the step returns
};
// The operator asked for an orderly stop (SIGTERM, SIGINT).
struct StopRequested {};

// Traces know an event by its place: new ones come last.
using Event = std::variant<Started, TimerFired, TurnEnded, LinkAccepted, LinkUp, LinkBytes,
                           LinkDrained, LinkDown, FileOpened, FileFailed, Preallocated, FileSynced,
                           ReadDone, DirSynced, DirListed, StopRequested, LinkEnded>;

}  // namespace vivarium
