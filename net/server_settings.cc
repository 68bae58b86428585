#include "net/server_settings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/config_sources.h"
#include "disk/fd.h"
#include "net/whole_file.h"

namespace vivarium {
namespace {

// As zkServer.sh hands them to the process it starts.
std::string jvm_flags() {
  std::string flags;
  for (const char* name : {"SERVER_JVMFLAGS", "JVMFLAGS"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before there are other threads.
    if (const char* value = std::getenv(name)) flags += std::string(value) + " ";
  }
  return flags;
}

Environment container_variables() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (!text.starts_with("ZOO_") || equals == std::string_view::npos) continue;
    variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return variables;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  const auto cannot = [&] {
    return fail(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  };
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return cannot();
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return cannot();
  }
  if (::fsync(fd.get()) != 0) return cannot();
  return {};
}

// The files that say who the members are change while the server runs.
Result<void> ready_for_reconfig(ServerFile& file, const std::string& zoo_cfg,
                                const std::string& text) {
  ReconfigConfig& reconfig = file.config.reconfig;
  if (!reconfig.enabled || file.config.standalone()) return {};
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(zoo_cfg, error);
  if (error) return fail("reconfigEnabled: " + error.message());
  file.config_dir = path.parent_path().string();
  if (::access(file.config_dir.c_str(), W_OK) != 0) {
    return fail(fmt::format("reconfigEnabled: {} must be a directory that can be written to: {}",
                            file.config_dir, std::strerror(errno)));
  }
  reconfig.static_name = path.filename().string();
  reconfig.static_path = path.string();
  reconfig.static_text = text;
  return {};
}

}  // namespace

bool runs_in_container() { return !container_variables().empty(); }

Result<ServerFile> settings_from_container() {
  const Environment variables = container_variables();
  const std::string zoo_cfg = container_variable(variables, "ZOO_CONF_DIR") + "/zoo.cfg";
  const std::string data_dir = container_variable(variables, "ZOO_DATA_DIR");
  const std::string my_id_path = data_dir + "/myid";
  if (::access(my_id_path.c_str(), F_OK) != 0) {
    std::error_code error;
    std::filesystem::create_directories(data_dir, error);
    const Result<void> written =
        write_file(my_id_path, container_variable(variables, "ZOO_MY_ID") + "\n");
    if (!written) return tl::unexpected<Error>(written.error());
  }
  if (::access(zoo_cfg.c_str(), F_OK) == 0) return settings_from_file(zoo_cfg);
  const Result<std::string> my_id = read_whole_file(my_id_path);
  if (!my_id) return tl::unexpected<Error>(my_id.error());
  const std::string text = zoo_cfg_of_container(variables);
  const std::string flags = jvm_flags();
  Result<ServerFile> file = parse_server_file(ConfigTexts{text, *my_id, {}, flags});
  if (!file) return fail(fmt::format("the variables ZOO_*: {}", file.error().message));
  if (file->config.reconfig.enabled && !file->config.standalone()) {
    return fail("the variables ZOO_*: reconfigEnabled needs a zoo.cfg that can be written to");
  }
  return file;
}

Result<ServerFile> settings_from_file(const std::string& zoo_cfg) {
  const Result<std::string> text = read_whole_file(zoo_cfg);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto in_file = [&](const Error& error) {
    return fail(fmt::format("{}: {}", zoo_cfg, error.message));
  };
  const Result<std::string> data_dir = parse_data_dir(*text);
  if (!data_dir) return in_file(data_dir.error());
  std::string my_id;
  const std::string my_id_path = *data_dir + "/myid";
  if (::access(my_id_path.c_str(), F_OK) == 0) {
    Result<std::string> content = read_whole_file(my_id_path);
    if (!content) return tl::unexpected<Error>(content.error());
    my_id = std::move(*content);
  }
  const Result<std::string> dynamic_path = parse_dynamic_file(*text);
  if (!dynamic_path) return in_file(dynamic_path.error());
  std::string dynamic;
  if (!dynamic_path->empty()) {
    Result<std::string> content = read_whole_file(*dynamic_path);
    if (!content) return tl::unexpected<Error>(content.error());
    dynamic = std::move(*content);
  }
  const std::string flags = jvm_flags();
  Result<ServerFile> file = parse_server_file(ConfigTexts{*text, my_id, dynamic, flags});
  if (!file) return in_file(file.error());
  if (const Result<void> ready = ready_for_reconfig(*file, zoo_cfg, *text); !ready) {
    return in_file(ready.error());
  }
  return file;
}

Result<bool> take_initialize_marker(const std::string& data_dir) {
  const std::string path = data_dir + "/initialize";
  const auto cannot = [&] {
    return fail(fmt::format("cannot remove {}: {}", path, std::strerror(errno)));
  };
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return false;
    return cannot();
  }
  const Fd dir(::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || ::fsync(dir.get()) != 0) return cannot();
  return true;
}

Result<ServerFile> settings_from_flags(const std::string& data_dir, const Address& client) {
  if (data_dir.empty()) return fail("--data-dir is empty");
  Result<Config> config = checked(Config{});
  if (!config) return tl::unexpected<Error>(config.error());
  ServerFile file;
  file.config = std::move(*config);
  file.data_dir = data_dir;
  file.data_log_dir = data_dir;
  file.client = client;
  return file;
}

}  // namespace vivarium
