// ACL lists as they stand in requests, txns and snapshots: vector<ACL>, ACL = int perms, Id
// (ustring scheme, ustring id). A null scheme or id fails the reader, but for requests: there a
// null scheme reads as one without a name, and a null id beside it or beside "auth" as an empty
// one.
#pragma once

#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium {

// `null` tells a null list from an empty one, in requests; without it a null list fails.
Acl decode_acl(JuteReader& in, bool* null = nullptr);
void encode_acl(const Acl& acl, JuteWriter& out);

}  // namespace vivarium
