// Bytes of peers against one whole server: the quorum port and the election port, from both ends of
// a connection and in every role. Each input is a conversation: its first byte says how far the
// server has come by then, the others what three peers say. Whatever they say, the process must not
// end, a connection of nobody known may hold no more than its bound, and what the server states
// must be on its disk (ZabHost; for one input in eight, because it costs a recovery each time).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/membership.h"
#include "core/tree/path.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/peer_extension.h"
#include "fuzz/input.h"
#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"

namespace vivarium::zab_test {
namespace {

constexpr PacketType kTypes[] = {PacketType::Request,
                                 PacketType::Proposal,
                                 PacketType::Ack,
                                 PacketType::Commit,
                                 PacketType::Ping,
                                 PacketType::Revalidate,
                                 PacketType::Sync,
                                 PacketType::Inform,
                                 PacketType::CommitAndActivate,
                                 PacketType::NewLeader,
                                 PacketType::FollowerInfo,
                                 PacketType::UpToDate,
                                 PacketType::Diff,
                                 PacketType::Trunc,
                                 PacketType::Snap,
                                 PacketType::ObserverInfo,
                                 PacketType::LeaderInfo,
                                 PacketType::AckEpoch,
                                 PacketType::InformAndActivate,
                                 kFillAsk,
                                 kFillEntry,
                                 kFillEnd};
constexpr int64_t kPeers = 3;
// Configurations name two more, who are there too.
constexpr int64_t kServers = 5;
// What a server votes for that is no candidate and knows none (core/zab/election.cc).
constexpr int64_t kNobody = std::numeric_limits<int64_t>::min();
constexpr size_t kHeldOfStrangersMax = 1024;

enum class Begin : uint8_t { Blank, Looking, Promise, Leading, Joining, Following };

class Conversation {
 public:
  explicit Conversation(Input& input)
      : input_(input), choice_(input.byte()), begin_(static_cast<Begin>(choice_ % 6)) {}

