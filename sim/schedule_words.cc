#include "sim/schedule_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/seed_range.h"

namespace vivarium::sim {
namespace {

constexpr int64_t kPerMillisecond = 1'000'000;
constexpr uint64_t kLongestMilliseconds = 1'000'000'000;

}  // namespace

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line[begin] == '#') return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::string word_of(std::string_view name) {
  std::string word(name);
  std::replace(word.begin(), word.end(), ' ', '-');
  return word;
}

std::string milliseconds_text(int64_t ns) {
  std::string text = fmt::format("{}.{:06}", ns / kPerMillisecond, ns % kPerMillisecond);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + "ms";
}

std::optional<int64_t> parse_milliseconds(const std::string& text) {
  if (text.size() < 3 || text.substr(text.size() - 2) != "ms") return std::nullopt;
  const std::string number = text.substr(0, text.size() - 2);
  const size_t point = number.find('.');
  const std::optional<uint64_t> whole = parse_number(number.substr(0, point));
  std::string fraction = point == std::string::npos ? "0" : number.substr(point + 1);
  if (fraction.size() > 6) return std::nullopt;
  fraction.resize(6, '0');
  const std::optional<uint64_t> rest = parse_number(fraction);
  if (!whole || !rest || *whole > kLongestMilliseconds) return std::nullopt;
  return static_cast<int64_t>(*whole) * kPerMillisecond + static_cast<int64_t>(*rest);
}

}  // namespace vivarium::sim
