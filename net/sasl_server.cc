#include "net/sasl_server.h"

#include <fmt/format.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

// As ZooKeeper's clients know the server, whatever its name is.
constexpr const char* kService = "zookeeper";
constexpr const char* kServer = "zk-sasl-md5";
constexpr const char* kMechanism = "DIGEST-MD5";
constexpr const char* kLookup = "vivarium";
constexpr size_t kTokenBytesMax = 4096;
constexpr size_t kTicketBytesMax = 64 << 10;  // the groups of a domain's user are in it

// The library calls back without saying for whom.
const SaslUsers* users_in_force = nullptr;

int option(void*, const char*, const char* name, const char** value, unsigned* length) {
  constexpr std::pair<std::string_view, const char*> kOptions[] = {
      {"auxprop_plugin", kLookup}, {"mech_list", kMechanism}, {"pwcheck_method", "auxprop"}};
  for (const auto& [known, answer] : kOptions) {
    if (known != name) continue;
    *value = answer;
    if (length != nullptr) *length = static_cast<unsigned>(std::strlen(answer));
    return SASL_OK;
  }
  return SASL_FAIL;
}

// What went wrong is the client's to hear in one word; the library's own lines go nowhere.
int keep_quiet(void*, int, const char*) { return SASL_OK; }

const sasl_callback_t kCallbacks[] = {
    {SASL_CB_GETOPT, reinterpret_cast<int (*)()>(reinterpret_cast<void*>(&option)), nullptr},
    {SASL_CB_LOG, reinterpret_cast<int (*)()>(reinterpret_cast<void*>(&keep_quiet)), nullptr},
    {SASL_CB_LIST_END, nullptr, nullptr}};

int look_up(void*, sasl_server_params_t* params, unsigned flags, const char* user,
            unsigned length) {
  std::string_view name(user, length);
  name = name.substr(0, name.find('@'));
  if (users_in_force == nullptr) return SASL_NOUSER;
  const auto user_of = [&](const auto& one) { return one.first == name; };
  const auto known = std::find_if(users_in_force->begin(), users_in_force->end(), user_of);
  if (known == users_in_force->end()) return SASL_NOUSER;
  const sasl_utils_t* utils = params->utils;
  const std::string& password = known->second.reveal();
  for (const propval* wanted = utils->prop_get(params->propctx);
       wanted != nullptr && wanted->name != nullptr; ++wanted) {
    // Names with a star are of the identity that proves itself, others of the one it acts for.
    const bool of_prover = wanted->name[0] == '*';
    if (of_prover == ((flags & SASL_AUXPROP_AUTHZID) != 0)) continue;
    const char* plain_name = wanted->name + (of_prover ? 1 : 0);
    if (std::string_view(plain_name) != SASL_AUX_PASSWORD_PROP) continue;
    utils->prop_erase(params->propctx, wanted->name);
    utils->prop_set(params->propctx, wanted->name, password.c_str(),
                    static_cast<int>(password.size()));
  }
  return SASL_OK;
}

int offer_lookup(const sasl_utils_t*, int, int* version, sasl_auxprop_plug_t** plug, const char*) {
  static sasl_auxprop_plug_t lookup = {};
  lookup.name = const_cast<char*>(kLookup);
  lookup.auxprop_lookup = look_up;
  *version = SASL_AUXPROP_PLUG_VERSION;
  *plug = &lookup;
  return SASL_OK;
}

// What a client or a ticket brought may be in it.
std::string printable(std::string_view text) {
  constexpr size_t kBytesMax = 300;
  std::string out(text.substr(0, kBytesMax));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(out.begin(), out.end(), is_control, '?');
  return out;
}

}  // namespace

struct SaslServer::Exchange {
  ~Exchange() { sasl_dispose(&connection); }
  sasl_conn_t* connection = nullptr;
  bool begun = false;
};

Result<std::unique_ptr<SaslServer>> SaslServer::make(SaslLogin login, KerberosNaming naming,
                                                     LogSink log) {
  if (login.kerberos) {
    Result<std::unique_ptr<KerberosKeys>> keys = KerberosKeys::read(*login.kerberos);
    if (!keys) return tl::unexpected<Error>(keys.error());
    return std::unique_ptr<SaslServer>(
        new SaslServer(std::move(*keys), std::move(naming), std::move(log)));
  }
  CHECK(users_in_force == nullptr);
  const auto cannot = [](const char* what, int code) {
    return fail(std::string("SASL cannot be set up: ") + what + ": " +
                sasl_errstring(code, nullptr, nullptr));
  };
  if (const int code = sasl_server_init(kCallbacks, "vivariumd"); code != SASL_OK) {
    return cannot("the library", code);
  }
  if (const int code = sasl_auxprop_add_plugin(kLookup, offer_lookup); code != SASL_OK) {
    return cannot("the users", code);
  }
  std::unique_ptr<SaslServer> server(new SaslServer(std::move(login.users)));
  Exchange probe;
  if (const int code = sasl_server_new(kService, kServer, nullptr, nullptr, nullptr, nullptr, 0,
                                       &probe.connection);
      code != SASL_OK) {
    return cannot("a connection", code);
  }
  const char* offered = nullptr;
  if (sasl_listmech(probe.connection, nullptr, "", " ", "", &offered, nullptr, nullptr) !=
          SASL_OK ||
      std::strstr(offered, kMechanism) == nullptr) {
    return fail("SASL cannot be set up: the module of DIGEST-MD5 is missing (libsasl2-modules)");
  }
  return server;
}

