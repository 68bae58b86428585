// The data directories of a server: created when missing, durably, and locked, so that two servers
// never share one.
#pragma once

#include <array>
#include <string>

#include "core/base/result.h"
#include "core/event.h"
#include "disk/fd.h"

namespace vivarium {

// Apache ZooKeeper ignores it, and DirListed does not show it.
inline constexpr const char* kLockName = ".vivarium.lock";

struct Directories {
  // By Dir: dataDir, dataDir/version-2, dataLogDir/version-2, that of zoo.cfg (or none).
  std::array<Fd, kDirs> dirs;
  Fd data_lock;
  Fd log_lock;  // none when dataLogDir is dataDir
};

// An empty `data_log_dir` means `data_dir`, an empty `config_dir` that nothing is written there; it
// must exist. Without `create` a missing version-2 is an error. Errors name the directory and the
// reason.
Result<Directories> open_directories(const std::string& data_dir, const std::string& data_log_dir,
                                     const std::string& config_dir, bool create);

}  // namespace vivarium
