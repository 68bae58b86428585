#include "sim/checkers/protocol.h"

#include "sim/checkers/global_order.h"
#include "sim/checkers/integrity.h"
#include "sim/checkers/observers.h"
#include "sim/checkers/primary_integrity.h"
#include "sim/checkers/total_order.h"

namespace vivarium::sim {

void ProtocolChecks::logged(ServerIndex server, const NodeFacts& facts, const Ledger& ledger,
                            SimTime now, Verdict& verdict) {
  contiguous_.logged(server, ledger, now, verdict);
  for (const Zxid zxid : ledger.last_new()) {
    check_origin(server, facts, zxid, broadcasts_, now, verdict);
  }
}

// A leader's log has grown; it may lead no more when the step is over.
void ProtocolChecks::broadcast(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                               const Agreement& agreement, SimTime now, Verdict& verdict) {
  const Zxid last = after.last_logged;
  const Epoch epoch = before.leading ? before.epoch : after.epoch;
  if (!before.leading && !after.leading) return;
  if (last <= before.last_logged || last.epoch() != epoch) return;
  Zxid next = before.last_logged.next();
  if (next.epoch() != epoch) next = Zxid(epoch, 1);
  for (; next <= last; next = next.next()) {
    const bool begins = broadcasts_.add(server, next, after.last_applied);
    if (!begins || agreement.order().empty()) continue;
    check_new_primary(epoch, agreement.order().back(), broadcasts_, now, verdict);
  }
}

void ProtocolChecks::packet_sent(const Sent& sent, const QuorumPacket& packet, SimTime now,
                                 Verdict& verdict) {
  const bool read = conversations_.sent(sent.link, sent.server, sent.learner, packet, now, verdict);
  if (sent.learner) return;
  if (packet.type == PacketType::LeaderInfo) contiguous_.stream_begins(sent.server, sent.peer);
  if (!read || packet.type != PacketType::Proposal) return;
  contiguous_.proposed(sent.server, sent.peer, Zxid::from_wire(packet.zxid), now, verdict);
}

void ProtocolChecks::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                             const Agreement& agreement, const Ledger& ledger, SimTime now,
                             Verdict& verdict) {
  broadcast(server, before, after, agreement, now, verdict);
  check_global_order(server, before, after, now, verdict);
  check_observers(server, before, after, now, verdict);
  // What lies in states alone has no order to compare with.
  if (!agreement.complete()) return;
  check_total_order(server, before, after, agreement.order(), ledger, now, verdict);
  delivered(server, agreement, now, verdict);
}

void ProtocolChecks::delivered(ServerIndex server, const Agreement& agreement, SimTime now,
                               Verdict& verdict) {
  for (; delivered_ < agreement.order().size(); ++delivered_) {
    const Zxid zxid = agreement.order()[delivered_];
    check_integrity(server, zxid, broadcasts_, now, verdict);
    local_order_.delivered(zxid, broadcasts_, now, verdict);
    contiguous_.delivered(zxid, now, verdict);
    check_later_primaries(zxid, broadcasts_, now, verdict);
  }
}

}  // namespace vivarium::sim
