// See seven_bit.h.
#include "adieu/protocol/mail/seven_bit.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "adieu/base/result.h"
#include "protocol/mail/mime_walker.h"
#include "protocol/mail/seven_bit_field.h"
#include "protocol/mail/transfer_encoding.h"

namespace adieu::mail {
namespace {
using Way = SevenBitPlan::Way;

/// Text of which more than a fifth is beyond ASCII is shorter in base64.
constexpr std::uint64_t kDense = 5;

/// Octets of a mended line before it is divided: 998 (RFC 5321 section 4.5.3.1.6) less what an escape and the "=" of the division take.
constexpr std::size_t kLongestMended = 985;

/// Whether a reader finds the same parts, encoded in the same way, behind either field.
bool means_the_same(Octets field, Octets other) {
  MimeEntity said;
  MimeEntity says;
  said.take(field);
  says.take(other);
  return said.type == says.type && said.boundary == says.boundary && said.encoding == says.encoding && said.has_version == says.has_version;
}
}  // namespace

bool has_eight_bit(Octets octets) {
  // Eight at a time: all mail that comes in is looked at.
  std::uint64_t all = 0;
  while (octets.size() >= 64) {
    for (std::size_t i = 0; i < 64; i += sizeof all) {
      std::uint64_t word = 0;
      std::memcpy(&word, octets.data() + i, sizeof word);
      all |= word;
    }
    if ((all & 0x8080808080808080) != 0) return true;
    octets.remove_prefix(64);
  }
  return std::any_of(octets.begin(), octets.end(), is_eight_bit);
}

struct EightBitScan::Impl final : MimeVisitor {
  void header_field(Octets field) override {
    if (plan.parts.empty() && equal_ignoring_case(field_name(field), "DKIM-Signature")) plan.breaks_dkim = true;
    if (!has_eight_bit(field)) return;
    header_has_eight_bit = true;
    if (!means_the_same(field, seven_bit_field(field))) refuse("a MIME field of its header has them where they have no 7-bit form");
  }
  void header_end(const MimeEntity& the_entity, Octets) override {
    entity = the_entity;
    if (std::exchange(header_has_eight_bit, false)) found(entity.in_signed);
    const bool labelled = entity.encoding == "8bit" || entity.encoding == "binary";
    plan.parts.push_back({entity.composite && labelled && !entity.in_signed ? Way::relabel : Way::keep, false});
    octets = eight_bit = 0;
    utf8 = {};
  }
  void body(Octets part) override {
    octets += part.size();
    eight_bit += static_cast<std::uint64_t>(std::count_if(part.begin(), part.end(), is_eight_bit));
    utf8.feed(part);
  }
  void body_end() override {
    if (eight_bit == 0) return;
    found(entity.in_signed);
    plan.parts.back() = {way(), utf8.holds()};
  }
  void between(Octets part, bool in_signed) override {
    if (has_eight_bit(part)) found(in_signed);
  }

  void found(bool in_signed) {
    plan.eight_bit = true;
    if (in_signed) refuse("the part that has them is signed, and its signature would not match any more");
  }
  void refuse(std::string_view why) {
    if (plan.refusal.empty()) plan.refusal = why;
  }
  Way way() {
    const std::string& type = entity.type;
    if (type.starts_with("multipart/") || type == "message/rfc822" || type == "message/news") {
      refuse("a part that holds other parts is malformed, or nested too deeply");
    } else if (type == "message/partial") {
      refuse("a piece of a message (message/partial) may not be encoded");
    } else if (entity.encoding == "quoted-printable") {
      return Way::mend_quoted_printable;
    } else if (entity.encoding == "base64") {
      return Way::mask;
    } else if (!entity.is_identity()) {
      refuse("its Content-Transfer-Encoding is not known");
    } else if (type.starts_with("message/") || (type.starts_with("text/") && eight_bit * kDense <= octets)) {
      return Way::quoted_printable;
    } else {
      return Way::base64;
    }
    return Way::keep;
  }

  SevenBitPlan plan;
  MimeWalker walker{*this};
  MimeEntity entity;
  bool header_has_eight_bit = false;
  std::uint64_t octets = 0;  // of the body
  std::uint64_t eight_bit = 0;
  Utf8Check utf8;
};

EightBitScan::EightBitScan() : impl_(std::make_unique<Impl>()) {}
EightBitScan::~EightBitScan() = default;
EightBitScan::EightBitScan(EightBitScan&&) noexcept = default;
EightBitScan& EightBitScan::operator=(EightBitScan&&) noexcept = default;

void EightBitScan::feed(Octets mail_data) {
  impl_->walker.feed(mail_data);
  // Behind a fault nobody looks at the structure: whether there are such octets is still of interest.
  if (!impl_->walker.fault().empty()) impl_->plan.eight_bit |= has_eight_bit(mail_data);
}

SevenBitPlan EightBitScan::finish() && {
  impl_->walker.finish();
  if (!impl_->walker.fault().empty()) impl_->refuse(impl_->walker.fault());
  if (!impl_->plan.eight_bit) std::fill(impl_->plan.parts.begin(), impl_->plan.parts.end(), SevenBitPlan::Part{});
  return std::move(impl_->plan);
}

struct SevenBitConverter::Impl final : MimeVisitor {
  explicit Impl(SevenBitPlan the_plan) : plan(std::move(the_plan)) {
    check(plan.refusal.empty(), "what cannot be converted is not");
  }

