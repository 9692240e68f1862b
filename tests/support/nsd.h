// Debian's nsd on loopback, serving a zone of the test's own: a child process, ended by its pid.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace adieu::test {

class Nsd {
 public:
  /// `zone`: records of example.net, in the format of a zone file, without SOA and NS. `others`: further zones, each with one MX of preference 10
  /// at its top and at `host` below it, which names mx.example.net.
  explicit Nsd(const std::string& zone, const std::vector<std::string>& others = {}) {
    namespace fs = std::filesystem;
    std::string name = (fs::temp_directory_path() / "adieu-nsd-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    port_ = free_port();
    std::ofstream(directory_ / "zone") << "$ORIGIN example.net.\n$TTL 60\n@ SOA ns hostmaster 1 3600 900 86400 60\n@ NS ns\nns A 127.0.0.1\n" << zone;
    std::ofstream(directory_ / "nsd.conf") << "server:\n  ip-address: 127.0.0.1@" << port_ << "\n  port: " << port_ << "\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \""
                                           << directory_.string() << "\"\n  pidfile: \"\"\n  database: \"\"\n  xfrdfile: \"" << directory_.string() << "/xfrd\"\n  zonelistfile: \""
                                           << directory_.string() << "/list\"\n  logfile: \"" << directory_.string() << "/log\"\n  server-count: 1\nremote-control:\n  control-enable: no\nzone:\n"
                                           << "  name: example.net\n  zonefile: zone\n";
    std::ofstream(directory_ / "other") << "$TTL 60\n@ SOA ns.example.net. hostmaster.example.net. 1 3600 900 86400 60\n@ NS ns.example.net.\n"
                                        << "@ MX 10 mx.example.net.\nhost MX 10 mx.example.net.\n";
    std::ofstream conf(directory_ / "nsd.conf", std::ios::app);
    for (const std::string& other : others) conf << "zone:\n  name: " << other << "\n  zonefile: other\n";
    conf.close();
    child_ = ::fork();
    if (child_ == 0) {
      ::execl("/usr/sbin/nsd", "nsd", "-d", "-c", (directory_ / "nsd.conf").c_str(), nullptr);
      ::_exit(127);
    }
    for (int tries = 0; tries < 500 && !running_; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      int status = 0;
      if (::waitpid(child_, &status, WNOHANG) == child_) {
        child_ = 0;
        return;
      }
      running_ = answers();
    }
  }
  ~Nsd() {
    stop();
    std::filesystem::remove_all(directory_);
  }
  Nsd(const Nsd&) = delete;
  Nsd& operator=(const Nsd&) = delete;

  /// False: it did not start (is the package nsd installed?).
  bool running() const { return running_; }
  std::uint16_t port() const { return port_; }
  void stop() {
    if (child_ == 0) return;
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  static int loopback_socket(int type, std::uint16_t port, bool binds) {
    const int socket = ::socket(AF_INET, type, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* any = reinterpret_cast<const sockaddr*>(&address);
    const int done = binds ? ::bind(socket, any, sizeof address) : ::connect(socket, any, sizeof address);
    if (done == 0) return socket;
    ::close(socket);
    return -1;
  }
  static std::uint16_t free_port() {
    const int socket = loopback_socket(SOCK_STREAM, 0, true);
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(socket);
    return ntohs(address.sin_port);
  }
  bool answers() const {
    const int socket = loopback_socket(SOCK_STREAM, port_, false);
    if (socket >= 0) ::close(socket);
    return socket >= 0;
  }

  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t child_ = 0;
  bool running_ = false;
};

}  // namespace adieu::test
