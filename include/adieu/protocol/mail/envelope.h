// The envelope: RFC 5321 section 2.3.1, with the parameters of its extensions that this relay carries on.
#pragma once

#include <cstdint>
#include <vector>

#include "adieu/protocol/mail/address.h"

namespace adieu::mail {

/// What the octets of mail data are: as BODY said (RFC 6152), or as they were found when they were taken. `unspecified`: neither is known.
enum class BodyType : std::uint8_t { unspecified, seven_bit, eight_bit_mime };

struct Envelope {
  Mailbox reverse_path;
  std::vector<Mailbox> forward_paths;
  BodyType body = BodyType::unspecified;
};

}  // namespace adieu::mail
