// Conversations of clients with a server: tests/transcripts/server/*.txt. A line "> command" is
// carried out, the lines behind it are what clients got. VIVARIUM_UPDATE_TRANSCRIPTS=1 writes them
// anew, to be reviewed as a diff.
//
//   > settings [local] [upgrade] [read-only]           of a member of three; before all else
//   > connect a [timeout=MS] [as=b] [seen=ZXID] [password=wrong] [read-only]   as: asks for b's
//                                                    session; read-only: content with such a server
//   > a create /x [data=D] [ephemeral] [sequential] [xid=N]        likewise create2, set, delete
//   > a get /x [watch]                                 likewise exists, children, children2, sync
//   > a ping | a close | a op 107 | a bytes 00ff | a break
//   > a rearm since=ZXID [data=/x] [exist=/y] [child=/z]           setWatches
//   > a rearm2 since=ZXID ... [persistent=/x] [recursive=/y]       setWatches2
//   > a addwatch /x [mode=0]                           0 persistent, 1 recursive
//   > a checkwatches /x type=N | a removewatches /x type=N
//   > by hand                                          from here on nothing is committed by itself
//   > commit [N] | synced | revalidated                what the ensemble answers
//   > elsewhere a set /x data=D xid=N                  a's session writes through another server
//   > moved a                                          another server owns a's session
//   > pass 500 | stop serving | start serving | start read-only
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "core/wire/jute.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

using Words = std::vector<std::string>;

Words split_words(const std::string& text) {
  std::istringstream in(text);
  return Words(std::istream_iterator<std::string>(in), {});
}

