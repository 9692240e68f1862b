// The grammar of SMTP commands and of the mailboxes in them, by Boost.Spirit X3; the ABNF is that of RFC 5321 sections 4.1.2 and 4.1.3
// unless a rule says otherwise. What a command may do is the table's business, not the grammar's.
#include <boost/spirit/home/x3.hpp>

#include <charconv>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/ip.h"
#include "adieu/protocol/smtp/command.h"
#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp::command {
namespace {

namespace x3 = boost::spirit::x3;

/// A place in the line that counts how often it is moved on.
class Iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Iterator() = default;
  Iterator(const char* at, std::uint64_t* steps) : at_(at), steps_(steps) {}
  reference operator*() const { return *at_; }
  Iterator& operator++() {
    ++at_;
    if (steps_ != nullptr) ++*steps_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Iterator& other) const { return at_ == other.at_; }
  const char* at() const { return at_; }

 private:
  const char* at_ = nullptr;
  std::uint64_t* steps_ = nullptr;
};

struct Parameter {
  std::string keyword;
  std::string value;
};

// --- mailboxes

// atext = ALPHA / DIGIT / "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "/" / "=" / "?" / "^" / "_" / "`" / "{" / "|" / "}" / "~"
const auto atext = x3::char_("a-zA-Z0-9!#$%&'*+/=?^_`{|}~-");
// Let-dig = ALPHA / DIGIT
const auto let_dig = x3::char_("a-zA-Z0-9");

const x3::rule<struct dot_string_tag> dot_string = "Dot-string";
const x3::rule<struct quoted_string_tag> quoted_string = "Quoted-string";
const x3::rule<struct sub_domain_tag> sub_domain = "sub-domain";
const x3::rule<struct domain_tag> domain = "Domain";
const x3::rule<struct address_literal_tag> address_literal = "address-literal";
const x3::rule<struct source_route_tag> source_route = "A-d-l";

// Dot-string = Atom *("." Atom) ; Atom = 1*atext
const auto dot_string_def = +atext % '.';
// Quoted-string = DQUOTE *QcontentSMTP DQUOTE ; QcontentSMTP = qtextSMTP / quoted-pairSMTP
// qtextSMTP = %d32-33 / %d35-91 / %d93-126 ; quoted-pairSMTP = %d92 %d32-126
const auto quoted_string_def = '"' >> *(x3::char_(" !#-[]-~") | ('\\' >> x3::char_(" -~"))) >> '"';
// sub-domain = Let-dig [Ldh-str] ; Ldh-str = *( ALPHA / DIGIT / "-" ) Let-dig
const auto sub_domain_def = let_dig >> *(let_dig | (+x3::char_('-') >> let_dig));
// Domain = sub-domain *("." sub-domain)
const auto domain_def = sub_domain % '.';
// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]", of dcontent = %d33-90 / %d94-126;
// which address it is, is checked when the rule has matched
const auto address_literal_def = '[' >> +x3::char_("!-Z^-~") >> ']';
// A-d-l = At-domain *( "," At-domain ), then ":": accepted and ignored (RFC 5321 appendix C)
const auto source_route_def = (('@' >> domain) % ',') >> ':';

BOOST_SPIRIT_DEFINE(dot_string, quoted_string, sub_domain, domain, address_literal, source_route)

// --- commands

// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") ; esmtp-value = 1*(%d33-60 / %d62-126)
const auto esmtp_keyword = x3::char_("a-zA-Z0-9") >> *x3::char_("a-zA-Z0-9-");
const auto esmtp_value = +x3::char_("!-<>-~");

template <class Rule>
std::optional<std::string> match(Iterator& first, Iterator last, const Rule& rule) {
  Iterator at = first;
  if (!x3::parse(at, last, rule)) return std::nullopt;
  std::string text(first.at(), at.at());
  first = at;
  return text;
}

template <class Rule>
bool skip(Iterator& first, Iterator last, const Rule& rule) {
  return x3::parse(first, last, rule);
}

bool is_known_literal(std::string_view literal) {
  std::string_view inner = literal.substr(1, literal.size() - 2);
  constexpr std::string_view kV6 = "IPv6:";
  const bool v6 = equal_ignoring_case(inner.substr(0, kV6.size()), kV6);
  if (v6) inner.remove_prefix(kV6.size());
  return IpAddress::parse(inner) && v6 == (inner.find(':') != std::string_view::npos);
}

// Mailbox = Local-part "@" ( Domain / address-literal ) ; Local-part = Dot-string / Quoted-string
std::optional<mail::Mailbox> mailbox(Iterator& first, Iterator last) {
  Iterator at = first;
  auto local_part = match(at, last, dot_string | quoted_string);
  if (!local_part || !skip(at, last, x3::lit('@'))) return std::nullopt;
  auto name = match(at, last, domain);
  if (!name) {
    name = match(at, last, address_literal);
    if (!name || !is_known_literal(*name)) return std::nullopt;
  }
  if (name->size() > mail::kMaxDomain) return std::nullopt;
  first = at;
  return mail::Mailbox{std::move(*local_part), std::move(*name)};
}

