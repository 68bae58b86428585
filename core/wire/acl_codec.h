// ACL lists as they stand in requests, txns and snapshots: vector<ACL>, ACL = int perms, Id
// (ustring scheme, ustring id). A null scheme or id fails the reader; nobody writes one.
#pragma once

#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium {

// `null` tells a null list from an empty one; without it a null list fails.
Acl decode_acl(JuteReader& in, bool* null = nullptr);
void encode_acl(const Acl& acl, JuteWriter& out);

}  // namespace vivarium
