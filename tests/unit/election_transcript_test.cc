// Transcripts of elections: tests/transcripts/election/*.txt. A line "> command" is carried out,
// the lines behind it are what was seen. VIVARIUM_UPDATE_TRANSCRIPTS=1 writes them anew, to be
// reviewed as a diff.
//
//   > ensemble 1 2 3 [observers 4]    the members
//   > look 1 zxid=1:5 epoch=1         starts server 1 when it is not running; standing: observer,
//   aside, blank > script 2                        server 2 says only what it is told to > say 2->1
//   FOLLOWING leader=3 zxid=1:5 round=1 epoch=1 > deliver [2->1 ...]              all that is under
//   way (in these directions) and what comes of it > run 500                         lets
//   milliseconds pass, delivering > settle 3 LEADING leader=3 epoch=2 > break 1-2 | hold 1->2 |
//   release | kill 3 > show 1 ...                      what the server would tell its owner
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/unit/election_hub.h"

namespace vivarium::election_test {
namespace {

using Words = std::vector<std::string>;

Words split(const std::string& text) {
  std::istringstream in(text);
  return Words(std::istream_iterator<std::string>(in), {});
}

std::vector<int64_t> numbers(const Words& words, size_t from, size_t to) {
  std::vector<int64_t> out;
  for (size_t i = from; i < to; ++i) out.push_back(std::stoll(words[i]));
  return out;
}

// "2->1" and "2-1".
std::pair<int64_t, int64_t> pair_of(const std::string& text) {
  const size_t dash = text.find('-');
  const size_t second = text.find_first_not_of("->", dash);
  if (dash == std::string::npos || second == std::string::npos) throw std::runtime_error(text);
  return {std::stoll(text.substr(0, dash)), std::stoll(text.substr(second))};
}

std::string option(const Words& words, const std::string& name, const std::string& otherwise) {
  for (const std::string& word : words) {
    if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
  }
  return otherwise;
}

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Zxid zxid_of(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) throw std::runtime_error("zxid " + text);
  return Zxid(static_cast<Epoch>(std::stoul(text.substr(0, colon))),
              static_cast<uint32_t>(std::stoul(text.substr(colon + 1))));
}

PeerState state_of(const Words& words) {
  if (has(words, "FOLLOWING")) return PeerState::Following;
  if (has(words, "LEADING")) return PeerState::Leading;
  if (has(words, "OBSERVING")) return PeerState::Observing;
  if (has(words, "LOOKING")) return PeerState::Looking;
  throw std::runtime_error("which state?");
}

class Conversation {
 public:
  // The transcript with what was seen this time.
  std::string replay(const std::string& transcript) {
    std::string out;
    std::istringstream in(transcript);
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line[0] == '#') {
        out += line + "\n";
      } else if (line[0] == '>') {
        out += line + "\n";
        for (const std::string& seen : carry_out(split(line.substr(1)))) out += seen + "\n";
      }
    }
    return out;
  }

 private:
  Words carry_out(const Words& words) {
    Words out = command(words);
    if (!hub_) return out;
    std::move(hub_->heard.begin(), hub_->heard.end(), std::back_inserter(out));
    hub_->heard.clear();
    for (const int64_t id : hub_->ids()) {
      std::optional<ServerId> now;
      if (running(id)) now = hub_->election(id).decided();
      if (now && decided_[id] != now) out.push_back(fmt::format("{} decides {}", id, now->value));
      decided_[id] = now;
    }
    return out;
  }

  Words command(const Words& words) {
    const std::string& verb = words.at(0);
    if (verb == "ensemble") {
      const size_t split_at =
          static_cast<size_t>(std::find(words.begin(), words.end(), "observers") - words.begin());
      std::vector<int64_t> observers;
      if (split_at < words.size()) observers = numbers(words, split_at + 1, words.size());
      hub_ = std::make_unique<ElectionHub>(numbers(words, 1, split_at), observers);
    } else if (verb == "look") {
      hub_->look(std::stoll(words.at(1)), self_vote(words));
      scripted_.erase(std::stoll(words.at(1)));
    } else if (verb == "script") {
      for (const int64_t id : numbers(words, 1, words.size())) {
        hub_->script(id);
        scripted_.insert(id);
      }
    } else if (verb == "say") {
      const auto [from, to] = pair_of(words.at(1));
      hub_->say(from, to, spoken(words));
      hub_->deliver_all([from = from, to = to](const ElectionHub::Way& way) {
        return way.from == from && way.to == to;
      });
    } else if (verb == "deliver") {
      deliver(words);
    } else if (verb == "run") {
      hub_->run(std::stoll(words.at(1)));
    } else if (verb == "settle") {
      hub_->settle(std::stoll(words.at(1)), state_of(words),
                   std::stoll(option(words, "leader", "0")),
                   static_cast<Epoch>(std::stoul(option(words, "epoch", "0"))));
    } else if (verb == "break") {
      const auto [a, b] = pair_of(words.at(1));
      hub_->break_between(a, b);
    } else if (verb == "hold") {
      for (size_t i = 1; i < words.size(); ++i) {
        const auto [from, to] = pair_of(words[i]);
        hub_->hold(from, to, true);
      }
    } else if (verb == "release") {
      hub_->release_all();
    } else if (verb == "kill") {
      hub_->kill(std::stoll(words.at(1)));
    } else if (verb == "show") {
      return show(words);
    } else if (verb == "kinds") {
      return kinds(words);
    } else {
      throw std::runtime_error("unknown command " + verb);
    }
    return {};
  }

  static SelfVote self_vote(const Words& words) {
    SelfVote self;
    if (has(words, "observer")) self.standing = Standing::Observer;
    if (has(words, "aside")) self.standing = Standing::Aside;
    if (has(words, "blank")) self.standing = Standing::Blank;
    self.last_zxid = zxid_of(option(words, "zxid", "0:0"));
    self.current_epoch = static_cast<Epoch>(std::stoul(option(words, "epoch", "0")));
    const std::string faults = option(words, "faults", "");
    if (const size_t dots = faults.find(".."); dots != std::string::npos) {
      self.damaged = true;
      self.faults.push_back({zxid_of(faults.substr(0, dots)), zxid_of(faults.substr(dots + 2))});
    }
    return self;
  }

  static Notification spoken(const Words& words) {
    Notification n;
    n.state = state_of(words);
    n.leader = ServerId{std::stoll(option(words, "leader", "0"))};
    const std::string zxid = option(words, "zxid", "0:0");
    n.zxid = zxid == "-1" ? kNoZxidWire : zxid_of(zxid).wire();
    n.election_epoch = std::stoll(option(words, "round", "1"));
    n.peer_epoch = std::stoll(option(words, "epoch", "0"));
    return n;
  }

  void deliver(const Words& words) {
    if (words.size() == 1) {
      hub_->deliver_all();
      return;
    }
    std::set<std::pair<int64_t, int64_t>> ways;
    for (size_t i = 1; i < words.size(); ++i) ways.insert(pair_of(words[i]));
    hub_->deliver_all([&](const ElectionHub::Way& way) {
      return ways.count({way.from, way.to}) > 0;
    });
  }

  Words show(const Words& words) {
    Words out;
    for (const int64_t id : numbers(words, 1, words.size())) {
      const Election& election = hub_->election(id);
      std::string line = fmt::format("{}: {}", id, election.looking() ? "looking" : "not looking");
      for (const int64_t other : hub_->ids()) {
        if (election.heard_looking(ServerId{other}))
          line += fmt::format(", heard {} looking", other);
      }
      out.push_back(line);
      if (election.all_blank()) out.push_back(fmt::format("{}: all are blank", id));
      const std::string waiting = election.waiting_for();
      if (!waiting.empty()) out.push_back(fmt::format("{}: {}", id, waiting));
    }
    return out;
  }

  Words kinds(const Words& words) {
    Words out;
    for (const int64_t id : numbers(words, 1, words.size())) {
      const Election& election = hub_->election(id);
      out.push_back(fmt::format("{}: {}", id,
                                election.heard_foreign()     ? "hears others too"
                                : election.heard_only_ours() ? "hears a quorum, all of our kind"
                                                             : "hears no quorum yet"));
    }
    return out;
  }

  bool running(int64_t id) const { return hub_->alive(id) && scripted_.count(id) == 0; }

  std::unique_ptr<ElectionHub> hub_;
  std::set<int64_t> scripted_;
  std::map<int64_t, std::optional<ServerId>> decided_;
};

std::filesystem::path folder() { return SOURCE_DIR "/tests/transcripts/election"; }

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Words transcripts() {
  Words names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ElectionTranscript : public testing::TestWithParam<std::string> {};

TEST_P(ElectionTranscript, IsAsWritten) {
  const std::filesystem::path path = folder() / (GetParam() + ".txt");
  const std::string written = text_of(path);
  ASSERT_FALSE(written.empty());
  const std::string seen = Conversation().replay(written);
  if (std::getenv("VIVARIUM_UPDATE_TRANSCRIPTS") != nullptr) {
    std::ofstream(path) << seen;
    return;
  }
  EXPECT_EQ(written, seen);
}

INSTANTIATE_TEST_SUITE_P(All, ElectionTranscript, testing::ValuesIn(transcripts()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace vivarium::election_test
