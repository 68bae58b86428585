// The commands of the AdminServer (client-protocol section 15): who may run which, and what each
// answers. One row per command; answers that grow with the server are listings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/server/admin_facts.h"
#include "core/server/admin_parts.h"
#include "core/server/http.h"
#include "core/server/json.h"
#include "core/server/listing.h"

namespace vivarium {

struct AdminCommand;

struct AdminReply {
  int status = 200;
  JsonWriter json;  // the answer's object, open: "command" and "error" are still to come
  std::string error;
  std::optional<ListingKind> listing;  // its members follow those in `json`
};

struct AdminCommand {
  std::string_view name;
  std::string_view aliases[2];
  // It changes the server, lists clients or what they do, or shows its process.
  bool guarded = false;
  bool when_serving = true;  // otherwise it is answered at any time
  bool wants_sizes = false;  // of the data directories
  std::string_view method = "GET";
  bool downloads = false;  // answered by AdminServer itself: a snapshot's file
  void (*run)(const HttpRequest& request, const DirSizes& sizes, AdminParts& parts,
              AdminReply& reply) = nullptr;
};

std::span<const AdminCommand> admin_commands();
const AdminCommand* find_admin_command(std::string_view name_or_alias);

// 200, or the status and the error of a refusal. The Authorization header is "digest user:password"
// of somebody who holds all permissions on "/" (or is super): what can delete everything may also
// look.
struct AdminPermit {
  int status = 200;
  std::string_view error;
};
AdminPermit permit(const AdminCommand& command, const HttpRequest& request,
                   const AdminParts& parts);

// Writes the last members and ends the object.
void finish_admin_reply(std::string_view command, std::string_view error, JsonWriter& json);

}  // namespace vivarium
