#include "core/storage/config_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/bytes.h"
#include "core/properties.h"

namespace vivarium {
namespace {

Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return Bytes(view.begin(), view.end());
}

// Physical lines up to one that no backslash continues, with their ends.
std::string_view take_lines(std::string_view& text) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t newline = std::min(text.find('\n', end), text.size());
    size_t last = newline;
    if (last > end && text[last - 1] == '\r') --last;
    size_t backslashes = 0;
    while (last > end && text[last - 1] == '\\') {
      --last;
      ++backslashes;
    }
    end = std::min(newline + 1, text.size());
    if (backslashes % 2 == 0) break;
  }
  const std::string_view lines = text.substr(0, end);
  text.remove_prefix(end);
  return lines;
}

bool moves(std::string_view key, bool without_client_port) {
  constexpr std::string_view kPrefix = "zookeeper.";
  if (key.starts_with(kPrefix)) key.remove_prefix(kPrefix.size());
  return key.starts_with(kServerPrefix) || key.starts_with("group") || key.starts_with("weight") ||
         key == "dynamicConfigFile" || key == "peerType" ||
         (without_client_port && (key == "clientPort" || key == "clientPortAddress"));
}

// The key of a line that sets one, as properties files have it.
std::string key_of(std::string_view lines) {
  const auto properties = parse_properties(lines);
  if (!properties || properties->empty()) return {};
  return properties->begin()->first;
}

}  // namespace

std::string pointing_zoo_cfg(std::string_view text, std::string_view dynamic_path,
                             bool without_client_port) {
  std::string out;
  while (!text.empty()) {
    const std::string_view lines = take_lines(text);
    if (!moves(key_of(lines), without_client_port)) out += lines;
  }
  if (!out.empty() && out.back() != '\n') out += '\n';
  return out + fmt::format("dynamicConfigFile={}\n", dynamic_path);
}

std::string dynamic_text(const Membership& membership) {
  const std::string whole = to_text(membership);
  std::vector<std::string_view> lines;
  for (std::string_view rest = whole; rest.find('\n') != std::string_view::npos;) {
    lines.push_back(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(lines.back().size() + 1);
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string_view line : lines) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text;
}

ConfigFiles::ConfigFiles(const Config& config)
    : writes_(config.reconfig.enabled && !config.reconfig.static_name.empty()),
      files_(config.reconfig),
      id_(config.id) {
  wanted_.active = saved_.active = config.members_version;
  saved_.cleared = false;
}

void ConfigFiles::want(const Membership& active, const std::optional<Membership>& pending) {
  if (!writes_) return;
  active_ = active;
  pending_ = pending;
  wanted_.active = active.version;
  wanted_.pending.reset();
  if (pending) wanted_.pending = pending->version;
}

void ConfigFiles::advance(Disk& disk) {
  if (!writes_ || script_.running()) return;
  if (writing_) saved_ = *writing_;
  writing_.reset();
  if (saved_ == wanted_) return;
  const std::string& zoo_cfg = files_.static_name;
  const std::string next = zoo_cfg + ".dynamic.next";
  if (wanted_.active != saved_.active) {
    const std::string suffix = fmt::format(".dynamic.{:x}", active_.version.value);
    const Member* own = active_.find(id_);
    const bool without_client_port = own != nullptr && own->client.port != 0;
    script_.write_file(Dir::Config, zoo_cfg + suffix + ".tmp", bytes_of(dynamic_text(active_)));
    script_.rename(Dir::Config, zoo_cfg + suffix + ".tmp", zoo_cfg + suffix);
    // Before the first time zoo.cfg was a person's, and all of it is kept.
    if (files_.static_text.find("dynamicConfigFile") == std::string::npos) {
      script_.write_file(Dir::Config, zoo_cfg + ".bak", bytes_of(files_.static_text));
    }
    script_.sync_dir(Dir::Config);
    script_.write_file(Dir::Config, zoo_cfg + ".tmp",
                       bytes_of(pointing_zoo_cfg(files_.static_text, files_.static_path + suffix,
                                                 without_client_port)));
    script_.rename(Dir::Config, zoo_cfg + ".tmp", zoo_cfg);
  }
  if (pending_) {
    script_.write_file(Dir::Config, next + ".tmp", bytes_of(to_text(*pending_)));
    script_.rename(Dir::Config, next + ".tmp", next);
  } else {
    script_.remove(Dir::Config, next);
  }
  script_.sync_dir(Dir::Config);
  writing_ = wanted_;
  script_.start(disk);
}

}  // namespace vivarium
