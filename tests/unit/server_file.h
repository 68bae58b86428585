// parse_server_file, for tests that want either its result or its complaint.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/config.h"

namespace vivarium {

inline const std::string kPlain = "dataDir=/d\nclientPort=2181\n";

inline ServerFile parsed(const std::string& text) {
  const Result<ServerFile> file = parse_server_file(text, "");
  EXPECT_TRUE(file) << file.error().message;
  return file ? *file : ServerFile();
}

inline std::string refusal(const std::string& text) {
  const Result<ServerFile> file = parse_server_file(text, "");
  EXPECT_FALSE(file);
  return file ? "" : file.error().message;
}

}  // namespace vivarium
