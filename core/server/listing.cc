#include "core/server/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/server/admin_text.h"
#include "core/server/client_connection.h"

namespace vivarium {
namespace {

// Items of one portion.
constexpr size_t kPortion = 256;
// SelectionKey.OP_READ: the connection is being read.
constexpr int kInterestRead = 1;

uint64_t hex(SessionId session) { return static_cast<uint64_t>(session.value); }

int interest_ops(const ClientConnection& connection) {
  return connection.stalled ? 0 : kInterestRead;
}

// ZooKeeper's clock of "lresp": milliseconds of a clock of the process's own.
int64_t elapsed_ms(Instant at) { return at.ns / 1'000'000; }

void connection_json(const ClientConnection& connection, bool brief, JsonWriter& json) {
  const ConnectionStats& stats = connection.stats;
  json.begin_object();
  json.text("remote_socket_address", socket_text(connection.address, stats.port).substr(1));
  json.number("interest_ops", interest_ops(connection));
  json.number("outstanding_requests", static_cast<int64_t>(connection.queue.size()));
  json.number("packets_received", stats.received);
  json.number("packets_sent", stats.sent);
  if (!brief) {
    json.number("session_id", connection.session.value);
    json.text("last_operation", last_operation_name(stats.last_op));
    json.number("established", stats.established.ms);
    json.number("session_timeout", connection.timeout_ms);
    json.number("last_cxid", stats.last_cxid);
    json.number("last_zxid", stats.last_zxid);
    json.number("last_response_time", elapsed_ms(stats.last_response));
    json.number("last_latency", stats.last_latency_ms);
    json.number("min_latency", stats.latency.min_ms);
    json.number("avg_latency",
                stats.latency.count == 0 ? 0 : stats.latency.total_ms / stats.latency.count);
    json.number("max_latency", stats.latency.max_ms);
  }
  json.end_object();
}

}  // namespace

std::string socket_text(std::string_view address, uint16_t port) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return v6 ? fmt::format("/[{}]:{}", address, port) : fmt::format("/{}:{}", address, port);
}

std::string word_line(std::string_view address, uint16_t port) {
  return fmt::format(" {}[0](queued=0,recved=1,sent=0)", socket_text(address, port));
}

std::string connection_line(const ClientConnection& connection, bool brief, bool reading) {
  const ConnectionStats& stats = connection.stats;
  std::string line = fmt::format(
      " {}[{}](queued={},recved={},sent={}", socket_text(connection.address, stats.port),
      reading ? kInterestRead : 0, connection.queue.size(), stats.received, stats.sent);
  if (!brief && connection.session != SessionId()) {
    put(line, ",sid=0x{:x},lop={},est={},to={}", hex(connection.session),
        last_operation_name(stats.last_op), stats.established.ms, connection.timeout_ms);
    if (stats.last_cxid >= 0) put(line, ",lcxid=0x{:x}", stats.last_cxid);
    put(line, ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        static_cast<uint64_t>(stats.last_zxid), elapsed_ms(stats.last_response),
        stats.last_latency_ms, stats.latency.min_ms,
        stats.latency.count == 0 ? 0 : stats.latency.total_ms / stats.latency.count,
        stats.latency.max_ms);
  }
  line += ')';
  return line;
}

Listing Listing::as_text(ListingKind kind, std::string own) {
  Listing listing;
  listing.kind_ = kind;
  listing.own_ = std::move(own);
  return listing;
}

Listing Listing::as_json(ListingKind kind, JsonWriter json) {
  Listing listing;
  listing.kind_ = kind;
  listing.in_json_ = true;
  listing.json_ = std::move(json);
  return listing;
}

bool Listing::write_portion(const AdminParts& parts, std::string& out) {
  bool done = false;
  switch (kind_) {
    case ListingKind::Clients:
    case ListingKind::Connections:
      done = write_connections(parts, out);
      break;
    case ListingKind::Dump:
      done = write_dump(parts, out);
      break;
    case ListingKind::WatchesBySession:
      done = write_by_session(parts, out);
      break;
    case ListingKind::WatchesByPath:
      done = write_by_path(parts, out);
      break;
  }
  if (in_json_) out += json_.take();
  return done;
}

// --- groups: a line or a key, and what belongs to it

void Listing::open_group(std::string_view text_line, std::string_view json_key, std::string& out) {
  if (group_open_) return;
  group_open_ = true;
  if (in_json_) {
    json_.key(json_key);
    json_.begin_array();
  } else {
    put(out, "{}\n", text_line);
  }
}

void Listing::close_group() {
  if (group_open_ && in_json_) json_.end_array();
  group_open_ = false;
  within_ = 0;
}

// --- connections

