#include "sim/page/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "sim/page/streams.h"

namespace vivarium::sim {
namespace {

constexpr int64_t kNsPerUs = 1000;

// JSON that may stand within a script element.
void put_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code > 0x7e || c == '<' || c == '&') {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    } else {
      out += c;
    }
  }
  out += '"';
}

int64_t us(SimTime t) { return t.ns / kNsPerUs; }

// Many events say the same words.
class Texts {
 public:
  size_t index(const std::string& text) {
    const auto [found, is_new] = known_.try_emplace(text, texts_.size());
    if (is_new) texts_.push_back(text);
    return found->second;
  }
  void write(std::string& out) const {
    out += "\"texts\":[";
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (i != 0) out += ',';
      put_text(out, texts_[i]);
    }
    out += ']';
  }

 private:
  std::map<std::string, size_t> known_;
  std::vector<std::string> texts_;
};

void put_field(std::string& out, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(out), "\"{}\":", name);
  put_text(out, text);
  out += ',';
}

template <class List, class Put>
void put_list(std::string& out, std::string_view name, const List& list, Put&& put) {
  fmt::format_to(std::back_inserter(out), "\"{}\":[", name);
  bool first = true;
  for (const auto& entry : list) {
    if (!std::exchange(first, false)) out += ',';
    put(entry);
  }
  out += "],\n";
}

// A lane or none, as a number.
int64_t lane_number(Lane lane) { return lane == kNoLane ? -1 : int64_t{lane}; }

void put_event(std::string& out, const PageEvent& e, Texts& texts) {
  fmt::format_to(std::back_inserter(out), "[{},{},{},{},{},{},{},{},{},", static_cast<int>(e.kind),
                 static_cast<int>(e.fate), e.minor ? 1 : 0, lane_number(e.lane),
                 lane_number(e.other), us(e.at), us(std::max(e.at, e.until)) - us(e.at),
                 texts.index(e.label), texts.index(e.detail));
  if (e.zxid == Zxid{}) {
    out += "0]";
  } else {
    fmt::format_to(std::back_inserter(out), "\"{}\"]", hex(e.zxid));
  }
}

void put_lists(std::string& out, const PageModel& m) {
  const auto to = std::back_inserter(out);
  put_list(out, "lanes", m.lanes, [&](const PageLane& lane) {
    out += '{';
    put_field(out, "name", lane.name);
    put_field(out, "what", lane.what);
    fmt::format_to(to, "\"server\":{}}}", lane.server);
  });
  put_list(out, "bands", m.bands, [&](const Band& b) {
    fmt::format_to(to, "[{},{},{},{}]", b.lane, us(b.from), static_cast<int>(b.state), b.epoch);
  });
  put_list(out, "reaches", m.reaches, [&](const Reach& r) {
    fmt::format_to(to, "[{},{},\"{}\",\"{}\",\"{}\"]", lane_number(r.lane), us(r.at), hex(r.logged),
                   hex(r.durable), hex(r.applied));
  });
  put_list(out, "faults", m.faults, [&](const PageFault& f) {
    fmt::format_to(to, "{{\"id\":{},\"at\":{},\"until\":{},\"applied\":{},", f.id, us(f.at),
                   us(f.until), f.applied);
    put_list(out, "lanes", f.lanes, [&](Lane lane) { out += std::to_string(lane); });
    out += "\"text\":";
    put_text(out, f.text);
    out += '}';
  });
  put_list(out, "proof", m.proof, [&](const Proof& p) {
    fmt::format_to(to, "[{},", p.event);
    put_text(out, p.why);
    out += ']';
  });
}

std::string json_of(const PageModel& m) {
  std::string out = "{";
  const auto to = std::back_inserter(out);
  put_field(out, "title", m.title);
  put_field(out, "command", m.command);
  put_field(out, "summary", m.summary);
  put_field(out, "checker", m.checker);
  put_field(out, "promise", m.promise);
  put_field(out, "text", m.text);
  put_field(out, "window", m.window);
  const int64_t healed = m.healed == SimTime::never() ? -1 : us(m.healed);
  fmt::format_to(to, "\n\"violated\":{},\"healed\":{},\"end\":{},\"from\":{},\n", us(m.violated_at),
                 healed, us(m.end), us(m.shown_from));
  put_lists(out, m);
  Texts texts;
  put_list(out, "events", m.events, [&](const PageEvent& e) { put_event(out, e, texts); });
  texts.write(out);
  out += '}';
  return out;
}

void put_in(std::string& page, std::string_view mark, std::string_view text) {
  const size_t at = page.find(mark);
  CHECK(at != std::string::npos);
  page.replace(at, mark.size(), text);
}

// Where a reader looks first.
size_t middle_of(const PageModel& m) {
  if (!m.proof.empty()) return m.proof.back().event;
  return m.checker.empty() ? 0 : m.events.size() - 1;
}

// Leaves `count` events, three of four before the middle, and those that prove something.
void keep_window(PageModel& m, size_t count) {
  const size_t middle = middle_of(m);
  const size_t total = m.events.size();
  const size_t from = std::min(middle - std::min(middle, count / 4 * 3), total - count);
  const size_t to = from + count;
  std::vector<PageEvent> kept;
  std::map<size_t, size_t> moved;
  const auto proves = [&](size_t i) {
    return std::any_of(m.proof.begin(), m.proof.end(),
                       [i](const Proof& p) { return p.event == i; });
  };
  m.shown_from = m.events[from].at;
  const SimTime shown_to = m.events[to - 1].at;
  for (size_t i = 0; i < total; ++i) {
    if ((i < from || i >= to) && !proves(i)) continue;
    moved[i] = kept.size();
    kept.push_back(std::move(m.events[i]));
  }
  m.events = std::move(kept);
  for (Proof& proof : m.proof) proof.event = moved[proof.event];
  std::erase_if(m.reaches, [&](const Reach& r) { return r.at < m.shown_from || r.at > shown_to; });
  m.window = fmt::format(
      "The run is too long for one page: events from {:.6f} s to {:.6f} s are here, of a run of "
      "{:.6f} s, and those that prove something.",
      static_cast<double>(m.shown_from.ns) / 1e9, static_cast<double>(shown_to.ns) / 1e9,
      static_cast<double>(m.end.ns) / 1e9);
}

}  // namespace

std::string page_html(PageModel model, size_t bytes_max) {
  while (true) {
    std::string page(page_template());
    put_in(page, "/*style*/", page_style());
    put_in(page, "/*data*/", json_of(model));
    put_in(page, "/*script*/", page_script());
    if (page.size() <= bytes_max || model.events.size() < 2) return page;
    const double share = 0.9 * static_cast<double>(bytes_max) / static_cast<double>(page.size());
    keep_window(
        model,
        std::max<size_t>(1, static_cast<size_t>(static_cast<double>(model.events.size()) * share)));
  }
}

}  // namespace vivarium::sim
