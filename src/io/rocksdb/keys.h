// The keys of the spool's records, whose octets are in record.h.
//   'a' id            a message none of whose jobs was ever given back: in the hands of the run that took it in, it has one job, of all its recipients
//   'm' id            any other message
//   'j' id number     its jobs
//   'q' destination due id number    the same, nothing in them: in the order in which they are due, destination by destination
//   'f' fingerprint   a message whose acknowledgement may have been lost
//   'k'               the key of the fingerprints
//   'o'               the last run ended in order
//   'i'               the greatest id that a message had
//   'v'               the version of this layout
// In a column family of its own, 'd' id: mail data, when small. Ids and times are 8 octets, numbers 4, big-endian, so that keys stand in their order; a
// destination is its next hop and its domain, each behind 2 octets of length.
#pragma once

#include <rocksdb/slice.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "adieu/base/bytes.h"
#include "adieu/relay/spool/message.h"

namespace adieu::rocksdb {

inline constexpr std::string_view kVersionKey = "v";
inline constexpr std::string_view kInOrderKey = "o";
inline constexpr std::string_view kSecretKey = "k";
inline constexpr std::string_view kLastIdKey = "i";
inline constexpr char kFingerprint = 'f';
inline constexpr char kInHand = 'a';
inline constexpr char kMessage = 'm';

inline void put_big_endian(std::string& text, std::uint64_t value, int octets) {
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
}
inline std::uint64_t big_endian(Octets octets) {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}
inline std::string big_endian(spool::MessageId id) {
  std::string text;
  put_big_endian(text, id.value, 8);
  return text;
}
inline std::string key(char kind, spool::MessageId id) {
  std::string text(1, kind);
  put_big_endian(text, id.value, 8);
  return text;
}
inline spool::MessageId id_of(Octets message_key) { return {big_endian(message_key.substr(1, 8))}; }

inline std::string job_key(const spool::JobId& job) {
  std::string text = key('j', job.message);
  put_big_endian(text, job.number, 4);
  return text;
}
inline std::uint32_t number_of(Octets job_key) { return static_cast<std::uint32_t>(big_endian(job_key.substr(9))); }

/// What all keys of a destination's queue begin with.
inline std::string queue_prefix(const route::Destination& destination) {
  std::string text(1, 'q');
  for (const std::string* part : {&destination.next_hop, &destination.domain}) {
    put_big_endian(text, part->size(), 2);
    text += *part;
  }
  return text;
}
inline std::string queue_key(const route::Destination& destination, WallTime due, const spool::JobId& job) {
  std::string text = queue_prefix(destination);
  put_big_endian(text, static_cast<std::uint64_t>(std::max<std::int64_t>(0, due.time_since_epoch().count())), 8);
  put_big_endian(text, job.message.value, 8);
  put_big_endian(text, job.number, 4);
  return text;
}
struct Queued {
  route::Destination destination;
  WallTime due{};
  spool::JobId job;
};
/// None: no such key.
inline std::optional<Queued> parse_queue_key(Octets text) {
  constexpr std::size_t kBehind = 8 + 8 + 4;
  if (!text.starts_with('q')) return std::nullopt;
  text.remove_prefix(1);
  Queued queued;
  for (std::string* part : {&queued.destination.next_hop, &queued.destination.domain}) {
    if (text.size() < 2) return std::nullopt;
    const std::size_t length = static_cast<std::size_t>(big_endian(text.substr(0, 2)));
    if (text.size() < 2 + length) return std::nullopt;
    *part = text.substr(2, length);
    text.remove_prefix(2 + length);
  }
  if (text.size() != kBehind) return std::nullopt;
  queued.due = WallTime(Duration(static_cast<Duration::rep>(big_endian(text.substr(0, 8)))));
  queued.job = {{big_endian(text.substr(8, 8))}, static_cast<std::uint32_t>(big_endian(text.substr(16)))};
  return queued;
}

inline Octets view(const ::rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace adieu::rocksdb
