#include "sim/page/disks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "sim/ledger.h"
#include "sim/page/streams.h"

namespace vivarium::sim {
namespace {

std::string_view directory_name(Dir dir) {
  constexpr std::array<std::string_view, kDirs> kNames{"the root", "snapshots", "logs", "config"};
  return kNames[static_cast<size_t>(dir)];
}

// The frontier is written behind every batch, and spares are zeroed ahead: neither tells a story.
bool is_housekeeping(std::string_view name) {
  return name.starts_with("spare.") || name.starts_with("frontier");
}

PageEvent& add_disk_event(PageModel& model, PageKind kind, const Simulation& sim, HostId host) {
  PageEvent& event = model.events.emplace_back();
  event.kind = kind;
  event.fate = Fate::Open;
  event.lane = host.value;
  event.at = event.until = sim.now();
  return event;
}

void settle(PageModel& model, size_t event, Fate fate, SimTime now) {
  model.events[event].fate = fate;
  model.events[event].until = now;
}

}  // namespace

std::string PageDisks::name_of(const Simulation& sim, HostId host, FileId file) {
  const std::string_view name = sim.files(host).name_of(file);
  const auto& renamed = hosts_[host.value].renamed;
  const auto found = renamed.find(name);
  return found == renamed.end() ? std::string(name) : found->second;
}

void PageDisks::called(const Simulation& sim, HostId host, const Call& call, PageModel& model) {
  if (call.kind == CallKind::Write) {
    write(sim, host, call, model);
  } else if (call.kind == CallKind::Truncate) {
    cut(sim, host, call, model);
  } else if (call.kind == CallKind::Sync || call.kind == CallKind::SyncDir) {
    begin_sync(sim, host, call, model);
  } else if (call.kind == CallKind::Rename || call.kind == CallKind::Remove) {
    change_name(sim, host, call, model);
  } else if (call.kind == CallKind::Open) {
    auto& renamed = hosts_[host.value].renamed;
    const auto found = renamed.find(call.name);
    if (found != renamed.end()) renamed.erase(found);
  }
}

void PageDisks::write(const Simulation& sim, HostId host, const Call& call, PageModel& model) {
  const std::string name = name_of(sim, host, call.file);
  Host& h = hosts_[host.value];
  const std::vector<LoggedTxn> txns =
      name.starts_with("log.") ? records_in(call.offset, call.bytes) : std::vector<LoggedTxn>{};
  h.writes.push_back({model.events.size(), h.calls++, sim.files(host).inode_of(call.file),
                      call.offset, Bytes(call.bytes.begin(), call.bytes.end())});
  PageEvent& event = add_disk_event(model, PageKind::Write, sim, host);
  event.minor = is_housekeeping(name);
  event.label = txns.empty() ? fmt::format("write {}", name) : "log";
  event.detail = fmt::format("{} bytes at {} of {}", call.bytes.size(), call.offset, name);
  if (txns.empty()) return;
  if (txns.size() == 1) event.detail = describe_txn(txns[0].entry) + "; " + event.detail;
  event.first = txns.front().zxid;
  event.zxid = txns.back().zxid;
  event.label += txns.size() == 1 ? fmt::format(" {}", hex(event.zxid))
                                  : fmt::format(" {} to {}", hex(event.first), hex(event.zxid));
}

void PageDisks::cut(const Simulation& sim, HostId host, const Call& call, PageModel& model) {
  const std::string name = name_of(sim, host, call.file);
  Host& h = hosts_[host.value];
  h.writes.push_back(
      {model.events.size(), h.calls++, sim.files(host).inode_of(call.file), call.offset, Bytes{}});
  PageEvent& event = add_disk_event(model, PageKind::Name, sim, host);
  event.label = fmt::format("cut {}", name);
  event.detail = fmt::format("to {} bytes", call.offset);
  event.minor = is_housekeeping(name);
}

void PageDisks::change_name(const Simulation& sim, HostId host, const Call& call,
                            PageModel& model) {
  Host& h = hosts_[host.value];
  const bool rename = call.kind == CallKind::Rename;
  h.names.push_back({model.events.size(), h.calls++, call.dir, std::string(call.name),
                     rename ? std::string(call.name_to) : std::string()});
  PageEvent& event = add_disk_event(model, PageKind::Name, sim, host);
  if (rename) {
    h.renamed[std::string(call.name)] = std::string(call.name_to);
    event.label = fmt::format("name {}", call.name_to);
    event.detail = fmt::format("{} becomes {}", call.name, call.name_to);
  } else {
    event.label = fmt::format("remove {}", call.name);
    event.minor = is_housekeeping(call.name);
  }
}

void PageDisks::begin_sync(const Simulation& sim, HostId host, const Call& call, PageModel& model) {
  Host& h = hosts_[host.value];
  const bool file = call.kind == CallKind::Sync;
  Syncing syncing;
  syncing.event = model.events.size();
  syncing.nth = h.calls++;
  syncing.token = call.token;
  const std::string name = file ? name_of(sim, host, call.file)
                                : fmt::format("directory of {}", directory_name(call.dir));
  if (file) {
    syncing.file = call.file;
    syncing.inode = sim.files(host).inode_of(call.file);
    h.files.push_back(syncing);
  } else {
    syncing.dir = sim.disk(host).index(call.dir);
    h.dirs.push_back(syncing);
  }
  PageEvent& event = add_disk_event(model, PageKind::Sync, sim, host);
  event.label = fmt::format("sync {}", name);
  event.minor = is_housekeeping(name);
}

void PageDisks::synced(const Simulation& sim, HostId host, FileId file, uint64_t token,
                       PageModel& model) {
  Host& h = hosts_[host.value];
  const auto found = std::find_if(h.files.begin(), h.files.end(), [&](const Syncing& s) {
    return s.file == file && s.token == token;
  });
  if (found == h.files.end()) return;
  settle(model, found->event, Fate::Done, sim.now());
  std::erase_if(h.writes, [&](const Unsynced& w) {
    const bool covered = w.inode == found->inode && w.nth < found->nth;
    if (covered) settle(model, w.event, Fate::Done, sim.now());
    return covered;
  });
  h.files.erase(found);
}

void PageDisks::dir_synced(const Simulation& sim, HostId host, Dir dir, uint64_t token,
                           PageModel& model) {
  Host& h = hosts_[host.value];
  const size_t index = sim.disk(host).index(dir);
  const auto found = std::find_if(h.dirs.begin(), h.dirs.end(), [&](const Syncing& s) {
    return s.dir == index && s.token == token;
  });
  if (found == h.dirs.end()) return;
  settle(model, found->event, Fate::Done, sim.now());
  std::erase_if(h.names, [&](const UnsyncedName& n) {
    const bool covered = sim.disk(host).index(n.dir) == index && n.nth < found->nth;
    if (covered) settle(model, n.event, Fate::Done, sim.now());
    return covered;
  });
  h.dirs.erase(found);
}

// Sector by sector: is there what was written?
Fate PageDisks::left_of(const SimDisk& disk, const Unsynced& write) {
  const SimFile& file = disk.file(write.inode);
  if (!file.used) return Fate::Lost;
  if (write.bytes.empty()) return file.cached.size == write.offset ? Fate::Kept : Fate::Lost;
  size_t kept = 0;
  size_t sectors = 0;
  Bytes there;
  for (uint64_t at = 0; at < write.bytes.size();) {
    const uint64_t next =
        std::min<uint64_t>(write.bytes.size(), (write.offset + at) / kSectorBytes * kSectorBytes +
                                                   kSectorBytes - write.offset);
    there.clear();
    file.cached.read(write.offset + at, next - at, there);
    const auto written = write.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    if (there.size() == next - at && std::equal(there.begin(), there.end(), written)) ++kept;
    ++sectors;
    at = next;
  }
  return kept == sectors ? Fate::Kept : kept == 0 ? Fate::Lost : Fate::Torn;
}

Fate PageDisks::left_of(const SimDisk& disk, const UnsyncedName& name) {
  const bool there = disk.find(name.dir, name.to.empty() ? name.from : name.to) != kNoInode;
  return there == !name.to.empty() ? Fate::Kept : Fate::Lost;
}

std::string PageDisks::crashed(const Simulation& sim, HostId host, PageModel& model) {
  Host& h = hosts_[host.value];
  const SimDisk& disk = sim.disk(host);
  size_t counts[6] = {};
  for (const Unsynced& write : h.writes) {
    const Fate fate = write.inode == kNoInode ? Fate::Lost : left_of(disk, write);
    ++counts[static_cast<size_t>(fate)];
    settle(model, write.event, fate, sim.now());
  }
  for (const UnsyncedName& name : h.names) {
    const Fate fate = left_of(disk, name);
    ++counts[static_cast<size_t>(fate)];
    settle(model, name.event, fate, sim.now());
  }
  for (const std::vector<Syncing>* syncs : {&h.files, &h.dirs}) {
    for (const Syncing& sync : *syncs) settle(model, sync.event, Fate::Lost, sim.now());
  }
  const size_t unsynced = h.writes.size() + h.names.size();
  h = Host{};
  if (unsynced == 0) return "";
  return fmt::format("of {} unsynced operations {} survive, {} are torn, {} lost", unsynced,
                     counts[static_cast<size_t>(Fate::Kept)],
                     counts[static_cast<size_t>(Fate::Torn)],
                     counts[static_cast<size_t>(Fate::Lost)]);
}

}  // namespace vivarium::sim
