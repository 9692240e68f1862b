// A header field with octets beyond ASCII as one without: encoded words (RFC 2047), parameters in their extended form (RFC 2231), and the way out of
// RFC 6857 where neither is allowed.
#pragma once

#include <string>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// `field`: whole, with its line ends, of which its last is CRLF. The same in ASCII, folded anew. What is UTF-8 is told as such, anything else as
/// "unknown-8bit" (RFC 1428). Words are encoded where the field's syntax lets them: in text, in the display names and comments of addresses.
/// Parameters of Content-Type and Content-Disposition get the form `name*=`. Where such octets stand in an address itself or in
/// another structured field, no 7-bit form means the same: the whole field is told as text, under the name Downgraded-NAME.
std::string seven_bit_field(Octets field);

}  // namespace adieu::mail
