// Rot: damage to acknowledged records in the log of a stopped server, drawn by name. Only what the
// frontier vouches for is touched: the last batch behind it is the stated limit (formats.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

enum class RotKind : uint8_t { FlippedBit, ZeroedSector, GarbledSector };

// Damages the log record of this zxid (a drawn one when none is named): a bit within it, or the
// sector that holds its middle. Returns what was done; nullopt: there is nothing to damage.
std::optional<std::string> rot_record(SimDisk& disk, Zxid zxid, RotKind kind, uint64_t draw);
std::optional<std::string> rot_log(SimDisk& disk, Choices& choices, uint64_t fault);

}  // namespace vivarium::sim
