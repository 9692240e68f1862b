#include "io/gnutls/gmac.h"

#include <gtest/gtest.h>

#include <set>

namespace adieu::gnutls {
namespace {

const std::string kKey = "0123456789abcdef";

TEST(Gmac, does_not_depend_on_how_the_octets_are_divided) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 7);
  Gmac hash(kKey);
  const std::string whole = hash.update(text).finish();
  EXPECT_EQ(whole.size(), Gmac::kSize);
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); second += 3) {
      hash.update(Octets(text).substr(0, first)).update(Octets(text).substr(first, second - first)).update(Octets(text).substr(second));
      ASSERT_EQ(hash.finish(), whole) << first << ' ' << second;
    }
  }
}
TEST(Gmac, tells_lengths_bits_and_keys_apart) {
  std::set<std::string> values;
  Gmac hash(kKey);
  for (std::size_t length = 0; length < 50; ++length) values.insert(hash.update(std::string(length, '\0')).finish());
  for (int bit = 0; bit < 320; ++bit) {
    std::string text(40, '\0');
    text[static_cast<std::size_t>(bit / 8)] = static_cast<char>(1 << bit % 8);
    values.insert(hash.update(text).finish());
  }
  values.insert(Gmac("another key 0123").update(std::string(40, '\0')).finish());
  EXPECT_EQ(values.size(), 50u + 320u + 1u);
}
TEST(Gmac, begins_anew_when_it_has_finished) {
  Gmac hash(kKey);
  const std::string first = hash.update("one").finish();
  EXPECT_NE(hash.update("two").finish(), first);
  EXPECT_EQ(hash.update("one").finish(), first);
  EXPECT_EQ(Gmac(kKey).update("one").finish(), first);
}

}  // namespace
}  // namespace adieu::gnutls
