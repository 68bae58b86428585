#include "net/ctl_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <utility>

#include "core/base/number.h"

namespace vivarium::ctl {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

const OptionSpec* find_spec(const std::vector<OptionSpec>& specs, std::string_view name) {
  for (const OptionSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

bool is_negative_number(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && parse_i64(word).has_value();
}

// "-sw": flags of one letter each behind one dash.
bool take_flags(std::string_view letters, const std::vector<OptionSpec>& specs, Arguments& out) {
  for (const char& letter : letters) {
    const OptionSpec* spec = find_spec(specs, {&letter, 1});
    if (spec == nullptr || spec->takes_value) return false;
  }
  for (const char letter : letters) out.options[std::string(1, letter)] = "";
  return !letters.empty();
}

// "-v=3", "-v3".
bool take_joined_value(std::string_view body, const std::vector<OptionSpec>& specs,
                       Arguments& out) {
  const size_t equals = body.find('=');
  const std::string_view name = body.substr(0, equals == std::string_view::npos ? 1 : equals);
  const OptionSpec* spec = find_spec(specs, name);
  if (spec == nullptr || !spec->takes_value) return false;
  const size_t value = equals == std::string_view::npos ? 1 : equals + 1;
  if (value >= body.size()) return false;
  out.options[std::string(name)] = std::string(body.substr(value));
  return true;
}

struct ErrorWords {
  int32_t code;
  std::string_view name;
  std::string_view sentence;  // in front of the path; empty: the code's name is told
};
constexpr std::array kErrors = {
    ErrorWords{0, "ok", ""},
    ErrorWords{-1, "SystemError", ""},
    ErrorWords{-2, "RuntimeInconsistency", ""},
    ErrorWords{-3, "DataInconsistency", ""},
    ErrorWords{-4, "ConnectionLoss", ""},
    ErrorWords{-5, "MarshallingError", ""},
    ErrorWords{-6, "Unimplemented", ""},
    ErrorWords{-7, "OperationTimeout", ""},
    ErrorWords{-8, "BadArguments", "Arguments are not valid : "},
    ErrorWords{-13, "NewConfigNoQuorum", ""},
    ErrorWords{-14, "ReconfigInProgress", ""},
    ErrorWords{-100, "APIError", ""},
    ErrorWords{-101, "NoNode", "Node does not exist: "},
    ErrorWords{-102, "NoAuth", "Insufficient permission : "},
    ErrorWords{-103, "BadVersion", "version No is not valid : "},
    ErrorWords{-108, "NoChildrenForEphemerals", "Ephemerals cannot have children: "},
    ErrorWords{-110, "NodeExists", "Node already exists: "},
    ErrorWords{-111, "Directory not empty", "Node not empty: "},
    ErrorWords{-112, "Session expired", ""},
    ErrorWords{-113, "Invalid callback", ""},
    ErrorWords{-114, "InvalidACL", "Acl is not valid : "},
    ErrorWords{-115, "AuthFailed", ""},
    ErrorWords{-118, "Session moved", ""},
    ErrorWords{-119, "Not a read-only call", "Not a read-only call: "},
    ErrorWords{-120, "Ephemeral node on local session", ""},
    ErrorWords{-121, "No such watcher", ""},
    ErrorWords{-122, "Request timeout", ""},
    ErrorWords{-123, "Reconfig is disabled", ""},
    ErrorWords{-124, "Session closed because client failed to authenticate", ""},
    ErrorWords{-125, "Quota has exceeded", "Quota has exceeded : "},
    ErrorWords{-127, "Op throttled due to high load", ""},
};

const ErrorWords* words_of(int32_t error) {
  for (const ErrorWords& words : kErrors) {
    if (words.code == error) return &words;
  }
  return nullptr;
}

// The code point at `at`, which moves behind it; bytes that are no UTF-8 read as U+FFFD.
uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 0;
  if (more == 0 || first > 0xF4 || at + more > text.size()) return 0xFFFD;
  uint32_t point = first & (0x3FU >> more);
  for (size_t i = 0; i < more; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return 0xFFFD;
    point = point << 6 | (byte(at + i) & 0x3FU);
  }
  at += more;
  return point;
}

bool is_forbidden(uint32_t c) {
  return c <= 0x1F || (c >= 0x7F && c <= 0x9F) || (c >= 0xD800 && c <= 0xF8FF) || c >= 0xFFF0;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string state_name(int32_t state) {
  switch (state) {
    case 0:
      return "Disconnected";
    case 3:
      return "SyncConnected";
    case 4:
      return "AuthFailed";
    case 5:
      return "ConnectedReadOnly";
    case 6:
      return "SaslAuthenticated";
    case 7:
      return "Closed";
    case -112:
      return "Expired";
    default:
      return fmt::format("{}", state);
  }
}

std::string type_name(int32_t type) {
  constexpr std::array names = {"None",
                                "NodeCreated",
                                "NodeDeleted",
                                "NodeDataChanged",
                                "NodeChildrenChanged",
                                "DataWatchRemoved",
                                "ChildWatchRemoved",
                                "PersistentWatchRemoved"};
  if (type == -1) return names[0];
  if (type < 1 || static_cast<size_t>(type) >= names.size()) return fmt::format("{}", type);
  return names[static_cast<size_t>(type)];
}

}  // namespace

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (is_space(c)) {
      ++at;
    } else if (c == '"' || c == '\'') {
      const size_t end = line.find(c, at + 1);
      if (end == std::string_view::npos) {
        ++at;
        continue;
      }
      words.emplace_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
    } else {
      size_t end = at;
      while (end < line.size() && !is_space(line[end])) ++end;
      words.emplace_back(line.substr(at, end - at));
      at = end;
    }
  }
  return words;
}

