// Of the leader, what it does for each of its learners: LearnerHandler.run() from the first packet
// on.
#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "core/membership.h"
#include "core/wire/jute.h"
#include "sim/apache/leader.h"

namespace vivarium::apache {
namespace {

// What learners forward; the rest is ignored.
bool is_write(Op op) {
  constexpr std::array<Op, 13> kWrites{
      Op::Create,          Op::Create2,       Op::CreateContainer, Op::CreateTtl, Op::Delete,
      Op::DeleteContainer, Op::SetData,       Op::SetAcl,          Op::Multi,     Op::Check,
      Op::Reconfig,        Op::CreateSession, Op::CloseSession};
  return std::find(kWrites.begin(), kWrites.end(), op) != kWrites.end();
}

}  // namespace

void Leader::accept(LinkId link, Lent lent) {
  Handler handler(link);
  handler.alive_until_tick =
      tick_count_ + lent.config.init_limit_ticks + lent.config.sync_limit_ticks;
  handler.read_until = lent.world.now() + lent.config.tick() * lent.config.init_limit_ticks;
  handlers_.push_back(std::move(handler));
  lent.world.give_credit(link, QuorumStream::kCredit);
}

bool Leader::handle(const Event& event, Lent lent) {
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door != Door::Quorum) return false;
    accept(accepted->link, lent);
    return true;
  }
  const auto* bytes = std::get_if<LinkBytes>(&event);
  const auto* down = std::get_if<LinkDown>(&event);
  for (Handler& handler : handlers_) {
    if (bytes != nullptr && bytes->link == handler.stream.id()) {
      const int64_t ticks = handler.stage > Handler::Stage::NewLeader
                                ? lent.config.sync_limit_ticks
                                : lent.config.init_limit_ticks;
      handler.read_until = lent.world.now() + lent.config.tick() * ticks;
      handler.stream.receive(bytes->bytes, lent.world);
      return true;
    }
    if (down != nullptr && down->link == handler.stream.id()) {
      handler.over = true;
      return true;
    }
  }
  return false;
}

bool Leader::sending_state() const {
  return std::any_of(handlers_.begin(), handlers_.end(), [](const Handler& handler) {
    return !handler.over && handler.stage == Handler::Stage::Snap;
  });
}

void Leader::drop(Handler& handler, Lent lent) {
  if (handler.over) return;
  lent.world.close(handler.stream.id(), false);
  handler.over = true;
}

void Leader::serve(Handler& handler, Lent lent) {
  while (!handler.over && over_.empty() && serve_once(handler, lent)) {
  }
}

// One thing that the learner's thread can do now. False: it waits.
bool Leader::serve_once(Handler& handler, Lent lent) {
  using Stage = Handler::Stage;
  switch (handler.stage) {
    case Stage::Epoch: {
      if (!epoch_fixed_) return false;
      Bytes version;
      JuteWriter(version).i32(kLeaderProtocolVersion);
      handler.stream.send(PacketType::LeaderInfo, Zxid(epoch_, 0).wire(), version, lent.world);
      handler.stage = Stage::EpochAck;
      return true;
    }
    case Stage::Elected:
      if (!election_finished_) return false;
      synchronise(handler, lent);
      return true;
    case Stage::Snap: {
      Bytes slice;
      const bool all =
          handler.snap->write(lent.database.tree(), lent.config.snapshot_slice_elements, slice);
      if (all) JuteWriter(slice).string(kSnapSignature);
      lent.world.send(handler.stream.id(), slice);
      if (!all) return false;
      handler.snap.reset();
      const std::string text = to_text(Membership{Zxid(epoch_, 0), lent.config.members});
      handler.queue_raw(PacketType::NewLeader, Zxid(epoch_, 0).wire(),
                        share(Bytes(text.begin(), text.end())));
      handler.stage = Stage::NewLeader;
      return true;
    }
    case Stage::Quorum:
      if (!quorum_formed_) return false;
      handler.stage = Stage::Startup;
      return true;
    case Stage::Startup:
      if (phase_ != Phase::Broadcast) return false;
      handler.queue_raw(PacketType::UpToDate, kNoZxidWire, {});
      handler.stage = Stage::Running;
      return true;
    case Stage::Info:
    case Stage::EpochAck:
    case Stage::NewLeader:
    case Stage::Running:
      break;
  }
  bool bad = false;
  const std::optional<Packet> packet = handler.stream.next(bad);
  if (bad) drop(handler, lent);
  if (!packet) return false;
  if (handler.stage == Stage::Info) return on_info(handler, *packet, lent);
  if (handler.stage == Stage::NewLeader) return on_new_leader_ack(handler, *packet, lent);
  if (handler.stage == Stage::EpochAck) {
    on_epoch_ack(handler, *packet, lent);
  } else {
    on_packet(handler, *packet, lent);
  }
  return true;
}

bool Leader::on_info(Handler& handler, const Packet& packet, Lent lent) {
  const bool observer = packet.type == PacketType::ObserverInfo;
  const std::optional<LearnerInfo> info = decode_learner_info(packet.data);
  if ((!observer && packet.type != PacketType::FollowerInfo) || !info) {
    drop(handler, lent);
    return false;
  }
  handler.id = info->id;
  handler.observer = observer;
  handler.voter = participant(handler.id, lent.config);
  if (phase_ == Phase::Epoch) {
    epoch_ = std::max(epoch_, Zxid::from_wire(packet.zxid).epoch() + 1);
    if (handler.voter) connecting_.insert(handler.id);
    consider_epoch(lent);
  }
  handler.stage = Handler::Stage::Epoch;
  return true;
}

