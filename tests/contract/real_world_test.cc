// The contract suite on EpollLoop and FileDisk.
#include "tests/contract/real_worlds.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {
namespace {

std::unique_ptr<WorldUnderTest> make_real() { return std::make_unique<RealWorlds>(); }

INSTANTIATE_TEST_SUITE_P(Real, WorldContract, testing::Values(WorldFactory{"real", make_real}));

}  // namespace
}  // namespace vivarium::contract