std::string_view Arguments::value(std::string_view option) const {
  const auto found = options.find(option);
  CHECK(found != options.end());
  return found->second;
}

Result<Arguments> parse_arguments(const std::vector<std::string>& words,
                                  const std::vector<OptionSpec>& specs) {
  Arguments out;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--") {
      out.rest.insert(out.rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                      words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      out.rest.emplace_back(word);
      continue;
    }
    const std::string_view body = word.substr(word[1] == '-' ? 2 : 1);
    if (const OptionSpec* spec = find_spec(specs, body); spec != nullptr) {
      if (!spec->takes_value) {
        out.options[std::string(body)] = "";
        continue;
      }
      const bool there = i + 1 < words.size() && (words[i + 1].empty() || words[i + 1][0] != '-' ||
                                                  is_negative_number(words[i + 1]));
      if (!there) return fail(fmt::format("Missing argument for option: {}", body));
      out.options[std::string(body)] = words[++i];
    } else if (is_negative_number(word)) {
      out.rest.emplace_back(word);
    } else if (!take_flags(body, specs, out) && !take_joined_value(body, specs, out)) {
      return fail(fmt::format("Unrecognized option: {}", word));
    }
  }
  return out;
}

std::optional<int64_t> parse_i64(std::string_view text, int base) {
  return parse_number(text, base);
}

std::optional<int32_t> parse_i32(std::string_view text) {
  const std::optional<int64_t> value = parse_i64(text);
  if (!value || *value < INT32_MIN || *value > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*value);
}

std::string date_text(int64_t ms) {
  // Java's Date rounds towards the past.
  const int64_t seconds = ms >= 0 || ms % 1000 == 0 ? ms / 1000 : ms / 1000 - 1;
  const auto when = static_cast<std::time_t>(seconds);
  std::tm fields = {};
  std::array<char, 96> text = {};
  if (localtime_r(&when, &fields) == nullptr ||
      std::strftime(text.data(), text.size(), "%a %b %d %H:%M:%S %Z %Y", &fields) == 0) {
    return fmt::format("{} ms", ms);
  }
  return text.data();
}

std::string stat_text(const Stat& stat) {
  return fmt::format(
      "cZxid = 0x{:x}\nctime = {}\nmZxid = 0x{:x}\nmtime = {}\npZxid = 0x{:x}\ncversion = {}\n"
      "dataVersion = {}\naclVersion = {}\nephemeralOwner = 0x{:x}\ndataLength = {}\n"
      "numChildren = {}\n",
      stat.czxid.value, date_text(stat.ctime_ms), stat.mzxid.value, date_text(stat.mtime_ms),
      stat.pzxid.value, stat.cversion, stat.version, stat.aversion,
      static_cast<uint64_t>(stat.ephemeral_owner), stat.data_length, stat.num_children);
}

std::string list_text(const std::vector<std::string>& names) {
  return fmt::format("[{}]", fmt::join(names, ", "));
}

std::string perms_text(int32_t perms) {
  std::string text;
  if ((perms & kPermCreate) != 0) text += 'c';
  if ((perms & kPermDelete) != 0) text += 'd';
  if ((perms & kPermRead) != 0) text += 'r';
  if ((perms & kPermWrite) != 0) text += 'w';
  if ((perms & kPermAdmin) != 0) text += 'a';
  return text;
}

std::string acl_text(const Acl& acl) {
  std::string text;
  for (const AclEntry& entry : acl) {
    text += fmt::format("'{},'{}\n: {}\n", entry.scheme, entry.id, perms_text(entry.perms));
  }
  return text;
}

Acl parse_acl(std::string_view text, std::vector<std::string>& complaints) {
  constexpr std::string_view letters = "rwcda";  // in the order of the bits
  Acl acl;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t first = one.find(':');
    const size_t last = one.rfind(':');
    if (first == last) {  // also when there is none
      complaints.push_back(fmt::format("{} does not have the form scheme:id:perm", one));
      continue;
    }
    AclEntry entry;
    entry.scheme = one.substr(0, first);
    entry.id = one.substr(first + 1, last - first - 1);
    for (const char letter : one.substr(last + 1)) {
      const size_t bit = letters.find(letter);
      if (bit == std::string_view::npos) {
        complaints.push_back(fmt::format("Unknown perm type: {}", letter));
      } else {
        entry.perms |= 1 << bit;
      }
    }
    acl.push_back(std::move(entry));
  }
  return acl;
}