// What divides one word of a line from the next.
bool is_blank(char c, Syntax syntax) { return c == ' ' || (c == '\t' && syntax == Syntax::lenient); }
bool skip_blanks(Iterator& first, Iterator last, Syntax syntax) {
  return syntax == Syntax::lenient ? skip(first, last, +x3::char_(" \t")) : skip(first, last, +x3::lit(' '));
}

enum class Direction : std::uint8_t { reverse, forward };

// A path that its client has left the angle brackets off: Mailbox, or Postmaster for RCPT, and then nothing more of the word.
std::optional<mail::Mailbox> bare_path(Iterator& first, Iterator last, Direction direction) {
  Iterator at = first;
  auto found = mailbox(at, last);
  if (!found && direction == Direction::forward) {
    if (auto postmaster = match(at, last, x3::no_case[x3::lit("postmaster")])) found = mail::Mailbox{std::move(*postmaster), {}};
  }
  if (!found || (at != last && !is_blank(*at, Syntax::lenient))) return std::nullopt;
  first = at;
  return found;
}

// Path = "<" [ A-d-l ":" ] Mailbox ">" ; Reverse-path = Path / "<>" ; RCPT: "<Postmaster>" too
std::optional<mail::Mailbox> path(Iterator& first, Iterator last, Direction direction, Syntax syntax) {
  if (!skip(first, last, x3::lit('<'))) return syntax == Syntax::lenient ? bare_path(first, last, direction) : std::nullopt;
  if (direction == Direction::reverse && skip(first, last, x3::lit('>'))) return mail::Mailbox{};
  if (direction == Direction::forward) {
    Iterator at = first;
    if (auto postmaster = match(at, last, x3::no_case[x3::lit("postmaster")]); postmaster && skip(at, last, x3::lit('>'))) {
      first = at;
      return mail::Mailbox{std::move(*postmaster), {}};
    }
  }
  skip(first, last, source_route);
  auto found = mailbox(first, last);
  if (!found || !skip(first, last, x3::lit('>'))) return std::nullopt;
  return found;
}

// Mail-parameters = esmtp-param *(SP esmtp-param) ; esmtp-param = esmtp-keyword ["=" esmtp-value]
std::optional<std::vector<Parameter>> parameters(Iterator& first, Iterator last, Syntax syntax) {
  std::vector<Parameter> all;
  while (skip_blanks(first, last, syntax)) {
    if (first == last) break;  // spaces at the end are common and harm nobody
    auto keyword = match(first, last, esmtp_keyword);
    if (!keyword) return std::nullopt;
    Parameter parameter{to_ascii_lower(*keyword), {}};
    if (skip(first, last, x3::lit('='))) {
      auto value = match(first, last, esmtp_value);
      if (!value) return std::nullopt;
      parameter.value = std::move(*value);
    }
    all.push_back(std::move(parameter));
  }
  if (first != last) return std::nullopt;
  return all;
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.size() > 20 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

using Parsed = std::variant<Command, Reply>;

// The keyword in front of a path, "FROM:" or "TO:". One space behind the colon is always accepted, since many clients write it; any other blank
// beside the colon is accepted only by Syntax::lenient.
bool skip_keyword(Iterator& first, Iterator last, const char* keyword, Syntax syntax) {
  if (!skip(first, last, x3::no_case[x3::lit(keyword)])) return false;
  if (syntax == Syntax::strict) return skip(first, last, x3::lit(':') >> -x3::lit(' '));
  skip_blanks(first, last, syntax);
  if (!skip(first, last, x3::lit(':'))) return false;
  skip_blanks(first, last, syntax);
  return true;
}

// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]
Parsed parse_mail(Iterator first, Iterator last, Syntax syntax) {
  if (!skip_keyword(first, last, "from", syntax)) return reply::syntax("MAIL FROM:<reverse-path>");
  auto reverse_path = path(first, last, Direction::reverse, syntax);
  if (!reverse_path) return reply::bad_reverse_path();
  const auto all = parameters(first, last, syntax);
  if (!all) return reply::syntax("MAIL FROM:<reverse-path> [parameter…]");
  Mail mail{std::move(*reverse_path)};
  bool sized = false;
  for (const Parameter& parameter : *all) {
    if (parameter.keyword == "size") {  // RFC 1870: size-value = 1*20DIGIT
      const auto size = number<std::uint64_t>(parameter.value);
      if (!size || std::exchange(sized, true)) return reply::bad_parameter();
      mail.declared_size = *size;
    } else if (parameter.keyword == "body") {  // RFC 6152: "7BIT" / "8BITMIME"
      if (mail.body != mail::BodyType::unspecified) return reply::bad_parameter();
      if (equal_ignoring_case(parameter.value, "7BIT")) {
        mail.body = mail::BodyType::seven_bit;
      } else if (equal_ignoring_case(parameter.value, "8BITMIME")) {
        mail.body = mail::BodyType::eight_bit_mime;
      } else {
        return reply::bad_parameter();
      }
    } else {
      return reply::unknown_parameter();
    }
  }
  return Command(std::move(mail));
}

// rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]
Parsed parse_rcpt(Iterator first, Iterator last, Syntax syntax) {
  if (!skip_keyword(first, last, "to", syntax)) return reply::syntax("RCPT TO:<forward-path>");
  auto forward_path = path(first, last, Direction::forward, syntax);
  if (!forward_path) return reply::bad_forward_path();
  const auto all = parameters(first, last, syntax);
  if (!all) return reply::syntax("RCPT TO:<forward-path>");
  if (!all->empty()) return reply::unknown_parameter();
  return Command(Rcpt{std::move(*forward_path)});
}

// bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] ; chunk-size = 1*DIGIT ; end-marker = "LAST" (RFC 3030 section 2)
Parsed parse_bdat(Iterator first, Iterator last, Syntax syntax) {
  const auto digits = match(first, last, +x3::char_("0-9"));
  const auto octets = digits ? number<std::uint64_t>(*digits) : std::nullopt;
  if (!octets) return reply::syntax("BDAT size [LAST]");
  const bool is_last = skip_blanks(first, last, syntax) && skip(first, last, x3::no_case[x3::lit("last")]);
  if (first != last) return reply::syntax("BDAT size [LAST]");
  return Command(Bdat{*octets, is_last});
}

struct VerbName {
  std::string_view name;
  Verb verb;
};
constexpr VerbName kVerbNames[] = {
    {"EHLO", Verb::ehlo}, {"HELO", Verb::helo}, {"STARTTLS", Verb::starttls}, {"MAIL", Verb::mail}, {"RCPT", Verb::rcpt},
    {"DATA", Verb::data}, {"BDAT", Verb::bdat}, {"RSET", Verb::rset},         {"NOOP", Verb::noop}, {"VRFY", Verb::vrfy},
    {"HELP", Verb::help}, {"QUIT", Verb::quit},
};

std::string_view first_word(std::string_view line, Syntax syntax) {
  return line.substr(0, line.find_first_of(syntax == Syntax::lenient ? std::string_view(" \t") : std::string_view(" ")));
}

std::string_view argument_of(std::string_view line, Syntax syntax) {
  std::string_view argument = line.substr(first_word(line, syntax).size());
  while (!argument.empty() && is_blank(argument.front(), syntax)) argument.remove_prefix(1);
  while (!argument.empty() && is_blank(argument.back(), syntax)) argument.remove_suffix(1);
  return argument;
}

// The name goes into the log and the trace field only, so any one word will do. Syntax::lenient also takes none, or several: some devices have no name,
// others send a title.
bool is_name(std::string_view argument, Syntax syntax) {
  return syntax == Syntax::lenient || (!argument.empty() && argument.find(' ') == std::string_view::npos);
}

}  // namespace

