// What the commands of ctl_commands.h do, one function for each.
#pragma once

#include "net/ctl_commands.h"

namespace vivarium::ctl {

// ctl_read_commands.cc
Outcome ls(Context& context, const Arguments& arguments);
Outcome ls2(Context& context, const Arguments& arguments);
Outcome get(Context& context, const Arguments& arguments);
Outcome stat_znode(Context& context, const Arguments& arguments);
Outcome get_acl(Context& context, const Arguments& arguments);
Outcome get_ephemerals(Context& context, const Arguments& arguments);
Outcome get_all_children_number(Context& context, const Arguments& arguments);
Outcome sync_path(Context& context, const Arguments& arguments);
Outcome whoami(Context& context, const Arguments& arguments);
Outcome get_config(Context& context, const Arguments& arguments);
// ctl_write_commands.cc
Outcome create(Context& context, const Arguments& arguments);
Outcome set(Context& context, const Arguments& arguments);
Outcome delete_znode(Context& context, const Arguments& arguments);
Outcome delete_all(Context& context, const Arguments& arguments);
Outcome set_acl(Context& context, const Arguments& arguments);
Outcome reconfig(Context& context, const Arguments& arguments);
// ctl_session_commands.cc
Outcome add_auth(Context& context, const Arguments& arguments);
Outcome add_watch(Context& context, const Arguments& arguments);
Outcome remove_watches(Context& context, const Arguments& arguments);
Outcome close_session(Context& context, const Arguments& arguments);
// ctl_quota_commands.cc
Outcome set_quota(Context& context, const Arguments& arguments);
Outcome list_quota(Context& context, const Arguments& arguments);
Outcome del_quota(Context& context, const Arguments& arguments);

// The members' client addresses in the text of /zookeeper/config: "version host:port,host:port".
std::string client_addresses(std::string_view config);

}  // namespace vivarium::ctl
