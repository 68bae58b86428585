// What the configuration says to the tree's rules, which know no configuration.
#pragma once

#include "core/config.h"
#include "core/tree/prepare.h"

namespace vivarium {

AclRules acl_rules(const Config& config);
// With the limit that Apache's readers set for records and packets.
WriteRules write_rules(const Config& config);

}  // namespace vivarium
