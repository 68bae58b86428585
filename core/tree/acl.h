// Access control: what a list of ACL entries grants to a set of identities, and which lists a
// client may set (semantics section 8). Only preparation and reads ask; apply() never does (hazards
// A1).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/tree/slot_index.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"

namespace vivarium {

// world:anyone with all permissions.
Acl open_acl();

// What the configuration says about ACLs. Schemes that are not enabled grant nothing and may not be
// set: who holds such an id could not have been asked for proof.
struct AclRules {
  bool skip = false;          // skipACL: nothing is checked
  bool digest = true;         // DigestAuthenticationProvider.enabled
  bool x509 = false;          // authProvider.*=...X509AuthenticationProvider
  bool sasl = false;          // authProvider.*=...SASLAuthenticationProvider
  std::string any_sasl_user;  // letAnySaslUserDoX: an id that every sasl user matches; empty: none
};

// True when one of `ids` holds one of the permissions in `wanted`. An empty list grants everything,
// the scheme "super" everything on every list.
bool acl_grants(const Acl& acl, int32_t wanted, std::span<const AuthId> ids, const AclRules& rules);
// Whoever asks.
bool grants_everybody(const Acl& acl, int32_t wanted);

// What a client's list is stored as: duplicates dropped, "auth" replaced by the client's
// authenticated ids. InvalidAcl: an empty list, an unknown scheme, a malformed id, "auth" without
// such ids, more entries than kSetAclEntriesMax.
inline constexpr size_t kSetAclEntriesMax = 4096;
ErrorCode resolve_acl(Acl requested, std::span<const AuthId> ids, const AclRules& rules,
                      Acl& resolved);

// Forms of ids: "user:hash"; an address of IPv4 or IPv6, perhaps with "/bits"; a principal of
// Kerberos or a plain name; a distinguished name.
bool is_valid_digest_id(std::string_view id);
bool is_valid_sasl_id(std::string_view id);
bool is_valid_x509_id(std::string_view id);
bool is_valid_ip_id(std::string_view id);
bool ip_matches(std::string_view address, std::string_view pattern);

// The lists in use, each held once. Id 0 is open_acl() and always there; the other ids are counted.
class AclTable {
 public:
  AclTable();
  // Counts one user more.
  uint32_t intern(const Acl& acl);
  void release(uint32_t id);
  // Borrowed until the table changes.
  const Acl& get(uint32_t id) const { return entries_[id].acl; }
  Hash128 hash(uint32_t id) const { return entries_[id].content; }

 private:
  struct Entry {
    Acl acl;
    Hash128 content;
    uint32_t users = 0;
    uint32_t hash = 0;
  };
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  SlotIndex index_;
};

}  // namespace vivarium
