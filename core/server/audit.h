// The audit log's lines (audit.enable), in ZooKeeper's form: fields with tabs between them, in the
// order session, user, ip, operation, znode, znode_type, acl, result. What clients can choose is
// escaped: a line stays a line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/tree/data_tree.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

// What a write asks for, kept until its result is known. An empty operation is not audited.
struct AuditSubject {
  std::string_view operation;
  std::string path;
  std::string_view znode_type;
  std::string acl;
};
AuditSubject audit_subject(Op op, ByteView body);

struct AuditActor {
  SessionId session;
  std::span<const AuthId> ids;
  std::string_view address;
};
// One line for a write, one for each part of a multi that was carried out.
std::vector<std::string> audit_lines(const AuditActor& actor, const AuditSubject& subject,
                                     std::span<const Op> multi, const Effects& effects);
// An ephemeral that went with its session.
std::string audit_line_of_ephemeral(SessionId session, std::string_view path,
                                    std::string_view user);
// The process's start ("serverStart", "success") and end ("serverStop", "invoked").
std::string audit_line_of_server(std::string_view user, std::string_view operation,
                                 std::string_view result);

}  // namespace vivarium
