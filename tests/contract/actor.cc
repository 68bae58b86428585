#include "tests/contract/actor.h"

#include <stdexcept>

namespace vivarium::contract {
namespace {

// Fills a Seen from each kind of event.
struct Copier {
  Seen& out;

  void operator()(const Started&) const {}
  void operator()(const TimerFired&) const {}
  void operator()(const TurnEnded&) const {}
  void operator()(const StopRequested&) const {}
  void operator()(const LinkAccepted& e) const {
    out.link = e.link;
    out.door = e.door;
    out.remote_address = std::string(e.remote_address);
  }
  void operator()(const LinkUp& e) const { out.link = e.link; }
  void operator()(const LinkBytes& e) const {
    out.link = e.link;
    out.bytes.assign(e.bytes.begin(), e.bytes.end());
  }
  void operator()(const LinkDrained& e) const { out.link = e.link; }
  void operator()(const LinkEnded& e) const { out.link = e.link; }
  void operator()(const LinkDown& e) const { out.link = e.link; }
  void operator()(const FileOpened& e) const {
    out.file = e.file;
    out.size = e.size;
  }
  void operator()(const FileFailed& e) const {
    out.file = e.file;
    out.error = e.error;
  }
  void operator()(const Preallocated& e) const {
    out.file = e.file;
    out.ok = e.ok;
  }
  void operator()(const FileSynced& e) const {
    out.file = e.file;
    out.token = e.token;
  }
  void operator()(const ReadDone& e) const {
    out.file = e.file;
    out.token = e.token;
    out.offset = e.offset;
    out.bytes.assign(e.bytes.begin(), e.bytes.end());
  }
  void operator()(const DirSynced& e) const {
    out.dir = e.dir;
    out.token = e.token;
  }
  void operator()(const DirListed& e) const {
    out.dir = e.dir;
    out.token = e.token;
    ASSERT_NE(e.entries, nullptr);
    out.entries = *e.entries;
  }
};

}  // namespace

Seen Actor::copy(const Event& event) {
  Seen one;
  one.kind = event.index();
  std::visit(Copier{one}, event);
  return one;
}

void Actor::start() {
  in_step_ = false;
  stopped_ = false;
  turn_open_ = false;
  last_now_ = Instant{INT64_MIN};
  seen_.clear();
  links_.clear();
  files_.clear();
  links_ever_.clear();
  files_ever_.clear();
  credit_.clear();
  received_.clear();
  worlds_.start(host_, [this](const Event& event, World& world) { step(event, world); });
  wait([this] { return count<Started>() == 1 && !turn_open_; }, "Started and its TurnEnded");
}

void Actor::act(const std::function<void(World&)>& action) {
  worlds_.act(host_, [&](World& world) {
    ASSERT_FALSE(in_step_);
    in_step_ = true;
    turn_open_ = true;
    action(world);
    in_step_ = false;
  });
}

void Actor::wait(const std::function<bool()>& done, const char* what) {
  // An exception ends the whole test, which has no use for what did not come.
  if (!worlds_.run_until(done)) throw std::runtime_error(std::string("never came: ") + what);
}

void Actor::let_pass(int64_t ms) {
  const size_t before = count<TimerFired>();
  act([ms](World& world) { world.set_timer(world.now() + milliseconds(ms)); });
  wait([this, before] { return count<TimerFired>() > before && !turn_open_; }, "TimerFired");
}

LinkId Actor::connect(World& world, const Address& to) {
  const LinkId link = world.connect(to);
  EXPECT_TRUE(link.valid());
  EXPECT_TRUE(links_ever_.insert(link).second) << "a handle was handed out twice";
  links_.insert(link);
  if (credit_of_new_links != 0) give_credit(world, link, credit_of_new_links);
  return link;
}

void Actor::give_credit(World& world, LinkId link, uint64_t bytes) {
  credit_[link] += bytes;
  world.give_credit(link, bytes);
}

void Actor::close(World& world, LinkId link, bool drain) {
  world.close(link, drain);
  links_.erase(link);
}

FileId Actor::open(World& world, Dir dir, std::string_view name, OpenMode mode, Lane lane,
                   OnError on_error) {
  const FileId file = world.open(dir, name, mode, lane, on_error);
  EXPECT_TRUE(file.valid());
  EXPECT_TRUE(files_ever_.insert(file).second) << "a handle was handed out twice";
  files_.insert(file);
  return file;
}

FileId Actor::open_coded(World& world, Dir dir, std::string_view name, OpenMode mode,
                         Coding coding) {
  const FileId file = world.open_coded(dir, name, mode, coding);
  EXPECT_TRUE(file.valid());
  EXPECT_TRUE(files_ever_.insert(file).second) << "a handle was handed out twice";
  files_.insert(file);
  return file;
}

void Actor::close(World& world, FileId file) {
  world.close(file);
  files_.erase(file);
}

void Actor::stop(World& world, StopReason reason) {
  world.stop(reason, "asked for by a test");
  stopped_ = true;
}

FileId Actor::opened(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) {
  FileId file;
  act([&](World& world) { file = open(world, dir, name, mode, lane, on_error); });
  wait([&] { return count<FileOpened>(file) == 1; }, "FileOpened");
  return file;
}

Bytes Actor::content(Dir dir, std::string_view name, Lane lane) {
  const FileId file = opened(dir, name, OpenMode::Read, lane);
  const uint64_t token = next_token_++;
  const auto answer = [&]() -> const Seen* {
    for (const Seen& one : seen_) {
      if (one.kind == kind_of<ReadDone>() && one.file == file && one.token == token) return &one;
    }
    return nullptr;
  };
  act([&](World& world) { world.read(file, 0, 1 << 24, token); });
  wait([&] { return answer() != nullptr; }, "ReadDone");
  act([&](World& world) { close(world, file); });
  return answer() != nullptr ? answer()->bytes : Bytes{};
}

void Actor::put(Dir dir, std::string_view name, std::string_view text) {
  FileId file;
  const uint64_t token = next_token_++;
  act([&](World& world) {
    file = open(world, dir, name, OpenMode::Create);
    world.write(file, 0, as_bytes(text));
    world.sync(file, token);
  });
  wait([&] { return count<FileSynced>(file) == 1; }, "FileSynced");
  act([&](World& world) { close(world, file); });
}

std::vector<DirEntry> Actor::list(Dir dir) {
  const uint64_t token = next_token_++;
  std::vector<DirEntry> entries;
  const auto listed = [&] {
    for (const Seen& one : seen_) {
      if (one.kind != kind_of<DirListed>() || one.token != token) continue;
      EXPECT_EQ(one.dir, dir);
      entries = one.entries;
      return true;
    }
    return false;
  };
  act([&](World& world) { world.list(dir, token); });
  wait(listed, "DirListed");
  return entries;
}

size_t Actor::events_of(FileId file) const {
  size_t n = 0;
  for (const Seen& one : seen_) n += one.file == file ? 1U : 0U;
  return n;
}

size_t Actor::events_of(LinkId link) const {
  size_t n = 0;
  for (const Seen& one : seen_) n += one.link == link ? 1U : 0U;
  return n;
}

std::vector<LinkId> Actor::accepted(Door door) const {
  std::vector<LinkId> found;
  for (const Seen& one : seen_) {
    if (one.kind == kind_of<LinkAccepted>() && one.door == door) found.push_back(one.link);
  }
  return found;
}

void Actor::step(const Event& event, World& world) {
  ASSERT_FALSE(in_step_) << "a step inside a step";
  ASSERT_FALSE(stopped_) << "an event after stop()";
  in_step_ = true;
  Seen one = copy(event);
  const bool alive = one.link.valid() && one.kind != kind_of<LinkDown>();
  if (alive) one.unsent = world.unsent(one.link);
  check(one);
  if (one.kind == kind_of<LinkBytes>()) {
    append_bytes(received_[one.link], one.bytes);
    one.size = one.bytes.size();
    one.bytes = Bytes{};
  }
  EXPECT_GE(world.now(), last_now_) << "the clock ran backwards";
  last_now_ = world.now();
  seen_.push_back(std::move(one));
  const Seen& recorded = seen_.back();
  const bool is_new = recorded.kind == kind_of<LinkAccepted>();
  if (is_new && credit_of_new_links != 0) give_credit(world, recorded.link, credit_of_new_links);
  if (react) react(event, world);
  in_step_ = false;
}

void Actor::check(const Seen& one) {
  EXPECT_EQ(one.kind == kind_of<Started>(), seen_.empty()) << "Started is first, and once";
  if (one.kind == kind_of<TurnEnded>()) {
    EXPECT_TRUE(turn_open_) << "TurnEnded without anything before it";
    turn_open_ = false;
  } else {
    turn_open_ = true;
  }
  if (one.link.valid()) check_link(one);
  if (one.file.valid()) check_file(one);
}

void Actor::check_link(const Seen& one) {
  if (one.kind == kind_of<LinkAccepted>()) {
    EXPECT_TRUE(links_ever_.insert(one.link).second) << "a handle was handed out twice";
    links_.insert(one.link);
    return;
  }
  EXPECT_EQ(links_.count(one.link), 1U) << "an event of a link that is closed, down or unknown";
  if (one.kind == kind_of<LinkDown>()) links_.erase(one.link);
  if (one.kind != kind_of<LinkBytes>()) return;
  EXPECT_FALSE(one.bytes.empty()) << "LinkBytes without bytes";
  EXPECT_LE(one.bytes.size(), credit_[one.link]) << "more bytes than credit";
  credit_[one.link] -= one.bytes.size();
}

void Actor::check_file(const Seen& one) {
  EXPECT_EQ(files_.count(one.file), 1U) << "an event of a file that is closed, failed or unknown";
  if (one.kind == kind_of<FileFailed>()) files_.erase(one.file);
}

LinkEnds link_between(Actor& from, Actor& to, Door door) {
  LinkEnds ends;
  const size_t before = to.accepted(door).size();
  from.act([&](World& world) { ends.near = from.connect(world, to.door(door)); });
  from.wait([&] { return from.count<LinkUp>(ends.near) == 1 && to.accepted(door).size() > before; },
            "LinkUp and LinkAccepted");
  if (to.accepted(door).size() > before) ends.far = to.accepted(door).back();
  return ends;
}

}  // namespace vivarium::contract
