// Commands that change znodes.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <utility>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "net/ctl_handlers.h"

namespace vivarium::ctl {
namespace {

constexpr int32_t kEphemeralOnLocalSession = -120;
constexpr int64_t kTtlMax = (int64_t{1} << 40) - 1;
constexpr int32_t kBatchDefault = 1000;
constexpr size_t kBatchBytesMax = size_t{512} << 10;  // well below what servers take
constexpr size_t kBatchesInFlight = 10;

Acl open_acl() { return {{kPermAll, "world", "anyone"}}; }

Acl acl_argument(Context& context, std::string_view text) {
  std::vector<std::string> complaints;
  Acl acl = parse_acl(text, complaints);
  for (const std::string& complaint : complaints) context.console.error(complaint);
  return acl;
}

// What -s, -e, -c and -t ask for.
struct Kind {
  Op op = Op::Create;
  CreateFlag flag = CreateFlag::Persistent;
  int64_t ttl_ms = -1;
  bool sequential = false;
};
Answer<Kind> kind_of(const Arguments& arguments) {
  const bool ephemeral = arguments.has("e");
  const bool container = arguments.has("c");
  Kind kind;
  kind.sequential = arguments.has("s");
  if (container && (ephemeral || kind.sequential)) {
    return failed(
        "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.");
  }
  if (arguments.has("t")) {
    const std::optional<int64_t> ttl = parse_i64(arguments.value("t"));
    if (!ttl) return failed("-t argument must be a long value");
    if (ephemeral) return failed("TTLs cannot be used with Ephemeral znodes");
    if (container) return failed("TTLs cannot be used with Container znodes");
    if (*ttl <= 0 || *ttl > kTtlMax) {
      return failed(fmt::format("ttl must be positive and cannot be larger than: {}", kTtlMax));
    }
    kind.op = Op::CreateTtl;
    kind.ttl_ms = *ttl;
    kind.flag = kind.sequential ? CreateFlag::PersistentSequentialTtl : CreateFlag::PersistentTtl;
  } else if (container) {
    kind.op = Op::CreateContainer;
    kind.flag = CreateFlag::Container;
  } else if (ephemeral) {
    kind.flag = kind.sequential ? CreateFlag::EphemeralSequential : CreateFlag::Ephemeral;
  } else if (kind.sequential) {
    kind.flag = CreateFlag::PersistentSequential;
  }
  return kind;
}

// All paths of the tree, parents before children.
Answer<std::vector<std::string>> tree_of(Context& context, const std::string& root) {
  std::vector<std::string> tree = {root};
  for (size_t i = 0; i < tree.size(); ++i) {
    const std::string parent = tree[i];
    const Answer<Children> children = get_children(context, parent, false);
    if (!children) {
      if (i > 0 && children.error().error == kNoNodeError) continue;
      return tl::unexpected<Failure>(children.error());
    }
    for (const std::string& name : children->names) tree.push_back(child_path(parent, name));
  }
  return tree;
}

Bytes delete_body(std::string_view path, int32_t version) {
  PathVersionRequest request;
  request.path = path;
  request.version = version;
  Bytes body;
  encode(request, body);
  return body;
}

// Waits for a multi: true when all of it was done.
Answer<bool> batch_done(Context& context, int32_t xid) {
  const Reply reply = context.session.wait(xid);
  if (reply.error == kConnectionLoss || reply.error == kInterrupted) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, ""));
  }
  JuteReader reader(reply.body);
  const int32_t first = reader.i32();
  const bool end = reader.boolean();
  return reply.error == 0 && reader.ok() && (first != -1 || end);
}

