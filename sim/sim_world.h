// The World of one simulated host, for the length of one step: a view onto the Simulation.
#pragma once

#include "core/world.h"
#include "sim/simulation.h"

namespace vivarium::sim {

class SimWorld final : public World {
 public:
  SimWorld(Simulation& sim, HostId host) : sim_(sim), host_(host) {}

  Instant now() const override;
  WallTime wall_now() const override;
  uint64_t random() override;
  void set_timer(Instant at) override;

  LinkId connect(const Address& to) override;
  void send(LinkId link, ByteView bytes) override;
  void send_shared(LinkId link, SharedBytes bytes) override { send(link, *bytes); }
  uint64_t unsent(LinkId link) const override;
  void give_credit(LinkId link, uint64_t bytes) override;
  void close(LinkId link, bool drain) override;
  SaslAnswer sasl(LinkId link, ByteView token) override;

  FileId open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) override;
  void write(FileId file, uint64_t offset, ByteView bytes) override;
  void write_shared(FileId file, uint64_t offset, SharedBytes bytes) override {
    write(file, offset, *bytes);
  }
  void preallocate(FileId file, uint64_t offset, uint64_t length) override;
  void hurry(FileId file) override;
  void truncate(FileId file, uint64_t size) override;
  void sync(FileId file, uint64_t token) override;
  void read(FileId file, uint64_t offset, uint64_t length, uint64_t token) override;
  void close(FileId file) override;
  void rename(Dir dir, std::string_view from, std::string_view to, Lane lane) override;
  void remove(Dir dir, std::string_view name, Lane lane) override;
  void sync_dir(Dir dir, uint64_t token, Lane lane) override;
  void list(Dir dir, uint64_t token) override;
  uint64_t free_bytes(Dir dir) const override;

  void log(LogLevel level, std::string_view line) override;
  void count(std::string_view key, int64_t add) override;
  void gauge(std::string_view key, int64_t value) override;
  void sample(std::string_view key, int64_t value) override;
  const MetricTable* metrics() const override { return &host().metrics; }
  void reset_metrics() override { host().metrics.reset(); }
  void audit(std::string_view line) override;
  void stop(StopReason reason, std::string_view why) override;

 private:
  Simulation::Host& host() const { return sim_.at(host_); }
  bool dead() const { return host().doomed; }
  // Into the trace hash, and to the observer when there is one.
  void called(const Call& call, uint64_t a, uint64_t b);

  Simulation& sim_;
  HostId host_;
};

}  // namespace vivarium::sim
