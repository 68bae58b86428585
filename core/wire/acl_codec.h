// ACL lists as they stand in requests, txns and snapshots: vector<ACL>, ACL = int perms, Id
// (ustring scheme, ustring id). A null id fails the reader, and so does a null scheme but in
// requests, where it reads as a scheme without a name.
#pragma once

#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium {

// `null` tells a null list from an empty one, in requests; without it a null list fails.
Acl decode_acl(JuteReader& in, bool* null = nullptr);
void encode_acl(const Acl& acl, JuteWriter& out);

}  // namespace vivarium