  void run() {
    make_host();
    ZabHost& host = *host_;
    host.check_promises((choice_ & 0x70) == 0x10);
    host.start();
    begin();
    while (!input_.empty() && host.alive()) speak();
    host.world().release();
    host.pass(milliseconds(30'000));
    CHECK(host.alive());
  }

 private:
  bool leads() const { return begin_ == Begin::Promise || begin_ == Begin::Leading; }
  ServerId other(size_t n, int64_t among = kPeers) const {
    const int64_t id = static_cast<int64_t>(n) % (among - 1) + 1;
    return ServerId{id + (id >= host_->config().id.value ? 1 : 0)};
  }

  void make_host() {
    Config config = ZabHost::make_config(leads() ? 3 : 1, kPeers, 0);
    config.counter_max = 12;
    config.history_txns_max = 3;
    config.reconfig.enabled = (choice_ & 0x80) != 0;
    config.skip_acl = config.reconfig.enabled;  // or nobody may change the members
    sim::SimDisk disk;
    if (begin_ != Begin::Blank) {
      // Made once: the same for every input of a role.
      static const sim::SimDisk follower = member_disk(1);
      static const sim::SimDisk leader = member_disk(3);
      disk = leads() ? leader : follower;
    }
    host_ = std::make_unique<ZabHost>(config, std::move(disk));
    for (int64_t id = kPeers + 1; id <= kServers; ++id) host_->add_neighbour(member(id));
  }

  // As ZabHost::make_config names them.
  static Member member(int64_t id) {
    const std::string host = "s" + std::to_string(id);
    return {ServerId{id}, {host, 2888}, {host, 3888}, false};
  }

  static sim::SimDisk member_disk(int64_t self) {
    std::vector<Zxid> log;
    for (uint32_t counter = 1; counter <= 5; ++counter) log.push_back(Zxid(1, counter));
    return ZabHost::make_disk(ZabHost::make_config(self, kPeers, 0), 1, 1, log);
  }

  // --- up to where the conversation begins

  void begin() {
    if (leads()) lead();
    if (begin_ == Begin::Leading) establish();
    if (begin_ == Begin::Joining || begin_ == Begin::Following) follow();
    if (begin_ == Begin::Following) synchronise();
  }

  void vote(ServerId from, PeerState state, ServerId leader, int64_t zxid, int64_t epoch) {
    if (!host_->can_notify(from)) return;
    Notification n;
    n.state = state;
    n.leader = leader;
    n.zxid = zxid;
    n.election_epoch = 1;
    n.peer_epoch = epoch;
    host_->notify(from, n);
  }

  void lead() {
    for (size_t n = 0; n < 2; ++n) {
      vote(other(n), PeerState::Looking, host_->config().id, Zxid(1, 5).wire(), 1);
    }
    host_->pass(milliseconds(host_->config().finalize_wait_ms));
  }

  void establish() {
    host_->connect("0", Door::Quorum);
    tell("0", {"FOLLOWERINFO", "accepted=1", "id=1"});
    tell("0", {"ACKEPOCH", "1:5", "current=1"});
    tell("0", {"ACK", "2:0"});
  }

  void follow() {
    for (size_t n = 0; n < 2; ++n) {
      const bool is_leader = other(n) == ServerId{3};
      vote(other(n), is_leader ? PeerState::Leading : PeerState::Following, ServerId{3}, 0, 1);
    }
    if (host_->dials("3")) {
      host_->accept_dial("3");
      names_.push_back("3");
    }
  }

  void synchronise() {
    tell("3", {"LEADERINFO", "epoch=2"});
    tell("3", {"DIFF", "1:5"});
    tell("3", {"NEWLEADER", "epoch=2"});
    tell("3", {"UPTODATE"});
  }

  void tell(const std::string& name, const Words& words) {
    if (host_->has_link(name)) host_->tell(name, packet_of(words, 0));
  }

  // --- the conversation

  void speak() {
    const Byte what = input_.byte();
    const std::string name = link_name(what % 4);
    switch (what >> 4) {
      case 0:
        return say(name, input_.take(input_.byte()));
      case 1:
      case 2:
      case 3:
        return say_packet(name);
      case 4:
        return notify(other(what, kServers));
      case 5:
        return say_election(what);
      case 6:
        return connect(name);
      case 7:
        return answer_dial(what);
      case 8:
        return host_->pass(milliseconds(input_.byte() * 20));
      case 9:
        if (host_->has_link(name)) host_->hang_up(name);
        return;
      case 10:
        if (host_->has_link(name)) host_->link(name).unsent = uint64_t{input_.byte()} << 22;
        return;
      case 11:
        return hold_or_release(what);
      case 12:
        return lead();
      case 13:
        return follow();
      case 14:
        return restart(what);
      default:
        return say_entry(name);
    }
  }

  std::string link_name(size_t n) const {
    return n == 3 && !names_.empty() ? names_.back() : std::to_string(n);
  }

  void connect(const std::string& name) {
    host_->connect(name, Door::Quorum);
    CHECK(host_->link(name).credit <= kHeldOfStrangersMax);
  }

  void say(const std::string& name, ByteView bytes) {
    if (!host_->has_link(name) || host_->link(name).gone) return;
    host_->tell(name, bytes);
  }

  Zxid zxid() {
    const Byte epoch = input_.byte();
    const Byte counter = input_.byte();
    if (epoch == 0xff) return Zxid::from_wire(static_cast<int64_t>(get_u64(eight().data())));
    return Zxid(epoch % 8, counter % 16);
  }
  Bytes eight() {
    Bytes bytes = to_bytes(input_.take(8));
    bytes.resize(8);
    return bytes;
  }
  static Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }

  void say_packet(const std::string& name) {
    QuorumPacket packet;
    packet.type = kTypes[input_.byte() % std::size(kTypes)];
    packet.zxid = zxid().wire();
    const Bytes data = payload(input_.byte());
    packet.null_data = data.empty();
    packet.data = data;
    if (packet.type == PacketType::Request) {
      packet.null_auth = false;
      packet.auth = {AuthId{"ip", "10.0.0.1"}};
    }
    Bytes bytes;
    encode(packet, bytes);
    if (packet.type == PacketType::Snap) {
      Bytes state = snap_of(snap_tree(Zxid::from_wire(packet.zxid), {"/a", "/b"}));
      const Byte damage = input_.byte();
      if (damage != 0) state[damage * state.size() / 256] ^= 1;
      append_bytes(bytes, state);
    }
    say(name, bytes);
  }

  Bytes payload(Byte kind) {
    Bytes out;
    switch (kind % 11) {
      case 0:
        break;
      case 1:
        out = to_bytes(input_.take(input_.byte()));
        break;
      case 2: {
        LearnerInfo info;
        info.id = ServerId{input_.byte() % 5};
        info.config_version = input_.byte() % 3;
        encode(info, out);
        add_extension(out);
        break;
      }
      case 3:
        JuteWriter(out).i32(input_.byte() < 0xf0 ? kLeaderProtocolVersion : input_.byte());
        add_extension(out);
        break;
      case 4:
        JuteWriter(out).i32(input_.byte() % 5 - 1);
        add_extension(out);
        break;
      case 5: {
        std::vector<SessionTouch> touches(input_.byte() % 4);
        for (SessionTouch& touch : touches) {
          touch = {SessionId{input_.byte()}, input_.byte() * 100};
        }
        encode_touches(touches, out);
        break;
      }
      case 6: {
        ForwardedRequest request;
        request.session = SessionId{input_.byte()};
        request.cxid = input_.byte();
        request.op = static_cast<Op>(static_cast<int8_t>(input_.byte()));
        request.body = input_.take(input_.byte());
        encode(request, out);
        break;
      }
      case 7:
        encode(SessionTouch{SessionId{input_.byte()}, input_.byte() * 100}, out);
        break;
      case 8:
        append_text(out, config_text());
        break;
      case 9:
        JuteWriter(out).i64(input_.byte() % 6);
        break;
      default:
        reconfig_request(out);
        break;
    }
    return out;
  }

  static void append_text(Bytes& out, const std::string& text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  // Mostly one that makes sense: of the members whose bits are set.
  std::string config_text() {
    const Byte who = input_.byte();
    const Byte how = input_.byte();
    if ((who & 0x80) != 0) return std::string(as_text(input_.take(how)));
    Membership membership;
    membership.version = zxid();
    for (int64_t id = 1; id <= kServers; ++id) {
      if ((who >> (id - 1) & 1) == 0) continue;
      membership.members.push_back(member(id));
      membership.members.back().observer = (how >> (id - 1) & 1) != 0;
      if ((how & 0x20) != 0) membership.members.back().client = {"c", 2181};
    }
    std::string text = to_text(membership);
    if ((who & 0x40) != 0) text[input_.byte() * text.size() / 256] ^= 1;
    return text;
  }

  void reconfig_request(Bytes& out) {
    ForwardedRequest request;
    request.session = SessionId{input_.byte()};
    request.op = Op::Reconfig;
    const Byte what = input_.byte();
    std::string joining = config_text();
    if ((what & 2) == 0) joining.erase(std::min(joining.find("version="), joining.size()));
    std::replace(joining.begin(), joining.end(), '\n', ',');
    const std::string leaving = std::to_string(input_.byte() % 7);
    ReconfigRequest reconfig;
    if ((what & 1) != 0) {
      reconfig.new_members = joining;
    } else {
      if ((what & 4) == 0) reconfig.joining = joining;
      if ((what & 8) == 0) reconfig.leaving = leaving;
    }
    if ((what & 16) != 0) reconfig.version = zxid().wire();
    Bytes body;
    encode(reconfig, body);
    request.body = body;
    encode(request, out);
  }

  void add_extension(Bytes& out) {
    const Byte flags = input_.byte();
    if (flags % 2 == 0) return;
    PeerExtension extension;
    extension.damaged = (flags & 2) != 0;
    if (extension.damaged) extension.faults.push_back({zxid(), zxid()});
    if ((flags & 4) != 0) extension.log = LogId{input_.byte(), input_.byte()};
    if ((flags & 8) != 0) {
      extension.remembered = Acknowledged{LogId{input_.byte(), input_.byte()}, 1, zxid()};
    }
    std::string config;
    if ((flags & 16) != 0) config = config_text();
    extension.config = config;
    encode(extension, out);
  }

  void notify(ServerId from) {
    if (!host_->can_notify(from)) return;
    Notification n;
    const Byte what = input_.byte();
    n.state = static_cast<PeerState>(what % 4);
    n.leader = ServerId{input_.byte() % 7 - 1};
    n.zxid = zxid().wire();
    n.election_epoch = input_.byte() % 8;
    n.peer_epoch = input_.byte() % 8;
    if ((what & 4) != 0) {
      n.leader = ServerId{kNobody};
      n.zxid = kNobody;
      n.peer_epoch = kNobody;
    }
    std::string config;
    if ((what & 8) != 0) config = config_text();
    n.config = config;
    if ((what & 16) != 0) n.version = input_.byte() % 4;
    Bytes extension;
    add_extension(extension);
    n.extension = extension;
    host_->notify(from, n);
  }

  // Strangers and members on the election port, in whatever bytes.
  void say_election(Byte what) {
    const std::string name = "election " + std::to_string(what % 4);
    if (!host_->has_link(name) || host_->link(name).gone) host_->connect(name, Door::Election);
    if ((what & 8) != 0) {
      ElectionHello hello;
      hello.from = ServerId{input_.byte() % 6};
      hello.address = "10.0.0.9:3888";
      Bytes bytes;
      encode(hello, bytes);
      say(name, bytes);
    }
    say(name, input_.take(input_.byte()));
  }

  void answer_dial(Byte what) {
    for (const char* name : {"1", "2", "3", "4", "5"}) {
      if (!host_->dials(name)) continue;
      if ((what & 8) != 0) return host_->refuse_dial(name);
      host_->accept_dial(name);
      names_.emplace_back(name);
      return;
    }
  }

  void hold_or_release(Byte what) {
    constexpr const char* kHeld[] = {"log", "currentEpoch", "acceptedEpoch", "frontier", "dir"};
    if ((what & 8) != 0) {
      host_->world().release();
      return host_->settle();
    }
    host_->world().hold(kHeld[input_.byte() % std::size(kHeld)]);
  }

  void restart(Byte what) {
    host_->world().release();
    host_->settle();
    if (!host_->alive()) return;
    if ((what & 8) != 0) {
      host_->kill();
    } else {
      host_->lose_power();
    }
    names_.clear();
    host_->start();
  }

  // The txn that would come next, or one near it, as a leader or a filling peer sends it.
  void say_entry(const std::string& name) {
    const Byte kind = input_.byte();
    const Zxid next = host_->node().storage().last_logged().next();
    const Zxid at = (kind & 1) != 0 ? zxid() : next;
    const Words words = {"create", "/f" + std::to_string(kind)};
    Txn txn = txn_of(at, words, 0);
    std::string config;
    if ((kind & 16) != 0) {
      config = config_text();
      txn.header.type = TxnType::Reconfig;
      txn.body = SetDataTxn{kConfigPath, as_bytes(config), false, 1};
    }
    Bytes entry = host_->entry(txn);
    if ((kind & 2) != 0 && !entry.empty()) entry[input_.byte() * entry.size() / 256] ^= 1;
    const bool activates = (kind & 32) != 0;
    Bytes leader;
    if (activates) JuteWriter(leader).i64(input_.byte() % 6);
    Bytes packet;
    if ((kind & 64) != 0) {
      Bytes inform = leader;
      append_bytes(inform, entry);
      encode_packet(activates ? PacketType::InformAndActivate : PacketType::Inform, at.wire(),
                    inform, packet);
    } else {
      const PacketType type = (kind & 4) != 0 ? kFillEntry : PacketType::Proposal;
      encode_packet(type, at.wire(), entry, packet);
    }
    if ((kind & 8) != 0) {
      const PacketType type = activates ? PacketType::CommitAndActivate : PacketType::Commit;
      encode_packet(type, at.wire(), leader, packet);
    }
    say(name, packet);
  }

  Input& input_;
  const Byte choice_;
  const Begin begin_;
  std::unique_ptr<ZabHost> host_;
  std::vector<std::string> names_;  // dialled and accepted
};

}  // namespace
}  // namespace vivarium::zab_test

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // ZabHost's expectations are findings here.
  GTEST_FLAG_SET(throw_on_failure, true);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  vivarium::Input input({data, size});
  vivarium::zab_test::Conversation(input).run();
  return 0;
}
