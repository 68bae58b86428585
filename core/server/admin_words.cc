#include "core/server/admin_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/server/admin_parts.h"
#include "core/server/metric_texts.h"

namespace vivarium {
namespace {

constexpr size_t kWordBytes = 4;
constexpr uint64_t kHeadCredit = 1024;

constexpr uint32_t number_of(std::string_view word) {
  uint32_t number = 0;
  for (const char c : word) number = (number << 8) | static_cast<unsigned char>(c);
  return number;
}

constexpr uint32_t kTelnetClose = 0xfff4'fffd;

std::string_view name_of(uint32_t word) {
  for (const std::string_view known : kFourLetterWords) {
    if (number_of(known) == word) return known;
  }
  return {};
}

class MonitorLines final : public FactWriter {
 public:
  explicit MonitorLines(std::string& out) : out_(out) {}
  void text(std::string_view name, std::string_view value) override {
    out_ += fmt::format("zk_{}\t{}\n", name, value);
  }
  void number(std::string_view name, int64_t value) override {
    out_ += fmt::format("zk_{}\t{}\n", name, value);
  }
  void decimal(std::string_view name, std::string_view value) override { text(name, value); }

 private:
  std::string& out_;
};

}  // namespace

bool is_admin_word(uint32_t first_bytes) {
  return first_bytes == kTelnetClose || !name_of(first_bytes).empty();
}

// srvr is what zkServer.sh status asks, isro what clients in search of a server for writes do. stmk
// would change what the server logs, on the word of anybody.
bool is_word_allowed(std::string_view word, const AdminConfig& config, bool read_only_mode) {
  if (word == "srvr" || (word == "isro" && read_only_mode)) return true;
  if (word == "stmk") return false;
  return std::any_of(config.words.begin(), config.words.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == word; });
}

AdminWords::Asker* AdminWords::find(LinkId link) {
  for (Asker& asker : askers_) {
    if (asker.link == link) return &asker;
  }
  return nullptr;
}

std::vector<LinkId> AdminWords::links() const {
  std::vector<LinkId> links;
  for (const Asker& asker : askers_) links.push_back(asker.link);
  return links;
}

// --- links

// When all places are taken, the one that has been silent longest has to go.
bool AdminWords::make_room(AdminParts& parts) {
  if (askers_.size() < kAskersMax) return true;
  for (const Asker& asker : askers_) {
    if (asker.word != 0) continue;
    drop(asker.link, true, parts);
    return true;
  }
  return false;
}

bool AdminWords::add(LinkId link, std::string_view address, uint16_t port, AdminParts& parts) {
  if (!make_room(parts)) {
    parts.world.close(link, false);
    return false;
  }
  Asker asker;
  asker.link = link;
  asker.address = address;
  asker.port = port;
  asker.deadline = parts.world.now() + kAdminPatience;
  askers_.push_back(std::move(asker));
  return true;
}

void AdminWords::accept(const LinkAccepted& event, AdminParts& parts) {
  if (add(event.link, event.remote_address, event.remote_port, parts)) {
    parts.world.give_credit(event.link, kHeadCredit);
  }
}

void AdminWords::take(const Server::WordAsked& asked, AdminParts& parts) {
  if (add(asked.link, asked.address, asked.port, parts)) ask(asked.link, asked.word, parts);
}

bool AdminWords::step(const Event& event, AdminParts& parts) {
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    if (find(bytes->link) == nullptr) return false;
    receive(bytes->link, bytes->bytes, parts);
    return true;
  }
  if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (find(down->link) == nullptr) return false;
    drop(down->link, false, parts);
    return true;
  }
  if (const auto* drained = std::get_if<LinkDrained>(&event)) {
    return find(drained->link) != nullptr;
  }
  if (const auto* ended = std::get_if<LinkEnded>(&event)) {
    return find(ended->link) != nullptr;
  }
  return false;
}

// What follows the word is nobody's business.
void AdminWords::receive(LinkId link, ByteView bytes, AdminParts& parts) {
  Asker& asker = *find(link);
  if (asker.word != 0) return;
  const size_t wanted = std::min(kWordBytes - asker.head.size(), bytes.size());
  append_bytes(asker.head, bytes.first(wanted));
  if (asker.head.size() < kWordBytes) return;
  const uint32_t word = get_u32(asker.head.data());
  // A client that has come while none are served: it has to look for another server.
  if (!is_admin_word(word)) {
    parts.world.count("cnxn_closed_without_zk_server_running", 1);
    drop(link, true, parts);
    return;
  }
  ask(link, word, parts);
}

void AdminWords::drop(LinkId link, bool close, AdminParts& parts) {
  if (close) parts.world.close(link, false);
  const auto found = std::find_if(askers_.begin(), askers_.end(),
                                  [&](const Asker& asker) { return asker.link == link; });
  CHECK(found != askers_.end());
  const auto index = static_cast<size_t>(found - askers_.begin());
  if (index < turn_) --turn_;
  askers_.erase(found);
}

// --- answers

void AdminWords::finish(LinkId link, std::string_view text, AdminParts& parts) {
  parts.server.note_word_answered();
  if (!text.empty()) parts.world.send(link, as_bytes(text));
  parts.world.close(link, true);
  drop(link, false, parts);
}

