// A disk of a simulated world: a directory of the machine's, in front of which this program's own open, write, sync, rename and so on stand, for RocksDB too.
// They let the world's time pass, fail while the disk is in trouble, and know what would be left if the power failed now: what was not synced may be there
// or not, of files and of names. The machine's own disk is never synced.
#pragma once

#include <fcntl.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "clock.h"

struct statvfs;

namespace adieu::world {

/// One at a time. What is changed below its directory is changed by those calls.
class Disk {
 public:
  static constexpr std::int64_t kPlenty = std::int64_t{1} << 40;

  explicit Disk(Clock& clock);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  static Disk* current();

  /// Where the relay is told to keep its spool. Not made yet.
  std::string directory() const { return root_ + "/spool"; }
  /// The names in a directory below that one.
  std::vector<std::string> names(const std::string& below) const;

  /// How long a call may last.
  void set_slowest(Duration slowest) { slowest_ = slowest; }
  /// Most changes fail with this errno value; 0: none does.
  void set_error(int error) { error_ = error; }
  /// So many octets are left.
  void set_room(std::int64_t octets) { room_ = octets; }

  /// The process that uses it is gone: what its threads still do changes nothing, and is said to have succeeded. Until `plug_in`.
  void unplug() { unplugged_ = true; }
  bool is_unplugged() const { return unplugged_; }
  /// The power has failed: what had not been synced is there, or not, or in part.
  void lose_power();
  void plug_in() { unplugged_ = false; }

  // --- the calls, as those of the C library; only for what is below its directory

  bool covers(std::string_view path) const { return path.starts_with(directory()); }
  bool covers(int descriptor) const { return find(descriptor) != nullptr; }
  int open(const char* path, int flags, int mode);
  /// At the descriptor's place, or at `offset`, where it is not negative.
  ssize_t write(int descriptor, const char* octets, std::size_t count, off_t offset);
  int sync(int descriptor);
  int truncate(int descriptor, off_t size);
  int allocate(int descriptor, off_t size);
  int rename(const char* from, const char* to);
  int unlink(const char* path);
  int make_directory(const char* path);
  void room(struct statvfs& found) const;

 private:
  struct Node;
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  struct Change {
    std::string name;
    std::shared_ptr<Node> node;  // null: the name is gone
    std::string instead_of;      // that name is gone at the same time
  };
  /// A file or a directory, as it stands and as it was when it was synced.
  struct Node : std::enable_shared_from_this<Node> {
    bool is_directory = false;
    std::string path;
    std::uint64_t inode = 0;  // 0: it has no name any more
    Names names, synced_names;
    std::vector<Change> changes;  // of names, since they were synced
    std::uint64_t size = 0;
    std::string synced;              // octets
    std::uint64_t changed_from = 0;  // an octet, since they were synced; none: the size
  };
  enum class Word : std::uint8_t { do_it, pretend, fail };

  Word decide();
  void pass_time();
  std::shared_ptr<Node> find(std::string_view path) const;
  std::shared_ptr<Node> find(int descriptor) const;
  void enter(std::string_view path, std::shared_ptr<Node> node, std::string_view instead_of = {});
  void let_go(Node& node);
  void apply(const Change& change, Names& names) const;
  void survive(Node& node);
  std::string surviving(const Node& file);
  void write_out(Node& node);

  Clock& clock_;
  std::string root_;
  std::uint64_t device_ = 0;
  const std::shared_ptr<Node> top_ = std::make_shared<Node>();
  std::map<std::uint64_t, std::shared_ptr<Node>> by_inode_;
  Duration slowest_{};
  int error_ = 0;
  std::int64_t room_ = kPlenty;
  bool unplugged_ = false;
};

}  // namespace adieu::world
