#include "core/storage/frontier.h"

#include <algorithm>
#include <string_view>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kFileBytes = kFrontierSlotStride + kFrontierSlotBytes;
constexpr std::string_view kMarkText =
    "The log directory belongs to this one and holds a frontier.\n";

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](Byte b) { return b == 0; });
}

Bytes slot_bytes(const Frontier& value) {
  Bytes slot;
  slot.reserve(kFrontierSlotBytes);
  encode_frontier(value, slot);
  slot.resize(kFrontierSlotBytes);
  return slot;
}

}  // namespace

bool FrontierFile::load(ByteView file) {
  slot_damaged_ = false;
  std::optional<Frontier> newest;
  for (uint32_t slot = 0; slot < 2; ++slot) {
    const size_t at = slot * kFrontierSlotStride;
    if (at >= file.size()) {
      slot_damaged_ = true;
      continue;
    }
    const ByteView bytes = file.subspan(at).first(std::min(kFrontierSlotBytes, file.size() - at));
    const std::optional<Frontier> found = decode_frontier(bytes);
    if (!found && !all_zero(bytes)) slot_damaged_ = true;
    if (!found || (newest && newest->sequence >= found->sequence)) continue;
    newest = found;
    durable_slot_ = slot;
  }
  exists_ = newest.has_value();
  if (newest) value_ = *newest;
  return exists_;
}

void FrontierFile::open(World& world) {
  CHECK(exists_ && !file_.valid());
  file_ = world.open(Dir::Logs, kFrontierName, OpenMode::Update, Lane::Log, OnError::Stop);
}

void FrontierFile::create(World& world) {
  CHECK(!exists_ && creating_ == Creating::No);
  value_.uuid_high = world.random();
  value_.uuid_low = world.random();
  ++value_.sequence;
  Bytes content = slot_bytes(value_);
  content.resize(kFileBytes);
  file_ = world.open(Dir::Logs, kFrontierNewName, OpenMode::Create, Lane::Log, OnError::Stop);
  world.write(file_, 0, content);
  written_revision_ = revision_;
  syncing_revision_ = revision_;
  world.sync(file_, revision_);
  creating_ = Creating::Content;
}

void FrontierFile::make_mark(World& world) {
  CHECK(exists_ && !marked_);
  creating_ = Creating::Mark;
  mark_ = world.open(Dir::Snapshots, kFrontierMarkName, OpenMode::Create, Lane::Log, OnError::Stop);
  world.write(mark_, 0, as_bytes(kMarkText));
  world.sync(mark_, kFrontierMarkToken);
}

void FrontierFile::made_durable(World& world) {
  durable_revision_ = syncing_revision_;
  syncing_revision_ = 0;
  pump(world);
}

void FrontierFile::put_slot(World& world) {
  CHECK(exists_ && file_.valid() && syncing_revision_ == 0);
  ++value_.sequence;
  world.write(file_, (1 - durable_slot_) * kFrontierSlotStride, slot_bytes(value_));
  if (written_revision_ == durable_revision_) first_unsynced_at_ = world.now();
  last_written_at_ = world.now();
  written_revision_ = revision_;
}

void FrontierFile::pump(World& world) {
  if (!exists_) {
    if (creating_ == Creating::No) create(world);
    return;
  }
  if (syncing_revision_ != 0 || creating_ != Creating::No) return;
  if (!marked_ && wanted_revision_ > durable_revision_) return make_mark(world);
  if (written_revision_ < revision_) put_slot(world);
  if (wanted_revision_ > durable_revision_) {
    syncing_revision_ = written_revision_;
    world.sync(file_, syncing_revision_);
  }
}

void FrontierFile::write(World& world) {
  ++revision_;
  pump(world);
}

void FrontierFile::touch(World& world) {
  if (idle()) first_unsynced_at_ = last_written_at_ = world.now();
  ++revision_;
}

uint64_t FrontierFile::save(World& world) {
  ++revision_;
  wanted_revision_ = revision_;
  pump(world);
  return revision_;
}

bool FrontierFile::step(const Event& event, World& world) {
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (mark_.valid() && synced->file == mark_) {
      CHECK(creating_ == Creating::Mark);
      creating_ = Creating::MarkName;
      world.close(mark_);
      mark_ = FileId{};
      world.sync_dir(Dir::Snapshots, kFrontierMarkToken, Lane::Log);
      return true;
    }
    if (!file_.valid() || synced->file != file_) return false;
    CHECK(synced->token == syncing_revision_);
    if (creating_ == Creating::Content) {
      creating_ = Creating::Name;
      world.rename(Dir::Logs, kFrontierNewName, kFrontierName, Lane::Log);
      world.sync_dir(Dir::Logs, kFrontierDirToken, Lane::Log);
      return true;
    }
    durable_slot_ = 1 - durable_slot_;
    made_durable(world);
    return true;
  }
  if (const auto* synced = std::get_if<DirSynced>(&event)) {
    if (synced->token == kFrontierMarkToken) {
      CHECK(creating_ == Creating::MarkName);
      creating_ = Creating::No;
      marked_ = true;
      if (syncing_revision_ != 0) {
        made_durable(world);  // of a frontier that was created
      } else {
        pump(world);
      }
      return true;
    }
    if (synced->token != kFrontierDirToken) return false;
    CHECK(creating_ == Creating::Name);
    creating_ = Creating::No;
    exists_ = true;
    durable_slot_ = 0;
    if (marked_) {
      made_durable(world);
    } else {
      make_mark(world);
    }
    return true;
  }
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    return (file_.valid() && opened->file == file_) || (mark_.valid() && opened->file == mark_);
  }
  return false;
}

Instant FrontierFile::deadline() const {
  const bool free = syncing_revision_ == 0 && creating_ == Creating::No;
  const bool waiting = exists_ && free && revision_ > durable_revision_;
  if (!waiting) return Instant::never();
  return std::min(last_written_at_ + kSyncIdle, first_unsynced_at_ + kSyncLatest);
}

void FrontierFile::on_deadline(World& world) {
  if (deadline() <= world.now()) hurry(world);
}

void FrontierFile::hurry(World& world) {
  if (idle()) return;
  wanted_revision_ = revision_;
  pump(world);
}

}  // namespace vivarium
