// One connection of a client: a ServerConnection over its transport. A handler answers the questions of its sessions: the relay's stores mail
// in the spool, the sink's writes files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adieu/protocol/smtp/server_connection.h"
#include "adieu/protocol/smtp/transport.h"
#include "adieu/relay/observe/closures.h"
#include "adieu/relay/receive/listener_profile.h"

namespace adieu::receive {

/// The client of a connection as it stands at the moment of a question.
struct Client {
  Endpoint endpoint;
  const ListenerProfile& listener;
  const smtp::ClientName& name;
  const tls::ChannelInfo* tls;          // null in plaintext
  std::string_view connection;          // its id, for logs
};

class MailHandler {
 public:
  virtual ~MailHandler() = default;
  /// The answer at once, or none: then `later` is called on the same thread, after this call, and not any more once the transaction that
  /// the question is about has been destroyed.
  virtual std::optional<smtp::Answer> ask(const Client& client, smtp::Question question, std::function<void(smtp::Answer)> later) = 0;
  /// The client has been refused something, by an answer of this handler or by the session itself.
  virtual void refused(const Client&, const smtp::Refusal&) {}
  /// A connection was one too many.
  virtual void turned_away() {}
};

class Inbound {
 public:
  /// `on_end` is called once, last; the owner destroys this in it or later.
  Inbound(Loop& loop, Accepted accepted, const ListenerProfile& listener, MailHandler& handler, observe::Closures& closures,
          std::function<void()> on_end);
  ~Inbound();
  Inbound(const Inbound&) = delete;
  Inbound& operator=(const Inbound&) = delete;

  void start();
  void shut_down();
  /// 421 and close_notify as far as the kernel takes them, then the end.
  void cut();

 private:
  void work();
  void ask(smtp::AskedQuestion asked);
  void tell_refusals();
  void tell_layer_ends();

  Loop& loop_;
  const Endpoint peer_;
  const ListenerProfile& listener_;
  MailHandler& handler_;
  observe::Closures& closures_;
  const std::string id_;
  std::function<void()> on_end_;
  bool working_ = false;
  std::unique_ptr<Timer> timer_;
  smtp::ServerConnection connection_;
  smtp::Transport<smtp::ServerConnection> transport_;
};

}  // namespace adieu::receive
