// What lets a client resume its sessions with a host (RFC 5077, RFC 8446 section 2.2): one session a host, for one connection
// at a time (RFC 8446 appendix C.4), kept in memory only. A resumed session stands on what the first one verified, so that is
// part of its key.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace adieu::gnutls {

/// For one next hop's credentials; any thread. Holds at most kHosts sessions; a host beyond them takes the place of another.
class Tickets {
 public:
  static constexpr std::size_t kHosts = 1000;

  /// `only_mutual`: sessions that both close_notify have ended (R13, `resume-after-truncation no`); else all that we have closed, answered or not.
  explicit Tickets(bool only_mutual = false) : only_mutual_(only_mutual) {}
  bool only_mutual() const { return only_mutual_; }

  /// The host's session, which is gone from here then; empty where there is none.
  std::string take(const std::string& host, bool verified) {
    const std::lock_guard lock(mutex_);
    auto node = sessions_.extract(key(host, verified));
    return node.empty() ? std::string() : std::move(node.mapped());
  }
  void put(const std::string& host, bool verified, std::string session) {
    const std::lock_guard lock(mutex_);
    if (sessions_.size() >= kHosts) sessions_.erase(sessions_.begin());
    sessions_.insert_or_assign(key(host, verified), std::move(session));
  }

 private:
  static std::string key(const std::string& host, bool verified) { return (verified ? "verified " : "any ") + host; }

  const bool only_mutual_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::string> sessions_;
};

}  // namespace adieu::gnutls
