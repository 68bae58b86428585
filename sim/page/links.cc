#include "sim/page/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace vivarium::sim {
namespace {

PageKind kind_of(uint16_t port) {
  switch (port) {
    case kQuorumPort:
      return PageKind::Quorum;
    case kElectionPort:
      return PageKind::Election;
    case kClientPort:
      return PageKind::Client;
    default:
      return PageKind::Other;
  }
}

std::string_view path_note(Path path) {
  switch (path) {
    case Path::Open:
      return "";
    case Path::Stalled:
      return "held back by a cut";
    case Path::BlackHole:
      return "into a black hole";
  }
  return "";
}

void add_note(PageEvent& event, std::string_view note) {
  if (note.empty()) return;
  if (!event.detail.empty()) event.detail += "; ";
  event.detail += note;
}

}  // namespace

PageLinks::Link* PageLinks::find(HostId host, LinkId link) {
  const auto handle = handles_.find({host.value, link.slot, link.generation});
  return handle == handles_.end() ? nullptr : &links_[handle->second];
}

void PageLinks::opened(const Simulation& sim, HostId host, LinkId link) {
  const std::optional<LinkInfo> info = sim.network().info(host, link);
  if (!info) return;
  const Key key{info->connection, info->generation};
  handles_[{host.value, link.slot, link.generation}] = key;
  Link& entry = links_[key];
  if (entry.ends[0] != kNoHost) return;
  entry.ends[0] = info->from;
  entry.ends[1] = info->to;
  entry.port = info->port;
  entry.streams[0].reader = SaidReader(info->port, true);
  entry.streams[1].reader = SaidReader(info->port, false);
}

void PageLinks::sent(const Simulation& sim, HostId host, LinkId link, ByteView bytes,
                     PageModel& model) {
  Link* entry = find(host, link);
  if (entry == nullptr) return;
  const size_t sender = entry->ends[0] == host ? 0 : 1;
  const HostId to = entry->ends[1 - sender];
  Stream& stream = entry->streams[sender];
  for (Said& said : stream.reader.feed(bytes)) {
    PageEvent event;
    event.kind = kind_of(entry->port);
    event.fate = Fate::Open;
    event.minor = said.minor;
    event.lane = host.value;
    event.other = to.value;
    event.at = event.until = sim.now();
    event.zxid = said.zxid;
    event.label = std::move(said.name);
    event.detail = std::move(said.detail);
    add_note(event, path_note(sim.network().path(host, to)));
    stream.flying.push_back({model.events.size(), said.end});
    model.events.push_back(std::move(event));
  }
  if (entry->gone[1 - sender] != SimTime::never()) {
    lose(sim, *entry, 1 - sender, fmt::format("{} had left the link", sim.name(to)), model);
  }
}

void PageLinks::received(const Simulation& sim, HostId host, LinkId link, size_t bytes,
                         PageModel& model) {
  Link* entry = find(host, link);
  if (entry == nullptr) return;
  Stream& stream = entry->streams[entry->ends[0] == host ? 1 : 0];
  stream.received += bytes;
  while (!stream.flying.empty() && stream.flying.front().end <= stream.received) {
    PageEvent& event = model.events[stream.flying.front().event];
    event.fate = Fate::Done;
    event.until = sim.now();
    stream.flying.pop_front();
  }
}

void PageLinks::lose(const Simulation& sim, Link& link, size_t receiver, const std::string& why,
                     PageModel& model) {
  Stream& stream = link.streams[1 - receiver];
  for (const Flying& flying : stream.flying) {
    PageEvent& event = model.events[flying.event];
    event.fate = Fate::Lost;
    event.until = sim.now();
    add_note(event, why);
  }
  stream.flying.clear();
}

void PageLinks::ended(const Simulation& sim, HostId host, LinkId link, bool closed,
                      PageModel& model) {
  Link* entry = find(host, link);
  if (entry == nullptr) return;
  const size_t end = entry->ends[0] == host ? 0 : 1;
  entry->gone[end] = sim.now();
  lose(sim, *entry, end,
       closed ? fmt::format("{} closed the link", sim.name(host)) : "the link broke", model);
  handles_.erase({host.value, link.slot, link.generation});
}

void PageLinks::died(const Simulation& sim, HostId host, PageModel& model) {
  const auto first = handles_.lower_bound({host.value, 0, 0});
  const auto last = handles_.lower_bound({host.value + 1, 0, 0});
  for (auto it = first; it != last; ++it) {
    Link& link = links_[it->second];
    const size_t end = link.ends[0] == host ? 0 : 1;
    link.gone[end] = sim.now();
    lose(sim, link, end, fmt::format("{} died", sim.name(host)), model);
  }
  handles_.erase(first, last);
}

void PageLinks::finish(PageModel& model) {
  for (auto& [key, link] : links_) {
    for (size_t sender = 0; sender < 2; ++sender) {
      const bool gone = link.gone[sender] != SimTime::never();
      for (const Flying& flying : link.streams[sender].flying) {
        PageEvent& event = model.events[flying.event];
        event.fate = gone ? Fate::Lost : Fate::Open;
        event.until = gone ? std::max(event.at, link.gone[sender]) : model.end;
        add_note(event, gone ? "its sender was gone" : "on its way when the run ended");
      }
      link.streams[sender].flying.clear();
    }
  }
}

}  // namespace vivarium::sim
