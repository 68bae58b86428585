#include "tests/tidy/rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <regex>
#include <set>

namespace vivarium::tidy {
namespace {

constexpr size_t kLinesMax = 900;
constexpr size_t kMainLinesMax = 150;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(c);
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

void offend(Offences& out, size_t line, const std::string& what) {
  out.push_back("line " + std::to_string(line) + ": " + what);
}

struct Include {
  size_t line = 0;
  std::string target;
  bool own = false;  // "..." and not <...>
};

std::vector<Include> includes_of(const SourceFile& file) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  const std::vector<std::string> lines = lines_of(file.text);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_search(lines[i], match, pattern)) {
      found.push_back({i + 1, match[2].str(), match[1].str() == "\""});
    }
  }
  return found;
}

// A room is a folder, but that the boundary, which lies in core/ itself, is one of its own.
std::string room_of(std::string_view path) {
  static const std::set<std::string, std::less<>> boundary = {
      "core/world",         "core/event",          "core/config",     "core/admin_config",
      "core/config_keys",   "core/config_sources", "core/metrics",    "core/properties",
      "core/tls_settings",  "core/auth_settings",  "core/value_keys", "core/membership",
      "core/kerberos_name", "core/name_pattern"};
  if (boundary.contains(path.substr(0, path.rfind('.')))) return "boundary";
  for (const std::string_view room :
       {"core/base", "core/wire", "core/tree", "core/storage", "core/zab", "core/server", "core",
        "sim/apache", "sim", "net", "disk", "tests", "fuzz"}) {
    if (path.starts_with(std::string(room) + "/")) return std::string(room);
  }
  return "";
}

using Rooms = std::set<std::string>;

// The rooms a room may see besides itself.
const Rooms* rooms_seen_from(const std::string& room) {
  static const std::map<std::string, Rooms> table = [] {
    std::map<std::string, Rooms> t;
    t["core/base"] = {};
    t["core/wire"] = {"core/base"};
    t["boundary"] = {"core/base", "core/wire"};
    t["core/tree"] = {"core/base", "core/wire"};
    t["core/storage"] = {"core/base", "core/wire", "boundary", "core/tree"};
    const auto above = [&](const char* room_above, const char* below) {
      t[room_above] = t[below];
      t[room_above].insert(below);
    };
    above("core/zab", "core/storage");
    above("core/server", "core/zab");
    above("core", "core/server");
    for (const char* outside : {"sim", "disk"}) above(outside, "core");
    t["sim/apache"] = {"core/base", "core/wire", "boundary", "core/tree"};
    t["sim"].insert("sim/apache");
    above("net",
          "disk");  // EpollLoop is the whole World: sockets of its own, files through FileDisk
    return t;
  }();
  const auto found = table.find(room);
  return found == table.end() ? nullptr : &found->second;
}

// All that core/ may include from outside; whatever is not here needs a reason and a place here.
const std::set<std::string>& includes_of_core() {
  static const std::set<std::string> allowed = {"algorithm",
                                                "array",
                                                "bit",
                                                "bitset",
                                                "charconv",
                                                "compare",
                                                "concepts",
                                                "cstddef",
                                                "cstdint",
                                                "cstring",
                                                "deque",
                                                "functional",
                                                "iterator",
                                                "limits",
                                                "list",
                                                "initializer_list",
                                                "map",
                                                "memory",
                                                "numeric",
                                                "optional",
                                                "queue",
                                                "set",
                                                "span",
                                                "string",
                                                "tuple",
                                                "string_view",
                                                "type_traits",
                                                "utility",
                                                "variant",
                                                "vector",
                                                "isa-l.h",
                                                "isa-l/crc.h",
                                                "isa-l/crc64.h",
                                                "isa-l/igzip_lib.h",
                                                "fmt/core.h",
                                                "fmt/format.h",
                                                "tl/expected.hpp"};
  return allowed;
}

// Page-wise growth of the tree's own stores: nothing but memory depends on it.
bool grows_pages(std::string_view path) {
  return path == "core/tree/byte_arena.cc" || path == "core/tree/node_store.cc";
}

// check.cc ends the process with a line on stderr, which nothing else does.
bool is_last_resort(std::string_view path) { return path == "core/base/check.cc"; }

struct Forbidden {
  const char* pattern;
  const char* why;
};

