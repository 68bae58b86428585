#include "sim/sim_sasl.h"

#include <utility>

#include "core/base/hash.h"

namespace vivarium::sim {
namespace {

Bytes bytes_of(uint64_t value) {
  Bytes out(8);
  put_u64(out.data(), value);
  return out;
}

}  // namespace

std::string sasl_secret(std::string_view name) { return "the secret of " + std::string(name); }

Bytes sasl_proof(std::string_view secret, ByteView challenge) {
  return bytes_of(hash64(challenge, hash64(as_bytes(secret))));
}

SaslAnswer SimSasl::step(LinkId link, ByteView token, uint64_t nonce) {
  const auto found = asked_.find(link);
  if (found == asked_.end()) {
    Asked asked{std::string(as_text(token)), bytes_of(nonce)};
    SaslAnswer answer{SaslAnswer::State::Continue, asked.challenge, {}};
    asked_.emplace(link, std::move(asked));
    return answer;
  }
  Asked asked = std::move(found->second);
  asked_.erase(found);
  const Bytes proof = sasl_proof(sasl_secret(asked.name), asked.challenge);
  if (as_text(token) != as_text(proof)) return {SaslAnswer::State::Failed, {}, {}};
  return {SaslAnswer::State::Done, {}, std::move(asked.name)};
}

}  // namespace vivarium::sim
