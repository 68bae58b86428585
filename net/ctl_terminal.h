// A person's lines, by libedit: keys, history in ~/.vivctl_history (readable by its owner alone)
// and completion. While a line is being edited the owner of the Terminal goes on working: it is
// asked to wait for input. From the first Terminal on SIGINT sets interrupt_flag() and does nothing
// else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vivarium::ctl {

class Terminal {
 public:
  struct Hooks {
    std::function<std::string()> prompt;
    // Returns when `fd` can be read; false: interrupted.
    std::function<bool(int fd)> wait_readable;
    // True once after something was printed below the line.
    std::function<bool()> printed;
    // Whole words that `word` may become; `before` are the words in front of it.
    std::function<std::vector<std::string>(const std::vector<std::string>& before,
                                           const std::string& word)>
        complete;
  };
  explicit Terminal(Hooks hooks);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  enum class Got { Line, Interrupted, End };
  Got read_line(std::string& line);
  // Keeps a line for later sessions too.
  void remember(const std::string& line);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The longest beginning that all have in common.
std::string common_beginning(const std::vector<std::string>& words);

}  // namespace vivarium::ctl
