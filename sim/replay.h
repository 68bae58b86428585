// replay(): runs one schedule, wherever it comes from, and tells about it.
#pragma once

#include <functional>
#include <string>

#include "sim/cluster.h"

namespace vivarium::sim {

struct ReplayOptions {
  std::string title;            // "seed 17"
  std::string command;          // that does it again
  bool trace = false;           // a line for each event
  std::string html;             // the file to which the page is written; empty: none
  std::function<void()> ran{};  // called before the verdict is printed
};

// Prints what happened. 0: it passed, 1: it failed, or the page could not be written.
int replay(Cluster& cluster, const ReplayOptions& options);

}  // namespace vivarium::sim
