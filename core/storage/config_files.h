// ConfigFiles: the files beside zoo.cfg that say who the members are (disk-formats section 5), as
// ZooKeeper writes them, by durable steps. The active configuration is
// `<zoo.cfg>.dynamic.<version>`, durable under its name before zoo.cfg points to it; zoo.cfg is
// replaced by rename and loses what stands in the dynamic file. `<zoo.cfg>.dynamic.next` mirrors a
// pending configuration for ZooKeeper, whose log is not the truth about it; nobody here reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/event.h"
#include "core/membership.h"
#include "core/storage/disk_script.h"

namespace vivarium {

// zoo.cfg as it is when `dynamic_path` holds the members: without their lines, and without the
// client's port when the server's own line names one.
std::string pointing_zoo_cfg(std::string_view text, std::string_view dynamic_path,
                             bool without_client_port);
// The lines of a dynamic file, which does not hold its version.
std::string dynamic_text(const Membership& membership);

class ConfigFiles {
 public:
  ConfigFiles() = default;
  explicit ConfigFiles(const Config& config);

  // What the files have to say from now on. Nothing happens when they need not exist.
  void want(const Membership& active, const std::optional<Membership>& pending);
  // All that was wanted is durable.
  bool saved() const { return !writes_ || saved_ == wanted_; }
  void advance(Disk& disk);
  bool step(const Event& event, Disk& disk) { return script_.step(event, disk); }

 private:
  struct Versions {
    Zxid active;
    std::optional<Zxid> pending;
    bool cleared = true;  // no `.next` of an earlier life is left
    bool operator==(const Versions&) const = default;
  };

  bool writes_ = false;
  ReconfigConfig files_;
  ServerId id_;
  Membership active_;
  std::optional<Membership> pending_;
  Versions wanted_;
  Versions saved_;
  std::optional<Versions> writing_;
  DiskScript script_;
};

}  // namespace vivarium
