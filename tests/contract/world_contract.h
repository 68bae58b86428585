// The contract of World as tests: every rule of core/world.h and core/event.h, stated once and run
// against each implementation. An implementation brings a WorldUnderTest and instantiates the
// suite:
//   INSTANTIATE_TEST_SUITE_P(Sim, WorldContract, testing::Values(WorldFactory{"sim", make_sim}));
// The suite never sleeps and reads no clock of its own: time passes inside run_until() only, so a
// simulator may run it in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "core/event.h"
#include "core/world.h"

namespace vivarium::contract {

// What stands where Node stands: called once per event, never from inside a call on the World.
using Handler = std::function<void(const Event&, World&)>;

// Some hosts with a World each, on one network. Every function is called outside of steps.
class WorldUnderTest {
 public:
  virtual ~WorldUnderTest() = default;

  // A new host with empty directories and three doors. Nothing runs before start().
  virtual size_t add_host() = 0;
  // Begins a life of the host on the files it has: Started comes first. The host must not be
  // running.
  virtual void start(size_t host, Handler handler) = 0;
  // Ends the life as kill -9 does: no further event, and the end reaches the other ends of its
  // links. What was written stays, synced or not, as far as it had been carried out.
  virtual void kill(size_t host) = 0;
  // What SIGTERM does: StopRequested follows.
  virtual void ask_to_stop(size_t host) = 0;
  // Calls `action` as one step of a running host, and then ends the turn: the handler receives
  // TurnEnded, and sends leave. Started has been delivered before.
  virtual void act(size_t host, const std::function<void(World&)>& action) = 0;

  // Lets time pass and delivers events to all running hosts until `done` holds. False when it did
  // not within the implementation's deadline (about 20 seconds of its own time), or never can.
  // `done` is evaluated outside of steps.
  virtual bool run_until(const std::function<bool()>& done) = 0;

  // Where the doors of the host are while it runs; stable over its lives.
  virtual Address address(size_t host, Door door) const = 0;
  // An address at which nobody listens and which says so.
  virtual Address refusing_address() const = 0;
  // How the last life ended by World::stop or by a file failure; nullopt while it runs and after
  // kill.
  virtual std::optional<StopReason> ended(size_t host) const = 0;

  // From now on the disks of the host have no room: preallocate() is refused, and a write past the
  // end of a file fails with NoSpace.
  virtual void fill_disk(size_t host) = 0;
  // From now on every sync of a file of the host fails with Io.
  virtual void break_syncs(size_t host) = 0;
};

struct WorldFactory {
  const char* name;
  std::function<std::unique_ptr<WorldUnderTest>()> make;
};
inline void PrintTo(const WorldFactory& factory, std::ostream* out) { *out << factory.name; }

class WorldContract : public testing::TestWithParam<WorldFactory> {
 protected:
  WorldContract() : worlds_(GetParam().make()) {}
  std::unique_ptr<WorldUnderTest> worlds_;
};

}  // namespace vivarium::contract
