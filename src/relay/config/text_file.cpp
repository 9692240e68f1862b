// See text_file.h.
#include "relay/config/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "adieu/base/bytes.h"

namespace adieu::config {
namespace {

constexpr std::size_t kReadAtOnce = 65'536;

bool is_utf16(std::string_view octets) {
  if (octets.starts_with("\xff\xfe") || octets.starts_with("\xfe\xff")) return true;
  // Without a byte order mark: every other octet of ASCII text is NUL.
  return octets.size() >= 2 && (octets[0] == '\0') != (octets[1] == '\0');
}

bool is_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return (octet < 0x20 && c != '\t' && c != '\r' && c != '\n') || octet == 0x7f;
}

TextFile cannot_read(const char* why) { return {{}, std::string("cannot be read: ") + why, 1, 1}; }

}  // namespace

TextFile as_text(std::string octets) {
  static constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  TextFile file;
  if (octets.starts_with(kByteOrderMark)) octets.erase(0, kByteOrderMark.size());
  if (is_utf16(octets)) {
    file.problem = "is UTF-16 text; save it as UTF-8";
    return file;
  }
  const auto control = std::find_if(octets.begin(), octets.end(), is_control);
  if (control == octets.end()) {
    file.text = std::move(octets);
    return file;
  }
  file.problem = "is no text file: expected UTF-8 text, found the octet " + printable(std::string(1, *control));
  file.line += static_cast<std::size_t>(std::count(octets.begin(), control, '\n'));
  const auto start = std::find(std::make_reverse_iterator(control), octets.rend(), '\n').base();
  file.column += static_cast<std::size_t>(control - start);
  return file;
}

TextFile read_text_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return cannot_read(std::strerror(errno));
  std::string octets;
  std::array<char, kReadAtOnce> part{};
  ssize_t count = 0;
  int error = 0;
  do {
    count = ::read(descriptor, part.data(), part.size());
    if (count > 0) octets.append(part.data(), static_cast<std::size_t>(count));
    if (count < 0) error = errno;
  } while (octets.size() <= kMaxTextFile && (count > 0 || (count < 0 && error == EINTR)));
  ::close(descriptor);
  if (count < 0) return cannot_read(std::strerror(error));
  if (octets.size() > kMaxTextFile) return cannot_read("it is larger than 64MiB");
  return as_text(std::move(octets));
}

}  // namespace adieu::config
