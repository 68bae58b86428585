# cmake -DTREE=... -DFILE=... -P build_commit.cmake: FILE defines build_commit(), the commit of TREE.
find_program(GIT git)
set(commit unknown)
if(GIT AND EXISTS ${TREE}/.git)
  execute_process(COMMAND ${GIT} describe --always --dirty --abbrev=12 --exclude=* WORKING_DIRECTORY ${TREE}
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found)
    set(commit ${found})
  endif()
endif()
file(CONFIGURE OUTPUT ${FILE} @ONLY CONTENT [[
#include "sim/commands.h"

std::string vivarium::sim::build_commit() { return "@commit@"; }
]])
