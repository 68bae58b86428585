#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "tests/tidy/rules.h"

namespace vivarium::tidy {
namespace {

const std::vector<std::string> kCodeFolders = {"core", "sim", "net", "disk", "tests", "fuzz"};

// Runs a rule over files; each offence is one line that an editor can jump to.
template <class Rule>
void expect_clean(const std::vector<SourceFile>& files, Rule rule) {
  ASSERT_FALSE(files.empty());
  for (const SourceFile& file : files) {
    for (const std::string& offence : rule(file)) ADD_FAILURE() << file.path << " " << offence;
  }
}

std::vector<SourceFile> code() { return read_tree(kCodeFolders, {".h", ".cc"}); }

// Every word of the code that is followed by "(", every TEST, and every method of a Python class.
class NamesOfTheTree {
 public:
  NamesOfTheTree() {
    for (const SourceFile& file : read_tree(kCodeFolders, {".h", ".cc", ".py"})) {
      const std::string& text = file.text;
      for (size_t at = text.find('('); at != std::string::npos; at = text.find('(', at + 1)) {
        const std::string word = word_before(text, at);
        functions_.insert(word);
        if (word.starts_with("TEST") || word.starts_with("RC_GTEST")) add_test(text, at + 1);
      }
      if (file.path.ends_with(".py")) add_classes(text);
    }
  }

  Named named() const {
    return {[](std::string_view path) {
              return std::filesystem::exists(std::filesystem::path(SOURCE_DIR) / path);
            },
            [this](std::string_view name) { return functions_.contains(std::string(name)); },
            [this](std::string_view suite, std::string_view test) {
              return tests_.contains(std::string(suite) + "." + std::string(test));
            }};
  }

 private:
  static bool is_word(char c) {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
  }
  static std::string word_before(const std::string& text, size_t end) {
    size_t start = end;
    while (start > 0 && is_word(text[start - 1])) --start;
    return text.substr(start, end - start);
  }
  static std::string next_word(const std::string& text, size_t& at) {
    while (at < text.size() && !is_word(text[at])) ++at;
    const size_t start = at;
    while (at < text.size() && is_word(text[at])) ++at;
    return text.substr(start, at - start);
  }
  void add_test(const std::string& text, size_t at) {
    const std::string suite = next_word(text, at);
    const std::string test = next_word(text, at);
    tests_.insert(suite + "." + test);
  }
  void add_classes(const std::string& text) {
    std::string suite;
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      size_t word = at;
      if (text.compare(at, 6, "class ") == 0) suite = next_word(text, word += 6);
      if (text.compare(at, 8, "    def ") == 0)
        tests_.insert(suite + "." + next_word(text, word += 8));
      if (text.find('\n', at) == std::string::npos) break;
    }
  }

