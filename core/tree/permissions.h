// The one table of authorisation: which permission each operation needs, and on which znode's ACL
// it looks (semantics section 8). Preparation and reads ask it, and so do the tests that try every
// operation against every permission. No inheritance, and no right is needed on ancestors.
#pragma once

#include <cstdint>
#include <span>

#include "core/tree/acl.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

enum class AclOf : uint8_t {
  Nobody,  // nothing is asked
  Node,
  Parent,
  Config  // /zookeeper/config
};

struct Requirement {
  Op op{};
  AclOf of{};
  int32_t perms = 0;  // any one of them
};

// A row for every operation there is.
std::span<const Requirement> all_requirements();
const Requirement& requirement_of(Op op);

// May holders of `ids` do `op`, where `acl` is that of the znode which the table names?
bool may(Op op, const Acl& acl, std::span<const AuthId> ids, const AclRules& rules);

// May they be told of a watch event? `acl` is the znode's, for ChildrenChanged the parent's, as it
// was when the event happened; of a re-registered watch, as it is now.
bool may_be_told(const Acl& acl, std::span<const AuthId> ids, const AclRules& rules);

}  // namespace vivarium
