#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/tidy/rules.h"

namespace vivarium::tidy {
namespace {

namespace fs = std::filesystem;

SourceFile read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {fs::relative(path, SOURCE_DIR).generic_string(),
          {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()}};
}

// Where literal or comment text that starts at `at` ends: the position behind it.
size_t end_of_line(std::string_view text, size_t at) {
  const size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end;
}

size_t end_of_quoted(std::string_view text, size_t at) {
  const char quote = text[at];
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote || text[i] == '\n') {
      return i + 1;
    }
  }
  return text.size();
}

size_t end_of_raw(std::string_view text, size_t quote) {
  const size_t open = text.find('(', quote);
  if (open == std::string_view::npos) return text.size();
  const std::string close = ")" + std::string(text.substr(quote + 1, open - quote - 1)) + "\"";
  const size_t end = text.find(close, open);
  return end == std::string_view::npos ? text.size() : end + close.size();
}

bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The end of the comment or literal that starts at `at`; `at` when none does.
size_t end_of_opaque(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("//")) return end_of_line(text, at);
  if (rest.starts_with("/*")) {
    const size_t end = text.find("*/", at + 2);
    return end == std::string_view::npos ? text.size() : end + 2;
  }
  const bool inside_word = at > 0 && is_word(text[at - 1]);
  if (rest.starts_with("R\"") && !inside_word) return end_of_raw(text, at + 1);
  if (rest.starts_with("\"")) return end_of_quoted(text, at);
  if (rest.starts_with("'") && !inside_word) return end_of_quoted(text, at);  // not 1'000
  return at;
}

}  // namespace

std::vector<SourceFile> read_tree(const std::vector<std::string>& folders,
                                  const std::vector<std::string>& endings) {
  std::vector<SourceFile> files;
  const auto wanted = [&](const fs::path& path) {
    return std::any_of(endings.begin(), endings.end(), [&](const std::string& ending) {
      return path.filename().string().ends_with(ending);
    });
  };
  for (const std::string& folder : folders) {
    const fs::path top = fs::path(SOURCE_DIR) / folder;
    if (fs::is_regular_file(top)) files.push_back(read(top));
    if (!fs::is_directory(top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      if (entry.is_regular_file() && wanted(entry.path())) files.push_back(read(entry.path()));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::string without_comments_and_literals(std::string_view text) {
  std::string out(text);
  for (size_t at = 0; at < text.size();) {
    const size_t end = end_of_opaque(text, at);
    for (size_t i = at; i < end; ++i) {
      if (text[i] != '\n') out[i] = ' ';
    }
    at = end == at ? at + 1 : end;
  }
  return out;
}

}  // namespace vivarium::tidy
