// Listings: answers to operators that grow with the number of clients, sessions or watches. They
// are written in portions, each of which costs a bounded part of a step whatever there is to list.
// What changes between two portions may be listed as it was, as it is, or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/server/admin_parts.h"
#include "core/server/json.h"
#include "core/tree/sessions.h"

namespace vivarium {

enum class ListingKind : uint8_t {
  Clients,           // of stat
  Connections,       // of cons
  Dump,              // sessions and ephemerals; as text also connections
  WatchesBySession,  // wchc
  WatchesByPath      // wchp
};

class Listing {
 public:
  // As the four-letter word has it. `own`: the line of the asker's own connection, which Server
  // does not have any more.
  static Listing as_text(ListingKind kind, std::string own);
  // As members of the JSON object that `json` is in, as the AdminServer has it.
  static Listing as_json(ListingKind kind, JsonWriter json);

  // Appends some hundred lines. True: that was the end.
  bool write_portion(const AdminParts& parts, std::string& out);
  // The writer, with its object still open.
  JsonWriter take_json() { return std::move(json_); }

 private:
  enum class Stage : uint8_t { Begin, Due, Sessions, Owners, Links, End };

  bool write_connections(const AdminParts& parts, std::string& out);
  bool write_dump(const AdminParts& parts, std::string& out);
  void begin_dump(const AdminParts& parts, std::string& out);
  void write_due(const AdminParts& parts, std::string& out);
  void write_sessions(const AdminParts& parts, std::string& out);
  void write_owners(const AdminParts& parts, std::string& out);
  void write_links(const AdminParts& parts, std::string& out);
  bool write_by_session(const AdminParts& parts, std::string& out);
  bool write_by_path(const AdminParts& parts, std::string& out);
  void open_group(std::string_view text_line, std::string_view json_key, std::string& out);
  void close_group();

  ListingKind kind_{};
  bool in_json_ = false;
  JsonWriter json_;
  Stage stage_ = Stage::Begin;
  std::string own_;
  SessionTracker::DueCursor due_;
  uint64_t at_ = 0;    // slot, watcher, path or session, as the stage has it
  size_t within_ = 0;  // of the group at at_
  bool group_open_ = false;
  bool owners_done_ = false;
};

// One connection as stat (brief) and cons show it, without the end of the line.
std::string connection_line(const ClientConnection& connection, bool brief, bool reading);
// The line of a connection that asks a four-letter word.
std::string word_line(std::string_view address, uint16_t port);
// "/a.b.c.d:port", and IPv6 as Java writes it.
std::string socket_text(std::string_view address, uint16_t port);

}  // namespace vivarium
