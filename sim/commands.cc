#include "sim/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <system_error>

namespace vivarium::sim {
namespace {

std::string median_text(const Medians& medians) {
  if (medians.least > medians.most) return "no";
  if (medians.least == medians.most) return fmt::format("{}", medians.least);
  return fmt::format("{} to {}", medians.least, medians.most);
}

uint64_t differed(const Tally& tally) {
  const auto found = tally.failed.find(std::string(kReplay));
  return found == tally.failed.end() ? 0 : found->second;
}

}  // namespace

LineFile::LineFile(const std::string& name) {
  if (name.empty()) return;
  file_ = name == "-" ? stdout : std::fopen(name.c_str(), "w");
  good_ = file_ != nullptr;
}

LineFile::~LineFile() {
  if (file_ != nullptr && file_ != stdout) std::fclose(file_);
}

void LineFile::write(const std::string& line) {
  if (file_ == nullptr) return;
  std::fwrite(line.data(), 1, line.size(), file_);  // fmt::print() throws when it cannot
  std::fputc('\n', file_);
  if (std::fflush(file_) != 0 || std::ferror(file_) != 0) good_ = false;
}

std::FILE* LineFile::text() const { return file_ == stdout ? stderr : stdout; }

int with_output(const std::function<int()>& command) {
  int code = 1;
  try {
    code = command();
  } catch (const std::system_error& error) {  // fmt::print() cannot write
    fmt::print(stderr, "vivsim: {}\n", error.what());
    return 1;
  }
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  std::fputs("vivsim: the output could not be written\n", stderr);
  return 1;
}

std::string failure_text(const Failure& failure) {
  return fmt::format("seed {} failed: {}: {}", failure.seed, failure.violation.checker,
                     failure.violation.text);
}

std::string tally_text(const Tally& tally, ProfileKind kind) {
  std::string text = "evaluated:";
  for (size_t c = 0; c < kCheckers; ++c) {
    text += fmt::format(" {} {}", name_of(static_cast<Checker>(c)), tally.evaluated[c]);
  }
  text += fmt::format(
      "\nmedians: {} events, {} completed operations, {} leaderships; {} crashes\n"
      "{} ended where a majority had lost what it held, which takes a person (no K-LIVE)\n",
      median_text(tally.median_events), median_text(tally.median_completed),
      median_text(tally.median_leaderships), tally.crashes, tally.needs_person);
  text += fmt::format("{} seeds run twice, {} differed\n", tally.twice, differed(tally));
  if (kind == ProfileKind::Mixed) {
    text += fmt::format("{} ended when a flaw of ZooKeeper's had struck (sim/apache/flaws.h)\n",
                        tally.excused);
  }
  if (tally.seeds < tally.planned) {
    text +=
        fmt::format("covered {} of {} seeds ({:.1f} %)\n", tally.seeds, tally.planned,
                    100.0 * static_cast<double>(tally.seeds) / static_cast<double>(tally.planned));
  }
  return text;
}

}  // namespace vivarium::sim
