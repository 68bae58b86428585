#include "sim/twice.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "core/base/hash.h"
#include "sim/junk.h"

namespace vivarium::sim {
namespace {

constexpr size_t kStackOfStep = 16 * 1024;
constexpr size_t kStackOfRun = 256 * 1024;
constexpr size_t kMoreOnHeap = 48;

uint64_t hash_of(std::initializer_list<uint64_t> values) {
  uint64_t hash = 0;
  for (const uint64_t value : values) hash = hash_combine(hash, value);
  return hash;
}

uint64_t number_of(LinkId link) { return uint64_t{link.generation} << 32 | link.slot; }
uint64_t number_of(FileId file) { return uint64_t{file.generation} << 32 | file.slot; }

uint64_t contents_of(const DirListed& listed) {
  uint64_t hash = hash_of({static_cast<uint64_t>(listed.dir), listed.token});
  for (const DirEntry& entry : *listed.entries) {
    hash = hash_combine(hash, hash64(as_bytes(entry.name), entry.size));
  }
  return hash;
}

// All that a process is told.
struct EventContents {
  uint64_t operator()(const Started&) const { return 0; }
  uint64_t operator()(const TimerFired&) const { return 0; }
  uint64_t operator()(const TurnEnded&) const { return 0; }
  uint64_t operator()(const StopRequested&) const { return 0; }
  uint64_t operator()(const LinkAccepted& e) const {
    return hash_of({number_of(e.link), static_cast<uint64_t>(e.door), e.remote_port,
                    hash64(as_bytes(e.remote_address)), hash64(as_bytes(e.certificate_subject))});
  }
  uint64_t operator()(const LinkUp& e) const { return number_of(e.link); }
  uint64_t operator()(const LinkBytes& e) const { return hash64(e.bytes, number_of(e.link)); }
  uint64_t operator()(const LinkDrained& e) const { return number_of(e.link); }
  uint64_t operator()(const LinkEnded& e) const { return number_of(e.link); }
  uint64_t operator()(const LinkDown& e) const { return number_of(e.link); }
  uint64_t operator()(const FileOpened& e) const { return hash_of({number_of(e.file), e.size}); }
  uint64_t operator()(const FileFailed& e) const {
    return hash_of({number_of(e.file), static_cast<uint64_t>(e.error)});
  }
  uint64_t operator()(const Preallocated& e) const { return hash_of({number_of(e.file), e.ok}); }
  uint64_t operator()(const FileSynced& e) const { return hash_of({number_of(e.file), e.token}); }
  uint64_t operator()(const ReadDone& e) const {
    return hash_of({number_of(e.file), e.token, e.offset, hash64(e.bytes)});
  }
  uint64_t operator()(const DirSynced& e) const {
    return hash_of({static_cast<uint64_t>(e.dir), e.token});
  }
  uint64_t operator()(const DirListed& e) const { return contents_of(e); }
};

uint64_t contents_of(const Call& call) {
  return hash_of({static_cast<uint64_t>(call.kind), number_of(call.link), number_of(call.file),
                  static_cast<uint64_t>(call.dir), call.offset, call.length, call.token, call.port,
                  hash64(call.bytes), hash64(as_bytes(call.name)), hash64(as_bytes(call.name_to)),
                  static_cast<uint64_t>(call.level)});
}

uint64_t when_and_who(const Simulation& sim, HostId host) {
  return hash_of({static_cast<uint64_t>(sim.now().ns), host.value});
}

// The things between the last checkpoint that is the same and the first that differs: once rolling
// hashes differ they stay so.
Stretch parting(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  size_t same = 0;
  size_t differs = std::min(a.size(), b.size());
  while (same < differs) {
    const size_t middle = same + (differs - same) / 2;
    if (a[middle] == b[middle]) {
      same = middle + 1;
    } else {
      differs = middle;
    }
  }
  // The end of the shorter one is a checkpoint too, of fewer things.
  return {same * Fingerprint::kEvery, (same + 2) * Fingerprint::kEvery};
}

void run_filled(const Run& run, uint8_t fill, size_t more, Fingerprint& print) {
  const Junk junk(fill, more);
  paint_stack(fill, kStackOfRun);
  print.finish(run(print));
}

struct Pair {
  Pair(const Run& run, uint8_t junk, Stretch window) : first(0, window), second(junk, window) {
    run_filled(run, 0, 0, first);
    run_filled(run, junk, kMoreOnHeap, second);
  }
  Fingerprint first;
  Fingerprint second;
};

std::string at_or_end(const std::vector<Fingerprint::Heard>& heard, size_t i) {
  return i < heard.size() ? heard[i].line : std::string("nothing more");
}

// Of two windows.
std::optional<std::string> first_difference(const std::vector<Fingerprint::Heard>& a,
                                            const std::vector<Fingerprint::Heard>& b,
                                            uint64_t from) {
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i].hash == b[i].hash) ++i;
  if (i == a.size() && i == b.size()) return std::nullopt;
  const std::string one = at_or_end(a, i);
  const std::string other = at_or_end(b, i);
  const std::string before = i == 0 ? "" : fmt::format("\n  before it: {}", a[i - 1].line);
  return fmt::format("two runs differ first in thing {}{}\n  first run: {}\n  second:    {}{}",
                     from + i, before, one, other, one == other ? " (with other contents)" : "");
}

}  // namespace

Fingerprint::Fingerprint(uint8_t stack_fill, Stretch window)
    : stack_fill_(stack_fill),
      window_(window),
      writer_([this](std::string_view line) { line_.assign(line); }) {}

void Fingerprint::add(uint64_t hash) {
  hash_ = hash_combine(hash_, hash);
  if (in_window()) heard_.push_back({hash_, line_});
  line_.clear();
  if (++count_ % kEvery == 0) checkpoints_.push_back(hash_);
}

void Fingerprint::delivering(Simulation& sim, HostId host, const Event& event) {
  if (in_window()) {
    writer_.delivering(sim, host, event);
    if (line_.empty()) writer_.happened(sim, host, "the turn ends");
  }
  add(hash_of({when_and_who(sim, host), event.index(), std::visit(EventContents{}, event)}));
  paint_stack(stack_fill_, kStackOfStep);
}

void Fingerprint::called(Simulation& sim, HostId host, const Call& call) {
  if (in_window()) {
    writer_.called(sim, host, call);
    if (line_.empty()) {
      writer_.happened(sim, host, fmt::format("{} {}", name_of(call.kind), call.offset));
    }
  }
  add(hash_of({when_and_who(sim, host), contents_of(call)}));
}

void Fingerprint::happened(Simulation& sim, HostId host, std::string_view what) {
  if (in_window()) writer_.happened(sim, host, what);
  add(hash_of({when_and_who(sim, host), hash64(as_bytes(what))}));
}

void Fingerprint::finish(uint64_t verdict) {
  line_ = "the verdict";
  add(verdict);
  checkpoints_.push_back(hash_);
}

std::optional<std::string> difference_of_two(const Run& run, uint8_t junk) {
  const Pair whole(run, junk, {});
  if (whole.first.checkpoints() == whole.second.checkpoints()) return std::nullopt;
  const Stretch window = parting(whole.first.checkpoints(), whole.second.checkpoints());
  const Pair again(run, junk, window);
  const std::optional<std::string> found =
      first_difference(again.first.heard(), again.second.heard(), window.from);
  return found ? *found
               : fmt::format("two runs differed in things {} to {}; done again, they did not",
                             window.from, window.to - 1);
}

}  // namespace vivarium::sim
