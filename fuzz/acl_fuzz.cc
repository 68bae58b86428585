// ACL lists and what they are made of: vivctl's text, the ids of each scheme, patterns of
// addresses, and what a server stores and grants. The first byte selects the rules, the next line
// is who asks ("scheme:id scheme:id ..."), the rest the list.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/tree/acl.h"
#include "net/ctl_text.h"

namespace vivarium {
namespace {

constexpr int32_t kPermissions[] = {kPermRead, kPermWrite, kPermCreate, kPermDelete, kPermAdmin};

bool is_valid(std::string_view scheme, std::string_view id) {
  if (scheme == "world") return id == "anyone";
  if (scheme == "digest") return is_valid_digest_id(id);
  if (scheme == "ip") return is_valid_ip_id(id);
  if (scheme == "sasl") return is_valid_sasl_id(id);
  return scheme == "x509" && is_valid_x509_id(id);
}

// Identities are made by the server, and valid.
std::vector<AuthId> parse_ids(std::string_view text) {
  std::vector<AuthId> ids;
  for (const std::string& word : ctl::split_words(text)) {
    const size_t colon = std::min(word.find(':'), word.size() - 1);
    const AuthId id{word.substr(0, colon), word.substr(colon + 1)};
    if (is_valid(id.scheme, id.id)) ids.push_back(id);
  }
  return ids;
}

void check_address(std::string_view address, std::string_view pattern) {
  if (ip_matches(address, pattern)) CHECK(is_valid_ip_id(pattern));
  // An address is in its own network.
  if (is_valid_ip_id(address) && address.find('/') == std::string_view::npos) {
    CHECK(ip_matches(address, address));
  }
}

void check_stored(const Acl& stored, const std::vector<AuthId>& ids, const AclRules& rules) {
  CHECK(!stored.empty() && stored.size() <= kSetAclEntriesMax);
  for (const AclEntry& entry : stored) CHECK(is_valid(entry.scheme, entry.id));
  // What is stored may be set again by anybody; what "auth" stood for may have been there already.
  Acl again;
  CHECK(resolve_acl(stored, {}, rules, again) == ErrorCode::Ok && again.size() <= stored.size());
  const std::vector<AuthId> with_super = {AuthId{"super", ""}};
  for (const int32_t permission : kPermissions) {
    CHECK(acl_grants(stored, permission, with_super, rules));
    // More ids never take a permission away.
    if (acl_grants(stored, permission, {}, rules))
      CHECK(acl_grants(stored, permission, ids, rules));
    if (grants_everybody(stored, permission)) CHECK(acl_grants(stored, permission, {}, rules));
  }
}

void run(uint8_t choice, std::string_view text) {
  AclRules rules;
  rules.digest = (choice & 1) == 0;
  rules.x509 = (choice & 2) != 0;
  rules.sasl = (choice & 4) != 0;
  if ((choice & 8) != 0) rules.any_sasl_user = "anybody";
  const std::string_view asks = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), asks.size() + 1));
  const std::vector<AuthId> ids = parse_ids(asks);

  std::vector<std::string> complaints;
  const Acl acl = ctl::parse_acl(text, complaints);
  for (const std::string& complaint : complaints) CHECK(!complaint.empty());
  CHECK(!acl.empty() || ctl::acl_text(acl).empty());
  for (const AclEntry& entry : acl) {
    check_address(ids.empty() ? std::string_view() : std::string_view(ids[0].id), entry.id);
  }
  Acl stored;
  if (resolve_acl(acl, ids, rules, stored) == ErrorCode::Ok) check_stored(stored, ids, rules);
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  vivarium::run(data[0], vivarium::as_text(vivarium::ByteView(data + 1, size - 1)));
  return 0;
}
