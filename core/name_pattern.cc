#include "core/name_pattern.h"

#include <fmt/format.h>

#include <string>

namespace vivarium {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// The bytes of the character at `at`.
size_t width_at(std::string_view text, size_t at) {
  size_t width = 1;
  if (is_ascii(text[at])) return width;
  while (at + width < text.size() && is_continuation(text[at + width])) ++width;
  return width;
}

size_t bit_of(char c) { return static_cast<unsigned char>(c); }

}  // namespace

bool NamePattern::accepts(const Piece& piece, char c) {
  return piece.accepted.test(is_ascii(c) ? bit_of(c) : kBeyondAscii);
}

// `rest` begins behind the backslash.
Result<NamePattern::Characters> NamePattern::parse_escape(std::string_view& rest) {
  if (rest.empty()) return fail("nothing stands behind the last backslash");
  const char c = rest.front();
  rest.remove_prefix(1);
  Characters characters;
  if (!is_letter_or_digit(c) && is_ascii(c)) {
    characters.set(bit_of(c));
    return characters;
  }
  const char kind = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (kind != 'd' && kind != 'w' && kind != 's') {
    return fail(fmt::format("'\\{}' is not understood", c));
  }
  for (int i = 0; i < 128; ++i) {
    const char one = static_cast<char>(i);
    const bool is_digit = one >= '0' && one <= '9';
    const bool is_blank = one == ' ' || (one >= '\t' && one <= '\r');
    const bool is_word = is_letter_or_digit(one) || one == '_';
    if (kind == 'd' ? is_digit : kind == 'w' ? is_word : is_blank) characters.set(bit_of(one));
  }
  return kind == c ? characters : ~characters;
}

// `rest` begins behind the bracket.
Result<NamePattern::Characters> NamePattern::parse_class(std::string_view& rest) {
  const bool negated = rest.starts_with('^');
  if (negated) rest.remove_prefix(1);
  Characters all;
  for (bool first = true;; first = false) {
    if (rest.empty()) return fail("']' is missing");
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == ']' && !first) return negated ? ~all : all;
    if (c == '[' || c == ']' || c == '&' || !is_ascii(c)) {
      return fail(fmt::format("'{}' within brackets is not understood", is_ascii(c) ? c : '?'));
    }
    if (c == '\\') {
      const Result<Characters> escaped = parse_escape(rest);
      if (!escaped) return escaped;
      all |= *escaped;
      continue;
    }
    if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']') {
      all.set(bit_of(c));
      continue;
    }
    const char last = rest[1];
    rest.remove_prefix(2);
    if (!is_letter_or_digit(c) || !is_letter_or_digit(last) || last < c) {
      return fail(fmt::format("the range from '{}' is not understood", c));
    }
    for (char one = c; one <= last; ++one) all.set(bit_of(one));
  }
}

// One character of the text: which ones may stand there.
Result<NamePattern::Characters> NamePattern::parse_characters(std::string_view& rest) {
  const char c = rest.front();
  rest.remove_prefix(1);
  Characters characters;
  switch (c) {
    case '\\':
      return parse_escape(rest);
    case '[':
      return parse_class(rest);
    case '.':
      characters.set();
      characters.reset(bit_of('\n'));
      characters.reset(bit_of('\r'));
      return characters;
    case '(':
    case ')':
      return fail("groups are not understood");
    case '{':
      return fail("counts in braces are not understood");
    case '*':
    case '+':
    case '?':
      return fail(fmt::format("there is nothing that '{}' could repeat", c));
    default:
      if (!is_ascii(c)) return fail("characters beyond ASCII are not understood");
      characters.set(bit_of(c));
      return characters;
  }
}

Result<void> NamePattern::parse_repeat(std::string_view& rest, Sequence& sequence) {
  constexpr std::string_view kMarks = "*+?";
  if (rest.empty() || kMarks.find(rest.front()) == kNowhere) return {};
  const char mark = rest.front();
  rest.remove_prefix(1);
  if (!rest.empty() && (rest.front() == '?' || rest.front() == '+')) {
    return fail("lazy and possessive repetition is not understood");
  }
  if (mark == '+') sequence.push_back(sequence.back());
  sequence.back().repeat = mark == '?' ? Repeat::Optional : Repeat::Any;
  return {};
}

Result<NamePattern> NamePattern::parse(std::string_view text) {
  NamePattern pattern;
  pattern.alternatives_.emplace_back();
  while (!text.empty()) {
    Sequence& sequence = pattern.alternatives_.back();
    const char c = text.front();
    if (c == '|') {
      text.remove_prefix(1);
      pattern.alternatives_.emplace_back();
      continue;
    }
    Piece piece;
    if (c == '^' || c == '$') {
      text.remove_prefix(1);
      piece.kind = c == '^' ? Kind::Begin : Kind::End;
      sequence.push_back(piece);
      continue;
    }
    const Result<Characters> accepted = parse_characters(text);
    if (!accepted) return tl::unexpected<Error>(accepted.error());
    piece.accepted = *accepted;
    sequence.push_back(piece);
    if (Result<void> done = parse_repeat(text, sequence); !done) {
      return tl::unexpected<Error>(done.error());
    }
  }
  return pattern;
}

// For each place of the text where the sequence might begin: where it ends, greedy pieces having
// taken what they can. From the last piece to the first, from the end of the text to its beginning.
std::vector<size_t> NamePattern::ends_of(const Sequence& sequence, std::string_view text,
                                         bool whole) {
  const size_t size = text.size();
  std::vector<size_t> rest(size + 1, kNowhere);  // the ends of what stands behind the piece
  for (size_t at = 0; at <= size; ++at) {
    if (!whole || at == size) rest[at] = at;
  }
  std::vector<size_t> here(size + 1, kNowhere);
  for (auto piece = sequence.rbegin(); piece != sequence.rend(); ++piece) {
    for (size_t at = size + 1; at-- > 0;) {
      if (piece->kind != Kind::Character) {
        here[at] = at == (piece->kind == Kind::Begin ? 0 : size) ? rest[at] : kNowhere;
        continue;
      }
      size_t taken = kNowhere;
      if (at < size && accepts(*piece, text[at])) {
        const size_t next = at + width_at(text, at);
        taken = piece->repeat == Repeat::Any ? here[next] : rest[next];
      }
      const bool may_lack = piece->repeat != Repeat::One;
      here[at] = taken == kNowhere && may_lack ? rest[at] : taken;
    }
    rest.swap(here);
  }
  return rest;
}

bool NamePattern::matches(std::string_view text) const {
  for (const Sequence& sequence : alternatives_) {
    if (ends_of(sequence, text, true).front() != kNowhere) return true;
  }
  return false;
}

std::optional<NamePattern::Found> NamePattern::find(std::string_view text, size_t from) const {
  std::vector<std::vector<size_t>> ends;
  for (const Sequence& sequence : alternatives_) ends.push_back(ends_of(sequence, text, false));
  for (size_t at = from; at <= text.size(); ++at) {
    if (at < text.size() && is_continuation(text[at])) continue;
    for (const std::vector<size_t>& of_one : ends) {
      if (of_one[at] != kNowhere) return Found{at, of_one[at]};
    }
  }
  return std::nullopt;
}

}  // namespace vivarium
