// The octets of the spool's records: 1 octet (the form: 3), CRC-32C of the rest (4, little-endian), then a message of spool.proto. Decoded with bounds:
// nothing that stands in them is believed. Not the mail data: the database checks that itself.
#pragma once

#include <string>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/relay/spool/message.h"

namespace adieu::rocksdb {

/// Whether these are the octets of a record in today's form, be they whole or not.
inline bool is_current(Octets record) { return record.starts_with('\x03'); }

std::string encode(const spool::MessageHead& head);
/// Errors (invalid): of another form, a wrong checksum, not what a head is made of, or of a newer program that says so. The head's id is not part of its
/// record.
Result<spool::MessageHead> decode_head(spool::MessageId id, Octets record);

std::string encode(const spool::Job& job);
/// Its number is not part of its record.
Result<spool::Job> decode_job(std::uint32_t number, Octets record);

/// A message in hand and its one job. Errors (invalid): of `parse_in_hand`, no octets of such a record; of its parts, as above.
std::string in_hand_record(const spool::MessageHead& head, const spool::Job& job);
struct InHand {
  Octets head;
  Octets job;
};
Result<InHand> parse_in_hand(Octets record);

std::string encode(const spool::Unconfirmed& message);
Result<spool::Unconfirmed> decode_unconfirmed(Octets fingerprint, Octets record);

}  // namespace adieu::rocksdb
