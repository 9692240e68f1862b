// The lines are made by what writes the log, so that a field that changes its name there is missed here.
#include "adieu/relay/observe/story.h"

#include <gtest/gtest.h>

#include "adieu/relay/observe/events.h"

namespace adieu::observe {
namespace {

class StoryTest : public testing::Test {
 protected:
  StoryTest() {
    head_.id = *spool::MessageId::parse("001K199ZABW0P");
    head_.reverse_path = {"a", "example.org"};
    head_.size = 100;
    head_.recipients = {recipient({"b", "example.net"}), recipient({"\"c,d\"", "example.net"})};
    outcome_.host = "mx[192.0.2.9]:25";
    outcome_.fate = smtp::Fate::delivered;
    outcome_.status = {2, 0, 0};
    outcome_.reply = {250, {2, 0, 0}, "ok"};
  }

  static spool::Recipient recipient(mail::Mailbox forward_path) {
    spool::Recipient made;
    made.forward_path = std::move(forward_path);
    made.next_hop = "out";
    return made;
  }
  void log(const LogLine& line) { lines_.push_back("time=2026-11-28T12:00:0" + std::to_string(lines_.size()) + "Z level=info " + line.text()); }
  ClientFacts client() const { return {{*IpAddress::parse("192.0.2.1"), 4711}, "c.example", "[::]:25", "6b.1", nullptr}; }
  void queue() { log(queued(head_.id, head_, client(), "ESMTP", "<m@example.org>")); }
  void attempt(std::size_t recipient, smtp::Fate fate) {
    outcome_.fate = fate;
    log(attempted(head_, head_.recipients[recipient], "", outcome_, head_.arrived));
  }
  std::vector<Story> stories(const StoryQuestion& question) const {
    Stories stories(question);
    for (const std::string& line : lines_) stories.add(*LoggedLine::parse(line));
    return stories.stories();
  }
  /// Of the one message that is asked for.
  std::string ending(const std::string& about = "001K199ZABW0P") const {
    const auto found = stories({about, "", ""});
    return found.size() == 1 ? found.front().ending() : std::to_string(found.size()) + " stories";
  }

  spool::MessageHead head_;
  smtp::Outcome outcome_;
  std::vector<std::string> lines_;
};

TEST_F(StoryTest, is_found_by_all_that_names_the_message) {
  queue();
  for (const char* about : {"001K199ZABW0P", "001k199zabw0p", "<m@example.org>", "m@example.org", "a@example.org", "<b@EXAMPLE.NET>", "\"c,d\"@example.net"}) {
    EXPECT_EQ(stories({about, "", ""}).size(), 1u) << about;
  }
  EXPECT_EQ(stories({"", "a@example.org", "b@example.net"}).size(), 1u);
  EXPECT_EQ(stories({"", "b@example.net", ""}).size(), 0u);
  EXPECT_EQ(stories({"", "a@example.org", "x@example.net"}).size(), 0u);
  EXPECT_EQ(stories({"example.org", "", ""}).size(), 0u);
}

TEST_F(StoryTest, tells_how_it_stands_after_each_line) {
  queue();
  EXPECT_EQ(ending(), "At the end of this log it waits for all 2 recipients.");
  attempt(0, smtp::Fate::deferred);
  EXPECT_EQ(ending(), "At the end of this log it waits for all 2 recipients.");
  EXPECT_EQ(stories({"m@example.org", "", ""}).front().recipients[0].state, "deferred");
  attempt(0, smtp::Fate::delivered);
  EXPECT_EQ(ending(), "Delivered to 1 of 2 recipients. At the end of this log it waits for 1 of 2 recipients.");
  attempt(1, smtp::Fate::failed);
  EXPECT_EQ(ending(), "Delivered to 1 of 2 recipients. Failed for 1 of 2 recipients.");
  log(removed(head_.id));
  EXPECT_EQ(ending(), "Delivered to 1 of 2 recipients. Failed for 1 of 2 recipients.");
  const auto story = stories({"b@example.net", "", ""}).at(0);
  EXPECT_TRUE(story.left);
  ASSERT_EQ(story.steps.size(), 5u);
  EXPECT_EQ(story.steps[0].words, "taken from [192.0.2.1]:4711 (c.example) by [::]:25 in the clear: 100 octets");
  EXPECT_EQ(story.steps[0].time, "2026-11-28T12:00:00Z");
  EXPECT_EQ(story.steps[2].words, "delivered to <b@example.net> by mx[192.0.2.9]:25 in the clear, 0.0 s after it came: 250 2.0.0 ok");
}

TEST_F(StoryTest, begins_where_the_log_begins) {
  attempt(0, smtp::Fate::delivered);
  EXPECT_EQ(ending("b@example.net"), "Delivered to its recipient.");
  EXPECT_EQ(ending("a@example.org"), "0 stories");
}

TEST_F(StoryTest, has_the_notification_behind_it_that_tells_of_it) {
  queue();
  attempt(1, smtp::Fate::failed);
  spool::MessageHead notification;
  notification.id = *spool::MessageId::parse("001K199ZABW0Q");
  notification.recipients = {recipient(head_.reverse_path)};
  log(notification_queued(notification, head_.id));
  const auto found = stories({"001K199ZABW0P", "", ""});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].steps.at(0).words, "made, to tell <a@example.org> what became of 001K199ZABW0P");
}

