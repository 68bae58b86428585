#include "core/server/admin.h"

#include <optional>

#include "core/server/audit.h"

namespace vivarium {

bool Admin::step(const Event& event, AdminParts& parts) {
  if (parts.config.admin.audit) note_start_and_stop(event, parts);
  if (server_.step(event, parts)) return true;
  if (const auto* down = std::get_if<LinkDown>(&event)) {
    // It may be of a word that came in this very turn, and was not taken over yet: no answer.
    bool asked_and_gone = false;
    for (const Server::WordAsked& asked : parts.server.take_words()) {
      if (asked.link == down->link) {
        asked_and_gone = true;
      } else {
        words_.take(asked, parts);
      }
    }
    if (asked_and_gone) return true;
  }
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    const bool may_wait = parts.world.now() < parts.zab.may_serve_until();
    if (accepted->door != Door::Client || serving(parts) || may_wait) return false;
    words_.accept(*accepted, parts);
    return true;
  }
  if (const auto* listed = std::get_if<DirListed>(&event)) {
    if (!DirSizer::is_mine(*listed)) return false;
    if (const std::optional<DirSizes> sizes = sizer_.listed(*listed)) {
      words_.sized(*sizes, parts);
      server_.sized(*sizes, parts);
    }
    return true;
  }
  return words_.step(event, parts);
}

void Admin::note_start_and_stop(const Event& event, AdminParts& parts) {
  const std::string_view user = parts.config.admin.user();
  if (std::holds_alternative<Started>(event)) {
    parts.world.audit(audit_line_of_server(user, "serverStart", "success"));
  } else if (std::holds_alternative<StopRequested>(event)) {
    parts.world.audit(audit_line_of_server(user, "serverStop", "invoked"));
  }
}

void Admin::end_turn(AdminParts& parts) {
  for (const Server::WordAsked& asked : parts.server.take_words()) words_.take(asked, parts);
  if (words_.wants_sizes() || server_.wants_sizes()) sizer_.ask(parts.world);
  words_.end_turn(parts);
  server_.end_turn(parts);
}

void Admin::on_deadline(AdminParts& parts) {
  const Instant now = parts.world.now();
  if (words_.deadline() <= now) words_.on_deadline(parts);
  if (server_.deadline() <= now) server_.on_deadline(parts);
}

}  // namespace vivarium
