#include "sim/workload.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "sim/operations.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kSharedPaths = 5;
// The last of the shared paths has its ACL changed.
constexpr std::string_view kGuardedPath = "/e";

std::string shared_path(uint64_t i) { return std::string("/") + static_cast<char>('a' + i); }

class Draw {
 public:
  Draw(ClientIndex client, uint64_t nth, Padding padding, Choices& choices)
      : client_(client), nth_(nth), padding_(padding), choices_(choices) {}

  Operation operation();

 private:
  // `what` names the choice; those of the parts of a multi lie apart.
  uint64_t below(uint64_t what, uint64_t n) {
    return choices_.below({ChoiceKind::Workload, client_, nth_, base_ + what}, n);
  }
  AclChoice draw_acl();
  void draw_common(Operation& operation);
  void draw_create(Operation& operation, uint64_t roll);
  void draw_write(Operation& operation, uint64_t roll);
  void draw_read(Operation& operation, uint64_t roll);
  void draw_multi(Operation& operation);
  void draw_other(Operation& operation, uint64_t roll);
  void draw_odd(Operation& operation);
  void draw_quota(Operation& operation);
  Operation part();

  ClientIndex client_;
  uint64_t nth_;
  Padding padding_;
  Choices& choices_;
  uint64_t base_ = 0;
};

// Nearly half of them let everybody read.
AclChoice Draw::draw_acl() {
  constexpr std::array<AclChoice, 4> kOften{AclChoice::Open, AclChoice::Open, AclChoice::ReadOnly,
                                            AclChoice::Auth};
  const uint64_t roll = below(12, kAclChoices + kOften.size());
  return roll < kAclChoices ? static_cast<AclChoice>(roll) : kOften[roll - kAclChoices];
}

void Draw::draw_common(Operation& operation) {
  operation.path = shared_path(below(1, kSharedPaths));
  const std::string datum = fmt::format("c{}-{}-{}", client_, nth_, base_);
  // Now and then a datum of some size, so that batches and segments are not all alike.
  const uint64_t padding = below(2, padding_.one_in) == 0 ? below(3, padding_.bytes_max) : 0;
  operation.data.assign(datum.begin(), datum.end());
  operation.data.resize(operation.data.size() + padding, 'x');
  if (below(4, 4) == 0) operation.version = static_cast<int32_t>(below(5, 4));
}

// roll is below 20.
void Draw::draw_create(Operation& operation, uint64_t roll) {
  operation.op = below(10, 3) == 0 ? Op::Create2 : Op::Create;
  if (operation.path == kGuardedPath && below(11, 3) == 0) {
    operation.acl = draw_acl();
  }
  if (roll < 8) {
    operation.flag = CreateFlag::Persistent;
  } else if (roll < 12) {
    operation.flag = CreateFlag::Ephemeral;
    operation.path += "/e";
  } else if (roll < 17) {
    operation.flag =
        below(6, 2) == 0 ? CreateFlag::PersistentSequential : CreateFlag::EphemeralSequential;
    operation.path += "/s-";
  } else if (roll < 18) {
    operation.op = Op::CreateContainer;
    operation.flag = CreateFlag::Container;
    operation.path += "/c";
  } else if (roll < 19) {
    operation.op = Op::CreateTtl;
    operation.flag = CreateFlag::PersistentTtl;
    operation.ttl_ms = static_cast<int64_t>(50 + below(13, 800));
    operation.path += "/t";
    if (operation.ttl_ms % 4 == 0) {
      operation.flag = CreateFlag::PersistentSequentialTtl;
      operation.path += '-';
    }
  } else {
    operation.flag = CreateFlag::Persistent;
    operation.path += "/c/k";
  }
}

