#include "core/config_sources.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium {
namespace {

bool is_shell_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Words as a shell makes them of unquoted text, but that quotes may stand in the middle of a word.
std::vector<std::string> shell_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (!is_shell_blank(c)) {
      word += c;
      in_word = true;
    } else if (in_word) {
      words.push_back(std::move(word));
      word.clear();
      in_word = false;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

struct Variable {
  std::string_view name;
  std::string_view fallback;
  std::string_view key;  // of zoo.cfg; empty: not one line of it
};

constexpr Variable kVariables[] = {
    {"ZOO_CONF_DIR", "/conf", ""},
    {"ZOO_MY_ID", "1", ""},
    {"ZOO_SERVERS", "server.1=localhost:2888:3888;2181", ""},
    {"ZOO_CFG_EXTRA", "", ""},
    {"ZOO_DATA_DIR", "/data", "dataDir"},
    {"ZOO_DATA_LOG_DIR", "/datalog", "dataLogDir"},
    {"ZOO_TICK_TIME", "2000", "tickTime"},
    {"ZOO_INIT_LIMIT", "5", "initLimit"},
    {"ZOO_SYNC_LIMIT", "2", "syncLimit"},
    {"ZOO_AUTOPURGE_SNAPRETAINCOUNT", "3", "autopurge.snapRetainCount"},
    // The images say 0, never, where nothing is said: here that is behind each snapshot.
    {"ZOO_AUTOPURGE_PURGEINTERVAL", "", "autopurge.purgeInterval"},
    {"ZOO_MAX_CLIENT_CNXNS", "60", "maxClientCnxns"},
    {"ZOO_STANDALONE_ENABLED", "true", "standaloneEnabled"},
    {"ZOO_ADMINSERVER_ENABLED", "true", "admin.enableServer"},
    {"ZOO_4LW_COMMANDS_WHITELIST", "", "4lw.commands.whitelist"},
};

}  // namespace

JvmFlags parse_jvm_flags(std::string_view text) {
  constexpr std::string_view kPrefix = "zookeeper.";
  JvmFlags flags;
  for (std::string& word : shell_words(text)) {
    if (!word.starts_with("-D")) {
      flags.others.push_back(std::move(word));
      continue;
    }
    std::string_view name = std::string_view(word).substr(2);
    const size_t equals = std::min(name.find('='), name.size());
    const std::string_view value = name.substr(std::min(equals + 1, name.size()));
    name = name.substr(0, equals);
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    flags.properties[std::string(name)] = value;
  }
  return flags;
}

std::string container_variable(const Environment& variables, std::string_view name) {
  const auto found = variables.find(name);
  if (found != variables.end() && !found->second.empty()) return found->second;
  for (const Variable& known : kVariables) {
    if (known.name == name) return std::string(known.fallback);
  }
  return {};
}

std::string zoo_cfg_of_container(const Environment& variables) {
  std::string text;
  for (const Variable& known : kVariables) {
    if (known.key.empty()) continue;
    const std::string value = container_variable(variables, known.name);
    if (!value.empty()) text += fmt::format("{}={}\n", known.key, value);
  }
  for (const std::string_view lines : {"ZOO_SERVERS", "ZOO_CFG_EXTRA"}) {
    for (const std::string& line : shell_words(container_variable(variables, lines))) {
      text += line + "\n";
    }
  }
  return text;
}

}  // namespace vivarium
