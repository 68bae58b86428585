// Plain words for the page: what each checker promises, what a fault does, what an answer means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/wire/codes.h"
#include "sim/checkers/verdict.h"
#include "sim/faults.h"
#include "sim/page/model.h"
#include "sim/profile.h"

namespace vivarium::sim {

// One sentence: what must hold.
std::string_view promise_of(Checker checker);
// By its name; empty when there is none of this name.
std::string_view promise_of(std::string_view checker);
std::string plain_words(const Fault& fault);
// The line of a checker, with words where it has numbers of roles.
std::string plain_words(const Violation& violation);
// The lanes that a fault names; none when it strikes whoever leads, or all.
std::vector<Lane> lanes_of(const Fault& fault, const Profile& profile);
std::string plain_words(ErrorCode error);
std::string_view plain_words(BandState state);

}  // namespace vivarium::sim
