#include "tests/simulation/image_sample.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/epochs.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;
constexpr const char* kVariable = "VIVARIUM_CRASH_IMAGES";

// Of the names and contents that Apache looks at.
uint64_t seen_by_apache(const sim::SimDisk& disk) {
  uint64_t hash = 0;
  for (const Dir dir : {Dir::Snapshots, Dir::Logs}) {
    for (const DirEntry& entry : disk.list(dir, Image::Durable)) {
      const std::string_view name = entry.name;
      const bool epoch = name == kAcceptedName || name == kCurrentName || name == kCurrentTmpName;
      if (!epoch && !name.starts_with("snapshot.") && !name.starts_with("log.")) continue;
      hash = hash64(as_bytes(name), hash);
      hash = hash64(*disk.content(dir, name, Image::Durable), hash);
    }
  }
  return hash;
}

// Blanks and whatever is not printed as it is are written as \xNN.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7f && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out;
}

std::string hex_of(ByteView bytes) {
  std::string out;
  for (const Byte b : bytes) out += fmt::format("{:02x}", b);
  return out;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

void write_dir(const sim::SimDisk& disk, Dir dir, const std::filesystem::path& to) {
  std::filesystem::create_directories(to);
  for (const DirEntry& entry : disk.list(dir, Image::Durable)) {
    write_file(to / entry.name, as_text(*disk.content(dir, entry.name, Image::Durable)));
  }
}

}  // namespace

std::string node_line(std::string_view path, const DataTree::NodeView& node) {
  const StatPersisted& s = node.stat;
  std::string line =
      fmt::format("node {} data={} stat={:x},{:x},{},{},{},{},{},{:x},{:x}", escaped(path),
                  node.null_data ? "null" : hex_of(node.data), s.czxid.value, s.mzxid.value,
                  s.ctime_ms, s.mtime_ms, s.version, s.cversion, s.aversion,
                  static_cast<uint64_t>(s.ephemeral_owner), s.pzxid.value);
  for (const AclEntry& entry : *node.acl) {
    line += fmt::format(" acl={}:{}:{}", entry.perms, escaped(entry.scheme), escaped(entry.id));
  }
  return line;
}

std::vector<std::string> node_lines(const DataTree& tree) {
  std::vector<std::string> lines;
  std::vector<std::string> paths = {"/"};
  for (size_t i = 0; i < paths.size(); ++i) {
    const DataTree::Slot slot = tree.find(paths[i]);
    lines.push_back(node_line(paths[i], tree.view(slot)));
    for (DataTree::Slot child = tree.first_child(slot); child != DataTree::kNone;
         child = tree.next_sibling(child)) {
      paths.push_back(tree.path_of(child));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string text_of(const DataTree& tree) {
  std::string out = fmt::format("zxid {:x}\ndigest {}\n", tree.last_applied().value,
                                static_cast<int64_t>(tree.digest()));
  for (const auto& [session, timeout] : tree.sessions()) {
    out += fmt::format("session {:x} {}\n", static_cast<uint64_t>(session.value), timeout);
  }
  for (const std::string& line : node_lines(tree)) out += line + "\n";
  return out;
}

bool ImageSample::wants(const sim::SimDisk& disk, bool standalone, bool must_agree) {
  if (std::getenv(kVariable) == nullptr) return false;
  const uint64_t kind = (standalone ? 2U : 0U) + (must_agree ? 1U : 0U);
  return seen_.insert(hash_combine(seen_by_apache(disk), kind)).second;
}

void ImageSample::write(const Image& image) {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = fmt::format("{}.{}.{:06}", test->test_suite_name(), test->name(), ++written_);
  std::replace(name.begin(), name.end(), '/', '-');
  const std::filesystem::path to = std::filesystem::path(std::getenv(kVariable)) / name;
  write_dir(image.disk, Dir::Snapshots, to / "data" / "version-2");
  if (image.disk.logs_apart()) write_dir(image.disk, Dir::Logs, to / "logs" / "version-2");
  write_file(to / "made_by", image.made_by + "\n");
  write_file(to / "recovered", image.recovered);
  write_file(to / "read",
             image.read ? text_of(image.read->tree) : image.read.error().message + "\n");
  write_file(
      to / "rules",
      fmt::format("{} {} {} {} {}\n", image.standalone ? "standalone" : "member",
                  image.read ? "starts" : "refuses", image.must_agree ? "agree" : "differ",
                  image.read ? image.read->accepted : 0, image.read ? image.read->current : 0));
}

}  // namespace vivarium::storage_test
