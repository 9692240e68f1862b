// Stream sockets without blocking: what the kernel took is known exactly when a call returns, which R10 and R11 of
// adieu-closure(7) need: a reply is handed over when the transport has taken it. TCP and Unix-domain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/base/ip.h"
#include "adieu/base/result.h"

namespace adieu::uv {

/// A file descriptor, closed by its destructor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor();
  int get() const { return value_; }
  /// It is the caller's to close now.
  int release() { return std::exchange(value_, -1); }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_ = -1;
};

/// Listens with SO_REUSEPORT, so that each loop has a socket of its own and the kernel spreads the connections; an IPv6 wildcard takes
/// IPv4 too. Port 0: any.
Result<Descriptor> listen_tcp(const Endpoint& endpoint);
/// A Unix-domain socket at `path`, mode 0600; one that is left over there and answers to nobody is replaced.
Result<Descriptor> listen_unix(const std::string& path);
/// Blocking; for the command line.
Result<Descriptor> connect_unix(const std::string& path);
Result<Endpoint> local_endpoint(const Descriptor& socket);

struct Accepted {
  Descriptor socket;
  Endpoint peer;  // 0.0.0.0:0 for a Unix-domain socket
};
/// None when nobody waits. Errors are the machine's (no descriptors left), not the peer's.
Result<std::optional<Accepted>> accept(const Descriptor& listener);
/// How long to wait before the next `accept` after an error.
constexpr Duration kOutOfDescriptors = std::chrono::milliseconds(200);

/// Begins to connect; writable when it is decided, then ask `connect_error`.
Result<Descriptor> connect_tcp(const Endpoint& endpoint);
std::optional<Error> connect_error(const Descriptor& socket);

enum class Transfer : std::uint8_t { done, again, eof, reset };
struct Transferred {
  Transfer how = Transfer::again;
  std::size_t octets = 0;
};
/// Reads at most `size` octets.
Transferred receive(const Descriptor& socket, char* buffer, std::size_t size);
/// Sends as much as the kernel takes at once.
Transferred send(const Descriptor& socket, Octets octets);
/// No more of ours: FIN.
void shut_down_writing(const Descriptor& socket);

}  // namespace adieu::uv
