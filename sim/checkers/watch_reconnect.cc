#include "sim/checkers/watch_reconnect.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "sim/watch_model.h"

namespace vivarium::sim {
namespace {

using Change = HistoryTxn::Change;

std::string list_of(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) {
    out += fmt::format(" {} {};", static_cast<int>(change.event), change.path);
  }
  return out.empty() ? " nothing" : out;
}

bool same(const std::vector<Change>& a, const std::vector<Change>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].event != b[i].event || a[i].path != b[i].path) return false;
  }
  return true;
}

void check_client(const ClientLog& log, size_t client, const Past& past, Verdict& verdict) {
  std::vector<Change> caught_up;  // events without a zxid since the last reply
  for (const Heard& heard : log.heard) {
    if (heard.kind == HeardKind::Event) {
      if (heard.zxid <= 0) caught_up.push_back({heard.event, heard.path, {}});
      continue;
    }
    if (heard.kind == HeardKind::Attached) {
      caught_up.clear();  // the connection before broke among them
      continue;
    }
    std::vector<Change> due;
    if (heard.kind == HeardKind::Rearmed) {
      due = WatchModel(log.who).rearm(log.rearms[heard.index], past.history,
                                      Zxid::from_wire(heard.zxid));
      verdict.evaluated(Checker::WatchReconn);
    }
    if (!same(due, caught_up)) {
      return verdict.violated(
          Checker::WatchReconn,
          fmt::format("c{}: set watches again at {:x}, was told{} and should have been told{}",
                      client + 1, static_cast<uint64_t>(heard.zxid), list_of(caught_up),
                      list_of(due)),
          past.now);
    }
    caught_up.clear();
  }
}

}  // namespace

void check_watch_reconnect(const Past& past, Verdict& verdict) {
  for (size_t i = 0; i < past.clients.size(); ++i) {
    check_client(*past.clients[i], i, past, verdict);
  }
}

}  // namespace vivarium::sim
