#include "sim/admin_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace vivarium::sim {
namespace {

constexpr std::string_view kNobody = "This ZooKeeper instance is not currently serving requests";
constexpr std::string_view kModes[] = {"standalone", "leader", "follower", "observer", "read-only"};

bool is_mode(std::string_view text) {
  return std::find(std::begin(kModes), std::end(kModes), text) != std::end(kModes);
}

std::optional<uint64_t> number_of(std::string_view text, int base = 10) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || at != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<uint64_t> hex_of(std::string_view text) {
  if (text.substr(0, 2) != "0x") return std::nullopt;
  return number_of(text.substr(2), 16);
}

// nullopt: the last one has no end.
std::optional<std::vector<std::string_view>> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

// --- words

// srvr, and the end of stat: "Name: value".
Result<AdminAnswer> read_server_lines(const std::vector<std::string_view>& lines) {
  AdminAnswer answer;
  size_t known = 0;
  for (const std::string_view line : lines) {
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 2);
    if (name == "Zxid") {
      const std::optional<uint64_t> zxid = hex_of(value);
      if (!zxid) return fail("a zxid that is no number");
      answer.zxid = Zxid(*zxid);
    } else if (name == "Mode") {
      if (!is_mode(value)) return fail(fmt::format("a mode \"{}\"", value));
      answer.mode = value;
    } else if (name == "Received" || name == "Sent" || name == "Connections" ||
               name == "Outstanding" || name == "Node count") {
      if (!number_of(value)) return fail(fmt::format("{} is no number", name));
      ++known;
    }
  }
  if (known != 5 || !answer.zxid || answer.mode.empty()) return fail("lines are missing");
  return answer;
}

Result<AdminAnswer> read_monitor(const std::vector<std::string_view>& lines) {
  AdminAnswer answer;
  for (const std::string_view line : lines) {
    const size_t tab = line.find('\t');
    if (line.substr(0, 3) != "zk_" || tab == std::string_view::npos || tab + 1 == line.size()) {
      return fail(fmt::format("a line \"{}\"", line));
    }
    if (line.substr(0, tab) == "zk_server_state") answer.mode = line.substr(tab + 1);
  }
  if (!is_mode(answer.mode)) return fail("no state");
  return answer;
}

bool all_pairs(const std::vector<std::string_view>& lines, std::string_view between) {
  return std::all_of(lines.begin(), lines.end(), [&](std::string_view line) {
    return line.find(between) != std::string_view::npos;
  });
}

bool ends_well(std::string_view word, const std::vector<std::string_view>& lines) {
  if (word == "dirs") return lines.size() == 2 && all_pairs(lines, "dir_size: ");
  if (word == "wchs") return lines.size() == 2 && lines[1].substr(0, 14) == "Total watches:";
  if (word == "crst" || word == "srst") return lines.size() == 1 && lines[0].back() == '.';
  if (word == "hash") return all_pairs(lines, ": ");
  if (word == "envi") return !lines.empty() && lines[0] == "Environment:";
  if (word == "dump") return !lines.empty() && lines[0] == "SessionTracker dump:";
  // Listings end with an empty line.
  return !lines.empty() && lines.back().empty();
}

// --- HTTP

struct Http {
  int status = 0;
  std::string_view body;
};

// The answer to a request that asked for the connection's end behind it, all of it.
Result<Http> read_http(std::string_view bytes, std::string& chunks) {
  const size_t head_end = bytes.find("\r\n\r\n");
  if (bytes.substr(0, 9) != "HTTP/1.1 " || head_end == std::string_view::npos) {
    return fail("no HTTP head");
  }
  const std::string_view head = bytes.substr(0, head_end + 2);
  Http http;
  http.status = static_cast<int>(number_of(head.substr(9, 3)).value_or(0));
  http.body = bytes.substr(head_end + 4);
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  if (const size_t at = head.find(kLength); at != std::string_view::npos) {
    const std::string_view rest = head.substr(at + kLength.size());
    if (number_of(rest.substr(0, rest.find('\r'))) != http.body.size()) {
      return fail(fmt::format("{} bytes of a body of another length", http.body.size()));
    }
    return http;
  }
  if (head.find("\r\nTransfer-Encoding: chunked\r\n") == std::string_view::npos) {
    return fail("a body without a length");
  }
  for (std::string_view left = http.body;;) {
    const size_t line = left.find("\r\n");
    const std::optional<uint64_t> size = number_of(left.substr(0, line), 16);
    if (line == std::string_view::npos || !size || left.size() < line + 4 + *size) {
      return fail("a chunk that is not whole");
    }
    if (*size == 0) {
      if (left != "0\r\n\r\n") return fail("more behind the last chunk");
      http.body = chunks;
      return http;
    }
    chunks += left.substr(line + 2, *size);
    left.remove_prefix(line + 4 + *size);
  }
}

// --- JSON

