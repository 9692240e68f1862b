// The records of the spool's versions 1 and 2, as far as they have to be taken over: in the form of base/record_codec.h. A message's record had all of its
// recipients with what had become of them; a record beside it, what an attempt had changed about one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/relay/spool/message.h"

namespace adieu::rocksdb {

struct OldRecipient {
  spool::Recipient recipient;
  bool pending = true;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};
  std::string last_reply;
};
struct OldMessage {
  spool::MessageHead head;  // without recipients
  std::vector<OldRecipient> recipients;
};

/// Errors (invalid): a wrong checksum, a length that runs over the end, a version that is none of these.
Result<OldMessage> decode_old_message(spool::MessageId id, Octets record);
/// Applies the record of the recipient `index`. Errors (invalid) as above, or there is no such recipient.
Result<> apply_old_update(std::uint32_t index, Octets record, OldMessage& message);
Result<spool::Unconfirmed> decode_old_unconfirmed(Octets fingerprint, Octets record);

/// One for each next hop and domain among the recipients that are pending: what these versions tried together.
std::vector<spool::Job> jobs_of(const OldMessage& message);

}  // namespace adieu::rocksdb
