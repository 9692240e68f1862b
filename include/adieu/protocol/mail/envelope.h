// The envelope: RFC 5321 section 2.3.1, with the parameters of its extensions that this relay carries on.
#pragma once

#include <cstdint>
#include <vector>

#include "adieu/protocol/mail/address.h"

namespace adieu::mail {

/// RFC 6152, and what the octets are: whoever takes mail looks at them. `unspecified`: nobody has, and no BODY parameter was given.
enum class BodyType : std::uint8_t { unspecified, seven_bit, eight_bit_mime };

struct Envelope {
  Mailbox reverse_path;
  std::vector<Mailbox> forward_paths;
  BodyType body = BodyType::unspecified;
};

}  // namespace adieu::mail
