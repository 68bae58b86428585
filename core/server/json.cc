#include "core/server/json.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Length of the well-formed UTF-8 sequence at the front; 0: there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool beyond = first == 0xf4 && byte(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

void JsonWriter::new_line() {
  out_ += '\n';
  size_t objects = 0;
  for (const Level& level : levels_) objects += level.object ? 1 : 0;
  out_.append(2 * objects, ' ');
}

void JsonWriter::before_value() {
  if (std::exchange(after_key_, false) || levels_.empty()) return;
  Level& level = levels_.back();
  CHECK(!level.object);
  out_ += level.empty ? " " : ", ";
  level.empty = false;
}

void JsonWriter::begin_object() {
  before_value();
  out_ += '{';
  levels_.push_back({true, true});
}

void JsonWriter::end_object() {
  CHECK(!levels_.empty() && levels_.back().object && !after_key_);
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (empty) {
    out_ += " }";
    return;
  }
  new_line();
  out_ += '}';
}

void JsonWriter::begin_array() {
  before_value();
  out_ += '[';
  levels_.push_back({false, true});
}

void JsonWriter::end_array() {
  CHECK(!levels_.empty() && !levels_.back().object);
  levels_.pop_back();
  out_ += " ]";
}

void JsonWriter::key(std::string_view name) {
  CHECK(!levels_.empty() && levels_.back().object && !after_key_);
  if (!levels_.back().empty) out_ += ',';
  levels_.back().empty = false;
  new_line();
  quoted(name);
  out_ += " : ";
  after_key_ = true;
}

void JsonWriter::text(std::string_view value) {
  before_value();
  quoted(value);
}

void JsonWriter::literal(std::string_view written) {
  before_value();
  out_ += written;
}

void JsonWriter::quoted(std::string_view value) {
  out_ += '"';
  while (!value.empty()) {
    const char c = value.front();
    const size_t length = utf8_length(value);
    if (length == 0) {
      out_ += kReplacement;
      value.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c == '\r') {
      out_ += "\\r";
    } else if (c == '\t') {
      out_ += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out_ += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out_ += value.substr(0, length);
    }
    value.remove_prefix(length);
  }
  out_ += '"';
}

// ------------------------------------------------------------------------------------- reading

namespace {

class FlatReader {
 public:
  explicit FlatReader(std::string_view text) : text_(text) {}

  bool take(char c) {
    skip_blanks();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_blanks();
    return text_.empty();
  }
  std::optional<std::string> quoted() {
    if (!take('"')) return std::nullopt;
    const size_t end = text_.find_first_of("\"\\");
    if (end == std::string_view::npos || text_[end] != '"') return std::nullopt;
    std::string out(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return out;
  }
  std::optional<std::string> value() {
    skip_blanks();
    if (text_.starts_with('"')) return quoted();
    const size_t end = std::min(text_.find_first_of(" \t\r\n,}"), text_.size());
    const std::string_view word = text_.substr(0, end);
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
             c == 'E';
    });
    if (word.empty() || !plain) return std::nullopt;
    text_.remove_prefix(end);
    return std::string(word);
  }

 private:
  void skip_blanks() {
    const size_t start = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(std::min(start, text_.size()));
  }

  std::string_view text_;
};

}  // namespace

std::optional<std::map<std::string, std::string, std::less<>>> parse_flat_json(
    std::string_view text) {
  std::map<std::string, std::string, std::less<>> members;
  FlatReader in(text);
  if (!in.take('{')) return std::nullopt;
  while (!in.take('}')) {
    if (!members.empty() && !in.take(',')) return std::nullopt;
    std::optional<std::string> name = in.quoted();
    if (!name || !in.take(':')) return std::nullopt;
    std::optional<std::string> value = in.value();
    if (!value || !members.emplace(std::move(*name), std::move(*value)).second) return std::nullopt;
  }
  if (!in.at_end()) return std::nullopt;
  return members;
}

}  // namespace vivarium
