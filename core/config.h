// Settings of one server, parsed and checked once (config.cc reads zoo.cfg; the programs' flags
// fill the same struct). Sizes are bytes, times milliseconds unless the name says ticks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/admin_config.h"
#include "core/auth_settings.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/secret.h"
#include "core/base/time.h"
#include "core/membership.h"
#include "core/tls_settings.h"
#include "core/world.h"

namespace vivarium {

// Dynamic membership (quorum-protocol section 12).
struct ReconfigConfig {
  bool enabled = false;            // reconfigEnabled
  bool standalone_enabled = true;  // one participant is no ensemble; false: it is, and may grow
  // The files that say who the members are, in Dir::Config. An empty name: nothing is written.
  std::string static_name;  // zoo.cfg
  std::string static_path;  // the same as a path, in front of what it says of the dynamic file
  std::string static_text;  // as it was read
};

// How the doors are opened; the World's business alone.
struct SocketConfig {
  int client_backlog = -1;               // clientPortListenBacklog; below 1: as long as may be
  bool client_keep_alive = false;        // clientTcpKeepAlive
  bool peer_keep_alive = false;          // tcpKeepAlive
  bool peers_on_all_interfaces = false;  // quorumListenOnAllIPs
  uint32_t election_bind_retries = 3;    // electionPortBindRetry; 0: as often as it takes
};

// connection_throttle_*: tokens that connecting clients take. Chances are millionths.
struct ThrottleConfig {
  uint32_t tokens_max = 0;  // 0: off
  int64_t fill_ms = 1;
  uint32_t fill_count = 1;
  int64_t freeze_ms = -1;  // between changes of the chance to be turned away; -1: nobody is, by it
  uint32_t drop_increase = 20'000;
  uint32_t drop_decrease = 2'000;
  uint32_t decrease_ratio = 0;  // of the tokens missing, below which the chance decreases
  // What sessions cost: new ones, those that a client comes back to, local ones. Not weighted: 1.
  bool weighted = false;
  uint32_t global_weight = 3;
  uint32_t renew_weight = 2;
  uint32_t local_weight = 1;

  uint32_t global_cost() const {
    return global_weight < local_weight ? local_weight : global_weight;
  }
  // With weights, tokens are counted in new sessions.
  uint32_t tokens_when_full() const { return weighted ? tokens_max * global_cost() : tokens_max; }
  uint32_t refill() const { return weighted ? fill_count * global_cost() : fill_count; }
};

enum class DigestAlgorithm : uint8_t { Sha1, Sha256 };

struct Config {
  // One server without peers: epoch 0, no elections (semantics.md section 10).
  bool standalone() const { return members.empty(); }

  ServerId id{1};               // myid; 1 when standalone
  std::vector<Member> members;  // sorted by id; empty when standalone
  Zxid members_version;         // of the file that named them; 0: none did
  // A member of nothing: follows the ensemble of `members` as an observer that no list has, serves
  // nobody, and compares its tree with what the ensemble says of its own (docs/operations.md).
  bool shadow = false;
  // A person says for this start that no member has data that this one could lack: without any it
  // may vote at once (RULES 11; ZooKeeper's file `initialize`).
  bool initialize = false;
  ReconfigConfig reconfig;
  int64_t tick_ms = 3000;
  int64_t init_limit_ticks = 10;
  int64_t sync_limit_ticks = 5;
  int64_t session_timeout_min_ms = -1;  // -1: 2 ticks
  int64_t session_timeout_max_ms = -1;  // -1: 20 ticks
  int64_t connect_limit_ticks = 0;      // connectToLearnerMasterLimit; 0: init_limit_ticks
  int64_t connect_pause_ms = 100;       // leaderConnectDelayDuringRetryMs
  uint32_t packet_bytes_max = 0xfffff;  // jute.maxbuffer: largest client frame

