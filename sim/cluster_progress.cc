// Looks at the whole from time to time: is there progress where there should be (K-PARTIAL), and
// does nobody keep more than it may (K-BOUNDED)?
#include "sim/checkers/bounded.h"
#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

// What was asked of a disk while it was slow may still be under way.
constexpr Duration kSoon = milliseconds(100);

}  // namespace

// Nothing is wrong with it, and nothing has to be made good.
bool Cluster::is_well(ServerIndex server) const {
  const HostId host = server_host(server);
  const SimFiles& files = sim_.files(host);
  return sim_.state(host) == HostState::Running && !sim_.disk_stuck(host) &&
         files.slowness() == 1 && files.armed() == 0 && files.ready() < sim_.now() + kSoon &&
         !drifts_[server] && !wiped_[server] && facts_[server].standing == Standing::Voter &&
         !facts_[server].damaged;
}

bool Cluster::hear_each_other(ServerIndex a, ServerIndex b) const {
  for (const Cut& c : cuts_) {
    if ((c.from == a && c.to == b) || (c.from == b && c.to == a)) return false;
  }
  for (const Fault& fault : faults_) {
    if (fault.kind != FaultKind::SlowLinks || !fault.happened) continue;
    const bool between =
        (fault.target == a && fault.other == b) || (fault.target == b && fault.other == a);
    if (between && sim_.now() <= fault.at + fault.lasts) return false;
  }
  return true;
}

// Who may vote changes with a change of the ensemble, and servers of ZooKeeper's have flaws.
void Cluster::look_at_progress() {
  if (profile_.reconfig || profile_.apache != 0 || profile_.beyond) return;
  const uint32_t n = profile_.voters();
  std::vector<bool> well(n);
  std::vector<bool> serve(n);
  std::vector<bool> together(size_t{n} * n);
  for (ServerIndex i = 0; i < n; ++i) {
    well[i] = is_well(i);
    serve[i] = well[i] && facts_[i].established && facts_[i].delivers;
  }
  for (ServerIndex a = 0; a < n; ++a) {
    for (ServerIndex b = a + 1; b < n; ++b) {
      together[size_t{a} * n + b] = well[a] && well[b] && hear_each_other(a, b);
    }
  }
  partial_.looked(together, serve, sim_.now(), verdict_);
}

void Cluster::check_bounds() {
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (!nodes_[i] || facts_[i].busy || sim_.now() < inherits_until_[i]) continue;
    check_bounded(i, *nodes_[i], sim_.disk(server_host(i)), sim_.now(), verdict_);
  }
}

}  // namespace vivarium::sim
