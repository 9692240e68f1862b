// Octets on their way: a view of them, and a queue that is filled at one end and consumed at the other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace adieu {

/// Octets as they came, or go, on the wire; any value 0 to 255, no terminator.
using Octets = std::string_view;

/// A first-in first-out buffer of octets. `view()` is contiguous; `append` and `consume` invalidate it. Gives its memory back
/// when it has run empty after holding more than kKeep octets, so that an idle connection costs little.
class OctetQueue {
 public:
  static constexpr std::size_t kKeep = 512;

  void append(Octets octets) { back(octets.size()).append(octets); }
  /// For a writer that appends about `more` octets, and does nothing else.
  std::string& back(std::size_t more) {
    if (head_ != 0 && head_ == data_.size()) clear();
    // Each octet is moved once at most for every octet consumed before it, however little comes and goes at a time.
    if (head_ > kCompact && head_ >= size()) {
      data_.erase(0, head_);
      head_ = 0;
    }
    if (more > kCompact) data_.reserve(data_.size() + more);
    return data_;
  }
  Octets view() const { return Octets(data_).substr(head_); }
  std::size_t size() const { return data_.size() - head_; }
  bool empty() const { return head_ == data_.size(); }
  /// Takes the first `count` octets away; at most size().
  void consume(std::size_t count) {
    head_ += count;
    if (head_ >= data_.size()) clear();
  }
  void clear() {
    head_ = 0;
    if (data_.capacity() > kKeep) {
      std::string().swap(data_);
    } else {
      data_.clear();
    }
  }

 private:
  static constexpr std::size_t kCompact = 16'384;
  std::string data_;
  std::size_t head_ = 0;
};

/// ASCII lower case; other octets stay as they are.
constexpr char ascii_lower(char c) { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c; }
/// Equal but for ASCII case, as SMTP verbs, keywords and domains compare.
bool equal_ignoring_case(std::string_view left, std::string_view right);
std::string to_ascii_lower(std::string_view text);

/// `text` fit for one line of a log or a reply: octets outside printable ASCII become `\xNN`, at most `limit` octets of the
/// text are shown, and "..." tells that more was there.
std::string printable(std::string_view text, std::size_t limit = 256);

}  // namespace adieu
