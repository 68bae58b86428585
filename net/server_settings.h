// Settings of vivariumd as it is started: from a zoo.cfg and the myid beside the data, or from
// flags. Errors are one line that names the file.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/config.h"

namespace vivarium {

Result<ServerFile> settings_from_file(const std::string& zoo_cfg);
// As ZooKeeper's container images: from $ZOO_CONF_DIR/zoo.cfg, or without one from the variables
// ZOO_*; myid is written when it is missing.
Result<ServerFile> settings_from_container();
bool runs_in_container();
// Is ZooKeeper's marker there, with which a person says that members without data may begin a new
// ensemble? It counts for one start: it is gone, durably, before the answer is true.
Result<bool> take_initialize_marker(const std::string& data_dir);
// A standalone server.
Result<ServerFile> settings_from_flags(const std::string& data_dir, const Address& client);

}  // namespace vivarium
