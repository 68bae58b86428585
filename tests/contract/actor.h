// Actor: one host of the contract suite with a scripted handler. It records each event as an owned
// copy, and checks in every test what holds for every event: Started first, one step at a time, no
// event of an unknown or dead handle, no byte without credit, one TurnEnded behind each batch.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/random.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {

// An event that outlives its step; fields that its kind does not have are empty. The bytes of a
// link are in Actor::received() only, here is their number.
struct Seen {
  size_t kind = 0;
  LinkId link;
  FileId file;
  Door door{};
  Dir dir{};
  FileError error{};
  bool ok = false;
  uint64_t token = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t unsent = 0;  // of the link, when the event arrived
  Bytes bytes;
  std::string remote_address;
  std::vector<DirEntry> entries;
};

template <class E>
size_t kind_of() {
  return Event(E{}).index();
}

// Bytes that are different everywhere, so that a lost, doubled or moved one shows.
inline Bytes pattern(size_t size, uint64_t seed) {
  Random random(seed);
  Bytes bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random.next() >> 32);
  return bytes;
}

class Actor {
 public:
  explicit Actor(WorldUnderTest& worlds) : worlds_(worlds), host_(worlds.add_host()) { start(); }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  // Begins a (new) life with nothing seen, and waits for Started.
  void start();
  void act(const std::function<void(World&)>& action);
  // Runs until `done`; the test fails when that never comes.
  void wait(const std::function<bool()>& done, const char* what);
  // Lets `ms` milliseconds of this host's time pass, by its timer.
  void let_pass(int64_t ms);

  size_t host() const { return host_; }
  Address door(Door door) const { return worlds_.address(host_, door); }
  std::optional<StopReason> ended() const { return worlds_.ended(host_); }

  // World calls that the checks have to know of.
  LinkId connect(World& world, const Address& to);
  void give_credit(World& world, LinkId link, uint64_t bytes);
  void close(World& world, LinkId link, bool drain);
  FileId open(World& world, Dir dir, std::string_view name, OpenMode mode, Lane lane = Lane::Log,
              OnError on_error = OnError::Report);
  FileId open_coded(World& world, Dir dir, std::string_view name, OpenMode mode, Coding coding);
  void close(World& world, FileId file);
  void stop(World& world, StopReason reason);

  // Short ways that wait for the answer.
  FileId opened(Dir dir, std::string_view name, OpenMode mode, Lane lane = Lane::Log,
                OnError on_error = OnError::Report);
  Bytes content(Dir dir, std::string_view name, Lane lane = Lane::Log);
  void put(Dir dir, std::string_view name, std::string_view text);
  std::vector<DirEntry> list(Dir dir);

  const std::vector<Seen>& seen() const { return seen_; }
  template <class E>
  std::vector<Seen> all() const {
    std::vector<Seen> found;
    for (const Seen& one : seen_) {
      if (one.kind == kind_of<E>()) found.push_back(one);
    }
    return found;
  }
  template <class E>
  size_t count() const {
    size_t n = 0;
    for (const Seen& one : seen_) n += one.kind == kind_of<E>() ? 1U : 0U;
    return n;
  }
  template <class E>
  size_t count(LinkId link) const {
    size_t n = 0;
    for (const Seen& one : seen_) n += one.kind == kind_of<E>() && one.link == link ? 1U : 0U;
    return n;
  }
  template <class E>
  size_t count(FileId file) const {
    size_t n = 0;
    for (const Seen& one : seen_) n += one.kind == kind_of<E>() && one.file == file ? 1U : 0U;
    return n;
  }
  size_t events_of(FileId file) const;
  size_t events_of(LinkId link) const;
  // All that arrived on the link so far.
  const Bytes& received(LinkId link) { return received_[link]; }
  // The links accepted at a door so far, in order.
  std::vector<LinkId> accepted(Door door) const;

  // Runs in the step of each event, after it was recorded.
  Handler react;
  // What every new link gets at once; 0: the test gives credit itself.
  uint64_t credit_of_new_links = uint64_t{1} << 40;

 private:
  void step(const Event& event, World& world);
  void check(const Seen& one);
  void check_link(const Seen& one);
  void check_file(const Seen& one);
  static Seen copy(const Event& event);

  WorldUnderTest& worlds_;
  size_t host_;
  bool in_step_ = false;
  bool stopped_ = false;
  bool turn_open_ = false;  // something happened since the last TurnEnded
  uint64_t next_token_ = uint64_t{1} << 60;
  Instant last_now_{INT64_MIN};
  std::vector<Seen> seen_;
  std::set<LinkId> links_;  // alive
  std::set<FileId> files_;  // open
  std::set<LinkId> links_ever_;
  std::set<FileId> files_ever_;
  std::map<LinkId, uint64_t> credit_;
  std::map<LinkId, Bytes> received_;
};

struct LinkEnds {
  LinkId near;
  LinkId far;
};
// A link from `from` to `to`, when both ends know of it.
LinkEnds link_between(Actor& from, Actor& to, Door door = Door::Client);

}  // namespace vivarium::contract