TEST_F(StoryTest, of_mail_that_was_refused_or_withdrawn_says_so) {
  smtp::Refusal refusal;
  refusal.command = "RCPT";
  refusal.message = summary(head_);
  refusal.message.queue_id.clear();
  refusal.reply = {550, {5, 7, 1}, "no"};
  log(rejected(refusal, client()));
  EXPECT_EQ(ending("b@example.net"), "It was refused, and never was in the queue.");
  EXPECT_EQ(stories({"b@example.net", "", ""}).at(0).steps.at(0).words, "refused to [192.0.2.1]:4711 (c.example) at RCPT: 550 5.7.1 no");
  queue();
  log(revoked(summary(head_), "6b.1"));
  EXPECT_EQ(ending(), "It was withdrawn: the client did not get its 250, and keeps it.");
}

TEST_F(StoryTest, of_mail_that_could_not_be_stored_says_so) {
  LogLine line("spool-commit");
  log(line.field("queue-id", head_.id.text()).field("error", "no space"));
  EXPECT_EQ(ending(), "It could not be stored: the client got a 4xx, and keeps it.");
  attempt(0, smtp::Fate::delivered);
  EXPECT_EQ(ending(), "Delivered to its recipient.") << "after a crash it was found, and was whole";
}

TEST_F(StoryTest, has_the_end_of_the_connection_that_it_came_by) {
  queue();
  ClosureRecord record;
  record.connection = "6b.1";
  record.peer = client().client;
  record.end.ending = tls::Ending::fin;
  log(disconnect(record));
  record.connection = "6b.2";
  log(disconnect(record));
  const auto story = stories({"001K199ZABW0P", "", ""}).at(0);
  ASSERT_EQ(story.steps.size(), 2u);
  EXPECT_EQ(story.steps[1].words, "the connection that it came by ended: fin, effect none");
}

TEST_F(StoryTest, of_more_than_can_be_kept_are_counted) {
  Stories stories({"", "a@example.org", ""});
  for (std::size_t i = 0; i < Stories::kMost + 7; ++i) {
    head_.id.value = i + 1;
    stories.add(*LoggedLine::parse("level=info " + queued(head_.id, head_, client(), "ESMTP", "").text()));
  }
  EXPECT_EQ(stories.stories().size(), Stories::kMost);
  EXPECT_EQ(stories.more(), 7u);
  for (std::size_t i = 0; i < Stories::kMostSteps + 7; ++i) {
    stories.add(*LoggedLine::parse("level=info event=again-at-once queue-id=" + stories.stories()[0].queue_id));
  }
  EXPECT_EQ(stories.stories()[0].steps.size(), Stories::kMostSteps + 1);
}

}  // namespace
}  // namespace adieu::observe
