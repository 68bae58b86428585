// Result<T>: what decoding, configuration and start-up return. An Error is one line for a person.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace vivarium {

struct Error {
  std::string message;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> fail(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}

}  // namespace vivarium
