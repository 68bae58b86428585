#include "core/server/admin_text.h"

#include <fmt/format.h>

#include <string_view>

namespace vivarium {
namespace {

struct Civil {
  int64_t year = 0;
  int64_t month = 0;  // 1 to 12
  int64_t day = 0;
};

// Days since 1970-01-01 to the date, in eras of 400 years that begin in March.
Civil civil_from_days(int64_t days) {
  constexpr int64_t kEraDays = 146'097;
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - (kEraDays - 1)) / kEraDays;
  const int64_t day_of_era = days - era * kEraDays;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  Civil civil;
  civil.day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  civil.month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  return civil;
}

constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::string decimal_average(int64_t sum, int64_t count) {
  if (count <= 0) return "0.0";
  const bool negative = sum < 0;
  const uint64_t size =
      negative ? uint64_t{0} - static_cast<uint64_t>(sum) : static_cast<uint64_t>(sum);
  const auto n = static_cast<uint64_t>(count);
  uint64_t whole = size / n;
  uint64_t fraction = 0;  // in ten-thousandths
  uint64_t rest = size % n;
  if (n > UINT64_MAX / 100'000) rest = 0;  // no such count is ever reached
  fraction = (rest * 10'000 + n / 2) / n;
  if (fraction == 10'000) {
    ++whole;
    fraction = 0;
  }
  std::string text = fmt::format("{}{}.{:04}", negative ? "-" : "", whole, fraction);
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

std::string java_date(WallTime time) {
  constexpr int64_t kDayMs = 86'400'000;
  int64_t days = time.ms / kDayMs;
  if (time.ms % kDayMs < 0) --days;
  const int64_t second = (time.ms - days * kDayMs) / 1000;
  const Civil civil = civil_from_days(days);
  const int64_t weekday = ((days + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  return fmt::format("{} {} {:02} {:02}:{:02}:{:02} UTC {}", kDays[weekday],
                     kMonths[civil.month - 1], civil.day, second / 3600, second / 60 % 60,
                     second % 60, civil.year);
}

}  // namespace vivarium
