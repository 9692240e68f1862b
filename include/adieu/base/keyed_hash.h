// A hash under a key, of octets that come in parts: for telling texts apart where nobody can choose them to collide, not for signing them. The port
// behind which io/gnutls stands.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "adieu/base/bytes.h"

namespace adieu {

class KeyedHash {
 public:
  static constexpr std::size_t kKeySize = 16;
  static constexpr std::size_t kSize = 16;

  virtual ~KeyedHash() = default;
  virtual KeyedHash& update(Octets octets) = 0;
  /// kSize octets; begins anew.
  virtual std::string finish() = 0;
};

/// `key`: KeyedHash::kKeySize octets that nobody knows. From any thread.
using MakeKeyedHash = std::function<std::unique_ptr<KeyedHash>(Octets key)>;

}  // namespace adieu
