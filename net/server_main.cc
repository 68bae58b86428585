// vivariumd: one server. Reads the flags or a zoo.cfg, opens disk and doors, and lets a Node live
// on them until it is stopped. Exit status: 0 stopped as asked, 1 could not go on, 2 wrong usage or
// configuration.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/node.h"
#include "disk/file_disk.h"
#include "net/client_doors.h"
#include "net/epoll_loop.h"
#include "net/logging.h"
#include "net/process_facts.h"
#include "net/server_settings.h"

namespace vivarium {
namespace {

constexpr int kCannotGoOn = 1;
constexpr int kWrongUsage = 2;

struct Flags {
  std::string zoo_cfg;
  std::string data_dir;
  int64_t client_port = 2181;
  std::string listen = "127.0.0.1";
};

int refuse(int status, const std::string& why) {
  std::fprintf(stderr, "vivariumd: %s\n", why.c_str());
  return status;
}

LoopOptions loop_options(const ServerFile& file, const LogSink& log) {
  LoopOptions options;
  options.take_signals = true;
  options.log = log;
  const AdminConfig& admin = file.config.admin;
  if (admin.server) {
    const bool optional = !admin.server_wanted || !file.config.standalone();  // as in ZooKeeper
    options.doors.push_back({Door::Admin, {admin.host, admin.port}, optional});
  }
  if (admin.metrics) {
    options.doors.push_back({Door::Metrics, {admin.metrics_host, admin.metrics_port}});
  }
  add_peer_doors(file, options);
  return options;
}

// `host` as it stands in front of a port.
std::string host_in_url(const std::string& host) {
  return host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
}

void announce(const ServerFile& file, uint16_t port, const LogSink& log) {
  for (const std::string& warning : file.warnings) log(LogLevel::Warn, warning);
  const bool has_plain = file.client.port != 0 || !file.tls.enabled();
  const std::string& host = has_plain ? file.client.host : file.tls.secure_client.host;
  const bool everywhere = host.empty() || host == "0.0.0.0" || host == "::";
  std::string line = fmt::format("listening for clients at {} port {}, data in {}",
                                 everywhere ? "all interfaces" : host, port, file.data_dir);
  if (file.config.standalone() && has_plain) {
    line += fmt::format("; try: zkCli.sh -server {}:{} ls /",
                        everywhere ? "127.0.0.1" : host_in_url(host), port);
  } else if (!file.config.standalone()) {
    line += fmt::format("; server.{} of an ensemble of {}", file.config.id.value,
                        file.config.members.size());
  }
  log(LogLevel::Info, line);
}

int serve(ServerFile file) {
  raise_descriptor_limit();
  // What is left out is for EpollLoop to say: the level can be changed while the server runs.
  const LogSink log = make_stderr_log(LogLevel::Debug);
  FileDiskOptions disk_options{file.data_dir, file.data_log_dir, file.config_dir, {}, {}};
  disk_options.create = file.config.create_directories;
  disk_options.sync_log = file.config.sync_log;
  disk_options.fatal = [log](const std::string& line) {
    log(LogLevel::Error, line);
    ::_exit(kCannotGoOn);
  };
  auto disk = FileDisk::make(std::move(disk_options));
  if (!disk) return refuse(kCannotGoOn, disk.error().message);
  const Result<bool> marked = take_initialize_marker(file.data_dir);
  if (!marked) return refuse(kCannotGoOn, marked.error().message);
  file.config.initialize = *marked;
  std::unique_ptr<Node> node;  // made when its doors are open
  LoopOptions options = loop_options(file, log);
  if (Result<void> doors = add_client_doors(file, options); !doors) {
    return refuse(kWrongUsage, doors.error().message);
  }
  auto loop =
      EpollLoop::make(std::move(options), std::move(*disk),
                      [&node](const Event& event, World& world) { node->step(event, world); });
  if (!loop) return refuse(kCannotGoOn, loop.error().message);
  const uint16_t port = (*loop)->port(Door::Client);
  describe_process(port, file);
  node = std::make_unique<Node>(file.config);
  announce(file, port, log);
  return (*loop)->run();
}

int run(int argc, char** argv) {
  Flags flags;
  CLI::App app("A coordination server that speaks Apache ZooKeeper's protocols.", "vivariumd");
  app.set_version_flag("--version", std::string("vivariumd ") + VIVARIUM_VERSION);
  auto* zoo_cfg =
      app.add_option("zoo.cfg", flags.zoo_cfg, "Configuration file of ZooKeeper's form");
  auto* data_dir = app.add_option("--data-dir", flags.data_dir,
                                  "Directory of a standalone server, instead of zoo.cfg");
  auto* port = app.add_option("--client-port", flags.client_port, "Port for clients")
                   ->check(CLI::Range(int64_t{0}, int64_t{65535}))
                   ->capture_default_str();
  auto* listen = app.add_option("--listen", flags.listen, "Address for clients; '' is every one")
                     ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return refuse(kWrongUsage, fmt::format("{} (see --help)", error.what()));
  }
  const bool by_variables = zoo_cfg->count() == 0 && data_dir->count() == 0 && runs_in_container();
  if (!by_variables && zoo_cfg->count() == 0 && data_dir->count() == 0) {
    return refuse(kWrongUsage,
                  "give a zoo.cfg, or --data-dir for a standalone server (see --help)");
  }
  if (zoo_cfg->count() != 0 && data_dir->count() + port->count() + listen->count() != 0) {
    return refuse(kWrongUsage, "give a zoo.cfg or flags (--data-dir ...), not both (see --help)");
  }
  const Address client{flags.listen, static_cast<uint16_t>(flags.client_port)};
  const Result<ServerFile> file = by_variables ? settings_from_container()
                                  : zoo_cfg->count() != 0
                                      ? settings_from_file(flags.zoo_cfg)
                                      : settings_from_flags(flags.data_dir, client);
  if (!file) return refuse(kWrongUsage, file.error().message);
  return serve(std::move(*file));
}

}  // namespace
}  // namespace vivarium

int main(int argc, char** argv) { return vivarium::run(argc, argv); }
