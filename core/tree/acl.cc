#include "core/tree/acl.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "core/base/check.h"
#include "core/wire/acl_codec.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

constexpr std::string_view kWorld = "world";
constexpr std::string_view kAnyone = "anyone";
constexpr std::string_view kAuth = "auth";
constexpr std::string_view kSuper = "super";
constexpr std::string_view kDigest = "digest";
constexpr std::string_view kIp = "ip";
constexpr std::string_view kX509 = "x509";
constexpr std::string_view kSasl = "sasl";

bool is_world_anyone(const AclEntry& entry) {
  return entry.scheme == kWorld && entry.id == kAnyone;
}

bool is_enabled(std::string_view scheme, const AclRules& rules) {
  if (scheme == kDigest) return rules.digest;
  if (scheme == kX509) return rules.x509;
  if (scheme == kSasl) return rules.sasl;
  return scheme == kIp;
}

// Schemes whose ids say who somebody is; an address does not.
bool is_authenticated(std::string_view scheme, const AclRules& rules) {
  return scheme != kIp && is_enabled(scheme, rules);
}

bool is_valid_id(std::string_view scheme, std::string_view id, const AclRules& rules) {
  if (!is_enabled(scheme, rules)) return false;
  if (scheme == kDigest) return is_valid_digest_id(id);
  if (scheme == kX509) return is_valid_x509_id(id);
  if (scheme == kSasl) return is_valid_sasl_id(id);
  return is_valid_ip_id(id);
}

bool entry_matches(const AclEntry& entry, const AuthId& id, const AclRules& rules) {
  if (entry.scheme != id.scheme || !is_enabled(entry.scheme, rules)) return false;
  if (entry.scheme == kIp) return ip_matches(id.id, entry.id);
  if (entry.scheme == kSasl) {
    const bool any = !rules.any_sasl_user.empty() && entry.id == rules.any_sasl_user;
    return any || id.id == kSuper || entry.id == id.id;
  }
  return entry.id == id.id;
}

// Entries of a list that were seen before. A list may be as long as a packet: no pairwise search.
class Seen {
 public:
  bool again(const AclEntry& entry) {
    return !entries_.emplace(entry.perms, entry.scheme, entry.id).second;
  }

 private:
  std::set<std::tuple<int32_t, std::string_view, std::string_view>> entries_;
};

struct IpAddress {
  std::array<Byte, 16> bytes{};
  size_t size = 0;  // 4 or 16
};

bool parse_number(std::string_view text, uint32_t max, int base, uint32_t& out) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out, base);
  return error == std::errc() && at == end && out <= max;
}

bool parse_ipv4(std::string_view text, std::span<Byte> out) {
  for (size_t i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return false;
    uint32_t part = 0;
    if (!parse_number(text.substr(0, dot), 255, 10, part)) return false;
    out[i] = static_cast<Byte>(part);
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return text.empty();
}

// Groups of one side of "::", the last of which may be an IPv4 address. Appends to `out` at `size`.
bool parse_groups(std::string_view text, std::array<Byte, 16>& out, size_t& size) {
  while (!text.empty()) {
    const size_t colon = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == text.size();
    if (last && group.find('.') != std::string_view::npos) {
      if (size + 4 > out.size() || !parse_ipv4(group, std::span(out).subspan(size, 4)))
        return false;
      size += 4;
    } else {
      uint32_t value = 0;
      if (size + 2 > out.size() || group.size() > 4) return false;
      if (!parse_number(group, 0xffff, 16, value)) return false;
      out[size++] = static_cast<Byte>(value >> 8);
      out[size++] = static_cast<Byte>(value);
    }
    if (last) return true;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;  // a colon at the end
  }
  return true;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  IpAddress address;
  if (text.find(':') == std::string_view::npos) {
    address.size = 4;
    if (!parse_ipv4(text, std::span(address.bytes).first(4))) return std::nullopt;
    return address;
  }
  address.size = 16;
  const size_t gap = text.find("::");
  size_t head = 0;
  if (gap == std::string_view::npos) {
    if (!parse_groups(text, address.bytes, head) || head != 16) return std::nullopt;
    return address;
  }
  std::array<Byte, 16> tail{};
  size_t tail_size = 0;
  if (!parse_groups(text.substr(0, gap), address.bytes, head)) return std::nullopt;
  if (!parse_groups(text.substr(gap + 2), tail, tail_size)) return std::nullopt;
  if (head + tail_size > 14) return std::nullopt;
  for (size_t i = 0; i < tail_size; ++i) address.bytes[16 - tail_size + i] = tail[i];
  return address;
}

struct IpPattern {
  IpAddress address;
  uint32_t bits = 0;
};

std::optional<IpPattern> parse_pattern(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpPattern pattern{*address, static_cast<uint32_t>(address->size * 8)};
  if (slash == std::string_view::npos) return pattern;
  if (!parse_number(text.substr(slash + 1), pattern.bits, 10, pattern.bits)) return std::nullopt;
  return pattern;
}

Hash128 content_hash(const Acl& acl) {
  Bytes bytes;
  JuteWriter writer(bytes);
  encode_acl(acl, writer);
  return hash128(bytes);
}

}  // namespace

Acl open_acl() { return {{kPermAll, std::string(kWorld), std::string(kAnyone)}}; }

