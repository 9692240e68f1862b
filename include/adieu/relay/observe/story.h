// What became of a message, told from the lines of the log: which of them are about it, what they say in plain words, and how it stands at the end.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "adieu/base/logged_line.h"

namespace adieu::observe {

/// Which messages are asked for; what is empty does not matter.
struct StoryQuestion {
  std::string about;  // a queue-id, a Message-ID, or an address that is its reverse-path or one of its recipients; with or without < >
  std::string from;   // its reverse-path
  std::string to;     // one of its recipients
};

/// A message, or mail that was refused and so never became one.
struct Story {
  struct Step {
    std::string time;
    std::string words;
  };
  struct Recipient {
    std::string address;  // with < >
    std::string state;    // waiting, deferred, delivered, failed
    std::string reply;    // what was said to it last
  };
  std::string queue_id;   // empty: it was refused
  std::string message_id;
  std::string parent;     // of a notification: what it tells of
  std::string from;
  std::vector<Recipient> recipients;  // those that the log names
  std::size_t recipients_in_all = 0;
  std::string connection;
  std::vector<Step> steps;
  bool left = false;      // the queue
  bool revoked = false;
  bool not_stored = false;  // the disk did not take it, and neither did the relay

  /// How it stands after the last line, in a sentence.
  std::string ending() const;
};

/// Reads a log once, from its beginning to its end.
class Stories {
 public:
  static constexpr std::size_t kMost = 1000;        // messages; those that come later are counted only
  static constexpr std::size_t kMostSteps = 1000;   // of one message

  explicit Stories(StoryQuestion question);
  void add(const LoggedLine& line);

  /// In the order in which the log first spoke of them. A notification stands behind what it tells of.
  const std::vector<Story>& stories() const { return stories_; }
  /// How many more there were.
  std::size_t more() const { return more_; }

 private:
  bool is_asked_for(const LoggedLine& line) const;
  Story* begin(const LoggedLine& line);
  void tell(Story& story, const LoggedLine& line);

  const StoryQuestion question_;
  std::vector<Story> stories_;
  std::unordered_map<std::string, std::size_t> by_id_;          // queue-id: index in stories_
  std::unordered_map<std::string, std::size_t> by_connection_;  // the last message that came by it
  std::size_t more_ = 0;
};

}  // namespace adieu::observe
