#include "core/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/number.h"
#include "core/base/one_line.h"
#include "core/config_keys.h"
#include "core/config_sources.h"
#include "core/properties.h"
#include "core/value_keys.h"
#include "core/wire/host_port.h"

namespace vivarium {
namespace {

using Properties = std::map<std::string, std::string>;

// The first line of the file, as ZooKeeper reads it.
Result<ServerId> parse_my_id(std::string_view my_id) {
  const std::string_view line = trimmed(my_id.substr(0, my_id.find('\n')));
  if (line.empty()) return fail("myid: the file is missing or empty in dataDir");
  const std::optional<int64_t> id = parse_number(line);
  if (!id || *id < 0) return fail(fmt::format("myid: '{}' is no server id", line));
  return ServerId{*id};
}

// --- the file as a whole

// In a properties file the prefix of the system property is allowed and changes nothing.
std::string_view without_property_prefix(std::string_view key) {
  constexpr std::string_view kPropertyPrefix = "zookeeper.";
  if (key.starts_with(kPropertyPrefix)) key.remove_prefix(kPropertyPrefix.size());
  return key;
}

// What says who the members are, which is one file's business.
bool is_membership_key(std::string_view key) {
  return key.starts_with(kServerPrefix) || key.starts_with("group") || key.starts_with("weight");
}

// Where the server is and who its members are cannot come from options of a process.
bool is_file_only_key(std::string_view key) {
  constexpr std::string_view kFileOnly[] = {
      "dataDir",  "dataLogDir", "clientPort", "clientPortAddress", "dynamicConfigFile", "initLimit",
      "peerType", "shadow",     "syncLimit",  "standaloneEnabled", "tickTime"};
  return is_membership_key(key) ||
         std::find(std::begin(kFileOnly), std::end(kFileOnly), key) != std::end(kFileOnly);
}

bool is_identity_key(std::string_view key) {
  constexpr std::string_view kKeys[] = {
      "DigestAuthenticationProvider.digestAlg", "DigestAuthenticationProvider.superDigest",
      "X509AuthenticationProvider.superUser", "letAnySaslUserDoX"};
  return key.starts_with("authProvider.") ||
         std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

// What an option of the process may set.
bool is_option_key(std::string_view key, std::string_view value) {
  if (is_file_only_key(key)) return false;
  Config scratch;
  std::vector<std::string> warnings;
  return take_value_key(key, value, scratch, warnings).has_value() ||
         take_admin_key(key, value, scratch.admin, warnings).has_value() ||
         AuthKeys().take(key, value).has_value() ||
         TlsKeys().take(key, value, warnings).has_value() || is_identity_key(key) ||
         rule_on_key(key, value).verdict != KeyVerdict::Unknown;
}

std::string_view dynamic_file_of(const Properties& properties) {
  for (const auto& [key, value] : properties) {
    if (without_property_prefix(key) == "dynamicConfigFile") return value;
  }
  return {};
}

// ZooKeeper names the file after the version of what is in it: `zoo.cfg.dynamic.<hex>`.
Zxid version_in_name(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return Zxid();
  const std::string_view digits = path.substr(dot + 1);
  return Zxid(parse_hex(digits).value_or(0));
}

// The lines of the dynamic file join those of the file that names it.
Result<Properties> with_dynamic_file(Properties properties, std::string_view dynamic,
                                     std::vector<std::string>& repeated) {
  for (const auto& [key, value] : properties) {
    if (!is_membership_key(key)) continue;
    return fail(fmt::format("{}: belongs into dynamicConfigFile, since there is one", key));
  }
  const Result<Properties> lines = parse_properties(dynamic, &repeated);
  if (!lines) return tl::unexpected<Error>(lines.error());
  for (const auto& [key, value] : *lines) {
    if (key == "version") continue;  // of the lines, which are read once
    if (!is_membership_key(key)) {
      return fail(fmt::format("{}: does not belong into dynamicConfigFile", key));
    }
    properties[key] = value;
  }
  return properties;
}

class ServerFileParser {
 public:
  explicit ServerFileParser(std::string_view my_id) : my_id_(my_id) {}

  Result<ServerFile> parse(const Properties& properties) {
    for (const auto& property : properties) {
      if (const auto error = take(property.first, property.second)) return tl::unexpected(*error);
    }
    for (const auto step :
         {&ServerFileParser::finish_directories, &ServerFileParser::finish_members,
          &ServerFileParser::finish_tls, &ServerFileParser::finish_auth,
          &ServerFileParser::finish_client_address}) {
      if (const auto error = (this->*step)()) return tl::unexpected(*error);
    }
    AdminConfig& admin = file_.config.admin;
    admin.client_host = file_.client.host;
    admin.client_port = file_.client.port;
    admin.secure_client_port = file_.tls.secure_client.port;
    admin.data_dir = file_.data_dir;
    admin.data_log_dir = file_.data_log_dir;
    const Result<Config> config = checked(file_.config);
    if (!config) return tl::unexpected<Error>(config.error());
    return file_;
  }

 private:
  using Failure = std::optional<Error>;
  static Failure failure(std::string message) { return Error{std::move(message)}; }

  Failure take(std::string_view key, std::string_view value) {
    key = without_property_prefix(key);
    if (const auto taken = tls_keys_.take(key, value, file_.warnings)) {
      return *taken ? std::nullopt : Failure(taken->error());
    }
    if (const auto taken = auth_keys_.take(key, value)) {
      return *taken ? std::nullopt : Failure(taken->error());
    }
    if (const auto taken = take_admin_key(key, value, file_.config.admin, file_.warnings)) {
      return *taken ? std::nullopt : Failure(taken->error());
    }
    if (key.starts_with(kServerPrefix)) return take_member(key, value);
    if (key == "dataDir") {
      file_.data_dir = value;
    } else if (key == "dynamicConfigFile") {
      file_.config.members_version = version_in_name(value);  // its lines are among the others
    } else if (key == "reconfigEnabled") {
      file_.config.reconfig.enabled = equal_ignoring_case(value, "true");
    } else if (key == "dataLogDir") {
      file_.data_log_dir = value;
    } else if (key == "clientPort") {
      const std::optional<uint16_t> port = parse_port(value);
      if (!port) return failure(fmt::format("clientPort: '{}' is no port from 1 to 65535", value));
      file_.client.port = *port;
    } else if (key == "clientPortAddress") {
      file_.client.host = unbracketed(value);
    } else if (key == "peerType") {
      peer_is_observer_ = parse_role(value);
      if (value.empty() || !peer_is_observer_) {
        return failure(fmt::format("peerType: '{}' is neither participant nor observer", value));
      }
    } else if (key == "shadow") {
      if (value != "true" && value != "false") {
        return failure(fmt::format("shadow: '{}' is neither true nor false", value));
      }
      file_.config.shadow = value == "true";
    } else if (key == "standaloneEnabled") {
      if (value != "true" && value != "false") {
        return failure(fmt::format("standaloneEnabled: '{}' is neither true nor false", value));
      }
      file_.config.reconfig.standalone_enabled = value == "true";
    } else if (key == "DigestAuthenticationProvider.superDigest") {
      file_.config.super_digest = Secret(std::string(value));
    } else if (key == "X509AuthenticationProvider.superUser") {
      file_.config.x509_super_user = value;
    } else if (key == "DigestAuthenticationProvider.digestAlg") {
      return take_digest_algorithm(value);
    } else if (key == "letAnySaslUserDoX") {
      file_.config.any_sasl_user = value;
    } else if (key.starts_with("authProvider.")) {
      return take_auth_provider(key, value);
    } else if (const auto taken = take_value_key(key, value, file_.config, file_.warnings)) {
      has_init_limit_ = has_init_limit_ || key == "initLimit";
      has_sync_limit_ = has_sync_limit_ || key == "syncLimit";
      return *taken ? std::nullopt : Failure(taken->error());
    } else {
      return take_other(key, value);
    }
    return std::nullopt;
  }

  static std::string unbracketed(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    }
    return std::string(host);
  }

  Failure take_member(std::string_view key, std::string_view value) {
    const Result<Member> member = parse_member(key, value);
    if (!member) return member.error();
    file_.config.members.push_back(*member);
    return std::nullopt;
  }

  Failure take_digest_algorithm(std::string_view value) {
    if (equal_ignoring_case(value, "SHA1") || equal_ignoring_case(value, "SHA-1")) {
      file_.config.digest_algorithm = DigestAlgorithm::Sha1;
    } else if (equal_ignoring_case(value, "SHA-256")) {
      file_.config.digest_algorithm = DigestAlgorithm::Sha256;
    } else {
      return failure(fmt::format(
          "DigestAuthenticationProvider.digestAlg: '{}' is neither SHA1 nor SHA-256", value));
    }
    return std::nullopt;
  }

  // ZooKeeper's own providers by the names of their classes. Which ids ACLs may hold depends on
  // them; how a client proves such an id is another matter.
  Failure take_auth_provider(std::string_view key, std::string_view value) {
    constexpr std::string_view kPackage = "org.apache.zookeeper.server.auth.";
    const std::string_view name =
        value.starts_with(kPackage) ? value.substr(kPackage.size()) : std::string_view();
    if (name == "SASLAuthenticationProvider") {
      file_.config.sasl_ids = true;
    } else if (name == "X509AuthenticationProvider") {
      file_.config.x509_ids = true;
    } else if (name != "DigestAuthenticationProvider" && name != "IPAuthenticationProvider") {
      return failure(fmt::format("{}={}: there is no such authentication here", key, value));
    }
    return std::nullopt;
  }

  Failure take_other(std::string_view key, std::string_view value) {
    const KeyRuling ruling = rule_on_key(key, value);
    switch (ruling.verdict) {
      case KeyVerdict::Unknown:
        return failure(fmt::format("{}: unknown key", key));
      case KeyVerdict::Refused:
        return failure(fmt::format("{}={}: {}", key, value, ruling.reason));
      case KeyVerdict::Ignored:
        // Without the value, which may be a password.
        warn(ruling.reason.empty() ? fmt::format("{} is ignored", key)
                                   : fmt::format("{} is ignored: {}", key, ruling.reason));
        return std::nullopt;
      case KeyVerdict::Harmless:
        return std::nullopt;
    }
    return std::nullopt;
  }

  void warn(std::string line) { file_.warnings.push_back(std::move(line)); }

  Failure finish_directories() {
    if (file_.data_dir.empty()) return failure("dataDir is not set");
    if (file_.data_log_dir.empty()) file_.data_log_dir = file_.data_dir;
    return std::nullopt;
  }

  // As ZooKeeper: one participant alone is a standalone server, whatever its line says.
  Failure finish_members() {
    Config& config = file_.config;
    std::sort(config.members.begin(), config.members.end(),
              [](const Member& a, const Member& b) { return a.id < b.id; });
    const size_t voters = config.voter_count();
    const bool may_be_alone = config.reconfig.standalone_enabled;
    if (!config.reconfig.enabled) config.members_version = Zxid();
    if (voters == 0 && !may_be_alone) {
      return failure("standaloneEnabled=false: there is no participant among the server lines");
    }
    if (voters < 2 && may_be_alone && config.members.size() > voters) {
      return failure("observers need at least two participants");
    }
    if (config.shadow) return finish_shadow();
    if (config.members.empty()) {
      if (peer_is_observer_) warn("peerType is ignored: there are no server lines");
      return std::nullopt;
    }
    if (config.members.size() == 1 && may_be_alone) {
      own_ = config.members.front();
      warn(fmt::format("server.{} is ignored: a single server runs standalone", own_->id.value));
      config.members.clear();
      return std::nullopt;
    }
    return finish_quorum();
  }

  Failure finish_quorum() {
    Config& config = file_.config;
    if (!has_init_limit_) return failure("initLimit is not set");
    if (!has_sync_limit_) return failure("syncLimit is not set");
    const Result<ServerId> id = parse_my_id(my_id_);
    if (!id) return id.error();
    config.id = *id;
    const Member* own = config.find(config.id);
    if (own == nullptr) {
      const bool removed = config.members_version != Zxid();
      return failure(fmt::format("myid: there is no line server.{}{}", config.id.value,
                                 removed
                                     ? "; a server that was removed from the ensemble needs one "
                                       "again to ask for its place"
                                     : ""));
    }
    own_ = *own;
    if (peer_is_observer_ && *peer_is_observer_ != own->observer) {
      warn(fmt::format("peerType is ignored: server.{} says {}", config.id.value,
                       own->observer ? "observer" : "participant"));
    }
    return std::nullopt;
  }

  // The server lines are those of the ensemble, which does not know this server.
  Failure finish_shadow() {
    Config& config = file_.config;
    if (config.members.empty() ||
        (config.members.size() == 1 && config.reconfig.standalone_enabled)) {
      return failure(
          "shadow=true: the server lines of an ensemble are missing; a single server has no "
          "port at which it could be followed");
    }
    if (peer_is_observer_ && !*peer_is_observer_) {
      return failure("shadow=true: peerType has to be observer");
    }
    if (!has_init_limit_) return failure("initLimit is not set");
    if (!has_sync_limit_) return failure("syncLimit is not set");
    const Result<ServerId> id = parse_my_id(my_id_);
    if (!id) return id.error();
    config.id = *id;
    if (config.id <= config.members.back().id) {
      return failure(fmt::format(
          "myid: a shadow needs a number that no server of the ensemble has, above all of them: {} "
          "is not above {}",
          config.id.value, config.members.back().id.value));
    }
    if (config.read_only_mode) {
      config.read_only_mode = false;
      warn("readonlymode.enabled is ignored: a shadow serves no clients");
    }
    return std::nullopt;
  }

  // Clients' certificates are ids wherever TLS is on, as in ZooKeeper.
  Failure finish_tls() {
    Result<TlsSettings> tls = tls_keys_.finish(file_.warnings);
    if (!tls) return tls.error();
    file_.tls = std::move(*tls);
    file_.config.x509_ids = file_.config.x509_ids || file_.tls.enabled();
    return std::nullopt;
  }

  Failure finish_auth() {
    file_.sasl = auth_keys_.sasl_file();
    std::vector<std::string_view> available = {"ip"};
    if (file_.config.digest_auth) available.emplace_back("digest");
    if (file_.tls.enabled()) available.emplace_back("x509");
    if (!file_.sasl.path.empty()) available.emplace_back("sasl");
    Result<AuthConfig> auth = auth_keys_.finish(available);
    if (!auth) return auth.error();
    file_.config.auth = std::move(*auth);
    return std::nullopt;
  }

  // The own server line may name the client's address instead of clientPort; both must agree.
  Failure finish_client_address() {
    Address& client = file_.client;
    const auto any = [](const std::string& host) {
      return host.empty() || host == "0.0.0.0" || host == "::";
    };
    if (client.port == 0 && !client.host.empty()) {
      return failure("clientPortAddress is set but clientPort is not");
    }
    if (own_ && own_->client.port != 0) {
      const bool agree = client.port == own_->client.port &&
                         (any(client.host) || client.host == own_->client.host);
      if (client.port != 0 && !agree) {
        return failure(fmt::format(
            "clientPort and clientPortAddress differ from what server.{} says", own_->id.value));
      }
      client = own_->client;
    }
    if (client.port == 0 && file_.tls.on_client_port) {
      return failure("client.portUnification is set but clientPort is not");
    }
    if (client.port == 0 && !file_.tls.enabled()) return failure("clientPort is not set");
    if (any(client.host) && client.host != "::") client.host.clear();
    if (client.port != 0 && client.port == file_.tls.secure_client.port &&
        client.host == file_.tls.secure_client.host) {
      return failure(
          "clientPort and secureClientPort are one; client.portUnification=true serves both on "
          "clientPort");
    }
    return std::nullopt;
  }

  std::string_view my_id_;
  ServerFile file_;
  TlsKeys tls_keys_;
  AuthKeys auth_keys_;
  std::optional<Member> own_;
  std::optional<bool> peer_is_observer_;
  bool has_init_limit_ = false;
  bool has_sync_limit_ = false;
};

std::optional<Error> check_ranges(const Config& c) {
  const auto between = [](int64_t v, int64_t min, int64_t max) { return v >= min && v <= max; };
  if (!between(c.tick_ms, 1, 3'600'000)) return Error{"the tick is out of range"};
  if (!between(c.init_limit_ticks, 1, kTicksMax)) return Error{"initLimit is out of range"};
  if (!between(c.sync_limit_ticks, 1, kTicksMax)) return Error{"syncLimit is out of range"};
  if (c.session_timeout_min_ms == 0 || c.session_timeout_max_ms == 0) {
    return Error{"a session timeout of 0 is out of range"};
  }
  if (c.min_session_timeout() > c.max_session_timeout()) {
    return Error{fmt::format("minSessionTimeout {} is above maxSessionTimeout {}",
                             c.min_session_timeout(), c.max_session_timeout())};
  }
  if (c.max_session_timeout() > kMsMax) return Error{"maxSessionTimeout is out of range"};
  if (c.packet_bytes_max < 64 || c.packet_bytes_max > kPacketBytesMax) {
    return Error{"the largest packet is out of range"};
  }
  if (c.container_check_ms < 1 || c.container_removals_per_minute < 1 ||
      c.container_never_used_ms < 0) {
    return Error{"the removal of containers is out of range"};
  }
  if (c.snapshot_every_txns < 2) return Error{"snapCount is below 2"};
  if (c.snapshots_kept < 1) return Error{"at least one snapshot has to be kept"};
  if (c.log_segment_bytes_max == 0) return Error{"a log segment has no room"};
  if (c.notification_min_ms < 1 || c.finalize_wait_ms < 0 ||
      c.notification_min_ms > c.notification_max_ms) {
    return Error{"fastleader.*NotificationInterval: the election's intervals are out of range"};
  }
  return std::nullopt;
}

// A server outside of the list may still be let in when lists can change.
std::optional<Error> check_own_id(const Config& c) {
  if (c.shadow) {
    if (c.find(c.id) == nullptr) return std::nullopt;
    return Error{fmt::format("server {} is a member: a shadow is none", c.id.value)};
  }
  if (c.find(c.id) == nullptr && !c.reconfig.enabled) {
    return Error{fmt::format("server {} is none of the configured servers", c.id.value)};
  }
  return std::nullopt;
}

}  // namespace

Result<ServerFile> parse_server_file(std::string_view text, std::string_view my_id) {
  return parse_server_file(ConfigTexts{text, my_id, {}, {}});
}

namespace {

Error in_one_line(const Error& error) { return Error{one_line(error.message)}; }

Result<ServerFile> parse_texts(const ConfigTexts& texts) {
  std::vector<std::string> repeated;
  Result<Properties> properties = parse_properties(texts.zoo_cfg, &repeated);
  if (!properties) return tl::unexpected<Error>(properties.error());
  if (!dynamic_file_of(*properties).empty()) {
    properties = with_dynamic_file(std::move(*properties), texts.dynamic, repeated);
    if (!properties) return tl::unexpected<Error>(properties.error());
  }
  // A key of the file counts, whatever the options say. As ZooKeeper, which sets its properties by
  // the file.
  const JvmFlags flags = parse_jvm_flags(texts.jvm_flags);
  std::vector<std::string> ignored = flags.others;
  for (const auto& [key, value] : flags.properties) {
    if (!is_option_key(key, value)) {
      ignored.push_back("-D" + key);
    } else if (!properties->contains(key) && !properties->contains("zookeeper." + key)) {
      (*properties)[key] = value;
    }
  }
  Result<ServerFile> file = ServerFileParser(texts.my_id).parse(*properties);
  if (!file) return file;
  std::sort(repeated.begin(), repeated.end());
  repeated.erase(std::unique(repeated.begin(), repeated.end()), repeated.end());
  for (const std::string& key : repeated) {
    file->warnings.push_back(fmt::format("{} is set more than once: the last line counts", key));
  }
  for (const std::string& option : ignored) {
    file->warnings.push_back(fmt::format("{} of JVMFLAGS is ignored", option));
  }
  return file;
}

}  // namespace

Result<ServerFile> parse_server_file(const ConfigTexts& texts) {
  Result<ServerFile> file = parse_texts(texts);
  if (!file) return tl::unexpected<Error>(in_one_line(file.error()));
  for (std::string& warning : file->warnings) warning = one_line(warning);
  return file;
}

Result<std::string> parse_dynamic_file(std::string_view text) {
  const Result<Properties> properties = parse_properties(text);
  if (!properties) return tl::unexpected<Error>(in_one_line(properties.error()));
  return std::string(dynamic_file_of(*properties));
}

Result<std::string> parse_data_dir(std::string_view text) {
  const Result<Properties> properties = parse_properties(text);
  if (!properties) return tl::unexpected<Error>(in_one_line(properties.error()));
  const auto found = properties->find("dataDir");
  if (found == properties->end() || found->second.empty()) return fail("dataDir is not set");
  return found->second;
}

Result<Config> checked(Config config) {
  if (const std::optional<Error> error = check_ranges(config)) return tl::unexpected(*error);
  if (config.standalone()) return config;
  if (const std::optional<Error> error = check_members(config.members)) {
    return tl::unexpected(*error);
  }
  if (const std::optional<Error> error = check_own_id(config)) return tl::unexpected(*error);
  return config;
}

}  // namespace vivarium
