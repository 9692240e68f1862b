// The bytes of what the spool stores, in the form of base/record_codec.h; decoded with bounds. Not the mail data: the store
// beneath checks that itself.
#pragma once

#include <string>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/relay/spool/message.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::spool {

std::string encode(const MessageHead& head);
/// Errors (invalid): another version, a wrong checksum, a length that runs over the end. The head's id is not part of its record.
Result<MessageHead> decode_head(MessageId id, Octets record);

std::string encode(const RecipientUpdate& update);
Result<RecipientUpdate> decode_update(std::uint32_t index, Octets record);

std::string encode(const Unconfirmed& message);
Result<Unconfirmed> decode_unconfirmed(Octets fingerprint, Octets record);

/// Writes an update into the head that it belongs to. Errors (invalid): there is no such recipient.
Result<> apply(const RecipientUpdate& update, MessageHead& head);

}  // namespace adieu::spool