class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {}

  bool read_all(std::map<std::string, std::string>& members) {
    space();
    if (peek() != '{' || !value(members, nullptr)) return false;
    space();
    return at_ == text_.size();
  }

 private:
  static constexpr int kDepthMax = 20;

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    space();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool quoted(std::string& out) {
    if (!take('"')) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
      if (text_[at_] == '\\') ++at_;
      if (at_ < text_.size()) out += text_[at_++];
    }
    return take('"');
  }
  // Of an object or an array, up to `end`.
  template <class One>
  bool list(char end, One&& one) {
    if (++depth_ > kDepthMax) return false;
    ++at_;
    if (!take(end)) {
      do {
        if (!one()) return false;
      } while (take(','));
      if (!take(end)) return false;
    }
    --depth_;
    return true;
  }
  bool value(std::map<std::string, std::string>& members, std::string* out) {
    space();
    if (peek() == '{') {
      return list('}', [&] {
        std::string name;
        std::string simple;
        if (!quoted(name) || !take(':') || !value(members, &simple)) return false;
        members.emplace(std::move(name), std::move(simple));
        return true;
      });
    }
    if (peek() == '[') return list(']', [&] { return value(members, nullptr); });
    std::string simple;
    if (peek() == '"') {
      if (!quoted(simple)) return false;
    } else {
      while (at_ < text_.size() &&
             std::string_view(",]} \n").find(peek()) == std::string_view::npos)
        simple += text_[at_++];
      const bool is_word = simple == "true" || simple == "false" || simple == "null";
      double number = 0;
      const char* const end = simple.data() + simple.size();
      if (!is_word && std::from_chars(simple.data(), end, number).ptr != end) return false;
      if (simple.empty()) return false;
    }
    if (out != nullptr) *out = std::move(simple);
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<std::map<std::string, std::string>> read_json(std::string_view text) {
  std::map<std::string, std::string> members;
  if (!Json(text).read_all(members)) return std::nullopt;
  return members;
}

Result<AdminAnswer> read_word_answer(std::string_view word, std::string_view text) {
  AdminAnswer answer;
  if (text == fmt::format("{} is not executed because it is not in the whitelist.\n", word)) {
    answer.allowed = false;
    return answer;
  }
  if (word == "ruok") {
    if (text == "imok") return answer;
    return fail("not imok");
  }
  if (word == "gtmk") {
    if (number_of(text)) return answer;
    return fail("no number");
  }
  if (word == "isro") {
    answer.serving = text != "null";
    if (text == "rw" || text == "ro" || text == "null") return answer;
    return fail("neither rw nor ro");
  }
  const bool ended = !text.empty() && text.back() == '\n';
  if (text.substr(0, text.size() - (ended ? 1 : 0)) == kNobody) {
    answer.serving = false;
    if (word != "envi" && (ended || word == "hash")) return answer;
    return fail("serves nobody, in a form of its own");
  }
  if (word == "conf") {
    // The configuration at its end has no last line's end.
    if (text.substr(0, 11) == "clientPort=" && text.find("\nserverId=") != text.npos) return answer;
    return fail("lines are missing");
  }
  const std::optional<std::vector<std::string_view>> lines = lines_of(text);
  if (!lines) return fail("its last line is not whole");
  if (word == "srvr" || word == "stat") {
    if (text.substr(0, 19) != "Zookeeper version: ") return fail("no version");
    return read_server_lines(*lines);
  }
  if (word == "mntr") return read_monitor(*lines);
  if (!ends_well(word, *lines)) return fail("it does not end as it should");
  return answer;
}

Result<AdminAnswer> read_http_answer(std::string_view command, std::string_view bytes) {
  std::string chunks;
  const Result<Http> http = read_http(bytes, chunks);
  if (!http) return tl::unexpected(http.error());
  AdminAnswer answer;
  answer.allowed = http->status != 401 && http->status != 403;
  if (answer.allowed && http->status != 200) return fail(fmt::format("status {}", http->status));
  const auto members = read_json(http->body);
  if (!members) return fail("a body that is no JSON");
  const auto value = [&](const std::string& name) {
    const auto found = members->find(name);
    return found == members->end() ? std::string() : found->second;
  };
  if (value("command") != command) return fail("another command's answer");
  if (members->count("error") == 0) return fail("no word of an error");
  answer.serving = value("error") != kNobody;
  answer.mode = value("server_state");
  if (!answer.mode.empty() && !is_mode(answer.mode)) return fail("no such state");
  if (value("is_leader") == "true") answer.mode = "leader";
  if (members->count("last_processed_zxid") != 0) {
    const std::optional<uint64_t> zxid = number_of(value("last_processed_zxid"));
    if (!zxid) return fail("a zxid that is no number");
    answer.zxid = Zxid(*zxid);
  } else if (value("zabstate") == "broadcast") {
    const std::optional<uint64_t> zxid = hex_of(value("last_zxid"));
    if (!zxid) return fail("a zxid that is no number");
    answer.zxid = Zxid(*zxid);
  }
  return answer;
}

}  // namespace vivarium::sim
