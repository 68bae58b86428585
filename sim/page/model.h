// PageModel: all that the HTML page of a run shows, as plain values. Gathered by PageRecorder,
// written by page_html().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

// A server, a client, or whoever asks servers about themselves; its place is that of its host.
using Lane = uint32_t;
inline constexpr Lane kNoLane = UINT32_MAX;
inline constexpr size_t kNoEvent = SIZE_MAX;

enum class PageKind : uint8_t {
  Quorum,  // messages, by the door that they go through
  Election,
  Client,
  Other,
  Write,
  Sync,  // of a file or a directory, from the call to its answer
  Name,  // files renamed and removed, cut
  Life,  // starts, deaths, pauses
  Fault,
  State,      // roles, epochs, damage
  Commit,     // a leader commits
  Deliver,    // a serving server applies
  Operation,  // of a client, from the call to its answer
  Told,       // a client is told: a session, a watch event
  Line        // a server's log line
};
inline constexpr size_t kPageKinds = 15;

// What became of it.
enum class Fate : uint8_t {
  Done,  // arrived, durable, answered well
  Lost,
  Torn,    // part of it
  Kept,    // unsynced, and there after a crash
  Open,    // nothing was heard of it until the end of the run
  Refused  // answered with an error
};

struct PageEvent {
  PageKind kind{};
  Fate fate = Fate::Done;
  bool minor = false;  // hidden until asked for
  Lane lane = kNoLane;
  Lane other = kNoLane;  // of a message: to whom
  SimTime at{};
  SimTime until{};  // arrived, answered, durable, lost
  Zxid zxid{};
  Zxid first{};          // of a write of several records: zxid is the last
  std::string label{};   // a few words
  std::string detail{};  // a line
};

enum class BandState : uint8_t {
  Down,
  Paused,
  Recovering,
  Looking,
  Joining,  // found a leader, and does not serve yet
  Serving,
  Winning,  // elected, and no quorum has confirmed it yet
  Leading
};
struct Band {
  Lane lane = 0;
  SimTime from{};
  BandState state{};
  Epoch epoch = 0;
  bool operator==(const Band&) const = default;
};

// How far a server has come; lane kNoLane: what leaders have committed.
struct Reach {
  Lane lane = 0;
  SimTime at{};
  Zxid logged;
  Zxid durable;
  Zxid applied;
};

struct PageFault {
  uint32_t id = 0;
  SimTime at{};
  SimTime until{};
  std::vector<Lane> lanes;  // whom it names; none: whoever leads, or all
  std::string text;
  bool applied = false;  // it waited for something that never came, or would have gone too far
};

struct PageLane {
  std::string name;
  std::string what;
  bool server = false;
};

// An event that proves the violation, and what it shows.
struct Proof {
  size_t event = kNoEvent;
  std::string why;
};

struct PageModel {
  std::string title;    // "seed 17"
  std::string command;  // how to see it again
  std::string summary;
  std::vector<PageLane> lanes;
  std::vector<PageEvent> events;  // by time
  std::vector<Band> bands;
  std::vector<Reach> reaches;
  std::vector<PageFault> faults;
  SimTime healed = SimTime::never();
  SimTime end{};
  // --- a violation; empty: nothing was violated
  std::string checker;
  std::string promise;  // of the checker, in one sentence
  std::string text;
  SimTime violated_at{};
  std::vector<Proof> proof;
  // --- set by page_html()
  std::string window;  // which part of the run is shown; empty: all
  SimTime shown_from{};
};

}  // namespace vivarium::sim
