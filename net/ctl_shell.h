// vivctl as a shell: one command, a script of commands (input that is no terminal), or a person at
// a terminal. Holds the session, the numbered commands for `history` and `redo`, and says which
// exit code the last command asks for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/ctl_commands.h"
#include "net/ctl_session.h"

namespace vivarium::ctl {

struct ShellOptions {
  std::string version;
  std::string server = "localhost:2181";
  int32_t timeout_ms = 30000;
  bool read_only = false;
  bool wait_for_connection = false;
};

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnknownCommand = 127;

class Shell {
 public:
  Shell(ShellOptions options, Console& console);

  // One command; its exit code.
  int run_once(std::vector<std::string> words);
  // Commands from a file descriptor until it ends.
  int run_script(int fd);
  int run_interactive();

 private:
  bool connect(std::string_view servers);
  void run_line(const std::string& line);
  int run_words(const std::vector<std::string>& words);
  // The commands that need no server. False: it is none of these.
  bool run_own(const std::vector<std::string>& words, int& code);
  int redo(const std::vector<std::string>& words);
  int fail(std::string_view line, int code = kExitFailed);
  void print_event(const ClientEvent& event);
  std::string prompt() const;
  std::vector<std::string> completions(const std::vector<std::string>& before,
                                       const std::string& word);
  std::vector<std::string> completed_paths(const std::string& word);
  void end();

  ShellOptions options_;
  Console& console_;
  std::unique_ptr<Session> session_;
  std::vector<std::string> history_;
  bool print_watches_ = true;
  bool print_states_ = false;  // a person wants to see them, a script does not
  bool editing_ = false;       // a person's line is on the screen
  bool printed_event_ = false;
  bool done_ = false;
  int exit_code_ = 0;
};

// All names, also of those that need no server, sorted; and `help`'s text.
std::vector<std::string> command_names();
std::string help_text();

}  // namespace vivarium::ctl
