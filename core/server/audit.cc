#include "core/server/audit.h"

#include <fmt/format.h>

#include "core/base/one_line.h"
#include "core/wire/client_messages.h"

namespace vivarium {
namespace {

std::string_view type_of_flags(int32_t flags) {
  constexpr std::string_view kTypes[] = {
      "persistent", "ephemeral",           "persistent_sequential",         "ephemeral_sequential",
      "container",  "persistent_with_ttl", "persistent_sequential_with_ttl"};
  return flags >= 0 && flags < 7 ? kTypes[flags] : std::string_view();
}

std::string perms_text(int32_t perms) {
  std::string text;
  if ((perms & 4) != 0) text += 'c';
  if ((perms & 8) != 0) text += 'd';
  if ((perms & 1) != 0) text += 'r';
  if ((perms & 2) != 0) text += 'w';
  if ((perms & 16) != 0) text += 'a';
  return text;
}

// A digest's hash is nobody's business.
std::string acl_text(const Acl& acl) {
  std::string text;
  for (const AclEntry& entry : acl) {
    if (!text.empty()) text += ',';
    std::string_view id = entry.id;
    if (entry.scheme == "digest") id = id.substr(0, id.find(':'));
    text += fmt::format("{}:{}:{}", entry.scheme, id, perms_text(entry.perms));
  }
  return text;
}

std::string users_text(std::span<const AuthId> ids) {
  std::string text;
  for (const AuthId& id : ids) {
    if (!text.empty()) text += ',';
    std::string_view user = id.id;
    if (id.scheme == "digest" || id.scheme == "super") user = user.substr(0, user.find(':'));
    text += user;
  }
  return text;
}

std::string line(const AuditActor& actor, std::string_view operation, std::string_view path,
                 std::string_view znode_type, std::string_view acl, bool success) {
  std::string out = fmt::format("session=0x{:x}\tuser={}\tip={}\toperation={}",
                                static_cast<uint64_t>(actor.session.value),
                                one_line(users_text(actor.ids)), actor.address, operation);
  if (!path.empty()) out += fmt::format("\tznode={}", one_line(path));
  if (!znode_type.empty()) out += fmt::format("\tznode_type={}", znode_type);
  if (!acl.empty()) out += fmt::format("\tacl={}", one_line(acl));
  out += success ? "\tresult=success" : "\tresult=failure";
  return out;
}

std::string_view operation_in_multi(Op op) {
  switch (static_cast<int32_t>(op)) {
    case static_cast<int32_t>(Op::Create):
    case static_cast<int32_t>(Op::Create2):
    case static_cast<int32_t>(Op::CreateContainer):
    case static_cast<int32_t>(Op::CreateTtl):
      return "create";
    case static_cast<int32_t>(Op::Delete):
      return "delete";
    case static_cast<int32_t>(Op::SetData):
      return "setData";
    default:
      return {};
  }
}

}  // namespace

AuditSubject audit_subject(Op op, ByteView body) {
  AuditSubject subject;
  if (const std::string_view plain = operation_in_multi(op); plain == "create") {
    subject.operation = plain;
    if (const auto create =
            op == Op::CreateTtl ? decode_create_ttl_request(body) : decode_create_request(body)) {
      subject.path = create->path;
      subject.znode_type = type_of_flags(create->flags);
    }
  } else if (op == Op::Delete) {
    subject.operation = plain;
    if (const auto remove = decode_path_version_request(body)) subject.path = remove->path;
  } else if (op == Op::SetData) {
    subject.operation = plain;
    if (const auto set = decode_set_data_request(body)) subject.path = set->path;
  } else if (op == Op::SetAcl) {
    subject.operation = "setAcl";
    if (const auto set = decode_set_acl_request(body)) {
      subject.path = set->path;
      subject.acl = acl_text(set->acl);
    }
  } else if (op == Op::Multi) {
    subject.operation = "multiOperation";
  } else if (op == Op::Reconfig) {
    subject.operation = "reconfig";
  }
  return subject;
}

std::vector<std::string> audit_lines(const AuditActor& actor, const AuditSubject& subject,
                                     std::span<const Op> multi, const Effects& effects) {
  std::vector<std::string> lines;
  if (subject.operation.empty()) return lines;
  const bool success = effects.error == ErrorCode::Ok;
  if (!multi.empty() && success) {
    for (size_t i = 0; i < std::min(multi.size(), effects.parts.size()); ++i) {
      const std::string_view operation = operation_in_multi(multi[i]);
      if (operation.empty()) continue;
      lines.push_back(line(actor, operation, effects.parts[i].path, {}, {}, true));
    }
    return lines;
  }
  // Of a sequential znode, the name that it got.
  const std::string& path = success && !effects.path.empty() ? effects.path : subject.path;
  lines.push_back(line(actor, subject.operation, path, subject.znode_type, subject.acl, success));
  return lines;
}

std::string audit_line_of_ephemeral(SessionId session, std::string_view path,
                                    std::string_view user) {
  return fmt::format(
      "session=0x{:x}\tuser={}\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode={}\t"
      "result=success",
      static_cast<uint64_t>(session.value), one_line(user), one_line(path));
}

std::string audit_line_of_server(std::string_view user, std::string_view operation,
                                 std::string_view result) {
  return fmt::format("user={}\toperation={}\tresult={}", one_line(user), operation, result);
}

}  // namespace vivarium
