#include "net/ctl_shell.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/ctl_status.h"
#include "net/ctl_terminal.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

struct OwnCommand {
  std::string_view name;
  std::string_view usage;
};
constexpr std::array kOwnCommands = {
    OwnCommand{"connect", "host:port"},
    OwnCommand{"exit", ""},
    OwnCommand{"help", ""},
    OwnCommand{"history", ""},
    OwnCommand{"printwatches", "on|off"},
    OwnCommand{"quit", ""},
    OwnCommand{"redo", "cmdno"},
    OwnCommand{"status", "[-server servers] [--json]"},
    OwnCommand{"version", ""},
};
constexpr int64_t kFirstPromptMs = 1000;
constexpr size_t kHistoryShown = 10;

// A password, or its unsalted hash in an ACL, does not belong into a file.
bool holds_secret(const std::vector<std::string>& words) {
  return words[0] == "addauth" ||
         std::any_of(words.begin(), words.end(), [](const std::string& word) {
           return word.find("digest:") != std::string::npos ||
                  word.find("auth:") != std::string::npos;
         });
}

}  // namespace

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  for (const OwnCommand& command : kOwnCommands) names.emplace_back(command.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string help_text() {
  std::string text;
  for (const std::string& name : command_names()) {
    std::string_view usage;
    if (const Command* command = find_command(name); command != nullptr) usage = command->usage;
    for (const OwnCommand& command : kOwnCommands) {
      if (command.name == name) usage = command.usage;
    }
    text += usage.empty() ? fmt::format("\t{}\n", name) : fmt::format("\t{} {}\n", name, usage);
  }
  return text;
}

Shell::Shell(ShellOptions options, Console& console)
    : options_(std::move(options)), console_(console) {}

bool Shell::connect(std::string_view servers) {
  Result<Servers> parsed = parse_servers(servers);
  if (!parsed) {
    exit_code_ = fail(parsed.error().message, kExitUsage);
    return false;
  }
  end();
  options_.server = servers;
  ClientOptions client;
  client.servers = std::move(*parsed);
  client.timeout_ms = options_.timeout_ms;
  client.read_only = options_.read_only;
  session_ = std::make_unique<Session>(std::move(client),
                                       [this](const ClientEvent& event) { print_event(event); });
  if (!options_.wait_for_connection) return true;
  if (session_->connected_within(options_.timeout_ms, false)) return true;
  const std::string& trouble = session_->client().trouble();
  exit_code_ =
      fail(fmt::format("KeeperErrorCode = ConnectionLoss: no session within {} ms{}",
                       options_.timeout_ms, trouble.empty() ? "" : fmt::format(" ({})", trouble)));
  return false;
}

int Shell::run_once(std::vector<std::string> words) {
  const bool needs_server = find_command(words.front()) != nullptr;
  if (needs_server && !connect(options_.server)) return exit_code_;
  const int code = run_words(words);
  console_.flush();
  end();
  return code;
}

int Shell::run_script(int fd) {
  if (!connect(options_.server)) return exit_code_;
  std::string input;
  bool more = true;
  while (more && !done_) {
    std::array<char, 65536> chunk;
    session_->wait_readable(fd);
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    more = n > 0;
    if (more) input.append(chunk.data(), static_cast<size_t>(n));
    if (!more && !input.empty() && input.back() != '\n') input += '\n';
    size_t begin = 0;
    for (size_t end = 0; !done_ && (end = input.find('\n', begin)) != std::string::npos;) {
      run_line(input.substr(begin, end - begin));
      begin = end + 1;
      console_.flush();
    }
    input.erase(0, begin);
  }
  end();
  return exit_code_;
}

int Shell::run_interactive() {
  Terminal::Hooks hooks;
  hooks.prompt = [this] { return prompt(); };
  hooks.wait_readable = [this](int fd) { return session_->wait_readable(fd); };
  hooks.printed = [this] { return std::exchange(printed_event_, false); };
  hooks.complete = [this](const std::vector<std::string>& before, const std::string& word) {
    return completions(before, word);
  };
  Terminal terminal(std::move(hooks));
  print_states_ = true;
  console_.line(fmt::format("Connecting to {}", options_.server));
  if (!connect(options_.server)) return exit_code_;
  session_->connected_within(kFirstPromptMs, true);
  if (const std::string& trouble = session_->client().trouble(); !trouble.empty()) {
    console_.error(trouble);
  }
  while (!done_) {
    std::string line;
    console_.flush();
    editing_ = true;
    const Terminal::Got got = terminal.read_line(line);
    editing_ = false;
    interrupt_flag() = 0;
    if (got == Terminal::Got::End) break;
    if (got == Terminal::Got::Interrupted) continue;
    const std::vector<std::string> words = split_words(line);
    if (!words.empty() && !holds_secret(words)) terminal.remember(line);
    run_line(line);
  }
  end();
  console_.flush();
  return exit_code_;
}

void Shell::run_line(const std::string& line) {
  const std::vector<std::string> words = split_words(line);
  if (words.empty() || words[0][0] == '#') return;
  history_.push_back(line);
  exit_code_ = run_words(words);
}

int Shell::run_words(const std::vector<std::string>& words) {
  CHECK(!words.empty());
  int code = 0;
  if (run_own(words, code)) return code;
  const Command* command = find_command(words[0]);
  if (command == nullptr) {
    return fail(fmt::format("Command not found: {} (help lists them)", words[0]),
                kExitUnknownCommand);
  }
  if (session_ == nullptr || !session_->client().alive()) return fail("Not connected");
  Context context{*session_, console_};
  const Outcome outcome = run_command(context, *command, words);
  return outcome ? 0 : fail(outcome.error().line);
}

bool Shell::run_own(const std::vector<std::string>& words, int& code) {
  const std::string& name = words[0];
  code = 0;
  if (name == "quit" || name == "exit") {
    done_ = true;
    code = exit_code_;
  } else if (name == "help") {
    console_.text(help_text());
  } else if (name == "version") {
    if (words.size() > 1) {
      code = fail("version ");
    } else {
      console_.line(
          fmt::format("vivctl version: {}, commands of ZooKeeper CLI 3.9", options_.version));
    }
  } else if (name == "history") {
    const size_t first =
        history_.size() > kHistoryShown + 1 ? history_.size() - kHistoryShown - 1 : 0;
    for (size_t i = first; i < history_.size(); ++i) {
      console_.line(fmt::format("{} - {}", i, history_[i]));
    }
  } else if (name == "redo" && words.size() > 1) {
    code = redo(words);
  } else if (name == "redo") {
    code = fail("redo cmdno");
  } else if (name == "printwatches") {
    if (words.size() > 1) {
      print_watches_ = words[1] == "on";
    } else {
      console_.line(fmt::format("printwatches is {}", print_watches_ ? "on" : "off"));
    }
  } else if (name == "connect") {
    code = connect(words.size() > 1 ? words[1] : options_.server) ? 0 : exit_code_;
  } else if (name == "status") {
    code = run_status(options_.server, {words.begin() + 1, words.end()}, console_);
  } else {
    return false;
  }
  return true;
}

int Shell::redo(const std::vector<std::string>& words) {
  const std::optional<int64_t> index = parse_i64(words[1]);
  // The last one is this redo itself.
  if (history_.empty() || !index || *index < 0 ||
      static_cast<size_t>(*index) >= history_.size() - 1) {
    return fail("Command index out of range");
  }
  const std::string line = history_[static_cast<size_t>(*index)];
  const std::vector<std::string> again = split_words(line);
  if (again[0] == "redo") return fail("No redoing redos");
  history_.back() = line;
  return run_words(again);
}

int Shell::fail(std::string_view line, int code) {
  console_.error(line);
  return code;
}

void Shell::print_event(const ClientEvent& event) {
  const bool state = event.type == -1;
  if (!print_watches_ || (state && !print_states_)) return;
  console_.line("\nWATCHER::\n");
  const std::string path = session_ ? session_->servers().inside(event.path) : event.path;
  console_.line(event_text(event.state, event.type, path, event.zxid));
  console_.flush();
  printed_event_ = editing_;
}

std::string Shell::prompt() const {
  return fmt::format("[zk: {}({}) {}] ", options_.server, name_of(session_->client().state()),
                     history_.size());
}

std::vector<std::string> Shell::completions(const std::vector<std::string>& before,
                                            const std::string& word) {
  std::vector<std::string> candidates;
  if (before.empty()) {
    candidates = command_names();
  } else if (!word.empty() && word[0] == '/') {
    candidates = completed_paths(word);
  } else if (const Command* command = find_command(before[0]); command != nullptr) {
    for (const OptionSpec& option : command->options) {
      candidates.push_back(fmt::format("-{}", option.name));
    }
  }
  const auto other = [&](const std::string& one) { return one.rfind(word, 0) != 0; };
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), other), candidates.end());
  return candidates;
}

std::vector<std::string> Shell::completed_paths(const std::string& word) {
  if (session_->client().state() == ClientState::Connecting || !session_->client().alive()) {
    return {};
  }
  const size_t slash = word.rfind('/');
  const std::string parent = slash == 0 ? "/" : word.substr(0, slash);
  Context context{*session_, console_};
  const Answer<Children> children = get_children(context, parent, false);
  if (!children) return {};
  std::vector<std::string> paths;
  for (const std::string& name : children->names) {
    // Such a name would not be one word.
    if (name.find_first_of(" \t\"'") == std::string::npos)
      paths.push_back(child_path(parent, name));
  }
  return paths;
}

void Shell::end() {
  if (session_ != nullptr) session_->close();
  session_.reset();
}

}  // namespace vivarium::ctl
