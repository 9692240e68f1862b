// One text over HTTP, made anew for each GET: for metrics. libmicrohttpd with a thread of its own, so that no loop waits for a reader.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "adieu/base/result.h"

struct MHD_Daemon;

namespace adieu::microhttpd {

class TextServer {
 public:
  /// Serves `path` from the listening socket, which it owns then; anything else is 404, and 405 for what is not GET or HEAD. At most 16
  /// connections: another one ends the oldest. Each may be silent for 10 seconds. `text` is called on the server's thread.
  static Result<std::unique_ptr<TextServer>> start(int listening_socket, std::string path, std::function<std::string()> text);
  ~TextServer();
  TextServer(const TextServer&) = delete;
  TextServer& operator=(const TextServer&) = delete;

 private:
  friend struct Callbacks;
  TextServer(std::string path, std::function<std::string()> text) : path_(std::move(path)), text_(std::move(text)) {}
  const std::string path_;
  const std::function<std::string()> text_;
  std::list<int> connections_;  // descriptors, the oldest first; of the server's thread
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace adieu::microhttpd
