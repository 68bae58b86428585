// Where settings come from besides zoo.cfg: the options of a Java process, and the variables that
// ZooKeeper's container images are driven by.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

struct JvmFlags {
  // -Dname=value, by name without the prefix "zookeeper."; later ones win.
  std::map<std::string, std::string> properties;
  // Everything else (-Xmx1g ...), which has no meaning here.
  std::vector<std::string> others;
};
// The text of JVMFLAGS or SERVER_JVMFLAGS: words between blanks, quotes keep blanks together.
JvmFlags parse_jvm_flags(std::string_view text);

// The zoo.cfg that the images' entry point writes from ZOO_DATA_DIR, ZOO_TICK_TIME, ZOO_SERVERS and
// so on; what is not among the variables has the images' default.
using Environment = std::map<std::string, std::string, std::less<>>;
std::string zoo_cfg_of_container(const Environment& variables);
// The value, or the images' default.
std::string container_variable(const Environment& variables, std::string_view name);

}  // namespace vivarium
