// Who a connection is: the ids that auth packets attach to it, and what whoAmI says of them
// (client-protocol section 11).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/config.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

// Attaches what the packet proves. AuthFailed: a scheme that is unknown or not enabled, a packet
// that is no packet, or more ids than a connection may have; nothing is attached then.
ErrorCode add_identity(ByteView packet, std::string_view address, const Config& config,
                       std::vector<AuthId>& ids);

// Attaches who SASL says it is. False: more ids than a connection may have.
bool add_sasl_user(std::string_view user, const Config& config, std::vector<AuthId>& ids);

// Whether a connection with these ids may do more than identify itself.
bool satisfies_demands(std::span<const AuthId> ids, const AuthConfig& auth);

// Attaches the subject of a certificate, and what its holder may do beyond that.
void add_certificate(std::string_view subject, const Config& config, std::vector<AuthId>& ids);

// "user:base64(hash of user:password)", as digest ACLs have it.
std::string digest_id(ByteView user_and_password, DigestAlgorithm algorithm);

void encode_who_am_i(std::span<const AuthId> ids, Bytes& out);

}  // namespace vivarium