// roll is below 60.
void Draw::draw_write(Operation& operation, uint64_t roll) {
  if (roll < 25) {
    operation.op = Op::SetData;
    if (below(14, 12) == 0) operation.path += "/t";
  } else if (roll < 45) {
    draw_create(operation, roll - 25);
  } else if (roll < 56) {
    operation.op = Op::Delete;
    const uint64_t below_it = below(7, 6);
    if (below_it < 2) operation.path += "/e";
    if (below_it == 2) operation.path += "/c/k";
  } else {
    operation.op = Op::SetAcl;
    operation.path = kGuardedPath;
    operation.acl = draw_acl();
  }
}

// roll is below 31.
void Draw::draw_read(Operation& operation, uint64_t roll) {
  if (roll < 16) {
    operation.op = Op::GetData;
    operation.watch = below(8, 4) == 0;
  } else if (roll < 20) {
    operation.op = Op::Exists;
    operation.watch = below(8, 3) == 0;
  } else if (roll < 23) {
    operation.op = Op::GetChildren2;
    operation.watch = below(8, 3) == 0;
  } else if (roll < 25) {
    operation.op = Op::GetAcl;
    if (below(9, 2) == 0) operation.path = kGuardedPath;
  } else if (roll == 25) {
    operation.op = Op::GetAllChildrenNumber;
  } else if (roll < 28) {
    // All of the session's, or those that begin so.
    operation.op = Op::GetEphemerals;
    if (roll == 26) operation.path = "/";
  } else if (roll == 28) {
    operation.op = Op::WhoAmI;
  } else if (roll == 29) {
    operation.op = Op::GetChildren;
    operation.watch = below(8, 3) == 0;
  } else {
    operation.op = Op::MultiRead;
    for (uint64_t i = 0; i < 2; ++i) {
      base_ = 100 * (i + 1);
      Operation one;
      draw_common(one);
      one.op = below(0, 2) == 0 ? Op::GetData : Op::GetChildren;
      operation.parts.push_back(std::move(one));
    }
  }
}

Operation Draw::part() {
  Operation operation;
  draw_common(operation);
  const uint64_t roll = below(0, 20);
  if (roll < 5) {
    operation.op = Op::SetData;
  } else if (roll < 13) {
    draw_create(operation, below(15, 20));
  } else if (roll < 16) {
    operation.op = Op::Delete;
    if (below(7, 3) > 0) operation.path += "/e";
  } else {
    operation.op = Op::Check;
  }
  return operation;
}

void Draw::draw_multi(Operation& operation) {
  operation.op = Op::Multi;
  const uint64_t parts = 1 + below(16, 3);
  for (uint64_t i = 0; i < parts; ++i) {
    base_ = 100 * (i + 1);
    operation.parts.push_back(part());
  }
}

// Watches that are no part of a read, and the end of a session. roll is below 100.
void Draw::draw_other(Operation& operation, uint64_t roll) {
  const uint64_t detail = below(17, 70);
  if (detail % 7 == 0) operation.path += "/e";
  if (detail % 5 == 0) operation.path = "/";
  if (roll < 45) {
    operation.op = Op::AddWatch;
    operation.version = static_cast<int32_t>(detail % 2);
  } else if (roll < 65) {
    operation.op = Op::RemoveWatches;
    operation.version = static_cast<int32_t>(1 + detail % 5);
  } else if (roll < 82) {
    operation.op = Op::CheckWatches;
    operation.version = static_cast<int32_t>(1 + detail % 5);
  } else {
    operation.op = Op::CloseSession;
  }
}

