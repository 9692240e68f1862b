// Streams over loopback, and over pairs of sockets whose other end is the test's own.
#include "io/uv/stream.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

namespace adieu::uv {
namespace {
using namespace std::chrono_literals;

const Endpoint kAnyPort{*IpAddress::parse("127.0.0.1"), 0};

/// Keeps what it is told.
class Notes final : public Stream::User {
 public:
  void on_octets(Octets octets) override { came += octets; }
  void on_end(Transfer how) override { end = how; }
  void on_taken(std::size_t count) override { taken += count; }
  std::string came;
  std::optional<Transfer> end;
  std::size_t taken = 0;
};

/// A stream, and the other end of it.
struct Pair {
  explicit Pair(int family = AF_UNIX) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    stream = std::make_unique<Stream>(loop, Descriptor(ends[0]));
    other = Descriptor(ends[1]);
    stream->use(&notes);
  }
  void turn() {
    for (int turns = 0; turns < 3; ++turns) loop.turn(false);
  }
  /// What the other end gets.
  std::string get() const {
    std::string got(1 << 20, '\0');
    got.resize(uv::receive(other.get(), got.data(), got.size()).octets);
    return got;
  }
  Loop loop;
  Notes notes;
  Descriptor other;
  std::unique_ptr<Stream> stream;
};

TEST(Stream, tells_of_octets_and_of_their_end_while_it_reads) {
  Pair pair;
  send(pair.other.get(), "early");
  pair.turn();
  EXPECT_EQ(pair.notes.came, "");
  pair.stream->read(true);
  pair.stream->read(true);
  pair.turn();
  EXPECT_EQ(pair.notes.came, "early");
  pair.stream->read(false);
  send(pair.other.get(), " late");
  pair.turn();
  EXPECT_EQ(pair.notes.came, "early");
  shut_down_writing(pair.other);
  pair.stream->read(true);
  pair.turn();
  EXPECT_EQ(pair.notes.came, "early late");
  EXPECT_EQ(pair.notes.end, Transfer::eof);
}

TEST(Stream, gives_what_the_kernel_holds_before_the_loop_tells_of_it) {
  Pair pair;
  pair.stream->read(true);
  send(pair.other.get(), "now");
  std::array<char, 8> buffer{};
  EXPECT_EQ(pair.stream->receive(buffer.data(), buffer.size()).octets, 3u);
  EXPECT_EQ(pair.stream->receive(buffer.data(), buffer.size()).how, Transfer::again);
  pair.turn();
  EXPECT_EQ(pair.notes.came, "");
}

// R10, R11: that octets were given to libuv says nothing of them.
TEST(Stream, R10_counts_as_taken_what_the_kernel_took_and_nothing_else) {
  Pair pair;
  std::string all(3'000'000, 'x');
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>('a' + i % 23);
  std::size_t taken = pair.stream->write(all).octets;
  ASSERT_GT(taken, 0u);
  ASSERT_LT(taken, all.size()) << "the kernel's buffer is full";
  EXPECT_EQ(pair.stream->write(Octets(all).substr(taken)).how, Transfer::again);
  pair.turn();
  EXPECT_EQ(pair.notes.taken, 0u);
  std::string got;
  for (int rounds = 0; got.size() < all.size() && rounds < 1000; ++rounds) {
    got += pair.get();
    pair.turn();
    taken += std::exchange(pair.notes.taken, 0);
    EXPECT_GE(taken, got.size());
    if (taken < all.size()) taken += pair.stream->write(Octets(all).substr(taken)).octets;
  }
  EXPECT_TRUE(got == all);
  EXPECT_EQ(taken, all.size());
}

TEST(Stream, that_is_destroyed_drops_what_was_not_taken) {
  Pair pair;
  const std::string all(3'000'000, 'x');
  const std::size_t taken = pair.stream->write(all).octets;
  pair.stream.reset();
  std::string got;
  for (int rounds = 0; rounds < 100; ++rounds) {
    got += pair.get();
    pair.turn();
  }
  EXPECT_EQ(got.size(), taken);
  EXPECT_EQ(pair.notes.taken, 0u);
}

TEST(Stream, whose_other_end_has_gone_says_so_when_it_is_written_to) {
  Pair pair;
  pair.other = Descriptor();
  EXPECT_EQ(pair.stream->write("x").how, Transfer::reset);
}

TEST(Stream, that_waits_for_room_is_told_of_a_reset) {
  Pair pair;
  ASSERT_LT(pair.stream->write(std::string(3'000'000, 'x')).octets, 3'000'000u);
  pair.other = Descriptor();
  pair.turn();
  EXPECT_EQ(pair.notes.end, Transfer::reset);
}

class StreamOverTcp : public testing::Test, public Listener::User {
 protected:
  StreamOverTcp() {
    auto socket = listen_tcp(kAnyPort);
    EXPECT_TRUE(socket) << socket.error().message;
    port_ = *local_endpoint(socket->get());
    listener_ = std::make_unique<Listener>(loop_, std::move(*socket), *this);
  }
  void on_accepted(Accepted one) override { accepted_.push_back(std::move(one)); }
  void on_failure(const Error& error) override { failures_.push_back(error.message); }
  Loop loop_;
  Endpoint port_;
  std::vector<Accepted> accepted_;
  std::vector<std::string> failures_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(StreamOverTcp, a_connection_is_made_and_accepted) {
  bool connected = false;
  auto client = Stream::connect(loop_, port_, [&](const std::optional<Error>& error) {
    EXPECT_FALSE(error);
    connected = true;
  });
  ASSERT_TRUE(client);
  while (!connected || accepted_.empty()) loop_.turn(true);
  EXPECT_EQ(accepted_.front().peer, *(*client)->local_endpoint());
  Notes notes;
  accepted_.front().stream->use(&notes);
  accepted_.front().stream->read(true);
  EXPECT_EQ((*client)->write("hello").octets, 5u);
  client->reset();
  while (!notes.end) loop_.turn(true);
  EXPECT_EQ(notes.came, "hello");
  EXPECT_EQ(*notes.end, Transfer::eof);
}

TEST_F(StreamOverTcp, a_port_nobody_listens_on_is_refused) {
  listener_.reset();
  std::optional<Error> why;
  const auto client = Stream::connect(loop_, port_, [&](std::optional<Error> error) { why = std::move(error); });
  if (!client) {
    EXPECT_EQ(client.error().error.kind, ErrorKind::refused);
    EXPECT_EQ(client.error().whose, ConnectFailure::Whose::peer);
    return;
  }
  while (!why) loop_.turn(true);
  EXPECT_EQ(why->kind, ErrorKind::refused);
}

TEST_F(StreamOverTcp, one_that_is_destroyed_while_it_connects_tells_nobody) {
  auto client = Stream::connect(loop_, port_, [](const std::optional<Error>&) { ADD_FAILURE(); });
  ASSERT_TRUE(client);
  client->reset();
  while (accepted_.empty()) loop_.turn(true);
}

TEST_F(StreamOverTcp, many_at_once_are_accepted_all_and_not_in_one_turn) {
  constexpr std::size_t kMany = 200;
  std::vector<Descriptor> clients;
  for (std::size_t i = 0; i < kMany; ++i) {
    auto client = connect_tcp(port_);
    ASSERT_TRUE(client);
    clients.push_back(std::move(*client));
  }
  loop_.turn(true);
  EXPECT_LT(accepted_.size(), kMany);
  while (accepted_.size() < kMany) loop_.turn(true);
  EXPECT_TRUE(failures_.empty());
}

// libuv would try on without end, and nothing else of the loop would run.
TEST_F(StreamOverTcp, without_descriptors_accepting_waits_and_goes_on_by_itself) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UndefinedBehaviorSanitizer, which is built in with it, needs a descriptor to look at an object";
#endif
  std::vector<Descriptor> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::move(*connect_tcp(port_)));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int turns = 0; turns < 3; ++turns) loop_.turn(false);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(accepted_.empty());
  EXPECT_EQ(failures_.size(), 1u) << "and once in a while at most";
  while (accepted_.size() < 3) loop_.turn(true);
}

}  // namespace
}  // namespace adieu::uv
