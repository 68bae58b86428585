#include "core/server/server_stats.h"

namespace vivarium {

void TrafficMetrics::add_to(MetricTable& table) const {
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