// What no well-behaved client sends.
void Draw::draw_odd(Operation& operation) {
  constexpr std::array<Op, 5> kRefused{Op::Check, Op::DeleteContainer, Op::CreateSession,
                                       Op::Notification, kUnknownOp};
  const uint64_t detail = below(20, 100);
  switch (below(19, 12)) {
    case 0:
      operation.op = Op::Create;
      operation.path += detail % 2 == 0 ? "/." : "//x";
      return;
    case 1:
      operation.op = Op::Create2;
      operation.path += "/e/x";  // under an ephemeral, when there is one
      return;
    case 2:
      operation.op = Op::Create;
      operation.flag = detail % 2 == 0 ? CreateFlag{9} : CreateFlag::PersistentTtl;
      return;
    case 3:
      operation.op = Op::CreateTtl;
      operation.flag = detail % 3 == 0 ? CreateFlag::Persistent : CreateFlag::PersistentTtl;
      operation.ttl_ms = detail % 3 == 1 ? 0 : int64_t{1} << 40;
      return;
    case 4:
      operation.op = Op::Delete;
      operation.path = detail % 2 == 0 ? "/" : "/zookeeper/config";
      return;
    case 5:
      operation.op = detail % 2 == 0 ? Op::SetData : Op::SetAcl;
      operation.path += detail % 3 == 0 ? "/" : "/../x";
      return;
    case 6:
      operation.op = detail % 2 == 0 ? Op::AddWatch : Op::CheckWatches;
      operation.version = static_cast<int32_t>(6 + detail % 3);
      return;
    case 7:
      operation.op = kRefused[detail % kRefused.size()];
      return;
    case 8:
      draw_multi(operation);
      break;
    case 9:
      draw_read(operation, detail % 24);
      break;
    case 10:
      operation.op = Op::RemoveWatches;
      break;
    default:
      draw_write(operation, detail % 60);
      break;
  }
  operation.truncated = true;
}

// A quota of one of two paths: set, looked at, changed or taken away.
void Draw::draw_quota(Operation& operation) {
  constexpr std::array<std::string_view, 4> kTexts{
      "count=3,bytes=200=;byteHardLimit=500;countHardLimit=6", "count=5,bytes=-1=;countHardLimit=5",
      "count=-1,bytes=300", "none"};
  const std::string home = "/zookeeper/quota" + shared_path(below(21, 2));
  const std::string_view text = kTexts[below(23, kTexts.size())];
  const auto create = [&](std::string path, std::string_view data) {
    Operation one;
    one.op = Op::Create;
    one.path = std::move(path);
    one.data.assign(data.begin(), data.end());
    operation.parts.push_back(std::move(one));
  };
  const uint64_t roll = below(22, 10);
  operation.path = home + "/zookeeper_stats";
  if (roll < 4) {
    operation.op = Op::Multi;
    if (roll < 3) create(home, "");
    create(home + "/zookeeper_limits", text);
    create(home + "/zookeeper_stats", "count=0,bytes=0");
  } else if (roll == 4) {
    operation.op = Op::SetData;
    operation.path = home + "/zookeeper_limits";
    operation.data.assign(text.begin(), text.end());
  } else if (roll < 7) {
    operation.op = Op::Delete;
    if (roll == 5) operation.path = home + "/zookeeper_limits";
  } else {
    operation.op = Op::GetData;
    operation.watch = roll == 9;
  }
}

Operation Draw::operation() {
  Operation operation;
  const uint64_t roll = below(0, 113);
  draw_common(operation);
  if (roll < 60) {
    draw_write(operation, roll);
  } else if (roll < 66) {
    draw_multi(operation);
  } else if (roll < 97) {
    draw_read(operation, roll - 66);
  } else if (roll < 102) {
    operation.op = Op::Sync;
  } else if (roll < 108) {
    draw_other(operation, below(18, 100));
  } else if (roll < 110) {
    draw_odd(operation);
  } else {
    draw_quota(operation);
  }
  return operation;
}

}  // namespace

Operation draw_change(uint64_t nth, uint32_t servers, Choices& choices) {
  Operation operation;
  operation.path = "/zookeeper/config";
  operation.op = nth % 4 == 3 ? Op::GetData : Op::Reconfig;
  if (operation.op == Op::Reconfig) operation.ask = draw_reconfig(nth, servers, choices);
  return operation;
}

Operation draw_operation(ClientIndex client, uint64_t nth, Padding padding, Choices& choices) {
  return Draw(client, nth, padding, choices).operation();
}

}  // namespace vivarium::sim
