// Answers that come when nobody waits for them any more are dropped: whoever asks holds a Lifetime, and gives away its callbacks bound to it.
#pragma once

#include <memory>
#include <utility>

namespace adieu {

/// A member of whoever asks. Bound callbacks run on its thread, on which it is also destroyed; they may be bound, moved and destroyed on any.
class Lifetime {
 public:
  Lifetime() = default;
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  /// `callback`, for as long as this lives; it may destroy the holder. Afterwards a call does nothing.
  template <class Callback>
  auto bind(Callback callback) const {
    return [alive = std::weak_ptr(token_), callback = std::move(callback)]<class... Arguments>(Arguments&&... arguments) mutable {
      if (!alive.expired()) callback(std::forward<Arguments>(arguments)...);
    };
  }
  /// Those that were given away do nothing from now on.
  void end() { token_ = std::make_shared<char>(); }

 private:
  std::shared_ptr<char> token_ = std::make_shared<char>();
};

}  // namespace adieu
