#include "core/server/admin_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/number.h"
#include "core/server/admin_text.h"
#include "core/server/http.h"
#include "core/server/identity.h"
#include "core/server/metric_texts.h"
#include "core/wire/host_port.h"
#include "core/zab/rules.h"

namespace vivarium {
namespace {

std::string address_text(const Address& address) {
  return fmt::format("{}:{}", bracketed_host(address.host), address.port);
}

void put_sizes(std::string_view name, const SizeStats& sizes, JsonWriter& json) {
  json.key(name);
  json.begin_object();
  json.number("last_buffer_size", sizes.last);
  json.number("min_buffer_size", sizes.min);
  json.number("max_buffer_size", sizes.max);
  json.end_object();
}

class JsonFacts final : public FactWriter {
 public:
  explicit JsonFacts(JsonWriter& json) : json_(json) {}
  void text(std::string_view name, std::string_view value) override { json_.text(name, value); }
  void number(std::string_view name, int64_t value) override { json_.number(name, value); }
  void decimal(std::string_view name, std::string_view value) override {
    json_.literal(name, value);
  }

 private:
  JsonWriter& json_;
};

// --- one function per command

void configuration(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  const Config& config = parts.config;
  reply.json.number("client_port", config.admin.client_port);
  reply.json.text("data_dir", data_dir_text(config));
  reply.json.text("data_log_dir", data_log_dir_text(config));
  reply.json.number("tick_time", config.tick_ms);
  reply.json.number("max_client_cnxns", max_client_connections(config));
  reply.json.number("min_session_timeout", config.min_session_timeout());
  reply.json.number("max_session_timeout", config.max_session_timeout());
  reply.json.number("server_id", config.standalone() ? 0 : config.id.value);
  reply.json.number("client_port_listen_backlog", config.sockets.client_backlog);
}

void connection_stat_reset(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply&) {
  parts.server.reset_connection_stats();
}

void connections(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.listing = ListingKind::Connections;
}

void dirs(const HttpRequest&, const DirSizes& sizes, AdminParts&, AdminReply& reply) {
  reply.json.number("datadir_size", sizes.data);
  reply.json.number("logdir_size", sizes.log);
}

void dump(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.listing = ListingKind::Dump;
}

void environment(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  reply.json.text("zookeeper.version", kServerVersion);
  for (const auto& [name, value] : parts.config.admin.environment) reply.json.text(name, value);
}

void get_trace_mask(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.json.number("tracemask", kTraceMask);
}

void hash(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  reply.json.key("digests");
  reply.json.begin_array();
  for (const Server::DigestAt& at : parts.server.digests()) {
    reply.json.begin_object();
    reply.json.number("zxid", at.zxid.wire());
    reply.json.number("digest", static_cast<int64_t>(at.digest));
    reply.json.number("digest_version", 2);
    reply.json.end_object();
  }
  reply.json.end_array();
}

// As ZooKeeper without a dynamic configuration file.
void initial_configuration(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.json.key("initial_configuration");
  reply.json.null();
}

void is_read_only(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  reply.json.boolean("read_only", parts.server.read_only());
}

void last_snapshot(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  const std::optional<Zxid> newest = parts.storage.newest_snapshot();
  reply.json.text("zxid", newest ? fmt::format("{:x}", newest->value) : "ffffffffffffffff");
  const std::optional<WallTime> at = parts.storage.snapshot_time();
  reply.json.number("timestamp", !newest ? -1 : at ? at->ms / 1000 : 0);
}

void leader(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  const std::optional<ServerId> id =
      parts.zab.leading() ? std::optional(parts.config.id) : parts.zab.leader();
  const Member* member = id ? parts.config.find(*id) : nullptr;
  if (parts.config.standalone() || member == nullptr) {
    reply.error = "server is not initialized";
    return;
  }
  reply.json.boolean("is_leader", parts.zab.leading());
  reply.json.number("leader_id", id->value);
  reply.json.text("leader_ip", member->quorum.host);
}

void log_level(const HttpRequest& request, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  struct Name {
    std::string_view name;
    LogLevel level;
  };
  constexpr Name kNames[] = {{"debug", LogLevel::Debug},
                             {"info", LogLevel::Info},
                             {"warn", LogLevel::Warn},
                             {"error", LogLevel::Error}};
  const std::string* wanted = request.value_of("level");
  for (const Name& known : kNames) {
    if (wanted == nullptr || *wanted != known.name) continue;
    parts.world.set_log_level(known.level);
    reply.json.text("level", known.name);
    return;
  }
  reply.error = "log_level requires level=debug, info, warn or error";
}

void monitor(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  JsonFacts facts(reply.json);
  if (running(parts)) write_monitor(parts, 0, facts);
  write_metrics(parts, facts);
}

void observer_connection_stat_reset(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply&) {
}

void observers(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  const Leader* leader = parts.zab.leader_role();
  std::vector<Leader::LearnerFacts> learners;
  if (leader != nullptr) learners = leader->learner_facts();
  const auto synced = std::count_if(learners.begin(), learners.end(), [](const auto& learner) {
    return !learner.follower && learner.synced;
  });
  reply.json.number("synced_observers", synced);
  reply.json.key("observers");
  reply.json.begin_array();
  for (const Leader::LearnerFacts& learner : learners) {
    if (learner.follower || !learner.synced) continue;
    reply.json.begin_object();
    reply.json.text("remote_socket_address", "/" + learner.address);
    reply.json.number("sid", learner.id.value);
    reply.json.number("established", learner.accepted.ms);
    reply.json.number("queued_packets_size", static_cast<int64_t>(learner.unsent));
    reply.json.number("last_zxid", learner.acked.wire());
    reply.json.end_object();
  }
  reply.json.end_array();
}

// ZooKeeper exchanges the memory of this one server: it would differ from the others and from its
// own disk, and lose all of it again at its next start.
void restore(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.status = kHttpNotImplemented;
  reply.error =
      "restore is refused: it would change the memory of this server alone, which would differ "
      "from "
      "the other servers and from its own disk. Stop all servers, empty version-2 in dataDir and "
      "dataLogDir of each, put the snapshot there as snapshot.<last_zxid>, and start them";
}

void ruok(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply&) {}

void server_stats(const HttpRequest&, const DirSizes& sizes, AdminParts& parts, AdminReply& reply) {
  const ServerStats& stats = parts.server.stats();
  JsonWriter& json = reply.json;
  json.text("version", kServerVersion);
  json.boolean("read_only", parts.server.read_only());
  json.key("server_stats");
  json.begin_object();
  json.number("packets_sent", stats.sent);
  json.number("packets_received", stats.received);
  json.number("fsync_threshold_exceed_count", counter(parts, "fsync_threshold_exceed_count"));
  put_sizes("client_response_stats", stats.responses, json);
  json.boolean("provider_null", false);
  json.text("server_state", server_state(parts));
  json.number("outstanding_requests", static_cast<int64_t>(parts.server.requests_in_flight()));
  json.number("min_latency", stats.latency.min_ms);
  json.literal("avg_latency", decimal_average(stats.latency.total_ms, stats.latency.count));
  json.number("max_latency", stats.latency.max_ms);
  json.number("data_dir_size", sizes.data);
  json.number("log_dir_size", sizes.log);
  json.number("last_processed_zxid", parts.tree.last_applied().wire());
  json.number("num_alive_client_connections",
              static_cast<int64_t>(parts.server.connection_count()));
  json.number("auth_failed_count", counter(parts, "auth_failed_count"));
  json.number("non_mtlsremote_conn_count", 0);
  json.number("non_mtlslocal_conn_count", 0);
  json.number("uptime", uptime_ms(parts));
  json.end_object();
  put_sizes("client_response", stats.responses, json);
  const Leader* leader = parts.zab.leader_role();
  if (leader != nullptr && !parts.config.standalone()) {
    put_sizes("proposal_stats", leader->proposal_sizes(), json);
  }
  json.number("node_count", static_cast<int64_t>(parts.tree.node_count() + 1));
  reply.error = log_waiting_text(parts);
}

void shadow(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  if (!parts.config.shadow) {
    reply.error = "this server is no shadow";
    return;
  }
  const auto zxid_text = [](Zxid zxid) { return fmt::format("0x{:x}", zxid.value); };
  JsonWriter& json = reply.json;
  const int64_t behind = shadow_behind(parts);
  const std::optional<ServerId> leader = parts.zab.leader();
  json.boolean("following", behind >= 0 && leader);
  if (behind >= 0 && leader) {
    json.number("leader_id", leader->value);
    json.number("behind", behind);
  }
  json.text("last_zxid", zxid_text(parts.tree.last_applied()));
  json.number("digests_compared", static_cast<int64_t>(parts.digests.compared()));
  json.number("digests_differing", static_cast<int64_t>(parts.digests.differing()));
  json.text("digests_last_equal", zxid_text(parts.digests.agreed()));
  json.key("first_difference");
  const std::optional<DigestAudit::Difference>& first = parts.digests.first();
  if (!first) {
    json.null();
    return;
  }
  json.begin_object();
  json.text("zxid", zxid_text(first->zxid));
  json.text("last_equal", zxid_text(first->agreed));
  json.text("digest_here", fmt::format("{:x}", first->here));
  json.text("digest_there", fmt::format("{:x}", first->there));
  json.end_object();
}

// {"percentage": N}: so many connections of a hundred are closed.
void shed_connections(const HttpRequest& request, const DirSizes&, AdminParts& parts,
                      AdminReply& reply) {
  constexpr std::string_view kField = "percentage";
  const auto refused = [&](std::string error) {
    reply.status = kHttpBadRequest;
    reply.error = std::move(error);
  };
  if (request.body.empty()) return refused("Request body is required");
  const auto members = parse_flat_json(request.body);
  if (!members) return refused("Invalid JSON: an object with a number is expected");
  const auto found = members->find(kField);
  if (found == members->end()) return refused(fmt::format("Missing required field: {}", kField));
  const std::optional<int64_t> percent = parse_number(found->second);
  if (!percent || *percent < 0 || *percent > 100) {
    return refused("Percentage must be between 0 and 100");
  }
  const size_t shed = parts.server.shed(static_cast<uint32_t>(*percent), parts.world);
  reply.json.number("connections_shed", static_cast<int64_t>(shed));
  reply.json.number("percentage_requested", *percent);
  parts.world.log(LogLevel::Info,
                  fmt::format("shed {} connections of clients ({} %)", shed, *percent));
}

void stats(const HttpRequest& request, const DirSizes& sizes, AdminParts& parts,
           AdminReply& reply) {
  server_stats(request, sizes, parts, reply);
  reply.listing = ListingKind::Clients;
}

void stat_reset(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply&) {
  reset_statistics(parts);
}

// There are no properties of a Java process. What a configuration holds may be secret.
void system_properties(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply&) {}

void voting_view(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  JsonWriter& json = reply.json;
  json.key("current_config");
  json.begin_object();
  for (const Member& member : parts.config.members) {
    if (member.observer) continue;
    json.key(std::to_string(member.id.value));
    json.begin_object();
    json.key("server_addresses");
    json.begin_array();
    json.text(address_text(member.quorum));
    json.end_array();
    json.key("election_addresses");
    json.begin_array();
    json.text(address_text(member.election));
    json.end_array();
    json.text("client_address", member.client.port == 0 ? "" : address_text(member.client));
    json.text("learner_type", "participant");
    json.end_object();
  }
  json.end_object();
}

void watches(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.listing = ListingKind::WatchesBySession;
}

void watches_by_path(const HttpRequest&, const DirSizes&, AdminParts&, AdminReply& reply) {
  reply.listing = ListingKind::WatchesByPath;
}

void watch_summary(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  const WatchTable& table = parts.server.watches();
  reply.json.number("num_connections", static_cast<int64_t>(table.watcher_count()));
  reply.json.number("num_paths", static_cast<int64_t>(table.path_count()));
  reply.json.number("num_total_watches", static_cast<int64_t>(table.count()));
}

// As Java shows an address that may be several.
void put_addresses(std::string_view name, const Address& address, JsonWriter& json) {
  const std::string text = address_text(address);
  const auto list = [&](std::string_view key) {
    json.key(key);
    json.begin_array();
    json.text(text);
    json.end_array();
  };
  json.key(name);
  json.begin_object();
  json.boolean("empty", false);
  list("all_addresses");
  list("all_reachable_addresses");
  json.text("one", text);
  json.text("reachable_address", text);
  json.key("wildcard_addresses");
  json.begin_array();
  json.text(fmt::format("0.0.0.0:{}", address.port));
  json.end_array();
  json.key("all_ports");
  json.begin_array();
  json.number(address.port);
  json.end_array();
  json.key("all_host_strings");
  json.begin_array();
  json.text(address.host);
  json.end_array();
  list("all_reachable_addresses_or_all");
  json.text("reachable_or_one", text);
  json.end_object();
}

std::string_view zab_state(const AdminParts& parts) {
  if (parts.zab.established()) return "broadcast";
  const ZabRole role = parts.zab.role();
  if (role == ZabRole::Recovering || role == ZabRole::Looking) return "election";
  return parts.zab.epoch() == 0 ? "discovery" : "synchronization";
}

void zabstate(const HttpRequest&, const DirSizes&, AdminParts& parts, AdminReply& reply) {
  JsonWriter& json = reply.json;
  const Config& config = parts.config;
  const Member* self = config.find(config.id);
  if (self == nullptr) {
    json.boolean("voting", false);
    json.text("zabstate", "");
    return;
  }
  json.number("myid", config.id.value);
  json.boolean("is_leader", parts.zab.leading());
  put_addresses("quorum_address", self->quorum, json);
  put_addresses("election_address", self->election, json);
  const Address client{config.admin.client_host.empty() ? "0.0.0.0" : config.admin.client_host,
                       config.admin.client_port};
  json.text("client_address", address_text(self->client.port == 0 ? client : self->client));
  json.boolean("voting", !self->observer);
  const Zxid last = parts.tree.last_applied();
  json.text("last_zxid", fmt::format("0x{:x}", last.value));
  json.number("zab_epoch", last.epoch());
  json.number("zab_counter", last.counter());
  json.text("zabstate", zab_state(parts));
}

constexpr std::string_view kGet = "GET";
constexpr std::string_view kPost = "POST";

// Name, aliases, guarded, when serving, wants sizes, method, downloads.
constexpr AdminCommand kCommands[] = {
    {"configuration", {"conf", "config"}, false, true, false, kGet, false, configuration},
    {"connection_stat_reset", {"crst", ""}, true, true, false, kGet, false, connection_stat_reset},
    {"connections", {"cons", ""}, true, true, false, kGet, false, connections},
    {"dirs", {"", ""}, false, true, true, kGet, false, dirs},
    {"dump", {"", ""}, true, true, false, kGet, false, dump},
    {"environment", {"env", "envi"}, true, false, false, kGet, false, environment},
    {"get_trace_mask", {"gtmk", ""}, false, false, false, kGet, false, get_trace_mask},
    {"hash", {"", ""}, false, true, false, kGet, false, hash},
    {"initial_configuration", {"icfg", ""}, false, true, false, kGet, false, initial_configuration},
    {"is_read_only", {"isro", ""}, false, true, false, kGet, false, is_read_only},
    {"last_snapshot", {"lsnp", ""}, false, true, false, kGet, false, last_snapshot},
    {"leader", {"lead", ""}, false, true, false, kGet, false, leader},
    {"log_level", {"", ""}, true, false, false, kGet, false, log_level},
    {"monitor", {"mntr", ""}, false, false, false, kGet, false, monitor},
    {"observer_connection_stat_reset",
     {"orst", ""},
     true,
     true,
     false,
     kGet,
     false,
     observer_connection_stat_reset},
    {"observers", {"obsr", ""}, true, true, false, kGet, false, observers},
    {"restore", {"rest", ""}, true, false, false, kPost, false, restore},
    {"ruok", {"", ""}, false, true, false, kGet, false, ruok},
    {"server_stats", {"srvr", ""}, false, true, true, kGet, false, server_stats},
    {"shadow", {"", ""}, false, false, false, kGet, false, shadow},
    {"shed_connections", {"shed", ""}, true, true, false, kPost, false, shed_connections},
    {"snapshot", {"snap", ""}, true, true, false, kGet, true, nullptr},
    {"stat_reset", {"srst", ""}, true, true, false, kGet, false, stat_reset},
    {"stats", {"stat", ""}, true, true, true, kGet, false, stats},
    {"system_properties", {"sysp", ""}, true, false, false, kGet, false, system_properties},
    {"voting_view", {"", ""}, false, true, false, kGet, false, voting_view},
    {"watch_summary", {"wchs", ""}, false, true, false, kGet, false, watch_summary},
    {"watches", {"wchc", ""}, true, true, false, kGet, false, watches},
    {"watches_by_path", {"wchp", ""}, true, true, false, kGet, false, watches_by_path},
    {"zabstate", {"", ""}, false, false, false, kGet, false, zabstate},
};

constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;

}  // namespace

std::span<const AdminCommand> admin_commands() { return kCommands; }

const AdminCommand* find_admin_command(std::string_view name_or_alias) {
  for (const AdminCommand& command : kCommands) {
    const bool is_alias = std::find(std::begin(command.aliases), std::end(command.aliases),
                                    name_or_alias) != std::end(command.aliases);
    if (command.name == name_or_alias || (is_alias && !name_or_alias.empty())) return &command;
  }
  return nullptr;
}

AdminPermit permit(const AdminCommand& command, const HttpRequest& request,
                   const AdminParts& parts) {
  if (!command.guarded) return {};
  if (request.authorization.empty()) {
    return {kUnauthorized, "Auth info is missing for the command"};
  }
  constexpr std::string_view kScheme = "digest ";
  std::string_view credentials = request.authorization;
  if (!credentials.starts_with(kScheme) || !parts.config.digest_auth) {
    return {kUnauthorized, "Not authenticated"};
  }
  credentials.remove_prefix(kScheme.size());
  if (credentials.find(':') == std::string_view::npos) return {kUnauthorized, "Not authenticated"};
  const std::string id = digest_id(as_bytes(credentials), parts.config.digest_algorithm);
  std::vector<AuthId> ids{AuthId{"digest", id}};
  if (parts.config.super_digest.is(id)) ids.push_back(AuthId{"super", id});
  const DataTree::Slot root = parts.tree.find("/");
  if (root == DataTree::kNone) return {kForbidden, "Not authorized"};
  const Acl& acl = *parts.tree.view(root).acl;
  const AclRules rules = acl_rules(parts.config);
  for (int32_t perm = 1; perm <= kPermAll; perm <<= 1) {
    if ((perm & kPermAll) != 0 && !acl_grants(acl, perm, ids, rules)) {
      return {kForbidden, "Not authorized"};
    }
  }
  return {};
}

void finish_admin_reply(std::string_view command, std::string_view error, JsonWriter& json) {
  json.text("command", command);
  json.key("error");
  if (error.empty()) {
    json.null();
  } else {
    json.text(error);
  }
  json.end_object();
}

}  // namespace vivarium
