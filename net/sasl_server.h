// SaslServer: DIGEST-MD5 by Cyrus SASL for the users of a JAAS file. A step computes and waits for
// nothing; what is under way is kept per link until forget().
#pragma once

#include <map>
#include <memory>

#include "core/auth_settings.h"
#include "core/base/ids.h"
#include "core/world.h"

namespace vivarium {

class SaslServer {
 public:
  // The library is the process's: there is one SaslServer at a time. Error: it cannot be set up.
  static Result<std::unique_ptr<SaslServer>> make(SaslUsers users);
  ~SaslServer();
  SaslServer(const SaslServer&) = delete;
  SaslServer& operator=(const SaslServer&) = delete;

  SaslAnswer step(LinkId link, ByteView token);
  void forget(LinkId link);

 private:
  struct Exchange;
  explicit SaslServer(SaslUsers users);

  SaslUsers users_;
  std::map<LinkId, std::unique_ptr<Exchange>> exchanges_;
};

}  // namespace vivarium
