// The part of Java's regular expressions that rules about names are written with: characters, '.',
// classes in brackets, \d \w \s, '*', '+' and '?', '^', '$' and '|'. Groups, counts and lazy
// repetition are refused when a pattern is read. What a pattern finds is what Java finds, in time
// that grows with pattern times text.
#pragma once

#include <bitset>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace vivarium {

class NamePattern {
 public:
  static Result<NamePattern> parse(std::string_view text);

  struct Found {
    size_t begin = 0;
    size_t end = 0;
    bool operator==(const Found&) const = default;
  };
  bool matches(std::string_view text) const;  // all of it
  // The first place at or behind `from`; there the first alternative, as long as it can be.
  std::optional<Found> find(std::string_view text, size_t from) const;

 private:
  enum class Kind : uint8_t { Character, Begin, End };
  enum class Repeat : uint8_t { One, Optional, Any };
  // Of characters beyond ASCII only one thing is known: that they are none of it.
  static constexpr size_t kBeyondAscii = 128;
  using Characters = std::bitset<kBeyondAscii + 1>;
  struct Piece {
    Kind kind = Kind::Character;
    Repeat repeat = Repeat::One;
    Characters accepted;
  };
  using Sequence = std::vector<Piece>;

  static bool accepts(const Piece& piece, char c);
  static std::vector<size_t> ends_of(const Sequence& sequence, std::string_view text, bool whole);
  static Result<Characters> parse_escape(std::string_view& rest);
  static Result<Characters> parse_class(std::string_view& rest);
  static Result<Characters> parse_characters(std::string_view& rest);
  static Result<void> parse_repeat(std::string_view& rest, Sequence& sequence);

  std::vector<Sequence> alternatives_;
};

}  // namespace vivarium
