// Contract of a World: links.
#include "tests/contract/actor.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {
namespace {

constexpr size_t kMoreThanAnyBuffer = 64 << 20;

TEST_P(WorldContract, ConnectingBringsLinkUpAndLinkAccepted) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  for (const Door door : {Door::Client, Door::Election, Door::Quorum}) {
    const LinkEnds ends = link_between(a, b, door);
    EXPECT_EQ(a.count<LinkUp>(ends.near), 1U);
    EXPECT_EQ(b.accepted(door), std::vector<LinkId>{ends.far});
  }
  EXPECT_EQ(b.count<LinkAccepted>(), 3U);
  for (const Seen& one : b.all<LinkAccepted>()) {
    EXPECT_FALSE(one.remote_address.empty());
    EXPECT_EQ(one.remote_address.find_first_not_of("0123456789abcdef.:"), std::string::npos)
        << one.remote_address << " is no literal address without a port";
  }
}

TEST_P(WorldContract, ARefusedConnectionIsLinkDown) {
  Actor a(*worlds_);
  LinkId link;
  a.act([&](World& world) {
    link = a.connect(world, worlds_->refusing_address());
    world.send(link, as_bytes("to nobody"));
  });
  a.wait([&] { return a.count<LinkDown>(link) == 1; }, "LinkDown");
  EXPECT_EQ(a.events_of(link), 1U);
}

TEST_P(WorldContract, ADoorCanBeReachedAgainAfterARestart) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds old_ends = link_between(a, b);
  worlds_->kill(b.host());
  a.wait([&] { return a.count<LinkDown>(old_ends.near) == 1; }, "LinkDown");
  b.start();
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) { world.send(ends.near, as_bytes("again")); });
  b.wait([&] { return as_text(b.received(ends.far)) == "again"; }, "the bytes");
}

TEST_P(WorldContract, BytesArriveWholeAndInOrderBothWays) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  Bytes there;
  Bytes back;
  for (uint64_t round = 0; round < 40; ++round) {
    const Bytes small = pattern(1 + round * 37, round);
    const Bytes large = pattern(round % 4 == 0 ? 70'000 : 3, 1000 + round);
    append_bytes(there, small);
    append_bytes(there, large);
    append_bytes(back, large);
    append_bytes(back, small);
    a.act([&](World& world) {
      world.send(ends.near, small);
      world.send_shared(ends.near, share(Bytes(large)));
    });
    b.act([&](World& world) {
      world.send_shared(ends.far, share(Bytes(large)));
      world.send(ends.far, small);
    });
  }
  a.wait([&] { return b.received(ends.far).size() >= there.size(); }, "all bytes");
  a.wait([&] { return a.received(ends.near).size() >= back.size(); }, "all bytes back");
  EXPECT_TRUE(b.received(ends.far) == there);
  EXPECT_TRUE(a.received(ends.near) == back);
}

TEST_P(WorldContract, SentBytesAreCopiedBeforeTheCallReturns) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  Bytes expected;
  a.act([&](World& world) {
    Bytes buffer;
    for (uint64_t i = 0; i < 10; ++i) {
      buffer = pattern(5000, i);
      append_bytes(expected, buffer);
      world.send(ends.near, buffer);
      std::fill(buffer.begin(), buffer.end(), Byte{0});
    }
  });
  b.wait([&] { return b.received(ends.far).size() >= expected.size(); }, "all bytes");
  EXPECT_TRUE(b.received(ends.far) == expected);
}

