// What a server tells of itself in a few lines: the texts of four-letter words and the values that
// mntr, the AdminServer and Prometheus share. Nothing here costs more than the configuration is
// long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/server/admin_parts.h"

namespace vivarium {

inline constexpr std::string_view kNotServing =
    "This ZooKeeper instance is not currently serving requests";

// Sizes of the files in dataDir/version-2 and dataLogDir/version-2.
struct DirSizes {
  int64_t data = 0;
  int64_t log = 0;
};

// Takes facts one by one: ZooKeeper's name of each, without a prefix.
class FactWriter {
 public:
  virtual ~FactWriter() = default;
  virtual void text(std::string_view name, std::string_view value) = 0;
  virtual void number(std::string_view name, int64_t value) = 0;
  // A decimal fraction, written already.
  virtual void decimal(std::string_view name, std::string_view value) = 0;
  // One value of a set: ZooKeeper puts the key in front.
  virtual void member(std::string_view name, std::string_view key, int64_t value) {
    number(std::string(key) + "_" + std::string(name), value);
  }
};

// There are no traces here that it would choose among: ZooKeeper's default.
inline constexpr int64_t kTraceMask = 306;

// maxClientCnxns as it is written: 0 means any number.
int64_t max_client_connections(const Config& config);
// srst: statistics and metrics begin anew.
void reset_statistics(AdminParts& parts);

// Are clients served, be it for reads alone?
bool serving(const AdminParts& parts);
// The same, or it leads without serving clients of its own.
bool running(const AdminParts& parts);
// Words are answered: it runs, or is a shadow, which has something to say as long as it lives.
bool answers_words(const AdminParts& parts);
// Txns that a shadow knows to be proposed and has not applied, at least; -1: it follows nobody.
int64_t shadow_behind(const AdminParts& parts);
// ms since clients are served here; 0: never yet.
int64_t uptime_ms(const AdminParts& parts);
// How long writes have been waiting for the disk of the log, in ms: for a sync, or for room, even
// when none has come yet that would need it.
int64_t log_waiting_ms(const AdminParts& parts);
// What is to be said about that when it is more than a busy disk; empty: nothing.
std::string log_waiting_text(const AdminParts& parts);
// "standalone", "leader", "follower", "observer", "read-only", "shadow".
std::string_view server_state(const AdminParts& parts);

std::string version_lines(const AdminParts& parts);
// srvr behind the version. `askers`: connections besides Server's own.
std::string server_lines(const AdminParts& parts, size_t askers);
std::string conf_lines(const AdminParts& parts, const DirSizes& sizes);
std::string envi_lines(const AdminParts& parts);
std::string digest_lines(const AdminParts& parts);
std::string watch_summary_lines(const AdminParts& parts);

// mntr: what is no number first, then gauges.
void write_monitor(const AdminParts& parts, size_t askers, FactWriter& out);

// Absolute, with version-2, as ZooKeeper shows its directories.
std::string data_dir_text(const Config& config);
std::string data_log_dir_text(const Config& config);

}  // namespace vivarium
