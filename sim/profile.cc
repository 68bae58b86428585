#include "sim/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "sim/faults.h"
#include "sim/reconfig_model.h"
#include "sim/sim_network.h"

namespace vivarium::sim {

namespace {

// What an operator may set about the log, the quorum and its leader, in some of the seeds each.
void draw_operators_settings(Profile& p, Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Config& c = p.config;
  c.snapshot_every_bytes = draw(30, 6) == 0 ? 512 + 512 * draw(31, 16) : 0;
  if (const uint64_t purge = draw(32, 8); purge == 0) {
    c.purge = false;
  } else if (purge < 3) {
    c.purge_interval_ms = static_cast<int64_t>(50 + draw(33, 1500));
  }
  if (draw(34, 6) == 0) {
    c.flush_delay_ms = static_cast<int64_t>(1 + draw(35, 30));
    c.flush_quiet_ms = static_cast<int64_t>(draw(36, 10));
    c.flush_txns_max = static_cast<uint32_t>(1 + draw(37, 20));
  }
  // Snapshots in many slices, with writes between them; some of these are given up, or wait for the
  // disk.
  if (draw(80, 4) == 0) {
    c.snapshot_slice_elements = static_cast<uint32_t>(1 + draw(81, 12));
    if (draw(82, 3) == 0) c.snapshot_image_bytes_max = 200 + draw(83, 4000);
    if (draw(84, 2) == 0) c.snapshot_unsynced_bytes_max = 100 + draw(85, 2000);
  }
  // Committed txns are applied, and expired sessions closed, a few at a time.
  if (draw(93, 4) == 0) c.step_txns_max = static_cast<uint32_t>(1 + draw(94, 4));
  if (draw(95, 4) == 0) c.step_told_max = static_cast<uint32_t>(1 + draw(96, 3));
  if (draw(97, 6) == 0) c.step_requests_max = static_cast<uint32_t>(1 + draw(98, 4));
  if (const uint64_t coding = draw(86, 8); coding < 2) {
    c.snapshot_coding = coding == 0 ? Coding::Gzip : Coding::Snappy;
  }
  c.leader_serves = p.servers == 1 || draw(38, 8) != 0;
  c.epoch_wait_ms = draw(39, 4) == 0 ? static_cast<int64_t>(draw(40, 500)) : -1;
  if (draw(41, 4) == 0) c.snap_syncs_max = c.diff_syncs_max = 1;
  c.snap_only = draw(42, 16) == 0;
  c.connect_limit_ticks = draw(43, 4) == 0 ? static_cast<int64_t>(2 + draw(44, 16)) : 0;
  c.connect_pause_ms = static_cast<int64_t>(20 + draw(45, 100));
  c.observer_election_delay_ms = static_cast<int64_t>(draw(46, 200));
  c.observer_reconnect_delay_ms = static_cast<int64_t>(draw(47, 2) * draw(48, 200));
  c.election_connect_ms = static_cast<int64_t>(500 + draw(49, 2500));
  // Requests and connections that are too many.
  if (draw(52, 6) == 0) {
    c.throttle_requests_max = static_cast<uint32_t>(1 + draw(53, 4));
    if (draw(54, 2) == 0) c.throttled_wait_ms = static_cast<int64_t>(1 + draw(55, 40));
    c.stale_by_latency = draw(56, 2) == 0;
    c.drop_stale = draw(57, 4) != 0;
  }
  if (draw(58, 8) == 0) {
    c.large_request_bytes = static_cast<int64_t>(64 + draw(59, 128));
    c.large_requests_bytes_max = 3000 + draw(60, 3000);
  }
  if (draw(61, 6) == 0) {
    ThrottleConfig& throttle = c.connection_throttle;
    throttle.tokens_max = static_cast<uint32_t>(1 + draw(62, 5));
    throttle.fill_ms = static_cast<int64_t>(5 + draw(63, 40));
    throttle.weighted = draw(64, 2) == 0;
    if (draw(65, 2) == 0) {
      throttle.freeze_ms = static_cast<int64_t>(draw(66, 200));
      throttle.drop_increase = 200'000;
      throttle.drop_decrease = 100'000;
      throttle.decrease_ratio = 500'000;
    }
  }
  c.election_hello_ms = draw(50, 4) == 0 ? static_cast<int64_t>(100 + draw(51, 800)) : -1;
}

// What both profiles draw.
Profile common_profile(Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Profile p;
  const uint64_t roll = draw(0, 16);
  p.servers = roll == 0 ? 1 : (roll < 11 ? 3 : 5);
  p.clients = static_cast<uint32_t>(3 + draw(1, 3));
  p.operations_per_client = 200 / p.clients + 1;
  p.faults = 20;
  p.trouble = milliseconds(3000);
  p.settle = milliseconds(15000);
  p.think = milliseconds(20);
  if (p.servers > 1 && draw(11, 5) == 0) {
    p.observers = static_cast<uint32_t>(p.servers == 3 ? 1 + draw(12, 2) : 1);
    p.servers += p.observers;
  }
  // Many proposals outstanding at once in half of the seeds.
  if (draw(13, 2) == 0) {
    p.pipeline = static_cast<uint32_t>(4 + draw(14, 13));
    p.burst = static_cast<uint32_t>(2 + draw(15, 11));
  }
  // One server whose disk is always slower than the others', or all but one.
  if (const uint64_t slow = draw(16, 6); p.servers > 1 && slow < 2) {
    p.slow_disks = 1U << draw(17, p.servers);
    if (slow == 1) p.slow_disks = ~p.slow_disks;
    p.slow_factor = static_cast<int64_t>(10 + draw(18, 50));
  }
  Config& c = p.config;
  c.tick_ms = 100;
  c.init_limit_ticks = 10;
  c.sync_limit_ticks = 4;
  c.session_timeout_min_ms = 200;
  c.session_timeout_max_ms = 4000;
  p.session_timeout_ms = static_cast<int32_t>(600 + 200 * draw(2, 8));
  c.notification_min_ms = 50;
  c.notification_max_ms = 800;
  c.finalize_wait_ms = 50;
  c.handshake_deadline_ms = 2000;
  // Tiny limits, so that rolling, snapshots, purging, DIFF, TRUNC and SNAP all happen.
  c.log_prealloc_bytes = uint64_t{2048} << draw(3, 4);
  c.snapshot_every_txns = static_cast<uint32_t>(2 + draw(4, draw(20, 4) == 0 ? 8 : 62));
  c.snapshots_kept = static_cast<uint32_t>(1 + draw(5, 3));
  c.history_txns_max = static_cast<uint32_t>(draw(6, 3) == 0 ? draw(7, 5) : 500);
  c.history_bytes_max = 1 << 20;
  c.counter_max = draw(8, 8) == 0 ? static_cast<uint32_t>(20 + draw(9, 80)) : 0xffffffffU;
  // An epoch whose zxids run out is a change that nobody caused.
  p.quiet_end = draw(19, 8) == 0 && c.counter_max == 0xffffffffU;
  c.outstanding_requests_max = draw(10, 8) == 0 ? 2 : 1000;
  // Local sessions and read-only servers, for clients that ask for them.
  c.local_sessions = c.local_sessions_upgrade = c.read_only_mode = draw(21, 6) == 0;
  c.read_only_after_ms = static_cast<int64_t>(100 + draw(22, 500));
  c.extended_types = true;
  c.x509_ids = c.sasl_ids = true;
  c.auth.sasl_super_users = {std::string(kRootName)};
  p.wrong_one_in = 12;
  p.has_operator = draw(25, 4) == 0;
  if (draw(26, 6) != 0) c.admin.words = {"*"};
  c.admin.idle_timeout_ms = 2000;
  c.enforce_quota = draw(27, 2) == 0;
  c.container_check_ms = static_cast<int64_t>(100 + draw(23, 600));
  c.container_removals_per_minute = draw(24, 3) == 0 ? 600 : 60'000;
  draw_operators_settings(p, choices);
  return p;
}

Profile standard_profile(Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Profile p = common_profile(choices);
  Config& c = p.config;
  // The ensemble itself changes, in some seeds from one server on.
  if (p.servers > 1 && p.servers < 6 && draw(70, 5) == 0) {
    p.reconfig = true;
    p.spares = static_cast<uint32_t>(1 + draw(71, 2));
    if (draw(72, 6) == 0) {
      c.reconfig.standalone_enabled = false;
      p.observers = 0;
      p.spares = p.servers - 1;
    } else {
      p.servers += p.spares;
    }
    ++p.clients;
  }
  // An observer that nobody knows. Who asks it words would have to know what it answers.
  p.shadow = p.observers > 0 && !p.reconfig && !p.has_operator && draw(73, 2) == 0;
  return p;
}

Profile mixed_profile(Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Profile p = common_profile(choices);
  Config& c = p.config;
  if (p.servers == 1) p.servers = 3;
  // Clients are ours alone, and so is what their servers keep to themselves.
  p.has_operator = false;
  c.leader_serves = true;
  c.local_sessions = c.local_sessions_upgrade = c.read_only_mode = false;
  // Which servers: those with the lowest draws.
  std::vector<std::pair<uint64_t, uint32_t>> ranks;
  for (uint32_t i = 0; i < p.servers; ++i) ranks.emplace_back(draw(120 + i, 1 << 20), i);
  std::sort(ranks.begin(), ranks.end());
  const uint64_t count = 1 + draw(90, p.servers - 1);
  for (size_t i = 0; i < count; ++i) p.apache |= 1U << ranks[i].second;
  const uint64_t version = draw(91, 4);
  if (version < 2) p.flaws = apache::Flaws::all();
  if (version == 1) p.flaws.early_ack = false;  // from 3.8.5 on
  p.apache_slice = static_cast<uint32_t>(1 + draw(92, 12));
  // Members are replaced, to and fro, where ZooKeeper's keep what they have acknowledged.
  if (!p.flaws.early_ack && !p.flaws.unsynced_files && draw(93, 2) == 0) {
    p.fault_kinds |= uint64_t{1} << static_cast<int>(FaultKind::Replaced);
    c.snapshot_coding = Coding::Plain;  // theirs read no other, here
  }
  return p;
}

// A part of the kinds of fault, so that in some seeds few of them have the field to themselves.
uint64_t draw_fault_kinds(Choices& choices) {
  constexpr uint64_t kAll = (uint64_t{1} << kFaultKindsDrawn) - 1;
  if (choices.below({ChoiceKind::Topology, 149, 0, 0}, 4) == 0) return kAll;
  const uint64_t denominator = 2 + choices.below({ChoiceKind::Topology, 150, 0, 0}, 5);
  uint64_t kinds = 0;
  for (uint32_t i = 0; i < kFaultKindsDrawn; ++i) {
    const Choice choice{ChoiceKind::Topology, 160 + i, 0, 0};
    if (choices.below(choice, denominator) == 0) kinds |= uint64_t{1} << i;
  }
  return kinds;
}

// Whatever goes wrong befalls a minority, for longer: the others have to get on (K-PARTIAL).
void draw_victims(Profile& p, Choices& choices) {
  const uint64_t first = choices.below({ChoiceKind::Topology, 159, 0, 0}, p.voters());
  for (uint32_t i = 0; i < (p.voters() - 1) / 2; ++i) p.victims |= 1U << ((first + i) % p.voters());
  p.slow_disks &= p.victims;
  p.trouble = milliseconds(9000);
}

// Leaders are cut off with what nobody else has, again and again, and well enough otherwise to be
// cut back later; then there is trouble. Logs are of many files.
void draw_forks(Profile& p, Choices& choices) {
  constexpr std::array kKinds{FaultKind::LeaderCut, FaultKind::LeaderDumb, FaultKind::TruncTrouble};
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  p.fault_kinds = 0;
  for (const FaultKind kind : kKinds) p.fault_kinds |= uint64_t{1} << static_cast<int>(kind);
  p.faults = static_cast<uint32_t>(8 + draw(204, 9));
  p.trouble = milliseconds(static_cast<int64_t>(3000 + draw(205, 4000)));
  p.clients = 6;
  p.operations_per_client = static_cast<uint32_t>(50 + draw(206, 50));
  p.pipeline = static_cast<uint32_t>(4 + draw(201, 13));
  p.burst = static_cast<uint32_t>(2 + draw(202, 6));
  p.config.log_prealloc_bytes = 512;
  p.config.history_txns_max = 500;
  p.config.snap_only = false;
}

// Limits so small that everything rolls, is cut, purged, and sent as a SNAP.
void draw_tiny_limits(Profile& p, Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Config& c = p.config;
  if (draw(140, 2) == 0) c.snapshot_every_txns = static_cast<uint32_t>(2 + draw(141, 6));
  if (draw(142, 2) == 0) c.log_prealloc_bytes = 512 + 512 * draw(143, 3);
  if (draw(144, 2) == 0) c.history_txns_max = static_cast<uint32_t>(draw(145, 5));
  if (draw(146, 4) == 0) c.snapshot_slice_elements = 1;
  if (draw(147, 4) == 0) c.counter_max = static_cast<uint32_t>(8 + draw(148, 60));
  if (c.counter_max != UINT32_MAX) p.quiet_end = false;
  if (draw(151, 4) == 0) p.split_per_1024 = static_cast<uint32_t>(256 + draw(152, 768));
}

Profile swarm_profile(Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  Profile p = standard_profile(choices);
  if (!p.reconfig) {
    p.observers = draw(130, 3) == 0 ? static_cast<uint32_t>(1 + draw(131, 2)) : 0;
    p.servers = static_cast<uint32_t>(1 + draw(132, 7)) + p.observers;
    if (p.voters() == 1) p.servers = 1;
    if (p.servers == 1) p.observers = 0;
    p.shadow = p.observers > 0 && !p.has_operator && draw(133, 2) == 0;
    p.clients = static_cast<uint32_t>(1 + draw(134, 6));
    p.config.leader_serves = p.config.leader_serves || p.servers == 1;
    p.slow_disks &= (1U << p.servers) - 1;
  }
  p.operations_per_client = static_cast<uint32_t>(20 + draw(135, 300)) / p.clients + 1;
  p.faults = static_cast<uint32_t>(draw(136, 40));
  p.trouble = milliseconds(static_cast<int64_t>(500 + draw(137, 5000)));
  p.think = milliseconds(static_cast<int64_t>(2 + draw(138, 40)));
  p.session_timeout_ms =
      static_cast<int32_t>(p.config.tick_ms * static_cast<int64_t>(2 + draw(139, 20)));
  p.fault_kinds = draw_fault_kinds(choices);
  if (!p.reconfig && p.voters() > 2 && draw(158, 5) == 0) draw_victims(p, choices);
  p.has_stranger = draw(153, 3) == 0;
  draw_tiny_limits(p, choices);
  if (!p.reconfig && p.victims == 0 && p.voters() > 2 && draw(200, 6) == 0) draw_forks(p, choices);
  if (draw(203, 4) == 0) p.padding = {2, 2500};  // records lie on several sectors each
  p.tears = draw(207, 2) == 0;
  p.disks_fail_more = draw(157, 2) == 0;
  const bool keeps_leader = p.config.counter_max == UINT32_MAX;
  p.partial_end = p.voters() > 2 && !p.reconfig && keeps_leader;
  return p;
}

// Without changes of the ensemble: who asks for one would have to know who is left of it.
Profile beyond_profile(Choices& choices) {
  Profile p = common_profile(choices);
  p.beyond = true;
  return p;
}

constexpr std::array<std::string_view, kProfileKinds.size()> kProfileNames{"standard", "mixed",
                                                                           "swarm", "beyond"};

}  // namespace

std::string_view name_of(ProfileKind kind) { return kProfileNames[static_cast<size_t>(kind)]; }

std::optional<ProfileKind> profile_named(std::string_view name) {
  for (const ProfileKind kind : kProfileKinds) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

Profile profile_of(uint64_t seed, ProfileKind kind) {
  Choices choices(seed);
  switch (kind) {
    case ProfileKind::Standard:
      return standard_profile(choices);
    case ProfileKind::Mixed:
      return mixed_profile(choices);
    case ProfileKind::Swarm:
      return swarm_profile(choices);
    case ProfileKind::Beyond:
      return beyond_profile(choices);
  }
  return standard_profile(choices);
}

Ids draw_ids(const Profile& profile, uint32_t client, Choices& choices) {
  constexpr std::array<Ids, 16> kEven{
      0,    0,    0,      0,      0,         0,     kBob,          kBob,
      kEve, kEve, kCarol, kCarol, kImpostor, kDave, kBob | kCarol, kRoot};
  constexpr std::array<Ids, 16> kOdd{
      kAlice, kAlice, kAlice, kAlice,        kAlice,          kAlice,         kAlice, kAlice,
      kAlice, kAlice, kAlice, kAlice | kBob, kAlice | kCarol, kAlice | kDave, kBob,   kCarol};
  if (profile.changes_ensemble(client)) return kRoot;  // is super
  if (!profile.config.sasl_ids) return client % 2 == 1 ? kAlice : Ids{0};
  const uint64_t roll = choices.below({ChoiceKind::Topology, 105, client, 0}, kEven.size());
  return client % 2 == 1 ? kOdd[roll] : kEven[roll];
}

Config server_config(const Profile& profile, uint32_t server) {
  Config config = profile.config;
  config.id = ServerId{server + 1};
  if (profile.servers == 1) return config;
  for (uint32_t i = 0; i < profile.servers; ++i) {
    // Who is not in the ensemble knows it, and is in its own list.
    if (profile.spare(i) && i != server) continue;
    if (profile.is_shadow(i)) continue;
    const std::string host = fmt::format("s{}", i + 1);
    Member member{ServerId{i + 1}, {host, kQuorumPort}, {host, kElectionPort}, profile.observer(i)};
    if (profile.reconfig) member.client = {host, kClientPort};
    config.members.push_back(member);
  }
  config.shadow = profile.is_shadow(server);
  if (profile.is_apache(server)) config.snapshot_slice_elements = profile.apache_slice;
  if (profile.reconfig) {
    config.reconfig.enabled = true;
    config.reconfig.static_name = kZooCfg;
    config.reconfig.static_path = "/etc/zoo.cfg";
    config.reconfig.static_text = first_zoo_cfg(config.members);
  }
  return config;
}

}  // namespace vivarium::sim
