#include "sim/trace.h"

#include <fmt/format.h>

#include <type_traits>

namespace vivarium::sim {
namespace {

std::string_view text_of(Dir dir) {
  switch (dir) {
    case Dir::Root:
      return "root";
    case Dir::Snapshots:
      return "snapshots";
    case Dir::Logs:
      return "logs";
    case Dir::Config:
      return "config";
  }
  return "?";
}

std::string_view text_of(Door door) {
  switch (door) {
    case Door::Client:
      return "client";
    case Door::Election:
      return "election";
    case Door::Quorum:
      return "quorum";
    case Door::Admin:
      return "admin";
    case Door::Metrics:
      return "metrics";
  }
  return "?";
}

std::string_view port_name(uint16_t port) {
  return port == kQuorumPort ? "quorum" : port == kElectionPort ? "election" : "client";
}

}  // namespace

std::string_view name_of(CallKind kind) {
  switch (kind) {
    case CallKind::SetTimer:
      return "set timer";
    case CallKind::Connect:
      return "connect";
    case CallKind::Send:
      return "send";
    case CallKind::CloseLink:
      return "close";
    case CallKind::Open:
      return "open";
    case CallKind::Write:
      return "write";
    case CallKind::Preallocate:
      return "preallocate";
    case CallKind::Truncate:
      return "truncate";
    case CallKind::Sync:
      return "sync";
    case CallKind::Read:
      return "read";
    case CallKind::CloseFile:
      return "close";
    case CallKind::Rename:
      return "rename";
    case CallKind::Remove:
      return "remove";
    case CallKind::SyncDir:
      return "sync directory";
    case CallKind::List:
      return "list";
    case CallKind::Log:
      return "log";
    case CallKind::Audit:
      return "audit";
    case CallKind::Stop:
      return "stop";
  }
  return "?";
}

void TraceWriter::line(const Simulation& sim, HostId host, std::string_view what) {
  const int64_t ns = sim.now().ns;
  const std::string_view who = host == kNoHost ? std::string_view("-") : sim.name(host);
  sink_(fmt::format("{:4}.{:06} {:<3} {}", ns / 1'000'000'000, ns / 1'000 % 1'000'000, who, what));
}

// "s2 quorum" for the link's other end and door.
std::string TraceWriter::link_text(const Simulation& sim, HostId host, LinkId link) const {
  const auto info = sim.network().info(host, link);
  if (!info) return "a dead link";
  const HostId other = info->from == host ? info->to : info->from;
  return fmt::format("{} {}#{}", sim.name(other), port_name(info->port), info->generation);
}

std::string TraceWriter::bytes_text(const Simulation& sim, HostId host, LinkId link, bool outgoing,
                                    ByteView bytes) const {
  std::string text = fmt::format("{} B", bytes.size());
  const auto info = sim.network().info(host, link);
  if (describe_ == nullptr || !info) return text;
  const std::string more = describe_(info->port, (info->from == host) == outgoing, bytes);
  return more.empty() ? text : fmt::format("{} ({})", more, text);
}

void TraceWriter::delivering(Simulation& sim, HostId host, const Event& event) {
  const auto file = [&](FileId f) { return sim.files(host).name_of(f); };
  std::visit(
      [&](const auto& e) {
        using T = std::decay_t<decltype(e)>;
        std::string text;
        if constexpr (std::is_same_v<T, Started>) {
          text = "started";
        } else if constexpr (std::is_same_v<T, TimerFired>) {
          text = "timer fired";
        } else if constexpr (std::is_same_v<T, TurnEnded>) {
          return;  // every turn has one
        } else if constexpr (std::is_same_v<T, LinkAccepted>) {
          text = fmt::format("accepted {} at the {} door", link_text(sim, host, e.link),
                             text_of(e.door));
        } else if constexpr (std::is_same_v<T, LinkUp>) {
          text = fmt::format("connected to {}", link_text(sim, host, e.link));
        } else if constexpr (std::is_same_v<T, LinkBytes>) {
          text = fmt::format("<- {}: {}", link_text(sim, host, e.link),
                             bytes_text(sim, host, e.link, false, e.bytes));
        } else if constexpr (std::is_same_v<T, LinkDrained>) {
          text = fmt::format("drained {}", link_text(sim, host, e.link));
        } else if constexpr (std::is_same_v<T, LinkEnded>) {
          text = fmt::format("the other end of {} has ended", link_text(sim, host, e.link));
        } else if constexpr (std::is_same_v<T, LinkDown>) {
          text = fmt::format("link {}.{} is down", e.link.slot, e.link.generation);
        } else if constexpr (std::is_same_v<T, FileOpened>) {
          text = fmt::format("opened {} of {} B", file(e.file), e.size);
        } else if constexpr (std::is_same_v<T, FileFailed>) {
          text = fmt::format("failed {}", file(e.file));
        } else if constexpr (std::is_same_v<T, Preallocated>) {
          text = fmt::format("preallocated {}{}", file(e.file), e.ok ? "" : ": disk full");
        } else if constexpr (std::is_same_v<T, FileSynced>) {
          text = fmt::format("synced {} ({})", file(e.file), e.token);
        } else if constexpr (std::is_same_v<T, ReadDone>) {
          text = fmt::format("read {} at {}: {} B", file(e.file), e.offset, e.bytes.size());
        } else if constexpr (std::is_same_v<T, DirSynced>) {
          text = fmt::format("synced directory {} ({})", text_of(e.dir), e.token);
        } else if constexpr (std::is_same_v<T, DirListed>) {
          text = fmt::format("listed {}: {} files", text_of(e.dir), e.entries->size());
        } else {
          static_assert(std::is_same_v<T, StopRequested>);
          text = "asked to stop";
        }
        line(sim, host, text);
      },
      event);
}

void TraceWriter::called(Simulation& sim, HostId host, const Call& call) {
  const std::string_view what = name_of(call.kind);
  const std::string_view file = sim.files(host).name_of(call.file);
  std::string text;
  switch (call.kind) {
    case CallKind::SetTimer:
    case CallKind::CloseFile:
      return;
    case CallKind::Connect:
      text = fmt::format("connect to {}:{}", call.name, call.port);
      break;
    case CallKind::Send:
      text = fmt::format("-> {}: {}", link_text(sim, host, call.link),
                         bytes_text(sim, host, call.link, true, call.bytes));
      break;
    case CallKind::CloseLink:
      text = fmt::format("close {}", link_text(sim, host, call.link));
      break;
    case CallKind::Write:
      text = fmt::format("write {} at {}: {} B", file, call.offset, call.bytes.size());
      break;
    case CallKind::Open:
      text = fmt::format("open {}/{}", text_of(call.dir), call.name);
      break;
    case CallKind::Preallocate:
    case CallKind::Read:
      text = fmt::format("{} {} at {}: {} B", what, file, call.offset, call.length);
      break;
    case CallKind::Truncate:
      text = fmt::format("truncate {} to {} B", file, call.offset);
      break;
    case CallKind::Sync:
      text = fmt::format("sync {} ({})", file, call.token);
      break;
    case CallKind::Rename:
      text = fmt::format("rename {} to {}", call.name, call.name_to);
      break;
    case CallKind::Remove:
      text = fmt::format("remove {}", call.name);
      break;
    case CallKind::SyncDir:
    case CallKind::List:
      text = fmt::format("{} {} ({})", what, text_of(call.dir), call.token);
      break;
    case CallKind::Log:
    case CallKind::Audit:
    case CallKind::Stop:
      text = fmt::format("{}: {}", what, call.name);
      break;
  }
  line(sim, host, text);
}

void TraceWriter::happened(Simulation& sim, HostId host, std::string_view what) {
  line(sim, host, fmt::format("** {}", what));
}

}  // namespace vivarium::sim
