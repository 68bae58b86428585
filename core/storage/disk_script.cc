#include "core/storage/disk_script.h"

#include "core/base/check.h"

namespace vivarium {

void FrontierEdit::apply(Frontier& value) const {
  if (accepted_epoch) value.accepted_epoch = *accepted_epoch;
  if (current_epoch) value.current_epoch = *current_epoch;
  if (intent) {
    value.intent = *intent;
    value.intent_zxid = intent_zxid;
  }
  if (generation) value.generation = *generation;
  if (member) value.member = *member;
  if (position) {
    value.zxid = position->zxid;
    value.acknowledged = position->zxid;
    value.file_id = position->file_id;
    value.end_offset = position->end_offset;
    value.entry_crc = position->entry_crc;
  }
  if (acknowledged) value.acknowledged = *acknowledged;
  if (boot) ++value.boots;
}

DiskScript::Op& DiskScript::add(Kind kind, Dir dir, std::string name) {
  CHECK(!running_);
  Op& op = ops_.emplace_back();
  op.kind = kind;
  op.dir = dir;
  op.name = std::move(name);
  return op;
}

void DiskScript::write_file(Dir dir, std::string name, Bytes content) {
  add(Kind::Write, dir, std::move(name)).content = std::move(content);
}
void DiskScript::rewrite(Dir dir, std::string name, uint64_t offset, Bytes content) {
  Op& op = add(Kind::Rewrite, dir, std::move(name));
  op.size = offset;
  op.content = std::move(content);
}

void DiskScript::cut_file(Dir dir, std::string name, uint64_t size) {
  add(Kind::Cut, dir, std::move(name)).size = size;
}
void DiskScript::cut_file_again(Dir dir, std::string name, uint64_t size) {
  add(Kind::CutAgain, dir, std::move(name)).size = size;
}
void DiskScript::sync_file(Dir dir, std::string name) { add(Kind::SyncFile, dir, std::move(name)); }
void DiskScript::rename(Dir dir, std::string from, std::string to) {
  add(Kind::Rename, dir, std::move(from)).to = std::move(to);
}
void DiskScript::remove(Dir dir, std::string name) { add(Kind::Remove, dir, std::move(name)); }
void DiskScript::sync_dir(Dir dir) { add(Kind::SyncDir, dir, {}); }
void DiskScript::save_frontier(FrontierEdit edit) {
  add(Kind::SaveFrontier, Dir::Logs, {}).edit = std::move(edit);
}

bool DiskScript::issue(const Op& op, Disk& disk) {
  World& world = disk.world;
  switch (op.kind) {
    case Kind::Write:
    case Kind::Rewrite:
    case Kind::Cut:
    case Kind::CutAgain:
    case Kind::SyncFile: {
      const OpenMode mode = op.kind == Kind::Write ? OpenMode::Create : OpenMode::Update;
      file_ = world.open(op.dir, op.name, mode, Lane::Log, OnError::Stop);
      if (op.kind == Kind::Write) world.write(file_, 0, op.content);
      if (op.kind == Kind::Rewrite) world.write(file_, op.size, op.content);
      if (op.kind == Kind::CutAgain) world.truncate(file_, op.size + 1);
      if (op.kind == Kind::Cut || op.kind == Kind::CutAgain) world.truncate(file_, op.size);
      token_ = disk.token();
      world.sync(file_, token_);
      return false;
    }
    case Kind::Rename:
      world.rename(op.dir, op.name, op.to, Lane::Log);
      return true;
    case Kind::Remove:
      world.remove(op.dir, op.name, Lane::Log);
      return true;
    case Kind::SyncDir:
      token_ = disk.token();
      world.sync_dir(op.dir, token_, Lane::Log);
      return false;
    case Kind::SaveFrontier:
      op.edit.apply(disk.frontier.edit());
      revision_ = disk.frontier.save(world);
      return disk.frontier.durable(revision_);
  }
  return true;
}

void DiskScript::run(Disk& disk) {
  while (at_ < ops_.size() && issue(ops_[at_], disk)) ++at_;
  if (at_ < ops_.size()) return;
  ops_.clear();
  at_ = 0;
  running_ = false;
}

void DiskScript::start(Disk& disk) {
  CHECK(!running_ && at_ == 0);
  running_ = true;
  run(disk);
}

void DiskScript::next(Disk& disk) {
  if (file_.valid()) disk.world.close(file_);
  file_ = FileId{};
  token_ = 0;
  revision_ = 0;
  ++at_;
  run(disk);
}

bool DiskScript::step(const Event& event, Disk& disk) {
  if (!running_) return false;
  if (revision_ != 0) {
    // Whatever the event: the frontier has seen it before.
    if (disk.frontier.durable(revision_)) next(disk);
    return false;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (!file_.valid() || synced->file != file_ || synced->token != token_) return false;
    next(disk);
    return true;
  }
  if (const auto* synced = std::get_if<DirSynced>(&event)) {
    if (file_.valid() || synced->token != token_) return false;
    next(disk);
    return true;
  }
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    return file_.valid() && opened->file == file_;
  }
  return false;
}

}  // namespace vivarium