  void header_field(Octets field) override {
    const std::string_view name = field_name(field);
    if (equal_ignoring_case(name, "Content-Transfer-Encoding")) {
      const Way way = plan.parts.at(next).way;
      if (way == Way::quoted_printable || way == Way::base64) return;  // the one that is true then comes last
      if (way == Way::relabel) {
        add("Content-Transfer-Encoding: 7bit\r\n");
        return;
      }
    }
    if (has_eight_bit(field)) {
      add(seven_bit_field(field));
    } else {
      add(field);
    }
  }
  void header_end(const MimeEntity& entity, Octets line) override {
    part = plan.parts.at(next++);
    const bool encodes = part.way == Way::quoted_printable || part.way == Way::base64;
    if (encodes) {
      if (entity.is_message && !entity.has_version) add("MIME-Version: 1.0\r\n");
      if (!entity.has_type) add(part.utf8 ? "Content-Type: text/plain; charset=utf-8\r\n" : "Content-Type: text/plain; charset=unknown-8bit\r\n");
      add(part.way == Way::base64 ? "Content-Transfer-Encoding: base64\r\n" : "Content-Transfer-Encoding: quoted-printable\r\n");
    }
    // Without an empty line, what is made of the first line behind the header could become a field of it.
    const bool may_change = part.way != Way::keep || (entity.composite && !entity.in_signed && plan.eight_bit);
    add(may_change && line.empty() ? Octets("\r\n") : line);
    quoted_printable = {};
    base64 = {};
    column = escape_left = 0;
  }
  void body(Octets octets) override {
    switch (part.way) {
      case Way::keep:
      case Way::relabel: add(octets); break;
      case Way::quoted_printable: quoted_printable.encode(octets, *out); break;
      case Way::base64: base64.encode(octets, *out); break;
      case Way::mend_quoted_printable: add_mended(octets); break;
      case Way::mask: add_masked(octets); break;
    }
  }
  void body_end() override {
    quoted_printable.finish(*out);
    base64.finish(*out);
    in_line = part.way == Way::base64;
  }
  void between(Octets octets, bool) override {
    in_line = false;
    add_masked(octets);  // no part, and shown by nobody: what it said is lost
  }

  void add(Octets octets) { out->append(octets); }
  /// Three octets stand for one: a line that gets too long for SMTP is divided by a soft line break, but not within an `=XX`.
  void add_mended(Octets octets) {
    for (const char c : octets) {
      const bool ends_line = c == '\r' || c == '\n';
      bool divided = false;
      if (escape_left != 0) {
        --escape_left;
      } else if (column >= kLongestMended && !ends_line) {
        *out += "=\r\n";
        column = 0;
        divided = true;
      }
      if (c == '=') escape_left = 2;
      if (is_eight_bit(c) || (divided && c == '-')) {  // our line must not look like a delimiter
        append_hex(c, '=', *out);
        column += 3;
      } else {
        *out += c;
        column = ends_line ? 0 : column + 1;
      }
    }
  }
  /// The mark is one that may stand in no boundary (RFC 2046 section 5.1.1), so that no line becomes a delimiter.
  void add_masked(Octets octets) { std::replace_copy_if(octets.begin(), octets.end(), std::back_inserter(*out), is_eight_bit, '*'); }

  SevenBitPlan plan;
  MimeWalker walker{*this};
  std::string* out = nullptr;  // while octets are fed
  std::size_t next = 0;        // of the plan's parts
  SevenBitPlan::Part part;
  bool in_line = false;        // the last line has no end yet
  QuotedPrintableEncoder quoted_printable;
  Base64Encoder base64;
  std::size_t column = 0;       // of a mended line
  std::size_t escape_left = 0;  // octets of the escape `=XX` that are still to come
};

SevenBitConverter::SevenBitConverter(SevenBitPlan plan) : impl_(std::make_unique<Impl>(std::move(plan))) {}
SevenBitConverter::~SevenBitConverter() = default;
SevenBitConverter::SevenBitConverter(SevenBitConverter&&) noexcept = default;
SevenBitConverter& SevenBitConverter::operator=(SevenBitConverter&&) noexcept = default;

void SevenBitConverter::convert(Octets mail_data, std::string& out) {
  impl_->out = &out;
  impl_->walker.feed(mail_data);
  impl_->out = nullptr;
}

void SevenBitConverter::finish(std::string& out) {
  impl_->out = &out;
  impl_->walker.finish();
  if (impl_->in_line) out += "\r\n";
  impl_->out = nullptr;
}

}  // namespace adieu::mail
