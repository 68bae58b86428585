// Conversations on the quorum port: tests/transcripts/zab/*.txt. One server runs, the transcript
// plays everybody else. A line "> command" is carried out, the lines behind it are what was seen.
// VIVARIUM_UPDATE_TRANSCRIPTS=1 writes them anew, to be reviewed as a diff.
//
//   > server 1 of 3 [observers=1] [accepted=2 current=2 log=1:1-1:5,2:1] [history=N] [counter=N]
//   [slices=N]
//     blank: without any data; shadow: "4 of 3", and none of the three is it
//   > follow 3 [epoch=2]             the others say that 3 leads: the server dials it
//   > lead                           the others vote for this server
//   > 3 accepts | 3 refuses          the dial; packets in the words of zab_words.h follow
//   > 3 LEADERINFO epoch=2 | 3 PROPOSAL 2:1 create /a | 3 SNAP 1:9 /a /b [cut=N] | 3 rest
//   > 2 connects                     to the server's quorum port; "2b" is another link of server 2
//   > 2 FOLLOWERINFO accepted=1 | 2 ACKEPOCH 1:5 current=1 | 2 ACK 2:1 | 2 bytes HEX | 2 zeros N
//   > 2 closes | 2 takes nothing BYTES
//   > client a connects [session=N] | client a create /x | client a get /x | client a sync
//   > hold log currentEpoch dir      syncs of these files are held up; > release
//   > full disk | pass 500 | kill | power loss | start | show | show digests | durable
//   ... otherwise                  behind a txn: its digest is not that of the tree here
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"
#include "tests/unit/golden_data.h"

namespace vivarium::zab_test {
namespace {

std::string role_of(const Zab& zab) {
  switch (zab.role()) {
    case ZabRole::Recovering:
      return "recovering";
    case ZabRole::Looking:
      return "looking";
    case ZabRole::Learner:
      return "learner";
    case ZabRole::Leader:
      return "leader";
  }
  return "";
}

class Conversation {
 public:
  // The transcript with what was seen this time.
  std::string replay(const std::string& transcript) {
    std::istringstream in(transcript);
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line[0] == '#') out_ += line + "\n";
      if (line.empty() || line[0] != '>') continue;
      out_ += line + "\n";
      command(split(line.substr(1)));
      look_around();
    }
    return out_;
  }

 private:
  struct Client {
    bool greeted = false;
    int32_t last_xid = 0;
  };

  void say(const std::string& line) { out_ += line + "\n"; }

  // --- what is commanded

  void command(const Words& words) {
    const std::string& verb = words.at(0);
    if (verb == "server") {
      make_server(words);
    } else if (verb == "start") {
      host_->start();
    } else if (verb == "kill") {
      host_->kill();
      forget();
    } else if (verb == "power") {
      host_->lose_power();
      forget();
    } else if (verb == "pass") {
      host_->pass(milliseconds(std::stoll(words.at(1))));
    } else if (verb == "hold") {
      for (size_t i = 1; i < words.size(); ++i) host_->world().hold(words[i]);
      // A log file is a prepared one under a new name.
      if (has(words, "log")) host_->world().hold("spare");
    } else if (verb == "release") {
      host_->world().release();
      host_->settle();
    } else if (verb == "full") {
      host_->world().fill_disk(true);
    } else if (verb == "follow") {
      follow(words);
    } else if (verb == "lead") {
      lead();
    } else if (verb == "show" && has(words, "digests")) {
      show_digests();
    } else if (verb == "show") {
      show();
    } else if (verb == "durable") {
      const Durable d = host_->durable();
      say(fmt::format("durable: accepted={} current={} last={}", d.accepted, d.current,
                      text_of(d.last)));
    } else if (verb == "client") {
      client_speaks(words);
    } else {
      peer_speaks(verb, words);
    }
  }

  void make_server(const Words& words) {
    Config config = ZabHost::make_config(std::stoll(words.at(1)), std::stoll(words.at(3)),
                                         number(words, "observers", 0));
    config.history_txns_max = static_cast<uint32_t>(number(words, "history", 500));
    config.counter_max = static_cast<uint32_t>(number(words, "counter", 0xffffffff));
    config.shadow = has(words, "shadow");
    config.snapshot_slice_elements = static_cast<uint32_t>(number(words, "slices", 2000));
    sim::SimDisk disk;
    if (!has(words, "blank")) {
      disk = ZabHost::make_disk(config, static_cast<Epoch>(number(words, "accepted", 0)),
                                static_cast<Epoch>(number(words, "current", 0)),
                                log_of(option(words, "log", "")));
    }
    host_ = std::make_unique<ZabHost>(config, std::move(disk));
    host_->start();
  }

