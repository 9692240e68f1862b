// See control.h.
#include "daemon/control.h"

#include <array>
#include <utility>

namespace adieu::daemon {

Control::Control(uv::Loop& loop, uv::Descriptor socket, Handler handler)
    : loop_(loop),
      socket_(std::move(socket)),
      handler_(std::move(handler)),
      self_(std::make_shared<Control*>(this)),
      poll_(loop, socket_.get(), [this](int) { accept(); }),
      retry_(loop, [this] { poll_.set(UV_READABLE); }) {
  poll_.set(UV_READABLE);
}

Control::~Control() = default;

void Control::accept() {
  auto accepted = uv::accept(socket_);
  if (!accepted) {  // the listeners say so
    poll_.set(0);
    retry_.set(loop_.now() + uv::kOutOfDescriptors);
    return;
  }
  if (!*accepted || connections_.size() >= kConnections) return;
  const std::uint64_t id = ++last_id_;
  Connection& connection = connections_[id];
  connection.socket = std::move((*accepted)->socket);
  connection.poll = std::make_unique<uv::Poll>(loop_, connection.socket.get(), [this, id](int) {
    if (connections_.at(id).asked) {
      write(id);
    } else {
      read(id);
    }
  });
  connection.poll->set(UV_READABLE);
}

void Control::read(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  std::array<char, 4096> block{};
  const uv::Transferred result = uv::receive(connection.socket, block.data(), block.size());
  if (result.how == uv::Transfer::again) return;
  connection.request.append(block.data(), result.octets);
  const std::size_t end = connection.request.find('\n');
  if (end == std::string::npos) {
    if (result.how != uv::Transfer::done || connection.request.size() > kRequestLimit) close(id);
    return;
  }
  connection.asked = true;
  connection.poll->set(0);
  handler_(connection.request.substr(0, end), [self = std::weak_ptr(self_), id](std::string lines) {
    const auto alive = self.lock();
    if (!alive || !(*alive)->connections_.contains(id)) return;
    (*alive)->connections_.at(id).reply = std::move(lines);
    (*alive)->connections_.at(id).poll->set(UV_WRITABLE);
  });
}

void Control::write(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  const uv::Transferred result = uv::send(connection.socket, Octets(connection.reply).substr(connection.written));
  if (result.how == uv::Transfer::again) return;
  connection.written += result.octets;
  if (connection.written == connection.reply.size() || result.how != uv::Transfer::done) close(id);
}

void Control::close(std::uint64_t id) {
  const auto found = connections_.find(id);
  // Not destroyed here: this is its own call.
  found->second.poll->set(0);
  loop_.post([dead = std::make_shared<Connection>(std::move(found->second))] {});
  connections_.erase(found);
}

Result<std::string> ask_relay(const std::string& path, const std::string& request) {
  auto socket = uv::connect_unix(path);
  if (!socket) return tl::unexpected<Error>(socket.error());
  std::string left = request + "\n";
  while (!left.empty()) {
    const uv::Transferred result = uv::send(*socket, left);
    if (result.how != uv::Transfer::done) return failure(ErrorKind::io, "control socket " + path + ": the relay does not listen");
    left.erase(0, result.octets);
  }
  std::string answer;
  std::array<char, 65'536> block{};
  for (;;) {
    const uv::Transferred result = uv::receive(*socket, block.data(), block.size());
    const bool whole = answer.empty() || answer.back() == '\n';  // not where the relay ended meanwhile
    if (result.how == uv::Transfer::eof && whole) return answer;
    if (result.how != uv::Transfer::done) return failure(ErrorKind::io, "control socket " + path + ": the answer broke off");
    answer.append(block.data(), result.octets);
  }
}

}  // namespace adieu::daemon
