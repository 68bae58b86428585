// Identities: who a client of the simulator is to the servers, and what an ACL of its workload
// grants to whom; written from semantics section 8, and shares nothing with core/tree/acl.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/txn.h"

namespace vivarium::sim {

// What a client can prove beside its address, as a set. It does so on every connection before it
// does anything else.
using Ids = uint8_t;
inline constexpr Ids kBob = 1;       // x509: the subject of a certificate
inline constexpr Ids kAlice = 2;     // digest
inline constexpr Ids kImpostor = 4;  // digest: her name, and another password
inline constexpr Ids kCarol = 8;     // sasl
inline constexpr Ids kRoot = 16;     // sasl: the servers' superUser
inline constexpr Ids kDave = 32;     // sasl, and no ACL names him
inline constexpr Ids kEve = 64;      // x509, and no ACL names her

inline constexpr std::string_view kBobSubject = "CN=bob,OU=clients,O=sim";
inline constexpr std::string_view kAliceSecret = "alice:secret";
inline constexpr std::string_view kAliceId = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";
inline constexpr std::string_view kImpostorSecret = "alice:guess";
inline constexpr std::string_view kImpostorId = "alice:WvLUNB0rmjmNl4Fu/uc5wYLJyCk=";
inline constexpr std::string_view kCarolName = "carol";
inline constexpr std::string_view kRootName = "root";
inline constexpr std::string_view kDaveName = "dave";
inline constexpr std::string_view kEveSubject = "CN=eve,OU=clients,O=sim";

struct Identity {
  Ids ids = 0;
  uint32_t address = 0;  // IPv4
  bool operator==(const Identity&) const = default;
};

// Empty for who has none to show.
std::string_view certificate_of(const Identity& who);
std::string_view digest_secret_of(const Identity& who);
std::string_view sasl_name_of(const Identity& who);
// What whoAmI has to say, sorted: "scheme id".
std::vector<std::string> who_am_i(const Identity& who);
// 0: none.
uint32_t address_of(std::string_view dotted);
std::string dotted(uint32_t address);

// The ACLs of workloads.
enum class AclChoice : uint8_t {
  Open,       // everybody everything
  AliceOnly,  // alice everything
  ReadOnly,   // everybody READ, alice everything
  Auth,       // everything for what the asker has proved; nothing: InvalidACL
  Bob,        // bob everything, alice ADMIN
  Carol,      // carol everything, alice ADMIN
  Split,      // bob, carol and the impostor a part each
  Address,    // the asker's address everything, alice ADMIN
  Network     // those near the asker READ and CREATE, carol everything
};
inline constexpr uint64_t kAclChoices = 9;

// An ACL of a workload's, in the order of its entries; none at all lets everybody do everything.
struct ModelAcl {
  struct Grant {
    Ids ids = 0;           // one of them; 0: whoever comes from the network
    uint8_t bits = 0;      // of `network`; 0: everybody
    uint32_t network = 0;  // as it was written: bits behind `bits` may be set
    int32_t perms = 0;
    bool to(const Identity& who) const;
    bool operator==(const Grant&) const = default;
  };
  std::array<Grant, 3> entries{};
  size_t count = 0;
  bool operator==(const ModelAcl&) const = default;
  bool grants(int32_t perms, const Identity& who) const;
  void add(const Grant& grant) { entries[count++] = grant; }
};

// As it is sent, and as it is stored when whoever asks may ask for it.
Acl acl_of(AclChoice choice, const Identity& asker);
ModelAcl model_acl(AclChoice choice, const Identity& asker);
// What a txn says. nullopt: a list that no request of a workload asks for.
std::optional<ModelAcl> read_acl(const Acl& acl);
// As getACL shows it: whoever has no ADMIN sees no hash.
Acl shown(const ModelAcl& acl, const Identity& who);

}  // namespace vivarium::sim
