#include "sim/page/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "sim/page/streams.h"

namespace vivarium::sim {
namespace {

std::string_view whom(Struck struck) {
  switch (struck) {
    case Struck::Leader:
      return "the leader";
    case Struck::Learner:
      return "the learner";
    case Struck::Both:
      return "both";
    case Struck::All:
      return "all servers";
    case Struck::AllButLearner:
      return "all but the learner";
  }
  return "?";
}

std::string packet_words(const Fault& f) {
  const std::string when =
      fmt::format("{} us after the next {}", f.after.ns / 1000, packet_name(f.packet));
  if (f.kind == FaultKind::PacketBreak) return fmt::format("{} its link breaks", when);
  if (f.kind == FaultKind::PacketCut) {
    const bool one = f.struck == Struck::Leader || f.struck == Struck::Learner;
    return one ? fmt::format("{} {} is cut off from all for {} ms", when, whom(f.struck),
                             f.lasts.ms())
               : fmt::format("{} its two ends are cut from each other for {} ms", when,
                             f.lasts.ms());
  }
  return fmt::format("{} {}: {}", when, whom(f.struck), f.power ? "power is lost" : "killed");
}

std::string trunc_words(const Fault& f) {
  if (f.count <= kTruncDeathsMax) {
    return fmt::format("whoever is sent the next TRUNC {} at its {}th file operation from there",
                       f.power ? "loses power" : "is killed", f.count);
  }
  const FailingOp& op = kTruncOps[(f.count - kTruncDeathsMax - 1) % kTruncOps.size()];
  return fmt::format("the next operation \"{}\" of whoever is sent the next TRUNC fails, on {}",
                     name_of(op.op), op.name_prefix.empty() ? "any file" : op.name_prefix);
}

std::string timed(std::string_view what, const Fault& f) {
  return fmt::format("{} for {} ms", what, f.lasts.ms());
}

std::string back(std::string_view what, const Fault& f) {
  return fmt::format("{}, back after {} ms", what, f.lasts.ms());
}

struct Wording {
  std::string_view from;
  std::string_view to;
};
// In the order of ZabRole and Standing.
constexpr std::array<Wording, 26> kWordings{{
    {" role 0", " recovering,"},
    {" role 1", " looking for a leader,"},
    {" role 2", " with a leader,"},
    {" role 3", " leading,"},
    {" standing 0", " a voter,"},
    {" standing 1", " an observer,"},
    {" standing 2", " in no configuration,"},
    {" standing 3", " aside,"},
    {" standing 4", " blank,"},
    {" serving false", ", not serving,"},
    {" serving true", ", serving,"},
    {" connected false", " not connected,"},
    {" connected true", " connected,"},
    {" workload false", " operations left,"},
    {" workload true", " operations done,"},
    {" probe false", " probe unanswered"},
    {" probe true", " probe answered"},
    {"not converged after healing:", "it has not come together:"},
    {"event 1 of", "the event (created) of"},
    {"event 2 of", "the event (deleted) of"},
    {"event 3 of", "the event (data changed) of"},
    {"event 4 of", "the event (children changed) of"},
    {"told 1 /", "told (created) /"},
    {"told 2 /", "told (deleted) /"},
    {"told 3 /", "told (data changed) /"},
    {"told 4 /", "told (children changed) /"},
}};

// "op 9 /a" becomes "sync /a".
void name_operations(std::string& text) {
  constexpr std::string_view kOp = " op ";
  for (size_t at = text.find(kOp); at != std::string::npos; at = text.find(kOp, at + 1)) {
    const size_t from = at + kOp.size();
    const size_t to = text.find(' ', from);
    int number = 0;
    const char* end = text.data() + (to == std::string::npos ? text.size() : to);
    if (std::from_chars(text.data() + from, end, number).ptr != end) continue;
    text.replace(at + 1, static_cast<size_t>(end - text.data()) - at - 1,
                 op_name(static_cast<Op>(number)));
  }
}

}  // namespace

std::string_view promise_of(Checker checker) {
  switch (checker) {
    case Checker::Integrity:
      return "Only what the leader of its epoch has broadcast is delivered.";
    case Checker::Total:
      return "Who delivers a txn has delivered all that others deliver before it.";
    case Checker::LocalOrd:
      return "What a leader broadcasts has no gaps, and is delivered in that order.";
    case Checker::GlobalOrd:
      return "No server delivers a txn of an earlier epoch behind one of a later epoch.";
    case Checker::PrimInt:
      return "A leader that begins to broadcast has delivered all that is ever delivered of "
             "earlier epochs.";
    case Checker::Contig:
      return "In logs, between servers, and in what is delivered no zxid is left out.";
    case Checker::TlaMsg:
      return "Leader and learner say to each other what the protocol has a place for, and nothing "
             "else.";
    case Checker::Obs:
      return "Observers never count: none leads, and a leader is established by voters.";
    case Checker::Corrupt:
      return "What a server takes for its log can be read record by record, without a gap, and no "
             "record with a wrong checksum counts.";
    case Checker::FailStop:
      return "A server whose log could not be written says nothing until it has started again.";
    case Checker::Idemp:
      return "Txns that are applied once more to a tree that holds them leave it as it is.";
    case Checker::LinW:
      return "A write that was asked for when another had been answered comes behind it.";
    case Checker::Bounded:
      return "No server keeps more snapshots, log files or history than it is told to.";
    case Checker::Partial:
      return "While a majority is well and connected, there is progress whatever befalls the "
             "others.";
    case Checker::Prefix:
      return "Every server delivers the txns in the one order, each after the one before it, and "
             "only such as its log holds.";
    case Checker::Agree:
      return "All servers deliver the same sequence of txns: none leaves out what another has "
             "delivered before.";
    case Checker::Committed:
      return "What is committed is in the log of every later leader, and nobody serves what is "
             "not committed.";
    case Checker::Leader1:
      return "An epoch has at most one leader.";
    case Checker::Promise:
      return "A server that has promised an epoch acknowledges nothing of an older one, and "
             "promises an epoch to one leader only.";
    case Checker::EpochMono:
      return "The epochs that a server has made durable never go back.";
    case Checker::ZxidUniq:
      return "One zxid stands for one txn, for ever and on every server.";
    case Checker::DurAck:
      return "A server acknowledges only what is on its disk by then, and what is committed "
             "never leaves it again.";
    case Checker::MemDisk:
      return "What a server believes that its disk holds is what its disk holds.";
    case Checker::Recover:
      return "A server that comes back after a crash has everything that it had acknowledged, and "
             "needs nobody's help.";
    case Checker::LogTree:
      return "After the same txn every server has the same tree, however it got there.";
    case Checker::SnapZxid:
      return "A snapshot holds exactly the state of the zxid in its name.";
    case Checker::Quorum:
      return "A leader commits a txn only when a majority of the voters has it on disk.";
    case Checker::Cfg:
      return "Which servers are members follows from the committed txns alone, the same on every "
             "server.";
    case Checker::Result:
      return "Every answer is what the reference model answers at that zxid, and every write "
             "happens once, as its request asked.";
    case Checker::Fifo:
      return "Requests of a session are carried out and answered in the order in which they were "
             "sent.";
    case Checker::Seq:
      return "What a session is shown never goes back, and contains its own writes.";
    case Checker::Mono:
      return "A session is never shown an older zxid than it has seen, on whichever server.";
    case Checker::Sync:
      return "A read behind a sync sees every write that was answered before the sync was asked.";
    case Checker::Atomic:
      return "A multi happens as a whole or not at all, and its answer says which.";
    case Checker::SeqName:
      return "The numbers of sequential znodes under one parent grow, and none comes twice.";
    case Checker::Session:
      return "A session id is never given twice, and nothing happens in a session that is closed.";
    case Checker::Eph:
      return "Ephemeral znodes belong to open sessions and go with them, in the same txn.";
    case Checker::NoExpire:
      return "A session whose client is heard within its timeout does not expire.";
    case Checker::WatchOrder:
      return "A client hears of a change before it is shown any state that contains it, and after "
             "the reply that set the watch.";
    case Checker::WatchOnce:
      return "A client is told exactly of the changes that its watches are for: none missed, none "
             "twice, nothing else.";
    case Checker::WatchReconn:
      return "A watch that is set again after a new connection fires at once if, and only if, "
             "what it watches has changed meanwhile.";
    case Checker::Admin:
      return "What servers say of themselves to operators is true, and comes in time.";
    case Checker::Stable:
      return "When nothing goes wrong, nobody looks for another leader.";
    case Checker::Live:
      return "When all faults have ended, the ensemble comes back by itself within the time "
             "given: a leader, every server with all txns, every client answered.";
  }
  return "";
}

std::string plain_words(const Violation& violation) {
  std::string text = violation.text;
  name_operations(text);
  for (const Wording& wording : kWordings) {
    for (size_t at = text.find(wording.from); at != std::string::npos;
         at = text.find(wording.from, at + wording.to.size())) {
      text.replace(at, wording.from.size(), wording.to);
    }
  }
  return text;
}

std::string_view promise_of(std::string_view checker) {
  for (size_t i = 0; i < kCheckers; ++i) {
    if (name_of(static_cast<Checker>(i)) == checker) return promise_of(static_cast<Checker>(i));
  }
  return "";
}

std::string plain_words(const Fault& f) {
  const std::string target = fmt::format("s{}", f.target + 1);
  const std::string other = fmt::format("s{}", f.other + 1);
  switch (f.kind) {
    case FaultKind::PowerLoss:
      return back(target + " loses power", f);
    case FaultKind::Kill:
      return back(target + " is killed", f);
    case FaultKind::PowerLossAll:
      return fmt::format("all servers lose power, back within {} ms", f.lasts.ms());
    case FaultKind::LeaderPowerLoss:
      return back("the leader loses power", f);
    case FaultKind::LeaderKill:
      return back("the leader is killed", f);
    case FaultKind::LeaderCut:
      return timed("the leader is cut off from all servers", f);
    case FaultKind::Pause:
      return timed(target + " stands still", f);
    case FaultKind::LeaderPause:
      return timed("the leader stands still", f);
    case FaultKind::Isolate:
      return timed(target + " is cut off from all servers", f);
    case FaultKind::CutPair:
      return timed(fmt::format("{} and {} are cut from each other", target, other), f);
    case FaultKind::CutOneWay:
      return timed(fmt::format("nothing passes from {} to {}", target, other), f);
    case FaultKind::BlackHole:
      return timed(fmt::format("what {} sends to {} vanishes", target, other), f);
    case FaultKind::BreakPair:
      return fmt::format("the links between {} and {} break", target, other);
    case FaultKind::BreakClient:
      return fmt::format("the links of c{} break", f.target + 1);
    case FaultKind::SlowDisk:
      return timed(fmt::format("the disk of {} is slow", target), f);
    case FaultKind::StuckDisk:
      return timed(fmt::format("the disk of {} answers nothing", target), f);
    case FaultKind::FailSync:
      return fmt::format("the next sync of the log of {} fails", target);
    case FaultKind::Wipe:
      return back(fmt::format("{} is killed and its data is gone", target), f);
    case FaultKind::Rot:
      return back(fmt::format("{} loses power and a log record that it acknowledged", target), f);
    case FaultKind::ClockJump:
      return fmt::format("the wall clock of {} jumps", target);
    case FaultKind::ClockLeap:
      return fmt::format("the monotonic clock of {} leaps forward", target);
    case FaultKind::ClockDrift:
      return fmt::format("the clock of {} goes at another pace", target);
    case FaultKind::SlowLinks:
      return timed(fmt::format("the links between {} and {} are slow", target, other), f);
    case FaultKind::LeaderDeaf:
      return timed("nothing reaches the leader", f);
    case FaultKind::LeaderDumb:
      return timed("nothing of the leader's reaches anybody", f);
    case FaultKind::SlowFollowers:
      return timed(fmt::format("the disks of all but the leader are {} times slower", f.count), f);
    case FaultKind::StuckRestart:
      return timed(
          fmt::format("all disks but that of {} answer nothing, and {} restarts", target, target),
          f);
    case FaultKind::DiesAtDisk:
      return fmt::format("{} {} at its {}th file operation from here", target,
                         f.power ? "loses power" : "is killed", f.count);
    case FaultKind::FullDisk:
      return timed(
          fmt::format("{} bytes are left on the disk of {}", std::max(f.count, 1U) - 1, target), f);
    case FaultKind::FailingOp: {
      const FailingOp& op = kFailingOps[(std::max(f.count, 1U) - 1) % kFailingOps.size()];
      return fmt::format("one of the next operations \"{}\" of {} on {} fails", name_of(op.op),
                         target, op.name_prefix.empty() ? "any file" : op.name_prefix);
    }
    case FaultKind::OldImage:
      return fmt::format("the disk of {} is put back to what it is now, {} ms from here", target,
                         f.lasts.ms());
    case FaultKind::Replaced:
      return back(fmt::format("{} dies, and one of the other kind begins with its data", target),
                  f);
    case FaultKind::RestartUnheard:
      return timed(fmt::format("{} restarts, and nothing passes between it and the leader", target),
                   f);
    case FaultKind::TornWrite:
      return back(
          fmt::format("{} loses power at its next write to the log, before the sync", target), f);
    case FaultKind::TruncTrouble:
      return trunc_words(f);
    case FaultKind::PacketCrash:
    case FaultKind::PacketCut:
    case FaultKind::PacketBreak:
      return packet_words(f);
  }
  return "?";
}

std::vector<Lane> lanes_of(const Fault& f, const Profile& profile) {
  switch (f.kind) {
    case FaultKind::CutPair:
    case FaultKind::CutOneWay:
    case FaultKind::BlackHole:
    case FaultKind::BreakPair:
    case FaultKind::SlowLinks:
      return {f.target, f.other};
    case FaultKind::BreakClient:
      return {profile.servers + f.target};
    case FaultKind::PowerLoss:
    case FaultKind::Kill:
    case FaultKind::Pause:
    case FaultKind::Isolate:
    case FaultKind::SlowDisk:
    case FaultKind::StuckDisk:
    case FaultKind::FailSync:
    case FaultKind::Wipe:
    case FaultKind::Rot:
    case FaultKind::ClockJump:
    case FaultKind::ClockLeap:
    case FaultKind::ClockDrift:
    case FaultKind::StuckRestart:
    case FaultKind::DiesAtDisk:
    case FaultKind::FullDisk:
    case FaultKind::FailingOp:
    case FaultKind::OldImage:
    case FaultKind::TornWrite:
    case FaultKind::Replaced:
    case FaultKind::RestartUnheard:
      return {f.target};
    case FaultKind::TruncTrouble:
      return {f.other};
    case FaultKind::PowerLossAll:
    case FaultKind::LeaderPowerLoss:
    case FaultKind::LeaderKill:
    case FaultKind::LeaderCut:
    case FaultKind::LeaderPause:
    case FaultKind::LeaderDeaf:
    case FaultKind::LeaderDumb:
    case FaultKind::SlowFollowers:
    case FaultKind::PacketCrash:
    case FaultKind::PacketCut:
    case FaultKind::PacketBreak:
      return {};
  }
  return {};
}

std::string plain_words(ErrorCode error) {
  switch (error) {
    case ErrorCode::Ok:
      return "well";
    case ErrorCode::NoNode:
      return "no such znode";
    case ErrorCode::NoAuth:
      return "not allowed";
    case ErrorCode::BadVersion:
      return "another version";
    case ErrorCode::NoChildrenForEphemerals:
      return "ephemerals have no children";
    case ErrorCode::NodeExists:
      return "the znode exists";
    case ErrorCode::NotEmpty:
      return "it has children";
    case ErrorCode::SessionExpired:
      return "the session has expired";
    case ErrorCode::InvalidAcl:
      return "an ACL that may not be";
    case ErrorCode::SessionMoved:
      return "the session has moved";
    case ErrorCode::NotReadOnly:
      return "the server is read-only";
    case ErrorCode::NoWatcher:
      return "no such watch";
    case ErrorCode::QuotaExceeded:
      return "over the quota";
    case ErrorCode::ThrottledOp:
      return "throttled";
    case ErrorCode::MarshallingError:
      return "it does not decode";
    case ErrorCode::Unimplemented:
      return "no such operation";
    case ErrorCode::BadArguments:
      return "bad arguments";
    case ErrorCode::NewConfigNoQuorum:
      return "no quorum of the new members";
    case ErrorCode::ReconfigInProgress:
      return "another change is under way";
    case ErrorCode::EphemeralOnLocalSession:
      return "a local session has no ephemerals";
    case ErrorCode::SystemError:
    case ErrorCode::RuntimeInconsistency:
    case ErrorCode::DataInconsistency:
    case ErrorCode::UnknownSession:
    case ErrorCode::AuthFailed:
    case ErrorCode::SessionClosedRequireSaslAuth:
    case ErrorCode::ReconfigDisabled:
      break;
  }
  return fmt::format("error {}", static_cast<int>(error));
}

std::string_view plain_words(BandState state) {
  switch (state) {
    case BandState::Down:
      return "is down";
    case BandState::Paused:
      return "stands still";
    case BandState::Recovering:
      return "recovers from its disk";
    case BandState::Looking:
      return "looks for a leader";
    case BandState::Joining:
      return "joins a leader";
    case BandState::Serving:
      return "follows and serves";
    case BandState::Winning:
      return "is elected, and not yet confirmed";
    case BandState::Leading:
      return "leads";
  }
  return "?";
}

}  // namespace vivarium::sim
