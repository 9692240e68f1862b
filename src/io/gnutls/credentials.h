// Certificates, keys and priorities as GnuTLS holds them, loaded once and shared by all sessions of a listener or next hop. RFC
// 5246, RFC 8446, RFC 6066 section 3 (SNI), RFC 9525 (names in certificates).
#pragma once

#include <gnutls/gnutls.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/result.h"

namespace adieu::gnutls {

struct CertificateFiles {
  std::string chain;  // PEM, the leaf first
  std::string key;    // PEM
  std::vector<std::string> server_names = {};  // that it is sent for beside those that stand in it; "*.example.org" too
};
struct CertificatePem {
  std::string chain;
  std::string key;
};

/// Immutable once made; sessions of any thread may use it at once.
class Credentials {
 public:
  Credentials();
  ~Credentials();
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  /// A client's; a server's where no name was asked for.
  gnutls_certificate_credentials_t get() const { return servers_.empty() ? credentials_ : servers_.front().credentials; }
  /// A server's for the name in a client's SNI: the certificate that holds it, else one whose wildcard covers it, else the first.
  gnutls_certificate_credentials_t get(std::string_view server_name) const;
  gnutls_priority_t priority() const { return priority_; }
  /// Null: no session tickets.
  const gnutls_datum_t* ticket_key() const { return ticket_key_.data != nullptr ? &ticket_key_ : nullptr; }

  Result<> set_priority(const std::string& priority);
  Result<> add_certificate(const CertificateFiles& files);
  Result<> add_certificate(const CertificatePem& pem);
  Result<> enable_tickets();
  /// The system's trust store, or the certificates in `file` where one is given.
  Result<> trust(const std::string& file);

 private:
  /// A certificate, together with later ones that hold all its names: the same with a key of another kind.
  struct Server {
    gnutls_certificate_credentials_t credentials = nullptr;
    std::set<std::string, std::less<>> names;  // lower case; "*.example.org"
  };

  gnutls_certificate_credentials_t credentials_ = nullptr;
  std::vector<Server> servers_;
  gnutls_priority_t priority_ = nullptr;
  gnutls_datum_t ticket_key_{nullptr, 0};
};

/// For a server: the first certificate is sent where the client's SNI matches none. Errors name the file and what is wrong with
/// it.
Result<std::shared_ptr<const Credentials>> make_server_credentials(const std::vector<CertificateFiles>& certificates,
                                                                   const std::string& priority, bool tickets);
Result<std::shared_ptr<const Credentials>> make_server_credentials(const CertificatePem& certificate,
                                                                   const std::string& priority);
/// For a client. `verify`: with trust anchors, so that the peer's certificate can be held against them.
Result<std::shared_ptr<const Credentials>> make_client_credentials(const std::string& priority, bool verify,
                                                                   const std::string& trust_file = {});

/// A self-signed certificate for `name` with a P-256 key, valid for `days` from now: for trying things out.
Result<CertificatePem> make_self_signed(const std::string& name, int days);

}  // namespace adieu::gnutls