  std::set<std::string> functions_;
  std::set<std::string> tests_;
};

TEST(Tidy, IncludesFollowTheFolders) { expect_clean(code(), wrong_includes); }

TEST(Tidy, CoreKnowsNothingOfTheWorld) {
  expect_clean(read_tree({"core"}, {".h", ".cc"}), worldly_words);
}

TEST(Tidy, FilesAreInOrder) { expect_clean(code(), untidy_file); }

TEST(Tidy, NothingIsLeftOpen) {
  expect_clean(
      read_tree({"docs", "README.md", "Makefile", "tests", ".ci"}, {".md", ".py", "run", ".txt"}),
      leftovers);
}

TEST(Tidy, DocumentsNameWhatExists) {
  const NamesOfTheTree names;
  const Named named = names.named();
  expect_clean(read_tree({"docs", "README.md"}, {".md"}),
               [&](const SourceFile& document) { return dangling_names(document, named); });
}

TEST(Tidy, MetricsAreThoseOfTheDocument) {
  std::set<std::string> used;
  for (const SourceFile& file : read_tree({"core", "net", "disk"}, {".cc", ".h"})) {
    used.merge(metrics_of(file));
  }
  std::set<std::string> documented;
  for (const SourceFile& file : read_tree({"docs/operations.md"}, {".md"})) {
    documented.merge(documented_metrics(file));
  }
  EXPECT_FALSE(used.empty());
  EXPECT_EQ(used, documented);
}

// --- Each rule can fail.

size_t count(const Offences& offences) { return offences.size(); }

TEST(TidyRules, CommentsAndLiteralsAreBlanked) {
  EXPECT_EQ(without_comments_and_literals("a /* b\nc */ d"), "a     \n     d");
  EXPECT_EQ(without_comments_and_literals("a // b\nc"), "a     \nc");
  EXPECT_EQ(without_comments_and_literals("a \"b\\\"c\" d"), "a        d");
  EXPECT_EQ(without_comments_and_literals("a 'b' 1'000 c"), "a     1'000 c");
  EXPECT_EQ(without_comments_and_literals("a R\"(b\"c)\" d"), "a          d");
}

TEST(TidyRules, IncludeAgainstTheOrder) {
  EXPECT_EQ(count(wrong_includes({"core/wire/jute.h", "#include \"core/tree/data_tree.h\"\n"})),
            1U);
  EXPECT_EQ(count(wrong_includes({"core/tree/watches.h", "#include \"core/config.h\"\n"})), 1U);
  EXPECT_EQ(count(wrong_includes({"sim/cluster.cc", "#include \"net/epoll_loop.h\"\n"})), 1U);
  EXPECT_EQ(count(wrong_includes({"disk/file_disk.cc", "#include \"net/epoll_loop.h\"\n"})), 1U);
  EXPECT_EQ(count(wrong_includes({"core/node.cc", "#include \"tests/helper.h\"\n"})), 1U);
  EXPECT_EQ(count(wrong_includes({"core/node.cc", "#include \"node.h\"\n"})), 1U);
}

TEST(TidyRules, IncludeWithTheOrder) {
  EXPECT_EQ(
      count(wrong_includes({"core/storage/storage.h", "#include \"core/tree/data_tree.h\"\n"})),
      0U);
  EXPECT_EQ(count(wrong_includes({"core/config.cc", "#include \"core/wire/host_port.h\"\n"})), 0U);
  EXPECT_EQ(count(wrong_includes({"net/server_main.cc", "#include \"sim/cluster.h\"\n"})), 0U);
  EXPECT_EQ(
      count(wrong_includes({"sim/cluster.h", "#include \"core/zab/zab.h\"\n#include <map>\n"})),
      0U);
  EXPECT_EQ(count(wrong_includes({"sim/apache/peer.h", "#include \"core/zab/zab.h\"\n"})), 1U);
  EXPECT_EQ(count(wrong_includes({"sim/apache/peer.h", "#include \"core/storage/record.h\"\n"})),
            1U);
  EXPECT_EQ(count(wrong_includes({"sim/apache/peer.h", "#include \"core/tree/prepare.h\"\n"})), 0U);
}

TEST(TidyRules, WorldlyWordsInCore) {
  for (const char* line :
       {"#include <chrono>", "#include <thread>", "#include <cmath>", "double x = 0;",
        "std::unordered_map<int, int> m;", "throw 1;", "auto t = time(nullptr);", "v.capacity()",
        "std::shared_ptr<Node> p;", "if (is_simulated()) return;", "static thread_local int x;",
        "std::fprintf(stderr, text);"}) {
    EXPECT_EQ(count(worldly_words({"core/node.cc", line})), 1U) << line;
  }
  EXPECT_EQ(count(worldly_words(
                {"core/node.cc", "// a double, thrown\nstd::shared_ptr<const Bytes> p;"})),
            0U);
  EXPECT_EQ(count(worldly_words({"sim/cluster.cc", "#include <chrono>"})), 0U);
}

TEST(TidyRules, UntidyFiles) {
  const std::string good = "// A header.\n#pragma once\n";
  EXPECT_EQ(count(untidy_file({"core/a.h", good})), 0U);
  EXPECT_EQ(count(untidy_file({"core/a.h", "// A header.\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"core/a.h", "#pragma once\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"core/a.cc", std::string(901, '\n') + "x\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"net/a_main.cc", std::string(151, '\n') + "x\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"core/a.cc",
                               "// TO"
                               "DO: later\n"})),
            1U);
  EXPECT_EQ(count(untidy_file({"tests/unit/a_test.cc", "usleep(10);\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"tests/unit/a_test.cc", "{\n  rc::check([] {});\n}\n"})), 1U);
  EXPECT_EQ(
      count(untidy_file({"tests/unit/a_test.cc", "const bool held =\n    rc::check([] {});\n"})),
      0U);
  EXPECT_EQ(count(untidy_file({"net/a.cc", "x();  // NOLINT\n"})), 1U);
  EXPECT_EQ(count(untidy_file({"net/a.cc", "x();  // NOLINT(bugprone-x): the kernel wants it\n"})),
            0U);
}

TEST(TidyRules, Metrics) {
  using Names = std::set<std::string>;
  EXPECT_EQ(metrics_of({"core/a.cc", "world.count(\"a\", 1); p->gauge(\"b\", 2); count(\"c\");"}),
            (Names{"a", "b"}));
  const std::string table = "# T\n| `x` | no |\n## Metrics\n\n| `a` | is |\n| `b` | `c` |\n";
  EXPECT_EQ(documented_metrics({"docs/a.md", table + "## Next\n| `d` | no |\n"}),
            (Names{"a", "b"}));
  EXPECT_EQ(documented_metrics({"docs/a.md", table}), (Names{"a", "b"}));
  EXPECT_EQ(documented_metrics({"docs/a.md", "## Other\n| `d` | no |\n"}), Names{});
}

TEST(TidyRules, DanglingNames) {
  const Named named = {
      [](std::string_view path) { return path == "core/world.h" || path == "docs/zab.md"; },
      [](std::string_view name) { return name == "step"; },
      [](std::string_view suite, std::string_view test) {
        return suite == "Node" && (test == "Starts" || test == "test_stops");
      }};
  const auto wrong = [&](const char* text) {
    return count(dangling_names({"docs/a.md", text}, named));
  };
  EXPECT_EQ(wrong("`step()` `Node::step()` `core/world.h` `Node.Starts` `Node.test_stops`"), 0U);
  EXPECT_EQ(wrong("`zoo.cfg` `server.N` `log.<zxid>` `World::send` `build/<preset>/bin` `Node.h`"),
            0U);
  EXPECT_EQ(wrong("[the steps](zab.md#here) [world](../core/world.h) [out](https://example.org)"),
            0U);
  EXPECT_EQ(wrong("`leap()`"), 1U);
  EXPECT_EQ(wrong("`core/moon.h`"), 1U);
  EXPECT_EQ(wrong("`Node.Flies`"), 1U);
  EXPECT_EQ(wrong("[gone](gone.md)"), 1U);
  EXPECT_EQ(wrong("```\n`leap()`\n```"), 0U);
}

}  // namespace
}  // namespace vivarium::tidy
