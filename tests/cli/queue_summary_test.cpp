#include "cli/queue_summary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace adieu::cli {
namespace {
using namespace std::chrono_literals;

std::vector<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

TEST(QueueSummary, counts_recipients_by_age_the_fullest_destination_first) {
  QueueSummary summary;
  summary.add("out/a.example", 4min, 1);
  summary.add("out/b.example", 5min, 2);
  summary.add("out/b.example", 1280min, 3);
  summary.add("out/b.example", -1h, 1);  // the clock was set back
  summary.add("out/c.example", 1279min, 1);
  const auto table = lines(summary.table(2));
  ASSERT_EQ(table.size(), 5u);
  const std::string space(27, ' ');
  EXPECT_EQ(table[0], "recipients by minutes since they came         all      5     10     20     40     80    160    320    640   1280  1280+");
  EXPECT_EQ(table[1], "TOTAL                                           8      2      2      0      0      0      0      0      0      1      3  ####################");
  EXPECT_EQ(table[2], "out/b.example" + space + "        6      1      2      0      0      0      0      0      0      0      3  ###############");
  EXPECT_EQ(table[3], "out/a.example" + space + "        1      1      0      0      0      0      0      0      0      0      0  ###");
  EXPECT_EQ(table[4], "1 more; --all shows them");
}

TEST(QueueSummary, of_nothing_says_so_and_of_a_long_name_shows_its_beginning) {
  QueueSummary summary;
  EXPECT_EQ(summary.table(20), "the queue is empty\n");
  EXPECT_EQ(summary.json_lines(), "");
  summary.add("out/" + std::string(255, 'x'), 0min, 1);
  const auto table = lines(summary.table(20));
  EXPECT_EQ(table[2].substr(0, 49), "out/" + std::string(33, 'x') + "...        1");
}

TEST(QueueSummary, is_an_object_for_each_destination) {
  QueueSummary summary;
  summary.add("out/a.example", 30min, 7);
  const auto object = nlohmann::json::parse(summary.json_lines());
  EXPECT_EQ(object["destination"], "out/a.example");
  EXPECT_EQ(object["recipients"], 7);
  EXPECT_EQ(object["minutes"]["40"], 7);
  EXPECT_EQ(object["minutes"]["20"], 0);
}

}  // namespace
}  // namespace adieu::cli