bool acl_grants(const Acl& acl, int32_t wanted, std::span<const AuthId> ids,
                const AclRules& rules) {
  if (rules.skip || acl.empty()) return true;
  for (const AuthId& id : ids) {
    if (id.scheme == kSuper) return true;
  }
  for (const AclEntry& entry : acl) {
    if ((entry.perms & wanted) == 0) continue;
    if (is_world_anyone(entry)) return true;
    for (const AuthId& id : ids) {
      if (entry_matches(entry, id, rules)) return true;
    }
  }
  return false;
}

bool grants_everybody(const Acl& acl, int32_t wanted) {
  return acl.empty() || std::any_of(acl.begin(), acl.end(), [wanted](const AclEntry& entry) {
           return (entry.perms & wanted) != 0 && is_world_anyone(entry);
         });
}

ErrorCode resolve_acl(Acl requested, std::span<const AuthId> ids, const AclRules& rules,
                      Acl& resolved) {
  resolved.clear();
  if (requested.empty()) return ErrorCode::InvalidAcl;
  if (requested.size() == 1 && is_world_anyone(requested.front())) {
    resolved = std::move(requested);
    return ErrorCode::Ok;
  }
  Seen seen;
  for (const AclEntry& entry : requested) {
    if (requested.size() > 1 && seen.again(entry)) continue;
    if (entry.scheme == kAuth) {
      const size_t before = resolved.size();
      for (const AuthId& id : ids) {
        if (is_authenticated(id.scheme, rules)) resolved.push_back({entry.perms, id.scheme, id.id});
      }
      if (resolved.size() == before) return ErrorCode::InvalidAcl;
    } else {
      if (!is_world_anyone(entry) && !is_valid_id(entry.scheme, entry.id, rules)) {
        return ErrorCode::InvalidAcl;
      }
      resolved.push_back(entry);
    }
    if (resolved.size() > kSetAclEntriesMax) return ErrorCode::InvalidAcl;
  }
  return ErrorCode::Ok;
}

bool is_valid_digest_id(std::string_view id) {
  const size_t colon = id.find(':');
  if (colon == std::string_view::npos || colon + 1 == id.size()) return false;
  return id.find(':', colon + 1) == std::string_view::npos;
}

// "name", or "service[/host]@realm".
bool is_valid_sasl_id(std::string_view id) {
  const size_t at = id.find('@');
  if (at == std::string_view::npos) return true;
  const std::string_view realm = id.substr(at + 1);
  if (realm.find_first_of("/@") != std::string_view::npos) return false;
  const std::string_view name = id.substr(0, at);
  return std::count(name.begin(), name.end(), '/') <= 1;
}

// Parts "type=value" with commas between; a backslash or quotes keep a comma in a value.
bool is_valid_x509_id(std::string_view id) {
  bool in_quotes = false;
  bool has_equals = false;
  size_t type_bytes = 0;
  for (size_t i = 0; i < id.size(); ++i) {
    const char c = id[i];
    if (c == '\\') {
      if (++i == id.size() || !has_equals) return false;
    } else if (c == '"') {
      in_quotes = !in_quotes;
    } else if (!in_quotes && (c == ',' || c == '+')) {
      if (!has_equals) return false;
      has_equals = false;
      type_bytes = 0;
    } else if (!has_equals && c == '=') {
      if (type_bytes == 0) return false;
      has_equals = true;
    } else if (!has_equals && c != ' ') {
      ++type_bytes;
    }
  }
  return !in_quotes && (has_equals || id.empty());
}

bool is_valid_ip_id(std::string_view id) { return parse_pattern(id).has_value(); }

bool ip_matches(std::string_view address, std::string_view pattern) {
  const std::optional<IpPattern> wanted = parse_pattern(pattern);
  const std::optional<IpAddress> have = parse_ip(address);
  if (!wanted || !have || wanted->address.size != have->size) return false;
  for (uint32_t bit = 0; bit < wanted->bits; bit += 8) {
    const uint32_t in_byte = std::min(8U, wanted->bits - bit);
    const Byte mask = static_cast<Byte>(0xff00U >> in_byte);
    const Byte difference =
        static_cast<Byte>(have->bytes[bit / 8] ^ wanted->address.bytes[bit / 8]);
    if ((difference & mask) != 0) return false;
  }
  return true;
}

AclTable::AclTable() {
  const uint32_t id = intern(open_acl());
  CHECK(id == 0);
}

uint32_t AclTable::intern(const Acl& acl) {
  if (!entries_.empty() && acl == entries_[0].acl) return 0;
  const Hash128 content = content_hash(acl);
  const uint32_t hash = static_cast<uint32_t>(content.low);
  const uint32_t found = index_.find(hash, [&](uint32_t id) { return entries_[id].acl == acl; });
  if (found != SlotIndex::kNone) {
    ++entries_[found].users;
    return found;
  }
  uint32_t id = static_cast<uint32_t>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id] = {acl, content, 1, hash};
  index_.insert(hash, id);
  return id;
}

void AclTable::release(uint32_t id) {
  CHECK(id < entries_.size() && entries_[id].users > 0);
  if (id == 0 || --entries_[id].users > 0) return;
  index_.erase(entries_[id].hash, id);
  entries_[id].acl.clear();
  free_.push_back(id);
}

}  // namespace vivarium
