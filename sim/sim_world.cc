#include "sim/sim_world.h"

#include <optional>

#include "core/base/hash.h"

namespace vivarium::sim {
namespace {

constexpr uint32_t kNowhere = UINT32_MAX;  // the slot of handles given to the doomed

uint64_t number(LinkId link) { return uint64_t{link.generation} << 32 | link.slot; }
uint64_t number(FileId file) { return uint64_t{file.generation} << 32 | file.slot; }

Call call_of(CallKind kind) {
  Call call;
  call.kind = kind;
  return call;
}

}  // namespace

void SimWorld::called(const Call& call, uint64_t a, uint64_t b) {
  sim_.mix(uint64_t{host_.value} << 8 | static_cast<uint64_t>(call.kind) | 0x8000'0000);
  sim_.mix(a);
  sim_.mix(b);
  if (Observer* observer = sim_.observer()) observer->called(sim_, host_, call);
}

// ---------------------------------------------------------------------------------- time, chance

Instant SimWorld::now() const { return host().clock.monotonic(sim_.now_); }

WallTime SimWorld::wall_now() const { return host().clock.wall(sim_.now_); }

uint64_t SimWorld::random() {
  Simulation::Host& h = host();
  return sim_.choices_.draw({ChoiceKind::Random, host_.value, h.life, h.randoms++});
}

void SimWorld::set_timer(Instant at) {
  if (dead() || host().timer == at) return;
  Call call = call_of(CallKind::SetTimer);
  call.offset = static_cast<uint64_t>(at.ns);
  called(call, call.offset, 0);
  host().timer = at;
  sim_.queue_timer(host_);
}

// ---------------------------------------------------------------------------------- links

LinkId SimWorld::connect(const Address& to) {
  if (dead()) return {kNowhere, 1};
  std::optional<HostId> target;
  for (uint32_t i = 0; i < sim_.hosts_.size(); ++i) {
    if (sim_.hosts_[i].name == to.host && sim_.hosts_[i].server) target = HostId{i};
  }
  Moment m = sim_.moment();
  const LinkId link = sim_.network_.connect(m, host_, target, to.port);
  Call call = call_of(CallKind::Connect);
  call.link = link;
  call.name = to.host;
  call.port = to.port;
  called(call, number(link), uint64_t{target.value_or(kNoHost).value} << 16 | to.port);
  return link;
}

void SimWorld::send(LinkId link, ByteView bytes) {
  if (dead()) return;
  Call call = call_of(CallKind::Send);
  call.link = link;
  call.bytes = bytes;
  called(call, number(link), hash64(bytes));
  if (dead()) return;  // doomed by the observer
  sim_.network_.send(host_, link, bytes);
}

uint64_t SimWorld::unsent(LinkId link) const { return sim_.network_.unsent(host_, link); }

void SimWorld::give_credit(LinkId link, uint64_t bytes) {
  if (dead()) return;
  Moment m = sim_.moment();
  sim_.network_.give_credit(m, host_, link, bytes);
}

void SimWorld::close(LinkId link, bool drain) {
  if (dead()) return;
  Call call = call_of(CallKind::CloseLink);
  call.link = link;
  call.offset = drain ? 1 : 0;
  called(call, number(link), call.offset);
  host().sasl.forget(link);
  Moment m = sim_.moment();
  sim_.network_.close(m, host_, link, drain);
}

SaslAnswer SimWorld::sasl(LinkId link, ByteView token) {
  if (dead()) return {};
  // Apart from random(), which draws from the same kind of choice by small numbers.
  constexpr uint64_t kNonces = uint64_t{1} << 32;
  Simulation::Host& h = host();
  const uint64_t nonce =
      sim_.choices_.draw({ChoiceKind::Random, host_.value, h.life, kNonces + h.sasl_steps++});
  return h.sasl.step(link, token, nonce);
}

// ---------------------------------------------------------------------------------- files

FileId SimWorld::open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) {
  if (dead()) return {kNowhere, 1};
  Moment m = sim_.moment();
  const FileId file = host().files.open(m, host().disk, dir, name, mode, lane, on_error);
  Call call = call_of(CallKind::Open);
  call.file = file;
  call.dir = dir;
  call.name = name;
  call.offset = static_cast<uint64_t>(mode);
  called(call, number(file), hash64(as_bytes(name), call.offset));
  sim_.count_file_operation(host_);
  return file;
}

void SimWorld::write(FileId file, uint64_t offset, ByteView bytes) {
  if (dead()) return;
  Call call = call_of(CallKind::Write);
  call.file = file;
  call.offset = offset;
  call.bytes = bytes;
  called(call, number(file), hash64(bytes, offset));
  Moment m = sim_.moment();
  host().files.write(m, host().disk, file, offset, bytes);
  sim_.count_file_operation(host_);
}

void SimWorld::preallocate(FileId file, uint64_t offset, uint64_t length) {
  if (dead()) return;
  Call call = call_of(CallKind::Preallocate);
  call.file = file;
  call.offset = offset;
  call.length = length;
  called(call, offset, length);
  Moment m = sim_.moment();
  host().files.preallocate(m, host().disk, file, offset, length);
  sim_.count_file_operation(host_);
}

void SimWorld::hurry(FileId file) {
  if (dead()) return;
  Moment m = sim_.moment();
  host().files.hurry(m, host().disk, file);
}

void SimWorld::truncate(FileId file, uint64_t size) {
  if (dead()) return;
  Call call = call_of(CallKind::Truncate);
  call.file = file;
  call.offset = size;
  called(call, number(file), size);
  Moment m = sim_.moment();
  host().files.truncate(m, host().disk, file, size);
  sim_.count_file_operation(host_);
}

void SimWorld::sync(FileId file, uint64_t token) {
  if (dead()) return;
  Call call = call_of(CallKind::Sync);
  call.file = file;
  call.token = token;
  called(call, number(file), token);
  Moment m = sim_.moment();
  host().files.sync(m, host().disk, file, token);
  sim_.count_file_operation(host_);
}

void SimWorld::read(FileId file, uint64_t offset, uint64_t length, uint64_t token) {
  if (dead()) return;
  Call call = call_of(CallKind::Read);
  call.file = file;
  call.offset = offset;
  call.length = length;
  call.token = token;
  called(call, offset, length);
  Moment m = sim_.moment();
  host().files.read(m, host().disk, file, offset, length, token);
}

void SimWorld::close(FileId file) {
  if (dead()) return;
  Call call = call_of(CallKind::CloseFile);
  call.file = file;
  called(call, number(file), 0);
  host().files.close(host().disk, file);
}

void SimWorld::rename(Dir dir, std::string_view from, std::string_view to, Lane /*lane*/) {
  if (dead()) return;
  Call call = call_of(CallKind::Rename);
  call.dir = dir;
  call.name = from;
  call.name_to = to;
  called(call, hash64(as_bytes(from)), hash64(as_bytes(to)));
  Moment m = sim_.moment();
  host().files.rename(m, host().disk, dir, from, to);
  sim_.count_file_operation(host_);
}

void SimWorld::remove(Dir dir, std::string_view name, Lane /*lane*/) {
  if (dead()) return;
  Call call = call_of(CallKind::Remove);
  call.dir = dir;
  call.name = name;
  called(call, hash64(as_bytes(name)), 0);
  Moment m = sim_.moment();
  host().files.remove(m, host().disk, dir, name);
  sim_.count_file_operation(host_);
}

void SimWorld::sync_dir(Dir dir, uint64_t token, Lane lane) {
  if (dead()) return;
  Call call = call_of(CallKind::SyncDir);
  call.dir = dir;
  call.token = token;
  called(call, static_cast<uint64_t>(dir), token);
  Moment m = sim_.moment();
  host().files.sync_dir(m, host().disk, dir, token, lane);
  sim_.count_file_operation(host_);
}

void SimWorld::list(Dir dir, uint64_t token) {
  if (dead()) return;
  Call call = call_of(CallKind::List);
  call.dir = dir;
  call.token = token;
  called(call, static_cast<uint64_t>(dir), token);
  Moment m = sim_.moment();
  host().files.list(m, host().disk, dir, token);
}

uint64_t SimWorld::free_bytes(Dir /*dir*/) const { return host().disk.free_bytes(); }

// ---------------------------------------------------------------------------------- people

void SimWorld::log(LogLevel level, std::string_view line) {
  if (dead()) return;
  Call call = call_of(CallKind::Log);
  call.name = line;
  call.level = level;
  called(call, static_cast<uint64_t>(level), hash64(as_bytes(line)));
}

void SimWorld::count(std::string_view key, int64_t add) {
  if (dead()) return;
  host().metrics.count(key, add);
  if (Observer* observer = sim_.observer()) observer->counted(sim_, host_, key, add);
}

void SimWorld::gauge(std::string_view key, int64_t value) {
  if (dead()) return;
  host().metrics.gauge(key, value);
  if (Observer* observer = sim_.observer()) observer->counted(sim_, host_, key, value);
}

void SimWorld::sample(std::string_view key, int64_t value) {
  if (!dead()) host().metrics.sample(key, value);
}

void SimWorld::audit(std::string_view line) {
  if (dead()) return;
  Call call = call_of(CallKind::Audit);
  call.name = line;
  called(call, 0, hash64(as_bytes(line)));
}

void SimWorld::stop(StopReason reason, std::string_view why) {
  if (dead()) return;
  Call call = call_of(CallKind::Stop);
  call.name = why;
  called(call, static_cast<uint64_t>(reason), hash64(as_bytes(why)));
  Simulation::Host& h = host();
  if (h.stopping) return;
  h.stopping = true;
  h.stop_reason = reason;
  h.stop_text.assign(why);
}

}  // namespace vivarium::sim