constexpr std::array kForbiddenInCore = {
    Forbidden{R"(\bstd::hash\b|\bstd::unordered_)",
              "the order of hashes differs between libraries"},
    Forbidden{R"(\b(float|double)\b)", "floats differ between compilers"},
    Forbidden{R"(\b(thread_local|volatile)\b|\bstd::(thread|jthread|mutex|atomic|async|future)\b)",
              "the core has one thread and no state beside the Node"},
    Forbidden{
        R"(\bstd::(chrono|random_device|mt19937)|\b(s?rand|time|clock|gettimeofday|getenv|usleep|sleep)\s*\()",
        "time, chance and settings come through the World"},
    Forbidden{R"(\b(throw|try|catch)\b)", "own code throws nothing: Result or CHECK"},
    Forbidden{
        R"(\b(printf|fprintf|puts|abort|exit)\s*\(|\bstd::(cout|cerr|clog|printf|fprintf|abort|exit)\b)",
        "output goes through World::log, the end through World::stop"},
    Forbidden{R"(\bcapacity\s*\()", "capacities differ between libraries"},
    Forbidden{R"(\bstd::shared_ptr<\s*(?!const\b))", "only immutable things are shared"},
    Forbidden{R"(\bstd::(views|source_location)\b)", "clang 14 does not take it"},
    Forbidden{R"(\b\w*simulat\w*\b)", "the core cannot tell where it runs"},
};

void check_words(const SourceFile& file, const std::string& code, Offences& out) {
  static const std::vector<std::pair<std::regex, const char*>> rules = [] {
    std::vector<std::pair<std::regex, const char*>> compiled;
    for (const Forbidden& rule : kForbiddenInCore) compiled.emplace_back(rule.pattern, rule.why);
    return compiled;
  }();
  if (is_last_resort(file.path)) return;
  const std::vector<std::string> lines = lines_of(code);
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const auto& [pattern, why] : rules) {
      std::smatch match;
      if (std::regex_search(lines[i], match, pattern) &&
          !(grows_pages(file.path) && match.str().starts_with("capacity"))) {
        offend(out, i + 1, "\"" + match.str() + "\": " + why);
      }
    }
  }
}

bool has_line(const std::vector<std::string>& lines, std::string_view wanted) {
  return std::find(lines.begin(), lines.end(), wanted) != lines.end();
}

}  // namespace

Offences wrong_includes(const SourceFile& file) {
  Offences out;
  const std::string room = room_of(file.path);
  const Rooms* seen = rooms_seen_from(room);
  if (seen == nullptr || file.path.ends_with("_main.cc")) return out;
  for (const Include& include : includes_of(file)) {
    if (!include.own) continue;
    const std::string other = room_of(include.target);
    if (other.empty()) {
      offend(out, include.line,
             "\"" + include.target + "\" is not written from the top of the tree");
    } else if (other != room && !seen->contains(other)) {
      offend(out, include.line, room + " may not see " + other + " (" + include.target + ")");
    }
  }
  return out;
}

Offences worldly_words(const SourceFile& file) {
  Offences out;
  if (!file.path.starts_with("core/")) return out;
  for (const Include& include : includes_of(file)) {
    if (include.own || includes_of_core().contains(include.target)) continue;
    if (is_last_resort(file.path) && (include.target == "cstdio" || include.target == "cstdlib")) {
      continue;
    }
    offend(out, include.line, "core/ may not include <" + include.target + ">");
  }
  check_words(file, without_comments_and_literals(file.text), out);
  return out;
}

Offences leftovers(const SourceFile& file) {
  // Written in two halves, so that this file does not offend itself.
  static const std::regex pattern(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b");
  Offences out;
  const std::vector<std::string> lines = lines_of(file.text);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_search(lines[i], match, pattern)) {
      offend(out, i + 1, match.str() + ": finish it, or say it in docs/status.md");
    }
  }
  return out;
}

namespace {

void check_test_code(const std::vector<std::string>& code, Offences& out) {
  static const std::regex sleeping("\\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\\s*\\(");
  static const std::regex property("^\\s*rc::check\\(");
  bool begins = true;  // a statement
  for (size_t i = 0; i < code.size(); ++i) {
    if (std::regex_search(code[i], sleeping)) {
      offend(out, i + 1, "a sleep: poll with a deadline instead");
    }
    if (begins && std::regex_search(code[i], property)) {
      offend(out, i + 1, "rc::check says whether the property holds, and fails nothing by itself");
    }
    const size_t last = code[i].find_last_not_of(" \t");
    if (last != std::string::npos) {
      begins = std::string_view(";{}").find(code[i][last]) != std::string_view::npos;
    }
  }
}

}  // namespace

