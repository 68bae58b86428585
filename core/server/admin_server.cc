#include "core/server/admin_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/server/admin_parts.h"
#include "core/server/metric_texts.h"

namespace vivarium {
namespace {

constexpr uint64_t kRequestBytesMax = kHttpHeadMax + kHttpBodyMax;

constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;

const AdminCommand* command_of(std::string_view path, const AdminConfig& config) {
  if (!path.starts_with(config.command_url)) return nullptr;
  path.remove_prefix(config.command_url.size());
  return path.starts_with('/') ? find_admin_command(path.substr(1)) : nullptr;
}

}  // namespace

AdminServer::Visitor* AdminServer::find(LinkId link) {
  for (Visitor& visitor : visitors_) {
    if (visitor.link == link) return &visitor;
  }
  return nullptr;
}

size_t AdminServer::bytes_held(LinkId link) const {
  for (const Visitor& visitor : visitors_) {
    if (visitor.link == link) return visitor.input.size() + visitor.request.body.size();
  }
  return 0;
}

// --- links

bool AdminServer::step(const Event& event, AdminParts& parts) {
  if (step_snapshot(event, parts)) return true;
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door != Door::Admin && accepted->door != Door::Metrics) return false;
    accept(*accepted, parts);
    return true;
  }
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    Visitor* visitor = find(bytes->link);
    if (visitor == nullptr) return false;
    receive(*visitor, bytes->bytes, parts);
    return true;
  }
  if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (find(down->link) == nullptr) return false;
    drop(down->link, false, false, parts);
    return true;
  }
  if (const auto* drained = std::get_if<LinkDrained>(&event)) {
    if (find(drained->link) == nullptr) return false;
    advance_snapshot(parts);
    advance(drained->link, parts);
    return true;
  }
  if (const auto* ended = std::get_if<LinkEnded>(&event)) {
    Visitor* visitor = find(ended->link);
    if (visitor == nullptr) return false;
    visitor->ended = true;
    advance(ended->link, parts);
    return true;
  }
  return false;
}

void AdminServer::accept(const LinkAccepted& event, AdminParts& parts) {
  if (visitors_.size() >= kVisitorsMax) {
    const auto idle = std::find_if(visitors_.begin(), visitors_.end(),
                                   [](const Visitor& visitor) { return !visitor.busy(); });
    if (idle == visitors_.end()) {
      parts.world.close(event.link, false);
      return;
    }
    drop(idle->link, true, true, parts);
  }
  Visitor visitor;
  visitor.link = event.link;
  visitor.door = event.door;
  visitor.address = event.remote_address;
  visitor.credit = kRequestBytesMax;
  visitor.deadline = parts.world.now() + milliseconds(parts.config.admin.idle_timeout_ms);
  visitors_.push_back(std::move(visitor));
  parts.world.keep_half_open(event.link);
  parts.world.give_credit(event.link, kRequestBytesMax);
}

void AdminServer::drop(LinkId link, bool close, bool drain, AdminParts& parts) {
  if (download_.state != Download::State::None && download_.link == link) end_snapshot(parts);
  if (close) parts.world.close(link, drain);
  const auto found = std::find_if(visitors_.begin(), visitors_.end(),
                                  [&](const Visitor& visitor) { return visitor.link == link; });
  CHECK(found != visitors_.end());
  const auto index = static_cast<size_t>(found - visitors_.begin());
  if (index < turn_) --turn_;
  visitors_.erase(found);
}

void AdminServer::receive(Visitor& visitor, ByteView bytes, AdminParts& parts) {
  CHECK(bytes.size() <= visitor.credit);
  visitor.credit -= bytes.size();
  visitor.input += as_text(bytes);
  advance(visitor.link, parts);
}

// --- requests

// Answers what is whole, one after the other.
void AdminServer::advance(LinkId link, AdminParts& parts) {
  for (;;) {
    Visitor* visitor = find(link);
    if (visitor == nullptr || visitor->busy()) return;
    if (parts.world.unsent(link) > kAdminUnsentMax) return;
    const HttpParsed parsed = parse_http_request(visitor->input, visitor->request);
    if (parsed.verdict == HttpVerdict::Bad) {
      // What is refused whatever comes behind it says why, and is not read.
      const AdminCommand* command = command_of(visitor->request.path, parts.config.admin);
      const bool unread = parsed.status == kHttpTooLarge && visitor->request.method == "POST" &&
                          command != nullptr && command->method == "POST";
      if (!unread) return refuse(link, parsed.status, parts);
      visitor->request.keep_alive = false;
      visitor->input.clear();
      return respond(link, parts);
    }
    if (parsed.verdict == HttpVerdict::NeedMore) {
      if (visitor->ended) return drop(link, true, true, parts);
      // What has been answered may be followed by as much again.
      CHECK(visitor->input.size() <= kRequestBytesMax);
      const uint64_t wanted = kRequestBytesMax - visitor->input.size();
      if (wanted > visitor->credit) {
        parts.world.give_credit(link, wanted - visitor->credit);
        visitor->credit = wanted;
      }
      return;
    }
    visitor->input.erase(0, parsed.used);
    visitor->deadline = parts.world.now() + milliseconds(parts.config.admin.idle_timeout_ms);
    respond(link, parts);
  }
}

