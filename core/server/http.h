// HTTP/1.1 as far as operators' tools speak it: requests out of bytes that anybody may have sent,
// and answers. Strict where laxness has been abused (RFC 9112 section 11): no folded headers, one
// length, no transfer codings, and limits on everything. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace vivarium {

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;
  std::string authorization;  // the header's value; empty: there is none
  std::string body;
  bool keep_alive = false;
  bool chunks = false;  // the client reads chunked answers (1.1)

  // The first value of the query's key, or null.
  const std::string* value_of(std::string_view key) const;
};

enum class HttpVerdict : uint8_t {
  NeedMore,
  Ok,
  Bad  // answered with `status` and the end of the connection
};

struct HttpParsed {
  HttpVerdict verdict = HttpVerdict::NeedMore;
  int status = 400;
  size_t used = 0;  // bytes of the request
};

inline constexpr size_t kHttpHeadMax = 8 << 10;
inline constexpr size_t kHttpBodyMax = 8 << 10;

// The request at the front of `in`. Needs no more than kHttpHeadMax + kHttpBodyMax bytes for a
// verdict. Bytes behind `used` are the next request's.
HttpParsed parse_http_request(std::string_view in, HttpRequest& request);

// Statuses that more than one file answers with.
inline constexpr int kHttpBadRequest = 400;
inline constexpr int kHttpTooLarge = 413;
inline constexpr int kHttpNotImplemented = 501;

std::string_view http_reason(int status);

struct HttpAnswer {
  int status = 200;
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};
// Head and body. `with_body` false for HEAD: the length alone.
void append_http_answer(const HttpAnswer& answer, std::string_view body, bool keep_alive,
                        bool with_body, Bytes& out);
// The head of an answer of unknown length: in chunks, or ended by the end of the connection.
void append_http_head(const HttpAnswer& answer, bool in_chunks, bool keep_alive, Bytes& out);
// The head of an answer whose body of so many bytes follows by itself.
void append_http_head_of(const HttpAnswer& answer, uint64_t bytes, bool keep_alive, Bytes& out);
void append_http_chunk(std::string_view body, Bytes& out);
void append_http_end_of_chunks(Bytes& out);

}  // namespace vivarium
