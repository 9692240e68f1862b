// See fields.h.
#include "relay/observe/fields.h"

namespace adieu::observe {
namespace {

/// Joined by commas while there is room; the rest is counted.
class List {
 public:
  bool add(std::string_view text) {
    if (text_.size() + text.size() + 1 > kListLimit) return false;
    if (!text_.empty()) text_ += ',';
    text_ += text;
    ++count_;
    return true;
  }
  const std::string& text() const { return text_; }
  std::size_t count() const { return count_; }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

LogLine& add_list(LogLine& line, std::string_view name, const List& list, std::size_t all, std::string_view name_of_more) {
  line.field(name, list.text(), kListLimit);
  return list.count() < all ? line.field(name_of_more, static_cast<std::int64_t>(all - list.count())) : line;
}

}  // namespace

std::string path(const mail::Mailbox& mailbox) { return "<" + mailbox.text() + ">"; }

LogLine& add_name(LogLine& line, std::string_view field, std::string_view name) {
  return name.empty() ? line : line.field(field, name, kNameLimit);
}

LogLine& add_envelope(LogLine& line, const mail::MessageSummary& message) {
  if (message.has_reverse_path) line.field("from", path(message.reverse_path), kPathLimit);
  if (message.recipients == 0) return line;
  List recipients;
  for (const mail::Mailbox& each : message.forward_paths) {
    // One that is too long for any line stands for itself all the same, cut.
    if (!recipients.add(path(each).substr(0, kPathLimit))) break;
  }
  return add_list(line, "to", recipients, message.recipients, "more");
}

LogLine& add_messages(LogLine& line, const std::vector<mail::MessageSummary>& messages) {
  if (messages.empty()) return line;
  List ids;
  std::size_t numbered = 0;
  for (const mail::MessageSummary& each : messages) {
    if (each.queue_id.empty()) continue;
    ++numbered;
    if (ids.count() + 1 == numbered) ids.add(each.queue_id);
  }
  if (numbered != 0) add_list(line, "queue-id", ids, numbered, "more-messages");
  add_envelope(line, messages.front());
  if (messages.front().size != 0) line.field("size", static_cast<std::int64_t>(messages.front().size));
  return line;
}

}  // namespace adieu::observe
