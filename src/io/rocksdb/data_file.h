// The file of a large message: <spool>/data/<queue-id>. Written while it arrives, synced before the record that makes it exist.
#pragma once

#include <string>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/relay/spool/message.h"

namespace adieu::rocksdb {

class DataFile {
 public:
  DataFile() = default;
  DataFile(DataFile&& other) noexcept;
  DataFile& operator=(DataFile&&) = delete;
  ~DataFile();

  bool is_created() const { return !path_.empty(); }
  /// The file must not be there yet.
  Result<> create(const std::string& directory, spool::MessageId id);
  Result<> append(Octets octets);
  /// The octets and the name are on the disk when this has returned; the file is closed.
  Result<> sync_and_close();
  void remove();

 private:
  std::string directory_;
  std::string path_;
  int descriptor_ = -1;
};

/// At most `length` octets from `offset` on; fewer at the end.
Result<std::string> read_data_file(const std::string& directory, spool::MessageId id, std::uint64_t offset, std::size_t length);
/// The names in it are on the disk when this has returned.
Result<> sync_directory(const std::string& directory);
void remove_data_file(const std::string& directory, spool::MessageId id);

}  // namespace adieu::rocksdb
