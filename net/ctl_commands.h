// The table of vivctl's commands that a server answers: ZooKeeper's zkCli 3.9 has them, with these
// names, options and texts. A command fails with one line for stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/base/bytes.h"
#include "core/wire/codes.h"
#include "core/wire/txn.h"
#include "net/ctl_session.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {

struct Failure {
  std::string line;
  int32_t error = 0;  // the protocol's code, if it was the server's answer
};
using Outcome = tl::expected<void, Failure>;
template <class T>
using Answer = tl::expected<T, Failure>;

struct Context {
  Session& session;
  Console& console;
};

struct Command {
  std::string_view name;
  std::string_view usage;  // behind the name
  std::vector<OptionSpec> options;
  size_t words_min = 0;
  Outcome (*run)(Context&, const Arguments&) = nullptr;
  // Of an older form: a second word that asked for a watch, or the command as a whole.
  std::string_view watch_word_line = {};
  std::string_view deprecated_line = {};
};

const std::vector<Command>& commands();
const Command* find_command(std::string_view name);
// `words` begins with the command's name.
Outcome run_command(Context& context, const Command& command, std::vector<std::string> words);

inline tl::unexpected<Failure> failed(std::string line) {
  return tl::unexpected<Failure>(Failure{std::move(line), 0});
}
// The words for an error of the protocol. `path` as the user gave it.
Failure failure_of(Context& context, int32_t error, std::string_view path);
// One request and its answer's body.
Answer<Bytes> ask(Context& context, Op op, Bytes body, std::string_view path);
// The answer was no answer to `what`.
tl::unexpected<Failure> nonsense(std::string_view what);
// The path as the servers know it, if it can be one.
Answer<std::string> server_path(Context& context, std::string_view path);
// The number behind -v, -1 without the option.
Answer<int32_t> version_option(const Arguments& arguments);

struct Children {
  std::vector<std::string> names;  // sorted
  Stat stat;
};
struct Data {
  Bytes bytes;
  bool null = false;
  Stat stat;
};
// `path` is the user's, without the chroot.
Answer<Children> get_children(Context& context, std::string_view path, bool watch);
Answer<Data> get_data(Context& context, std::string_view path, bool watch);
Answer<std::optional<Stat>> exists(Context& context, std::string_view path, bool watch);
inline std::string child_path(std::string_view parent, std::string_view name) {
  return (parent == "/" ? std::string() : std::string(parent)) + "/" + std::string(name);
}

}  // namespace vivarium::ctl
