// SaslServer: DIGEST-MD5 by Cyrus SASL for the users of a JAAS file, or GSSAPI for those who have a
// ticket for the principal that is named there. A step computes and waits for nothing; what is
// under way is kept per link until forget().
#pragma once

#include <map>
#include <memory>

#include "core/auth_settings.h"
#include "core/base/ids.h"
#include "core/world.h"
#include "net/kerberos_keys.h"
#include "net/logging.h"
#include "net/ticket_exchange.h"

namespace vivarium {

class SaslServer {
 public:
  // The library is the process's: there is one SaslServer at a time. Error: it cannot be set up.
  // With a principal in `login` it is GSSAPI, else DIGEST-MD5. `log` is told why GSSAPI refused a
  // client; it may be unset.
  static Result<std::unique_ptr<SaslServer>> make(SaslLogin login, KerberosNaming naming,
                                                  LogSink log);
  ~SaslServer();
  SaslServer(const SaslServer&) = delete;
  SaslServer& operator=(const SaslServer&) = delete;

  SaslAnswer step(LinkId link, ByteView token);
  void forget(LinkId link);
  // For people: the mechanism, and for whom.
  std::string summary() const;

 private:
  struct Exchange;
  explicit SaslServer(SaslUsers users);
  SaslServer(std::unique_ptr<KerberosKeys> keys, KerberosNaming naming, LogSink log);

  SaslAnswer step_by_password(LinkId link, ByteView token);
  Result<SaslAnswer> step_by_ticket(LinkId link, ByteView token);

  SaslUsers users_;
  std::unique_ptr<KerberosKeys> keys_;  // null: DIGEST-MD5
  KerberosNaming naming_;
  LogSink log_;
  std::map<LinkId, std::unique_ptr<Exchange>> exchanges_;
  std::map<LinkId, std::unique_ptr<TicketExchange>> tickets_;
};

}  // namespace vivarium
