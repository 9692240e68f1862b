// The keys of the spool's records. 'm' id: a message's record; 'u' id index: what an attempt changed about one recipient; 'f' fingerprint: a message
// whose acknowledgement may have been lost; 'k': the key of the fingerprints; 'o': the last run ended in order; 'v': the version of this layout. In
// a column family of its own, 'd' id: mail data, when small. Ids are 8 octets, indices 4, big-endian, so that keys stand in the order of arrival.
#pragma once

#include <rocksdb/slice.h>

#include <cstdint>
#include <string>

#include "adieu/base/bytes.h"
#include "adieu/relay/spool/message.h"

namespace adieu::rocksdb {

inline constexpr std::string_view kVersionKey = "v";
inline constexpr std::string_view kInOrderKey = "o";
inline constexpr std::string_view kSecretKey = "k";
inline constexpr char kFingerprint = 'f';

inline std::string key(char kind, spool::MessageId id) {
  std::string text(1, kind);
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(id.value >> shift & 255);
  return text;
}
inline std::string update_key(spool::MessageId id, std::uint32_t index) {
  std::string text = key('u', id);
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(index >> shift & 255);
  return text;
}
inline std::uint64_t big_endian(Octets octets) {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}
inline spool::MessageId id_of(Octets message_key) { return {big_endian(message_key.substr(1))}; }
inline Octets view(const ::rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace adieu::rocksdb
