#include "sim/checkers/watch_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "sim/watch_model.h"

namespace vivarium::sim {
namespace {

// What was asked to be watched, with an answer, since the connection began.
class Asked {
 public:
  void add(const ClientOp& op) {
    const WatchModel::Modes mode = mode_left_by(op);
    if (mode != 0) (mode == WatchModel::kRecursive ? recursive_ : paths_).insert(op.path);
  }
  void add(const Rearm& rearm) {
    for (const auto* list : {&rearm.data, &rearm.exist, &rearm.child, &rearm.persistent}) {
      paths_.insert(list->begin(), list->end());
    }
    recursive_.insert(rearm.recursive.begin(), rearm.recursive.end());
  }
  bool covers(const std::string& path) const {
    if (paths_.count(path) != 0) return true;
    return std::any_of(recursive_.begin(), recursive_.end(), [&](const std::string& top) {
      return top == "/" || path == top || path.rfind(top + "/", 0) == 0;
    });
  }

 private:
  std::set<std::string> paths_;
  std::set<std::string> recursive_;
};

void check_client(const ClientLog& log, size_t client, SimTime now, Verdict& verdict) {
  Asked asked;
  int64_t replied = 0;  // the latest state that a reply has shown
  int64_t told = 0;     // and an event
  for (const Heard& heard : log.heard) {
    if (heard.kind == HeardKind::Attached) {
      asked = Asked();
      replied = told = 0;
    } else if (heard.kind != HeardKind::Event) {
      replied = std::max(replied, heard.zxid);
      if (heard.kind == HeardKind::Reply) asked.add(log.ops[heard.index]);
      if (heard.kind == HeardKind::Rearmed) asked.add(log.rearms[heard.index]);
    } else if (heard.zxid > 0) {
      const bool in_time = heard.zxid > replied && heard.zxid >= told;
      const bool known = asked.covers(heard.path);
      verdict.expect(Checker::WatchOrder, in_time && known, now, [&] {
        return fmt::format("c{}: the event of {} at {:x} came {}", client + 1, heard.path,
                           static_cast<uint64_t>(heard.zxid),
                           in_time ? "before the reply that set its watch"
                                   : fmt::format("behind a state of {:x}",
                                                 static_cast<uint64_t>(std::max(replied, told))));
      });
      told = std::max(told, heard.zxid);
    }
  }
}

}  // namespace

void check_watch_order(const Past& past, Verdict& verdict) {
  for (size_t i = 0; i < past.clients.size(); ++i) {
    check_client(*past.clients[i], i, past.now, verdict);
  }
}

}  // namespace vivarium::sim
