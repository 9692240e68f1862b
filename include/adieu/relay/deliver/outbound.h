// One connection to a next hop: tries its addresses in order until one is ready for mail, then sends messages one after another. The
// ClientConnection within knows SMTP and TLS; this knows sockets, addresses, time-outs and where mail data comes from. R14 to R16.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adieu/base/lifetime.h"
#include "adieu/base/log.h"
#include "adieu/protocol/smtp/client_connection.h"
#include "adieu/protocol/smtp/transport.h"
#include "adieu/relay/deliver/next_hop_profile.h"
#include "adieu/relay/observe/closures.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::deliver {

/// An address to try, and the name it was found by: "mx1.example.org", 192.0.2.1:25.
struct Candidate {
  std::string host;
  Endpoint endpoint;
  std::string text() const { return host + "[" + endpoint.address.text() + "]:" + std::to_string(endpoint.port); }
};

/// Where a message's octets come from: the trace field, then the mail data, from memory or from the spool.
struct MailSource {
  std::shared_ptr<const spool::MessageHead> head;
  spool::MailData mail_data;  // null: read it from the spool
};

class Outbound {
 public:
  /// Called from the loop, never from within a call to the Outbound; calls to it from here are fine.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// Ready for a message: call `send`, or `quit`, or leave it waiting.
    virtual void on_ready(Outbound& outbound) = 0;
    virtual void on_finished(Outbound& outbound, std::vector<smtp::Outcome> outcomes) = 0;
    /// An address did not get as far as being ready for mail; the next one is tried, or `on_closed` follows.
    virtual void on_tried(const Outbound& outbound, const smtp::Outcome& failure) = 0;
    /// Over; the owner destroys it. `failure`: why, unless it was asked to quit.
    virtual void on_closed(Outbound& outbound, const std::optional<smtp::Outcome>& failure) = 0;
  };

  /// `candidates` is not empty; at most `tries` of them are dialled. One to which this machine has no route is no try.
  Outbound(Loop& loop, const OutboundProfile& profile, std::vector<Candidate> candidates, std::size_t tries, spool::Spool& spool,
           Owner& owner, observe::Closures& closures, Log& log);
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  void start();
  void send(mail::Envelope envelope, MailSource source);
  void quit();
  /// Close_notify as far as the kernel takes it, then the end, at once; a message under way is to be tried again.
  void cut();

  /// The host it is connected to, for logs: "mx1.example.org[192.0.2.1]:25"; before that the last one that was tried.
  std::string relay() const { return candidates_[at_].text(); }
  const tls::ChannelInfo* tls() const { return connection_ ? connection_->tls() : nullptr; }
  std::uint64_t messages() const { return messages_; }
  /// How many addresses were dialled.
  std::size_t dialled() const { return dialled_; }
  /// It was this machine that had no descriptor, port or memory for a connection: nobody else is to blame.
  bool lacked_descriptors() const { return lacked_descriptors_; }

 private:
  void try_candidate();
  void try_next(smtp::Outcome failure);
  void close(std::optional<smtp::Outcome> failure);
  void on_connected(const std::optional<Error>& error);
  void refuse_loop();
  void work();
  void work_later();
  void supply(std::size_t octets);
  void supply_from_spool(const std::shared_ptr<const spool::MessageHead>& head, const Result<std::string>& part);
  void tell_layer_ends();
  void end_connection();

  Loop& loop_;
  const OutboundProfile& profile_;
  const std::vector<Candidate> candidates_;
  const std::size_t tries_;
  spool::Spool& spool_;
  Owner& owner_;
  observe::Closures& closures_;
  std::string id_;  // of the connection to the candidate, for logs
  Log& log_;

  std::size_t at_ = 0;
  std::size_t dialled_ = 0;
  std::size_t told_dialled_ = 0;        // of these, those whose failure was told
  bool lacked_descriptors_ = false;
  std::optional<smtp::Outcome> last_failure_;
  bool plaintext_only_ = false;         // this candidate, after its TLS failed
  bool was_ready_ = false;
  bool cut_ = false;
  bool working_ = false;
  std::uint64_t messages_ = 0;

  std::unique_ptr<Stream> connecting_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<tls::ChannelFactory> channels_;
  smtp::ClientConnectionProfile connection_profile_;
  std::unique_ptr<smtp::ClientConnection> connection_;
  std::unique_ptr<smtp::Transport<smtp::ClientConnection>> transport_;  // before the connection in destruction

  MailSource source_;
  std::uint64_t supplied_ = 0;          // octets of trace and mail data
  bool reading_ = false;
  Lifetime lifetime_;
};

}  // namespace adieu::deliver
