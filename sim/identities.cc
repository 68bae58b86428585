#include "sim/identities.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/wire/codes.h"

namespace vivarium::sim {
namespace {

using Grant = ModelAcl::Grant;

constexpr uint8_t kAddressBits = 32;
constexpr uint8_t kNearBits = 30;

// In the order in which a connection comes by them.
struct Held {
  Ids id;
  std::string_view scheme;
  std::string_view text;
};
constexpr std::array<Held, 7> kHeld{{
    {kBob, "x509", kBobSubject},
    {kEve, "x509", kEveSubject},
    {kAlice, "digest", kAliceId},
    {kImpostor, "digest", kImpostorId},
    {kCarol, "sasl", kCarolName},
    {kDave, "sasl", kDaveName},
    {kRoot, "sasl", kRootName},
}};

// What it holds of the scheme: one id at most.
std::string_view text_of(const Identity& who, std::string_view scheme) {
  for (const Held& held : kHeld) {
    if ((who.ids & held.id) != 0 && held.scheme == scheme) return held.text;
  }
  return {};
}

Grant everybody(int32_t perms) { return {0, 0, 0, perms}; }
Grant holder(Ids id, int32_t perms) { return {id, 0, 0, perms}; }
Grant network(uint32_t address, uint8_t bits, int32_t perms) { return {0, bits, address, perms}; }

std::optional<Grant> read_entry(const AclEntry& entry) {
  if (entry.scheme == "world" && entry.id == "anyone") return everybody(entry.perms);
  if (entry.scheme == "ip") {
    const size_t slash = entry.id.find('/');
    const uint32_t address = address_of(entry.id.substr(0, slash));
    if (address == 0) return std::nullopt;
    if (slash == std::string::npos) return network(address, kAddressBits, entry.perms);
    if (entry.id.substr(slash) != fmt::format("/{}", kNearBits)) return std::nullopt;
    return network(address, kNearBits, entry.perms);
  }
  for (const Held& held : kHeld) {
    if (entry.scheme == held.scheme && entry.id == held.text) return holder(held.id, entry.perms);
  }
  return std::nullopt;
}

AclEntry entry_of(const Grant& grant) {
  for (const Held& held : kHeld) {
    if (grant.ids == held.id) {
      return {grant.perms, std::string(held.scheme), std::string(held.text)};
    }
  }
  if (grant.bits == 0) return {grant.perms, "world", "anyone"};
  std::string id = dotted(grant.network);
  if (grant.bits != kAddressBits) id += fmt::format("/{}", grant.bits);
  return {grant.perms, "ip", id};
}

Acl stored(const ModelAcl& acl) {
  Acl out;
  for (size_t i = 0; i < acl.count; ++i) out.push_back(entry_of(acl.entries[i]));
  return out;
}

}  // namespace

std::string_view certificate_of(const Identity& who) { return text_of(who, "x509"); }

std::string_view digest_secret_of(const Identity& who) {
  if ((who.ids & kAlice) != 0) return kAliceSecret;
  return (who.ids & kImpostor) != 0 ? kImpostorSecret : std::string_view();
}

std::string_view sasl_name_of(const Identity& who) { return text_of(who, "sasl"); }

std::vector<std::string> who_am_i(const Identity& who) {
  std::vector<std::string> out{"ip " + dotted(who.address)};
  for (const Held& held : kHeld) {
    if ((who.ids & held.id) == 0) continue;
    const std::string_view text =
        held.scheme == "digest" ? held.text.substr(0, held.text.find(':')) : held.text;
    out.push_back(fmt::format("{} {}", held.scheme, text));
  }
  if ((who.ids & kRoot) != 0) out.push_back("super ");
  std::sort(out.begin(), out.end());
  return out;
}

uint32_t address_of(std::string_view dotted) {
  uint32_t address = 0;
  uint32_t part = 0;
  for (const char c : dotted) {
    if (c == '.') {
      address = address << 8 | part;
      part = 0;
    } else {
      part = part * 10 + static_cast<uint32_t>(c - '0');
    }
  }
  return address << 8 | part;
}

std::string dotted(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
}

bool ModelAcl::Grant::to(const Identity& who) const {
  if (ids != 0) return (who.ids & ids) != 0;
  return bits == 0 || (network ^ who.address) >> (kAddressBits - bits) == 0;
}

bool ModelAcl::grants(int32_t perms, const Identity& who) const {
  if (count == 0 || (who.ids & kRoot) != 0) return true;
  return std::any_of(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count),
                     [&](const Grant& g) { return (g.perms & perms) != 0 && g.to(who); });
}

Acl acl_of(AclChoice choice, const Identity& asker) {
  if (choice == AclChoice::Auth) return {{kPermAll, "auth", ""}};
  return stored(model_acl(choice, asker));
}

ModelAcl model_acl(AclChoice choice, const Identity& asker) {
  ModelAcl out;
  switch (choice) {
    case AclChoice::Open:
      out.add(everybody(kPermAll));
      break;
    case AclChoice::AliceOnly:
      out.add(holder(kAlice, kPermAll));
      break;
    case AclChoice::ReadOnly:
      out.add(everybody(kPermRead));
      out.add(holder(kAlice, kPermAll));
      break;
    case AclChoice::Auth:
      for (const Held& held : kHeld) {
        if ((asker.ids & held.id) != 0) out.add(holder(held.id, kPermAll));
      }
      break;
    case AclChoice::Bob:
      out.add(holder(kBob, kPermAll));
      out.add(holder(kAlice, kPermAdmin));
      break;
    case AclChoice::Carol:
      out.add(holder(kCarol, kPermAll));
      out.add(holder(kAlice, kPermAdmin));
      break;
    case AclChoice::Split:
      out.add(holder(kBob, kPermRead | kPermCreate));
      out.add(holder(kCarol, kPermWrite | kPermDelete | kPermAdmin));
      out.add(holder(kImpostor, kPermRead | kPermAdmin));
      break;
    case AclChoice::Address:
      out.add(network(asker.address, kAddressBits, kPermAll));
      out.add(holder(kAlice, kPermAdmin));
      break;
    case AclChoice::Network:
      out.add(network(asker.address, kNearBits, kPermRead | kPermCreate));
      out.add(holder(kCarol, kPermAll));
      break;
  }
  return out;
}

std::optional<ModelAcl> read_acl(const Acl& acl) {
  ModelAcl out;
  if (acl.empty() || acl.size() > out.entries.size()) return std::nullopt;
  for (const AclEntry& entry : acl) {
    const std::optional<Grant> grant = read_entry(entry);
    if (!grant) return std::nullopt;
    out.add(*grant);
  }
  return out;
}

Acl shown(const ModelAcl& acl, const Identity& who) {
  const bool is_admin = acl.grants(kPermAdmin, who);
  Acl out = stored(acl);
  for (AclEntry& entry : out) {
    if (entry.scheme == "digest" && !is_admin) entry.id.replace(entry.id.find(':'), 100, ":x");
  }
  return out;
}

}  // namespace vivarium::sim
