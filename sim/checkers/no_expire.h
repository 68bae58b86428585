// K-NOEXPIRE: a session whose client was heard within the timeout is not expired. Heard: the client
// sent something that was answered. Expired: a closeSession that no client asked for.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_no_expire(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