// Leaves first, in transactions of `batch` znodes, several of them on their way.
Outcome delete_in_batches(Context& context, const std::vector<std::string>& tree, size_t batch) {
  std::deque<int32_t> sent;
  bool all_done = true;
  size_t at = tree.size();
  while (at > 0 || !sent.empty()) {
    if (at == 0 || !all_done || sent.size() == kBatchesInFlight) {
      if (sent.empty()) break;
      const Answer<bool> done = batch_done(context, sent.front());
      if (!done) return tl::unexpected<Failure>(done.error());
      sent.pop_front();
      all_done = all_done && *done;
      if (!all_done) at = 0;
      continue;
    }
    std::vector<std::string> paths;
    for (size_t bytes = 0; at > 0 && paths.size() < batch && bytes < kBatchBytesMax; --at) {
      paths.push_back(context.session.servers().outside(tree[at - 1]));
      bytes += paths.back().size() + 64;
    }
    std::vector<MultiOp> ops;
    for (const std::string& path : paths) {
      PathVersionRequest request;
      request.path = path;
      request.version = -1;
      MultiOp op;
      op.op = Op::Delete;
      op.record = request;
      ops.push_back(std::move(op));
    }
    Bytes body;
    encode_multi_request(ops, body);
    sent.push_back(context.session.submit(Op::Multi, std::move(body)));
  }
  if (!all_done) return failed("Failed to delete some node(s) in the subtree!");
  return {};
}

Answer<Stat> put_acl(Context& context, const std::string& path, const Acl& acl, int32_t version) {
  SetAclRequest request;
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  request.path = *full;
  request.acl = acl;
  request.version = version;
  Bytes body;
  encode(request, body);
  const Answer<Bytes> answer = ask(context, Op::SetAcl, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  const std::optional<Stat> stat = decode_stat(*answer);
  if (!stat) return nonsense("setACL");
  return *stat;
}

// The lines of a dynamic configuration file that say who is a member and how votes count.
Answer<std::string> members_in(const std::string& file) {
  std::ifstream in(file);
  if (!in) return failed(fmt::format("Error processing {}: it cannot be read", file));
  std::string members;
  std::string line;
  while (std::getline(in, line)) {
    for (const std::string_view key : {"server.", "group.", "weight."}) {
      if (line.rfind(key, 0) == 0) members += line + "\n";
    }
  }
  if (members.empty()) return failed(fmt::format("Error processing {}: no server in it", file));
  return members;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void write_optional(JuteWriter& writer, const Arguments& arguments, std::string_view option) {
  if (arguments.has(option)) {
    writer.string(lower(arguments.value(option)));
  } else {
    writer.null_buffer();
  }
}

}  // namespace

Outcome create(Context& context, const Arguments& arguments) {
  const Answer<Kind> kind = kind_of(arguments);
  if (!kind) return tl::unexpected<Failure>(kind.error());
  const std::string& path = arguments.rest[0];
  if (const auto why = path_complaint(kind->sequential ? path + "1" : path)) return failed(*why);
  const std::string full = context.session.servers().outside(path);
  CreateRequest request;
  request.path = full;
  request.null_data = arguments.rest.size() < 2;
  if (!request.null_data) request.data = as_bytes(arguments.rest[1]);
  request.acl = arguments.rest.size() > 2 ? acl_argument(context, arguments.rest[2]) : open_acl();
  request.flags = static_cast<int32_t>(kind->flag);
  request.ttl_ms = kind->ttl_ms;
  Bytes body;
  encode(request, body, kind->op);
  const Reply reply = context.session.call(kind->op, std::move(body));
  if (reply.error == kEphemeralOnLocalSession) {
    return failed("Unable to create ephemeral node on a local session");
  }
  if (reply.error != 0) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, path));
  }
  JuteReader reader(reply.body);
  const std::string created(reader.string());
  if (!reader.ok()) return nonsense("create");
  context.console.line(fmt::format("Created {}", context.session.servers().inside(created)));
  return {};
}

