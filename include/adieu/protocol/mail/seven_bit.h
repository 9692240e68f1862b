// Mail data with octets beyond ASCII as mail data without, for a next hop that does not offer 8BITMIME: RFC 6152 section 3, part by part after RFC 2045.
// Two passes over the same octets, in any division and in bounded memory: EightBitScan finds out what each part needs, SevenBitConverter does it.
// Parts without such octets stay as they are. It decodes nothing, and knows nothing of SMTP.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// Whether any of them is beyond ASCII.
bool has_eight_bit(Octets octets);

struct SevenBitPlan {
  enum class Way : std::uint8_t {
    keep,
    relabel,                // it holds other parts, and its Content-Transfer-Encoding is 8bit or binary: that becomes 7bit
    quoted_printable,
    base64,
    mend_quoted_printable,  // it says that it is quoted-printable: octets beyond ASCII in it become `=XX`
    mask,                   // it says that it is base64: octets beyond ASCII become `*`, which a decoder passes over as well
  };
  struct Part {
    Way way = Way::keep;
    bool utf8 = false;      // what is encoded is UTF-8
  };

  /// Whether there is any octet beyond ASCII.
  bool eight_bit = false;
  /// Why it cannot be converted, for people; empty: it can. Such octets in what was signed (multipart/signed), in message/partial, in a
  /// transfer encoding that no standard knows, in a structure that is malformed or beyond the limits, in Content-Type other than in the value
  /// of a parameter, in Content-Transfer-Encoding or MIME-Version.
  std::string_view refusal;
  /// There is a DKIM signature, which will not match any more.
  bool breaks_dkim = false;
  std::vector<Part> parts;  // one for each header, in their order
};

class EightBitScan {
 public:
  EightBitScan();
  ~EightBitScan();
  EightBitScan(EightBitScan&&) noexcept;
  EightBitScan& operator=(EightBitScan&&) noexcept;

  void feed(Octets mail_data);
  /// Once all of it was fed.
  SevenBitPlan finish() &&;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class SevenBitConverter {
 public:
  /// `plan` has no refusal.
  explicit SevenBitConverter(SevenBitPlan plan);
  ~SevenBitConverter();
  SevenBitConverter(SevenBitConverter&&) noexcept;
  SevenBitConverter& operator=(SevenBitConverter&&) noexcept;

  /// The octets that the plan was made of, once more. Appends their 7-bit form to `out`: lines with CRLF.
  void convert(Octets mail_data, std::string& out);
  void finish(std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace adieu::mail
