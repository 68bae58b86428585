// The HTML page of a run: what is recorded, what proves a violation, and how large the file is.
// tests/system/page_test.py opens such pages in a browser.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/wire/peer_messages.h"
#include "sim/cluster.h"
#include "sim/page/evidence.h"
#include "sim/page/recorder.h"
#include "sim/page/streams.h"
#include "sim/page/words.h"
#include "sim/page/writer.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

struct Recorded {
  Outcome outcome;
  PageModel model;
};

Recorded record(uint64_t seed) {
  Cluster cluster(seed);
  PageRecorder page(cluster);
  cluster.also_observe(&page);
  Recorded recorded;
  recorded.outcome = cluster.run();
  recorded.model = page.finish(recorded.outcome, "a run", "vivsim replay");
  return recorded;
}

// Two of three servers lose all they have: nobody promises to survive that.
Recorded record_violation() {
  Profile profile = profile_of(1, ProfileKind::Standard);
  profile.servers = 3;
  profile.observers = profile.spares = 0;
  profile.shadow = profile.reconfig = false;
  Cluster cluster(1, profile, {});
  PageRecorder page(cluster);
  cluster.also_observe(&page);
  cluster.sim().observe(&cluster);
  cluster.sim().run_for(cluster, milliseconds(1500));
  cluster.wipe(0, milliseconds(50));
  cluster.wipe(1, milliseconds(50));
  cluster.sim().run_for(cluster, milliseconds(500));
  Recorded recorded;
  recorded.outcome = cluster.finish();
  recorded.model = page.finish(recorded.outcome, "two wiped servers", "vivsim replay");
  return recorded;
}

size_t count(const PageModel& model, PageKind kind, Fate fate) {
  return static_cast<size_t>(
      std::count_if(model.events.begin(), model.events.end(),
                    [&](const PageEvent& e) { return e.kind == kind && e.fate == fate; }));
}

nlohmann::json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t from = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

// Where tests/system/page_test.py looks for pages.
void leave(const std::string& name, const std::string& page) {
  if (const char* folder = std::getenv("VIVARIUM_PAGES")) {
    std::ofstream(std::string(folder) + "/" + name) << page;
  }
}

TEST(Page, RecordingChangesNothing) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    EXPECT_EQ(record(seed).outcome.trace_hash, Cluster(seed).run().trace_hash) << "seed " << seed;
  }
}

TEST(Page, ARunIsRecordedWhole) {
  const Recorded recorded = record(1);
  const PageModel& m = recorded.model;
  EXPECT_TRUE(m.checker.empty());
  EXPECT_EQ(m.lanes.size(), 8U);
  EXPECT_EQ(m.lanes[0].name, "s1");
  EXPECT_TRUE(std::is_sorted(m.events.begin(), m.events.end(),
                             [](const PageEvent& a, const PageEvent& b) { return a.at < b.at; }));
  for (const PageEvent& e : m.events) EXPECT_GE(e.until, e.at) << e.label;
  EXPECT_GT(count(m, PageKind::Quorum, Fate::Done), 500U);
  EXPECT_GT(count(m, PageKind::Quorum, Fate::Lost), 10U);
  EXPECT_GT(count(m, PageKind::Election, Fate::Done), 50U);
  EXPECT_GT(count(m, PageKind::Client, Fate::Done), 300U);
  EXPECT_GT(count(m, PageKind::Write, Fate::Done), 300U);
  EXPECT_GT(count(m, PageKind::Sync, Fate::Done), 300U);
  // Every operation has a bar.
  const size_t answered =
      count(m, PageKind::Operation, Fate::Done) + count(m, PageKind::Operation, Fate::Refused);
  EXPECT_EQ(answered, recorded.outcome.completed);
  EXPECT_GT(m.reaches.size(), 100U);
  EXPECT_EQ(m.faults.size(), 20U);
  EXPECT_NE(m.healed, SimTime::never());
}

TEST(Page, LeadersAreBands) {
  const PageModel m = record(1).model;
  std::set<Epoch> led;
  for (const Band& band : m.bands) {
    if (band.state == BandState::Leading) led.insert(band.epoch);
  }
  EXPECT_EQ(led.size(), record(1).outcome.leaderships);
}

TEST(Page, CrashesGiveUnsyncedWritesTheirFate) {
  size_t lost = 0;
  size_t kept = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const PageModel m = record(seed).model;
    lost += count(m, PageKind::Write, Fate::Lost);
    kept += count(m, PageKind::Write, Fate::Kept);
  }
  EXPECT_GT(lost, 0U);
  EXPECT_GT(kept, 0U);
}

