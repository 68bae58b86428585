// The configuration as the text of NEWLEADER, notifications and /zookeeper/config. A static
// configuration has version 0 (quorum-protocol section 12).
#pragma once

#include <string>

#include "core/config.h"

namespace vivarium {

std::string membership_text(const Config& config);

}  // namespace vivarium
