// Access control: what a list of ACL entries grants to a set of identities, and which lists a
// client may set (semantics section 8). Only preparation and reads ask; apply() never does (hazards
// A1).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/tree/hash_chains.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"

namespace vivarium {

// world:anyone with all permissions.
Acl open_acl();

// True when one of `ids` holds one of the permissions in `wanted`. An empty list grants everything,
// the scheme "super" everything on every list.
bool acl_grants(const Acl& acl, int32_t wanted, const std::vector<AuthId>& ids);

// What a client's list is stored as: duplicates dropped, "auth" replaced by the client's
// authenticated ids. InvalidAcl: an empty list, an unknown scheme, a malformed id, "auth" without
// such ids.
ErrorCode resolve_acl(const Acl& requested, const std::vector<AuthId>& ids, Acl& resolved);

// Forms of ids: "user:hash"; an address of IPv4 or IPv6, perhaps with "/bits".
bool is_valid_digest_id(std::string_view id);
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
    uint32_t hash_next = HashChains::kNone;
  };
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  HashChains index_;
};

}  // namespace vivarium
