// See control.h.
#include "daemon/control.h"

#include <algorithm>
#include <array>
#include <utility>

namespace adieu::daemon {

/// One that asks.
class Control::Connection final : Stream::User, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Control& control, std::uint64_t id, std::unique_ptr<Stream> stream)
      : control_(control), id_(id), stream_(std::move(stream)), timer_(control.loop_.timer([this] { control_.close(id_); })) {
    stream_->use(this);
    stream_->read(true);
    be_patient();
  }

  bool has_asked() const { return answer_ != nullptr; }

 private:
  void be_patient() { timer_->set(control_.loop_.now() + control_.patience_); }

  void on_octets(Octets octets) override {
    request_.append(octets);
    const std::size_t end = request_.find('\n');
    if (end == std::string::npos) {
      if (request_.size() > kRequestLimit) control_.close(id_);
      return;
    }
    stream_->read(false);
    answer_ = control_.handler_(request_.substr(0, end));
    next_part();
  }
  void on_end(Transfer) override { control_.close(id_); }
  void on_taken(std::size_t count) override {
    written_ += count;
    be_patient();
    write();
  }

  void next_part() {
    timer_->set(std::nullopt);  // now the relay is to be waited for
    answer_([self = weak_from_this()](Part part) {
      const auto asker = self.lock();
      if (!asker) return;
      asker->part_ = std::move(part.lines);
      asker->written_ = 0;
      asker->last_ = part.last;
      if (part.last) asker->part_ += '\n';
      asker->be_patient();
      // In a turn of its own: an answer whose parts are all there would else take the loop for as long as the asker takes them.
      asker->control_.loop_.post([self] {
        if (const auto still = self.lock()) still->write();
      });
    });
  }

  void write() {
    if (written_ < part_.size()) {
      const Transferred result = stream_->write(Octets(part_).substr(written_));
      if (result.how == Transfer::reset) {
        control_.close(id_);
        return;
      }
      written_ += result.octets;
      if (written_ < part_.size()) return;
    }
    if (last_) {
      control_.close(id_);
    } else {
      next_part();
    }
  }

  Control& control_;
  const std::uint64_t id_;
  const std::unique_ptr<Stream> stream_;
  std::unique_ptr<Timer> timer_;
  std::string request_;
  Answer answer_;           // none until it has asked
  std::string part_;
  std::size_t written_ = 0;
  bool last_ = false;
};

Control::Control(uv::Loop& loop, uv::Descriptor socket, Handler handler, Duration patience)
    : loop_(loop),
      handler_(std::move(handler)),
      patience_(patience),
      listener_(loop, std::move(socket), *this) {}

Control::~Control() = default;

void Control::on_accepted(Accepted accepted) {
  if (!make_room()) return;
  const std::uint64_t id = ++last_id_;
  connections_.emplace(id, std::make_shared<Connection>(*this, id, std::move(accepted.stream)));
}

/// Connections that ask nothing never keep out one that would: the oldest of them gives way.
bool Control::make_room() {
  if (connections_.size() < kConnections) return true;
  const auto silent = std::find_if(connections_.begin(), connections_.end(), [](const auto& entry) { return !entry.second->has_asked(); });
  if (silent == connections_.end()) return false;
  close(silent->first);
  return true;
}

void Control::close(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  // Not destroyed here: this is its own call.
  loop_.post([dead = std::move(found->second)] {});
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
    const Transferred result = uv::send(socket->get(), left);
    if (result.how == Transfer::again) return failed(ErrorKind::timeout, "the relay does not read the question");
    if (result.how != Transfer::done) return failed(ErrorKind::refused, "the relay does not listen");
    left.erase(0, result.octets);
  }
  std::string answer;
  std::array<char, 65'536> block{};
  for (;;) {
    const Transferred result = uv::receive(socket->get(), block.data(), block.size());
    if (result.how == Transfer::again) return failed(ErrorKind::timeout, "the relay does not answer; look at its log");
    if (result.how != Transfer::done) return failed(ErrorKind::io, "the answer broke off");
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
