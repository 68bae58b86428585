// What operators are told about the process and the machine: constant facts for the settings, and
// what changes for World::process_facts().
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/world.h"

namespace vivarium {

// Fills file.config.admin: absolute directories, the client port that was opened, and the names of
// host, system and user under the names that ZooKeeper has for them.
void describe_process(uint16_t client_port, ServerFile& file);

// As many connections as the machine grants; the default of many shells is 1024.
void raise_descriptor_limit();

// Reads /proc; a cost that grows with the number of open files.
ProcessFacts read_process_facts();

}  // namespace vivarium
