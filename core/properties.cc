#include "core/properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace vivarium {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

std::string_view without_leading_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

// Takes one line off the text; ends are \n, \r and \r\n.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos) {
    text = {};
  } else {
    text.remove_prefix(text.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
  return line;
}

bool is_continued(std::string_view line) {
  size_t backslashes = 0;
  while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 1;
}

// A line with what continues it; empty for blank lines and comments, which are never continued.
std::string take_logical_line(std::string_view& text) {
  std::string_view line = without_leading_blanks(take_line(text));
  if (line.empty() || line.front() == '#' || line.front() == '!') return {};
  std::string whole;
  while (is_continued(line)) {
    whole += line.substr(0, line.size() - 1);
    line = without_leading_blanks(take_line(text));
  }
  whole += line;
  return whole;
}

// Where the key ends: the first separator that is not escaped.
size_t key_length(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '=' || line[i] == ':' || is_blank(line[i])) {
      return i;
    }
  }
  return line.size();
}

std::string_view value_of(std::string_view line, size_t key_end) {
  std::string_view rest = without_leading_blanks(line.substr(key_end));
  if (!rest.empty() && (rest.front() == '=' || rest.front() == ':')) rest.remove_prefix(1);
  return rest;
}

void append_utf8(uint32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::optional<uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

Result<std::string> unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      if (text[i] != '\\') out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'u') {
      const std::optional<uint32_t> code = hex4(text.substr(i + 1));
      if (!code) return fail(fmt::format("malformed \\u escape in '{}'", text));
      append_utf8(*code, out);
      i += 4;
    } else {
      out += c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c;
    }
  }
  return out;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  // String.trim(): everything up to and including the space.
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

Result<std::map<std::string, std::string>> parse_properties(std::string_view text,
                                                            std::vector<std::string>* repeated) {
  std::map<std::string, std::string> properties;
  while (!text.empty()) {
    const std::string line = take_logical_line(text);
    if (line.empty()) continue;
    const size_t key_end = key_length(line);
    const Result<std::string> key = unescaped(std::string_view(line).substr(0, key_end));
    if (!key) return tl::unexpected<Error>(key.error());
    const Result<std::string> value = unescaped(value_of(line, key_end));
    if (!value) return tl::unexpected<Error>(value.error());
    const auto [place, first] =
        properties.insert_or_assign(std::string(trimmed(*key)), std::string(trimmed(*value)));
    if (!first && repeated != nullptr) repeated->push_back(place->first);
  }
  return properties;
}

std::vector<std::string_view> comma_separated(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!trimmed(word).empty()) words.push_back(trimmed(word));
  }
  return words;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

void warn_if_neither(std::string_view key, std::string_view value, std::string_view word,
                     std::vector<std::string>& warnings) {
  constexpr std::pair<std::string_view, std::string_view> kOpposites[] = {
      {"true", "false"}, {"false", "true"}, {"yes", "no"}, {"no", "yes"}};
  for (const auto& [one, other] : kOpposites) {
    if (one != word || equal_ignoring_case(value, one) || equal_ignoring_case(value, other))
      continue;
    warnings.push_back(
        fmt::format("{}={} is neither {} nor {}: taken as {}", key, value, one, other, other));
  }
}

}  // namespace vivarium
