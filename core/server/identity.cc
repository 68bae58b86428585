#include "core/server/identity.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/sha.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

// Every write carries the ids through the quorum, and every check goes over them.
constexpr size_t kIdsMax = 100;
constexpr size_t kIdBytesMax = 64 << 10;

bool has_room(const std::vector<AuthId>& ids, size_t added_bytes) {
  size_t bytes = added_bytes;
  for (const AuthId& id : ids) bytes += id.id.size();
  return ids.size() < kIdsMax && bytes <= kIdBytesMax;
}

bool attach(AuthId id, std::vector<AuthId>& ids) {
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) return true;
  if (!has_room(ids, id.id.size())) return false;
  ids.push_back(std::move(id));
  return true;
}

}  // namespace

ErrorCode add_identity(ByteView packet, std::string_view address, const Config& config,
                       std::vector<AuthId>& ids) {
  const auto auth = decode_auth_packet(packet);
  if (!auth) return ErrorCode::AuthFailed;
  if (auth->scheme == "ip") {
    return attach({"ip", std::string(address)}, ids) ? ErrorCode::Ok : ErrorCode::AuthFailed;
  }
  if (auth->scheme == "x509") {
    // TLS has seen to it already, or there is nothing that the packet could add.
    const bool shown =
        std::any_of(ids.begin(), ids.end(), [](const AuthId& id) { return id.scheme == "x509"; });
    return shown ? ErrorCode::Ok : ErrorCode::AuthFailed;
  }
  if (auth->scheme != "digest" || !config.digest_auth || auth->null_auth) {
    return ErrorCode::AuthFailed;
  }
  const std::string id = digest_id(auth->auth, config.digest_algorithm);
  if (!attach({"digest", id}, ids)) return ErrorCode::AuthFailed;
  if (config.super_digest.is(id) && !attach({"super", ""}, ids)) return ErrorCode::AuthFailed;
  return ErrorCode::Ok;
}

bool add_sasl_user(std::string_view user, const Config& config, std::vector<AuthId>& ids) {
  if (!attach({"sasl", std::string(user)}, ids)) return false;
  const std::vector<std::string>& supers = config.auth.sasl_super_users;
  if (std::find(supers.begin(), supers.end(), user) == supers.end()) return true;
  return attach({"super", ""}, ids);
}

bool satisfies_demands(std::span<const AuthId> ids, const AuthConfig& auth) {
  if (auth.demanded.empty()) return true;
  return std::any_of(ids.begin(), ids.end(), [&](const AuthId& id) {
    return std::find(auth.demanded.begin(), auth.demanded.end(), id.scheme) != auth.demanded.end();
  });
}

void add_certificate(std::string_view subject, const Config& config, std::vector<AuthId>& ids) {
  if (subject.empty() || !config.x509_ids) return;
  const std::string id(subject);
  if (!attach({"x509", id}, ids)) return;
  // As ZooKeeper, whose super by certificate has a name.
  if (id == config.x509_super_user) (void)attach({"super", id}, ids);
}

std::string digest_id(ByteView user_and_password, DigestAlgorithm algorithm) {
  const std::string_view text = as_text(user_and_password);
  std::string id(text.substr(0, text.find(':')));
  id += ':';
  switch (algorithm) {
    case DigestAlgorithm::Sha1:
      return id += base64(sha1(user_and_password));
    case DigestAlgorithm::Sha256:
      return id += base64(sha256(user_and_password));
  }
  return id;
}

void encode_who_am_i(std::span<const AuthId> ids, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(ids.size()));
  for (const AuthId& id : ids) {
    writer.string(id.scheme);
    const std::string_view text = id.id;
    writer.string(id.scheme == "digest" ? text.substr(0, text.find(':')) : text);
  }
}

}  // namespace vivarium
