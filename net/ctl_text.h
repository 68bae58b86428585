// vivctl's words: command lines taken apart and answers put into text, as ZooKeeper's zkCli does
// it. Pure functions; nothing here knows a server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/wire/client_messages.h"
#include "core/wire/txn.h"

namespace vivarium::ctl {

// Words end at white space; "..." and '...' at the start of a word hold one as it is, without
// escapes. A quotation mark that nothing closes is skipped.
std::vector<std::string> split_words(std::string_view line);
// Without blanks and line breaks at both ends.
std::string_view trimmed(std::string_view text);

// A command's words behind its name. Options stand anywhere, "--" ends them; "-v 3", "-v=3" and
// "-v3" are the same, and flags of one letter may share a dash.
struct OptionSpec {
  std::string_view name;
  bool takes_value = false;
};
struct Arguments {
  std::map<std::string, std::string, std::less<>> options;
  std::vector<std::string> rest;

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  std::string_view value(std::string_view option) const;  // of an option that is there
};
Result<Arguments> parse_arguments(const std::vector<std::string>& words,
                                  const std::vector<OptionSpec>& specs);
// Decimal (or hexadecimal without 0x), whole; nullopt when it is not, or does not fit.
std::optional<int64_t> parse_i64(std::string_view text, int base = 10);
std::optional<int32_t> parse_i32(std::string_view text);

// The eleven lines of `stat`, each with its line break. Times are the machine's local ones.
std::string stat_text(const Stat& stat);
std::string date_text(int64_t ms);                             // "Thu Jan 01 00:00:00 UTC 1970"
std::string list_text(const std::vector<std::string>& names);  // "[a, b]"
std::string perms_text(int32_t perms);                         // letters of "cdrwa"
std::string acl_text(const Acl& acl);  // two lines for each entry, as getAcl prints them

// "scheme:id:perms,...". What is wrong goes to `complaints`: entries without the form are left out,
// letters that are no permission are passed over.
Acl parse_acl(std::string_view text, std::vector<std::string>& complaints);

std::string base64(ByteView bytes);
std::optional<Bytes> from_base64(std::string_view text);
std::string hex_dump(ByteView bytes);  // 16 bytes a row, with their characters
// What a terminal may be shown of bytes that others wrote: control characters as \xNN.
std::string harmless(std::string_view text);

// Why a path cannot be one, in ZooKeeper's words; nullopt when it can.
std::optional<std::string> path_complaint(std::string_view path);

// "Node does not exist: /x" and the like. `error` is a code of the protocol.
std::string error_name(int32_t error);                         // "NoNode", "Session expired"
std::string error_text(int32_t error, std::string_view path);  // as zkCli prints it
inline constexpr int32_t kConnectionLoss = -4;                 // which only a client gives
inline constexpr int32_t kNoNodeError = -101;

// State and type are the protocol's numbers; negative ones are a client's own.
std::string event_text(int32_t state, int32_t type, std::string_view path, int64_t zxid);

// The text in zookeeper_limits and zookeeper_stats: "count=5,bytes=-1=;byteHardLimit=7".
class QuotaText {
 public:
  QuotaText() = default;
  static Result<QuotaText> parse(std::string_view text);
  int64_t get(std::string_view key) const;  // -1 when it is not there
  void set(std::string_view key, int64_t value) { values_[std::string(key)] = value; }
  std::string text() const;

 private:
  std::map<std::string, int64_t, std::less<>> values_;
};

}  // namespace vivarium::ctl
