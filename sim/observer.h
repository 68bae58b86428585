// Watching a simulation from outside: traces, checkers and coverage are observers. An observer may
// look at everything and may doom a host (Simulation::doom); it changes nothing else within a step.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/event.h"
#include "core/world.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

class Simulation;

// One call of a process on its World.
enum class CallKind : uint8_t {
  SetTimer,
  Connect,
  Send,
  CloseLink,
  Open,
  Write,
  Preallocate,
  Truncate,
  Sync,
  Read,
  CloseFile,
  Rename,
  Remove,
  SyncDir,
  List,
  Log,
  Audit,
  Stop
};
std::string_view name_of(CallKind kind);

// Only the fields of the kind are set. Views are borrowed for the call.
struct Call {
  CallKind kind{};
  LinkId link;
  FileId file;
  Dir dir{};
  uint64_t offset = 0;  // or the new size (Truncate), the instant (SetTimer), drain (CloseLink)
  uint64_t length = 0;
  uint64_t token = 0;
  uint16_t port = 0;         // Connect
  ByteView bytes;            // Send, Write
  std::string_view name;     // file, host, from; the text of Log, Audit and Stop
  std::string_view name_to;  // Rename
  LogLevel level{};          // Log
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Before a process steps on the event, after it returned, and for each of its calls, before the
  // call takes effect.
  virtual void delivering(Simulation&, HostId, const Event&) {}
  virtual void delivered(Simulation&, HostId, const Event&) {}
  virtual void called(Simulation&, HostId, const Call&) {}
  // World::count (added) and World::gauge (set).
  virtual void counted(Simulation&, HostId, std::string_view /*key*/, int64_t /*value*/) {}
  // The host's disk took an operation or finished a sync: a place to take a crash image.
  virtual void disk_changed(Simulation&, HostId) {}
  // What a death has left of the host's disk is settled.
  virtual void crashed(Simulation&, HostId) {}
  // Something that no process sees: a fault, a death, a start.
  virtual void happened(Simulation&, HostId, std::string_view) {}
};

}  // namespace vivarium::sim
