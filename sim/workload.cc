#include "sim/workload.h"

#include <fmt/format.h>

namespace vivarium::sim {
namespace {

constexpr uint64_t kSharedPaths = 5;

std::string shared_path(uint64_t i) { return std::string("/") + static_cast<char>('a' + i); }

// Watches that are no part of a read, and the end of a session.
Operation draw_other(uint64_t roll, const std::string& path, uint64_t detail) {
  Operation operation;
  operation.path = detail % 5 == 0 ? "/" : path;
  if (detail % 7 == 0) operation.path = path + "/e";
  if (roll < 45) {
    operation.op = Op::AddWatch;
    operation.version = static_cast<int32_t>(detail % 2);
  } else if (roll < 65) {
    operation.op = Op::RemoveWatches;
    operation.version = static_cast<int32_t>(1 + detail % 5);
  } else if (roll < 88) {
    operation.op = Op::CheckWatches;
    operation.version = static_cast<int32_t>(1 + detail % 5);
  } else {
    operation.op = Op::CloseSession;
  }
  return operation;
}

}  // namespace

Operation draw_operation(ClientIndex client, uint64_t nth, Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Workload, client, nth, what}, n);
  };
  Operation operation;
  const uint64_t roll = draw(0, 106);
  if (roll >= 100) return draw_other(draw(1, 100), shared_path(draw(2, kSharedPaths)), draw(3, 70));
  operation.path = shared_path(draw(1, kSharedPaths));
  const std::string datum = fmt::format("c{}-{}", client, nth);
  // Now and then a datum of some size, so that batches and segments are not all alike.
  const uint64_t padding = draw(2, 8) == 0 ? draw(3, 600) : 0;
  operation.data.assign(datum.begin(), datum.end());
  operation.data.resize(operation.data.size() + padding, 'x');
  if (draw(4, 4) == 0) operation.version = static_cast<int32_t>(draw(5, 4));
  if (roll < 28) {
    operation.op = Op::SetData;
  } else if (roll < 42) {
    operation.op = Op::Create;
    operation.flag = CreateFlag::Persistent;
  } else if (roll < 48) {
    operation.op = Op::Create;
    operation.flag = CreateFlag::Ephemeral;
    operation.path += "/e";
  } else if (roll < 56) {
    operation.op = Op::Create;
    operation.flag =
        draw(6, 2) == 0 ? CreateFlag::PersistentSequential : CreateFlag::EphemeralSequential;
    operation.path += "/s-";
  } else if (roll < 66) {
    operation.op = Op::Delete;
    if (draw(7, 3) == 0) operation.path += "/e";
  } else if (roll < 84) {
    operation.op = Op::GetData;
    operation.watch = draw(8, 4) == 0;
  } else if (roll < 89) {
    operation.op = Op::Exists;
    operation.watch = draw(8, 3) == 0;
  } else if (roll < 94) {
    operation.op = Op::GetChildren2;
    operation.watch = draw(8, 3) == 0;
  } else if (roll < 99) {
    operation.op = Op::Sync;
  } else {
    operation.op = Op::CloseSession;
  }
  return operation;
}

}  // namespace vivarium::sim
