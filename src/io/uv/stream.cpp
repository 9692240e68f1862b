// See stream.h.
#include "io/uv/stream.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "io/uv/socket_address.h"

namespace adieu::uv {
namespace {

constexpr std::size_t kBlock = 65'536;
/// So much of what the kernel did not take is given to libuv, which tells when there is room by having written it.
constexpr std::size_t kRest = 16'384;
constexpr int kAcceptsAtOnce = 64;

/// Where a thread's streams read to before their users take it.
void give_block(uv_handle_t*, std::size_t, uv_buf_t* buffer) noexcept {
  thread_local std::array<char, kBlock> block;
  *buffer = uv_buf_init(block.data(), kBlock);
}

union AnyHandle {
  uv_handle_t handle;
  uv_stream_t stream;
  uv_tcp_t tcp;
  uv_pipe_t pipe;
};

/// Not yet of any socket.
void init(Loop& loop, AnyHandle& any, bool is_pipe) {
  const int error = is_pipe ? uv_pipe_init(loop.get(), &any.pipe, 0) : uv_tcp_init(loop.get(), &any.tcp);
  check(error == 0, "libuv has no reason to refuse a handle");
}

/// Of a socket, which it owns from now on.
void open(Loop& loop, AnyHandle& any, Descriptor socket) {
  const bool is_pipe = uv_guess_handle(socket.get()) == UV_NAMED_PIPE;
  init(loop, any, is_pipe);
  const int descriptor = socket.release();
  check((is_pipe ? uv_pipe_open(&any.pipe, descriptor) : uv_tcp_open(&any.tcp, descriptor)) == 0, "libuv takes a socket");
}

}  // namespace

struct Stream::Handle {
  AnyHandle any{};
  Stream* owner = nullptr;
  std::function<void(std::optional<Error>)> decided;
  uv_connect_t connect{};
  uv_write_t write{};
  std::string rest;  // octets that libuv is writing
};

Stream::Stream(Handle* handle) : handle_(handle) {
  handle->owner = this;
  handle->any.handle.data = handle;
}

Stream::Stream(Loop& loop, Descriptor socket) : Stream(new Handle) { open(loop, handle_->any, std::move(socket)); }

Stream::~Stream() {
  handle_->owner = nullptr;
  uv_close(&handle_->any.handle, [](uv_handle_t* closed) noexcept { delete static_cast<Handle*>(closed->data); });
}

tl::expected<std::unique_ptr<adieu::Stream>, ConnectFailure> Stream::connect(Loop& loop, const Endpoint& endpoint,
                                                                            std::function<void(std::optional<Error>)> decided) {
  SocketAddress address = to_system(endpoint);
  auto handle = std::make_unique<Handle>();
  if (const int error = uv_tcp_init_ex(loop.get(), &handle->any.tcp, address.storage.ss_family); error != 0) {
    return tl::unexpected(connect_failure(-error, endpoint));
  }
  std::unique_ptr<Stream> stream(new Stream(handle.release()));
  if (stream->is_of_reserve(1)) return tl::unexpected(connect_failure(EMFILE, endpoint));
  Handle& of = *stream->handle_;
  uv_tcp_nodelay(&of.any.tcp, 1);
  of.decided = std::move(decided);
  const int error = uv_tcp_connect(&of.connect, &of.any.tcp, address.get(), [](uv_connect_t* request, int status) noexcept {
    auto* const connected = static_cast<Handle*>(request->handle->data);
    if (connected->owner == nullptr) return;
    const auto tell = std::exchange(connected->decided, nullptr);
    tell(status == 0 ? std::nullopt : std::optional(error_of_errno("connect", -status)));
  });
  if (error != 0) return tl::unexpected(connect_failure(-error, endpoint));
  return stream;
}

void Stream::read(bool on) {
  uv_stream_t* const stream = &handle_->any.stream;
  if (!on) {
    uv_read_stop(stream);
    return;
  }
  uv_read_start(stream, give_block, [](uv_stream_t* read, ssize_t count, const uv_buf_t* buffer) noexcept {
    Stream* const owner = static_cast<Handle*>(read->data)->owner;
    if (owner == nullptr || owner->user_ == nullptr || count == 0) return;
    if (count > 0) {
      owner->user_->on_octets(Octets(buffer->base, static_cast<std::size_t>(count)));
    } else {
      owner->user_->on_end(count == UV_EOF ? Transfer::eof : Transfer::reset);
    }
  });
}

Transferred Stream::write(Octets octets) {
  if (!handle_->rest.empty()) return {Transfer::again, 0};
  const auto buffer_of = [](Octets of) { return uv_buf_init(const_cast<char*>(of.data()), static_cast<unsigned>(of.size())); };
  uv_stream_t* const stream = &handle_->any.stream;
  const uv_buf_t all = buffer_of(octets);
  int count = uv_try_write(stream, &all, 1);
  if (count == UV_EAGAIN) count = 0;
  if (count < 0) return {Transfer::reset, 0};
  const auto taken = static_cast<std::size_t>(count);
  if (taken == octets.size()) return {Transfer::done, taken};
  handle_->rest = octets.substr(taken, kRest);
  const uv_buf_t rest = buffer_of(handle_->rest);
  const int error = uv_write(&handle_->write, stream, &rest, 1, [](uv_write_t* request, int status) noexcept {
    if (Stream* const owner = static_cast<Handle*>(request->handle->data)->owner) owner->taken(status);
  });
  if (error != 0) return {Transfer::reset, 0};
  return {Transfer::done, taken};
}

void Stream::taken(int status) {
  const std::size_t count = handle_->rest.size();
  handle_->rest.clear();
  if (user_ == nullptr) return;
  if (status == 0) {
    user_->on_taken(count);
  } else {
    user_->on_end(Transfer::reset);
  }
}

Transferred Stream::receive(char* buffer, std::size_t size) { return uv::receive(descriptor(), buffer, size); }

Result<Endpoint> Stream::local_endpoint() const { return uv::local_endpoint(descriptor()); }

bool Stream::is_of_reserve(std::size_t times) const { return uv::is_of_reserve(descriptor(), times); }

int Stream::descriptor() const {
  uv_os_fd_t descriptor = -1;
  uv_fileno(&handle_->any.handle, &descriptor);
  return descriptor;
}

struct Listener::Handle {
  AnyHandle any{};
  Listener* owner = nullptr;
};

Listener::Listener(Loop& loop, Descriptor socket, User& user)
    : loop_(loop), socket_(std::move(socket)), user_(user), timer_(loop, [this] { go_on(); }) {
  open();
}

Listener::~Listener() { close(); }

/// libuv tries on without end where it can accept nothing: to stop it, its copy of the socket is closed.
void Listener::open() {
  Descriptor copy(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) {
    fail(errno);
    return;
  }
  handle_ = new Handle;
  handle_->owner = this;
  handle_->any.handle.data = handle_;
  uv::open(loop_, handle_->any, std::move(copy));
  const int error = uv_listen(&handle_->any.stream, SOMAXCONN, [](uv_stream_t* stream, int status) noexcept {
    if (Listener* const owner = static_cast<Handle*>(stream->data)->owner) owner->incoming(status);
  });
  if (error != 0) fail(-error);
}

void Listener::close() {
  if (handle_ == nullptr) return;
  handle_->owner = nullptr;
  uv_close(&std::exchange(handle_, nullptr)->any.handle, [](uv_handle_t* closed) noexcept { delete static_cast<Handle*>(closed->data); });
  waits_ = false;
}

void Listener::fail(int error) {
  close();
  timer_.set(loop_.now() + kOutOfDescriptors);
  user_.on_failure(error_of_errno("accept", error));
}

void Listener::incoming(int status) {
  if (status != 0) {
    fail(-status);
  } else if (accepted_ == kAcceptsAtOnce) {
    waits_ = true;  // libuv waits with it
    timer_.set(loop_.now());
  } else {
    accept();
  }
}

void Listener::accept() {
  ++accepted_;
  std::unique_ptr<Stream> stream(new Stream(new Stream::Handle));
  AnyHandle& any = stream->handle_->any;
  const bool is_pipe = handle_->any.handle.type == UV_NAMED_PIPE;
  init(loop_, any, is_pipe);
  if (uv_accept(&handle_->any.stream, &any.stream) != 0) return;
  Endpoint peer;
  if (!is_pipe) {
    const auto found = remote_endpoint(stream->descriptor());
    if (!found) return;  // it has gone already
    peer = *found;
  }
  user_.on_accepted({std::move(stream), peer});  // may destroy this
}

void Listener::go_on() {
  accepted_ = 0;
  if (handle_ == nullptr) {
    open();
  } else if (std::exchange(waits_, false)) {
    accept();
  }
}

}  // namespace adieu::uv
