#include "sim/checkers/configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vivarium::sim {

ConfigCheck::ConfigCheck(uint32_t servers, std::vector<bool> first_voters)
    : servers_(servers), first_(std::move(first_voters)) {}

std::vector<bool> ConfigCheck::voters(Zxid version) const {
  const auto found = changes_.find(version);
  return found == changes_.end() ? first_ : voters_of(found->second, servers_);
}

bool ConfigCheck::member(Zxid version, ServerIndex server) const {
  const auto found = changes_.find(version);
  if (found == changes_.end()) return first_[server];
  return found->second.count(int64_t{server} + 1) != 0;
}

// What an established leader has committed is so, its initial history too.
void ConfigCheck::mark_committed(ServerIndex leader, const NodeFacts& before,
                                 const NodeFacts& after, const Ledger& ledger) {
  const Zxid from = before.leading && before.established ? before.committed : Zxid{};
  for (const auto& [zxid, text] : ledger.reconfigs()) {
    if (zxid <= from || zxid > after.committed) continue;
    // What it has proposed itself may be on others' disks before it is on its own.
    const bool own = zxid.epoch() == after.epoch;
    if (!own && !ledger.holds(leader, zxid)) continue;
    // Below the base of its log there is but the state, which shows the last change.
    if (!own && zxid <= ledger.base(leader) && zxid != after.active_config) continue;
    changes_.try_emplace(zxid, config_lines(text));
    committed_ = std::max(committed_, zxid);
  }
}

void ConfigCheck::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                          const Configs& configs, const Ledger& ledger, SimTime now,
                          Verdict& verdict) {
  if (after.role == ZabRole::Recovering) return;
  if (after.leading && after.established) mark_committed(server, before, after, ledger);
  const Zxid active = after.active_config;
  if (before.role != ZabRole::Recovering) {
    verdict.expect(Checker::Cfg, active >= before.active_config, now, [&] {
      return fmt::format("s{} goes back from configuration {:x} to {:x}", server + 1,
                         before.active_config.value, active.value);
    });
  }
  if (active != before.active_config || before.role == ZabRole::Recovering) {
    const std::string text = to_text(configs.active());
    const auto known = texts_.try_emplace(active, text).first;
    verdict.expect(Checker::Cfg, active == Zxid{} || known->second == text, now, [&] {
      return fmt::format("s{} has another configuration {:x} than others had", server + 1,
                         active.value);
    });
    verdict.expect(Checker::Cfg, active.counter() == 0 || changes_.count(active) != 0, now, [&] {
      return fmt::format("s{} takes configuration {:x} for active, and nobody has committed it",
                         server + 1, active.value);
    });
  }
  if (after.busy) return;
  verdict.expect(Checker::Cfg, after.pending_config <= after.last_logged, now, [&] {
    return fmt::format("s{} counts by configuration {:x}, and its log ends at {:x}", server + 1,
                       after.pending_config.value, after.last_logged.value);
  });
  // The newest change in its own log.
  Zxid newest;
  for (const auto& [zxid, text] : ledger.reconfigs()) {
    const bool above = zxid > active && zxid > ledger.base(server) && zxid <= after.last_logged;
    if (above && ledger.holds(server, zxid)) newest = zxid;
  }
  const bool counts = after.standing == Standing::Voter;
  verdict.expect(
      Checker::Cfg, !counts || newest == Zxid{} || after.pending_config == newest, now, [&] {
        return fmt::format("s{} has logged configuration {:x} over {:x} and counts by {:x}",
                           server + 1, newest.value, active.value, after.pending_config.value);
      });
  if (after.delivers && after.established) {
    verdict.expect(Checker::Cfg, newest == Zxid{} || newest > after.committed, now, [&] {
      return fmt::format("s{} serves zxid {:x} by configuration {:x}, and {:x} is committed",
                         server + 1, after.last_applied.value, active.value, newest.value);
    });
  }
}

std::vector<ConfigCheck::Need> ConfigCheck::needs(const NodeFacts& before,
                                                  const NodeFacts& after) const {
  std::vector<Need> needs;
  std::vector<bool> counting = voters(before.active_config);
  for (const auto& [zxid, lines] : changes_) {
    if (zxid <= before.committed || zxid > after.committed) continue;
    needs.push_back({zxid, counting});
    counting = voters_of(lines, servers_);
    needs.push_back({zxid, counting});
  }
  needs.push_back({after.committed, counting});
  return needs;
}

std::vector<std::vector<bool>> ConfigCheck::live(const Ledger& ledger) const {
  std::vector<std::vector<bool>> sets = {voters(committed_)};
  for (const auto& [zxid, text] : ledger.reconfigs()) {
    if (zxid > committed_) sets.push_back(voters_of(config_lines(text), servers_));
  }
  return sets;
}

}  // namespace vivarium::sim