void AdminWords::ask(LinkId link, uint32_t word, AdminParts& parts) {
  parts.world.keep_half_open(link);
  Asker& asker = *find(link);
  asker.word = word;
  if (word == kTelnetClose) return finish(link, {}, parts);
  const std::string_view name = name_of(word);
  if (!is_word_allowed(name, parts.config.admin, parts.config.read_only_mode)) {
    return finish(
        link, fmt::format("{} is not executed because it is not in the whitelist.\n", name), parts);
  }
  if (name == "ruok") return finish(link, "imok", parts);
  if (name == "envi") return finish(link, envi_lines(parts), parts);
  if (name == "gtmk") return finish(link, fmt::format("{}", kTraceMask), parts);
  if (!answers_words(parts)) {
    if (name == "isro") return finish(link, "null", parts);
    const std::string_view end = name == "hash" ? "" : "\n";
    return finish(link, fmt::format("{}{}", kNotServing, end), parts);
  }
  if (name == "conf" || name == "dirs") {
    asker.waits_for_sizes = true;
    return;
  }
  answer(asker, {}, parts);
}

bool AdminWords::wants_sizes() const {
  return std::any_of(askers_.begin(), askers_.end(),
                     [](const Asker& asker) { return asker.waits_for_sizes; });
}

void AdminWords::sized(const DirSizes& sizes, AdminParts& parts) {
  std::vector<LinkId> waiting;
  for (const Asker& asker : askers_) {
    if (asker.waits_for_sizes) waiting.push_back(asker.link);
  }
  for (const LinkId link : waiting) {
    if (!answers_words(parts)) {
      finish(link, fmt::format("{}\n", kNotServing), parts);
    } else {
      answer(*find(link), sizes, parts);
    }
  }
}

void AdminWords::answer(Asker& asker, const DirSizes& sizes, AdminParts& parts) {
  const std::string_view name = name_of(asker.word);
  const LinkId link = asker.link;
  const size_t askers = askers_.size();
  std::string text;
  if (name == "srvr") {
    text = version_lines(parts) + server_lines(parts, askers);
  } else if (name == "stat") {
    return begin_listing(asker, ListingKind::Clients, version_lines(parts) + "Clients:\n", parts);
  } else if (name == "cons") {
    return begin_listing(asker, ListingKind::Connections, {}, parts);
  } else if (name == "dump") {
    return begin_listing(asker, ListingKind::Dump, {}, parts);
  } else if (name == "wchc") {
    return begin_listing(asker, ListingKind::WatchesBySession, {}, parts);
  } else if (name == "wchp") {
    return begin_listing(asker, ListingKind::WatchesByPath, {}, parts);
  } else if (name == "wchs") {
    text = watch_summary_lines(parts);
  } else if (name == "conf") {
    text = conf_lines(parts, sizes);
  } else if (name == "dirs") {
    text = fmt::format("datadir_size: {}\nlogdir_size: {}\n", sizes.data, sizes.log);
  } else if (name == "hash") {
    text = digest_lines(parts);
  } else if (name == "isro") {
    // A shadow takes nobody's writes, nor anybody.
    text = parts.config.shadow ? "null" : parts.server.read_only() ? "ro" : "rw";
  } else if (name == "mntr") {
    MonitorLines lines(text);
    write_monitor(parts, askers, lines);
    write_metrics(parts, lines);
  } else if (name == "crst") {
    parts.server.reset_connection_stats();
    text = "Connection stats reset.\n";
  } else {
    CHECK(name == "srst");
    reset_statistics(parts);
    text = "Server stats reset.\n";
  }
  finish(link, text, parts);
}

// --- long answers

void AdminWords::begin_listing(Asker& asker, ListingKind kind, std::string_view head,
                               AdminParts& parts) {
  if (kind == ListingKind::Clients) asker.behind = server_lines(parts, askers_.size());
  asker.listing = Listing::as_text(kind, word_line(asker.address, asker.port));
  if (!head.empty()) parts.world.send(asker.link, as_bytes(head));
  write_one_portion(parts);
}

// One portion of one answer: the turns go round.
void AdminWords::write_one_portion(AdminParts& parts) {
  again_ = Instant::never();
  size_t ready = 0;
  std::optional<size_t> chosen;
  for (size_t i = 0; i < askers_.size(); ++i) {
    const size_t at = (turn_ + i) % askers_.size();
    if (!askers_[at].listing || parts.world.unsent(askers_[at].link) > kAdminUnsentMax) continue;
    if (!chosen) chosen = at;
    ++ready;
  }
  if (!chosen) return;
  Asker& asker = askers_[*chosen];
  turn_ = *chosen + 1;
  const LinkId link = asker.link;
  if (!answers_words(parts)) return finish(link, fmt::format("{}\n", kNotServing), parts);
  std::string text;
  const bool done = asker.listing->write_portion(parts, text);
  asker.deadline = parts.world.now() + kAdminPatience;
  if (done) {
    text += asker.behind;
    finish(link, text, parts);
  } else {
    parts.world.send(link, as_bytes(text));
  }
  if (!done || ready > 1) again_ = parts.world.now();
}

void AdminWords::end_turn(AdminParts& parts) { write_one_portion(parts); }

Instant AdminWords::deadline() const {
  Instant at = again_;
  for (const Asker& asker : askers_) at = std::min(at, asker.deadline);
  return at;
}

void AdminWords::on_deadline(AdminParts& parts) {
  const Instant now = parts.world.now();
  if (again_ <= now) again_ = Instant::never();  // the turn's end does the rest
  std::vector<LinkId> late;
  for (const Asker& asker : askers_) {
    if (asker.deadline <= now) late.push_back(asker.link);
  }
  for (const LinkId link : late) {
    parts.world.count("admin_words_timed_out", 1);
    drop(link, true, parts);
  }
}

}  // namespace vivarium
