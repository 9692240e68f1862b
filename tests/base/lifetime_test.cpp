#include "adieu/base/lifetime.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace adieu {
namespace {

struct Asker {
  explicit Asker(std::string& to) : heard(to) {}
  std::string& heard;
  Lifetime lifetime;
  std::function<void(const std::string&)> callback() {
    return lifetime.bind([this](const std::string& answer) { heard += answer; });
  }
};

TEST(Lifetime, an_answer_reaches_whoever_asked_as_often_as_it_comes) {
  std::string heard;
  Asker asker(heard);
  const auto callback = asker.callback();
  callback("a");
  callback("b");
  EXPECT_EQ(heard, "ab");
}
TEST(Lifetime, an_answer_that_comes_later_is_dropped) {
  std::string heard;
  auto asker = std::make_unique<Asker>(heard);
  const auto callback = asker->callback();
  asker.reset();
  callback("late");
  EXPECT_EQ(heard, "");
}
TEST(Lifetime, the_answers_to_old_questions_can_be_given_up_while_new_ones_are_heard) {
  std::string heard;
  Asker asker(heard);
  const auto old = asker.callback();
  asker.lifetime.end();
  const auto next = asker.callback();
  old("old");
  next("new");
  EXPECT_EQ(heard, "new");
}
TEST(Lifetime, an_answer_may_be_the_end_of_whoever_asked) {
  auto lifetime = std::make_unique<Lifetime>();
  const std::function<void()> callback = lifetime->bind([&lifetime] { lifetime.reset(); });
  callback();
  EXPECT_EQ(lifetime, nullptr);
  callback();
}

}  // namespace
}  // namespace adieu