TEST(Page, TheFileIsBelowItsLimitAndNeedsNothingElse) {
  const std::string page = page_html(record(1).model);
  leave("passes.html", page);
  EXPECT_LT(page.size(), size_t{1} << 20);
  for (const char* outside : {"http:", "https:", "src=", "@import", "url("}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  const nlohmann::json data = data_of(page);
  EXPECT_EQ(data["checker"], "");
  EXPECT_EQ(data["window"], "");
  EXPECT_EQ(data["events"].size(), record(1).model.events.size());
}

TEST(Page, ALongRunIsShownAroundItsFailure) {
  const Recorded recorded = record_violation();
  ASSERT_TRUE(recorded.outcome.violation.has_value());
  PageModel m = recorded.model;
  ASSERT_FALSE(m.proof.empty());
  const size_t whole = page_html(m).size();
  const size_t limit = whole / 2;
  const std::string page = page_html(m, limit);
  leave("window.html", page);
  EXPECT_LE(page.size(), limit);
  const nlohmann::json data = data_of(page);
  EXPECT_NE(data["window"], "");
  ASSERT_EQ(data["proof"].size(), m.proof.size());
  for (size_t i = 0; i < m.proof.size(); ++i) {
    const size_t event = data["proof"][i][0];
    EXPECT_EQ(data["texts"][data["events"][event][7].get<size_t>()],
              m.events[m.proof[i].event].label);
  }
}

TEST(Page, AViolationIsToldInPlainWords) {
  const Recorded recorded = record_violation();
  ASSERT_TRUE(recorded.outcome.violation.has_value());
  const PageModel& m = recorded.model;
  leave("violation.html", page_html(m));
  EXPECT_EQ(m.checker, recorded.outcome.violation->checker);
  EXPECT_EQ(m.promise, promise_of(m.checker));
  EXPECT_FALSE(m.promise.empty());
  EXPECT_FALSE(m.proof.empty());
}

TEST(Page, EveryCheckerHasItsPromise) {
  for (size_t i = 0; i < kCheckers; ++i) {
    const std::string_view name = name_of(static_cast<Checker>(i));
    EXPECT_FALSE(promise_of(name).empty()) << name;
    EXPECT_TRUE(promise_of(name).ends_with('.')) << name;
  }
  EXPECT_TRUE(promise_of("K-NONE").empty());
}

PageEvent made_up(PageKind kind, int64_t at_us, std::string label, Zxid zxid) {
  PageEvent event;
  event.kind = kind;
  event.lane = 1;
  event.other = 0;
  event.at = event.until = SimTime{at_us * 1000};
  event.label = std::move(label);
  event.zxid = event.first = zxid;
  return event;
}

TEST(Page, AnAcknowledgementThatLiesIsProvedByItsRecordAndItsSync) {
  PageModel m;
  m.lanes = {{"s1", "voter", true}, {"s2", "voter", true}};
  const Zxid zxid(1, 3);
  PageEvent write = made_up(PageKind::Write, 10, "log 100000003", zxid);
  write.detail = "100 bytes at 512 of log.100000001";
  m.events = {made_up(PageKind::Write, 5, "log 100000002", Zxid(1, 2)), write,
              made_up(PageKind::Sync, 11, "sync log.100000001", Zxid{}),
              made_up(PageKind::Quorum, 12, "ACK", zxid),
              made_up(PageKind::Quorum, 13, "ACK", Zxid(1, 4))};
  m.events[2].fate = Fate::Open;
  find_proof({"K-DURACK", "s2 acknowledges zxid 100000003 and its disk does not hold it", {12'000}},
             3, m);
  ASSERT_EQ(m.proof.size(), 3U);
  EXPECT_EQ(m.proof[0].event, 1U);
  EXPECT_EQ(m.proof[1].event, 2U);
  EXPECT_EQ(m.proof[2].event, 3U);
}

TEST(Page, WhatALineNamesIsFound) {
  const std::vector<PageLane> lanes = {{"s1", "", true}, {"s2", "", true}, {"c1", "", false}};
  const Named named = named_in(
      "s2 and c1: session 100018a2b3c4d5e6 xid 1000007 op 3 /a/b: read at 30000000f: epoch 12",
      lanes);
  EXPECT_EQ(named.lanes, (std::set<Lane>{1, 2}));
  EXPECT_EQ(named.operations, (std::set<int64_t>{1'000'007}));
  EXPECT_EQ(named.epochs, (std::set<Epoch>{12}));
  EXPECT_EQ(named.zxids, (std::vector<Zxid>{Zxid(3, 15)}));
  EXPECT_EQ(named.others, (std::vector<std::string>{"100018a2b3c4d5e6", "/a/b"}));
}

// However the bytes come, the messages are the same.
TEST(Page, MessagesAreCutFromAnyPieces) {
  Bytes bytes;
  encode_packet(PacketType::NewLeader, Zxid(3, 0).wire(), bytes);
  encode_packet(PacketType::Snap, Zxid(3, 1).wire(), bytes);
  for (const char c : std::string("any state") + std::string(kSnapSignature)) {
    bytes.push_back(static_cast<Byte>(c));
  }
  encode_packet(PacketType::UpToDate, Zxid(3, 0).wire(), bytes);
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    SaidReader reader(kQuorumPort, false);
    std::vector<std::string> names;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      const size_t length = std::min(piece, bytes.size() - at);
      for (const Said& said : reader.feed(ByteView(bytes).subspan(at, length))) {
        names.push_back(said.name);
      }
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{"NEWLEADER", "SNAP", "the state of SNAP", "UPTODATE"}))
        << piece;
  }
}

}  // namespace
}  // namespace vivarium::sim
