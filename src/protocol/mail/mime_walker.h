// The MIME structure of a message as a stream: where headers, bodies and delimiters are. RFC 2045, RFC 2046 section 5. It keeps a header field
// and a line at most, however large the message is, and decodes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// What the header of an entity (a message, or a part of one) says about its body.
struct MimeEntity {
  std::string type;           // "text/plain", lower case; what RFC 2045 section 5.2 makes of a Content-Type that is missing or malformed
  std::string boundary;       // the parameter of Content-Type
  std::string encoding;       // of Content-Transfer-Encoding, lower case; empty: none was given
  bool has_type = false;      // a Content-Type field was there
  bool has_version = false;   // a MIME-Version field was there
  bool is_message = false;    // the whole message, or one within message/rfc822
  bool in_signed = false;     // within a multipart/signed: its octets are what was signed (RFC 1847)
  bool composite = false;     // other entities follow in place of a body

  /// Adds what a field of its header says; of two fields of one name, the first counts.
  void take(Octets field);
  bool is_identity() const { return encoding.empty() || encoding == "7bit" || encoding == "8bit" || encoding == "binary"; }
};

/// What stands in a message, in its order. The pieces are the message's own octets, all of them.
class MimeVisitor {
 public:
  virtual ~MimeVisitor() = default;
  /// A whole field with its line ends, of the entity whose `header_end` comes next.
  virtual void header_field(Octets field) = 0;
  /// `line`: the empty line behind the header; nothing where the body, or the end, comes without one.
  virtual void header_end(const MimeEntity& entity, Octets line) = 0;
  /// Of the entity that is not composite; the CRLF before a delimiter belongs to the delimiter.
  virtual void body(Octets octets) = 0;
  virtual void body_end() = 0;
  /// Delimiters, and what stands before the first and behind the last of a multipart. `in_signed`: any of it may be what was signed.
  virtual void between(Octets octets, bool in_signed) = 0;
};

/// The name of a header field, as it is written, without blanks before its colon; empty: this is none.
std::string_view field_name(std::string_view field);

class MimeWalker {
 public:
  static constexpr std::size_t kField = 65'536;
  static constexpr std::size_t kDelimiter = 512;   // octets of a line that may be one
  static constexpr std::size_t kDepth = 50;        // multiparts within each other; what is deeper counts as a body
  static constexpr std::size_t kEntities = 10'000;

  explicit MimeWalker(MimeVisitor& visitor) : visitor_(visitor) { entity_.is_message = true; }

  /// In any division; lines end with CRLF.
  void feed(Octets mail_data);
  void finish();
  /// Why the structure cannot be followed any further (the limits above); empty: it can.
  std::string_view fault() const { return fault_; }

 private:
  enum class In : std::uint8_t { header, body, between };
  struct Level {
    std::string boundary;
    bool digest = false;
    bool in_signed = false;  // its parts are
  };

  void take_line();
  bool take_delimiter();
  void take_header_line();
  void text(Octets piece);
  void end_field();
  void end_header(Octets line);
  void end_body();
  void begin_entity(bool is_message);
  bool in_signed() const { return !levels_.empty() && levels_.back().in_signed; }

  MimeVisitor& visitor_;
  std::string_view fault_;
  In in_ = In::header;
  std::vector<Level> levels_;
  std::size_t entities_ = 1;
  bool line_start_ = true;
  bool collecting_ = false;   // the line is kept in line_ until it is whole
  std::string line_;
  std::string field_;
  std::string held_;          // the end of a body's line: it belongs to a delimiter if one follows
  MimeEntity entity_;
};

}  // namespace adieu::mail