Outcome set(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<int32_t> version = version_option(arguments);
  if (!version) return tl::unexpected<Failure>(version.error());
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  SetDataRequest request;
  request.path = *full;
  request.data = as_bytes(arguments.rest[1]);
  request.version = *version;
  std::optional<Bytes> decoded;
  if (arguments.has("b")) {
    decoded = from_base64(arguments.rest[1]);
    if (!decoded) return failed("the data is not base64");
    request.data = *decoded;
  }
  Bytes body;
  encode(request, body);
  const Answer<Bytes> answer = ask(context, Op::SetData, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  const std::optional<Stat> stat = decode_stat(*answer);
  if (!stat) return nonsense("setData");
  if (arguments.has("s")) context.console.text(stat_text(*stat));
  return {};
}

Outcome delete_znode(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  if (arguments.rest.size() > 1) {
    context.console.error(
        "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' "
        "instead.");
  }
  const Answer<int32_t> version = version_option(arguments);
  if (!version) return tl::unexpected<Failure>(version.error());
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  const Answer<Bytes> answer = ask(context, Op::Delete, delete_body(*full, *version), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  return {};
}

Outcome delete_all(Context& context, const Arguments& arguments) {
  int32_t batch = kBatchDefault;
  if (arguments.has("b")) {
    const std::optional<int32_t> given = parse_i32(arguments.value("b"));
    if (!given) return failed("-b argument must be an int value");
    batch = *given;
  }
  const Answer<std::vector<std::string>> tree = tree_of(context, arguments.rest[0]);
  if (!tree) return tl::unexpected<Failure>(tree.error());
  if (batch > 0) return delete_in_batches(context, *tree, static_cast<size_t>(batch));
  for (auto path = tree->rbegin(); path != tree->rend(); ++path) {
    const std::string full = context.session.servers().outside(*path);
    const Answer<Bytes> answer = ask(context, Op::Delete, delete_body(full, -1), *path);
    if (!answer) return tl::unexpected<Failure>(answer.error());
  }
  return {};
}

Outcome set_acl(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<int32_t> version = version_option(arguments);
  if (!version) return tl::unexpected<Failure>(version.error());
  const Acl acl = acl_argument(context, arguments.rest[1]);
  if (!arguments.has("R")) {
    const Answer<Stat> stat = put_acl(context, path, acl, *version);
    if (!stat) return tl::unexpected<Failure>(stat.error());
    if (arguments.has("s")) context.console.text(stat_text(*stat));
    return {};
  }
  const Answer<std::vector<std::string>> tree = tree_of(context, path);
  if (!tree) return tl::unexpected<Failure>(tree.error());
  std::optional<Failure> last;
  for (const std::string& one : *tree) {
    const Answer<Stat> stat = put_acl(context, one, acl, *version);
    if (stat) continue;
    if (last) context.console.error(last->line);
    last = stat.error();
  }
  if (last) return tl::unexpected<Failure>(*last);
  return {};
}

Outcome reconfig(Context& context, const Arguments& arguments) {
  const bool whole = arguments.has("file") || arguments.has("members");
  const bool parts = arguments.has("add") || arguments.has("remove");
  if (!whole && !parts) {
    return failed(fmt::format("reconfig {}", find_command("reconfig")->usage));
  }
  int64_t version = -1;
  if (arguments.has("v")) {
    const std::optional<int64_t> given = parse_i64(arguments.value("v"), 16);
    if (!given) return failed("-v must be followed by a long (configuration version)");
    version = *given;
  }
  if (whole && parts) {
    return failed(
        "Can't use -file or -members together with -add or -remove (mixing incremental and "
        "non-incremental modes is not allowed)");
  }
  if (arguments.has("file") && arguments.has("members")) {
    return failed("Can't use -file and -members together (conflicting non-incremental modes)");
  }
  Bytes body;
  JuteWriter writer(body);
  write_optional(writer, arguments, "add");
  write_optional(writer, arguments, "remove");
  if (arguments.has("file")) {
    const Answer<std::string> members = members_in(std::string(arguments.value("file")));
    if (!members) return tl::unexpected<Failure>(members.error());
    writer.string(*members);
  } else {
    write_optional(writer, arguments, "members");
  }
  writer.i64(version);
  const Answer<Bytes> answer = ask(context, Op::Reconfig, std::move(body), "");
  if (!answer) return tl::unexpected<Failure>(answer.error());
  JuteReader reader(*answer);
  const std::string_view config = as_text(reader.buffer());
  const std::optional<Stat> stat = decode_stat(reader.rest());
  if (!reader.ok() || !stat) return nonsense("reconfig");
  context.console.line(fmt::format("Committed new configuration:\n{}", config));
  if (arguments.has("s")) context.console.text(stat_text(*stat));
  return {};
}

}  // namespace vivarium::ctl
