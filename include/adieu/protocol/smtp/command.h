// SMTP commands as values: RFC 5321 section 4.1.1, with STARTTLS (RFC 3207), BDAT (RFC 3030), SIZE (RFC 1870) and BODY (RFC 6152).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "adieu/protocol/mail/envelope.h"
#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp::command {

struct Ehlo { std::string name; };
struct Helo { std::string name; };
struct StartTls {};
struct Mail {
  mail::Mailbox reverse_path;
  mail::BodyType body = mail::BodyType::unspecified;
  std::uint64_t declared_size = 0;
};
struct Rcpt { mail::Mailbox forward_path; };
struct Data {};
struct Bdat {
  std::uint64_t octets = 0;
  bool last = false;
};
struct Rset {};
struct Noop {};
struct Vrfy {};
struct Help {};
struct Quit {};

/// In the order of `Verb`.
using Command = std::variant<Ehlo, Helo, StartTls, Mail, Rcpt, Data, Bdat, Rset, Noop, Vrfy, Help, Quit>;
enum class Verb : std::uint8_t { ehlo, helo, starttls, mail, rcpt, data, bdat, rset, noop, vrfy, help, quit };
inline constexpr std::size_t kVerbs = std::variant_size_v<Command>;

/// How exactly a line must keep to RFC 5321 section 4.1.1. `lenient` takes what devices write where it is clear what they mean: a tab where a
/// space belongs; blanks on both sides of the colon of MAIL and RCPT; a mailbox without angle brackets; EHLO and HELO with no word or several.
/// It changes no address. (Even `strict` takes one space behind the colon, and spaces at the end of a line.)
enum class Syntax : std::uint8_t { strict, lenient };

/// Which verb a line begins with; none for others.
std::optional<Verb> verb_of(std::string_view line, Syntax syntax = Syntax::strict);
/// A command line without its CRLF, or the reply that says what is wrong with it. The work is linear in the line; `steps`, where there is
/// one, is told how many octets the grammar went past, for tests that hold it to that.
std::variant<Command, Reply> parse(std::string_view line, Syntax syntax = Syntax::strict, std::uint64_t* steps = nullptr);

}  // namespace adieu::smtp::command