SaslServer::SaslServer(SaslUsers users) : users_(std::move(users)) { users_in_force = &users_; }

SaslServer::SaslServer(std::unique_ptr<KerberosKeys> keys, KerberosNaming naming, LogSink log)
    : keys_(std::move(keys)), naming_(std::move(naming)), log_(std::move(log)) {
  CHECK(keys_ != nullptr);
}

SaslServer::~SaslServer() {
  exchanges_.clear();
  tickets_.clear();
  if (keys_ != nullptr) return;
  users_in_force = nullptr;
  sasl_server_done();
}

std::string SaslServer::summary() const {
  if (keys_ == nullptr) return fmt::format("{}, {} users", kMechanism, users_.size());
  return fmt::format("GSSAPI as {}, {} keys of {}", keys_->principal(), keys_->count(),
                     keys_->keytab());
}

void SaslServer::forget(LinkId link) {
  exchanges_.erase(link);
  tickets_.erase(link);
}

SaslAnswer SaslServer::step(LinkId link, ByteView token) {
  if (keys_ == nullptr) return step_by_password(link, token);
  Result<SaslAnswer> answer = step_by_ticket(link, token);
  if (!answer || answer->state != SaslAnswer::State::Continue) tickets_.erase(link);
  if (answer) return std::move(*answer);
  if (log_) log_(LogLevel::Info, "GSSAPI refused a client: " + printable(answer.error().message));
  return SaslAnswer{SaslAnswer::State::Failed, {}, {}};
}

Result<SaslAnswer> SaslServer::step_by_ticket(LinkId link, ByteView token) {
  if (token.size() > kTicketBytesMax) return fail("its token is too long");
  std::unique_ptr<TicketExchange>& exchange = tickets_[link];
  if (exchange == nullptr) exchange = std::make_unique<TicketExchange>(keys_->credentials());
  Result<SaslAnswer> answer = exchange->step(token);
  if (!answer || answer->state != SaslAnswer::State::Done) return answer;
  Result<std::string> id = sasl_id_of(answer->user, naming_, keys_->realm());
  if (!id) return fail(fmt::format("{}: {}", answer->user, id.error().message));
  answer->user = std::move(*id);
  return answer;
}

SaslAnswer SaslServer::step_by_password(LinkId link, ByteView token) {
  const auto failed = [&] {
    exchanges_.erase(link);
    return SaslAnswer{SaslAnswer::State::Failed, {}, {}};
  };
  if (token.size() > kTokenBytesMax) return failed();
  std::unique_ptr<Exchange>& exchange = exchanges_[link];
  if (exchange == nullptr) {
    exchange = std::make_unique<Exchange>();
    if (sasl_server_new(kService, kServer, nullptr, nullptr, nullptr, nullptr, SASL_SUCCESS_DATA,
                        &exchange->connection) != SASL_OK) {
      return failed();
    }
    // Neither signed nor sealed packets: TLS is for that.
    sasl_security_properties_t properties = {};
    properties.maxbufsize = 0xffff;
    sasl_setprop(exchange->connection, SASL_SEC_PROPS, &properties);
  }
  const char* in = token.empty() ? nullptr : reinterpret_cast<const char*>(token.data());
  const auto in_size = static_cast<unsigned>(token.size());
  const char* out = nullptr;
  unsigned out_size = 0;
  const int code =
      std::exchange(exchange->begun, true)
          ? sasl_server_step(exchange->connection, in, in_size, &out, &out_size)
          : sasl_server_start(exchange->connection, kMechanism, in, in_size, &out, &out_size);
  if (code != SASL_OK && code != SASL_CONTINUE) return failed();
  SaslAnswer answer;
  answer.state = code == SASL_OK ? SaslAnswer::State::Done : SaslAnswer::State::Continue;
  if (out != nullptr) append_bytes(answer.token, as_bytes(std::string_view(out, out_size)));
  if (code == SASL_OK) {
    const void* user = nullptr;
    if (sasl_getprop(exchange->connection, SASL_USERNAME, &user) != SASL_OK || user == nullptr) {
      return failed();
    }
    answer.user = static_cast<const char*>(user);
    exchanges_.erase(link);
  }
  return answer;
}

}  // namespace vivarium
