#include "net/ctl_words.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "net/ctl_session.h"
#include "net/socket_address.h"

namespace vivarium::ctl {
namespace {

constexpr size_t kAnswerBytesMax = size_t{4} << 20;
constexpr std::string_view kNoAnswer = "no answer in time";

// Bytes to and from one server, until a point in time.
class Line {
 public:
  static Result<Line> open(const Address& address, int64_t timeout_ms) {
    Result<std::vector<SocketAddress>> found = resolve(address);
    if (!found) return tl::unexpected<Error>(found.error());
    std::string why = "no address";
    for (const SocketAddress& one : *found) {
      Result<Line> line = connect(one, now_ms() + timeout_ms);
      if (line) return line;
      why = line.error().message;
    }
    return fail(why);
  }

  Result<void> send(ByteView bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return fail(std::string(kNoAnswer));
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return fail(std::strerror(errno));
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  // Appends what comes next; false at the end.
  Result<bool> receive(Bytes& in) {
    for (;;) {
      if (!wait(POLLIN)) return fail(std::string(kNoAnswer));
      std::array<Byte, 16384> chunk;
      const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return fail(std::strerror(errno));
      append_bytes(in, ByteView(chunk.data(), static_cast<size_t>(n)));
      if (in.size() > kAnswerBytesMax) return fail("an answer without end");
      return n > 0;
    }
  }

 private:
  Line(Fd fd, int64_t deadline) : fd_(std::move(fd)), deadline_(deadline) {}

  static Result<Line> connect(const SocketAddress& address, int64_t deadline) {
    Result<Fd> fd = begin_connect(address);
    if (!fd) return fail(std::strerror(errno));
    Line line(std::move(*fd), deadline);
    if (!line.wait(POLLOUT)) return fail("no connection in time");
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(line.fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return fail(std::strerror(error));
    return line;
  }

  bool wait(short events) {
    for (;;) {
      pollfd one{fd_.get(), events, 0};
      const int64_t left = std::max<int64_t>(deadline_ - now_ms(), 0);
      const int ready = ::poll(&one, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      return ready == 1;
    }
  }

  Fd fd_;
  int64_t deadline_;
};

Bytes framed(ByteView body) {
  Bytes frame;
  JuteWriter(frame).buffer(body);
  return frame;
}

// The next frame's bytes, without its length; `in` may hold more afterwards.
Result<Bytes> next_frame(Line& line, Bytes& in) {
  for (;;) {
    const size_t length = in.size() >= 4 ? get_u32(in.data()) : 0;
    if (length > kAnswerBytesMax) return fail("its answer makes no sense");
    if (in.size() >= 4 && in.size() - 4 >= length) {
      const auto end = in.begin() + 4 + static_cast<std::ptrdiff_t>(length);
      Bytes frame(in.begin() + 4, end);
      in.erase(in.begin(), end);
      return frame;
    }
    const Result<bool> more = line.receive(in);
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return fail("it closed the connection without a session");
  }
}

Bytes request(int32_t xid, Op op) {
  RequestHeader header;
  header.xid = xid;
  header.type = static_cast<int32_t>(op);
  Bytes body;
  encode(header, body);
  return framed(body);
}

}  // namespace

Result<std::string> ask_word(const Address& address, std::string_view word, int64_t timeout_ms) {
  Result<Line> line = Line::open(address, timeout_ms);
  if (!line) return tl::unexpected<Error>(line.error());
  if (Result<void> sent = line->send(as_bytes(word)); !sent) {
    return tl::unexpected<Error>(sent.error());
  }
  Bytes in;
  for (;;) {
    const Result<bool> more = line->receive(in);
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) break;
  }
  if (in.empty()) return fail(fmt::format("no answer to {}", word));
  return std::string(as_text(in));
}

Result<Greeting> ask_session(const Address& address, int64_t timeout_ms) {
  Result<Line> line = Line::open(address, timeout_ms);
  if (!line) return tl::unexpected<Error>(line.error());
  const Bytes no_password(16);
  ConnectRequest connect;
  connect.timeout_ms = static_cast<int32_t>(std::clamp<int64_t>(timeout_ms, 1, INT32_MAX));
  connect.password = no_password;
  connect.has_read_only = true;
  connect.read_only = true;
  Bytes body;
  encode(connect, body);
  if (Result<void> sent = line->send(framed(body)); !sent) {
    return tl::unexpected<Error>(sent.error());
  }
  Bytes in;
  const Result<Bytes> welcome = next_frame(*line, in);
  if (!welcome) return tl::unexpected<Error>(welcome.error());
  const std::optional<ConnectResponse> response = decode_connect_response(*welcome);
  if (!response || response->timeout_ms <= 0) return fail("its answer makes no sense");
  // Closing tells the zxid too; a session left behind would be one until it expires.
  if (Result<void> sent = line->send(request(1, Op::CloseSession)); !sent) {
    return tl::unexpected<Error>(sent.error());
  }
  const Result<Bytes> goodbye = next_frame(*line, in);
  Greeting greeting;
  greeting.read_only = response->read_only;
  if (!goodbye) return greeting;
  if (const std::optional<ReplyHeader> header = decode_reply_header(*goodbye)) {
    greeting.zxid = header->zxid;
  }
  return greeting;
}

}  // namespace vivarium::ctl