bool Listing::write_connections(const AdminParts& parts, std::string& out) {
  const bool brief = kind_ == ListingKind::Clients;
  if (stage_ == Stage::Begin) {
    stage_ = Stage::Links;
    if (in_json_) {
      json_.key("connections");
      json_.begin_array();
    } else {
      put(out, "{}\n", own_);
    }
  }
  for (size_t n = 0; n < kPortion; ++n) {
    const ClientConnection* connection = parts.server.connection_from(static_cast<uint32_t>(at_));
    if (connection == nullptr) {
      if (in_json_) {
        json_.end_array();
        json_.key("secure_connections");
        json_.begin_array();
        json_.end_array();
      } else {
        out += '\n';
      }
      return true;
    }
    at_ = uint64_t{connection->link.slot} + 1;
    if (in_json_) {
      connection_json(*connection, brief, json_);
    } else {
      put(out, "{}\n", connection_line(*connection, brief, interest_ops(*connection) != 0));
    }
  }
  return false;
}

// --- dump

bool Listing::write_dump(const AdminParts& parts, std::string& out) {
  switch (stage_) {
    case Stage::Begin:
      begin_dump(parts, out);
      break;
    case Stage::Due:
      write_due(parts, out);
      break;
    case Stage::Sessions:
      write_sessions(parts, out);
      break;
    case Stage::Owners:
      write_owners(parts, out);
      break;
    case Stage::Links:
      write_links(parts, out);
      break;
    case Stage::End:
      break;
  }
  return stage_ == Stage::End;
}

// Only a leader knows when sessions are due.
void Listing::begin_dump(const AdminParts& parts, std::string& out) {
  const Leader* leader = parts.zab.leader_role();
  stage_ = leader != nullptr ? Stage::Due : Stage::Sessions;
  at_ = static_cast<uint64_t>(INT64_MIN);
  if (in_json_) {
    json_.key("expiry_time_to_session_ids");
    json_.begin_object();
    return;
  }
  out += "SessionTracker dump:\n";
  if (leader != nullptr) {
    put(out, "Session Sets ({})/({}):\n", leader->session_tracker().due_sets(),
        leader->session_tracker().size());
  } else {
    put(out, "Global Sessions({}):\n", parts.tree.sessions().size());
  }
}

void Listing::write_due(const AdminParts& parts, std::string& out) {
  const Leader* leader = parts.zab.leader_role();
  Instant at;
  std::vector<SessionId> due;
  const bool more =
      leader != nullptr && leader->session_tracker().list_due(due_, kPortion, at, due);
  if (!more || at_ != static_cast<uint64_t>(at.ns)) close_group();
  at_ = static_cast<uint64_t>(at.ns);
  if (!more) {
    stage_ = Stage::Owners;
    at_ = static_cast<uint64_t>(INT64_MIN);
    if (in_json_) {
      json_.end_object();
      json_.key("session_id_to_ephemeral_paths");
      json_.begin_object();
    } else {
      put(out, "ephemeral nodes dump:\nSessions with Ephemerals ({}):\n",
          parts.tree.ephemeral_owner_count());
    }
    return;
  }
  if (in_json_) {
    open_group({}, std::to_string(elapsed_ms(at)), out);
    for (const SessionId session : due) json_.number(session.value);
    return;
  }
  // A large set is listed as several of the same time.
  const WallTime when{parts.world.wall_now().ms + (at - parts.world.now()).ms()};
  put(out, "{} expire at {}:\n", due.size(), java_date(when));
  for (const SessionId session : due) put(out, "\t0x{:x}\n", hex(session));
}

void Listing::write_sessions(const AdminParts& parts, std::string& out) {
  const auto& sessions = parts.tree.sessions();
  auto next = sessions.lower_bound(SessionId{static_cast<int64_t>(at_)});
  for (size_t n = 0; n < kPortion && next != sessions.end() && !in_json_; ++n, ++next) {
    put(out, "0x{:x}\t{}ms\n", hex(next->first), next->second);
  }
  if (next != sessions.end() && !in_json_) {
    at_ = static_cast<uint64_t>(next->first.value);
    return;
  }
  stage_ = Stage::Due;  // which comes to its end: there is no leader here
  due_ = {INT64_MAX, 0};
}