  // "1:1-1:5,2:1".
  static std::vector<Zxid> log_of(const std::string& text) {
    std::vector<Zxid> log;
    std::istringstream in(text);
    for (std::string run; std::getline(in, run, ',');) {
      const size_t dash = run.find('-');
      const Zxid from = zxid_of(run.substr(0, dash));
      const Zxid to = dash == std::string::npos ? from : zxid_of(run.substr(dash + 1));
      for (Zxid zxid = from; zxid <= to; zxid = zxid.next()) log.push_back(zxid);
    }
    return log;
  }

  void forget() {
    told_.clear();
    ended_ = false;
    dials_seen_ = 0;
    clients_.clear();
  }

  void each_other_voter(const std::function<void(ServerId)>& visit) const {
    for (const Member& m : host_->config().members) {
      if (m.id != host_->config().id && !m.observer) visit(m.id);
    }
  }

  void follow(const Words& words) {
    const ServerId leader{std::stoll(words.at(1))};
    Notification n;
    n.leader = leader;
    n.election_epoch = 1;
    n.peer_epoch = number(words, "epoch", 1);
    each_other_voter([&](ServerId id) {
      n.state = id == leader ? PeerState::Leading : PeerState::Following;
      host_->notify(id, n);
    });
  }

  void lead() {
    host_->take_notifications();
    host_->elect(round_);
  }

  void peer_speaks(const std::string& name, const Words& words) {
    const std::string& verb = words.at(1);
    if (verb == "accepts") {
      host_->accept_dial(name);
    } else if (verb == "refuses") {
      host_->refuse_dial(name);
    } else if (verb == "connects") {
      host_->connect(name, Door::Quorum);
    } else if (verb == "closes") {
      host_->hang_up(name);
    } else if (verb == "bytes") {
      host_->tell(name, golden::from_hex(words.at(2)));
    } else if (verb == "zeros") {
      host_->tell(name, Bytes(std::stoul(words.at(2)), 0));
    } else if (verb == "takes") {
      host_->link(name).unsent = std::stoull(words.at(3));
    } else if (verb == "rest") {
      host_->tell(name, std::exchange(rest_, {}));
    } else if (verb == "SNAP") {
      send_snap(name, words);
    } else if (verb == "PROPOSAL" || verb == "INFORM") {
      Bytes packet;
      encode_packet(verb == "INFORM" ? PacketType::Inform : PacketType::Proposal,
                    wire_of(words.at(2)), entry_of(words), packet);
      host_->tell(name, packet);
    } else {
      host_->tell(name, packet_of(with_id(name, words), 1));
    }
  }

  // Link "2b" belongs to server 2 unless the words say otherwise.
  static Words with_id(const std::string& name, Words words) {
    if (name[0] >= '0' && name[0] <= '9') words.push_back(fmt::format("id={}", std::stoll(name)));
    return words;
  }

  void send_snap(const std::string& name, const Words& words) {
    Words paths;
    for (const std::string& word : words) {
      if (word[0] == '/') paths.push_back(word);
    }
    const Zxid zxid = zxid_of(words.at(2));
    Bytes stream;
    encode_packet(PacketType::Snap, zxid.wire(), stream);
    DataTree tree = snap_tree(zxid, paths);
    Bytes state = snap_of(tree);
    host_->leader_has(std::move(tree));
    if (has(words, "unsigned")) state.back() ^= 1;
    append_bytes(stream, state);
    const auto cut =
        static_cast<std::ptrdiff_t>(number(words, "cut", static_cast<int64_t>(stream.size())));
    rest_.assign(stream.begin() + cut, stream.end());
    stream.erase(stream.begin() + cut, stream.end());
    host_->tell(name, stream);
  }

