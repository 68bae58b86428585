#include "core/server/admin_facts.h"

#include <fmt/format.h>

#include "core/server/admin_text.h"
#include "core/server/namespace_metrics.h"

namespace vivarium {
namespace {

constexpr int64_t kLogWaitsLongMs = 5000;

std::string version_dir(const std::string& dir) { return dir + "/version-2"; }

struct LearnerCounts {
  int64_t all = 0;
  int64_t followers = 0;  // synced voters
  int64_t non_voters = 0;
  int64_t observers = 0;
};

LearnerCounts count_learners(const Leader& leader) {
  LearnerCounts counts;
  for (const Leader::LearnerFacts& learner : leader.learner_facts()) {
    ++counts.all;
    if (!learner.synced) continue;
    if (!learner.follower) {
      ++counts.observers;
    } else if (learner.voter) {
      ++counts.followers;
    } else {
      ++counts.non_voters;
    }
  }
  return counts;
}

std::string shadow_lines(const AdminParts& parts) {
  std::string out;
  const std::optional<ServerId> leader = parts.zab.leader();
  const int64_t behind = shadow_behind(parts);
  if (leader && behind >= 0) {
    put(out, "Shadow of: server.{}\nBehind: {}\n", leader->value, behind);
  } else {
    put(out, "Shadow of: nobody\n");
  }
  put(out, "Digests compared: {}\nDigests differing: {}\n", parts.digests.compared(),
      parts.digests.differing());
  if (const auto& first = parts.digests.first()) {
    put(out, "First difference: 0x{:x}\nLast equal before: 0x{:x}\n", first->zxid.value,
        first->agreed.value);
  }
  return out;
}

void write_leader(const Leader& leader, const AdminParts& parts, FactWriter& out) {
  const LearnerCounts counts = count_learners(leader);
  out.number("learners", counts.all);
  out.number("followers", counts.all);  // its name before 3.6
  out.number("synced_followers", counts.followers);
  out.number("synced_non_voting_followers", counts.non_voters);
  out.number("synced_observers", counts.observers);
  out.number("pending_syncs", static_cast<int64_t>(leader.pending_syncs()));
  out.number("leader_uptime", (parts.world.now() - leader.established_at()).ms());
  out.number("last_proposal_size", leader.proposal_sizes().last);
  out.number("max_proposal_size", leader.proposal_sizes().max);
  out.number("min_proposal_size", leader.proposal_sizes().min);
}

}  // namespace

int64_t max_client_connections(const Config& config) {
  const uint32_t max = config.connections_per_address_max;
  return max == UINT32_MAX ? 0 : int64_t{max};
}

void reset_statistics(AdminParts& parts) {
  parts.server.reset_stats();
  parts.world.reset_metrics();
  if (Leader* leader = parts.zab.leader_role()) leader->reset_statistics();
}

bool serving(const AdminParts& parts) { return parts.zab.serving() || parts.server.read_only(); }

bool running(const AdminParts& parts) { return parts.zab.delivers() || serving(parts); }

bool answers_words(const AdminParts& parts) { return serving(parts) || parts.config.shadow; }

int64_t uptime_ms(const AdminParts& parts) {
  const Instant since = parts.server.stats().serving_since;
  return since == Instant() ? 0 : (parts.world.now() - since).ms();
}

int64_t shadow_behind(const AdminParts& parts) {
  const Learner* learner = parts.zab.learner_role();
  if (!parts.config.shadow || learner == nullptr || !learner->delivers()) return -1;
  const Zxid proposed = learner->proposed();
  const Zxid applied = parts.tree.last_applied();
  if (proposed <= applied) return 0;
  if (proposed.epoch() != applied.epoch()) return int64_t{proposed.counter()};
  return int64_t{proposed.counter()} - int64_t{applied.counter()};
}

int64_t log_waiting_ms(const AdminParts& parts) {
  const Instant since = parts.storage.waiting_since();
  return since == Instant::never() ? 0 : (parts.world.now() - since).ms();
}

std::string log_waiting_text(const AdminParts& parts) {
  const bool no_room = parts.storage.no_room_since() != Instant::never();
  const int64_t waiting = log_waiting_ms(parts);
  if (!no_room && waiting < kLogWaitsLongMs) return {};
  return fmt::format("writes have been waiting for {} the disk of the log for {} ms",
                     no_room ? "room on" : "a sync of", waiting);
}

std::string_view server_state(const AdminParts& parts) {
  if (parts.server.read_only()) return "read-only";
  if (parts.config.standalone()) return "standalone";
  if (parts.config.shadow) return "shadow";
  if (parts.zab.leading()) return "leader";
  const Member* self = parts.config.find(parts.config.id);
  return self != nullptr && self->observer ? "observer" : "follower";
}

std::string version_lines(const AdminParts& parts) {
  return fmt::format(
      "Zookeeper version: {}\n{}", kServerVersion,
      parts.server.read_only() ? "READ-ONLY mode; serving only read-only clients\n" : "");
}

std::string server_lines(const AdminParts& parts, size_t askers) {
  const ServerStats& stats = parts.server.stats();
  std::string out;
  put(out, "Latency min/avg/max: {}/{}/{}\n", stats.latency.min_ms,
      decimal_average(stats.latency.total_ms, stats.latency.count), stats.latency.max_ms);
  put(out, "Received: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\nMode: {}\n",
      stats.received, stats.sent, parts.server.connection_count() + askers,
      parts.server.requests_in_flight(), parts.tree.last_applied().value, server_state(parts));
  put(out, "Node count: {}\n", parts.tree.node_count() + 1);
  const Leader* leader = parts.zab.leader_role();
  if (leader != nullptr && !parts.config.standalone()) {
    const SizeStats& sizes = leader->proposal_sizes();
    put(out, "Proposal sizes last/min/max: {}/{}/{}\n", sizes.last, sizes.min, sizes.max);
  }
  if (parts.config.shadow) out += shadow_lines(parts);
  return out;
}

std::string data_dir_text(const Config& config) { return version_dir(config.admin.data_dir); }
std::string data_log_dir_text(const Config& config) {
  return version_dir(config.admin.data_log_dir);
}

std::string conf_lines(const AdminParts& parts, const DirSizes& sizes) {
  const Config& config = parts.config;
  std::string out;
  const auto port = [](uint16_t number) { return number != 0 ? int{number} : -1; };
  put(out, "clientPort={}\nsecureClientPort={}\n", port(config.admin.client_port),
      port(config.admin.secure_client_port));
  put(out, "dataDir={}\ndataDirSize={}\n", data_dir_text(config), sizes.data);
  put(out, "dataLogDir={}\ndataLogSize={}\n", data_log_dir_text(config), sizes.log);
  put(out, "tickTime={}\nmaxClientCnxns={}\n", config.tick_ms, max_client_connections(config));
  put(out, "minSessionTimeout={}\nmaxSessionTimeout={}\n", config.min_session_timeout(),
      config.max_session_timeout());
  put(out, "clientPortListenBacklog={}\nserverId={}\n", config.sockets.client_backlog,
      config.standalone() ? 0 : config.id.value);
  const Member* self = config.find(config.id);
  if (self == nullptr) return out;
  put(out, "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\n",
      config.init_limit_ticks, config.sync_limit_ticks, self->election.port, self->quorum.port);
  put(out, "peerType={}\nmembership: \n{}", self->observer ? 1 : 0, to_text(config.membership()));
  return out;
}

std::string envi_lines(const AdminParts& parts) {
  std::string out;
  put(out, "Environment:\nzookeeper.version={}\n", kServerVersion);
  for (const auto& [name, value] : parts.config.admin.environment) put(out, "{}={}\n", name, value);
  return out;
}

std::string digest_lines(const AdminParts& parts) {
  std::string out;
  for (const Server::DigestAt& at : parts.server.digests()) {
    put(out, "{:x}: {}\n", at.zxid.value, static_cast<int64_t>(at.digest));
  }
  return out;
}

std::string watch_summary_lines(const AdminParts& parts) {
  const WatchTable& watches = parts.server.watches();
  return fmt::format("{} connections watching {} paths\nTotal watches:{}\n",
                     watches.watcher_count(), watches.path_count(), watches.count());
}

void write_monitor(const AdminParts& parts, size_t askers, FactWriter& out) {
  const ServerStats& stats = parts.server.stats();
  out.text("version", kServerVersion);
  out.text("server_state", server_state(parts));
  if (!parts.config.standalone()) {
    const std::string_view state = server_state(parts);
    const std::string_view doing = state == "leader"      ? "leading - broadcast"
                                   : state == "follower"  ? "following - broadcast"
                                   : state == "read-only" ? "looking"
                                   : !running(parts)      ? "looking"
                                                          : "observing - broadcast";
    out.text("peer_state", doing);
    out.number("quorum_size", static_cast<int64_t>(parts.config.voter_count()));
  }
  out.number("znode_count", static_cast<int64_t>(parts.tree.node_count() + 1));
  out.number("ephemerals_count", static_cast<int64_t>(parts.tree.ephemeral_count()));
  out.number("approximate_data_size", static_cast<int64_t>(parts.tree.data_bytes()));
  out.number("watch_count", static_cast<int64_t>(parts.server.watches().count()));
  out.number("global_sessions", static_cast<int64_t>(parts.tree.sessions().size()));
  out.number("local_sessions", static_cast<int64_t>(parts.server.local_session_count()));
  out.number("num_alive_connections",
             static_cast<int64_t>(parts.server.connection_count() + askers));
  out.number("outstanding_requests", static_cast<int64_t>(parts.server.requests_in_flight()));
  out.number("min_latency", stats.latency.min_ms);
  out.decimal("avg_latency", decimal_average(stats.latency.total_ms, stats.latency.count));
  out.number("max_latency", stats.latency.max_ms);
  out.number("packets_received", stats.received);
  out.number("packets_sent", stats.sent);
  out.number("last_client_response_size", stats.responses.last);
  out.number("max_client_response_size", stats.responses.max);
  out.number("min_client_response_size", stats.responses.min);
  const uint32_t drop = parts.server.connection_throttle().drop_millionths();
  out.decimal("connection_drop_probability",
              drop == 0 ? "0.0" : fmt::format("{}.{:06}", drop / 1'000'000, drop % 1'000'000));
  // How clients came is not counted.
  out.number("non_mtls_local_conn_count", 0);
  out.number("non_mtls_remote_conn_count", 0);
  out.number("uptime", uptime_ms(parts));
  out.number("log_waiting_ms", log_waiting_ms(parts));
  const std::optional<DigestAudit::Difference>& difference = parts.digests.first();
  out.number("digests_compared", static_cast<int64_t>(parts.digests.compared()));
  out.number("digests_differing", static_cast<int64_t>(parts.digests.differing()));
  out.number("digests_first_difference", difference ? difference->zxid.wire() : 0);
  out.number("digests_last_equal", parts.digests.agreed().wire());
  if (parts.config.shadow) out.number("shadow_behind", shadow_behind(parts));
  const ProcessFacts process = parts.world.process_facts();
  if (process.open_descriptors >= 0) {
    out.number("open_file_descriptor_count", process.open_descriptors);
    out.number("max_file_descriptor_count", process.descriptors_max);
  }
  write_quotas(parts.tree, out);
  const Leader* leader = parts.zab.leader_role();
  if (leader != nullptr && !parts.config.standalone()) write_leader(*leader, parts, out);
}

}  // namespace vivarium
