// TLS of the client door: TlsContext is what all connections share, read from the files that the
// settings name and never changed; TlsStream is one connection's end on a non-blocking socket. No
// renegotiation, no compression, no resumption: each connection proves itself anew.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/tls_settings.h"
#include "net/tls_store.h"

namespace vivarium {

// What tells that a file is not the one that was read: replaced, written to, gone.
struct FileMark {
  dev_t device{};
  ino_t number{};
  off_t size = -1;  // there is no such file
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileMark&) const = default;
};
using FileMarks = std::vector<FileMark>;
FileMarks file_marks(const TlsSettings& settings);

class TlsContext {
 public:
  // Reads and checks the files. The error names the file and never the password.
  static Result<std::shared_ptr<const TlsContext>> load(const TlsSettings& settings);

  SSL_CTX* get() const { return context_.get(); }
  const TlsSettings& settings() const { return settings_; }
  // Whose certificate it is and until when, for a line.
  const std::string& summary() const { return summary_; }
  // Of the files before they were read.
  const FileMarks& marks() const { return marks_; }

 private:
  explicit TlsContext(TlsSettings settings) : settings_(std::move(settings)) {}
  Result<void> set_up();
  Result<void> use_keys();
  Result<void> use_trust();
  Result<void> use_ciphers();
  void describe(const X509* certificate);

  TlsSettings settings_;
  std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>> context_;
  std::string summary_;
  FileMarks marks_;
};

class TlsStream {
 public:
  // The socket outlives this.
  TlsStream(const TlsContext& context, int socket);

  enum class Outcome : uint8_t {
    Done,    // bytes > 0 of them, or the handshake is over
    Again,   // when the socket is ready for more
    Ended,   // the other end has closed
    Failed,  // why() says it; nothing passes any more
  };
  struct Passed {
    Outcome outcome{};
    size_t bytes = 0;
  };
  // Also looks at what the certificate says, which clients come from `remote_address`.
  Outcome handshake(std::string_view remote_address);
  Passed read(Byte* out, size_t max);
  // Whether anything but bytes comes next; takes nothing.
  Outcome look_ahead();
  // After Again the same bytes have to come again, more may follow them.
  Passed write(ByteView bytes);
  // Bytes that were taken from the socket and not read yet.
  bool has_pending() const { return SSL_has_pending(ssl_.get()) == 1; }
  // Tells the other end that nothing follows; best effort.
  void say_end();

  // Empty when no certificate was shown.
  const std::string& peer_subject() const { return peer_subject_; }
  const std::string& why() const { return why_; }

 private:
  Outcome outcome_of(int result);
  Outcome failed(std::string why);

  bool check_address_ = false;
  std::unique_ptr<SSL, OpenSslFree<SSL_free>> ssl_;
  std::string peer_subject_;
  std::string why_;
};

}  // namespace vivarium
