#include "tests/simulation/zab_host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "core/storage/snapshot.h"
#include "tests/simulation/zab_words.h"

namespace vivarium::zab_test {

// -------------------------------------------------------------------------------------- ZabWorld

LinkId ZabWorld::open(const Address& to, Door door) {
  Link link;
  link.to = to;
  link.door = door;
  links_.push_back(std::move(link));
  return LinkId{static_cast<uint32_t>(links_.size() - 1), 1};
}

LinkId ZabWorld::connect(const Address& to) { return open(to, Door::Client); }

void ZabWorld::send(LinkId link, ByteView bytes) {
  if (!stopped() && !at(link).gone) append_bytes(at(link).sent, bytes);
}

void ZabWorld::give_credit(LinkId link, uint64_t bytes) { at(link).credit += bytes; }

void ZabWorld::close(LinkId link, bool) { at(link).gone = true; }

std::vector<std::string> ZabWorld::take_lines() {
  const std::vector<std::string> all = lines();
  std::vector<std::string> taken(all.begin() + static_cast<std::ptrdiff_t>(lines_taken_),
                                 all.end());
  lines_taken_ = all.size();
  return taken;
}

// --------------------------------------------------------------------------------------- ZabHost

Config ZabHost::make_config(int64_t self, int64_t members, int64_t observers) {
  Config config = storage_test::StorageHost::small_config();
  config.id = ServerId{self};
  config.members.clear();
  for (int64_t id = 1; id <= members; ++id) {
    const std::string host = "s" + std::to_string(id);
    config.members.push_back({ServerId{id}, {host, 2888}, {host, 3888}, id > members - observers});
  }
  config.tick_ms = 1000;
  config.snapshots_kept = 3;
  config.observer_election_delay_ms = 0;  // what comes next comes at once
  return config;
}

ZabHost::ZabHost(const Config& config, sim::SimDisk disk)
    : config_(config), disk_(std::move(disk)) {}

sim::SimDisk ZabHost::make_disk(const Config& config, Epoch accepted, Epoch current,
                                const std::vector<Zxid>& log) {
  storage_test::StorageHost host(sim::SimDisk(), config);
  host.found();
  host.storage().save_accepted_epoch(host.world(), accepted);
  host.storage().save_current_epoch(host.world(), current);
  for (const Zxid zxid : log) host.append(zxid);
  host.run();
  while (!host.storage().quiesced(host.world())) host.run();
  return host.disk();
}

sim::SimDisk ZabHost::make_disk(const Config& config, Epoch epoch, const Membership& pending) {
  storage_test::StorageHost host(sim::SimDisk(), config);
  host.found();
  host.storage().save_accepted_epoch(host.world(), epoch);
  host.storage().save_current_epoch(host.world(), epoch);
  host.append_config(pending.version, to_text(pending));
  host.run();
  while (!host.storage().quiesced(host.world())) host.run();
  return host.disk();
}

sim::SimDisk ZabHost::make_disk(const Config& config, Epoch epoch, Zxid zxid, ByteView body) {
  storage_test::StorageHost host(sim::SimDisk(), config);
  host.found();
  DataTree tree;
  tree.clear();
  SnapshotBodyReader reader;
  size_t used = 0;
  EXPECT_EQ(reader.feed(body, tree, used), Decoded::Ok);
  tree.set_last_applied(zxid);
  Storage& storage = host.storage();
  storage.save_accepted_epoch(host.world(), epoch);
  storage.save_current_epoch(host.world(), epoch);
  host.run();
  storage.begin_install(host.world(), zxid);
  storage.install_bytes(host.world(), body.first(used));
  storage.finish_install(host.world(), tree, true);
  host.run();
  EXPECT_FALSE(storage.install_failed());
  while (!storage.quiesced(host.world())) host.run();
  return host.disk();
}

void ZabHost::start() {
  world_ = std::make_unique<ZabWorld>(disk_);
  world_->pass(now_ - world_->now());
  node_ = std::make_unique<Node>(config_);
  names_.clear();
  elections_.clear();
  hello_read_.clear();
  turn(Started{});
  settle();
}

void ZabHost::kill() {
  disk_ = world_->disk();
  const std::vector<sim::CrashUnit> units = sim::Crash::units(disk_);
  sim::CrashPlan everything;
  for (const sim::CrashUnit& unit : units) everything.push_back(unit.fates - 1);
  sim::Crash::lose_power(disk_, units, everything);
  node_.reset();
}

void ZabHost::lose_power() {
  disk_ = world_->disk();
  const std::vector<sim::CrashUnit> units = sim::Crash::units(disk_);
  sim::Crash::lose_power(disk_, units, sim::CrashPlan(units.size(), 0));
  node_.reset();
}

Durable ZabHost::durable() const {
  sim::SimDisk image = world_->disk();
  const std::vector<sim::CrashUnit> units = sim::Crash::units(image);
  sim::Crash::lose_power(image, units, sim::CrashPlan(units.size(), 0));
  storage_test::StorageHost host(std::move(image), config_);
  host.start();
  host.run();
  const Storage& storage = host.storage();
  return {storage.recovered().found, storage.accepted_epoch(), storage.current_epoch(),
          storage.recovered().last,
          storage.recovered().untrue ? storage.recovered().claimed : storage.recovered().last};
}

void ZabHost::turn(const Event& event) {
  if (!alive()) return;
  node_->step(event, *world_);
  if (world_->stopped()) return;
  node_->step(TurnEnded{}, *world_);
  read_packets();
}

// Whole packets of the quorum port leave the stream; each is looked at before anything else
// happens.
void ZabHost::read_packets() {
  for (size_t slot = 0; slot < world_->link_count(); ++slot) {
    const LinkId id{static_cast<uint32_t>(slot), 1};
    ZabWorld::Link& link = world_->at(id);
    const bool dialled = quorum_peer(link.to).has_value();
    if (!dialled && (!link.to.host.empty() || link.door != Door::Quorum)) continue;
    while (true) {
      QuorumPacket packet;
      size_t used = 0;
      const Decoded state = decode_quorum_packet(link.sent, 16 << 20, packet, used);
      ASSERT_NE(state, Decoded::Bad) << "the server sends what is no packet";
      if (state == Decoded::NeedMore) break;
      Packet read{id, {}, {}};
      if (packet.type == PacketType::Snap) {
        const std::optional<SnapText> snap = read_snap(ByteView(link.sent).subspan(used));
        if (!snap) break;
        read.snap = snap->text;
        used += snap->used;
      }
      check_promise(packet);
      const auto end = link.sent.begin() + static_cast<std::ptrdiff_t>(used);
      read.bytes.assign(link.sent.begin(), end);
      link.sent.erase(link.sent.begin(), end);
      packets_.push_back(std::move(read));
    }
  }
}

void ZabHost::check_promise(const QuorumPacket& packet) {
  if (!checks_promises_) return;
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  const bool of_epoch = zxid.counter() == 0;
  const PacketType type = packet.type;
  if (type != PacketType::FollowerInfo && type != PacketType::LeaderInfo &&
      type != PacketType::AckEpoch && type != PacketType::NewLeader && type != PacketType::Ack) {
    return;
  }
  const Durable there = durable();
  const Zab& zab = node_->zab();
  if (type == PacketType::FollowerInfo || type == PacketType::LeaderInfo) {
    EXPECT_GE(there.accepted, zxid.epoch()) << "a promise that the disk does not hold";
  }
  if (type == PacketType::AckEpoch && packet.zxid != kNoZxidWire) {
    EXPECT_GE(there.accepted, zab.epoch()) << "a promise that the disk does not hold";
    EXPECT_EQ(there.last, zxid) << "ACKEPOCH states another history than the disk holds";
  }
  if (type == PacketType::NewLeader || (type == PacketType::Ack && of_epoch)) {
    // A server that stands aside acknowledges too, and counts nowhere.
    if (zab.standing() == Standing::Voter) {
      EXPECT_GE(there.current, zxid.epoch()) << "an epoch that the disk does not hold";
    }
  }
  if (type == PacketType::Ack && !of_epoch) {
    EXPECT_GE(there.logged, zxid) << "an ACK of what the disk does not hold";
  }
}

void ZabHost::settle() {
  for (int i = 0; i < 1'000'000 && alive(); ++i) {
    if (world_->deliver_oldest([this](const Event& event) { turn(event); })) continue;
    bool moved = false;
    for (size_t slot = 0; slot < world_->link_count() && !moved; ++slot) moved = pump_link(slot);
    if (!moved) return;
  }
  ASSERT_FALSE(alive()) << "the server does not come to rest";
}

// One piece of what is coming on the link, or its end.
bool ZabHost::pump_link(size_t slot) {
  const LinkId id{static_cast<uint32_t>(slot), 1};
  pump_election(slot);
  ZabWorld::Link& link = world_->at(id);
  if (link.gone || !link.up) return false;
  if (!link.coming.empty() && link.credit != 0) {
    const size_t size = std::min<uint64_t>(link.coming.size(), link.credit);
    const auto end = link.coming.begin() + static_cast<std::ptrdiff_t>(size);
    const Bytes piece(link.coming.begin(), end);
    link.coming.erase(link.coming.begin(), end);
    link.credit -= size;
    turn(LinkBytes{id, piece});
    return true;
  }
  if (!link.coming.empty() || !link.ends) return false;
  link.gone = true;
  turn(LinkDown{id});
  return true;
}

// The others answer on their election ports at once: the one with the larger id keeps the
// connection that it made.
void ZabHost::pump_election(size_t slot) {
  const LinkId id{static_cast<uint32_t>(slot), 1};
  const ZabWorld::Link link = world_->at(id);
  const std::optional<ServerId> dialled = election_peer(link.to);
  if (!dialled) {
    if (link.door == Door::Election) read_notifications(world_->at(id));
    return;
  }
  const ServerId peer = *dialled;
  if (!link.up && !link.gone) {
    world_->at(id).up = true;
    if (peer < config_.id) elections_[peer] = id;
    turn(LinkUp{id});
    if (peer > config_.id && (elections_.count(peer) == 0 || world_->at(elections_[peer]).gone)) {
      const LinkId back = world_->open({}, Door::Election);
      elections_[peer] = back;
      world_->at(back).up = true;
      ElectionHello hello;
      hello.from = peer;
      hello.address = link.to.host + ":" + std::to_string(link.to.port);
      encode(hello, world_->at(back).coming);
      turn(LinkAccepted{back, Door::Election, "10.0.0.9"});
    }
    return;
  }
  if (peer > config_.id) return;
  if (hello_read_.insert(id).second) {
    ElectionHello hello;
    size_t used = 0;
    Bytes& sent = world_->at(id).sent;
    if (decode_election_hello(sent, hello, used) != Decoded::Ok) {
      hello_read_.erase(id);
      return;
    }
    sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(used));
  }
  read_notifications(world_->at(id));
}

