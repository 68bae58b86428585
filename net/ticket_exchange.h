// TicketExchange: the server's side of SASL GSSAPI (RFC 4752) with one client: its ticket, the
// offer of no layer, and its consent. By the library of GSS-API itself and not by Cyrus' module,
// which any stranger can crash (docs/decisions.md, 80). A step computes and waits for nothing.
#pragma once

#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/world.h"

namespace vivarium {

class TicketExchange {
 public:
  // `credentials`: KerberosKeys::credentials(), which has to outlive it.
  explicit TicketExchange(const void* credentials);
  ~TicketExchange();
  TicketExchange(const TicketExchange&) = delete;
  TicketExchange& operator=(const TicketExchange&) = delete;

  // Continue with a token, or Done with the principal as `user`. Error: why not; the exchange is
  // over then.
  Result<SaslAnswer> step(ByteView token);

 private:
  struct Handles;
  enum class Stage : uint8_t { Ticket, Silence, Consent };

  Result<SaslAnswer> accept(ByteView token);
  Result<SaslAnswer> offer();
  Result<SaslAnswer> take_consent(ByteView token);

  std::unique_ptr<Handles> handles_;
  Stage stage_ = Stage::Ticket;
  std::string principal_;
};

}  // namespace vivarium
