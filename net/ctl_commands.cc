#include "net/ctl_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "net/ctl_handlers.h"

namespace vivarium::ctl {
namespace {

// What is too long for a line of the table, or in it twice.
constexpr std::string_view kAddWatchUsage =
    "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is "
    "PERSISTENT_RECURSIVE";
constexpr std::string_view kReconfigUsage =
    "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | "
    "[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]";
constexpr std::string_view kLsWatchWord =
    "'ls path [watch]' has been deprecated. Please use 'ls [-w] path' instead.";

PathWatchRequest path_watch(const std::string& path, bool watch) {
  PathWatchRequest request;
  request.path = path;
  request.watch = watch;
  return request;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"addWatch", kAddWatchUsage, {{"m", true}}, 1, add_watch},
      {"addauth", "scheme auth", {}, 1, add_auth},
      {"close", "", {}, 0, close_session},
      {"config", "[-c] [-w] [-s]", {{"c"}, {"w"}, {"s"}}, 0, get_config},
      {"create",
       "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
       {{"s"}, {"e"}, {"c"}, {"t", true}},
       1,
       create},
      {"delete", "[-v version] path", {{"v", true}}, 1, delete_znode},
      {"deleteall", "path [-b batch size]", {{"b", true}}, 1, delete_all},
      {"delquota", "[-n|-b|-N|-B] path", {{"n"}, {"b"}, {"N"}, {"B"}}, 1, del_quota},
      {"get",
       "[-s] [-w] [-b] [-x] path",
       {{"s"}, {"w"}, {"b"}, {"x"}},
       1,
       get,
       "'get path [watch]' has been deprecated. Please use 'get [-s] [-w] path' instead."},
      {"getAcl", "[-s] path", {{"s"}}, 1, get_acl},
      {"getAllChildrenNumber", "path", {}, 1, get_all_children_number},
      {"getEphemerals", "path", {}, 0, get_ephemerals},
      {"listquota", "path", {}, 1, list_quota},
      {"ls", "[-s] [-w] [-R] path", {{"s"}, {"w"}, {"R"}}, 1, ls, kLsWatchWord},
      {"ls2",
       "path",
       {{"w"}},
       1,
       ls2,
       kLsWatchWord,
       "'ls2' has been deprecated. Please use 'ls [-s] path' instead."},
      {"reconfig",
       kReconfigUsage,
       {{"s"}, {"v", true}, {"file", true}, {"members", true}, {"add", true}, {"remove", true}},
       0,
       reconfig},
      {"removewatches",
       "path [-c|-d|-p|-r|-a] [-l]",
       {{"c"}, {"d"}, {"p"}, {"r"}, {"a"}, {"l"}},
       1,
       remove_watches},
      {"rmr",
       "path",
       {{"b", true}},
       1,
       delete_all,
       {},
       "The command 'rmr' has been deprecated. Please use 'deleteall' instead."},
      {"set", "[-s] [-v version] [-b] path data", {{"s"}, {"v", true}, {"b"}}, 2, set},
      {"setAcl", "[-s] [-v version] [-R] path acl", {{"s"}, {"v", true}, {"R"}}, 2, set_acl},
      {"setquota",
       "-n|-b|-N|-B val path",
       {{"n", true}, {"b", true}, {"N", true}, {"B", true}},
       1,
       set_quota},
      {"stat",
       "[-w] path",
       {{"w"}},
       1,
       stat_znode,
       "'stat path [watch]' has been deprecated. Please use 'stat [-w] path' instead."},
      {"sync", "path", {}, 1, sync_path},
      {"whoami", "", {}, 0, whoami},
  };
  return table;
}

const Command* find_command(std::string_view name) {
  for (const Command& command : commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

Outcome run_command(Context& context, const Command& command, std::vector<std::string> words) {
  CHECK(!words.empty());
  words.erase(words.begin());
  Result<Arguments> arguments = parse_arguments(words, command.options);
  if (!arguments) return failed(arguments.error().message);
  if (arguments->rest.size() < command.words_min) {
    return failed(fmt::format("{} {}", command.name, command.usage));
  }
  if (!command.deprecated_line.empty()) context.console.error(command.deprecated_line);
  if (!command.watch_word_line.empty() && arguments->rest.size() > 1) {
    context.console.error(command.watch_word_line);
    arguments->options["w"] = "";
  }
  return command.run(context, *arguments);
}

Failure failure_of(Context& context, int32_t error, std::string_view path) {
  if (error == kInterrupted) return {"Interrupted", error};
  std::string line = error_text(error, path);
  const std::string& trouble = context.session.client().trouble();
  if (error == kConnectionLoss && !trouble.empty()) line += fmt::format(" ({})", trouble);
  return {std::move(line), error};
}

Answer<Bytes> ask(Context& context, Op op, Bytes body, std::string_view path) {
  Reply reply = context.session.call(op, std::move(body));
  if (reply.error != 0) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, path));
  }
  return std::move(reply.body);
}

tl::unexpected<Failure> nonsense(std::string_view what) {
  return failed(fmt::format("the server's answer to {} makes no sense", what));
}

Answer<std::string> server_path(Context& context, std::string_view path) {
  if (const std::optional<std::string> why = path_complaint(path)) return failed(*why);
  return context.session.servers().outside(path);
}

Answer<int32_t> version_option(const Arguments& arguments) {
  if (!arguments.has("v")) return -1;
  const std::optional<int32_t> version = parse_i32(arguments.value("v"));
  if (!version) return failed("-v argument must be an int value");
  return *version;
}

Answer<Children> get_children(Context& context, std::string_view path, bool watch) {
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  Bytes body;
  encode(path_watch(*full, watch), body);
  const Answer<Bytes> answer = ask(context, Op::GetChildren2, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  Children children;
  const size_t count = reader.count(4);
  for (size_t i = 0; i < count && reader.ok(); ++i) children.names.emplace_back(reader.string());
  const std::optional<Stat> stat = decode_stat(reader.rest());
  if (!reader.ok() || !stat) return nonsense("getChildren");
  children.stat = *stat;
  std::sort(children.names.begin(), children.names.end());
  if (watch) context.session.client().watch(WatchKind::Child, *full);
  return children;
}

Answer<Data> get_data(Context& context, std::string_view path, bool watch) {
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  Bytes body;
  encode(path_watch(*full, watch), body);
  const Answer<Bytes> answer = ask(context, Op::GetData, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  Data data;
  append_bytes(data.bytes, reader.buffer(&data.null));
  const std::optional<Stat> stat = decode_stat(reader.rest());
  if (!reader.ok() || !stat) return nonsense("getData");
  data.stat = *stat;
  if (watch) context.session.client().watch(WatchKind::Data, *full);
  return data;
}

Answer<std::optional<Stat>> exists(Context& context, std::string_view path, bool watch) {
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  Bytes body;
  encode(path_watch(*full, watch), body);
  const Reply reply = context.session.call(Op::Exists, std::move(body));
  if (reply.error == kNoNodeError) {
    if (watch) context.session.client().watch(WatchKind::Exist, *full);
    return std::optional<Stat>();
  }
  if (reply.error != 0) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, path));
  }
  const std::optional<Stat> stat = decode_stat(reply.body);
  if (!stat) return nonsense("exists");
  if (watch) context.session.client().watch(WatchKind::Data, *full);
  return stat;
}

}  // namespace vivarium::ctl
