#include "core/wire/acl_codec.h"

namespace vivarium {
namespace {

constexpr size_t kAclEntryBytesMin = 12;

}  // namespace

Acl decode_acl(JuteReader& in, bool* null) {
  bool null_list = false;
  const size_t count = in.count(kAclEntryBytesMin, &null_list);
  if (null != nullptr) {
    *null = null_list;
  } else if (null_list) {
    in.set_failed();
  }
  Acl acl;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    bool null_scheme = false;
    bool null_id = false;
    AclEntry entry;
    entry.perms = in.i32();
    entry.scheme = in.string(&null_scheme);
    entry.id = in.string(&null_id);
    // In a request, a null scheme is one that nobody knows, and with "auth" nobody looks at the id:
    // kazoo sends none. Nobody writes a null into a txn.
    const bool in_request = null != nullptr;
    const bool id_counts = !null_scheme && entry.scheme != "auth";
    if (in_request ? null_id && id_counts : null_id || null_scheme) in.set_failed();
    acl.push_back(std::move(entry));
  }
  if (!in.ok()) acl.clear();
  return acl;
}

void encode_acl(const Acl& acl, JuteWriter& out) {
  CHECK(acl.size() <= INT32_MAX);
  out.i32(static_cast<int32_t>(acl.size()));
  for (const AclEntry& entry : acl) {
    out.i32(entry.perms);
    out.string(entry.scheme);
    out.string(entry.id);
  }
}

}  // namespace vivarium
