// See text_server.h.
#include "io/microhttpd/text_server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace adieu::microhttpd {
namespace {

constexpr std::size_t kConnections = 16;
constexpr unsigned kSpare = 4;  // the library takes no more connections than it was told, and those that are shut down take a moment
constexpr unsigned kIdleSeconds = 10;
constexpr std::size_t kRequestMemory = 16 << 10;

MHD_Result answer(MHD_Connection* connection, unsigned status, std::string text) noexcept {
  MHD_Response* response = MHD_create_response_from_buffer(text.size(), text.data(), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
  const MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

struct Callbacks {
  /// A reader that takes its answer octet by octet, or asks that slowly, is never idle: when there are too many connections the oldest gives way.
  static void connection(void* self, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode what) noexcept {
    auto& connections = static_cast<TextServer*>(self)->connections_;
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
      connections.remove(info->connect_fd);
      return;
    }
    connections.push_back(info->connect_fd);
    if (connections.size() <= kConnections) return;
    ::shutdown(connections.front(), SHUT_RDWR);
    connections.pop_front();
  }

  static MHD_Result request(void* self, MHD_Connection* connection, const char* url, const char* method, const char*, const char*,
                            std::size_t* upload, void** seen) noexcept {
    const auto& server = *static_cast<TextServer*>(self);
    if (*seen == nullptr) {  // the headers alone; an answer now would close the connection
      *seen = self;
      return MHD_YES;
    }
    if (*upload != 0) {
      *upload = 0;
      return MHD_YES;
    }
    if (std::strcmp(method, MHD_HTTP_METHOD_GET) != 0 && std::strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
      return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
    }
    if (server.path_ != url) return answer(connection, MHD_HTTP_NOT_FOUND, "see " + server.path_ + "\n");
    return answer(connection, MHD_HTTP_OK, server.text_());
  }
};

Result<std::unique_ptr<TextServer>> TextServer::start(int listening_socket, std::string path, std::function<std::string()> text) {
  std::unique_ptr<TextServer> server(new TextServer(std::move(path), std::move(text)));
  server->daemon_ = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, nullptr, nullptr, &Callbacks::request, server.get(),
                                     MHD_OPTION_LISTEN_SOCKET, listening_socket, MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(kConnections) + kSpare,
                                     MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::connection, server.get(),
                                     MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kRequestMemory, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    ::close(listening_socket);
    return failure(ErrorKind::io, "metrics: libmicrohttpd does not start (are there threads and descriptors left?)");
  }
  return server;
}

TextServer::~TextServer() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

}  // namespace adieu::microhttpd