  // Client connections.
  uint32_t connections_per_address_max = 60;
  uint32_t connections_max = 0;                     // 0: no limit
  int64_t handshake_deadline_ms = 10'000;           // a connection without a session
  uint64_t connection_unsent_bytes_max = 64 << 20;  // a reader slower than this is dropped
  uint64_t unsent_bytes_max = 1 << 30;              // of all clients; then the slowest is dropped
  uint32_t outstanding_requests_max = 1000;         // globalOutstandingLimit
  uint32_t throttle_requests_max = 0;               // request_throttle_max_requests; 0: off
  // A request that has waited for the pipeline for longer is not carried out
  // (throttled_op_wait_time; 0: it is), or is its connection's end when it waited for longer than
  // the session's timeout.
  int64_t throttled_wait_ms = 0;
  bool stale_by_latency = false;  // request_stale_latency_check
  bool drop_stale = true;         // request_throttle_drop_stale; false: they are counted alone
  // Requests longer than the first have the second together; -1: none is too long.
  int64_t large_request_bytes = -1;               // largeRequestThreshold
  uint64_t large_requests_bytes_max = 100 << 20;  // largeRequestMaxBytes
  ThrottleConfig connection_throttle;
  // Sessions that only their server knows, until they create an ephemeral (semantics section 12).
  bool local_sessions = false;
  bool local_sessions_upgrade = false;
  // Reads for clients that ask for it while this member looks for a leader.
  bool read_only_mode = false;
  int64_t read_only_after_ms = 2000;  // and not before a tick

  SocketConfig sockets;

  // Access control.
  bool skip_acl = false;    // skipACL
  bool digest_auth = true;  // DigestAuthenticationProvider.enabled
  DigestAlgorithm digest_algorithm = DigestAlgorithm::Sha1;
  Secret super_digest;    // DigestAuthenticationProvider.superDigest; empty: nobody is super
  bool sasl_ids = false;  // ACLs may name ids of these schemes
  bool x509_ids = false;
  std::string x509_super_user;  // the subject whose holder may do everything; empty: nobody
  std::string any_sasl_user;    // letAnySaslUserDoX
  AuthConfig auth;

  // What writes may do.
  bool extended_types = false;  // extendedTypesEnabled: TTL nodes
  bool enforce_quota = false;
  int64_t container_check_ms = 60'000;  // znode.container.checkIntervalMs
  uint32_t container_removals_per_minute = 10'000;
  int64_t container_never_used_ms = 0;  // 0: a container that never had a child stays

  // Storage.
  uint64_t log_prealloc_bytes = 64 << 20;
  uint64_t log_segment_bytes_max = 256 << 20;         // a segment past this size is rolled
  uint32_t snapshot_every_txns = 100'000;             // snapCount: between half of it and it
  uint64_t snapshot_every_bytes = uint64_t{4} << 30;  // snapSizeLimitInKb, in the same way; 0: off
  uint32_t snapshots_kept = 3;
  Coding snapshot_coding = Coding::Plain;  // snapshot.compression.method
  // What a snapshot takes of a step, of memory for what changes meanwhile, and may owe the disk. No
  // keys of zoo.cfg: the simulator draws small ones.
  uint32_t snapshot_slice_elements = 800;
  uint64_t snapshot_image_bytes_max = 64 << 20;
  uint64_t snapshot_unsynced_bytes_max = 32 << 20;
  // Txns that a step applies, when many are committed at once, or proposes, when many sessions have
  // expired. No key either.
  uint32_t step_txns_max = 64;
  uint32_t step_told_max = 512;  // watchers that a turn tells
  // Requests, those of a multi one by one, and answers that had waited.
  uint32_t step_requests_max = 128;
  bool trust_empty_snapshot = false;  // snapshot.trust.empty: a log may be all there is
  bool purge = true;                  // false: nothing is ever removed
  int64_t purge_interval_ms = 0;      // 0: behind each snapshot
  bool sync_log = true;               // forceSync; what a sync means is the World's business
  int64_t slow_sync_ms = 1000;        // fsync.warningthresholdms
  // A write of the log waits for more txns: so long at most, and no longer than so long without a
  // new one (-1: a third of it). 0: it does not wait.
  int64_t flush_delay_ms = 0;
  int64_t flush_quiet_ms = -1;
  uint32_t flush_txns_max = 1000;   // txns in one write and sync; 0: as many as there are
  bool create_directories = true;   // datadir.autocreate
  uint32_t history_txns_max = 500;  // commitLogCount: committed txns kept for DIFF
  uint64_t history_bytes_max = 64 << 20;

