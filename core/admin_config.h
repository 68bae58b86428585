// What operators may ask a server, and what it can tell of itself without looking: which
// four-letter words it answers, its addresses and directories, the environment of its process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace vivarium {

// As ZooKeeper writes its own: version, then the date, which is that of the first release.
inline constexpr std::string_view kServerVersion =
    "3.9.3-vivarium-0.1.0, built on 2026-11-01 00:00 UTC";

// The four-letter words that there are.
inline constexpr std::string_view kFourLetterWords[] = {
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
    "mntr", "ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs"};

struct AdminConfig {
  // 4lw.commands.whitelist, without "srvr", which is always answered; "*": all.
  std::vector<std::string> words;

  // AdminServer.
  bool server = true;              // admin.enableServer
  bool server_wanted = false;      // a key of it is set: then its door has to open
  std::string host = "127.0.0.1";  // admin.serverAddress
  uint16_t port = 8080;            // admin.serverPort
  std::string command_url = "/commands";
  int64_t idle_timeout_ms = 30'000;
  bool snapshot = true;                 // admin.snapshot.enabled
  int64_t snapshot_pause_ms = 300'000;  // admin.rateLimiterIntervalInMS

  // Prometheus.
  bool metrics = false;      // metricsProvider.className
  std::string metrics_host;  // metricsProvider.httpHost; empty: all interfaces
  uint16_t metrics_port = 7000;

  bool audit = false;  // audit.enable: a line for each write of a client

  // Facts for answers.
  std::string client_host;  // empty: all interfaces
  uint16_t client_port = 0;
  uint16_t secure_client_port = 0;  // 0: none, as of the other one
  std::string data_dir;             // as given, without version-2
  std::string data_log_dir;
  // ZooKeeper's names of facts of the process: host.name, os.name, user.name ...
  std::vector<std::pair<std::string, std::string>> environment;
  // Whose process it is.
  std::string_view user() const {
    for (const auto& [name, value] : environment) {
      if (name == "user.name") return value;
    }
    return {};
  }
};

// Keys of zoo.cfg, without the prefix "zookeeper.". Nothing: the key is none of these.
std::optional<Result<void>> take_admin_key(std::string_view key, std::string_view value,
                                           AdminConfig& config, std::vector<std::string>& warnings);

}  // namespace vivarium
