// What a peer may say in a handshake: warnings of TLS 1.2 (R1), and keys whose use would take seconds.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gnutls/abstract.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "ends.h"
#include "io/gnutls/inspection.h"

namespace adieu::test {
namespace {

/// Modular exponentiations of this process, and those of them with a modulus of more bits than a key may have.
int exponentiations = 0;
int large_exponentiations = 0;

struct Integer {  // as libgmp has it
  int allocated;
  int limbs;
  void* data;
};
constexpr int kLargestLimbs = static_cast<int>(gnutls::kMaxKeyBits / 64);

}  // namespace

/// In the place of libgmp's own, which it calls: nettle verifies RSA signatures by it.
extern "C" __attribute__((visibility("default"))) void __gmpz_powm(Integer* result, const Integer* base, const Integer* exponent, const Integer* modulus) {
  using Function = void (*)(Integer*, const Integer*, const Integer*, const Integer*);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "__gmpz_powm"));
  ++exponentiations;
  if (std::abs(modulus->limbs) > kLargestLimbs) ++large_exponentiations;
  real(result, base, exponent, modulus);
}

namespace {

std::string alert_record(gnutls_alert_level_t level, int alert) {
  return std::string("\x15\x03\x03\x00\x02", 5) + static_cast<char>(level) + static_cast<char>(alert);
}

/// Warnings before the server's first flight, for the client, or before the client's second one, for the server; whether both end up established.
bool established_with(const std::string& warnings, bool for_client, std::string* failure = nullptr) {
  Pair ends("TLS1.2");
  work(*ends.client);
  feed(*ends.server, take(*ends.client));
  bool client = feed(*ends.client, (for_client ? warnings : std::string()) + take(*ends.server)).established;
  const bool server = feed(*ends.server, (for_client ? std::string() : warnings) + take(*ends.client)).established;
  client |= feed(*ends.client, take(*ends.server)).established;
  if (failure != nullptr) *failure = (for_client ? *ends.client : *ends.server).failure().detail;
  return client && server;
}
std::string times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(Handshake, R1_goes_on_behind_warnings_of_TLS12_that_need_not_end_it_four_at_most) {
  for (const bool for_client : {true, false}) {
    for (const int alert : {GNUTLS_A_UNRECOGNIZED_NAME, GNUTLS_A_USER_CANCELED, GNUTLS_A_CERTIFICATE_UNKNOWN, GNUTLS_A_CERTIFICATE_EXPIRED}) {
      SCOPED_TRACE(alert);
      const std::string warning = alert_record(GNUTLS_AL_WARNING, alert);
      EXPECT_TRUE(established_with(warning, for_client));
      EXPECT_TRUE(established_with(times(4, warning), for_client));
      EXPECT_FALSE(established_with(times(5, warning), for_client));
    }
  }
}

TEST(Handshake, R1_ends_at_every_other_alert_whatever_its_level) {
  for (const bool for_client : {true, false}) {
    for (const int alert : {GNUTLS_A_CLOSE_NOTIFY, GNUTLS_A_HANDSHAKE_FAILURE, GNUTLS_A_UNKNOWN_CA, GNUTLS_A_ACCESS_DENIED, GNUTLS_A_PROTOCOL_VERSION}) {
      SCOPED_TRACE(alert);
      EXPECT_FALSE(established_with(alert_record(GNUTLS_AL_WARNING, alert), for_client));
    }
    std::string failure;
    EXPECT_FALSE(established_with(alert_record(GNUTLS_AL_FATAL, GNUTLS_A_UNRECOGNIZED_NAME), for_client, &failure));
    EXPECT_EQ(failure, "unrecognized_name");
  }
}

/// A number of that many bits, odd.
std::string number(unsigned bits) {
  std::string octets((bits + 7) / 8, '\x5b');
  const unsigned top = (bits - 1) % 8;
  octets.front() = static_cast<char>((1U << top) | (0x2aU & ((1U << top) - 1)));
  octets.back() = static_cast<char>(octets.back() | 1);
  return octets;
}
gnutls_datum_t datum(std::string& octets) { return {reinterpret_cast<unsigned char*>(octets.data()), static_cast<unsigned>(octets.size())}; }

/// A server by GnuTLS alone, whose certificate has an RSA key of any numbers: nobody knows the private one, so that what it signs is no signature.
class Impostor {
 public:
  Impostor(const std::string& version, unsigned modulus_bits, unsigned exponent_bits) {
    must(gnutls_init(&session_, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL));
    must(gnutls_priority_set_direct(session_, priority_of(version).c_str(), nullptr));
    must(gnutls_certificate_allocate_credentials(&credentials_));
    gnutls_certificate_set_flags(credentials_, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    std::string modulus = number(modulus_bits);
    std::string exponent = number(exponent_bits);
    const gnutls_datum_t n = datum(modulus);
    const gnutls_datum_t e = datum(exponent);
    gnutls_pubkey_t key = nullptr;
    must(gnutls_pubkey_init(&key));
    must(gnutls_pubkey_import_rsa_raw(key, &n, &e));
    gnutls_x509_crt_t certificate = nullptr;
    must(gnutls_x509_crt_init(&certificate));
    const unsigned char serial = 7;
    must(gnutls_x509_crt_set_version(certificate, 3));
    must(gnutls_x509_crt_set_serial(certificate, &serial, 1));
    must(gnutls_x509_crt_set_activation_time(certificate, std::time(nullptr) - 86'400));
    must(gnutls_x509_crt_set_expiration_time(certificate, std::time(nullptr) + 86'400));
    must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, kHost.data(), static_cast<unsigned>(kHost.size()), GNUTLS_FSAN_SET));
    must(gnutls_x509_crt_set_pubkey(certificate, key));
    must(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
    gnutls_x509_privkey_t signer = nullptr;
    must(gnutls_x509_privkey_init(&signer));
    must(gnutls_x509_privkey_generate(signer, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    gnutls_x509_crt_t issuer = nullptr;
    must(gnutls_x509_crt_init(&issuer));
    must(gnutls_x509_crt_set_key(issuer, signer));
    must(gnutls_x509_crt_sign2(certificate, issuer, signer, GNUTLS_DIG_SHA256, 0));
    gnutls_x509_crt_deinit(issuer);
    auto* chain = static_cast<gnutls_pcert_st*>(gnutls_malloc(sizeof(gnutls_pcert_st)));
    must(gnutls_pcert_import_x509(chain, certificate, 0));
    gnutls_privkey_t none = nullptr;
    must(gnutls_privkey_init(&none));
    length_ = modulus.size();
    const auto sign = [](gnutls_privkey_t, gnutls_sign_algorithm_t, void* self, unsigned, const gnutls_datum_t*, gnutls_datum_t* signature) {
      const std::size_t length = static_cast<Impostor*>(self)->length_;
      signature->data = static_cast<unsigned char*>(gnutls_malloc(length));
      std::memset(signature->data, 0x11, length);
      signature->size = static_cast<unsigned>(length);
      return 0;
    };
    must(gnutls_privkey_import_ext4(
        none, this, sign, sign, nullptr, nullptr,
        [](gnutls_privkey_t, unsigned flags, void* self) {
          if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) return static_cast<int>(GNUTLS_PK_RSA);
          if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) return static_cast<int>(static_cast<Impostor*>(self)->length_ * 8);
          if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0) return 1;
          return -1;
        },
        0));
    must(gnutls_certificate_set_key(credentials_, nullptr, 0, chain, 1, none));  // which copies the list, not what is in it
    gnutls_free(chain);
    must(gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_));
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_pull_function(session_, [](gnutls_transport_ptr_t self, void* buffer, std::size_t size) -> ssize_t {
      return static_cast<Impostor*>(self)->pull(buffer, size);
    });
    gnutls_transport_set_push_function(session_, [](gnutls_transport_ptr_t self, const void* octets, std::size_t size) -> ssize_t {
      static_cast<Impostor*>(self)->out_.append(static_cast<const char*>(octets), size);
      return static_cast<ssize_t>(size);
    });
    gnutls_x509_privkey_deinit(signer);
    gnutls_x509_crt_deinit(certificate);
    gnutls_pubkey_deinit(key);
  }
  ~Impostor() {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }
  Impostor(const Impostor&) = delete;
  Impostor& operator=(const Impostor&) = delete;

  /// Up to the client's end.
  void meet(tls::Channel& client) {
    Worked worked = work(client);
    for (int flights = 0; flights < 8 && worked.last != ChannelEvent::broken; ++flights) {
      in_ += take(client);
      gnutls_handshake(session_);
      worked = feed(client, std::exchange(out_, {}));
    }
    in_ += take(client);
  }
  /// What the client sent last: an alert's number, or another code of GnuTLS.
  int alert() {
    const int code = gnutls_handshake(session_);
    return code == GNUTLS_E_FATAL_ALERT_RECEIVED ? static_cast<int>(gnutls_alert_get(session_)) : code;
  }

 private:
  ssize_t pull(void* buffer, std::size_t size) {
    if (in_.empty()) {
      gnutls_transport_set_errno(session_, EAGAIN);
      return -1;
    }
    const std::size_t count = std::min(size, in_.size());
    std::memcpy(buffer, in_.data(), count);
    in_.erase(0, count);
    return static_cast<ssize_t>(count);
  }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  std::size_t length_ = 0;
  std::string in_;
  std::string out_;
};

class Keys : public testing::TestWithParam<std::string> {
 protected:
  /// The client's words, and how many exponentiations it took to find them.
  struct Told {
    std::string words;
    int exponentiations = 0;
    int large = 0;
    int alert = 0;
  };
  static Told tell(unsigned modulus_bits, unsigned exponent_bits) {
    Impostor server(GetParam(), modulus_bits, exponent_bits);
    const auto client = gnutls::ClientChannels(gnutls::make_client_credentials(priority_of(GetParam()), false).value(), kHost, false).make();
    const int before = exponentiations;
    const int large_before = large_exponentiations;
    server.meet(*client);
    return {client->failure().detail, exponentiations - before, large_exponentiations - large_before, server.alert()};
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, Keys, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "TLS12" : "TLS13"; });

TEST_P(Keys, of_a_size_that_there_is_are_computed_with_and_so_the_count_below_means_something) {
  EXPECT_GE(tell(4096, 17).exponentiations, 1);
  EXPECT_GE(tell(8192, 64).exponentiations, 1);
}

TEST_P(Keys, beyond_all_sense_are_refused_before_anything_is_computed_with_them) {
  const Told both = tell(16'384, 16'384);
  EXPECT_EQ(both.exponentiations, 0);
  EXPECT_EQ(both.large, 0);
  EXPECT_EQ(both.words, "a key of 16384 bits in a certificate, at most 8192 are taken");
  EXPECT_EQ(both.alert, GNUTLS_A_BAD_CERTIFICATE);
  EXPECT_EQ(tell(32'768, 17).exponentiations, 0);
  EXPECT_EQ(tell(8193, 17).exponentiations, 0);
  const Told exponent = tell(8192, 65);
  EXPECT_EQ(exponent.exponentiations, 0);
  EXPECT_EQ(exponent.words, "an RSA exponent of 65 bits in a certificate, at most 64 are taken");
}

TEST(Inspection, of_a_prime_of_Diffie_Hellman) {
  const auto message = [](unsigned bits) {
    const std::string prime = number(bits);
    return std::string{static_cast<char>(prime.size() >> 8), static_cast<char>(prime.size() & 255)} + prime + "the rest";
  };
  EXPECT_EQ(gnutls::fault_of_dhe_prime(message(2048)), "");
  EXPECT_EQ(gnutls::fault_of_dhe_prime(message(8192)), "");
  EXPECT_EQ(gnutls::fault_of_dhe_prime(message(8193)), "a Diffie-Hellman prime of 8193 bits, at most 8192 are taken");
  EXPECT_EQ(gnutls::fault_of_dhe_prime(message(2048).substr(0, 100)), "") << "the library refuses it";
}

TEST(Inspection, of_certificates_ends_at_what_is_not_whole) {
  for (const bool tls13 : {true, false}) {
    const std::string message = std::string(tls13 ? 1 : 0, '\0') + std::string("\x00\x00\x08\x00\x00\x05", 6) + "xxxxx";
    for (std::size_t cut = 0; cut <= message.size(); ++cut) EXPECT_EQ(gnutls::fault_of_certificates(Octets(message).substr(0, cut), tls13), "") << cut;
  }
}

}  // namespace
}  // namespace adieu::test
