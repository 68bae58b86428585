#include "core/zab/rules.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/storage/record.h"

namespace vivarium {

AclRules acl_rules(const Config& config) {
  AclRules rules;
  rules.skip = config.skip_acl;
  rules.digest = config.digest_auth;
  rules.x509 = config.x509_ids;
  rules.sasl = config.sasl_ids;
  rules.any_sasl_user = config.any_sasl_user;
  return rules;
}

WriteRules write_rules(const Config& config) {
  // Apache reads records and packets of up to twice jute.maxbuffer: a txn must fit with its
  // trailer.
  static_assert(kTrailerBytes <= kRecordExtraBytes);
  CHECK(config.packet_bytes_max <= kPacketBytesMax);
  const size_t read_max = std::max(2 * size_t{config.packet_bytes_max}, 2 * kRecordExtraBytes);
  WriteRules rules;
  rules.acl = acl_rules(config);
  rules.extended_types = config.extended_types;
  rules.enforce_quota = config.enforce_quota;
  rules.entry_bytes_max = read_max - kRecordExtraBytes;
  CHECK(rules.entry_bytes_max + kRecordExtraBytes <= kRecordBytesMax);
  return rules;
}

}  // namespace vivarium