  // Leading.
  bool leader_serves = true;     // leaderServes: clients, beside its learners
  int64_t epoch_wait_ms = -1;    // leader.maxTimeToWaitForEpoch; -1: initLimit alone
  uint32_t snap_syncs_max = 10;  // under way when an observer may begin another one
  uint32_t diff_syncs_max = 100;
  bool snap_only = false;  // forceSnapshotSync: no DIFF and no TRUNC
  // An observer that has lost its leader, or cannot join one, waits up to so long.
  int64_t observer_reconnect_delay_ms = 0;
  int64_t observer_election_delay_ms = 200;

  // Connections of the election port: until one is up, and until it has said who it is.
  int64_t election_connect_ms = 5000;  // cnxTimeout
  int64_t election_hello_ms = -1;      // quorumCnxnTimeoutMs; -1: syncLimit

  // Election timing (fastleader.*): first wait, longest wait, quiet time before deciding.
  int64_t notification_min_ms = 200;
  int64_t notification_max_ms = 60'000;
  int64_t finalize_wait_ms = 200;

  AdminConfig admin;

  // A leader hands over to a new epoch instead of proposing this counter (hazards D8). ZooKeeper's
  // is the largest; the simulator draws small ones.
  uint32_t counter_max = 0xffffffff;

  int64_t min_session_timeout() const {
    return session_timeout_min_ms > 0 ? session_timeout_min_ms : 2 * tick_ms;
  }
  int64_t max_session_timeout() const {
    return session_timeout_max_ms > 0 ? session_timeout_max_ms : 20 * tick_ms;
  }
  Duration tick() const { return milliseconds(tick_ms); }
  Duration flush_quiet() const {
    return milliseconds(flush_quiet_ms >= 0 ? flush_quiet_ms : flush_delay_ms / 3);
  }
  Membership membership() const { return {members_version, members}; }
  const Member* find(ServerId member_id) const {
    for (const Member& member : members) {
      if (member.id == member_id) return &member;
    }
    return nullptr;
  }
  size_t voter_count() const {
    size_t voters = 0;
    for (const Member& member : members) voters += member.observer ? 0 : 1;
    return voters;
  }
};

// What zoo.cfg says beyond Config: where things are. Paths are as written.
struct ServerFile {
  Config config;
  std::string data_dir;
  std::string data_log_dir;  // equals data_dir unless set
  Address client;            // host empty: all interfaces; port 0: TLS only
  TlsSettings tls;
  SaslFile sasl;
  std::string config_dir;             // Dir::Config; empty: nothing is written beside zoo.cfg
  std::vector<std::string> warnings;  // one line per key that was read and ignored
};

// Parses the text of a zoo.cfg. `my_id` is the content of dataDir/myid, empty when the file is
// missing. Errors: an unknown or malformed key, a value out of range, server.N lines without a
// valid myid.
Result<ServerFile> parse_server_file(std::string_view text, std::string_view my_id);
struct ConfigTexts {
  std::string_view zoo_cfg;
  std::string_view my_id;
  std::string_view dynamic;    // of dynamicConfigFile, when zoo.cfg names one
  std::string_view jvm_flags;  // SERVER_JVMFLAGS and JVMFLAGS
};
Result<ServerFile> parse_server_file(const ConfigTexts& texts);
// The path that dynamicConfigFile says, empty when it is not set.
Result<std::string> parse_dynamic_file(std::string_view text);
// The dataDir of a zoo.cfg, so that the caller can read myid first.
Result<std::string> parse_data_dir(std::string_view text);
// Fills nothing, refuses nonsense: ranges, duplicate ids, an id that is no member.
Result<Config> checked(Config config);

}  // namespace vivarium
