#include "net/ctl_terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <utility>

#include "net/ctl_session.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

constexpr int kHistoryLines = 1000;

void note_interrupt(int) { interrupt_flag() = 1; }

// SIGINT is let through only where the Session waits.
void take_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupts, nullptr);
}

std::string history_file() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::string() : fmt::format("{}/.vivctl_history", home);
}

}  // namespace

std::string common_beginning(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  std::string common = words.front();
  for (const std::string& word : words) {
    const auto [mine, other] =
        std::mismatch(common.begin(), common.end(), word.begin(), word.end());
    common.erase(mine, common.end());
  }
  return common;
}

struct Terminal::Impl {
  Hooks hooks;
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string history_path;
  std::string prompt;
  bool interrupted = false;

  static Impl& of(EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<Impl*>(data);
  }
  static char* show_prompt(EditLine* edit) { return of(edit).prompt.data(); }
  static int read_character(EditLine* edit, wchar_t* out);
  static unsigned char complete(EditLine* edit, int);
  bool read_byte(char& byte);
};

bool Terminal::Impl::read_byte(char& byte) {
  for (;;) {
    const bool readable = hooks.wait_readable(STDIN_FILENO);
    if (hooks.printed()) el_set(edit, EL_REFRESH);
    if (!readable) {
      interrupted = true;
      return false;
    }
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return n == 1;
  }
}

int Terminal::Impl::read_character(EditLine* edit, wchar_t* out) {
  Impl& self = of(edit);
  std::mbstate_t state = {};
  for (;;) {
    char byte = 0;
    if (!self.read_byte(byte)) return self.interrupted ? -1 : 0;
    const size_t length = std::mbrtowc(out, &byte, 1, &state);
    if (length == static_cast<size_t>(-1)) {
      state = {};  // no character: passed over
    } else if (length != static_cast<size_t>(-2)) {
      if (length == 0) *out = L'\0';
      return 1;
    }
  }
}

unsigned char Terminal::Impl::complete(EditLine* edit, int) {
  Impl& self = of(edit);
  const LineInfo* line = el_line(edit);
  const std::string left(line->buffer, line->cursor);
  std::vector<std::string> before = split_words(left);
  std::string word;
  if (!before.empty() && !left.empty() && left.back() != ' ') {
    word = std::move(before.back());
    before.pop_back();
  }
  const std::vector<std::string> found = self.hooks.complete(before, word);
  if (found.empty()) return CC_ERROR;
  std::string common = common_beginning(found);
  if (found.size() == 1 && word == common) common += ' ';
  if (common.size() > word.size()) {
    if (found.size() == 1 && common.back() != ' ' && common.front() != '/') common += ' ';
    el_insertstr(edit, common.substr(word.size()).c_str());
    return CC_REFRESH;
  }
  std::fputc('\n', stdout);
  for (const std::string& one : found) std::printf("%s  ", harmless(one).c_str());
  std::fputc('\n', stdout);
  std::fflush(stdout);
  return CC_REDISPLAY;
}

Terminal::Terminal(Hooks hooks) : impl_(std::make_unique<Impl>()) {
  std::setlocale(LC_CTYPE, "");
  take_interrupts();
  Impl& self = *impl_;
  self.hooks = std::move(hooks);
  self.edit = el_init("vivctl", stdin, stdout, stderr);
  self.history = history_init();
  CHECK(self.edit != nullptr && self.history != nullptr);
  HistEvent event = {};
  ::history(self.history, &event, H_SETSIZE, kHistoryLines);
  ::history(self.history, &event, H_SETUNIQUE, 1);
  self.history_path = history_file();
  if (!self.history_path.empty()) {
    ::history(self.history, &event, H_LOAD, self.history_path.c_str());
  }
  el_set(self.edit, EL_CLIENTDATA, &self);
  el_set(self.edit, EL_PROMPT, &Impl::show_prompt);
  el_set(self.edit, EL_EDITOR, "emacs");
  el_set(self.edit, EL_SIGNAL, 0);
  el_set(self.edit, EL_HIST, ::history, self.history);
  el_set(self.edit, EL_GETCFN, &Impl::read_character);
  // Its twin for narrow strings would copy and never free them.
  el_wset(self.edit, EL_ADDFN, L"complete", L"Complete the word", &Impl::complete);
  el_set(self.edit, EL_BIND, "^I", "complete", nullptr);
  el_set(self.edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(self.edit, nullptr);
}

Terminal::~Terminal() {
  history_end(impl_->history);
  el_end(impl_->edit);
}

Terminal::Got Terminal::read_line(std::string& line) {
  Impl& self = *impl_;
  self.prompt = self.hooks.prompt();
  self.interrupted = false;
  el_resize(self.edit);  // the window may be another size by now
  // Before the prompt: a Ctrl-D typed at the sight of it would be lost between the two modes.
  el_set(self.edit, EL_PREP_TERM, 1);
  int count = 0;
  const char* text = el_gets(self.edit, &count);
  if (self.interrupted) {
    std::fputs("^C\n", stdout);
    el_reset(self.edit);
    return Got::Interrupted;
  }
  if (text == nullptr || count <= 0) {
    std::fputc('\n', stdout);
    return Got::End;
  }
  line.assign(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Got::Line;
}

void Terminal::remember(const std::string& line) {
  Impl& self = *impl_;
  HistEvent event = {};
  ::history(self.history, &event, H_ENTER, line.c_str());
  if (self.history_path.empty()) return;
  // Made for its owner alone before anything stands in it.
  const int fd = ::open(self.history_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ::fchmod(fd, 0600);
  ::close(fd);
  ::history(self.history, &event, H_SAVE, self.history_path.c_str());
}

}  // namespace vivarium::ctl
