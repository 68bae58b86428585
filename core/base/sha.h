// SHA-1 and SHA-256 (FIPS 180-4), for the ids of ZooKeeper's digest scheme; and base64 with
// padding, in which those stand. Short inputs only: passwords.
#pragma once

#include <array>
#include <string>

#include "core/base/bytes.h"

namespace vivarium {

std::array<Byte, 20> sha1(ByteView bytes);
std::array<Byte, 32> sha256(ByteView bytes);
std::string base64(ByteView bytes);

}  // namespace vivarium