TEST_P(WorldContract, SharedBytesOutliveTheirSender) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) {
    SharedBytes bytes = share(pattern(300'000, 1));
    world.send_shared(ends.near, bytes);
    world.send_shared(ends.near, std::move(bytes));
  });
  b.wait([&] { return b.received(ends.far).size() >= 600'000; }, "all bytes");
  Bytes expected = pattern(300'000, 1);
  append_bytes(expected, pattern(300'000, 1));
  EXPECT_TRUE(b.received(ends.far) == expected);
}

TEST_P(WorldContract, LinksBetweenTheSameHostsAreApart) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  std::vector<LinkEnds> links;
  for (int i = 0; i < 5; ++i) links.push_back(link_between(a, b));
  a.act([&](World& world) {
    for (size_t i = 0; i < links.size(); ++i) world.send(links[i].near, pattern(10'000, i));
  });
  for (size_t i = 0; i < links.size(); ++i) {
    b.wait([&] { return b.received(links[i].far).size() >= 10'000; }, "all bytes");
    EXPECT_TRUE(b.received(links[i].far) == pattern(10'000, i)) << i;
  }
}

TEST_P(WorldContract, BytesSentBeforeTheLinkIsUpLeaveWhenItIs) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  LinkId link;
  a.act([&](World& world) {
    link = a.connect(world, b.door(Door::Quorum));
    world.send(link, as_bytes("early"));
    EXPECT_EQ(world.unsent(link), 5U);
  });
  b.wait([&] { return b.count<LinkAccepted>() == 1; }, "LinkAccepted");
  const LinkId far = b.accepted(Door::Quorum).front();
  b.wait([&] { return as_text(b.received(far)) == "early"; }, "the bytes");
}

TEST_P(WorldContract, NothingArrivesWithoutCredit) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 0;
  const LinkEnds ends = link_between(a, b);
  const LinkEnds other = link_between(a, b);
  a.act([&](World& world) {
    world.send(ends.near, pattern(1000, 1));
    world.send(other.near, pattern(1000, 2));
  });
  b.act([&](World& world) { b.give_credit(world, other.far, 1000); });
  b.wait([&] { return b.received(other.far).size() == 1000; }, "the other link's bytes");
  b.let_pass(20);
  EXPECT_EQ(b.count<LinkBytes>(ends.far), 0U);
  b.act([&](World& world) { b.give_credit(world, ends.far, 1000); });
  b.wait([&] { return b.received(ends.far).size() == 1000; }, "the bytes");
  EXPECT_TRUE(b.received(ends.far) == pattern(1000, 1));
}

TEST_P(WorldContract, NoMoreBytesArriveThanCreditWasGiven) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 0;
  const LinkEnds ends = link_between(a, b);
  const Bytes sent = pattern(3000, 1);
  a.act([&](World& world) { world.send(ends.near, sent); });
  size_t given = 0;
  const auto give_and_await = [&](size_t bytes) {
    b.act([&](World& world) { b.give_credit(world, ends.far, bytes); });
    given += bytes;
    b.wait([&] { return b.received(ends.far).size() == given; }, "as many bytes as credit");
  };
  for (int i = 0; i < 20; ++i) give_and_await(1);
  give_and_await(977);
  // Credit adds up, and is not used up by a turn that brought nothing.
  b.act([&](World& world) {
    b.give_credit(world, ends.far, 3);
    b.give_credit(world, ends.far, 4);
  });
  given += 7;
  b.wait([&] { return b.received(ends.far).size() == given; }, "seven bytes");
  give_and_await(sent.size() - given);
  EXPECT_TRUE(b.received(ends.far) == sent);
}

TEST_P(WorldContract, CreditGivenWithinTheStepOfTheBytesBringsTheRest) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 100;
  const LinkEnds ends = link_between(a, b);
  b.react = [&](const Event& event, World& world) {
    const auto* bytes = std::get_if<LinkBytes>(&event);
    if (bytes != nullptr) b.give_credit(world, bytes->link, bytes->bytes.size());
  };
  const Bytes sent = pattern(20'000, 1);
  a.act([&](World& world) { world.send(ends.near, sent); });
  b.wait([&] { return b.received(ends.far).size() >= sent.size(); }, "all bytes");
  EXPECT_TRUE(b.received(ends.far) == sent);
  EXPECT_GE(b.count<LinkBytes>(ends.far), 200U);
}

TEST_P(WorldContract, UnsentGrowsWithinTheStepAndFallsLater) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) {
    EXPECT_EQ(world.unsent(ends.near), 0U);
    world.send(ends.near, pattern(1000, 1));
    EXPECT_EQ(world.unsent(ends.near), 1000U);
    world.send_shared(ends.near, share(pattern(500, 1)));
    EXPECT_EQ(world.unsent(ends.near), 1500U);
  });
  b.wait([&] { return b.received(ends.far).size() == 1500; }, "the bytes");
  a.let_pass(1);
  a.act([&](World& world) { EXPECT_EQ(world.unsent(ends.near), 0U); });
}

// Without credit at the far end the near end fills up, however much lies between; with credit it
// drains, and says so once.
TEST_P(WorldContract, AReaderWithoutCreditHoldsTheWriterBackUntilDrained) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 0;
  const LinkEnds ends = link_between(a, b);
  const SharedBytes sent = share(pattern(kMoreThanAnyBuffer, 1));
  a.act([&](World& world) { world.send_shared(ends.near, sent); });
  for (int i = 0; i < 5; ++i) a.let_pass(10);
  a.act([&](World& world) {
    EXPECT_GT(world.unsent(ends.near), 0U);
    EXPECT_LE(world.unsent(ends.near), sent->size());
  });
  EXPECT_EQ(a.count<LinkDrained>(ends.near), 0U);

  b.act([&](World& world) { b.give_credit(world, ends.far, sent->size()); });
  a.wait([&] { return a.count<LinkDrained>(ends.near) > 0; }, "LinkDrained");
  EXPECT_EQ(a.all<LinkDrained>().front().unsent, 0U);
  b.wait([&] { return b.received(ends.far).size() == sent->size(); }, "all bytes");
  EXPECT_TRUE(b.received(ends.far) == *sent);
  a.let_pass(5);
  EXPECT_EQ(a.count<LinkDrained>(ends.near), 1U);
}

TEST_P(WorldContract, ClosingWithDrainDeliversAll) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 1000;
  const LinkEnds ends = link_between(a, b);
  const Bytes sent = pattern(2'000'000, 1);
  b.act([&](World& world) { world.send(ends.far, pattern(5000, 2)); });
  a.act([&](World& world) {
    world.send(ends.near, sent);
    a.close(world, ends.near, true);
  });
  // The reader is slow: it gives credit for what has arrived only.
  b.react = [&](const Event& event, World& world) {
    const auto* bytes = std::get_if<LinkBytes>(&event);
    if (bytes != nullptr) b.give_credit(world, bytes->link, 3 * bytes->bytes.size());
  };
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
  EXPECT_EQ(b.received(ends.far).size(), sent.size());
  EXPECT_TRUE(b.received(ends.far) == sent);
}

TEST_P(WorldContract, ClosingAtOnceIsHeardAtTheOtherEnd) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) { a.close(world, ends.near, false); });
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
  EXPECT_EQ(b.count<LinkBytes>(ends.far), 0U);
}

