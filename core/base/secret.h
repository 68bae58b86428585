// A text that only its owner may see: it can be compared, and is never printed. reveal() is for the
// one call that hands it to a library.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace vivarium {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  // Takes the same time wherever the two differ. False when nothing was kept.
  bool is(std::string_view text) const {
    if (empty() || text.size() != text_.size()) return false;
    unsigned difference = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      difference |= static_cast<unsigned char>(text[i] ^ text_[i]);
    }
    return difference == 0;
  }

 private:
  std::string text_;
};

}  // namespace vivarium