  // The same words are the same bytes.
  Bytes entry_of(const Words& words) {
    std::string key;
    for (size_t i = 2; i < words.size(); ++i) key += words[i] + " ";
    const auto found = entries_.find(key);
    if (found != entries_.end()) return found->second;
    if (words.at(3) == "nonsense") return Bytes(40, 0xee);
    const Words said(words.begin(), std::find(words.begin(), words.end(), "otherwise"));
    Bytes entry = host_->entry(txn_of(zxid_of(said.at(2)), said, 3));
    if (said.size() < words.size()) entry.back() ^= 1;
    return entries_[key] = std::move(entry);
  }

  void client_speaks(const Words& words) {
    const std::string name = "client " + words.at(1);
    const std::string& verb = words.at(2);
    Bytes body;
    if (verb == "connects") {
      clients_[name] = Client();
      host_->connect(name, Door::Client);
      if (host_->link(name).gone) return;
      ConnectRequest request;
      request.timeout_ms = 10000;
      request.session = SessionId{number(words, "session", 0)};
      const Bytes password = apache_session_password(request.session);
      request.password = password;
      encode(request, body);
    } else {
      Client& client = clients_.at(name);
      const Op op = verb == "create" ? Op::Create : verb == "get" ? Op::Exists : Op::Sync;
      encode(RequestHeader{++client.last_xid, static_cast<int32_t>(op)}, body);
      CreateRequest create;
      if (op == Op::Create) {
        create.path = words.at(3);
        create.acl = {AclEntry{kPermAll, "world", "anyone"}};
        encode(create, body);
      } else if (op == Op::Exists) {
        encode(PathWatchRequest{words.at(3), false}, body);
      } else {
        encode(SyncRequest{"/", false}, body);
      }
    }
    Bytes frame(4);
    put_u32(frame.data(), static_cast<uint32_t>(body.size()));
    append_bytes(frame, body);
    host_->tell(name, frame);
  }

  void show() {
    const Node& node = host_->node();
    const Zab& zab = node.zab();
    say(fmt::format("{}{} epoch={} logged={} durable={} committed={} applied={}{}", role_of(zab),
                    zab.established() ? " established" : "", zab.epoch(),
                    text_of(node.storage().last_logged()), text_of(node.storage().last_durable()),
                    text_of(zab.committed()), text_of(node.tree().last_applied()),
                    zab.serving() ? ", serving" : ""));
  }

  void show_digests() {
    const DigestAudit& digests = host_->node().digests();
    std::string text =
        fmt::format("digests: {} compared, {} differ, equal at {}", digests.compared(),
                    digests.differing(), text_of(digests.agreed()));
    if (const auto& first = digests.first()) {
      text += fmt::format(", first difference at {} behind {}", text_of(first->zxid),
                          text_of(first->agreed));
    }
    if (const Learner* learner = host_->node().zab().learner_role()) {
      text += fmt::format(", proposed {}", text_of(learner->proposed()));
    }
    say(text);
  }

  // --- what is seen

  void look_around() {
    if (!host_ || (!host_->alive() && ended_)) return;
    read_lines();
    hear_packets();
    for (const auto& [name, id] : host_->links()) hear(name);
    see_dials();
    hear_votes();
    if (host_->alive()) return;
    ended_ = true;
    if (host_->has_node()) say("the process ends: " + host_->world().stopped().value_or(""));
  }

  void read_lines() {
    if (!host_->has_node()) return;
    for (const std::string& line : host_->world().take_lines()) {
      if (line.starts_with("looking: ") || line.find(" dropped: ") != std::string::npos) {
        say("log: " + line);
      } else if (host_->config().shadow && line.starts_with("the tree here differs")) {
        say("log: " + line.substr(0, line.find(" its digest is")));
      }
    }
  }

  void see_dials() {
    if (!host_->has_node()) return;
    for (; dials_seen_ < host_->world().link_count(); ++dials_seen_) {
      const ZabWorld::Link& link = host_->world().at(LinkId{static_cast<uint32_t>(dials_seen_), 1});
      const std::optional<ServerId> peer = host_->quorum_peer(link.to);
      if (peer) say(fmt::format("dials {}", peer->value));
    }
  }

