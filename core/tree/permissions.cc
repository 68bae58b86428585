#include "core/tree/permissions.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr Requirement kRequirements[] = {
    {Op::Create, AclOf::Parent, kPermCreate},
    {Op::Create2, AclOf::Parent, kPermCreate},
    {Op::CreateContainer, AclOf::Parent, kPermCreate},
    {Op::CreateTtl, AclOf::Parent, kPermCreate},
    {Op::Delete, AclOf::Parent, kPermDelete},
    {Op::SetData, AclOf::Node, kPermWrite},
    {Op::SetAcl, AclOf::Node, kPermAdmin},
    {Op::Check, AclOf::Node, kPermRead},
    {Op::Reconfig, AclOf::Config, kPermWrite},
    {Op::Exists, AclOf::Node, kPermRead},
    {Op::GetData, AclOf::Node, kPermRead},
    {Op::GetAcl, AclOf::Node, kPermRead | kPermAdmin},
    {Op::GetChildren, AclOf::Node, kPermRead},
    {Op::GetChildren2, AclOf::Node, kPermRead},
    {Op::GetAllChildrenNumber, AclOf::Node, kPermRead},
    // Each of their operations by its own row.
    {Op::Multi, AclOf::Nobody, 0},
    {Op::MultiRead, AclOf::Nobody, 0},
    // What a watch tells is asked when there is something to tell: may_be_told().
    {Op::SetWatches, AclOf::Nobody, 0},
    {Op::SetWatches2, AclOf::Nobody, 0},
    {Op::AddWatch, AclOf::Nobody, 0},
    {Op::CheckWatches, AclOf::Nobody, 0},
    {Op::RemoveWatches, AclOf::Nobody, 0},
    // About the caller, not about a znode.
    {Op::GetEphemerals, AclOf::Nobody, 0},
    {Op::WhoAmI, AclOf::Nobody, 0},
    {Op::Auth, AclOf::Nobody, 0},
    {Op::Sasl, AclOf::Nobody, 0},
    {Op::Ping, AclOf::Nobody, 0},
    {Op::Sync, AclOf::Nobody, 0},
    {Op::CreateSession, AclOf::Nobody, 0},
    {Op::CloseSession, AclOf::Nobody, 0},
    // The servers' own; no client gets as far as its ACL.
    {Op::DeleteContainer, AclOf::Nobody, 0},
    {Op::Notification, AclOf::Nobody, 0},
    {Op::Error, AclOf::Nobody, 0},
};

}  // namespace

std::span<const Requirement> all_requirements() { return kRequirements; }

const Requirement& requirement_of(Op op) {
  const auto row = std::find_if(std::begin(kRequirements), std::end(kRequirements),
                                [op](const Requirement& r) { return r.op == op; });
  CHECK(row != std::end(kRequirements));
  return *row;
}

bool may(Op op, const Acl& acl, std::span<const AuthId> ids, const AclRules& rules) {
  const Requirement& requirement = requirement_of(op);
  return requirement.of == AclOf::Nobody || acl_grants(acl, requirement.perms, ids, rules);
}

bool may_be_told(const Acl& acl, std::span<const AuthId> ids, const AclRules& rules) {
  return acl_grants(acl, kPermRead, ids, rules);
}

}  // namespace vivarium
