// See control.h.
#include "daemon/control.h"

#include <algorithm>
#include <array>
#include <utility>

namespace adieu::daemon {

Control::Control(uv::Loop& loop, uv::Descriptor socket, Handler handler, Duration patience)
    : loop_(loop),
      socket_(std::move(socket)),
      handler_(std::move(handler)),
      patience_(patience),
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
  if (!*accepted || !make_room()) return;
  const std::uint64_t id = ++last_id_;
  Connection& connection = connections_[id];
  connection.socket = std::move((*accepted)->socket);
  connection.poll = std::make_unique<uv::Poll>(loop_, connection.socket.get(), [this, id](int) {
    if (connections_.at(id).answer) {
      write(id);
    } else {
      read(id);
    }
  });
  connection.timer = std::make_unique<uv::Timer>(loop_, [this, id] { close(id); });
  connection.timer->set(loop_.now() + patience_);
  connection.poll->set(UV_READABLE);
}

/// Connections that ask nothing never keep out one that would: the oldest of them gives way.
bool Control::make_room() {
  if (connections_.size() < kConnections) return true;
  const auto silent = std::find_if(connections_.begin(), connections_.end(), [](const auto& entry) { return !entry.second.answer; });
  if (silent == connections_.end()) return false;
  close(silent->first);
  return true;
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
  connection.answer = handler_(connection.request.substr(0, end));
  next_part(id);
}

void Control::next_part(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  connection.poll->set(0);
  connection.timer->set(std::nullopt);  // now the relay is to be waited for
  connection.answer([self = std::weak_ptr(self_), id](Part part) {
    const auto alive = self.lock();
    if (!alive || !(*alive)->connections_.contains(id)) return;
    Control& control = **alive;
    Connection& asker = control.connections_.at(id);
    asker.part = std::move(part.lines);
    asker.written = 0;
    asker.last = part.last;
    if (asker.last) asker.part += '\n';
    asker.timer->set(control.loop_.now() + control.patience_);
    asker.poll->set(UV_WRITABLE);
  });
}

void Control::write(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  if (connection.written < connection.part.size()) {
    const uv::Transferred result = uv::send(connection.socket, Octets(connection.part).substr(connection.written));
    if (result.how == uv::Transfer::again) return;
    if (result.how != uv::Transfer::done) {
      close(id);
      return;
    }
    connection.written += result.octets;
    connection.timer->set(loop_.now() + patience_);
    if (connection.written < connection.part.size()) return;
  }
  if (connection.last) {
    close(id);
  } else {
    next_part(id);
  }
}

void Control::close(std::uint64_t id) {
  const auto found = connections_.find(id);
  // Not destroyed here: this is its own call.
  found->second.poll->set(0);
  loop_.post([dead = std::make_shared<Connection>(std::move(found->second))] {});
  connections_.erase(found);
}

Control::Answer whole_answer(std::string lines) {
  return [lines = std::move(lines)](const std::function<void(Control::Part)>& give) { give({lines, true}); };
}

Result<> ask_relay(const std::string& path, const std::string& request, const std::function<bool(std::string_view)>& on_line, Duration patience) {
  const auto failed = [&path](ErrorKind kind, const char* how) { return failure(kind, "control socket " + path + ": " + how); };
  auto socket = uv::connect_unix(path, patience);
  if (!socket) return tl::unexpected<Error>(socket.error());
  std::string left = request + "\n";
  while (!left.empty()) {
    const uv::Transferred result = uv::send(*socket, left);
    if (result.how == uv::Transfer::again) return failed(ErrorKind::timeout, "the relay does not read the question");
    if (result.how != uv::Transfer::done) return failed(ErrorKind::refused, "the relay does not listen");
    left.erase(0, result.octets);
  }
  std::string answer;
  std::array<char, 65'536> block{};
  for (;;) {
    const uv::Transferred result = uv::receive(*socket, block.data(), block.size());
    if (result.how == uv::Transfer::again) return failed(ErrorKind::timeout, "the relay does not answer; look at its log");
    if (result.how != uv::Transfer::done) return failed(ErrorKind::io, "the answer broke off");
    answer.append(block.data(), result.octets);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = answer.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (end == begin || !on_line(std::string_view(answer).substr(begin, end - begin))) return {};
    }
    answer.erase(0, begin);
  }
}

Result<std::string> ask_relay(const std::string& path, const std::string& request) {
  std::string lines;
  const Result<> asked = ask_relay(path, request, [&lines](std::string_view line) {
    lines.append(line).append("\n");
    return true;
  });
  if (!asked) return tl::unexpected<Error>(asked.error());
  return lines;
}

}  // namespace adieu::daemon
