#include "core/server/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace vivarium {
namespace {

constexpr size_t kTargetMax = 2 << 10;
constexpr size_t kHeadersMax = 64;
constexpr size_t kQueryMax = 32;

constexpr int kTargetTooLong = 414;
constexpr int kHeadTooLarge = 431;
constexpr int kVersionNotSupported = 505;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is(std::string_view text, std::string_view lower_word) {
  return text.size() == lower_word.size() &&
         std::equal(text.begin(), text.end(), lower_word.begin(),
                    [](char a, char b) { return lower(a) == b; });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

// Visible characters, blanks, and bytes above ASCII, which nobody here looks at.
bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string_view without_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char l = lower(c);
  if (l >= 'a' && l <= 'f') return static_cast<unsigned>(l - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (text.size() - i < 3) return std::nullopt;
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    }
  }
  return out;
}

bool take_query(std::string_view query, HttpRequest& request) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const std::string_view key = pair.substr(0, pair.find('='));
    const std::string_view value =
        key.size() == pair.size() ? std::string_view() : pair.substr(key.size() + 1);
    const auto plain_key = decoded(key, true);
    const auto plain_value = decoded(value, true);
    if (!plain_key || !plain_value || request.query.size() == kQueryMax) return false;
    request.query.emplace_back(*plain_key, *plain_value);
  }
  return true;
}

// A line without its end (\r\n or \n), or nothing when it is not whole.
std::optional<std::string_view> take_line(std::string_view& in) {
  const size_t end = in.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = in.substr(0, end);
  in.remove_prefix(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// METHOD SP target SP version. 0, or the status of a refusal.
int take_request_line(std::string_view line, HttpRequest& request) {
  const std::string_view method = line.substr(0, line.find(' '));
  if (!is_token(method) || method.size() > 16 || method.size() == line.size())
    return kHttpBadRequest;
  line.remove_prefix(method.size() + 1);
  const std::string_view target = line.substr(0, line.find(' '));
  if (target.size() > kTargetMax) return kTargetTooLong;
  if (target.empty() || target.front() != '/' || target.size() == line.size())
    return kHttpBadRequest;
  const std::string_view version = line.substr(target.size() + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return version.starts_with("HTTP/") ? kVersionNotSupported : kHttpBadRequest;
  }
  if (!is_field_value(target)) return kHttpBadRequest;
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  const auto plain = decoded(path, false);
  if (!plain) return kHttpBadRequest;
  request.method = method;
  request.path = *plain;
  request.chunks = version == "HTTP/1.1";
  request.keep_alive = request.chunks;
  std::string_view query = target.substr(path.size());
  if (query.starts_with('?')) {
    query.remove_prefix(1);
    if (!take_query(query.substr(0, query.find('#')), request)) return kHttpBadRequest;
  }
  return 0;
}

struct Headers {
  size_t count = 0;
  bool host = false;
  bool authorized = false;
  std::optional<size_t> length;
};

std::optional<size_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 12) return std::nullopt;
  size_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<size_t>(c - '0');
  }
  return value;
}

int take_header(std::string_view line, Headers& headers, HttpRequest& request) {
  if (++headers.count > kHeadersMax) return kHeadTooLarge;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return kHttpBadRequest;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = without_blanks(line.substr(colon + 1));
  if (!is_token(name) || !is_field_value(value)) return kHttpBadRequest;
  if (is(name, "transfer-encoding")) return kHttpNotImplemented;
  if (is(name, "host")) {
    if (headers.host) return kHttpBadRequest;
    headers.host = true;
  } else if (is(name, "content-length")) {
    const auto length = parse_length(value);
    if (!length || headers.length) return kHttpBadRequest;
    headers.length = length;
  } else if (is(name, "authorization")) {
    if (headers.authorized) return kHttpBadRequest;
    headers.authorized = true;
    request.authorization = value;
  } else if (is(name, "connection")) {
    std::string_view options = value;
    while (!options.empty()) {
      const std::string_view option = options.substr(0, options.find(','));
      options.remove_prefix(std::min(option.size() + 1, options.size()));
      if (is(without_blanks(option), "close")) request.keep_alive = false;
      if (is(without_blanks(option), "keep-alive") && !request.chunks) request.keep_alive = true;
    }
  }
  return 0;
}

HttpParsed bad(int status) { return {HttpVerdict::Bad, status, 0}; }

void append(std::string_view text, Bytes& out) { append_bytes(out, as_bytes(text)); }

}  // namespace

const std::string* HttpRequest::value_of(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return &value;
  }
  return nullptr;
}

HttpParsed parse_http_request(std::string_view in, HttpRequest& request) {
  request = HttpRequest();
  std::string_view rest = in.substr(0, std::min(in.size(), kHttpHeadMax));
  const bool cut = in.size() > rest.size();
  const HttpParsed unfinished = cut ? bad(kHeadTooLarge) : HttpParsed{};
  // Empty lines in front of a request are passed over, as RFC 9112 asks.
  auto line = take_line(rest);
  while (line && line->empty()) line = take_line(rest);
  if (!line) return unfinished;
  if (const int status = take_request_line(*line, request); status != 0) return bad(status);
  Headers headers;
  for (;;) {
    line = take_line(rest);
    if (!line) return unfinished;
    if (line->empty()) break;
    if (const int status = take_header(*line, headers, request); status != 0) return bad(status);
  }
  if (request.chunks && !headers.host) return bad(kHttpBadRequest);
  const size_t head = in.substr(0, std::min(in.size(), kHttpHeadMax)).size() - rest.size();
  const size_t body = headers.length.value_or(0);
  if (body > kHttpBodyMax) return bad(kHttpTooLarge);
  if (in.size() - head < body) return {};
  request.body = in.substr(head, body);
  return {HttpVerdict::Ok, 0, head + body};
}

std::string_view http_reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

namespace {

// Nothing here is to be kept, framed or guessed at by a browser.
void append_common(const HttpAnswer& answer, bool keep_alive, Bytes& out) {
  append(fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\nConnection: {}\r\n",
                     answer.status, http_reason(answer.status), answer.content_type,
                     keep_alive ? "keep-alive" : "close"),
         out);
  for (const auto& [name, value] : answer.headers) {
    append(fmt::format("{}: {}\r\n", name, value), out);
  }
}

}  // namespace

void append_http_head_of(const HttpAnswer& answer, uint64_t bytes, bool keep_alive, Bytes& out) {
  append_common(answer, keep_alive, out);
  append(fmt::format("Content-Length: {}\r\n\r\n", bytes), out);
}

void append_http_answer(const HttpAnswer& answer, std::string_view body, bool keep_alive,
                        bool with_body, Bytes& out) {
  append_http_head_of(answer, body.size(), keep_alive, out);
  if (with_body) append(body, out);
}

void append_http_head(const HttpAnswer& answer, bool in_chunks, bool keep_alive, Bytes& out) {
  append_common(answer, keep_alive, out);
  append(in_chunks ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n", out);
}

void append_http_chunk(std::string_view body, Bytes& out) {
  if (body.empty()) return;  // would be the end
  append(fmt::format("{:x}\r\n", body.size()), out);
  append(body, out);
  append("\r\n", out);
}

void append_http_end_of_chunks(Bytes& out) { append("0\r\n\r\n", out); }

}  // namespace vivarium