std::optional<Verb> verb_of(std::string_view line, Syntax syntax) {
  const std::string_view word = first_word(line, syntax);
  for (const VerbName& each : kVerbNames) {
    if (equal_ignoring_case(word, each.name)) return each.verb;
  }
  return std::nullopt;
}

std::variant<Command, Reply> parse(std::string_view line, Syntax syntax, std::uint64_t* steps) {
  const auto verb = verb_of(line, syntax);
  if (!verb) return reply::unknown_command();
  const std::string_view argument = argument_of(line, syntax);
  const Iterator first(argument.data(), steps);
  const Iterator last(argument.data() + argument.size(), steps);
  const auto alone = [&](Command command) -> Parsed {
    if (!argument.empty()) return reply::no_argument_allowed();
    return command;
  };
  switch (*verb) {
    case Verb::ehlo:
      if (!is_name(argument, syntax)) return reply::syntax("EHLO hostname");
      return Command(Ehlo{std::string(argument)});
    case Verb::helo:
      if (!is_name(argument, syntax)) return reply::syntax("HELO hostname");
      return Command(Helo{std::string(argument)});
    case Verb::starttls: return alone(StartTls{});
    case Verb::mail: return parse_mail(first, last, syntax);
    case Verb::rcpt: return parse_rcpt(first, last, syntax);
    case Verb::data: return alone(Data{});
    case Verb::bdat: return parse_bdat(first, last, syntax);
    case Verb::rset: return alone(Rset{});
    case Verb::noop: return Command(Noop{});
    case Verb::vrfy:
      if (argument.empty()) return reply::syntax("VRFY mailbox");
      return Command(Vrfy{});
    case Verb::help: return Command(Help{});
    case Verb::quit: return alone(Quit{});
  }
  return reply::unknown_command();
}

}  // namespace adieu::smtp::command

namespace adieu::mail {

std::optional<Mailbox> parse_mailbox(std::string_view text) {
  smtp::command::Iterator first(text.data(), nullptr);
  const smtp::command::Iterator last(text.data() + text.size(), nullptr);
  auto found = smtp::command::mailbox(first, last);
  if (first != last) return std::nullopt;
  return found;
}

bool is_domain(std::string_view text) {
  smtp::command::Iterator first(text.data(), nullptr);
  const smtp::command::Iterator last(text.data() + text.size(), nullptr);
  return text.size() <= kMaxDomain && smtp::command::skip(first, last, smtp::command::domain) && first == last;
}

}  // namespace adieu::mail