  void hear_votes() {
    if (!host_->has_node()) return;
    for (const Notification& n : host_->take_notifications()) {
      std::string text;
      round_ = n.election_epoch;
      if (n.leader.value < 0) {
        text = fmt::format("asks who leads, round={}", n.election_epoch);
      } else if (n.state == PeerState::Looking) {
        text = fmt::format("votes for {} zxid={} epoch={} round={}", n.leader.value,
                           text_of_wire(n.zxid), n.peer_epoch, n.election_epoch);
      } else if (n.state == PeerState::Observing) {
        text = fmt::format("says that it observes zxid={}", text_of_wire(n.zxid));
      } else {
        text = fmt::format("says that {} leads epoch {}", n.leader.value, n.peer_epoch);
      }
      if (told_ != text) say(text);
      told_ = text;
    }
  }

  void hear(const std::string& name) {
    ZabWorld::Link& link = host_->link(name);
    if (link.door == Door::Client && link.to.host.empty()) hear_client(name, link);
    if (link.gone && !link.told_gone && host_->alive()) {
      link.told_gone = true;
      say(fmt::format("{}: closed by the server", name));
    }
  }

  void hear_packets() {
    if (!host_->has_node()) return;
    std::vector<std::pair<std::string, int>> seen;  // equal PINGs are told once
    for (const ZabHost::Packet& sent : host_->take_packets()) {
      QuorumPacket packet;
      size_t used = 0;
      ASSERT_EQ(decode_quorum_packet(sent.bytes, 16 << 20, packet, used), Decoded::Ok);
      std::string name = "somebody";
      for (const auto& [known, id] : host_->links()) {
        if (id == sent.link) name = known;
      }
      const std::string snap = sent.snap.empty() ? "" : " " + sent.snap;
      const std::string text = fmt::format("to {}: {}{}", name, text_of(packet), snap);
      const auto told = std::find_if(seen.begin(), seen.end(),
                                     [&](const auto& line) { return line.first == text; });
      if (packet.type == PacketType::Ping && told != seen.end()) {
        ++told->second;
      } else {
        seen.emplace_back(text, 1);
      }
    }
    for (const auto& [text, times] : seen) {
      say(times == 1 ? text : fmt::format("{} ({} times)", text, times));
    }
  }

  void hear_client(const std::string& name, ZabWorld::Link& link) {
    Client& client = clients_[name];
    while (link.sent.size() >= 4) {
      const size_t length = get_u32(link.sent.data());
      const ByteView frame = ByteView(link.sent).subspan(4, length);
      if (!std::exchange(client.greeted, true)) {
        const auto response = decode_connect_response(frame);
        ASSERT_TRUE(response.has_value());
        say(response->session == SessionId()
                ? fmt::format("to {}: refused", name)
                : fmt::format("to {}: session {:x}", name, response->session.value));
      } else {
        const auto header = decode_reply_header(frame);
        ASSERT_TRUE(header.has_value());
        say(fmt::format("to {}: #{} zxid={} {}", name, header->xid, text_of_wire(header->zxid),
                        header->error == ErrorCode::Ok
                            ? "ok"
                            : fmt::format("error {}", static_cast<int32_t>(header->error))));
      }
      link.sent.erase(link.sent.begin(),
                      link.sent.begin() + 4 + static_cast<std::ptrdiff_t>(length));
    }
  }

  std::string out_;
  std::unique_ptr<ZabHost> host_;
  std::map<std::string, Bytes> entries_;
  std::map<std::string, Client> clients_;
  Bytes rest_;
  std::string told_;
  int64_t round_ = 1;
  size_t dials_seen_ = 0;
  bool ended_ = false;
};

std::filesystem::path folder() { return SOURCE_DIR "/tests/transcripts/zab"; }

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Words transcripts() {
  Words found;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".txt") found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

class ZabTranscript : public testing::TestWithParam<std::string> {};

TEST_P(ZabTranscript, GoesAsWritten) {
  const std::filesystem::path path = folder() / (GetParam() + ".txt");
  const std::string written = text_of_file(path);
  ASSERT_FALSE(written.empty());
  const std::string seen = Conversation().replay(written);
  if (std::getenv("VIVARIUM_UPDATE_TRANSCRIPTS") != nullptr) {
    std::ofstream(path) << seen;
    return;
  }
  EXPECT_EQ(seen, written);
}

INSTANTIATE_TEST_SUITE_P(All, ZabTranscript, testing::ValuesIn(transcripts()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace vivarium::zab_test
