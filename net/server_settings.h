// Settings of vivariumd as it is started: from a zoo.cfg and the myid beside the data, or from
// flags. Errors are one line that names the file.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/config.h"

namespace vivarium {

Result<ServerFile> settings_from_file(const std::string& zoo_cfg);
// A standalone server.
Result<ServerFile> settings_from_flags(const std::string& data_dir, const Address& client);

}  // namespace vivarium
