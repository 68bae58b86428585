#include "core/node.h"

#include <algorithm>
#include <utility>

namespace vivarium {

// The wiring between the parts for the length of one step: Zab tells the server through it, the
// server asks Zab through it. No part keeps a pointer to another.
class Node::Wiring final : public ZabUser, public Replication {
 public:
  Wiring(Node& node, World& world)
      : node_(node),
        zab_parts_{node.config_,  world,         node.storage_, node.tree_,
                   node.configs_, node.digests_, *this},
        server_parts_{node.config_, world, *this, node.tree_},
        admin_parts_{node.config_,  world,      node.server_, node.zab_,
                     node.storage_, node.tree_, node.digests_} {}

  Parts& zab_parts() { return zab_parts_; }
  ServerParts& server_parts() { return server_parts_; }
  AdminParts& admin_parts() { return admin_parts_; }

  // --- ZabUser
  void applied(const Effects& effects) override { node_.server_.applied(effects, server_parts_); }
  bool takes_more() const override { return node_.server_.takes_more(); }
  void serving_started() override { node_.server_.serving_started(server_parts_); }
  void read_only_started() override { node_.server_.read_only_started(server_parts_); }
  void serving_stopped() override { node_.server_.serving_stopped(server_parts_); }
  void revalidated(SessionId session, bool valid, Zxid proposed) override {
    node_.server_.revalidated(session, valid, proposed, server_parts_);
  }
  void synced(uint64_t ticket) override { node_.server_.synced(ticket, server_parts_); }

  // --- Replication
  bool serving() const override { return node_.zab_.serving(); }
  Instant may_serve_until() const override { return node_.zab_.may_serve_until(); }
  bool is_ahead() const override { return node_.digests_.in_doubt(node_.tree_.last_applied()); }
  void submit(const WriteRequest& request) override {
    asked_ = true;
    node_.zab_.submit(request, zab_parts_);
  }
  void sync(SessionId session, int32_t cxid, uint64_t ticket) override {
    asked_ = true;
    node_.zab_.sync(session, cxid, ticket, zab_parts_);
  }
  void revalidate(SessionId session, int32_t timeout_ms) override {
    asked_ = true;
    node_.zab_.revalidate(session, timeout_ms, zab_parts_);
  }
  bool touch(SessionId session, int32_t timeout_ms) override {
    return node_.zab_.touch(session, timeout_ms, zab_parts_);
  }
  bool congested() const override { return node_.zab_.congested(zab_parts_); }

  // Whether the server has asked for something since the last call.
  bool take_asked() { return std::exchange(asked_, false); }

 private:
  Node& node_;
  Parts zab_parts_;
  ServerParts server_parts_;
  AdminParts admin_parts_;
  bool asked_ = false;
};

Node::Node(Config config)
    : config_(std::move(config)),
      storage_(config_),
      configs_(config_),
      zab_(config_),
      server_(config_) {}

// Whoever asks the settings for the members is told who they are now.
void Node::take_configs() {
  if (configs_seen_ == configs_.changes()) return;
  configs_seen_ = configs_.changes();
  config_.members = configs_.active().members;
  config_.members_version = configs_.active().version;
}

void Node::step(const Event& event, World& world) {
  take_configs();
  Wiring wiring(*this, world);
  Parts& zab_parts = wiring.zab_parts();
  ServerParts& server_parts = wiring.server_parts();
  if (std::holds_alternative<TurnEnded>(event)) {
    server_.end_turn(server_parts);
    zab_.end_turn(zab_parts);
    // What became known in this turn may let requests go on that had to wait: they leave with it.
    (void)wiring.take_asked();
    server_.end_turn_again(server_parts);
    if (wiring.take_asked()) zab_.end_turn(zab_parts);
    admin_.end_turn(wiring.admin_parts());
    const Instant at =
        std::min({zab_.deadline(), server_.deadline(), storage_.deadline(), admin_.deadline()});
    if (at != timer_) {
      timer_ = at;
      world.set_timer(at);
    }
    return;
  }
  if (std::holds_alternative<Started>(event)) {
    (void)admin_.step(event, wiring.admin_parts());
    zab_.start(zab_parts);
  } else if (std::holds_alternative<TimerFired>(event)) {
    timer_ = Instant::never();
    const Instant now = world.now();
    if (storage_.deadline() <= now) storage_.on_deadline(world);
    if (zab_.deadline() <= now) zab_.on_deadline(zab_parts);
    if (server_.deadline() <= now) server_.on_deadline(server_parts);
    if (admin_.deadline() <= now) admin_.on_deadline(wiring.admin_parts());
  } else if (std::holds_alternative<StopRequested>(event)) {
    (void)admin_.step(event, wiring.admin_parts());
    zab_.stop(zab_parts);
  } else if (!admin_.step(event, wiring.admin_parts()) && !server_.step(event, server_parts)) {
    // What nobody takes is the end of something that its owner has let go of in this very turn.
    (void)zab_.step(event, zab_parts);
  }
  zab_.advance(zab_parts);
}

}  // namespace vivarium
