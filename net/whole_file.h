// A small file of the operator's, whole: settings, stores, passwords.
#pragma once

#include <string>

#include "core/base/result.h"

namespace vivarium {

// The error names the file and the reason. More than a megabyte is refused.
Result<std::string> read_whole_file(const std::string& path);

}  // namespace vivarium
