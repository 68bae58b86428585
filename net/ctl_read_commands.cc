// Commands that ask only.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/wire/acl_codec.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "net/ctl_handlers.h"

namespace vivarium::ctl {
namespace {

constexpr std::string_view kConfigNode = "/zookeeper/config";

// Parents before children, the children of one znode together.
Outcome list_tree(Context& context, const std::string& root, bool watch) {
  const Answer<Data> there = get_data(context, root, watch);
  if (!there) return tl::unexpected<Failure>(there.error());
  context.console.line(root);
  std::vector<std::string> open = {root};
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    const Answer<Children> children = get_children(context, path, watch);
    if (!children) {
      if (children.error().error == kNoNodeError) continue;  // deleted meanwhile
      return tl::unexpected<Failure>(children.error());
    }
    for (const std::string& name : children->names) context.console.line(child_path(path, name));
    for (auto name = children->names.rbegin(); name != children->names.rend(); ++name) {
      open.push_back(child_path(path, *name));
    }
  }
  return {};
}

std::vector<std::string> read_strings(JuteReader& reader) {
  std::vector<std::string> strings;
  const size_t count = reader.count(4);
  for (size_t i = 0; i < count && reader.ok(); ++i) strings.emplace_back(reader.string());
  return strings;
}

Bytes string_body(std::string_view text) {
  Bytes body;
  JuteWriter(body).string(text);
  return body;
}

}  // namespace

Outcome ls(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  if (arguments.has("R")) return list_tree(context, path, arguments.has("w"));
  const Answer<Children> children = get_children(context, path, arguments.has("w"));
  if (!children) return tl::unexpected<Failure>(children.error());
  context.console.line(list_text(children->names));
  if (arguments.has("s")) context.console.text(stat_text(children->stat));
  return {};
}

Outcome ls2(Context& context, const Arguments& arguments) {
  Arguments with_stat = arguments;
  with_stat.options["s"] = "";
  return ls(context, with_stat);
}

Outcome get(Context& context, const Arguments& arguments) {
  const Answer<Data> data = get_data(context, arguments.rest[0], arguments.has("w"));
  if (!data) return tl::unexpected<Failure>(data.error());
  const ByteView bytes = data->null ? as_bytes("null") : ByteView(data->bytes);
  if (arguments.has("x")) {
    context.console.line(hex_dump(bytes));
  } else if (arguments.has("b")) {
    context.console.line(base64(bytes));
  } else {
    context.console.line(as_text(bytes));
  }
  if (arguments.has("s")) context.console.text(stat_text(data->stat));
  return {};
}

Outcome stat_znode(Context& context, const Arguments& arguments) {
  const Answer<std::optional<Stat>> stat = exists(context, arguments.rest[0], arguments.has("w"));
  if (!stat) return tl::unexpected<Failure>(stat.error());
  if (!*stat) return failed(error_text(kNoNodeError, arguments.rest[0]));
  context.console.text(stat_text(**stat));
  return {};
}

Outcome get_acl(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  const Answer<Bytes> answer = ask(context, Op::GetAcl, string_body(*full), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  const Acl acl = decode_acl(reader);
  const std::optional<Stat> stat = decode_stat(reader.rest());
  if (!reader.ok() || !stat) return nonsense("getACL");
  context.console.text(acl_text(acl));
  if (arguments.has("s")) context.console.text(stat_text(*stat));
  return {};
}

Outcome get_ephemerals(Context& context, const Arguments& arguments) {
  const std::string path = arguments.rest.empty() ? "/" : arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  const Answer<Bytes> answer = ask(context, Op::GetEphemerals, string_body(*full), "");
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  std::vector<std::string> paths = read_strings(reader);
  if (!reader.ok()) return nonsense("getEphemerals");
  for (std::string& one : paths) one = context.session.servers().inside(one);
  std::sort(paths.begin(), paths.end());
  context.console.line(list_text(paths));
  return {};
}

Outcome get_all_children_number(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  const Answer<Bytes> answer = ask(context, Op::GetAllChildrenNumber, string_body(*full), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  const int32_t count = reader.i32();
  if (!reader.ok()) return nonsense("getAllChildrenNumber");
  context.console.line(fmt::format("{}", count));
  return {};
}

Outcome sync_path(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  const Reply reply = context.session.call(Op::Sync, string_body(*full));
  if (reply.error == kConnectionLoss || reply.error == kInterrupted) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, path));
  }
  if (reply.error != 0) return failed(fmt::format("Sync has failed. rc={}", reply.error));
  context.console.line("Sync is OK");
  return {};
}

Outcome whoami(Context& context, const Arguments&) {
  const Answer<Bytes> answer = ask(context, Op::WhoAmI, {}, "");
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  std::vector<std::string> lines;
  const size_t count = reader.count(8);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view scheme = reader.string();
    const std::string_view user = reader.string();
    lines.push_back(fmt::format("{}: {}", scheme, user));
  }
  if (!reader.ok()) return nonsense("whoAmI");
  std::sort(lines.begin(), lines.end());
  context.console.line("Auth scheme: User");
  for (const std::string& line : lines) context.console.line(line);
  return {};
}

std::string client_addresses(std::string_view config) {
  std::string version;
  std::vector<std::string> addresses;
  while (!config.empty()) {
    const std::string_view line = config.substr(0, config.find('\n'));
    config.remove_prefix(std::min(config.size(), line.size() + 1));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, equals);
    if (key == "version") version = line.substr(equals + 1);
    const size_t semicolon = line.find(';');
    if (key.substr(0, 7) != "server." || semicolon == std::string_view::npos) continue;
    const std::string_view address = line.substr(semicolon + 1);
    const bool port_only = address.find(':') == std::string_view::npos;
    addresses.push_back(port_only ? fmt::format("0.0.0.0:{}", address) : std::string(address));
  }
  return fmt::format("{} {}", version, fmt::join(addresses, ","));
}

// The configuration lies outside every chroot.
Outcome get_config(Context& context, const Arguments& arguments) {
  PathWatchRequest request;
  request.path = kConfigNode;
  request.watch = arguments.has("w");
  Bytes body;
  encode(request, body);
  const Answer<Bytes> answer = ask(context, Op::GetData, std::move(body), kConfigNode);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  bool null = false;
  const std::string_view data = as_text(reader.buffer(&null));
  const std::string_view config = null ? std::string_view("null") : data;
  const std::optional<Stat> stat = decode_stat(reader.rest());
  if (!reader.ok() || !stat) return nonsense("getData");
  if (request.watch) {
    context.session.client().watch(WatchKind::Data, std::string(kConfigNode));
  }
  context.console.line(arguments.has("c") ? client_addresses(config) : std::string(config));
  if (arguments.has("s")) context.console.text(stat_text(*stat));
  return {};
}

}  // namespace vivarium::ctl
