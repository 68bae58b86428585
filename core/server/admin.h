// Admin: all that operators ask this server, whatever the door: four-letter words (admin_words.h)
// and HTTP (admin_server.h). Takes the events that are theirs before anybody else sees them.
#pragma once

#include <algorithm>

#include "core/base/time.h"
#include "core/event.h"
#include "core/server/admin_parts.h"
#include "core/server/admin_server.h"
#include "core/server/admin_words.h"
#include "core/server/dir_sizer.h"

namespace vivarium {

class Admin {
 public:
  // True: the event was Admin's.
  bool step(const Event& event, AdminParts& parts);
  // After everybody else: takes over the words that have come to Server, and sends.
  void end_turn(AdminParts& parts);
  Instant deadline() const { return std::min(words_.deadline(), server_.deadline()); }
  void on_deadline(AdminParts& parts);

  const AdminWords& words() const { return words_; }
  const AdminServer& server() const { return server_; }

 private:
  static void note_start_and_stop(const Event& event, AdminParts& parts);

  AdminWords words_;
  AdminServer server_;
  DirSizer sizer_;
};

}  // namespace vivarium
