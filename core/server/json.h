// JsonWriter: JSON text piece by piece, laid out as Jackson does it for ZooKeeper: members of
// objects on lines of their own, arrays on one line. A value: a document may be written over many
// steps, take() gives what has been written since the last call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace vivarium {

// The members of an object without arrays, objects or escapes in it: texts without their quotes,
// numbers and words as they stand. nullopt: it is none.
std::optional<std::map<std::string, std::string, std::less<>>> parse_flat_json(
    std::string_view text);

class JsonWriter {
 public:
  void begin_object();
  void end_object();
  void begin_array();
  void end_array();
  void key(std::string_view name);
  // Any bytes: what is no UTF-8 becomes U+FFFD.
  void text(std::string_view value);
  void number(int64_t value) { literal(std::to_string(value)); }
  void boolean(bool value) { literal(value ? "true" : "false"); }
  void null() { literal("null"); }
  // A number that is written already.
  void literal(std::string_view written);

  // A member of the object.
  void text(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void number(std::string_view name, int64_t value) {
    key(name);
    number(value);
  }
  void boolean(std::string_view name, bool value) {
    key(name);
    boolean(value);
  }
  void literal(std::string_view name, std::string_view written) {
    key(name);
    literal(written);
  }

  size_t depth() const { return levels_.size(); }
  std::string take() { return std::exchange(out_, {}); }

 private:
  struct Level {
    bool object = false;
    bool empty = true;
  };
  void before_value();
  void new_line();
  void quoted(std::string_view value);

  std::string out_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace vivarium
