#include "adieu/relay/observe/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "adieu/protocol/smtp/reply_catalog.h"
#include "support/source_tree.h"

namespace adieu::observe {
namespace {

std::string text(const Metrics& metrics) { return prometheus(metrics, Ledger(10)); }

TEST(Metrics, recipients_are_counted_once_and_attempts_each_time) {
  Metrics metrics;
  metrics.count(smtp::Fate::deferred, 0);
  metrics.count(smtp::Fate::deferred, 1);
  metrics.count(smtp::Fate::delivered, 2);
  metrics.count(smtp::Fate::failed, 0);
  const std::string told = text(metrics);
  for (const char* line : {"adieu_recipients_total{outcome=\"deferred\"} 1\n", "adieu_recipients_total{outcome=\"delivered\"} 1\n",
                           "adieu_recipients_total{outcome=\"failed\"} 1\n", "adieu_attempts_total{outcome=\"deferred\"} 2\n",
                           "adieu_attempts_total{outcome=\"delivered\"} 1\n", "adieu_attempts_total{outcome=\"failed\"} 1\n"}) {
    EXPECT_NE(told.find(line), std::string::npos) << line << told;
  }
}

TEST(Metrics, refusals_are_counted_by_what_was_refused) {
  Metrics metrics;
  const auto refuse = [&](smtp::Reply reply, std::string_view command) { metrics.count(smtp::Refusal{std::move(reply), command, {}, {}}); };
  refuse(smtp::reply::relaying_denied(), "RCPT");
  refuse(smtp::reply::too_many_recipients(), "RCPT");
  refuse(smtp::reply::message_too_big(), "MAIL");
  refuse(smtp::reply::bare_newline(), "DATA");
  refuse(smtp::reply::no_valid_recipients(), "DATA");
  refuse(smtp::reply::bad_forward_path(), "RCPT");
  refuse(smtp::reply::unknown_command(), "");
  refuse(smtp::reply::too_many_errors(), "");
  const std::string told = text(metrics);
  for (const char* line : {"adieu_refused_total{what=\"recipient\"} 2\n", "adieu_refused_total{what=\"message\"} 2\n",
                           "adieu_refused_total{what=\"command\"} 4\n", "adieu_refused_total{what=\"connection\"} 0\n"}) {
    EXPECT_NE(told.find(line), std::string::npos) << line << told;
  }
}

TEST(Metrics, every_one_stands_in_adieu_8) {
  std::ifstream file(in_source_tree("man/adieu.8"));
  std::ostringstream page;
  page << file.rdbuf();
  std::istringstream lines(text(Metrics()));
  int metrics = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    ++metrics;
    const std::string name = line.substr(7, line.find(' ', 7) - 7);
    EXPECT_NE(page.str().find("\n.It Li " + name + "\n"), std::string::npos) << name;
  }
  EXPECT_GE(metrics, 8);
}

}  // namespace
}  // namespace adieu::observe
