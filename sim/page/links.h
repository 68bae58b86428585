// PageLinks: the messages of a run, from the bytes that leave and arrive: which arrived when, and
// which were lost, where and by what.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "sim/page/model.h"
#include "sim/page/streams.h"
#include "sim/simulation.h"

namespace vivarium::sim {

class PageLinks {
 public:
  // The host has a handle of a link: it connects, or accepts.
  void opened(const Simulation& sim, HostId host, LinkId link);
  void sent(const Simulation& sim, HostId host, LinkId link, ByteView bytes, PageModel& model);
  void received(const Simulation& sim, HostId host, LinkId link, size_t bytes, PageModel& model);
  // This end is gone: closed by the host, or broken.
  void ended(const Simulation& sim, HostId host, LinkId link, bool closed, PageModel& model);
  void died(const Simulation& sim, HostId host, PageModel& model);
  // What is still on its way now never arrives within the run.
  void finish(PageModel& model);

 private:
  struct Flying {
    size_t event = 0;
    uint64_t end = 0;
  };
  struct Stream {
    SaidReader reader;
    std::deque<Flying> flying;
    uint64_t received = 0;
  };
  struct Link {
    HostId ends[2] = {kNoHost, kNoHost};  // who connected, who accepted
    uint16_t port = 0;
    Stream streams[2];  // sent by ends[i]
    SimTime gone[2] = {SimTime::never(), SimTime::never()};
  };
  using Key = std::pair<uint32_t, uint32_t>;                // connection, generation
  using Handle = std::tuple<uint32_t, uint32_t, uint32_t>;  // host, slot, generation

  Link* find(HostId host, LinkId link);
  static void lose(const Simulation& sim, Link& link, size_t receiver, const std::string& why,
                   PageModel& model);

  std::map<Key, Link> links_;
  std::map<Handle, Key> handles_;
};

}  // namespace vivarium::sim
