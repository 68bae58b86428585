// Rot: damage to acknowledged records in the log of a stopped server, drawn by name. Only what the
// frontier vouches for is touched; but for a lost tail, of which nothing on this disk tells, and
// which is for whoever knows that a peer remembers it (formats.md, the stated limit).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "core/storage/record.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

enum class RotKind : uint8_t { FlippedBit, ZeroedSector, GarbledSector };

// Damages the log record of this zxid (a drawn one when none is named): a bit within it, or the
// sector that holds its middle. Returns what was done; nullopt: there is nothing to damage.
std::optional<std::string> rot_record(SimDisk& disk, Zxid zxid, RotKind kind, uint64_t draw);
std::optional<std::string> rot_log(SimDisk& disk, Choices& choices, uint64_t fault);

// A flipped bit in each snapshot. Nullopt: there is none.
std::optional<std::string> rot_snapshots(SimDisk& disk, Choices& choices, uint64_t fault);

// The last writes to the log and to the frontier were synced and are not there: both files are as
// before them, and the log ends early in a good order. Nullopt: there is no such batch.
struct LostTail {
  Frontier frontier;  // what the disk still tells
  Zxid kept;          // where its log ends now
};
std::optional<LostTail> lose_tail(SimDisk& disk, uint64_t draw);
// What an image of the disk, taken earlier and read as after a power loss, lacks of the end of the
// log. Nullopt: nothing, or more than that (a promise, a cut, a SNAP), for which no peer could make
// up.
std::optional<LostTail> forgotten_by(const SimDisk& image, const SimDisk& disk);
// The image as a power loss leaves it that keeps nothing.
SimDisk image_of(const SimDisk& disk);

}  // namespace vivarium::sim
