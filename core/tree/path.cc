#include "core/tree/path.h"

#include <cstdint>

namespace vivarium {
namespace {

constexpr uint32_t kMalformed = UINT32_MAX;

// Takes one code point off the front of `text`. Malformed: overlong, cut short, a surrogate's half
// is left to the caller, as its ranges are refused anyway.
uint32_t take_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  size_t size = 1;
  uint32_t point = lead;
  if (lead >= 0xf0) return kMalformed;  // outside the basic plane: surrogates to ZooKeeper, refused
  if (lead >= 0xe0) {
    size = 3;
    point = lead & 0x0fU;
  } else if (lead >= 0xc0) {
    size = 2;
    point = lead & 0x1fU;
  } else if (lead >= 0x80) {
    return kMalformed;
  }
  if (text.size() < size) return kMalformed;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kMalformed;
    point = (point << 6) | (byte(i) & 0x3fU);
  }
  text.remove_prefix(size);
  if ((size == 2 && point < 0x80) || (size == 3 && point < 0x800)) return kMalformed;
  return point;
}

bool is_allowed(uint32_t point) {
  if (point <= 0x1f || (point >= 0x7f && point <= 0x9f)) return false;
  if (point >= 0xd800 && point <= 0xf8ff) return false;
  return point < 0xfff0;
}

}  // namespace

bool is_valid_path(std::string_view path) {
  if (path.empty() || path[0] != '/') return false;
  if (path == "/") return true;
  std::string_view rest = path.substr(1);
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  for (std::string_view text = path; !text.empty();) {
    const uint32_t point = take_code_point(text);
    if (point == kMalformed || !is_allowed(point)) return false;
  }
  return true;
}

}  // namespace vivarium