void ZabHost::read_notifications(ZabWorld::Link& link) {
  Bytes& sent = link.sent;
  while (sent.size() >= 4 && sent.size() - 4 >= get_u32(sent.data())) {
    const size_t length = get_u32(sent.data());
    Result<Notification> said = decode_notification(ByteView(sent).subspan(4, length));
    ASSERT_TRUE(said.has_value()) << said.error().message;
    said->config = {};
    said->extension = {};
    notifications_.push_back(*said);
    sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(4 + length));
  }
}

std::vector<Notification> ZabHost::take_notifications() {
  return std::exchange(notifications_, {});
}

bool ZabHost::can_notify(ServerId from) const {
  const auto at = elections_.find(from);
  return at != elections_.end() && !world_->at(at->second).gone;
}

void ZabHost::notify(ServerId from, const Notification& said) {
  ASSERT_TRUE(can_notify(from)) << "no election connection";
  encode_notification_frame(said, world_->at(elections_.at(from)).coming);
  settle();
}

void ZabHost::elect(int64_t round) {
  Notification vote;
  vote.state = PeerState::Looking;
  vote.leader = config_.id;
  vote.zxid = node_->storage().last_logged().wire();
  vote.election_epoch = round;
  vote.peer_epoch = node_->storage().current_epoch();
  for (const Member& m : config_.members) {
    if (m.id != config_.id && !m.observer) notify(m.id, vote);
  }
  pass(milliseconds(config_.finalize_wait_ms));
}

