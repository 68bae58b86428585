#include "core/zab/refill.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/wire/txn.h"

namespace vivarium {

static_assert(DamageSurvey::kFaultsMax <= kPeerFaultsMax);

// --- who is asked

FillAnswer answer_fill(ZxidRange range, const History& history, const Damage* damage) {
  FillAnswer answer;
  Zxid at = range.after;
  while (at < range.upto) {
    std::optional<History::Item> next;
    if (history.contains(at)) {
      const size_t i = history.upper_bound(at);
      if (i < history.size()) next = history[i];
    }
    if (!next && damage != nullptr) {
      const auto found = std::find_if(damage->salvaged.begin(), damage->salvaged.end(),
                                      [at](const SalvagedRecord& r) { return r.previous == at; });
      if (found != damage->salvaged.end()) next = History::Item{found->zxid, found->entry};
    }
    if (!next) {
      // Whole, it knows what it never had: everything behind its end, and everything that stood
      // behind a txn that it has not. Damaged, it knows only where its history ends.
      const bool known = damage != nullptr ? at >= damage->claimed : at >= history.base();
      answer.rest = known ? FillRest::Never : FillRest::Unknown;
      return answer;
    }
    if (next->zxid > range.upto) {
      answer.rest = FillRest::Never;
      return answer;
    }
    at = next->zxid;
    answer.entries.push_back(std::move(*next));
  }
  answer.rest = FillRest::None;
  return answer;
}

// --- who asks

Refill::Refill(const Damage& damage, const Quorum& quorum)
    : damage_(damage), quorum_(quorum), open_(damage.faults.size()) {}

bool Refill::on_entry(ServerId from, Zxid zxid, ByteView entry) {
  std::vector<History::Item>& run = runs_[from];
  if (!run.empty() && !zxid.follows(run.back().zxid)) return false;
  const Result<Txn> txn = decode_txn(entry);
  if (!txn || txn->header.zxid != zxid) return false;
  run.push_back({zxid, share(Bytes(entry.begin(), entry.end()))});
  return true;
}

bool Refill::on_end(ServerId from, const FillEnd& end) {
  std::vector<History::Item> run = std::move(runs_[from]);
  runs_.erase(from);
  const auto fault = std::find_if(damage_.faults.begin(), damage_.faults.end(),
                                  [&](const Fault& f) { return f.range == end.range; });
  if (fault == damage_.faults.end()) return false;
  Open& open = open_[static_cast<size_t>(fault - damage_.faults.begin())];
  const bool reaches = !run.empty() && run.back().zxid == end.range.upto;
  if (reaches != (end.rest == FillRest::None)) return false;
  if (!run.empty()) {
    if (!run.front().zxid.follows(end.range.after) || run.back().zxid > end.range.upto) {
      return false;
    }
    // The record behind the gap, or the frontier, tells which entry must stand at its end.
    if (reaches && crc32c(*run.back().entry) != fault->crc) return false;
  }
  // Where epochs changed within the gap, a run is known to be of the lost history only by a zxid of
  // its last epoch: whoever has that has what stood before it.
  const bool ours =
      single_epoch(*fault) || run.empty() || run.back().zxid.epoch() == end.range.upto.epoch();
  open.rests[from] = ours ? end.rest : FillRest::Unknown;
  if (ours && run.size() > open.best.size()) {
    open.best = std::move(run);
    open.complete = reaches;
  }
  return true;
}

// More than half of all voters; this server is none of them, since it does not know.
bool Refill::never_had(const Open& open) const {
  return quorum_.holds([&](ServerId id) {
    const auto rest = open.rests.find(id);
    return rest != open.rests.end() && rest->second == FillRest::Never;
  });
}

std::optional<std::vector<History::Item>> Refill::filled(bool may_give_up) const {
  std::vector<History::Item> items;
  auto intact = damage_.salvaged.begin();
  for (size_t i = 0; i < open_.size(); ++i) {
    for (; intact != damage_.salvaged.end() && intact->zxid <= damage_.faults[i].range.after;
         ++intact) {
      items.push_back({intact->zxid, intact->entry});
    }
    items.insert(items.end(), open_[i].best.begin(), open_[i].best.end());
    if (open_[i].complete) continue;
    if (!may_give_up || !never_had(open_[i])) return std::nullopt;
    return items;  // nothing behind it was committed either
  }
  for (; intact != damage_.salvaged.end(); ++intact) items.push_back({intact->zxid, intact->entry});
  return items;
}

bool Refill::hopeless(ServerId self) const {
  const auto all_said = [&](const Open& open) {
    return std::all_of(quorum_.voters().begin(), quorum_.voters().end(),
                       [&](ServerId id) { return id == self || open.rests.count(id) != 0; });
  };
  return std::all_of(open_.begin(), open_.end(), all_said) ||
         std::any_of(open_.begin(), open_.end(),
                     [&](const Open& open) { return !open.complete && never_had(open); });
}

std::string Refill::missing(ServerId self) const {
  std::vector<Fault> missing;
  std::map<ServerId, FillRest> said;
  for (size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].complete) continue;
    Fault fault = damage_.faults[i];
    if (!open_[i].best.empty()) fault.range.after = open_[i].best.back().zxid;
    missing.push_back(fault);
    for (const auto& [id, rest] : open_[i].rests) said[id] = std::max(said[id], rest);
  }
  std::string text = describe(missing);
  std::string unheard;
  for (const ServerId id : quorum_.voters()) {
    if (id == self) continue;
    const auto rest = said.find(id);
    if (rest == said.end()) {
      unheard += fmt::format("{}server.{}", unheard.empty() ? "" : ", ", id.value);
    } else {
      text += fmt::format("; server.{} {}", id.value,
                          rest->second == FillRest::Never ? "never had them" : "cannot tell");
    }
  }
  return unheard.empty() ? text : text + "; not heard: " + unheard;
}

}  // namespace vivarium
