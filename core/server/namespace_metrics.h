// Quotas as metrics, by the first name of their path, as ZooKeeper's quota_*_per_namespace.
#pragma once

#include "core/server/admin_facts.h"
#include "core/tree/data_tree.h"

namespace vivarium {

void write_quotas(const DataTree& tree, FactWriter& out);

}  // namespace vivarium