void AdminServer::refuse(LinkId link, int status, AdminParts& parts) {
  parts.world.count("bad_admin_requests", 1);
  Bytes out;
  HttpAnswer answer;
  answer.status = status;
  answer.content_type = "text/plain; charset=utf-8";
  append_http_answer(answer, fmt::format("{}\n", http_reason(status)), false, true, out);
  parts.world.send(link, out);
  drop(link, true, true, parts);
}

void AdminServer::send(Visitor& visitor, const HttpAnswer& answer, std::string_view body,
                       AdminParts& parts) {
  Bytes out;
  append_http_answer(answer, body, visitor.request.keep_alive, visitor.request.method != "HEAD",
                     out);
  const bool stays = visitor.request.keep_alive;
  visitor.request = HttpRequest();
  parts.world.send(visitor.link, out);
  if (!stays) drop(visitor.link, true, true, parts);
}

void AdminServer::send_error(Visitor& visitor, int status, std::string_view command,
                             std::string_view error, AdminParts& parts) {
  JsonWriter json;
  json.begin_object();
  finish_admin_reply(command, error, json);
  HttpAnswer answer;
  answer.status = status;
  send(visitor, answer, json.take(), parts);
}

void AdminServer::respond(LinkId link, AdminParts& parts) {
  Visitor& visitor = *find(link);
  const HttpRequest& request = visitor.request;
  HttpAnswer plain;
  plain.content_type = "text/plain; charset=utf-8";
  const AdminCommand* wanted = command_of(request.path, parts.config.admin);
  const bool posts = visitor.door == Door::Admin && wanted != nullptr && wanted->method == "POST";
  const bool reads = request.method == "GET" || request.method == "HEAD";
  // A body that asks for nothing is read and forgotten.
  if (posts ? request.method != "POST" : !reads) {
    plain.status = kMethodNotAllowed;
    plain.headers = {{"Allow", posts ? "POST" : "GET, HEAD"}};
    return send(visitor, plain,
                posts ? "this command is for POST\n" : "only GET is answered here\n", parts);
  }
  if (visitor.door == Door::Metrics) return respond_metrics(visitor, parts);
  const std::string& root = parts.config.admin.command_url;
  const bool below = request.path.starts_with(root);
  std::string_view name = request.path;
  if (below) name.remove_prefix(root.size());
  if (below && (name.empty() || name == "/")) return respond_links(visitor, parts);
  if (!below || name.front() != '/') {
    plain.status = kNotFound;
    return send(visitor, plain, fmt::format("the commands are at {}\n", root), parts);
  }
  name.remove_prefix(1);
  const AdminCommand* command = find_admin_command(name);
  if (command == nullptr) {
    const std::string unknown(name);
    return send_error(visitor, 200, unknown, "Unknown command: " + unknown, parts);
  }
  if (command->when_serving && !running(parts)) {
    return send_error(visitor, 200, command->name, kNotServing, parts);
  }
  const AdminPermit permitted = permit(*command, request, parts);
  if (permitted.status != 200) {
    parts.world.count("admin_commands_refused", 1);
    if (parts.config.admin.audit) {
      parts.world.audit(
          fmt::format("admin command {} refused to {}", command->name, visitor.address));
    }
    return send_error(visitor, permitted.status, command->name, permitted.error, parts);
  }
  if (command->guarded && parts.config.admin.audit) {
    parts.world.audit(fmt::format("admin command {} for {}", command->name, visitor.address));
  }
  if (command->downloads) return begin_snapshot(visitor, parts);
  if (command->wants_sizes) {
    visitor.waiting = command;
    return;
  }
  run(link, *command, {}, parts);
}

void AdminServer::respond_metrics(Visitor& visitor, AdminParts& parts) {
  HttpAnswer answer;
  if (visitor.request.path != "/metrics") {
    answer.status = kNotFound;
    answer.content_type = "text/plain; charset=utf-8";
    return send(visitor, answer, "the metrics are at /metrics\n", parts);
  }
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  send(visitor, answer, prometheus_text(parts), parts);
}