void ZabHost::pass(Duration time) {
  const Instant until = now_ + time;
  settle();
  while (alive() && world_->timer() <= until) {
    if (world_->timer() > now_) {
      world_->pass(world_->timer() - now_);
      now_ = world_->timer();
    }
    world_->set_timer(Instant::never());
    turn(TimerFired{});
    settle();
  }
  world_->pass(until - now_);
  now_ = until;
}

// ------------------------------------------------------------------------------------- the ports

template <class Matches>
std::optional<ServerId> ZabHost::find_server(Matches matches) const {
  for (const std::vector<Member>* list : {&config_.members, &neighbours_}) {
    for (const Member& m : *list) {
      if (matches(m)) return m.id;
    }
  }
  return std::nullopt;
}

std::optional<ServerId> ZabHost::quorum_peer(const Address& to) const {
  return find_server([&](const Member& m) { return m.quorum == to; });
}

std::optional<ServerId> ZabHost::election_peer(const Address& to) const {
  return find_server([&](const Member& m) { return m.election == to; });
}

// The newest dial to the server: the node has forgotten older ones.
LinkId ZabHost::dialled(const std::string& name) const {
  for (size_t slot = world_->link_count(); slot-- > 0;) {
    const LinkId id{static_cast<uint32_t>(slot), 1};
    const ZabWorld::Link& link = world_->at(id);
    if (quorum_peer(link.to) == ServerId{std::stoll(name)} && !link.gone && !link.up) return id;
  }
  return {};
}

