// Sockets as the system makes them, TCP and Unix-domain: those that listen, with options that libuv lacks, and those of the command line, which has no
// loop. Connections of the relay are streams (stream.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adieu/base/loop.h"

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

/// Sockets that listen on one port, one for each of `loops`, and the kernel spreads the connections (SO_REUSEPORT); an IPv6 wildcard takes IPv4 too.
/// Port 0: any. The port is shared with nobody else: one that another socket has, of this process or another, is an error (unavailable).
Result<std::vector<Descriptor>> listen_tcp(const Endpoint& endpoint, std::size_t loops);
Result<Descriptor> listen_tcp(const Endpoint& endpoint);
/// A Unix-domain socket at `path`, mode 0600; one that is left over there and answers to nobody is replaced.
Result<Descriptor> listen_unix(const std::string& path);
/// Blocking, for the command line: no call on it, nor this one, waits for longer than `patience`.
Result<Descriptor> connect_unix(const std::string& path, Duration patience);
Result<Endpoint> local_endpoint(int socket);
Result<Endpoint> remote_endpoint(int socket);
/// Of an errno value that connecting to `endpoint` came to.
ConnectFailure connect_failure(int error, const Endpoint& endpoint);

/// Without blocking. Begins to connect; writable when it is decided, then ask `connect_error`.
tl::expected<Descriptor, ConnectFailure> connect_tcp(const Endpoint& endpoint);
std::optional<Error> connect_error(const Descriptor& socket);

/// Descriptors are held back from connections for what all of them need: the files of the spool and of the log, the control socket, questions to name
/// servers. True: this one is of those, and so the connection is one too many. `times`: how often the reserve is to be left.
bool is_of_reserve(int socket, std::size_t times);

/// Reads at most `size` octets.
Transferred receive(int socket, char* buffer, std::size_t size);
/// Sends as much as the kernel takes at once.
Transferred send(int socket, Octets octets);
/// No more of ours: FIN.
void shut_down_writing(const Descriptor& socket);

}  // namespace adieu::uv
