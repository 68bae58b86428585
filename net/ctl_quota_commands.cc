// Quotas: znodes below /zookeeper/quota, one zookeeper_limits and one zookeeper_stats for each path
// that has one. A path whose ancestor or descendant has a quota cannot have its own.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/wire/client_messages.h"
#include "net/ctl_handlers.h"

namespace vivarium::ctl {
namespace {

constexpr std::string_view kQuotaNode = "/zookeeper/quota";
constexpr std::string_view kLimits = "zookeeper_limits";
constexpr std::string_view kStats = "zookeeper_stats";
constexpr int32_t kNodeExists = -110;

std::string quota_path(std::string_view path) {
  return fmt::format("{}{}", kQuotaNode, path == "/" ? std::string_view() : path);
}
std::string limits_path(std::string_view path) {
  return fmt::format("{}/{}", quota_path(path), kLimits);
}
std::string stats_path(std::string_view path) {
  return fmt::format("{}/{}", quota_path(path), kStats);
}

struct Limit {
  std::string_view option;
  std::string_view key;
  bool counts = false;  // znodes, not bytes
};
constexpr std::array kAllLimits = {
    Limit{"n", "count", true},
    Limit{"b", "bytes", false},
    Limit{"N", "countHardLimit", true},
    Limit{"B", "byteHardLimit", false},
};

Answer<QuotaText> read_quota(Context& context, const std::string& path) {
  const Answer<Data> data = get_data(context, path, false);
  if (!data) return tl::unexpected<Failure>(data.error());
  Result<QuotaText> quota = QuotaText::parse(as_text(data->bytes));
  if (!quota) return failed(quota.error().message);
  return std::move(*quota);
}

Outcome write_quota(Context& context, const std::string& path, const QuotaText& quota) {
  const std::string full = context.session.servers().outside(path);
  const std::string text = quota.text();
  SetDataRequest request;
  request.path = full;
  request.data = as_bytes(text);
  request.version = -1;
  Bytes body;
  encode(request, body);
  const Answer<Bytes> answer = ask(context, Op::SetData, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  return {};
}

Outcome create_open(Context& context, const std::string& path, std::optional<std::string> data) {
  const std::string full = context.session.servers().outside(path);
  CreateRequest request;
  request.path = full;
  request.null_data = !data.has_value();
  if (data) request.data = as_bytes(*data);
  request.acl = {{kPermAll, "world", "anyone"}};
  Bytes body;
  encode(request, body);
  const Reply reply = context.session.call(Op::Create, std::move(body));
  if (reply.error != 0 && reply.error != kNodeExists) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, path));
  }
  return {};
}

Outcome delete_any(Context& context, const std::string& path) {
  const std::string full = context.session.servers().outside(path);
  PathVersionRequest request;
  request.path = full;
  request.version = -1;
  Bytes body;
  encode(request, body);
  const Answer<Bytes> answer = ask(context, Op::Delete, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  return {};
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Outcome check_descendants(Context& context, const std::string& path) {
  const std::string top = quota_path(path);
  std::vector<std::string> open = {top};
  while (!open.empty()) {
    const std::string node = std::move(open.back());
    open.pop_back();
    const Answer<Children> children = get_children(context, node, false);
    if (!children && children.error().error == kNoNodeError) continue;
    if (!children) return tl::unexpected<Failure>(children.error());
    if (node != top && holds(children->names, kLimits)) {
      return failed(
          fmt::format("{} has a child {} which has a quota", path, node.substr(kQuotaNode.size())));
    }
    for (const std::string& name : children->names) open.push_back(child_path(node, name));
  }
  return {};
}

Outcome check_ancestors(Context& context, const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string ancestor = path.substr(0, end);
    const Answer<Children> children = get_children(context, quota_path(ancestor), false);
    if (!children && children.error().error == kNoNodeError) return {};
    if (!children) return tl::unexpected<Failure>(children.error());
    if (holds(children->names, kLimits)) {
      return failed(fmt::format("{} has a parent {} which has a quota", path, ancestor));
    }
  }
  return {};
}

void warn_if_exceeded(Context& context, const QuotaText& limits, const QuotaText& used) {
  const auto below = [&](std::string_view limit, std::string_view what) {
    return limits.get(limit) > -1 && limits.get(limit) < used.get(what);
  };
  const auto warn = [&](std::string_view what, int64_t value) {
    context.console.line(fmt::format(
        "[Warning]: the {} quota you create is less than the existing {}:{}", what, what, value));
  };
  if (below("count", "count") || below("countHardLimit", "count")) {
    warn("count", used.get("count"));
  }
  if (below("bytes", "bytes") || below("byteHardLimit", "bytes")) {
    warn("bytes", used.get("bytes"));
  }
}

Outcome create_quota(Context& context, const std::string& path, const Limit& limit, int64_t value) {
  const Answer<std::optional<Stat>> there = exists(context, path, false);
  if (!there) return tl::unexpected<Failure>(there.error());
  if (!*there) return failed(fmt::format("{} does not exist.", path));
  if (Outcome checked = check_descendants(context, path); !checked) return checked;
  if (Outcome checked = check_ancestors(context, path); !checked) return checked;
  Answer<QuotaText> limits = read_quota(context, limits_path(path));
  if (!limits && limits.error().error != kNoNodeError) {
    return tl::unexpected<Failure>(limits.error());
  }
  if (limits) {
    limits->set(limit.key, value);
    const Answer<QuotaText> used = read_quota(context, stats_path(path));
    if (!used) return tl::unexpected<Failure>(used.error());
    warn_if_exceeded(context, *limits, *used);
    return write_quota(context, limits_path(path), *limits);
  }
  const std::string whole = quota_path(path);
  for (size_t end = whole.find('/', 1);; end = whole.find('/', end + 1)) {
    if (Outcome made = create_open(context, whole.substr(0, end), std::nullopt); !made) {
      return made;
    }
    if (end == std::string::npos) break;
  }
  QuotaText fresh;
  for (const Limit& one : kAllLimits) fresh.set(one.key, -1);
  fresh.set(limit.key, value);
  QuotaText zero;
  zero.set("count", 0);
  zero.set("bytes", 0);
  Outcome made = create_open(context, limits_path(path), fresh.text());
  if (!made) return made;
  made = create_open(context, stats_path(path), zero.text());
  if (!made) return made;
  const Answer<QuotaText> used = read_quota(context, stats_path(path));
  if (!used) return tl::unexpected<Failure>(used.error());
  warn_if_exceeded(context, fresh, *used);
  return {};
}

// Gives up the empty znodes that led to a quota.
Outcome trim(Context& context, std::string path) {
  while (path != kQuotaNode) {
    const Answer<Children> children = get_children(context, path, false);
    if (!children) return tl::unexpected<Failure>(children.error());
    if (!children->names.empty()) return {};
    if (Outcome gone = delete_any(context, path); !gone) return gone;
    path.resize(path.rfind('/'));
  }
  return {};
}

Outcome delete_quota(Context& context, const std::string& path) {
  const Answer<Children> children = get_children(context, quota_path(path), false);
  if (!children) return tl::unexpected<Failure>(children.error());
  for (const std::string& name : children->names) {
    if (Outcome gone = delete_any(context, child_path(quota_path(path), name)); !gone) return gone;
  }
  return trim(context, quota_path(path));
}

}  // namespace