void AdminServer::respond_links(Visitor& visitor, AdminParts& parts) {
  std::string body;
  for (const AdminCommand& command : admin_commands()) {
    body += fmt::format("<a href=\"{0}/{1}\">{1}</a>\n<br/>\n", parts.config.admin.command_url,
                        command.name);
  }
  HttpAnswer answer;
  answer.content_type = "text/html; charset=utf-8";
  send(visitor, answer, body, parts);
}

bool AdminServer::wants_sizes() const {
  return std::any_of(visitors_.begin(), visitors_.end(),
                     [](const Visitor& visitor) { return visitor.waiting != nullptr; });
}

void AdminServer::sized(const DirSizes& sizes, AdminParts& parts) {
  std::vector<LinkId> waiting;
  for (const Visitor& visitor : visitors_) {
    if (visitor.waiting != nullptr) waiting.push_back(visitor.link);
  }
  for (const LinkId link : waiting) {
    Visitor& visitor = *find(link);
    const AdminCommand& command = *std::exchange(visitor.waiting, nullptr);
    if (running(parts)) {
      run(link, command, sizes, parts);
    } else {
      send_error(visitor, 200, command.name, kNotServing, parts);
    }
    advance(link, parts);
  }
}

void AdminServer::run(LinkId link, const AdminCommand& command, const DirSizes& sizes,
                      AdminParts& parts) {
  Visitor& visitor = *find(link);
  AdminReply reply;
  reply.json.begin_object();
  command.run(visitor.request, sizes, parts, reply);
  HttpAnswer answer;
  answer.status = reply.status;
  if (reply.listing && visitor.request.method != "HEAD") {
    Bytes out;
    visitor.request.keep_alive = visitor.request.keep_alive && visitor.request.chunks;
    append_http_head(answer, visitor.request.chunks, visitor.request.keep_alive, out);
    parts.world.send(link, out);
    visitor.listed = &command;
    visitor.listing = Listing::as_json(*reply.listing, std::move(reply.json));
    again_ = parts.world.now();
    return;
  }
  finish_admin_reply(command.name, reply.error, reply.json);
  send(visitor, answer, reply.json.take(), parts);
}

// --- long answers

// One portion of one answer: the turns go round.
void AdminServer::write_one_portion(AdminParts& parts) {
  again_ = Instant::never();
  size_t ready = 0;
  std::optional<size_t> chosen;
  for (size_t i = 0; i < visitors_.size(); ++i) {
    const size_t at = (turn_ + i) % visitors_.size();
    const Visitor& visitor = visitors_[at];
    if (visitor.listed == nullptr || parts.world.unsent(visitor.link) > kAdminUnsentMax) continue;
    if (!chosen) chosen = at;
    ++ready;
  }
  if (!chosen) return;
  Visitor& visitor = visitors_[*chosen];
  turn_ = *chosen + 1;
  const LinkId link = visitor.link;
  std::string text;
  const bool done = visitor.listing.write_portion(parts, text);
  visitor.deadline = parts.world.now() + kAdminPatience;
  if (done) {
    JsonWriter json = visitor.listing.take_json();
    finish_admin_reply(visitor.listed->name, {}, json);
    text += json.take();
  }
  Bytes out;
  if (visitor.request.chunks) {
    append_http_chunk(text, out);
    if (done) append_http_end_of_chunks(out);
  } else {
    append_bytes(out, as_bytes(text));
  }
  parts.world.send(link, out);
  if (!done || ready > 1) again_ = parts.world.now();
  if (!done) return;
  const bool stays = visitor.request.keep_alive;
  visitor.listed = nullptr;
  visitor.listing = Listing();
  visitor.request = HttpRequest();
  if (stays) {
    advance(link, parts);
  } else {
    drop(link, true, true, parts);
  }
}

void AdminServer::end_turn(AdminParts& parts) {
  write_one_portion(parts);
  advance_snapshot(parts);
}

Instant AdminServer::deadline() const {
  Instant at = again_;
  for (const Visitor& visitor : visitors_) at = std::min(at, visitor.deadline);
  return at;
}

void AdminServer::on_deadline(AdminParts& parts) {
  const Instant now = parts.world.now();
  if (again_ <= now) again_ = Instant::never();  // the turn's end does the rest
  std::vector<LinkId> late;
  for (const Visitor& visitor : visitors_) {
    if (visitor.deadline <= now) late.push_back(visitor.link);
  }
  for (const LinkId link : late) drop(link, true, false, parts);
}

}  // namespace vivarium
