// What any relay of this machine is bounded by: TLS 1.3 handshakes of GnuTLS, the server's half alone, on one core, full ones for a P-256 and an
// RSA-2048 key and those that resume by a ticket; and round trips of a small segment over loopback between two threads. ceiling_bench [SECONDS]: one line a figure.
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

namespace {

// One direction of a connection in memory.
struct Pipe {
  std::string octets;
};

struct End {
  Pipe* in = nullptr;
  Pipe* out = nullptr;
  gnutls_session_t session = nullptr;
};

ssize_t pull(gnutls_transport_ptr_t pointer, void* to, std::size_t size) {
  const End& end = *static_cast<End*>(pointer);
  const std::size_t count = std::min(size, end.in->octets.size());
  if (count == 0) {
    gnutls_transport_set_errno(end.session, EAGAIN);
    return -1;
  }
  std::memcpy(to, end.in->octets.data(), count);
  end.in->octets.erase(0, count);
  return static_cast<ssize_t>(count);
}

ssize_t push(gnutls_transport_ptr_t pointer, const void* from, std::size_t size) {
  static_cast<End*>(pointer)->out->octets.append(static_cast<const char*>(from), size);
  return static_cast<ssize_t>(size);
}

int ready(gnutls_transport_ptr_t, unsigned) { return 1; }

void must(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "ceiling_bench: %s: %s\n", what, gnutls_strerror(result));
  std::exit(1);
}

gnutls_certificate_credentials_t self_signed(gnutls_pk_algorithm_t algorithm, unsigned bits) {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t certificate = nullptr;
  must(gnutls_x509_privkey_init(&key), "key");
  must(gnutls_x509_privkey_generate(key, algorithm, bits, 0), "key");
  must(gnutls_x509_crt_init(&certificate), "certificate");
  must(gnutls_x509_crt_set_version(certificate, 3), "certificate");
  must(gnutls_x509_crt_set_serial(certificate, "\1", 1), "certificate");
  must(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "bench", 5), "certificate");
  must(gnutls_x509_crt_set_activation_time(certificate, std::time(nullptr) - 60), "certificate");
  must(gnutls_x509_crt_set_expiration_time(certificate, std::time(nullptr) + 86'400), "certificate");
  must(gnutls_x509_crt_set_key(certificate, key), "certificate");
  must(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), "certificate");
  gnutls_certificate_credentials_t credentials = nullptr;
  must(gnutls_certificate_allocate_credentials(&credentials), "credentials");
  must(gnutls_certificate_set_x509_key(credentials, &certificate, 1, key), "credentials");
  gnutls_x509_crt_deinit(certificate);
  gnutls_x509_privkey_deinit(key);
  return credentials;
}

double thread_cpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

gnutls_session_t session_for(End& end, unsigned flags, gnutls_certificate_credentials_t credentials) {
  must(gnutls_init(&end.session, flags | GNUTLS_NONBLOCK), "session");
  must(gnutls_set_default_priority(end.session), "priority");
  must(gnutls_credentials_set(end.session, GNUTLS_CRD_CERTIFICATE, credentials), "credentials");
  gnutls_transport_set_ptr(end.session, &end);
  gnutls_transport_set_pull_function(end.session, pull);
  gnutls_transport_set_push_function(end.session, push);
  gnutls_transport_set_pull_timeout_function(end.session, ready);
  return end.session;
}

// Handshakes a second of the server's own CPU, its session made and freed included: full ones, or all but the first resumed.
double handshakes(gnutls_pk_algorithm_t algorithm, unsigned bits, double seconds, bool resume = false) {
  const gnutls_certificate_credentials_t server_credentials = self_signed(algorithm, bits);
  gnutls_certificate_credentials_t client_credentials = nullptr;
  must(gnutls_certificate_allocate_credentials(&client_credentials), "credentials");
  gnutls_datum_t ticket_key{};
  gnutls_datum_t ticket{};
  if (resume) must(gnutls_session_ticket_key_generate(&ticket_key), "ticket key");
  double used = 0;
  int count = 0;
  for (; used < seconds; ++count) {
    Pipe up;
    Pipe down;
    End client{&down, &up, nullptr};
    End server{&up, &down, nullptr};
    session_for(client, GNUTLS_CLIENT, client_credentials);
    if (ticket.size != 0) must(gnutls_session_set_data(client.session, ticket.data, ticket.size), "ticket");
    double began = thread_cpu();
    session_for(server, GNUTLS_SERVER, server_credentials);
    if (resume) must(gnutls_session_ticket_enable_server(server.session, &ticket_key), "ticket key");
    used += thread_cpu() - began;
    for (int ours = GNUTLS_E_AGAIN, theirs = GNUTLS_E_AGAIN; ours != 0 || theirs != 0;) {
      if (theirs != 0) theirs = gnutls_handshake(client.session);
      began = thread_cpu();
      if (ours != 0) ours = gnutls_handshake(server.session);
      used += thread_cpu() - began;
      if (ours != 0 && gnutls_error_is_fatal(ours) != 0) must(ours, "handshake");
      if (theirs != 0 && gnutls_error_is_fatal(theirs) != 0) must(theirs, "handshake");
    }
    if (ticket.size != 0 && gnutls_session_is_resumed(server.session) == 0) must(GNUTLS_E_INTERNAL_ERROR, "resumption");
    if (resume && ticket.size == 0) {
      std::array<char, 16> none;
      gnutls_record_recv(client.session, none.data(), none.size());  // takes in the tickets
      must(gnutls_session_get_data2(client.session, &ticket), "ticket");
    }
    began = thread_cpu();
    gnutls_deinit(server.session);
    used += thread_cpu() - began;
    gnutls_deinit(client.session);
  }
  gnutls_free(ticket.data);
  gnutls_free(ticket_key.data);
  gnutls_certificate_free_credentials(client_credentials);
  gnutls_certificate_free_credentials(server_credentials);
  return count / used;
}

double round_trips(double seconds) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  must(bind(listener, generic, length), "bind");
  must(listen(listener, 1), "listen");
  must(getsockname(listener, generic, &length), "getsockname");
  std::thread echo([listener] {
    const int peer = accept(listener, nullptr, nullptr);
    const int yes = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    std::array<char, 64> octets;
    for (ssize_t got = 0; (got = read(peer, octets.data(), octets.size())) > 0;) {
      if (write(peer, octets.data(), static_cast<std::size_t>(got)) != got) break;
    }
    close(peer);
  });
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  must(connect(client, generic, length), "connect");
  const int yes = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const auto began = std::chrono::steady_clock::now();
  const auto elapsed = [began] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };
  std::array<char, 64> octets{};
  int count = 0;
  for (; elapsed() < seconds; ++count) {
    if (write(client, octets.data(), octets.size()) < 0 || read(client, octets.data(), octets.size()) <= 0) break;
  }
  const double rate = count / elapsed();
  close(client);
  echo.join();
  close(listener);
  return rate;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 2;
  std::printf("TLS handshakes with P-256, server's half, one core: %.0f\n", handshakes(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), seconds));
  std::printf("TLS handshakes resumed by a ticket, server's half, one core: %.0f\n", handshakes(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), seconds, true));
  std::printf("TLS handshakes with RSA-2048, server's half, one core: %.0f\n", handshakes(GNUTLS_PK_RSA, 2048, seconds));
  std::printf("loopback round trips of 64 octets, one at a time: %.0f\n", round_trips(seconds));
}
