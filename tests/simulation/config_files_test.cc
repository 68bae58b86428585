// The files beside zoo.cfg while they are written: whatever a loss of power leaves, a start finds
// the configuration before or the one behind, and the latter once it was said to be saved.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/crash.h"
#include "sim/reconfig_model.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

Membership of_servers(Zxid version, const std::vector<uint32_t>& servers) {
  Membership membership{version, {}};
  for (const uint32_t i : servers) {
    const std::string host = "s" + std::to_string(i);
    membership.members.push_back({ServerId{i}, {host, 2}, {host, 3}, false, {host, 1}});
  }
  return membership;
}

Config dynamic_config(const Membership& first) {
  Config config = StorageHost::small_config();
  config.id = ServerId{1};
  config.members = first.members;
  config.reconfig.enabled = true;
  config.reconfig.static_name = sim::kZooCfg;
  config.reconfig.static_path = "/etc/zoo.cfg";
  config.reconfig.static_text = sim::first_zoo_cfg(first.members);
  return config;
}

std::string text_on(const sim::SimDisk& disk, std::string_view name) {
  const auto bytes = disk.content(Dir::Config, name, Image::Cached);
  return bytes ? std::string(as_text(*bytes)) : "none";
}

class ConfigFilesOnDisk : public ::testing::Test {
 protected:
  ConfigFilesOnDisk() : host_(disk_with(config_), config_) { host_.found(); }
  static sim::SimDisk disk_with(const Config& config) {
    sim::SimDisk disk;
    disk.put(Dir::Config, sim::kZooCfg, as_bytes(config.reconfig.static_text));
    return disk;
  }
  void save(const Membership& active, const std::optional<Membership>& pending = {}) {
    host_.storage().save_config(host_.world(), active, pending);
  }

  const Membership first_ = of_servers(Zxid(), {1, 2, 3});
  const Membership second_ = of_servers(Zxid(1, 0), {1, 2, 3});
  const Membership third_ = of_servers(Zxid(1, 9), {1, 2, 4});
  Config config_ = dynamic_config(first_);
  StorageHost host_;
};

TEST_F(ConfigFilesOnDisk, EveryCrashImageIsTheOldOrTheNewOne) {
  std::set<Zxid> allowed = {Zxid()};
  std::map<Zxid, size_t> found;
  host_.on_each_step([&] {
    if (HasFailure()) return;
    if (host_.storage().config_saved()) allowed = {*allowed.rbegin()};
    sim::CrashImages::Options options;
    options.images_max = 200;
    sim::CrashImages images(host_.disk(), options);
    while (images.next()) {
      SCOPED_TRACE(images.describe());
      const std::optional<Membership> there = sim::membership_on(images.image());
      ASSERT_TRUE(there) << text_on(images.image(), sim::kZooCfg);
      ASSERT_TRUE(allowed.contains(there->version)) << there->version.value;
      const Membership& same = there->version == Zxid()       ? first_
                               : there->version == Zxid(1, 0) ? second_
                                                              : third_;
      ASSERT_EQ(*there, same);
      ++found[there->version];
    }
  });
  save(second_);
  allowed.insert(second_.version);
  host_.run();
  ASSERT_TRUE(host_.storage().config_saved());
  save(second_, third_);  // pending, and then active
  host_.run();
  EXPECT_EQ(text_on(host_.disk(), "zoo.cfg.dynamic.next"), to_text(third_));
  save(third_);
  allowed.insert(third_.version);
  host_.run();
  EXPECT_EQ(found.size(), 3U) << "each of them was there to be found";
  EXPECT_EQ(text_on(host_.disk(), "zoo.cfg.dynamic.next"), "none");
  EXPECT_EQ(text_on(host_.disk(), "zoo.cfg.bak"), config_.reconfig.static_text);
  EXPECT_EQ(text_on(host_.disk(), "zoo.cfg.dynamic.100000009"),
            "server.1=s1:2:3:participant;s1:1\nserver.2=s2:2:3:participant;s2:1\n"
            "server.4=s4:2:3:participant;s4:1");
}

TEST_F(ConfigFilesOnDisk, AChangeThatVanishesTakesItsFileAlong) {
  save(second_, third_);
  host_.run();
  save(second_);
  EXPECT_FALSE(host_.storage().config_saved());
  host_.run();
  EXPECT_TRUE(host_.storage().config_saved());
  EXPECT_EQ(text_on(host_.disk(), "zoo.cfg.dynamic.next"), "none");
}

TEST(ConfigFiles, NobodyWritesWhoNeedNot) {
  Config config = StorageHost::small_config();
  StorageHost host(sim::SimDisk(), config);
  host.found();
  host.storage().save_config(host.world(), of_servers(Zxid(1, 0), {1}), {});
  host.run();
  EXPECT_TRUE(host.storage().config_saved());
  EXPECT_TRUE(host.disk().list(Dir::Config, Image::Cached).empty());
}

}  // namespace
}  // namespace vivarium::storage_test
