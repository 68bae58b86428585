#include "core/server/server_stats.h"

#include <string>

#include "core/server/requests.h"

namespace vivarium {

void TrafficMetrics::note_told(WatchEvent event, size_t clients) {
  const auto told = static_cast<int64_t>(clients);
  switch (event) {
    case WatchEvent::Created:
      return told_created.add(told);
    case WatchEvent::Deleted:
      return told_deleted.add(told);
    case WatchEvent::DataChanged:
      return told_changed.add(told);
    case WatchEvent::ChildrenChanged:
      return told_children.add(told);
    default:
      return;
  }
}

void TrafficMetrics::add_to(MetricTable& table) const {
  table.count("watch_bytes", watch_bytes);
  table.sample("propagation_latency", propagation);
  table.sample("node_created_watch_count", told_created);
  table.sample("node_deleted_watch_count", told_deleted);
  table.sample("node_changed_watch_count", told_changed);
  table.sample("node_children_watch_count", told_children);
  int64_t total = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const std::string_view name = operation_name(i);
    total += operations[i];
    if (name.empty()) continue;
    std::string counter = "op_count_";
    counter += name;
    table.count(counter, operations[i]);
  }
  table.count("op_count_total", total);
  table.count("bytes_received_count", bytes_received);
  table.count("response_bytes", response_bytes);
  table.sample("readlatency", reads);
  table.sample("updatelatency", updates);
}

std::string_view last_operation_name(Op op) {
  struct Name {
    Op op;
    std::string_view name;
  };
  constexpr Name kNames[] = {
      {Op::CreateSession, "SESS"}, {Op::Ping, "PING"},
      {Op::Create, "CREA"},        {Op::Create2, "CREA"},
      {Op::CreateTtl, "CREA"},     {Op::CreateContainer, "CREA"},
      {Op::Delete, "DELE"},        {Op::SetData, "SETD"},
      {Op::SetAcl, "SETA"},        {Op::GetData, "GETD"},
      {Op::GetChildren, "GETC"},   {Op::GetChildren2, "GETC"},
      {Op::GetAcl, "GETA"},        {Op::Exists, "EXIS"},
      {Op::Sync, "SYNC"},          {Op::Multi, "MULT"},
      {Op::MultiRead, "MLTR"},     {Op::SetWatches, "SETW"},
      {Op::SetWatches2, "STW2"},   {Op::AddWatch, "ADDW"},
      {Op::CheckWatches, "CHKW"},  {Op::RemoveWatches, "REMW"},
      {Op::GetEphemerals, "GETE"}, {Op::GetAllChildrenNumber, "GETACN"},
      {Op::WhoAmI, "HOMI"},        {Op::Reconfig, "RECO"},
      {Op::CloseSession, "CLOS"},
  };
  for (const Name& known : kNames) {
    if (known.op == op) return known.name;
  }
  return "NA";
}

}  // namespace vivarium