// waitForEpochAck(): whoever is more recent than the leader ends its own connection.
void Leader::on_epoch_ack(Handler& handler, const Packet& packet, Lent lent) {
  if (packet.type != PacketType::AckEpoch) return drop(handler, lent);
  JuteReader in(packet.data);
  const int32_t epoch = in.i32();
  if (packet.zxid != kNoZxidWire) handler.last = Zxid::from_wire(packet.zxid);
  handler.stage = Handler::Stage::Elected;
  if (election_finished_ || epoch == -1) return;
  const auto current = static_cast<Epoch>(epoch);
  if (current > own_epoch_ || (current == own_epoch_ && packet.zxid > own_last_.wire())) {
    return drop(handler, lent);
  }
  if (handler.last && handler.voter) electing_.insert(handler.id);
  if (electing_.contains(lent.config.id) && quorum(electing_, lent.config)) {
    election_finished_ = true;
  }
}

void Leader::synchronise(Handler& handler, Lent lent) {
  const SyncPlan plan = plan_sync(handler, lent.database, lent.config.snap_only);
  if (!plan.snap) lent.database.committed_log_used(plan.keep);
  forget_acks(handler, lent);
  start_forwarding(handler, plan.last_seen);
  if (plan.snap) {
    const DataTree& tree = lent.database.tree();
    handler.stream.send(PacketType::Snap, tree.last_applied().wire(), lent.world);
    handler.snap.emplace(tree, SnapshotWriter::Form::Body);
    handler.stage = Handler::Stage::Snap;
    return;
  }
  const std::string text = to_text(Membership{Zxid(epoch_, 0), lent.config.members});
  handler.queue_raw(PacketType::NewLeader, Zxid(epoch_, 0).wire(),
                    share(Bytes(text.begin(), text.end())));
  handler.stage = Handler::Stage::NewLeader;
}

// Of what is outstanding a learner keeps nothing, whatever the plan: it gets all of it again.
// Mended: it acknowledges again too.
void Leader::forget_acks(const Handler& handler, Lent lent) {
  for (auto& [zxid, outstanding] : outstanding_) {
    if (!outstanding.acks.contains(handler.id)) continue;
    if (lent.database.flaws().stale_acks) {
      outstanding.stale.insert(handler.id);
    } else {
      outstanding.acks.erase(handler.id);
    }
  }
}

void Leader::start_forwarding(Handler& handler, Zxid last_seen) {
  handler.forwarding = true;
  if (handler.observer) return;
  for (const auto& [zxid, outstanding] : outstanding_) {
    if (zxid > last_seen) handler.queue(outstanding.txn, PacketType::Proposal);
  }
}

bool Leader::on_new_leader_ack(Handler& handler, const Packet& packet, Lent lent) {
  if (packet.type != PacketType::Ack) {
    drop(handler, lent);
    return false;
  }
  const bool counts = handler.voter && Zxid::from_wire(packet.zxid) == Zxid(epoch_, 0);
  if (counts && !quorum_formed_) {
    new_leader_acks_.insert(handler.id);
    quorum_formed_ = quorum(new_leader_acks_, lent.config);
  }
  handler.stage = Handler::Stage::Quorum;
  return true;
}

void Leader::on_packet(Handler& handler, const Packet& packet, Lent lent) {
  handler.alive_until_tick = tick_count_ + lent.config.sync_limit_ticks;
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (packet.type == PacketType::Ack) {
    handler.acked(zxid);
    return process_ack(handler.id, zxid, lent);
  }
  if (packet.type == PacketType::Ping) {
    const auto touches = decode_touches(packet.data);
    if (!touches) return;
    for (const SessionTouch& touch : *touches) {
      sessions_.touch(touch.session, touch.timeout_ms, lent.world.now());
    }
    return;
  }
  if (packet.type == PacketType::Revalidate) return on_revalidate(handler, packet, lent);
  if (packet.type == PacketType::Request) return on_request(handler, packet, lent);
}

void Leader::on_revalidate(Handler& handler, const Packet& packet, Lent lent) {
  const std::optional<SessionTouch> asked = decode_revalidate(packet.data);
  if (!asked) return drop(handler, lent);
  const bool valid = sessions_.touch(asked->session, asked->timeout_ms, lent.world.now());
  if (valid) sessions_.set_owner(asked->session, handler.id);
  Bytes answer;
  encode(RevalidateAnswer{asked->session, valid}, answer);
  handler.queue_raw(PacketType::Revalidate, packet.zxid, share(std::move(answer)));
}

void Leader::on_request(Handler& handler, const Packet& packet, Lent lent) {
  const std::optional<ForwardedRequest> asked = decode_forwarded_request(packet.data);
  if (!asked) return drop(handler, lent);
  if (asked->op == Op::Sync) {
    if (outstanding_.empty()) return handler.queue(PacketType::Sync, Zxid());
    pending_syncs_[last_proposed_].push_back(handler.id);
    return;
  }
  if (!is_write(asked->op)) return;
  WriteRequest request;
  request.session = asked->session;
  request.cxid = asked->cxid;
  request.op = asked->op;
  request.body = asked->body;
  request.auth = packet.auth;
  request.owner = handler.id;
  submit(request, lent);
}

// Senders: what is queued leaves.
void Leader::flush(Lent lent) {
  for (Handler& handler : handlers_) {
    if (handler.over || !handler.sending()) continue;
    Bytes out;
    for (const Handler::Queued& packet : std::exchange(handler.queued, {})) {
      if (packet.type == PacketType::Proposal) {
        handler.proposal_sent(Zxid::from_wire(packet.zxid), lent.world.now());
      }
      if (packet.data) {
        encode_packet(packet.type, packet.zxid, *packet.data, out);
      } else {
        encode_packet(packet.type, packet.zxid, out);
      }
    }
    if (!out.empty()) lent.world.send(handler.stream.id(), out);
  }
}

}  // namespace vivarium::apache
