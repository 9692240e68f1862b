// What a peer's certificate says, for people: RFC 5280. The facts alone; nothing is accepted or refused by them.
#pragma once

#include <string>
#include <vector>

#include "adieu/base/clock.h"

namespace adieu::tls {

/// Of the peer's own certificate, the first of its chain. Text is the peer's, unescaped.
struct PeerCertificate {
  std::string subject;             // RFC 4514: "CN=mx.example.org"
  std::string issuer;
  std::vector<std::string> names;  // subjectAltName: host names and addresses
  WallTime not_before{};
  WallTime not_after{};
  std::string fault;               // why it does not prove that the peer is the host that was called; empty: it does
};

}  // namespace adieu::tls