Offences untidy_file(const SourceFile& file) {
  static const std::regex bare_nolint(R"(NOLINT\w*(?!\w*\([\w.,-]+\): \w))");
  Offences out = leftovers(file);
  const std::vector<std::string> lines = lines_of(file.text);
  const size_t lines_max = file.path.ends_with("_main.cc") ? kMainLinesMax : kLinesMax;
  if (lines.size() > lines_max) {
    offend(out, lines.size(),
           "past " + std::to_string(lines_max) + " lines: what is the second subject?");
  }
  if (file.path.ends_with(".h")) {
    if (!has_line(lines, "#pragma once")) offend(out, 1, "a header without #pragma once");
    if (lines.empty() || !lines[0].starts_with("// ")) {
      offend(out, 1, "a header opens with its contract");
    }
  }
  const bool is_test = file.path.starts_with("tests/") && !file.path.starts_with("tests/tidy/");
  if (is_test) check_test_code(lines_of(without_comments_and_literals(file.text)), out);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!file.path.starts_with("tests/tidy/") && std::regex_search(lines[i], bare_nolint)) {
      offend(out, i + 1, "NOLINT without \"(check): reason\"");
    }
  }
  return out;
}

namespace {

// One name between backticks; nullopt when it is well or no name at all.
std::optional<std::string> what_is_wrong_with(const std::string& name, const Named& named) {
  static const std::regex function(R"(^(?:[\w:]*::)?(~?\w+)\(\)$)");
  static const std::regex path(R"(^(?:[\w.-]+/)+[\w.-]+\.(?:cc|h|py|md|txt|json|sh)$)");
  static const std::regex test(R"(^([A-Z]\w*)\.(\w+)$)");
  static const std::regex test_name(R"(^(?:[A-Z]\w*|test_\w+)$)");
  static const std::regex suffix(R"(^(?:h|cc|py|md)$)");
  std::smatch match;
  if (std::regex_match(name, match, function)) {
    if (!named.function_exists(match[1].str())) return "no function " + name;
  } else if (std::regex_match(name, match, path)) {
    if (!named.file_exists(name)) return "no file " + name;
  } else if (std::regex_match(name, match, test)) {
    const std::string second = match[2].str();
    if (std::regex_match(second, test_name) && !std::regex_match(second, suffix) &&
        !named.test_exists(match[1].str(), second)) {
      return "no test " + name;
    }
  }
  return std::nullopt;
}

std::vector<std::string> matches_of(const std::string& line, const std::regex& pattern) {
  std::vector<std::string> found;
  for (auto it = std::sregex_iterator(line.begin(), line.end(), pattern);
       it != std::sregex_iterator(); ++it) {
    found.push_back((*it)[1].str());
  }
  return found;
}

// A relative link's target from the top of the tree; nullopt for links that lead out of it.
std::optional<std::string> link_target(const std::string& document, std::string target) {
  target = target.substr(0, target.find('#'));
  if (target.empty() || target.find("://") != std::string::npos) return std::nullopt;
  const size_t slash = document.rfind('/');
  std::string folder = slash == std::string::npos ? "" : document.substr(0, slash + 1);
  while (target.starts_with("../")) {
    target.erase(0, 3);
    const size_t up = folder.rfind('/', folder.empty() ? 0 : folder.size() - 2);
    folder = folder.empty() || up == std::string::npos ? "" : folder.substr(0, up + 1);
  }
  return folder + target;
}

}  // namespace

Offences dangling_names(const SourceFile& document, const Named& named) {
  static const std::regex quoted("`([^`]+)`");
  static const std::regex link(R"(\]\(([^)\s]+)\))");
  Offences out;
  bool in_block = false;
  const std::vector<std::string> lines = lines_of(document.text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with("```")) in_block = !in_block;
    if (in_block) continue;
    for (const std::string& name : matches_of(lines[i], quoted)) {
      if (const auto wrong = what_is_wrong_with(name, named)) offend(out, i + 1, *wrong);
    }
    for (const std::string& target : matches_of(lines[i], link)) {
      const auto file = link_target(document.path, target);
      if (file && !named.file_exists(*file)) offend(out, i + 1, "a link to nothing: " + target);
    }
  }
  return out;
}

std::set<std::string> metrics_of(const SourceFile& file) {
  std::set<std::string> names;
  for (const std::string_view call : {"count(\"", "gauge(\"", "sample(\""}) {
    for (size_t at = file.text.find(call); at != std::string::npos;
         at = file.text.find(call, at + 1)) {
      const char before = at == 0 ? ' ' : file.text[at - 1];
      if (before != '.' && before != '>') continue;
      const size_t start = at + call.size();
      names.insert(file.text.substr(start, file.text.find('"', start) - start));
    }
  }
  return names;
}

std::set<std::string> documented_metrics(const SourceFile& document) {
  std::set<std::string> names;
  size_t at = document.text.find("\n## Metrics\n");
  if (at == std::string::npos) return names;
  const size_t end = std::min(document.text.find("\n## ", at + 1), document.text.size());
  const std::string_view row = "\n| `";
  for (at = document.text.find(row, at); at < end; at = document.text.find(row, at + 1)) {
    const size_t start = at + row.size();
    names.insert(document.text.substr(start, document.text.find('`', start) - start));
  }
  return names;
}

}  // namespace vivarium::tidy
