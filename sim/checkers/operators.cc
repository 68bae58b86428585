#include "sim/checkers/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace vivarium::sim {
namespace {

std::string describe(const Asking& asking) {
  return fmt::format("s{} was asked {}{}", asking.server + 1, asking.what,
                     asking.http ? " over HTTP" : "");
}

bool needs_disk(const Asking& asking) {
  return asking.what == "conf" || asking.what == "dirs" || asking.what == "server_stats";
}

// Operations on directories may have piled up behind a disk that was slow until now.
Duration bound_of(const Asking& asking) {
  const bool late = asking.manner == Manner::SlowReader || needs_disk(asking);
  return milliseconds(late ? 5000 : 1000);
}

}  // namespace

void Operators::life_changed(ServerIndex server) {
  ++seen_[server].life;
  seen_[server].facts = NodeFacts{};
}

void Operators::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                        SimTime now) {
  Seen& seen = seen_[server];
  seen.facts = after;
  if (before.leading || after.leading) seen.led = now;
  proposed_ = std::max({proposed_, after.last_logged, after.last_applied});
}

void Operators::stepped(const std::vector<Asking>& asked, SimTime now, Verdict& verdict) {
  if (asked.size() <= judged_) return;
  const Asking& asking = asked[judged_];
  const Seen& seen = seen_[asking.server];
  if (!open_ && asking.sent != SimTime::never()) {
    open_ = Open{asking, seen.life, Zxid{}, {}};
    if (seen.facts.delivers) open_->floor = seen.facts.last_applied;
  }
  if (asking.ended == SimTime::never()) return;
  if (open_ && asking.is_fair() && open_->life == seen.life) judge(*open_, asking, now, verdict);
  open_.reset();
  ++judged_;
}

// No answer is due in time then.
void Operators::disk_slow(ServerIndex server) {
  if (!open_ || open_->asking.server != server || !needs_disk(open_->asking)) return;
  open_->asking.manner = Manner::Silent;
}

void Operators::passed(ServerIndex server, bool stalled, Duration since, SimTime now,
                       Verdict& verdict) {
  if (!open_ || open_->asking.server != server || !open_->asking.is_fair()) return;
  if (stalled || open_->life != seen_[server].life) return;
  open_->waited = open_->waited + since;
  verdict.expect(Checker::Admin, open_->waited <= bound_of(open_->asking), now, [&] {
    return fmt::format("{}, and has said nothing for {} ms", describe(open_->asking),
                       open_->waited.ms());
  });
}

bool Operators::may_be(std::string_view mode, const Open& open) const {
  const ServerIndex server = open.asking.server;
  const Seen& seen = seen_[server];
  if (mode == "read-only") return rules_.read_only_mode;
  if (rules_.servers == 1) return mode == "standalone";
  if (mode == "leader") return seen.facts.leading || seen.led >= open.asking.sent;
  if (rules_.parts_change && (mode == "follower" || mode == "observer")) return true;
  return mode == (server < rules_.voters ? "follower" : "observer");
}

// The root's ACL is open: whoever says who he is may look.
bool Operators::may_ask(const Asking& asking) const {
  if (asking.http) return asking.what != "connections" || asking.credentials;
  return rules_.all_words || asking.what == "srvr" ||
         (asking.what == "isro" && rules_.read_only_mode);
}

void Operators::judge(const Open& open, const Asking& asking, SimTime now, Verdict& verdict) {
  const auto wrong = [&](const std::string& what) {
    verdict.violated(Checker::Admin, fmt::format("{}: {}", describe(asking), what), now);
  };
  verdict.evaluated(Checker::Admin);
  if (asking.answer.empty()) return;
  const Result<AdminAnswer> answer = asking.http ? read_http_answer(asking.what, asking.answer)
                                                 : read_word_answer(asking.what, asking.answer);
  if (!answer) {
    return wrong(
        fmt::format("{} in an answer of {} bytes", answer.error().message, asking.answer.size()));
  }
  // Who serves nobody says so to everybody who asks over HTTP.
  const bool open_to_all = asking.http && !answer->serving;
  if (!open_to_all && answer->allowed != may_ask(asking)) {
    return wrong(answer->allowed ? "it answered, and nobody may ask that" : "it refused");
  }
  if (!answer->mode.empty() && !may_be(answer->mode, open)) {
    return wrong(fmt::format("it says that it is {}", answer->mode));
  }
  if (!answer->zxid || !answer->serving) return;
  const Zxid zxid = *answer->zxid;
  if (zxid < open.floor || zxid > proposed_) {
    wrong(fmt::format("it says that it is at {:x}, and {:x} had been {}", zxid.value,
                      zxid < open.floor ? open.floor.value : proposed_.value,
                      zxid < open.floor ? "applied" : "logged by all"));
  }
}

}  // namespace vivarium::sim
