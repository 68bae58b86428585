// The trace of a run for people: one line per event that a process gets, per call that it makes and
// per thing that befalls it. Lines depend on the seed and the program alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sim/observer.h"
#include "sim/simulation.h"

namespace vivarium::sim {

// What bytes on a link to this port mean, in a few words; empty when it cannot say.
using Describe = std::string (*)(uint16_t port, bool from_connector, ByteView bytes);

class TraceWriter : public Observer {
 public:
  using Sink = std::function<void(std::string_view line)>;
  explicit TraceWriter(Sink sink, Describe describe = nullptr)
      : sink_(std::move(sink)), describe_(describe) {}

  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void called(Simulation& sim, HostId host, const Call& call) override;
  void happened(Simulation& sim, HostId host, std::string_view what) override;

 private:
  void line(const Simulation& sim, HostId host, std::string_view what);
  std::string link_text(const Simulation& sim, HostId host, LinkId link) const;
  std::string bytes_text(const Simulation& sim, HostId host, LinkId link, bool outgoing,
                         ByteView bytes) const;

  Sink sink_;
  Describe describe_;
};

}  // namespace vivarium::sim
