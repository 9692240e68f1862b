// Whether a certificate is one of a host's: RFC 9525 (once RFC 6125). By its alternative names alone; what its subject says counts for nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adieu::tls {

/// A name in a certificate against a host's, any case, with or without a dot at its end. A wildcard is a whole label, the first one, stands for one label,
/// and has two more behind it: `*.example.org` is the name of mx.example.org; `m*.example.org` and `*.org` are nobody's.
bool is_name_of(std::string_view name_in_certificate, std::string_view host);

/// The host within an address literal of RFC 5321 section 4.1.3: "192.0.2.1" of "[192.0.2.1]"; anything else as it is.
std::string_view without_brackets(std::string_view host);

/// For people: which host was wanted and which names the certificate has, a few of them, each shortened, without control octets.
std::string name_mismatch(std::string_view host, const std::vector<std::string>& names);

}  // namespace adieu::tls
