// What a peer that does not read, or never stops writing, can make a server connection keep: bounded octets, for a bounded time. TLS 1.2 and 1.3.
#include <gtest/gtest.h>
#include <malloc.h>

#include "wire.h"

#ifdef __SANITIZE_ADDRESS__
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // its mallinfo2 tells nothing; its header is clang's alone
#endif

namespace adieu::test {
namespace {

using tls::Ending;

std::size_t heap() {
#ifdef __SANITIZE_ADDRESS__
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

class ServerBounds : public Wire {};

TEST_P(ServerBounds, R8_a_peer_that_takes_a_part_and_then_no_more_has_a_deadline_before_the_next_action) {
  secure();
  server.room = 0;
  client.say("NOOP\r\n");
  const Deadline deadline = server.now + server.profile.session.limits.data_timeout;
  ASSERT_GT(server.connection->output().size(), 1u);
  server.now += std::chrono::seconds(10);
  server.connection->sent(1, server.now);
  EXPECT_EQ(server.connection->deadline(), deadline);
  server.expire();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::timeout);
}

TEST_P(ServerBounds, an_octet_of_the_replies_now_and_then_gains_no_time) {
  secure();
  server.room = 0;
  client.say("NOOP\r\nNOOP\r\nNOOP\r\n");
  const Deadline deadline = server.connection->deadline();
  ASSERT_EQ(deadline, Deadline(server.now + server.profile.session.limits.data_timeout));
  while (server.now + std::chrono::minutes(1) < *deadline) {
    server.now += std::chrono::minutes(1);
    server.connection->sent(1, server.now);
    server.work();
    EXPECT_EQ(server.connection->deadline(), deadline);
  }
  server.room = ~std::size_t{0};
  server.work();
  EXPECT_NE(server.connection->deadline(), deadline) << "all was taken";
}

TEST_P(ServerBounds, R4_what_comes_behind_injected_octets_is_not_kept_and_gains_no_time) {
  secure();
  server.room = 0;
  client.channel->close();
  server.receive(client.take_records() + "x");
  const Deadline deadline = server.connection->deadline();
  ASSERT_TRUE(deadline);
  const std::string flood(65'536, 'x');
  const std::size_t before = heap();
  for (int i = 0; i < 100; ++i) {
    server.now += std::chrono::milliseconds(10);
    EXPECT_FALSE(server.connection->wants_input());
    server.receive(flood);
  }
  EXPECT_LT(heap(), before + 1'000'000);
  EXPECT_EQ(server.connection->deadline(), deadline);
  server.room = ~std::size_t{0};
  server.work();
  client.read();
  EXPECT_TRUE(client.got_close_notify) << "S is still sent";
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::injected);
}

TEST_P(ServerBounds, R4_injected_octets_are_what_the_record_tells_where_a_shutdown_comes_before_S_is_out) {
  secure();
  server.room = 0;
  client.channel->close();
  server.receive(client.take_records() + "x");
  server.connection->give_up(server.now);
  server.work();
  EXPECT_TRUE(server.closed);
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::injected);
  EXPECT_EQ(server.secure_ends().at(0).detail, "octets behind close_notify");
}

TEST_P(ServerBounds, replies_that_are_never_quite_taken_are_let_go_of_as_they_are) {
  server.start();
  client.say_plain("EHLO c\r\n");
  std::string helps;
  for (int i = 0; i < 500; ++i) helps += "HELP\r\n";
  std::size_t least = ~std::size_t{0};
  std::size_t most = 0;
  for (int i = 0; i < 400; ++i) {
    server.room = 0;
    server.receive(helps);
    server.connection->sent(server.connection->output().size() - 1, server.now);
    if (i < 50) continue;
    least = std::min(least, heap());
    most = std::max(most, heap());
  }
  EXPECT_LT(most - least, 1'000'000u);
}

INSTANTIATE_TEST_SUITE_P(Versions, ServerBounds, testing::Values("TLS1.2", "TLS1.3"), [](const auto& one) {
  return one.param == "TLS1.2" ? "tls12" : "tls13";
});

}  // namespace
}  // namespace adieu::test