void Listing::write_owners(const AdminParts& parts, std::string& out) {
  size_t left = kPortion;
  while (left > 0) {
    auto owner = parts.tree.ephemeral_owner_from(SessionId{static_cast<int64_t>(at_)});
    if (owner && owners_done_) owner.reset();
    if (!owner) {
      close_group();
      if (in_json_) {
        json_.end_object();
        stage_ = Stage::End;
        return;
      }
      stage_ = Stage::Links;
      at_ = 0;
      const size_t connections = parts.server.connection_count();
      put(out, "Connections dump:\nConnections Sets ({})/({}):\n",
          (connections + kPortion - 1) / kPortion, connections);
      return;
    }
    if (owner->value != static_cast<int64_t>(at_)) close_group();
    at_ = static_cast<uint64_t>(owner->value);
    open_group(fmt::format("0x{:x}:", hex(*owner)), std::to_string(owner->value), out);
    const std::vector<std::string> paths = parts.tree.ephemerals(*owner, within_, left);
    for (const std::string& path : paths) {
      if (in_json_) {
        json_.text(path);
      } else {
        put(out, "\t{}\n", path);
      }
    }
    within_ += paths.size();
    left -= paths.size();
    if (left == 0) return;
    close_group();
    owners_done_ = owner->value == INT64_MAX;
    if (!owners_done_) at_ = static_cast<uint64_t>(owner->value + 1);
  }
}

// ZooKeeper's connections expire with their sessions, in sets of equal time. Here only sessions
// expire: the time is the latest at which any of the portion's connections would be idle too long.
void Listing::write_links(const AdminParts& parts, std::string& out) {
  std::vector<const ClientConnection*> listed;
  int64_t longest_ms = 0;
  while (listed.size() < kPortion) {
    const ClientConnection* connection = parts.server.connection_from(static_cast<uint32_t>(at_));
    if (connection == nullptr) {
      stage_ = Stage::End;
      break;
    }
    at_ = uint64_t{connection->link.slot} + 1;
    listed.push_back(connection);
    const bool in_session = connection->session != SessionId();
    longest_ms = std::max<int64_t>(
        longest_ms, in_session ? connection->timeout_ms : parts.config.handshake_deadline_ms);
  }
  if (listed.empty()) return;
  put(out, "{} expire at {}:\n", listed.size(),
      java_date({parts.world.wall_now().ms + longest_ms}));
  for (const ClientConnection* connection : listed) {
    put(out, "\tip: {} sessionId: 0x{:x}\n",
        socket_text(connection->address, connection->stats.port), hex(connection->session));
  }
}

// --- watches

bool Listing::write_by_session(const AdminParts& parts, std::string& out) {
  const WatchTable& watches = parts.server.watches();
  if (stage_ == Stage::Begin) {
    stage_ = Stage::Links;
    if (in_json_) {
      json_.key("session_id_to_watched_paths");
      json_.begin_object();
    }
  }
  std::vector<std::string_view> paths;
  size_t left = kPortion;
  while (left > 0) {
    const auto watcher = watches.watcher_from(at_);
    if (!watcher || *watcher != at_) close_group();
    if (!watcher) {
      if (in_json_) {
        json_.end_object();
      } else {
        out += '\n';
      }
      return true;
    }
    at_ = *watcher;
    const ClientConnection* connection = parts.server.connection_of(link_of(at_));
    if (connection == nullptr) {  // gone, but for its watches
      close_group();
      ++at_;
      --left;
      continue;
    }
    const SessionId session = connection->session;
    watches.list_paths(at_, within_, left, paths);
    if (!paths.empty()) {
      open_group(fmt::format("0x{:x}", hex(session)), std::to_string(session.value), out);
    }
    for (const std::string_view path : paths) {
      if (in_json_) {
        json_.text(path);
      } else {
        put(out, "\t{}\n", path);
      }
    }
    within_ += paths.size();
    left -= std::min(left, std::max<size_t>(paths.size(), 1));
    if (paths.size() > 0 && left == 0) break;
    close_group();
    ++at_;
  }
  return false;
}

bool Listing::write_by_path(const AdminParts& parts, std::string& out) {
  const WatchTable& watches = parts.server.watches();
  if (stage_ == Stage::Begin) {
    stage_ = Stage::Links;
    if (in_json_) {
      json_.key("path_to_session_ids");
      json_.begin_object();
    }
  }
  std::vector<WatcherId> watchers;
  size_t left = kPortion;
  for (; left > 0 && at_ < watches.path_numbers(); ++at_) {
    const auto path = static_cast<uint32_t>(at_);
    watches.list_watchers(path, within_, left, watchers);
    if (!watchers.empty()) open_group(watches.path_text(path), watches.path_text(path), out);
    for (const WatcherId watcher : watchers) {
      const ClientConnection* connection = parts.server.connection_of(link_of(watcher));
      if (connection == nullptr) continue;  // gone, but for its watches
      if (in_json_) {
        json_.number(connection->session.value);
      } else {
        put(out, "\t0x{:x}\n", hex(connection->session));
      }
    }
    within_ += watchers.size();
    left -= std::min(left, std::max<size_t>(watchers.size(), 1));
    if (!watchers.empty() && left == 0) return false;
    close_group();
  }
  if (at_ < watches.path_numbers()) return false;
  close_group();
  if (in_json_) {
    json_.end_object();
  } else {
    out += '\n';
  }
  return true;
}

}  // namespace vivarium
