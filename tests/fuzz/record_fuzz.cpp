// Stored records of any octets: decoding stays in bounds, and what it takes for a record encodes to the very same octets. The input is what
// follows the checksum (a fuzzer would not find that), behind one octet that chooses the kind of record.
#include <cstddef>
#include <cstdint>

#include "adieu/base/record_codec.h"
#include "adieu/relay/spool/record.h"

namespace {

using namespace adieu;

std::string sealed(char version, Octets fields) {
  std::string record(1, version);
  const std::uint32_t crc = crc32c(fields);
  for (std::size_t i = 0; i < 4; ++i) record += static_cast<char>(crc >> (8 * i) & 255);
  record += fields;
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  static_cast<void>(spool::decode_head({}, input));
  static_cast<void>(spool::decode_update(0, input));
  if (input.empty()) return 0;
  const Octets fields = Octets(input).substr(1);
  if ((input[0] & 1) == 0) {
    static_cast<void>(spool::decode_head({}, sealed(1, fields)));
    const std::string record = sealed(2, fields);
    if (const auto head = spool::decode_head({}, record)) check(spool::encode(*head) == record, "a head is not what it was read from");
  } else {
    const std::string record = sealed(1, fields);
    if (const auto update = spool::decode_update(0, record)) check(spool::encode(*update) == record, "an update is not what it was read from");
  }
  return 0;
}
