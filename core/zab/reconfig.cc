#include "core/zab/reconfig.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/number.h"
#include "core/properties.h"
#include "core/zab/quorum.h"

namespace vivarium {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = trimmed(text.substr(0, end));
    if (!part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool is_everybodys(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "localhost" || host.starts_with("127.");
}

// ZooKeeper leaves out addresses that mean another server on every host.
bool shares_address(const Member& a, const Member& b) {
  for (const Address* x : {&a.quorum, &a.election, &a.client}) {
    if (x->port == 0 || is_everybodys(x->host)) continue;
    for (const Address* y : {&b.quorum, &b.election, &b.client}) {
      if (*x == *y) return true;
    }
  }
  return false;
}

// All its ports must be there: clients are told of them.
ErrorCode join(std::string_view line, std::vector<Member>& members) {
  const std::vector<std::string_view> sides = split(line, '=');
  if (sides.size() != 2) return ErrorCode::BadArguments;
  const std::string_view number = sides[0].substr(sides[0].rfind('.') + 1);
  if (!parse_number(number)) return ErrorCode::MarshallingError;
  const Result<Member> member =
      parse_member(std::string(kServerPrefix) + std::string(number), sides[1]);
  if (!member || member->client.port == 0) return ErrorCode::BadArguments;
  std::erase_if(members, [&](const Member& m) { return m.id == member->id; });
  if (std::any_of(members.begin(), members.end(),
                  [&](const Member& m) { return shares_address(*member, m); })) {
    return ErrorCode::BadArguments;
  }
  members.push_back(*member);
  return ErrorCode::Ok;
}

Asked replaced(std::string_view lines) {
  std::string text(lines);
  std::replace(text.begin(), text.end(), ',', '\n');
  Result<Membership> membership = parse_membership(text);
  if (!membership) return {ErrorCode::BadArguments, {}};
  return {ErrorCode::Ok, std::move(*membership)};
}

}  // namespace

Asked asked_membership(const ReconfigRequest& request, const Membership& now) {
  if (request.new_members) return replaced(*request.new_members);
  Membership next = now;
  for (const std::string_view leaving : split(request.leaving.value_or(""), ',')) {
    const std::optional<int64_t> id = parse_number(leaving);
    if (!id) return {ErrorCode::MarshallingError, {}};
    std::erase_if(next.members, [&](const Member& m) { return m.id == ServerId{*id}; });
  }
  for (const std::string_view joining : split(request.joining.value_or(""), ',')) {
    if (const ErrorCode e = join(joining, next.members); e != ErrorCode::Ok) return {e, {}};
  }
  std::sort(next.members.begin(), next.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  if (check_members(next.members)) return {ErrorCode::BadArguments, {}};
  return {ErrorCode::Ok, std::move(next)};
}

ReconfigVerdict judge_reconfig(ByteView body, const Config& config, const Configs& configs,
                               Zxid zxid, const std::vector<ServerId>& synced) {
  const auto no = [](ErrorCode error) { return ReconfigVerdict{error, {}}; };
  const std::optional<ReconfigRequest> request = decode_reconfig_request(body);
  if (!request) return no(ErrorCode::MarshallingError);
  if (config.standalone()) return no(ErrorCode::Unimplemented);
  if (configs.pending()) return no(ErrorCode::ReconfigInProgress);
  const Membership& now = configs.active();
  if (request->version != -1 && Zxid::from_wire(request->version) != now.version) {
    return no(ErrorCode::BadVersion);
  }
  Asked asked = asked_membership(*request, now);
  if (asked.error != ErrorCode::Ok) return no(asked.error);
  asked.membership.version = zxid;
  const size_t voters_min = config.reconfig.standalone_enabled ? 2 : 1;
  if (asked.membership.voter_count() < voters_min) return no(ErrorCode::BadArguments);
  const auto is_synced = [&](ServerId id) {
    return std::find(synced.begin(), synced.end(), id) != synced.end();
  };
  if (!Quorum(asked.membership).holds(is_synced)) return no(ErrorCode::NewConfigNoQuorum);
  // Everybody will read it by its text: hosts whose names do not survive that are none.
  std::string text = to_text(asked.membership);
  const Result<Membership> read = parse_membership(text);
  if (!read || *read != asked.membership) return no(ErrorCode::BadArguments);
  return {ErrorCode::Ok, std::move(text)};
}

}  // namespace vivarium