std::string base64(ByteView bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? bytes[i + k] : 0U);
    for (size_t k = 0; k < 4; ++k) {
      text += k <= n ? kBase64[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes bytes;
  uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<Byte>(group >> bits));
    }
  }
  return bytes;
}

std::string hex_dump(ByteView bytes) {
  const std::string rule = fmt::format("+{:-<8}+{:-<49}+{:-<16}+\n", "", "", "");
  std::string text = fmt::format("{: <9}+{:-<49}+\n{: <9}|{: <49}|\n", "", "", "",
                                 "  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f");
  text += rule;
  for (size_t row = 0; row < bytes.size(); row += 16) {
    std::string hex;
    std::string characters;
    for (const Byte byte : bytes.subspan(row, std::min<size_t>(16, bytes.size() - row))) {
      hex += fmt::format(" {:02x}", byte);
      characters += byte > 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    text += fmt::format("|{:08x}|{: <49}|{: <16}|\n", row, hex, characters);
  }
  text += rule;
  text.pop_back();
  return bytes.empty() ? std::string() : text;
}

std::string harmless(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t c = next_code_point(text, at);
    const std::string_view bytes = text.substr(begin, at - begin);
    const bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c <= 0x9F);
    if (!control && !(c == 0xFFFD && bytes.size() == 1)) {
      out += bytes;
      continue;
    }
    for (const char byte : bytes) out += fmt::format("\\x{:02x}", static_cast<Byte>(byte));
  }
  return out;
}

std::optional<std::string> path_complaint(std::string_view path) {
  if (path.empty()) return "Path length must be > 0";
  if (path[0] != '/') return "Path must start with / character";
  if (path.size() == 1) return std::nullopt;
  if (path.back() == '/') return "Path must not end with / character";
  const auto invalid = [&](std::string_view why, size_t index) {
    return fmt::format("Invalid path string \"{}\" caused by {} @{}", path, why, index);
  };
  size_t index = 1;  // in UTF-16 units, as ZooKeeper counts
  for (size_t at = 1; at < path.size(); ++index) {
    const size_t begin = at;
    const uint32_t c = next_code_point(path, at);
    const bool name_ends = at == path.size() || path[at] == '/';
    if (c == 0) return invalid("null character not allowed", index);
    if (c == '/' && path[begin - 1] == '/') return invalid("empty node name specified", index);
    if (c == '.' && name_ends &&
        (path[begin - 1] == '/' || (path[begin - 1] == '.' && path[begin - 2] == '/'))) {
      return invalid("relative paths not allowed", index);
    }
    if (is_forbidden(c)) return invalid("invalid character", index);
  }
  return std::nullopt;
}

std::string error_name(int32_t error) {
  const ErrorWords* words = words_of(error);
  return words != nullptr ? std::string(words->name) : fmt::format("Unknown error {}", error);
}

std::string error_text(int32_t error, std::string_view path) {
  if (error == -14) {
    return "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)";
  }
  if (error == -13) {
    return "No quorum of new config is connected and up-to-date with the leader of last committed "
           "config - try invoking reconfiguration after new servers are connected and synced";
  }
  const ErrorWords* words = words_of(error);
  if (words != nullptr && !words->sentence.empty()) {
    return fmt::format("{}{}", words->sentence, path);
  }
  const std::string name = error_name(error);
  return path.empty() ? fmt::format("KeeperErrorCode = {}", name)
                      : fmt::format("KeeperErrorCode = {} for {}", name, path);
}

std::string event_text(int32_t state, int32_t type, std::string_view path, int64_t zxid) {
  return fmt::format("WatchedEvent state:{} type:{} path:{} zxid: {}", state_name(state),
                     type_name(type), type == -1 ? "null" : path, zxid);
}

Result<QuotaText> QuotaText::parse(std::string_view text) {
  QuotaText quota;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find_first_of(",;"));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    if (one.empty()) continue;
    const size_t equals = one.find('=');
    const std::string_view key = one.substr(0, equals);
    std::string_view value = equals == std::string_view::npos ? "" : one.substr(equals + 1);
    value = value.substr(0, value.find('='));  // one stands in front of what 3.5 does not know
    const std::optional<int64_t> number = value.empty() ? int64_t{-1} : parse_i64(value);
    if (!number) return fail(fmt::format("a quota that is no number: {}", one));
    quota.set(key, *number);
  }
  return quota;
}

int64_t QuotaText::get(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? -1 : found->second;
}

std::string QuotaText::text() const {
  std::string text = fmt::format("count={},bytes={}", get("count"), get("bytes"));
  std::string more;
  for (const auto& [key, value] : values_) {
    if (key != "count" && key != "bytes") more += fmt::format(";{}={}", key, value);
  }
  return more.empty() ? text : fmt::format("{}={}", text, more);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

}  // namespace vivarium::ctl