TEST_P(WorldContract, TheEndIsHeardWithoutCredit) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 0;
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) { a.close(world, ends.near, true); });
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
}

TEST_P(WorldContract, TheEndDoesNotOvertakeTheBytesBeforeIt) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  b.credit_of_new_links = 0;
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) {
    world.send(ends.near, pattern(1000, 1));
    a.close(world, ends.near, true);
  });
  b.let_pass(20);
  EXPECT_EQ(b.count<LinkDown>(ends.far), 0U) << "the bytes wait for credit, the end behind them";
  b.act([&](World& world) { b.give_credit(world, ends.far, 1000); });
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
  EXPECT_TRUE(b.received(ends.far) == pattern(1000, 1));
}

// Actor fails the test on an event of a link that it has closed.
TEST_P(WorldContract, AClosedLinkSaysNothingMore) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  for (const bool drain : {true, false}) {
    const LinkEnds ends = link_between(a, b);
    // The first bytes make the reader close, with many more on the way and its own unsent.
    a.react = [&](const Event& event, World& world) {
      const auto* bytes = std::get_if<LinkBytes>(&event);
      if (bytes == nullptr || bytes->link != ends.near) return;
      world.send(ends.near, pattern(300'000, 2));
      a.close(world, ends.near, drain);
    };
    b.act([&](World& world) { world.send(ends.far, pattern(300'000, 1)); });
    b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
    a.let_pass(10);
    EXPECT_EQ(a.count<LinkBytes>(ends.near), 1U);
    EXPECT_EQ(a.count<LinkDown>(ends.near), 0U);
    EXPECT_EQ(a.count<LinkDrained>(ends.near), 0U);
  }
}

TEST_P(WorldContract, ALinkClosedBeforeItIsUpSaysNothing) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  std::vector<LinkId> links;
  a.act([&](World& world) {
    for (const bool drain : {false, true}) {
      for (const bool sends : {false, true}) {
        links.push_back(a.connect(world, b.door(Door::Client)));
        links.push_back(a.connect(world, worlds_->refusing_address()));
        for (size_t i = links.size() - 2; i < links.size(); ++i) {
          if (sends) world.send(links[i], as_bytes("last words"));
          a.close(world, links[i], drain);
        }
      }
    }
  });
  a.let_pass(20);
  for (const LinkId link : links) EXPECT_EQ(a.events_of(link), 0U);
}

TEST_P(WorldContract, AKilledHostEndsItsLinks) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds out = link_between(a, b);
  const LinkEnds in = link_between(b, a);
  worlds_->kill(b.host());
  a.wait([&] { return a.count<LinkDown>() == 2; }, "both LinkDown");
  EXPECT_EQ(a.count<LinkDown>(out.near), 1U);
  EXPECT_EQ(a.count<LinkDown>(in.far), 1U);
}

// Actor fails the test when a handle is handed out twice or an event names a dead one.
TEST_P(WorldContract, LinkHandlesAreNotReused) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  std::set<LinkId> handles;
  for (int i = 0; i < 30; ++i) {
    const LinkEnds ends = link_between(a, b);
    EXPECT_TRUE(handles.insert(ends.near).second);
    EXPECT_NE(ends.near.generation, 0U);
    EXPECT_NE(ends.far.generation, 0U);
    if (i % 2 == 0) {
      a.act([&](World& world) { a.close(world, ends.near, i % 4 == 0); });
      b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown");
    } else {
      b.act([&](World& world) { b.close(world, ends.far, i % 4 == 1); });
      a.wait([&] { return a.count<LinkDown>(ends.near) == 1; }, "LinkDown");
    }
  }
  EXPECT_EQ(b.count<LinkAccepted>(), 30U);
}

TEST_P(WorldContract, AHostCanCallItself) {
  Actor a(*worlds_);
  const LinkEnds ends = link_between(a, a, Door::Election);
  a.act([&](World& world) {
    world.send(ends.near, as_bytes("to myself"));
    world.send(ends.far, as_bytes("and back"));
  });
  a.wait([&] { return a.received(ends.far).size() == 9 && a.received(ends.near).size() == 8; },
         "both bytes");
  EXPECT_EQ(as_text(a.received(ends.far)), "to myself");
  EXPECT_EQ(as_text(a.received(ends.near)), "and back");
}

}  // namespace
}  // namespace vivarium::contract
