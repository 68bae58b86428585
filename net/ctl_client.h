// A ZooKeeper client for one session: connects to one server after the other, keeps the session
// with pings, moves it (with its watches and identities) when a server is lost. Nothing here
// blocks: whoever owns the Client polls waits(), calls work() and takes what has arrived. Requests
// are answered in order; when a connection ends, those that were sent fail with kConnectionLoss.
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/wire/codes.h"
#include "disk/fd.h"
#include "net/ctl_servers.h"
#include "net/resolver.h"
#include "net/socket_address.h"

namespace vivarium::ctl {

struct ClientOptions {
  Servers servers;
  int32_t timeout_ms = 30000;
  bool read_only = false;  // a server without a leader will do
};

enum class ClientState { Connecting, Connected, ConnectedReadOnly, AuthFailed, Closed };
const char* name_of(ClientState state);  // ZooKeeper's: "CONNECTING"

inline constexpr int32_t kAuthFailed = static_cast<int32_t>(ErrorCode::AuthFailed);

struct Reply {
  int32_t error = 0;
  Bytes body;  // empty when there is an error
};

// A watch that fired (paths as the servers know them), or a change of state (type -1).
struct ClientEvent {
  int32_t state = 0;
  int32_t type = -1;
  std::string path;
  int64_t zxid = -1;
};

enum class WatchKind { Data, Exist, Child, Persistent, PersistentRecursive };
inline constexpr size_t kWatchKinds = 5;

class Client {
 public:
  Client(ClientOptions options, int64_t now_ms);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // What to poll for, and for how long at most.
  std::array<pollfd, 2> waits() const;
  int wait_ms(int64_t now_ms) const;
  // Does what can be done now.
  void work(int64_t now_ms);

  // Queues a request; the number is for take(). Fails at once when the session is over.
  int32_t submit(Op op, Bytes body);
  std::optional<Reply> take(int32_t xid);
  std::vector<ClientEvent> take_events();
  // Identities go to every server that this session meets.
  int32_t add_auth(std::string scheme, Bytes auth);
  // Watches are told again to the next server.
  void watch(WatchKind kind, std::string path);
  bool unwatch(WatchKind kind, const std::string& path);
  bool watches(WatchKind kind, const std::string& path) const;

  // Ends it here; the server's session ends when it expires.
  void give_up();

  ClientState state() const { return state_; }
  bool alive() const { return state_ != ClientState::Closed && state_ != ClientState::AuthFailed; }
  // A server after the other, all of them, has been tried in vain.
  bool tried_all() const { return failures_ >= options_.servers.members.size(); }
  // Why the last connection ended or could not be made, "host:port: ..."; empty: none did.
  const std::string& trouble() const { return trouble_; }
  SessionId session() const { return session_; }
  const Servers& servers() const { return options_.servers; }

 private:
  enum class Link { None, Resolving, Connecting, Greeting, Open };
  struct Pending {
    int32_t xid = 0;
    Op op{};
  };

  const Address& server() const { return options_.servers.members[current_]; }
  void try_next(int64_t now_ms);
  void resolved(int64_t now_ms);
  void connect_next(int64_t now_ms, const std::string& before);
  void finish_connect(int64_t now_ms);
  void greet(int64_t now_ms);
  void welcomed(ByteView frame, int64_t now_ms);
  void restore_identities_and_watches();
  void read_all(int64_t now_ms);
  void write_all(int64_t now_ms);
  // nullptr, or what makes no sense about the frame.
  const char* take_frame(ByteView frame, int64_t now_ms);
  const char* take_event(ByteView body, int64_t zxid);
  const char* take_reply(ByteView frame);
  void check_time(int64_t now_ms);
  void lose(const std::string& why, int64_t now_ms);
  void end(ClientState state, int32_t error);
  void fail_pending(int32_t error);
  void forget_fired(int32_t type, const std::string& path);
  void put_frame(int32_t xid, Op op, ByteView body);
  void tell(int32_t state) { events_.push_back({state, -1, "", -1}); }

  ClientOptions options_;
  ClientState state_ = ClientState::Connecting;
  Link link_ = Link::None;
  Resolver resolver_;
  uint32_t lookups_ = 0;
  Fd socket_;
  std::vector<SocketAddress> addresses_;  // of server() not yet tried
  size_t current_ = 0;
  size_t failures_ = 0;  // servers in a row without a session
  int64_t next_try_ms_ = 0;
  int64_t deadline_ms_ = 0;  // of an attempt
  int64_t heard_ms_ = 0;
  int64_t sent_ms_ = 0;
  std::string trouble_;

  SessionId session_;
  Bytes password_;
  int32_t granted_ms_ = 0;
  int64_t last_zxid_ = 0;
  int32_t next_xid_ = 1;
  Bytes in_;
  Bytes out_;
  std::deque<Pending> sent_;                      // in out_ or on their way
  std::deque<std::pair<Pending, Bytes>> queued_;  // until there is a session
  std::map<int32_t, Reply> replies_;
  std::vector<ClientEvent> events_;
  std::vector<std::pair<std::string, Bytes>> identities_;
  std::array<std::set<std::string>, kWatchKinds> watches_;
};

}  // namespace vivarium::ctl
