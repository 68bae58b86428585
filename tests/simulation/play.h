// What scenarios of whole ensembles begin with.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "sim/scenario.h"

namespace vivarium::sim {

// All must be well in the end.
inline void play(Scenario& s, const std::function<void()>& script) {
  const std::string wrong = s.play(script);
  EXPECT_EQ(wrong, "");
}

// Znodes under /, one after another: so many txns.
inline bool write(Scenario& s, std::string_view name, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (!s.client(0).create(fmt::format("/{}-{}", name, i), std::string(40, 'x')).ok())
      return false;
  }
  return true;
}

}  // namespace vivarium::sim
