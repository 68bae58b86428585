// What speaks against a log being all there is: a log of ZooKeeper's may lie without any snapshot
// (servers before 3.5.3 began without one), but so does one that has lost its snapshot, and to take
// that for the whole history would be to forget acknowledged txns (hazards R6).
#pragma once

#include "core/base/ids.h"
#include "core/tree/data_tree.h"
#include "core/wire/txn.h"

namespace vivarium {

// The very first txn of a standalone server, or of an ensemble in its first epoch. A later epoch
// may as well begin behind a state that only a snapshot holds.
bool first_of_all(Zxid zxid);

// Applies `txn`. False: it was made for another state than this. A create finds its parent with the
// count of children that it is to raise and no such znode, setData and setACL the version before
// theirs, a delete its znode, and the digest is the one that the txn names.
bool apply_fitting(const Txn& txn, DataTree& tree, Effects& effects);

}  // namespace vivarium
