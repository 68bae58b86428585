// AdminServer: HTTP on the admin door (commands, JSON as Apache's) and on the metrics door
// (Prometheus). Knows its links' bytes and nothing of sockets, so that the simulator and the fuzzer
// talk to it as curl does.
//
// Bounds: few connections, of which an idle one makes room for a new one; one request at a time on
// each, whole within a deadline; no answer is begun while the last one waits to leave; long answers
// go out in portions (listing.h), and a reader that does not read is dropped.
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
#include "core/server/admin_commands.h"
#include "core/server/admin_facts.h"
#include "core/server/admin_parts.h"
#include "core/server/http.h"
#include "core/server/listing.h"

namespace vivarium {

class AdminServer {
 public:
  static constexpr size_t kVisitorsMax = 32;

  // True: the event was of the admin or the metrics door, or of one of their links.
  bool step(const Event& event, AdminParts& parts);
  // The sizes of the data directories have become known.
  void sized(const DirSizes& sizes, AdminParts& parts);
  bool wants_sizes() const;
  void end_turn(AdminParts& parts);
  Instant deadline() const;
  void on_deadline(AdminParts& parts);
  size_t visitor_count() const { return visitors_.size(); }
  // Bytes held of the link's requests.
  size_t bytes_held(LinkId link) const;

 private:
  struct Visitor {
    LinkId link;
    Door door{};
    std::string address;
    std::string input;
    uint64_t credit = 0;
    bool ended = false;  // it will send no more, and reads what it has asked for
    Instant deadline;
    HttpRequest request;                    // the one that is being answered
    const AdminCommand* waiting = nullptr;  // for the sizes
    const AdminCommand* listed = nullptr;   // whose listing is being written
    Listing listing;
    bool downloads = false;  // a snapshot, see download_
    bool busy() const { return waiting != nullptr || listed != nullptr || downloads; }
  };
  // The snapshot that somebody asked for, one at a time: it is taken, unless there is one of the
  // present state, and its file goes out as fast as it is read.
  struct Download {
    enum class State : uint8_t { None, Taking, Opening, Streaming };
    State state = State::None;
    LinkId link;
    bool streams = false;
    Zxid wanted;  // or later
    uint64_t failed_before = 0;
    Zxid zxid;
    FileId file;
    uint64_t size = 0;
    uint64_t sent = 0;
    bool reading = false;
  };

  Visitor* find(LinkId link);
  void accept(const LinkAccepted& event, AdminParts& parts);
  void receive(Visitor& visitor, ByteView bytes, AdminParts& parts);
  void advance(LinkId link, AdminParts& parts);
  void respond(LinkId link, AdminParts& parts);
  void respond_metrics(Visitor& visitor, AdminParts& parts);
  void respond_links(Visitor& visitor, AdminParts& parts);
  void run(LinkId link, const AdminCommand& command, const DirSizes& sizes, AdminParts& parts);
  void send(Visitor& visitor, const HttpAnswer& answer, std::string_view body, AdminParts& parts);
  void send_error(Visitor& visitor, int status, std::string_view command, std::string_view error,
                  AdminParts& parts);
  void refuse(LinkId link, int status, AdminParts& parts);
  void write_one_portion(AdminParts& parts);

  // --- admin_snapshot.cc
  void begin_snapshot(Visitor& visitor, AdminParts& parts);
  bool step_snapshot(const Event& event, AdminParts& parts);
  void advance_snapshot(AdminParts& parts);
  void open_snapshot(SnapshotName name, AdminParts& parts);
  void answer_snapshot(uint64_t size, AdminParts& parts);
  void read_snapshot(AdminParts& parts);
  void send_portion(ByteView bytes, AdminParts& parts);
  void fail_snapshot(int status, std::string_view why, AdminParts& parts);
  void end_snapshot(AdminParts& parts);
  void drop(LinkId link, bool close, bool drain, AdminParts& parts);

  std::vector<Visitor> visitors_;  // in the order they came
  size_t turn_ = 0;                // whose portion is next
  Instant again_ = Instant::never();
  Download download_;
  Instant next_snapshot_;  // none is begun before
};

}  // namespace vivarium