bool has_word(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string setting(const Words& words, const std::string& name, const std::string& otherwise) {
  for (const std::string& word : words) {
    if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
  }
  return otherwise;
}

const std::map<std::string, Op>& verbs() {
  static const std::map<std::string, Op> table = {
      {"create", Op::Create},
      {"create2", Op::Create2},
      {"set", Op::SetData},
      {"delete", Op::Delete},
      {"get", Op::GetData},
      {"exists", Op::Exists},
      {"children", Op::GetChildren},
      {"children2", Op::GetChildren2},
      {"sync", Op::Sync},
      {"ping", Op::Ping},
      {"close", Op::CloseSession},
      {"rearm", Op::SetWatches},
      {"rearm2", Op::SetWatches2},
      {"addwatch", Op::AddWatch},
      {"checkwatches", Op::CheckWatches},
      {"removewatches", Op::RemoveWatches},
  };
  return table;
}

Bytes path_list(const std::string& path) {
  Bytes out;
  JuteWriter writer(out);
  writer.i32(path.empty() ? 0 : 1);
  if (!path.empty()) writer.string(path);
  return out;
}

Bytes request_body(Op op, const Words& words) {
  const std::string path = words.size() > 2 ? words[2] : "";
  const std::string data = setting(words, "data", "");
  Bytes body;
  if (op == Op::Create || op == Op::Create2) {
    CreateRequest record;
    record.path = path;
    record.data = as_bytes(data);
    record.acl = anyone();
    record.flags = (has_word(words, "ephemeral") ? 1 : 0) + (has_word(words, "sequential") ? 2 : 0);
    encode(record, body);
  } else if (op == Op::SetData) {
    const int32_t version = std::stoi(setting(words, "version", "-1"));
    encode(SetDataRequest{path, as_bytes(data), false, version}, body);
  } else if (op == Op::Delete) {
    encode(PathVersionRequest{path, std::stoi(setting(words, "version", "-1"))}, body);
  } else if (op == Op::Sync) {
    encode(SyncRequest{path, false}, body);
  } else if (op == Op::SetWatches || op == Op::SetWatches2) {
    JuteWriter(body).i64(std::stoll(setting(words, "since", "0")));
    for (const char* kind : {"data", "exist", "child"}) {
      append_bytes(body, path_list(setting(words, kind, "")));
    }
    for (const char* kind : {"persistent", "recursive"}) {
      if (op == Op::SetWatches2) append_bytes(body, path_list(setting(words, kind, "")));
    }
  } else if (op == Op::AddWatch || op == Op::CheckWatches || op == Op::RemoveWatches) {
    const bool adds = op == Op::AddWatch;
    const std::string number = setting(words, adds ? "mode" : "type", adds ? "0" : "3");
    encode(PathVersionRequest{path, std::stoi(number)}, body);
  } else if (op != Op::Ping && op != Op::CloseSession) {
    encode(PathWatchRequest{path, has_word(words, "watch")}, body);
  }
  return body;
}

class Conversation {
 public:
  // The transcript with what clients got this time.
  std::string replay(const std::string& transcript) {
    std::string out;
    std::istringstream in(transcript);
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line[0] == '#') out += line + "\n";
      if (line.empty() || line[0] != '>') continue;
      out += line + "\n";
      command(split_words(line.substr(1)));
      host_.settle();
      for (auto& [name, client] : clients_) hear(name, client, out);
    }
    return out;
  }

 private:
  struct Client {
    LinkId link;
    SessionId session;
    int32_t last_xid = 0;
    std::deque<Op> asked;
    bool greeted = false;
    bool ended = false;
  };

  void command(const Words& words) {
    const std::string& verb = words.at(0);
    if (verb == "connect") {
      connect(words);
    } else if (verb == "by") {
      host_.commits_by_itself = false;
    } else if (verb == "commit") {
      host_.commit(words.size() > 1 ? std::stoul(words[1]) : SIZE_MAX);
    } else if (verb == "synced") {
      host_.answer_syncs();
    } else if (verb == "revalidated") {
      host_.answer_revalidations();
    } else if (verb == "elsewhere") {
      elsewhere(Words(words.begin() + 1, words.end()));
    } else if (verb == "moved") {
      host_.tracker().set_owner(clients_.at(words.at(1)).session, ServerId{2});
    } else if (verb == "pass") {
      host_.let_pass(std::stoll(words.at(1)));
    } else if (verb == "stop") {
      host_.stop_serving();
    } else if (verb == "start" && has_word(words, "read-only")) {
      host_.start_read_only();
    } else if (verb == "start") {
      host_.start_serving();
    } else if (verb == "settings") {
      host_.config.local_sessions = has_word(words, "local");
      host_.config.local_sessions_upgrade = has_word(words, "upgrade");
      host_.config.read_only_mode = has_word(words, "read-only");
      for (int64_t id = 1; id <= 3; ++id) host_.config.members.push_back({ServerId{id}, {}, {}});
    } else {
      speak(clients_.at(verb), words);
    }
  }

  void connect(const Words& words) {
    Client& client = clients_[words.at(1)];
    client = Client();
    const std::string as = setting(words, "as", "");
    if (!as.empty()) client.session = clients_.at(as).session;
    std::optional<Bytes> password;
    if (setting(words, "password", "right") == "wrong") password = Bytes(16, 7);
    client.link = host_.open();
    if (host_.end_of(client.link) != LinkEnd::Open) return;
    host_.send_frame(client.link,
                     connect_request(client.session, std::stoi(setting(words, "timeout", "10000")),
                                     Zxid(std::stoull(setting(words, "seen", "0"))), password,
                                     has_word(words, "read-only")));
  }

  void speak(Client& client, const Words& words) {
    const std::string& verb = words.at(1);
    if (verb == "break") {
      host_.break_link(client.link);
      client.ended = true;
    } else if (verb == "bytes") {
      host_.send(client.link, golden::from_hex(words.at(2)));
    } else {
      const bool by_number = verb == "op";
      const Op op = by_number ? static_cast<Op>(std::stoi(words.at(2))) : verbs().at(verb);
      const Bytes body = by_number ? Bytes() : request_body(op, words);
      host_.send_frame(client.link, request(next_xid(client, op, words), op, body));
      client.asked.push_back(op);
    }
  }

  static int32_t next_xid(Client& client, Op op, const Words& words) {
    const std::string given = setting(words, "xid", "");
    if (!given.empty()) client.last_xid = std::stoi(given) - 1;
    return op == Op::Ping ? kXidPing : ++client.last_xid;
  }

  void elsewhere(const Words& words) {
    const Op op = verbs().at(words.at(1));
    const Bytes body = request_body(op, words);
    WriteRequest write;
    write.session = clients_.at(words.at(0)).session;
    write.cxid = std::stoi(setting(words, "xid", "1"));
    write.op = op;
    write.body = body;
    const AuthId from{"ip", "10.0.0.9"};
    write.auth = std::span(&from, 1);
    write.owner = host_.config.id;
    host_.submit(write);
  }

  void hear(const std::string& name, Client& client, std::string& out) {
    for (const Bytes& frame : host_.received(client.link)) {
      out += fmt::format("{}: {}\n", name, describe(client, frame));
    }
    if (client.ended || host_.end_of(client.link) == LinkEnd::Open) return;
    client.ended = true;
    out += fmt::format("{}: end\n", name);
  }

  std::string describe(Client& client, ByteView frame) {
    if (!client.greeted) return greet(client, frame);
    const auto header = decode_reply_header(frame);
    if (!header) return "nonsense";
    JuteReader in(frame.subspan(16));
    if (header->xid == kXidWatchEvent) {
      const auto event = decode_watch_event(in.rest());
      static const std::map<WatchEvent, std::string> names = {
          {WatchEvent::Created, "created"},
          {WatchEvent::Deleted, "deleted"},
          {WatchEvent::DataChanged, "data changed"},
          {WatchEvent::ChildrenChanged, "children changed"}};
      return fmt::format("event zxid={} {} {}", header->zxid, names.at(event.value().type),
                         event->path);
    }
    if (client.asked.empty()) return "unasked";
    const Op op = client.asked.front();
    client.asked.pop_front();
    const std::string head = fmt::format("{}{} zxid={}", header->xid == kXidPing ? "ping " : "#",
                                         header->xid, header->zxid);
    if (header->error != ErrorCode::Ok) {
      return fmt::format("{} error {}", head, static_cast<int32_t>(header->error));
    }
    return head + " ok" + describe_body(op, in);
  }

  std::string greet(Client& client, ByteView frame) {
    const auto response = decode_connect_response(frame);
    client.greeted = true;
    if (!response) return "nonsense";
    if (response->session == SessionId()) return "refused";
    client.session = response->session;
    EXPECT_EQ(response->password, apache_session_password(client.session));
    return fmt::format("session {} timeout={}{}", number_of(client.session), response->timeout_ms,
                       response->read_only ? " read-only" : "");
  }

  std::string describe_body(Op op, JuteReader& in) {
    std::string out;
    if (op == Op::Create || op == Op::Create2 || op == Op::Sync) {
      out += fmt::format(" {}", in.string());
    }
    if (op == Op::GetData) out += fmt::format(" \"{}\"", as_text(in.buffer()));
    if (op == Op::GetChildren || op == Op::GetChildren2) {
      const int32_t count = in.i32();
      std::string names;
      for (int32_t i = 0; i < count; ++i) names += (i == 0 ? "" : " ") + std::string(in.string());
      out += fmt::format(" [{}]", names);
    }
    if (op == Op::AddWatch) out += fmt::format(" error={}", in.i32());
    if (in.left() == 68) out += describe_stat(decode_stat(in.take(68)).value());
    if (!in.ok() || in.left() != 0) out += " and odd bytes";
    return out;
  }

  std::string describe_stat(const Stat& stat) {
    std::string out = fmt::format(" version={} created={} changed={}", stat.version,
                                  stat.czxid.value, stat.mzxid.value);
    if (stat.num_children != 0) out += fmt::format(" children={}", stat.num_children);
    if (stat.ephemeral_owner != 0) {
      out += fmt::format(" owner=session {}", number_of(SessionId{stat.ephemeral_owner}));
    }
    return out;
  }

  size_t number_of(SessionId session) {
    return numbers_.emplace(session, numbers_.size() + 1).first->second;
  }

  ServerHost host_;
  std::map<std::string, Client> clients_;
  std::map<SessionId, size_t> numbers_;
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string> transcripts() {
  std::vector<std::string> names;
  for (const auto& item :
       std::filesystem::directory_iterator(SOURCE_DIR "/tests/transcripts/server")) {
    if (item.path().extension() == ".txt") names.push_back(item.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ServerTranscript : public testing::TestWithParam<std::string> {};

TEST_P(ServerTranscript, GoesAsWritten) {
  const std::filesystem::path path =
      std::filesystem::path(SOURCE_DIR "/tests/transcripts/server") / (GetParam() + ".txt");
  const std::string wanted = text_of(path);
  ASSERT_FALSE(wanted.empty());
  const std::string seen = Conversation().replay(wanted);
  if (std::getenv("VIVARIUM_UPDATE_TRANSCRIPTS") != nullptr) {
    std::ofstream(path) << seen;
    return;
  }
  EXPECT_EQ(seen, wanted);
}

INSTANTIATE_TEST_SUITE_P(All, ServerTranscript, testing::ValuesIn(transcripts()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace vivarium::server_test
