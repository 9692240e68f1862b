#include "support/memory_spool.h"

#include "support/spool_contract.h"

namespace adieu::test {
namespace {

class MemoryUnderTest final : public SpoolUnderTest {
 public:
  spool::Spool& spool() override { return spool_; }
  void restart() override { spool_.restart(); }
  std::size_t leftovers() override { return spool_.stored(); }
  std::size_t large() const override { return MemorySpool::kLarge; }

 private:
  MemorySpool spool_;
};

INSTANTIATE_TEST_SUITE_P(Memory, SpoolContract, testing::Values(SpoolMaker{"memory", [] { return std::make_unique<MemoryUnderTest>(); }}),
                         [](const auto& tested) { return tested.param.name; });

TEST(MemorySpool, fails_at_the_operation_that_it_is_told_to_and_nowhere_else) {
  MemorySpool spool;
  SpoolSession session(spool);
  const Error error{ErrorKind::io, "no"};
  spool.fail(SpoolOperation::begin, 2, error);
  EXPECT_TRUE(session.begin());
  EXPECT_FALSE(session.begin());
  EXPECT_TRUE(session.begin());
  spool.fail(SpoolOperation::commit, 1, error);
  EXPECT_EQ(session.store("x").error().message, "no");
  EXPECT_EQ(spool.stored(), 0u);
  spool.fail(SpoolOperation::append, 1, error);
  EXPECT_FALSE(session.store(std::string(3 * MemorySpool::kLarge, 'x')));
  const auto kept = session.store("x");
  ASSERT_TRUE(kept.has_value());
  spool.fail(SpoolOperation::read, 1, error);
  EXPECT_FALSE(session.read(*kept->front().head));
  EXPECT_TRUE(session.read(*kept->front().head));
  spool.fail(SpoolOperation::settle, 1, error);
  EXPECT_FALSE(session.finish(*kept));
  EXPECT_EQ(spool.stored(), 1u);
  EXPECT_TRUE(session.finish(*kept));
  EXPECT_EQ(spool.stored(), 0u);
}
}  // namespace
}  // namespace adieu::test
