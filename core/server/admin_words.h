// AdminWords: four-letter words on the client door (client-protocol section 14): the first four
// bytes of a connection that are one of them make it an operator's, who gets one answer and the
// end. While no clients are served, and none are let in to wait for it, every connection is taken
// for an operator's, because a server that cannot serve must still say so.
//
// Bounds: a few askers at a time, of whom a silent one makes room for a new one; a long answer goes
// out in portions (listing.h), one a turn, and waits for a reader that is slow, but not for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/server/admin_facts.h"
#include "core/server/admin_parts.h"
#include "core/server/dir_sizer.h"
#include "core/server/listing.h"

namespace vivarium {

// Are these the first four bytes of an operator?
bool is_admin_word(uint32_t first_bytes);
// May it be asked? `word`: its four letters.
bool is_word_allowed(std::string_view word, const AdminConfig& config, bool read_only_mode);

class AdminWords {
 public:
  static constexpr size_t kAskersMax = 64;

  // A connection that comes while no clients are served.
  void accept(const LinkAccepted& event, AdminParts& parts);
  // A word that has come to Server.
  void take(const Server::WordAsked& asked, AdminParts& parts);
  // True: the event was of one of the askers.
  bool step(const Event& event, AdminParts& parts);
  // The sizes of the directories have become known.
  void sized(const DirSizes& sizes, AdminParts& parts);
  // Whether somebody waits for them.
  bool wants_sizes() const;
  void end_turn(AdminParts& parts);
  Instant deadline() const;
  void on_deadline(AdminParts& parts);
  size_t asker_count() const { return askers_.size(); }
  std::vector<LinkId> links() const;

 private:
  struct Asker {
    LinkId link;
    std::string address;
    uint16_t port = 0;
    Bytes head;  // of what comes first; less than four bytes
    uint32_t word = 0;
    bool waits_for_sizes = false;
    Instant deadline;
    std::optional<Listing> listing;
    std::string behind;  // what follows the listing
  };

  Asker* find(LinkId link);
  bool make_room(AdminParts& parts);
  // False: there is no room, and the link is closed.
  bool add(LinkId link, std::string_view address, uint16_t port, AdminParts& parts);
  void receive(LinkId link, ByteView bytes, AdminParts& parts);
  void ask(LinkId link, uint32_t word, AdminParts& parts);
  void answer(Asker& asker, const DirSizes& sizes, AdminParts& parts);
  void begin_listing(Asker& asker, ListingKind kind, std::string_view head, AdminParts& parts);
  void finish(LinkId link, std::string_view text, AdminParts& parts);
  void drop(LinkId link, bool close, AdminParts& parts);
  void write_one_portion(AdminParts& parts);

  std::vector<Asker> askers_;         // in the order they came
  size_t turn_ = 0;                   // whose portion is next
  Instant again_ = Instant::never();  // portions wait for the next turn
};

}  // namespace vivarium