void ZabHost::accept_dial(const std::string& name) {
  const LinkId id = dialled(name);
  if (!id.valid()) throw std::runtime_error("the server does not dial " + name);
  world_->at(id).up = true;
  names_[name] = id;
  turn(LinkUp{id});
  settle();
}

void ZabHost::refuse_dial(const std::string& name) {
  const LinkId id = dialled(name);
  if (!id.valid()) throw std::runtime_error("the server does not dial " + name);
  world_->at(id).gone = true;
  world_->at(id).told_gone = true;
  turn(LinkDown{id});
  settle();
}

void ZabHost::connect(const std::string& name, Door door) {
  const LinkId id = world_->open({}, door);
  world_->at(id).up = true;
  names_[name] = id;
  turn(LinkAccepted{id, door, "10.0.0.9"});
  settle();
}

ZabWorld::Link& ZabHost::link(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) throw std::runtime_error("no link " + name);
  return world_->at(found->second);
}

void ZabHost::tell(const std::string& name, ByteView bytes) {
  append_bytes(link(name).coming, bytes);
  settle();
}

void ZabHost::hang_up(const std::string& name) {
  link(name).ends = true;
  link(name).told_gone = true;
  settle();
}

Bytes ZabHost::entry(const Txn& txn) {
  const bool waits = sent_ && node_->tree().last_applied() < sent_->last_applied();
  DataTree ahead = waits ? std::move(*sent_) : node_->tree();
  Effects effects;
  const History& history = node_->storage().history();
  for (size_t i = history.upper_bound(ahead.last_applied()); i < history.size(); ++i) {
    effects.clear();
    ahead.apply(*decode_txn(*history[i].entry), effects);
  }
  const bool again = txn.header.zxid <= ahead.last_applied();
  Txn whole = txn;
  if (!again) {
    effects.clear();
    ahead.apply(txn, effects);
    whole.digest = TxnDigest{kDigestVersion, ahead.digest()};
  }
  if (waits) sent_ = std::move(ahead);
  return encode_txn(whole);
}

}  // namespace vivarium::zab_test
