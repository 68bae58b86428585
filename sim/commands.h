// What vivsim does, one function per command. Each prints for a person and returns the exit code:
// 0 well, 1 something failed, 2 wrong usage.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "sim/campaign.h"
#include "sim/campaign_file.h"

namespace vivarium::sim {

struct RunArguments {
  std::string seeds;
  std::string shard = "0/1";
  std::string twice = "1/64";  // the share of seeds that are run twice; "0": none
  std::string time;            // empty: until all seeds have run
  std::string json;            // a file; "-": the standard output; empty: none
  std::string save;            // a directory for schedule files; empty: none is written
  std::string checkers = "all";
  uint32_t jobs = 1;
  uint64_t failures_max = 20;
  bool all_evaluated = false;
  bool coverage = false;     // a table of it
  bool all_covered = false;  // that of the standard profile is asked for
  ProfileKind kind = ProfileKind::Standard;
  std::string version;
  std::string commit;
};
int run_command(const RunArguments& arguments);

// Sums what `run --json` wrote.
int merge_command(const std::vector<std::string>& files, const std::string& json, bool coverage);

// The commit of the source of this program, of which it may be a version with changes ("-dirty");
// "unknown" where it was built without git.
std::string build_commit();

// --- what the commands share

// A file of JSON lines, each written out at once; of no name: nowhere.
class LineFile {
 public:
  explicit LineFile(const std::string& name);
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  ~LineFile();
  void write(const std::string& line);
  // False: a line could not be written.
  bool good() const { return good_; }
  int descriptor() const { return file_ == nullptr ? -1 : fileno(file_); }
  // Where text for a person goes: the standard output, unless the lines go there.
  std::FILE* text() const;

 private:
  std::FILE* file_ = nullptr;
  bool good_ = true;
};

// The exit code of a command; 1 when what it printed could not be written: a result that nobody
// could read is none.
int with_output(const std::function<int()>& command);

// Several lines.
std::string tally_text(const Tally& tally, ProfileKind kind);
std::string failure_text(const Failure& failure);

}  // namespace vivarium::sim
