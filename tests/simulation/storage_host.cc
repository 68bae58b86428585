#include "tests/simulation/storage_host.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/tree/path.h"

namespace vivarium::storage_test {

// ------------------------------------------------------------------------------------- DiskWorld

DiskWorld::Open* DiskWorld::find(FileId file) {
  const auto it = files_.find(file);
  return it == files_.end() ? nullptr : &it->second;
}

void DiskWorld::add(Due due) {
  due.queue = due.file.valid() ? 100 + uint64_t{due.file.slot} : static_cast<uint64_t>(due.dir);
  if (!due.file.valid() && due.dir == Dir::Logs) due.queue = static_cast<uint64_t>(Dir::Snapshots);
  queue_.push_back(due);
}

FileId DiskWorld::open(Dir dir, std::string_view name, OpenMode mode, Lane, OnError on_error) {
  const FileId file{next_slot_++, 1};
  Open& open = files_[file];
  open.name = std::string(name);
  open.on_error = on_error;
  open.inode = disk_.find(dir, name);
  Due due;
  due.kind = Kind::Opened;
  due.file = file;
  if (open.inode == sim::kNoInode && mode == OpenMode::Read) {
    open.broken = true;
    due.kind = Kind::Failed;
    due.error = FileError::NotFound;
  } else {
    if (open.inode == sim::kNoInode) open.inode = disk_.create(dir, name, sim_now_);
    disk_.hold(open.inode);
    if (mode == OpenMode::Create) disk_.truncate(open.inode, 0, sim_now_);
    due.length = disk_.file(open.inode).cached.size;
  }
  add(due);
  return file;
}

void DiskWorld::write(FileId file, uint64_t offset, ByteView bytes) {
  Open* open = find(file);
  if (stopped_ || open == nullptr || open->broken) return;
  disk_.write(open->inode, offset, bytes, sim_now_);
}

void DiskWorld::preallocate(FileId file, uint64_t offset, uint64_t length) {
  Open* open = find(file);
  if (open == nullptr || open->broken) return;
  Due due;
  due.kind = Kind::Preallocated;
  due.file = file;
  due.ok = !full_;
  if (due.ok) disk_.zero_fill(open->inode, offset, length, sim_now_);
  add(due);
}

void DiskWorld::truncate(FileId file, uint64_t size) {
  Open* open = find(file);
  if (!stopped_ && open != nullptr && !open->broken) disk_.truncate(open->inode, size, sim_now_);
}

void DiskWorld::sync(FileId file, uint64_t token) {
  Open* open = find(file);
  if (open == nullptr || open->broken) return;
  Due due;
  due.kind = Kind::Synced;
  due.file = file;
  due.token = token;
  due.sequence = disk_.last_sequence();
  if (!failing_.empty() && open->name.starts_with(failing_)) {
    failing_.clear();
    open->broken = true;
    disk_.forget_dirty(open->inode, disk_.last_sequence());
    if (open->on_error == OnError::Stop) {
      stopped_ = "a sync of " + open->name + " failed";
      queue_.clear();
      return;
    }
    due.kind = Kind::Failed;
    due.error = FileError::Io;
  }
  add(due);
}

void DiskWorld::read(FileId file, uint64_t offset, uint64_t length, uint64_t token) {
  Open* open = find(file);
  if (open == nullptr || open->broken) return;
  Due due;
  due.kind = Kind::Read;
  due.file = file;
  due.offset = offset;
  due.length = length;
  due.token = token;
  add(due);
}

void DiskWorld::close(FileId file) {
  Open* open = find(file);
  if (open == nullptr) return;
  if (open->inode != sim::kNoInode) disk_.release(open->inode);
  files_.erase(file);
}

void DiskWorld::rename(Dir dir, std::string_view from, std::string_view to, Lane) {
  if (!stopped_ && !disk_.rename(dir, from, to, sim_now_)) {
    ADD_FAILURE() << "rename of a missing name: " << from << " to " << to;
  }
}

void DiskWorld::remove(Dir dir, std::string_view name, Lane) {
  if (!stopped_) disk_.remove(dir, name, sim_now_);
}

void DiskWorld::sync_dir(Dir dir, uint64_t token, Lane) {
  Due due;
  due.kind = Kind::DirSynced;
  due.dir = dir;
  due.token = token;
  due.sequence = disk_.last_sequence();
  add(due);
}

void DiskWorld::list(Dir dir, uint64_t token) {
  Due due;
  due.kind = Kind::Listed;
  due.dir = dir;
  due.token = token;
  add(due);
}

void DiskWorld::deliver(const std::function<void(const Event&)>& to) {
  std::vector<uint64_t> queues;
  for (const Due& due : queue_) {
    if (std::find(queues.begin(), queues.end(), due.queue) == queues.end()) {
      queues.push_back(due.queue);
    }
  }
  const uint64_t chosen = queues[random_.below(queues.size())];
  const auto at = std::find_if(queue_.begin(), queue_.end(),
                               [chosen](const Due& due) { return due.queue == chosen; });
  carry_out(at, to);
}

bool DiskWorld::is_held(const Due& due) {
  const Open* open = due.file.valid() ? find(due.file) : nullptr;
  const bool sync = (due.kind == Kind::Synced && open != nullptr) || due.kind == Kind::DirSynced;
  const std::string name = open == nullptr ? "dir" : open->name;
  return sync && std::any_of(held_.begin(), held_.end(),
                             [&](const std::string& held) { return name.starts_with(held); });
}

bool DiskWorld::deliver_oldest(const std::function<void(const Event&)>& to) {
  std::vector<uint64_t> stuck;
  for (auto at = queue_.begin(); at != queue_.end(); ++at) {
    if (std::find(stuck.begin(), stuck.end(), at->queue) != stuck.end()) continue;
    if (is_held(*at)) {
      stuck.push_back(at->queue);
      continue;
    }
    carry_out(at, to);
    return true;
  }
  return false;
}

void DiskWorld::carry_out(std::deque<Due>::iterator at,
                          const std::function<void(const Event&)>& to) {
  const Due due = *at;
  queue_.erase(at);
  Open* open = due.file.valid() ? find(due.file) : nullptr;
  if (due.file.valid() && open == nullptr) return;  // closed meanwhile
  Bytes bytes;
  std::vector<DirEntry> entries;
  switch (due.kind) {
    case Kind::Opened:
      return to(FileOpened{due.file, due.length});
    case Kind::Failed:
      return to(FileFailed{due.file, due.error});
    case Kind::Preallocated:
      return to(Preallocated{due.file, due.ok});
    case Kind::Synced:
      disk_.sync(open->inode, due.sequence);
      return to(FileSynced{due.file, due.token});
    case Kind::Read:
      disk_.file(open->inode).cached.read(due.offset, due.length, bytes);
      return to(ReadDone{due.file, due.token, due.offset, bytes});
    case Kind::DirSynced:
      disk_.sync_dir(due.dir, due.sequence);
      return to(DirSynced{due.dir, due.token});
    case Kind::Listed:
      entries = disk_.list(due.dir, sim::SimDisk::Image::Cached);
      return to(DirListed{due.dir, due.token, &entries});
  }
}

// ------------------------------------------------------------------------------------- StorageHost

Config StorageHost::small_config() {
  Config config;
  config.id = ServerId{1};
  for (int64_t id = 1; id <= 3; ++id) config.members.push_back({ServerId{id}, {}, {}, false});
  config.log_prealloc_bytes = 2048;
  config.snapshot_every_txns = 1'000'000;
  config.snapshots_kept = 2;
  config.history_txns_max = 20;
  return config;
}

Config StorageHost::standalone_config() {
  Config config = small_config();
  config.members.clear();
  return config;
}

StorageHost::StorageHost(sim::SimDisk disk, Config config, uint64_t seed)
    : world_(std::move(disk), seed), storage_(config) {}

void StorageHost::start() { storage_.recover(world_, tree_); }

bool StorageHost::step() {
  if (world_.stopped() || !world_.pending()) return false;
  if (hook_) hook_();
  world_.deliver([this](const Event& event) { storage_.step(event, world_, tree_); });
  end_turn();
  return true;
}

void StorageHost::run() {
  end_turn();
  for (int i = 0; i < 100'000; ++i) {
    if (step()) continue;
    if (world_.stopped()) return;
    const Instant deadline = storage_.deadline();
    if (deadline == Instant::never()) return;
    if (deadline > world_.now()) world_.pass(deadline - world_.now());
    storage_.on_deadline(world_);
    end_turn();
  }
  FAIL() << "the storage does not come to rest";
}

void StorageHost::run_until(const std::function<bool()>& condition) {
  end_turn();
  while (!condition()) ASSERT_TRUE(step()) << "nothing is pending";
}

void StorageHost::found() {
  start();
  run();
  ASSERT_EQ(storage_.recovered().found, Found::Blank);
  storage_.found_new(world_);
  run();
  ASSERT_TRUE(storage_.member());
}

void StorageHost::append(Zxid zxid, size_t data_bytes) {
  DataTree ahead = tree_;
  Effects effects;
  const History& history = storage_.history();
  for (size_t i = history.upper_bound(ahead.last_applied()); i < history.size(); ++i) {
    effects.clear();
    ahead.apply(*decode_txn(*history[i].entry), effects);
  }
  storage_.append(world_, zxid, share(make_entry(zxid, data_bytes, ahead)));
}

void StorageHost::append_config(Zxid zxid, const std::string& text) {
  Txn txn;
  txn.header.session = SessionId{0x1000};
  txn.header.zxid = zxid;
  txn.header.time = {1'700'000'000'000};
  txn.header.type = TxnType::Reconfig;
  txn.body = SetDataTxn{kConfigPath, as_bytes(text), false, -1};
  storage_.append(world_, zxid, share(encode_txn(txn)));
}

void StorageHost::append_run(Epoch epoch, uint32_t from, uint32_t to, size_t data_bytes) {
  for (uint32_t counter = from; counter <= to; ++counter) append({epoch, counter}, data_bytes);
}

void StorageHost::apply() {
  const History& history = storage_.history();
  Effects effects;
  for (size_t i = history.upper_bound(tree_.last_applied());
       i < history.size() && history[i].zxid <= storage_.last_durable(); ++i) {
    effects.clear();
    tree_.apply(*decode_txn(*history[i].entry), effects);
  }
}

Bytes make_entry(Zxid zxid, size_t data_bytes, DataTree& ahead) {
  Txn txn;
  txn.header.session = SessionId{0x1000};
  txn.header.cxid = static_cast<int32_t>(zxid.counter());
  txn.header.zxid = zxid;
  txn.header.time = {1'700'000'000'000};
  txn.header.type = TxnType::Create;
  CreateTxn create;
  const std::string path =
      "/t" + std::to_string(zxid.epoch()) + "-" + std::to_string(zxid.counter());
  Bytes data(data_bytes);
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<Byte>(1 + (zxid.counter() * 7 + i) % 255);
  }
  create.path = path;
  create.data = data;
  create.acl.push_back({kPermAll, "world", "anyone"});
  create.parent_cversion = ahead.view(ahead.find("/")).stat.cversion + 1;
  txn.body = create;
  Effects effects;
  ahead.apply(txn, effects);
  txn.digest = TxnDigest{kDigestVersion, ahead.digest()};
  return encode_txn(txn);
}

Bytes apache_log(const std::vector<Bytes>& entries) {
  Bytes log(kLogHeaderBytes);
  put_u32(log.data(), kLogMagic);
  put_u32(log.data() + 4, kFileVersion);
  for (const Bytes& entry : entries) {
    Bytes head(kRecordHeadBytes);
    put_u64(head.data(), adler32(entry));
    put_u32(head.data() + 8, static_cast<uint32_t>(entry.size()));
    append_bytes(log, head);
    append_bytes(log, entry);
    log.push_back(kRecordEnd);
  }
  log.resize(log.size() + 4096);
  return log;
}

}  // namespace vivarium::storage_test
