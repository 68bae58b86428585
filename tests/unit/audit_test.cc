// Lines of the audit log.
#include "core/server/audit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config audited() {
  Config config = ServerHost::default_config();
  config.admin.audit = true;
  config.admin.environment = {{"user.name", "zk"}};
  return config;
}

class Audit : public testing::Test {
 protected:
  Audit() : host_(audited()), link_(host_.open()) {
    host_.send_frame(link_, connect_request());
    host_.settle();
    const auto response = decode_connect_response(host_.received(link_).front());
    session_ = response->session;
    who_ = fmt::format("session=0x{:x}\tuser=10.0.0.1\tip=10.0.0.1\t",
                       static_cast<uint64_t>(session_.value));
  }
  std::vector<std::string> lines_of(ByteView request) {
    host_.world.audit_.clear();
    host_.send_frame(link_, request);
    host_.settle();
    return host_.world.audit_;
  }

  ServerHost host_;
  LinkId link_;
  SessionId session_;
  std::string who_;
};

TEST_F(Audit, WritesThatSucceedAndFail) {
  EXPECT_THAT(lines_of(create(1, "/a", "x")),
              ElementsAre(who_ + "operation=create\tznode=/a\tznode_type=persistent\t"
                                 "result=success"));
  EXPECT_THAT(lines_of(create(2, "/a", "x")),
              ElementsAre(who_ + "operation=create\tznode=/a\tznode_type=persistent\t"
                                 "result=failure"));
  EXPECT_THAT(lines_of(create(3, "/s-", "", CreateFlag::PersistentSequential)),
              ElementsAre(HasSubstr("znode=/s-0000000001\tznode_type=persistent_sequential")));
  EXPECT_THAT(lines_of(request_of(4, Op::SetData, SetDataRequest{"/a", {}, false, -1})),
              ElementsAre(who_ + "operation=setData\tznode=/a\tresult=success"));
  EXPECT_THAT(lines_of(request_of(5, Op::Delete, PathVersionRequest{"/none", -1})),
              ElementsAre(who_ + "operation=delete\tznode=/none\tresult=failure"));
  EXPECT_THAT(lines_of(request_of(6, Op::Exists, PathWatchRequest{"/a", false})), IsEmpty());
}

TEST_F(Audit, HashesAreNotForLogs) {
  const SetAclRequest acl{"/", false, Acl{{31, "digest", "bob:c2VjcmV0"}, {1, "world", "anyone"}},
                          -1};
  EXPECT_THAT(lines_of(request_of(1, Op::SetAcl, acl)),
              ElementsAre(HasSubstr("acl=digest:bob:cdrwa,world:anyone:r\tresult=")));
}

TEST_F(Audit, ALineStaysALine) {
  EXPECT_THAT(lines_of(create(1, "/a\tresult=success\nb", "")),
              ElementsAre(HasSubstr("znode=/a\\x09result=success\\x0ab\t")));
}

TEST_F(Audit, EphemeralsThatGoWithTheirSession) {
  lines_of(create(1, "/e", "", CreateFlag::Ephemeral));
  EXPECT_THAT(lines_of(request(2, Op::CloseSession)),
              ElementsAre(fmt::format("session=0x{:x}\tuser=zk\t"
                                      "operation=ephemeralZNodeDeletionOnSessionCloseOrExpire\t"
                                      "znode=/e\tresult=success",
                                      static_cast<uint64_t>(session_.value))));
}

}  // namespace
}  // namespace vivarium::server_test
