// Stored records of any octets, of today and of earlier versions: decoding stays in bounds, and what is taken for a record of today encodes to one that
// means the same. The input is what follows the checksum (a fuzzer would not find that), behind one octet that chooses the kind of record.
#include <cstddef>
#include <cstdint>

#include "adieu/base/record_codec.h"
#include "adieu/base/result.h"
#include "io/rocksdb/old_records.h"
#include "io/rocksdb/record.h"

namespace {

using namespace adieu;

std::string sealed(char form, Octets fields) {
  std::string record(1, form);
  const std::uint32_t crc = crc32c(fields);
  for (std::size_t i = 0; i < 4; ++i) record += static_cast<char>(crc >> (8 * i) & 255);
  record += fields;
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  static_cast<void>(rocksdb::decode_head({}, input));
  static_cast<void>(rocksdb::decode_job(0, input));
  static_cast<void>(rocksdb::parse_in_hand(input));
  if (input.empty()) return 0;
  const Octets fields = Octets(input).substr(1);
  switch (input[0] & 3) {
    case 0:
      if (const auto head = rocksdb::decode_head({}, sealed(3, fields))) {
        const std::string record = rocksdb::encode(*head);
        check(rocksdb::encode(*rocksdb::decode_head({}, record)) == record, "a head is not what it was read from");
      }
      break;
    case 1:
      if (const auto job = rocksdb::decode_job(7, sealed(3, fields))) check(rocksdb::decode_job(7, rocksdb::encode(*job)).value() == *job, "a job is not what it was read from");
      break;
    case 2:
      for (const char version : {'\1', '\2'}) {
        if (const auto message = rocksdb::decode_old_message({}, sealed(version, fields))) static_cast<void>(rocksdb::jobs_of(*message));
      }
      break;
    default: {
      rocksdb::OldMessage message;
      message.recipients.resize(1);
      static_cast<void>(rocksdb::apply_old_update(0, sealed(1, fields), message));
      static_cast<void>(rocksdb::decode_old_unconfirmed({}, sealed(1, fields)));
    }
  }
  return 0;
}
