// vivctl: ZooKeeper's shell. Takes zkCli's flags, and then runs one command, or a script from its
// input, or talks with a person. Exit status: 0 well, 1 a command failed, 2 wrong usage, 127 no
// such command; of a script and of a person's session, that of the last command.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/ctl_session.h"
#include "net/ctl_shell.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

constexpr std::string_view kUsage = R"(usage: vivctl [flags] [command [arguments]]

A shell for servers of ZooKeeper's protocol. With a command it runs that one; without, it reads
commands from the terminal or, a line each, from its input.

flags:
  -server HOST:PORT[,HOST:PORT...][/CHROOT]   servers to connect to, localhost:2181 by default
  -timeout MS                                 session timeout, 30000 by default
  -r                                          a server without a leader will do, for reading
  -waitforconnection                          wait for a session before the first command
  --help, --version                           print and exit

commands:
)";

struct Flags {
  ShellOptions shell;
  std::vector<std::string> command;
  bool help = false;
  bool version = false;
};

// The error is one line.
Result<Flags> parse_flags(const std::vector<std::string>& words) {
  Flags flags;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.empty() || word[0] != '-') {
      flags.command.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    const std::string_view name =
        std::string_view(word).substr(word.size() > 1 && word[1] == '-' ? 2 : 1);
    if (name == "server" || name == "timeout") {
      if (i + 1 == words.size()) return fail(fmt::format("no argument found for {}", word));
      const std::string& value = words[++i];
      if (name == "server") {
        flags.shell.server = value;
        continue;
      }
      const std::optional<int32_t> ms = parse_i32(value);
      if (!ms || *ms <= 0) return fail(fmt::format("-timeout takes milliseconds, not {}", value));
      flags.shell.timeout_ms = *ms;
    } else if (name == "r") {
      flags.shell.read_only = true;
    } else if (name == "waitforconnection") {
      flags.shell.wait_for_connection = true;
    } else if (name == "help" || name == "h") {
      flags.help = true;
    } else if (name == "version") {
      flags.version = true;
    } else {
      return fail(fmt::format("unknown flag {}", word));
    }
  }
  return flags;
}

int run(const std::vector<std::string>& words) {
  const Result<Flags> flags = parse_flags(words);
  if (!flags) {
    std::fprintf(stderr, "vivctl: %s (see --help)\n", flags.error().message.c_str());
    return kExitUsage;
  }
  Console console(stdout, stderr);
  if (flags->help) {
    console.text(kUsage);
    console.text(help_text());
    return 0;
  }
  if (flags->version) {
    console.line(fmt::format("vivctl {}", VIVARIUM_VERSION));
    return 0;
  }
  ShellOptions options = flags->shell;
  options.version = VIVARIUM_VERSION;
  Shell shell(std::move(options), console);
  if (!flags->command.empty()) return shell.run_once(flags->command);
  if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) return shell.run_interactive();
  return shell.run_script(STDIN_FILENO);
}

}  // namespace
}  // namespace vivarium::ctl

int main(int argc, char** argv) {
  const int code = vivarium::ctl::run({argv + 1, argv + argc});
  // What was printed and could not be written was not said.
  return std::fflush(stdout) == 0 ? code : vivarium::ctl::kExitFailed;
}
