// Crash images for a real ZooKeeper to load (tests/system/crash_images_test.py): with
// VIVARIUM_CRASH_IMAGES=FOLDER in the environment the tests that make images write them there, each
// as an ordinary data directory beside the trees that are expected of it. Without it nothing is
// written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/tree/data_tree.h"
#include "sim/sim_disk.h"
#include "tests/simulation/apache_start_conditions.h"

namespace vivarium::storage_test {

// Everything that a server holds, a line each: zxid, digest, sessions, znodes in the order of their
// paths. The same text that tests/system/clients/LoadDirectories.java prints.
std::string text_of(const DataTree& tree);
// Its lines about znodes alone.
std::vector<std::string> node_lines(const DataTree& tree);
std::string node_line(std::string_view path, const DataTree::NodeView& node);

class ImageSample {
 public:
  struct Image {
    const sim::SimDisk& disk;  // as power loss has left it
    std::string made_by;       // for a person
    bool standalone = false;   // its epochs are not looked at
    std::string recovered;     // text_of() what our recovery makes of it
    // What our reading of Apache's rules makes of it; error: it says that Apache would not start.
    const Result<ApacheStart>& read;
    bool must_agree = true;  // false: a cut or an exchange was under way, which only we finish
  };

  // One of those that look the same to Apache is enough. True once for each, and never when nobody
  // asked for images.
  bool wants(const sim::SimDisk& disk, bool standalone, bool must_agree);
  // Into a folder that begins with the running test's name.
  void write(const Image& image);

 private:
  std::set<uint64_t> seen_;
  size_t written_ = 0;
};

}  // namespace vivarium::storage_test