Outcome set_quota(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  if (path.substr(0, kQuotaNode.size()) == kQuotaNode) {
    return failed(fmt::format("cannot set a quota under the path: {}", kQuotaNode));
  }
  const Limit* limit = nullptr;
  for (const Limit& one : kAllLimits) {
    if (!arguments.has(one.option)) continue;
    if (limit != nullptr) {
      return failed(
          fmt::format("The option '{}' was specified but an option from this group has "
                      "already been selected: '{}'",
                      one.option, limit->option));
    }
    limit = &one;
  }
  if (limit == nullptr) {
    return failed(
        "Missing required option: [-n num soft quota, -b bytes soft quota, -N num hard quota, -B "
        "bytes hard quota]");
  }
  const std::string_view text = arguments.value(limit->option);
  const std::optional<int64_t> value =
      limit->counts ? std::optional<int64_t>(parse_i32(text)) : parse_i64(text);
  if (!value) return failed("NumberFormatException happens when parsing the option value");
  if (limit->counts && *value <= 0) return failed("the num quota must be greater than zero");
  if (*value < 0) return failed("the bytes quota must be greater than or equal to zero");
  if (const auto why = path_complaint(path)) return failed(*why);
  return create_quota(context, path, *limit, *value);
}

Outcome list_quota(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  if (const auto why = path_complaint(path)) return failed(*why);
  context.console.error(fmt::format("absolute path is {}", limits_path(path)));
  const std::pair<std::string, std::string_view> both[] = {{limits_path(path), "quota"},
                                                           {stats_path(path), "stat"}};
  for (const auto& [node, word] : both) {
    const Answer<QuotaText> quota = read_quota(context, node);
    if (!quota && quota.error().error == kNoNodeError) {
      return failed(fmt::format("quota for {} does not exist.", path));
    }
    if (!quota) return tl::unexpected<Failure>(quota.error());
    context.console.line(fmt::format("Output {} for {} {}", word, path, quota->text()));
  }
  return {};
}

Outcome del_quota(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  if (const auto why = path_complaint(path)) return failed(*why);
  Answer<QuotaText> limits = read_quota(context, limits_path(path));
  if (!limits && limits.error().error == kNoNodeError) {
    context.console.line(fmt::format("Quota does not exist for {}", path));
    return {};
  }
  if (!limits) return tl::unexpected<Failure>(limits.error());
  if (arguments.options.empty()) return delete_quota(context, path);
  for (const Limit& limit : kAllLimits) {
    if (arguments.has(limit.option)) limits->set(limit.key, -1);
  }
  return write_quota(context, limits_path(path), *limits);
}

}  // namespace vivarium::ctl
