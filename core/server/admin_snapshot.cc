// The AdminServer's command `snapshot`: GET with ?streaming=true (the default) answers the file of
// an exact snapshot, with the headers last_zxid and snapshot_size; streaming=false takes it alone.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/base/check.h"
#include "core/server/admin_parts.h"
#include "core/server/admin_server.h"
#include "core/storage/record.h"

namespace vivarium {
namespace {

constexpr int kError = 500;
constexpr int kUnavailable = 503;
constexpr int kTooManyRequests = 429;
constexpr std::string_view kName = "snapshot";
constexpr uint64_t kPortionBytes = 256 << 10;
// For the disk, which may have much to write.
constexpr Duration kTakingMax = milliseconds(3'600'000);

}  // namespace

void AdminServer::begin_snapshot(Visitor& visitor, AdminParts& parts) {
  const AdminConfig& admin = parts.config.admin;
  const Instant now = parts.world.now();
  if (!admin.snapshot) {
    return send_error(visitor, kUnavailable, kName, "admin.snapshot.enabled is false", parts);
  }
  if (!parts.zab.delivers()) return send_error(visitor, kUnavailable, kName, kNotServing, parts);
  if (download_.state != Download::State::None || now < next_snapshot_) {
    parts.world.count("snapshot_rate_limited_count", 1);
    return send_error(visitor, kTooManyRequests, kName,
                      "one snapshot in admin.rateLimiterIntervalInMS", parts);
  }
  next_snapshot_ = now + milliseconds(admin.snapshot_pause_ms);
  const std::string* streaming = visitor.request.value_of("streaming");
  download_ = Download();
  download_.state = Download::State::Taking;
  download_.link = visitor.link;
  download_.streams = streaming == nullptr || *streaming == "true";
  download_.wanted = parts.tree.last_applied();
  download_.failed_before = parts.storage.snapshots_failed();
  visitor.downloads = true;
  visitor.deadline = now + kTakingMax;
  parts.storage.ask_for_snapshot();
  again_ = now;  // there may be one already
}

// Events of its file.
bool AdminServer::step_snapshot(const Event& event, AdminParts& parts) {
  if (!download_.file.valid()) return false;
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    if (opened->file != download_.file) return false;
    answer_snapshot(opened->size, parts);
    return true;
  }
  if (const auto* failed = std::get_if<FileFailed>(&event)) {
    if (failed->file != download_.file) return false;
    download_.file = FileId();
    if (download_.state == Download::State::Opening) {
      fail_snapshot(kError, "the snapshot cannot be read", parts);
    } else {
      drop(download_.link, true, false, parts);  // in the middle of the answer
    }
    return true;
  }
  if (const auto* read = std::get_if<ReadDone>(&event)) {
    if (read->file != download_.file) return false;
    send_portion(read->bytes, parts);
    return true;
  }
  return false;
}

void AdminServer::advance_snapshot(AdminParts& parts) {
  if (download_.state == Download::State::Streaming) return read_snapshot(parts);
  if (download_.state != Download::State::Taking) return;
  const std::optional<SnapshotName> newest = parts.storage.newest_valid_snapshot();
  if (newest && newest->zxid >= download_.wanted) return open_snapshot(*newest, parts);
  if (!parts.zab.delivers()) {
    fail_snapshot(kUnavailable, kNotServing, parts);
  } else if (parts.storage.snapshots_failed() != download_.failed_before) {
    fail_snapshot(kError, "the snapshot could not be written", parts);
  }
}

void AdminServer::open_snapshot(SnapshotName name, AdminParts& parts) {
  download_.state = Download::State::Opening;
  download_.zxid = name.zxid;
  // Once it is open, purging does not take it away. As it is on the disk, compressed or not.
  download_.file = parts.world.open(Dir::Snapshots, snapshot_name(name), OpenMode::Read, Lane::Bulk,
                                    OnError::Report);
}

void AdminServer::answer_snapshot(uint64_t size, AdminParts& parts) {
  CHECK(download_.state == Download::State::Opening);
  Visitor* visitor = find(download_.link);
  CHECK(visitor != nullptr);
  HttpAnswer answer;
  answer.headers = {{"last_zxid", fmt::format("0x{:x}", download_.zxid.value)},
                    {"snapshot_size", std::to_string(size)}};
  if (size == 0) return fail_snapshot(kError, "the snapshot is empty", parts);
  if (!download_.streams) {
    JsonWriter json;
    json.begin_object();
    finish_admin_reply(kName, {}, json);
    const LinkId link = download_.link;
    end_snapshot(parts);
    send(*visitor, answer, json.take(), parts);
    return advance(link, parts);
  }
  answer.content_type = "application/octet-stream";
  Bytes head;
  append_http_head_of(answer, size, visitor->request.keep_alive, head);
  parts.world.send(visitor->link, head);
  download_.state = Download::State::Streaming;
  download_.size = visitor->request.method == "HEAD" ? 0 : size;
  visitor->deadline = parts.world.now() + kAdminPatience;
  read_snapshot(parts);
}

// One portion is read when the last one has left, but for a little.
void AdminServer::read_snapshot(AdminParts& parts) {
  CHECK(download_.state == Download::State::Streaming);
  const LinkId link = download_.link;
  if (download_.sent == download_.size) {
    Visitor* visitor = find(link);
    const bool stays = visitor->request.keep_alive;
    visitor->request = HttpRequest();
    visitor->deadline = parts.world.now() + milliseconds(parts.config.admin.idle_timeout_ms);
    end_snapshot(parts);
    return stays ? advance(link, parts) : drop(link, true, true, parts);
  }
  if (download_.reading || parts.world.unsent(link) > kAdminUnsentMax) return;
  download_.reading = true;
  const uint64_t length = std::min(kPortionBytes, download_.size - download_.sent);
  parts.world.read(download_.file, download_.sent, length, 0);
}

void AdminServer::send_portion(ByteView bytes, AdminParts& parts) {
  CHECK(download_.reading && bytes.size() <= download_.size - download_.sent);
  download_.reading = false;
  // The file was longer: the answer cannot be what its head says.
  if (bytes.empty()) return drop(download_.link, true, false, parts);
  Visitor* visitor = find(download_.link);
  visitor->deadline = parts.world.now() + kAdminPatience;
  download_.sent += bytes.size();
  parts.world.send(download_.link, bytes);
  again_ = parts.world.now();
}

void AdminServer::fail_snapshot(int status, std::string_view why, AdminParts& parts) {
  const LinkId link = download_.link;
  Visitor* visitor = find(link);
  CHECK(visitor != nullptr);
  end_snapshot(parts);
  send_error(*visitor, status, kName, why, parts);
  advance(link, parts);
}

void AdminServer::end_snapshot(AdminParts& parts) {
  if (download_.file.valid()) parts.world.close(download_.file);
  if (Visitor* visitor = find(download_.link)) visitor->downloads = false;
  download_ = Download();
}

}  // namespace vivarium
