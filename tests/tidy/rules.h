// The rules of docs/style.md that a program can check, as pure functions from a file's text to what
// is wrong with it: "line N: ..." each. tidy_test.cc runs them over the tree and proves on planted
// offences that each can fail.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium::tidy {

using Offences = std::vector<std::string>;

struct SourceFile {
  std::string path;  // relative to the top of the tree
  std::string text;
};

// Files below `folders` (a file stands for itself) with one of the endings, sorted by path.
std::vector<SourceFile> read_tree(const std::vector<std::string>& folders,
                                  const std::vector<std::string>& endings);

// Comments and the insides of literals become blanks; line breaks stay.
std::string without_comments_and_literals(std::string_view text);

// Who may include whom: core/base < core/wire < boundary, core/tree < core/storage < core/zab <
// core/server < core; sim and disk see core, net sees core and disk; *_main.cc, tests and fuzz see
// all.
Offences wrong_includes(const SourceFile& file);
// Includes and words that would let time, chance, threads, floats or the machine into core/.
Offences worldly_words(const SourceFile& file);
// Any C++ file: length, #pragma once, a header's contract, leftovers; in tests sleeps, and
// properties whose verdict nobody looks at.
Offences untidy_file(const SourceFile& file);
// Leftover marks alone, for documents and scripts.
Offences leftovers(const SourceFile& file);

// Metrics: World::count, gauge and sample with a name of their own.
std::set<std::string> metrics_of(const SourceFile& file);
// First columns of the table under "## Metrics" of docs/operations.md.
std::set<std::string> documented_metrics(const SourceFile& document);

// What documents may name.
struct Named {
  std::function<bool(std::string_view)> file_exists;                    // "core/world.h"
  std::function<bool(std::string_view)> function_exists;                // "step"
  std::function<bool(std::string_view, std::string_view)> test_exists;  // "Suite", "Test"
};
// Names between backticks that end in (), look like folder/file.ext or like Suite.Test, and the
// targets of relative links, that are not in the tree.
Offences dangling_names(const SourceFile& document, const Named& named);

}  // namespace vivarium::tidy
