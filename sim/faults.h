// Faults: what goes wrong in a schedule, when, to whom and for how long, drawn by name before the
// run. A fault is a value with a line of text, so that a schedule can be read. Damage stays within
// what DESIGN section 5 promises to survive: no committed txn loses its last copy in a quorum.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/wire/peer_messages.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/profile.h"
#include "sim/sim_files.h"

namespace vivarium::sim {

enum class FaultKind : uint8_t {
  PowerLoss,  // one server; starts again after `lasts`
  Kill,
  PowerLossAll,
  LeaderPowerLoss,  // whoever leads then
  LeaderKill,
  LeaderCut,  // the leader cut off from all servers, its process goes on
  Pause,
  LeaderPause,
  Isolate,  // one server from all others, both ways
  CutPair,
  CutOneWay,    // from `target` to `other`: held back
  BlackHole,    // from `target` to `other`: vanishes
  BreakPair,    // links between two servers end in mid-stream
  BreakClient,  // links of a client
  SlowDisk,
  StuckDisk,
  FailSync,       // the next sync of the log fails: the process ends, and starts again
  Wipe,           // killed, and its directory is empty when it comes back
  Rot,            // power lost, and an acknowledged record of its log is bad when it comes back
  ClockJump,      // of the wall clock
  ClockLeap,      // the monotonic clock, forward
  ClockDrift,     // it runs at 0.4 to 1.6 times its pace until all is healed
  SlowLinks,      // between two servers, both ways
  LeaderDeaf,     // what is sent to the leader is held back; he is heard
  LeaderDumb,     // the other way round
  SlowFollowers,  // the disks of all but the leader
  // All disks but a follower's answer nothing; it dies soon and is soon back, with a tail that
  // nobody has committed.
  StuckRestart,
  DiesAtDisk,  // the process ends right after its next n-th file operation
  // Wait for a packet of one type between a leader and a learner, and strike a little later:
  PacketCrash,  // some of the servers
  PacketCut,    // the two from each other, or one of them from all
  PacketBreak,  // the link in mid-stream
  // Swarms alone:
  FullDisk,   // next to nothing fits on it any more
  FailingOp,  // one of the next operations on files of one kind fails; most end the process
  OldImage,   // its disk is put back to what it was `lasts` before
  // Waits for a TRUNC. The learner that it is for dies at a file operation soon behind it, or one
  // of those that a truncation is made of fails there.
  TruncTrouble,
  TornWrite,  // power is lost at its next write to the log over the edge of a sector, before the
              // sync
  RestartUnheard,  // killed and soon back, while nothing passes between it and the leader
  // Mixed ensembles alone:
  Replaced,  // it dies, and what comes back on its disk is a server of the other kind
  DrawnLast = Replaced
};
std::string_view name_of(FaultKind kind);
inline constexpr int64_t kFastestClockPercent = 160;  // by ClockDrift

// What fails by FailingOp, on files whose names begin so.
struct FailingOp {
  DiskOp op{};
  std::string_view name_prefix;
};
inline constexpr std::array<FailingOp, 16> kFailingOps{{{DiskOp::Write, "log."},
                                                        {DiskOp::Write, "spare."},
                                                        {DiskOp::Write, "snapshot."},
                                                        {DiskOp::Write, "frontier"},
                                                        {DiskOp::Write, ""},
                                                        {DiskOp::Open, "log."},
                                                        {DiskOp::Open, ""},
                                                        {DiskOp::Preallocate, ""},
                                                        {DiskOp::Truncate, ""},
                                                        {DiskOp::Sync, "snapshot."},
                                                        {DiskOp::Sync, "frontier"},
                                                        {DiskOp::Sync, ""},
                                                        {DiskOp::Read, ""},
                                                        {DiskOp::Rename, ""},
                                                        {DiskOp::Remove, ""},
                                                        {DiskOp::SyncDir, ""}}};

// What fails by TruncTrouble.
inline constexpr std::array<FailingOp, 6> kTruncOps{{{DiskOp::Open, "log."},
                                                     {DiskOp::Truncate, "log."},
                                                     {DiskOp::Sync, "log."},
                                                     {DiskOp::Remove, "log."},
                                                     {DiskOp::SyncDir, ""},
                                                     {DiskOp::Write, "frontier"}}};
inline constexpr uint32_t kTruncDeathsMax = 30;

// Of the two ends of a packet, or of the ensemble, whom a fault strikes.
enum class Struck : uint8_t { Leader, Learner, Both, All, AllButLearner };

struct Fault {
  uint32_t id = 0;
  FaultKind kind{};
  SimTime at{};
  Duration lasts{};
  uint32_t target = 0;  // a server, or a client (BreakClient)
  uint32_t other = 0;
  // Packet faults; target and other are the leader and the learner once the packet was seen.
  PacketType packet{};
  Struck struck{};
  Duration after{};    // from the packet to the strike
  bool power = false;  // or a kill
  // DiesAtDisk: which operation; SlowFollowers: the factor; FullDisk: bytes left, less 1;
  // FailingOp: a row of kFailingOps, plus 1; TruncTrouble: which operation it dies at, and above
  // kTruncDeathsMax a row of kTruncOps, plus 1.
  uint32_t count = 0;
  bool happened = false;  // in the run, and to somebody
  bool waits_for_packet() const {
    return kind == FaultKind::TruncTrouble ||
           (kind >= FaultKind::PacketCrash && kind <= FaultKind::PacketBreak);
  }
};
std::string to_text(const Fault& fault);
// As schedule files have it, every field that matters: "3 kill at=12.5ms lasts=100ms target=2".
std::string to_line(const Fault& fault);
std::optional<Fault> parse_fault(const std::vector<std::string>& words);

// In the order of time.
std::vector<Fault> draw_faults(const Profile& profile, Choices& choices);

}  // namespace vivarium::sim
