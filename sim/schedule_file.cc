// Schedules as text: a line for each thing, in the order in which a reader wants it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/server/server_stats.h"
#include "sim/schedule.h"
#include "sim/schedule_words.h"
#include "sim/seed_range.h"

namespace vivarium::sim {
namespace {

constexpr std::string_view kFirstLine = "vivarium-schedule 1";
using WordList = std::vector<std::string>;

std::string present_clients(const Profile& profile) {
  std::string names;
  for (uint32_t i = 0; i < profile.clients; ++i) {
    if (!profile.is_absent(i)) names += fmt::format(" c{}", i + 1);
  }
  return names;
}

std::string operation_comment(const Schedule& schedule, const KeptOperation& kept) {
  Choices choices(schedule.seed);
  if (schedule.profile.changes_ensemble(kept.client)) return "changes the ensemble";
  const Operation operation =
      draw_operation(kept.client, kept.nth, schedule.profile.padding, choices);
  return fmt::format("{} {}", last_operation_name(operation.op), operation.path);
}

// Reads one line after another into a schedule. The frame stands before what is named by it.
class Parser {
 public:
  bool line(const WordList& words);
  Schedule schedule;

 private:
  bool frame(const std::string& key, const WordList& values);
  bool profile_line(const std::string& key, const WordList& values);
  bool clients(const WordList& names);
  bool fault(const WordList& words);
  bool operation(const WordList& words);
  bool choice(WordList words);

  bool begun_ = false;  // the profile has been drawn
};

bool Parser::line(const WordList& words) {
  const WordList values(words.begin() + 1, words.end());
  if (words[0] == "fault") return begun_ && fault(values);
  if (words[0] == "operation") return begun_ && operation(values);
  if (words[0] == "choice") return begun_ && choice(values);
  return frame(words[0], values);
}

bool Parser::frame(const std::string& key, const WordList& values) {
  if (key == "clients") return begun_ && clients(values);
  if (values.size() != 1) return false;
  if (key == "seed") {
    const std::optional<uint64_t> seed = parse_number(values[0]);
    schedule.seed = seed.value_or(0);
    return seed.has_value() && !begun_;
  }
  if (key == "profile") {
    const std::optional<ProfileKind> kind = profile_named(values[0]);
    if (!kind) return false;
    schedule.kind = *kind;
    schedule.profile = profile_of(schedule.seed, schedule.kind);
    begun_ = true;
    return true;
  }
  if (key == "violates") {
    schedule.violates = values[0];
    return true;
  }
  return begun_ && profile_line(key, values);
}

bool Parser::profile_line(const std::string& key, const WordList& values) {
  Profile& p = schedule.profile;
  if (key == "operator") {
    p.has_operator = p.has_operator && values[0] == "yes";
    return values[0] == "yes" || values[0] == "no";
  }
  if (key == "stranger") {
    p.has_stranger = p.has_stranger && values[0] == "yes";
    return values[0] == "yes" || values[0] == "no";
  }
  if (key == "trouble") {
    const std::optional<int64_t> ns = parse_milliseconds(values[0]);
    p.trouble.ns = ns.value_or(0);
    return ns.has_value();
  }
  // 3, 3+1 or 3+1+2: voters, observers, spares.
  if (key != "servers") return false;
  Size size;
  std::string text = values[0];
  for (uint32_t* part : {&size.voters, &size.observers, &size.spares}) {
    const size_t plus = text.find('+');
    const std::optional<uint64_t> number = parse_number(text.substr(0, plus));
    if (!number || *number > p.servers) return false;
    *part = static_cast<uint32_t>(*number);
    text = plus == std::string::npos ? "0" : text.substr(plus + 1);
  }
  if (!fits(p, size)) return false;
  p = smaller(p, size);
  return true;
}

bool Parser::clients(const WordList& names) {
  Profile& p = schedule.profile;
  p.absent = (1U << p.clients) - 1;
  for (const std::string& name : names) {
    const std::optional<uint64_t> host = schedule.hosts().parse(name);
    if (!host || *host < p.servers || *host >= p.servers + p.clients) return false;
    p.absent &= ~(1U << (*host - p.servers));
  }
  return true;
}

bool Parser::fault(const WordList& words) {
  const std::optional<Fault> fault = parse_fault(words);
  const Profile& p = schedule.profile;
  if (!fault || fault->other >= p.servers) return false;
  const bool client = fault->kind == FaultKind::BreakClient;
  if (fault->target >= (client ? p.clients : p.servers)) return false;
  schedule.faults.push_back(*fault);
  return true;
}

bool Parser::operation(const WordList& words) {
  if (words.size() != 2) return false;
  const std::optional<uint64_t> host = schedule.hosts().parse(words[0]);
  const std::optional<uint64_t> nth = parse_number(words[1]);
  const Profile& p = schedule.profile;
  if (!host || *host < p.servers || *host >= p.servers + p.clients || !nth) return false;
  schedule.operations.push_back(
      {static_cast<ClientIndex>(*host - p.servers), static_cast<uint32_t>(*nth)});
  return *nth <= UINT32_MAX;
}

// kind and three words, "=", a number, "ns" with delays.
bool Parser::choice(WordList words) {
  if (words.size() < 6 || words[4] != "=") return false;
  const std::optional<uint64_t> value = parse_number(words[5]);
  const bool delay = words.size() == 7 && words[6] == "ns";
  if (!value || (words.size() != 6 && !delay)) return false;
  words.resize(4);
  const std::optional<Choice> choice = parse_choice(words, schedule.hosts());
  if (!choice || is_delay(choice->kind) != delay) return false;
  schedule.choices.push_back({*choice, *value});
  return true;
}

}  // namespace

std::string to_text(const Schedule& schedule) {
  const Profile& p = schedule.profile;
  std::string text =
      fmt::format("{}\nseed {}\nprofile {}\n", kFirstLine, schedule.seed, name_of(schedule.kind));
  if (!schedule.violates.empty()) text += fmt::format("violates {}\n", schedule.violates);
  text += fmt::format("servers {}+{}+{}  # voters, observers, spares\n", p.voters(), p.observers,
                      p.spares);
  text +=
      fmt::format("clients{}\noperator {}\n", present_clients(p), p.has_operator ? "yes" : "no");
  if (profile_of(schedule.seed, schedule.kind).has_stranger) {
    text += fmt::format("stranger {}\n", p.has_stranger ? "yes" : "no");
  }
  text += fmt::format("trouble {}\n", milliseconds_text(p.trouble.ns));
  for (const Fault& fault : schedule.faults) text += "fault " + to_line(fault) + '\n';
  for (const KeptOperation& kept : schedule.operations) {
    text += fmt::format("operation c{} {}  # {}\n", kept.client + 1, kept.nth,
                        operation_comment(schedule, kept));
  }
  for (const FixedChoice& fixed : schedule.choices) {
    text += fmt::format("choice {} = {}{}\n", to_text(fixed.choice, schedule.hosts()), fixed.value,
                        is_delay(fixed.choice.kind) ? " ns" : "");
  }
  return text;
}

Result<Schedule> parse_schedule(std::string_view text) {
  Parser parser;
  size_t number = 0;
  bool first = true;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const WordList words = words_of(line);
    if (words.empty()) continue;
    const bool good = first ? words == words_of(kFirstLine) : parser.line(words);
    if (!good) return fail(fmt::format("line {}: \"{}\" is not understood", number, line));
    first = false;
  }
  if (first || parser.schedule.profile.trouble.ns == 0) return fail("not a schedule");
  return parser.schedule;
}

}  // namespace vivarium::sim
