#include "sim/checkers/messages.h"

#include <algorithm>
#include <iterator>

namespace vivarium::sim {
namespace {

// Of the reasons in core/zab that begin a line with kLeft or are behind kDropped.
constexpr std::string_view kLeft = "looking: ";
constexpr std::string_view kDropped = " dropped: ";
constexpr std::string_view kBlame[] = {
    "out of place",          "no packet",        "does not decode",   "beyond all reason",
    "only SNAP can be",      "bad SNAP",         "is not in the log", "makes no sense",
    "of a later epoch",      "no txn",           "another txn",       "a txn twice",
    "does not fit this log", "of another epoch", "it was not sent"};

}  // namespace

bool blames_peer(std::string_view line) {
  const bool leaves = line.starts_with(kLeft);
  if (!leaves && line.find(kDropped) == std::string_view::npos) return false;
  if (leaves && line.substr(kLeft.size()).starts_with("gap: ")) return true;
  return std::any_of(std::begin(kBlame), std::end(kBlame), [&](std::string_view blame) {
    return line.find(blame) != std::string_view::npos;
  });
}

}  // namespace vivarium::sim
