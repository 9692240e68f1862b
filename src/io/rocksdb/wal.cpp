// See wal.h. The format is RocksDB's (include/rocksdb has it not; its wiki, "Write Ahead Log File Format"): blocks of 32 KiB, in which fragments
// stand with a header of checksum (4 octets), length (2) and type (1), all little-endian; a fragment's rest goes into the next block. One record
// is one write batch: sequence number (8), count (4), changes.
#include "io/rocksdb/wal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <functional>

#include "adieu/base/record_codec.h"
#include "io/rocksdb/data_file.h"

namespace adieu::rocksdb {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 32'768;
constexpr std::size_t kHeader = 7;
constexpr std::size_t kBatchHeader = 12;
enum Type : std::uint8_t { zero, full, first, middle, last };
constexpr std::string_view kMark = "\x03\x09s";  // log data, nine octets, a letter of ours; then the sequence number

std::uint64_t little_endian(Octets octets) {
  std::uint64_t value = 0;
  for (std::size_t i = octets.size(); i-- != 0;) value = value << 8 | static_cast<unsigned char>(octets[i]);
  return value;
}
void append_little_endian(std::string& text, std::uint64_t value, std::size_t octets) {
  for (std::size_t i = 0; i < octets; ++i) text += static_cast<char>(value >> (8 * i) & 255);
}
/// RocksDB stores no checksum as it is, since data may hold checksums of its own.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

/// A whole record of a log.
struct Batch {
  std::uint64_t offset = 0;  // where its first fragment begins
  Octets octets;
  std::uint64_t sequence() const { return little_endian(octets.substr(0, 8)); }
  std::uint64_t count() const { return little_endian(octets.substr(8, 4)); }
  /// 0 where it has none.
  std::uint64_t synced() const {
    const Octets changes = octets.substr(kBatchHeader);
    return changes.starts_with(kMark) && changes.size() >= kMark.size() + 8 ? little_endian(changes.substr(kMark.size(), 8)) : 0;
  }
};

struct Fragment {
  Type type = zero;
  Octets octets;
};

/// The fragment at `offset`, where it is whole.
std::optional<Fragment> fragment_at(Octets log, std::uint64_t offset) {
  if (offset >= log.size()) return std::nullopt;
  const std::size_t left = std::min<std::uint64_t>(kBlock - offset % kBlock, log.size() - offset);
  if (left < kHeader) return std::nullopt;
  const Octets header = log.substr(offset, kHeader);
  const std::size_t length = little_endian(header.substr(4, 2));
  const auto type = static_cast<std::uint8_t>(header[6]);
  if (type < full || type > last || length > left - kHeader) return std::nullopt;
  if (little_endian(header.substr(0, 4)) != masked(crc32c(log.substr(offset + 6, 1 + length)))) return std::nullopt;
  return Fragment{static_cast<Type>(type), log.substr(offset + kHeader, length)};
}

/// Where fragments go on behind the damaged one at `offset`, if its length is right: all that follow in the block must be whole, since mail data may hold
/// whatever its sender likes. Else the next block, which begins with one.
std::uint64_t next_fragment(Octets log, std::uint64_t offset) {
  const std::uint64_t next_block = offset + (kBlock - offset % kBlock);
  if (offset + kHeader > log.size()) return next_block;
  const std::uint64_t next = offset + kHeader + little_endian(log.substr(offset + 4, 2));
  std::uint64_t at = next;
  while (at + kHeader <= next_block && at < log.size()) {
    const auto fragment = fragment_at(log, at);
    if (!fragment) return next_block;
    at += kHeader + fragment->octets.size();
  }
  return std::min(next, next_block);
}

/// Goes through a log. `whole` gets each batch, `bad` each run of octets that makes no sense: from, to.
void walk(Octets log, const std::function<void(const Batch&)>& whole, const std::function<void(std::uint64_t, std::uint64_t)>& bad) {
  std::string assembled;
  std::optional<std::uint64_t> begun;    // a batch of several fragments is being put together, from there on
  std::optional<std::uint64_t> hole;
  const auto spoil = [&](std::uint64_t from) {
    if (!hole) hole = begun.value_or(from);
    begun.reset();
    assembled.clear();
  };
  std::uint64_t at = 0;
  while (at < log.size()) {
    const std::size_t left_in_block = kBlock - at % kBlock;
    if (left_in_block < kHeader) {  // filled up
      at += left_in_block;
      continue;
    }
    const auto fragment = fragment_at(log, at);
    if (!fragment) {
      spoil(at);
      at = next_fragment(log, at);
      continue;
    }
    const bool opens = fragment->type == full || fragment->type == first;
    if (opens == begun.has_value()) {  // one begins within another, or goes on without a beginning
      spoil(at);
      if (!opens) {
        at += kHeader + fragment->octets.size();
        continue;
      }
    }
    if (opens) begun = at;
    assembled += fragment->octets;
    at += kHeader + fragment->octets.size();
    if (fragment->type != full && fragment->type != last) continue;
    if (assembled.size() < kBatchHeader) {
      spoil(*begun);
      continue;
    }
    if (hole) bad(*std::exchange(hole, std::nullopt), *begun);
    whole({*begun, assembled});
    begun.reset();
    assembled.clear();
  }
  if (begun) spoil(*begun);
  if (hole) bad(*hole, log.size());
}

Result<std::string> read_whole(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return tl::unexpected<Error>(error_of_errno("open " + path, errno));
  std::string log;
  int error = 0;
  constexpr std::size_t kPart = 1u << 20;
  for (;;) {
    const std::size_t before = log.size();
    log.resize(before + kPart);
    const ssize_t count = ::read(descriptor, log.data() + before, kPart);
    log.resize(before + static_cast<std::size_t>(std::max<ssize_t>(0, count)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
  }
  ::close(descriptor);
  if (error != 0) return tl::unexpected<Error>(error_of_errno("read " + path, error));
  return log;
}

/// False: errno says why.
bool write_and_sync(int descriptor, Octets octets, std::uint64_t offset) {
  while (!octets.empty()) {
    const ssize_t count = ::pwrite(descriptor, octets.data(), octets.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return ::fdatasync(descriptor) == 0;
}

/// Of the log at `path`, what stands from `from` on is on the disk when this has returned. It is written once more for that: where a sync of an earlier run
/// has failed the kernel has it in its memory, believes that it is on the disk, and a sync alone would succeed and do nothing.
Result<> make_durable(const std::string& path, Octets log, std::uint64_t from) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return tl::unexpected<Error>(error_of_errno("open " + path, errno));
  const bool done = write_and_sync(descriptor, log.substr(from), from);
  const int error = errno;
  ::close(descriptor);
  if (!done) return tl::unexpected<Error>(error_of_errno("sync " + path, error));
  return {};
}

}  // namespace

std::string synced_mark(std::uint64_t synced) {
  std::string mark(kMark.substr(2));
  append_little_endian(mark, synced, 8);
  return mark;
}

Result<std::vector<Hole>> find_holes(const std::string& directory) {
  std::vector<std::string> logs;
  std::error_code failed;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
    if (entry->path().extension() == ".log") logs.push_back(entry->path());
  }
  if (failed == std::errc::no_such_file_or_directory) return std::vector<Hole>();
  if (failed) return tl::unexpected<Error>(error_of_errno("read " + directory, failed.value()));
  std::sort(logs.begin(), logs.end());  // their names are numbers of one width
  struct Open {
    std::size_t index;         // of a hole
    std::uint64_t next;        // the first sequence number that is missing; 0: not known
    std::uint64_t after = 0;   // that of the first whole batch behind it
  };
  std::vector<Hole> holes;
  std::vector<Open> open;
  std::uint64_t next = 0;      // the sequence number behind the last whole batch
  for (const std::string& path : logs) {
    const auto log = read_whole(path);
    if (!log) return tl::unexpected<Error>(log.error());
    std::deque<std::pair<std::uint64_t, std::uint64_t>> doubtful;  // batches that no mark in this log covers: offset, sequence number behind it
    walk(
        *log,
        [&](const Batch& batch) {
          for (Open& each : open) {
            Hole& hole = holes[each.index];
            if (each.after == 0) {
              each.after = batch.sequence();
              if (each.next != 0) hole.changes = each.after - std::min(each.after, each.next);
            }
            const std::uint64_t missing = each.next != 0 ? each.next : each.after - 1;
            hole.was_synced |= missing < each.after && batch.synced() >= missing;
          }
          next = batch.sequence() + batch.count();
          doubtful.emplace_back(batch.offset, next);
          while (!doubtful.empty() && doubtful.front().second <= batch.synced() + 1) doubtful.pop_front();
        },
        [&](std::uint64_t from, std::uint64_t to) {
          open.push_back({.index = holes.size(), .next = next});
          holes.push_back({path, from, to - from, 0, false});
        });
    if (const auto done = make_durable(path, *log, doubtful.empty() ? 0 : doubtful.front().first); !done) return tl::unexpected<Error>(done.error());
  }
  return holes;
}

Result<> close_holes(const std::string& path) {
  const auto log = read_whole(path);
  if (!log) return tl::unexpected<Error>(log.error());
  std::string mended;
  walk(
      *log,
      [&](const Batch& batch) {
        Octets rest = batch.octets;
        bool begins = true;
        do {
          std::size_t left = kBlock - mended.size() % kBlock;
          if (left < kHeader) {
            mended.append(left, '\0');
            left = kBlock;
          }
          const Octets part = rest.substr(0, left - kHeader);
          rest.remove_prefix(part.size());
          const Type type = rest.empty() ? (begins ? full : last) : (begins ? first : middle);
          const std::string checked = std::string(1, static_cast<char>(type)).append(part);
          append_little_endian(mended, masked(crc32c(checked)), 4);
          append_little_endian(mended, part.size(), 2);
          mended += checked;
          begins = false;
        } while (!rest.empty());
      },
      [](std::uint64_t, std::uint64_t) {});
  const std::string beside = path + ".mended";
  const auto failed = [&](const std::string& what) {
    const int error = errno;
    ::unlink(beside.c_str());
    return tl::unexpected<Error>(error_of_errno(what + " " + beside, error));
  };
  const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("create");
  const bool written = write_and_sync(descriptor, mended, 0);
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (!written) return failed("write");
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("rename");
  return sync_directory(fs::path(path).parent_path());
}

}  // namespace adieu::rocksdb
