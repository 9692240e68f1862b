// See unbound_resolver.h.
#include "io/unbound/unbound_resolver.h"

#include <fcntl.h>
#include <poll.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/lifetime.h"

namespace adieu::unbound {
namespace {

constexpr int kTypeA = 1;
constexpr int kTypeMx = 15;
constexpr int kTypeAaaa = 28;
constexpr int kClassIn = 1;
constexpr int kNameError = 3;
constexpr std::size_t kMaxRecords = 64;
constexpr int kFirstTurns = 300;
constexpr int kFirstTurn = 100;  // milliseconds

/// Zones that libunbound answers by itself, beside those of private networks (`unblock-lan-zones`). Whoever uses one of them at home has a name
/// server that knows it. `localhost` is this machine's own, everywhere (RFC 6761 section 6.3).
constexpr std::array kSpecialZones = {"test.", "invalid.", "onion.", "home.arpa.", "resolver.arpa.", "service.arpa."};

/// A name in wire form (RFC 1035 section 3.1) from `octets`, without its final dot; the root is empty. Answers of libunbound are not compressed.
std::optional<std::string> name_of(Octets octets) {
  std::string name;
  while (!octets.empty()) {
    const auto length = static_cast<unsigned char>(octets.front());
    octets.remove_prefix(1);
    if (length == 0) return to_ascii_lower(name);
    if (length > 63 || octets.size() < length) return std::nullopt;
    if (!name.empty()) name += '.';
    name += octets.substr(0, length);
    octets.remove_prefix(length);
  }
  return std::nullopt;
}

template <class Record>
dns::Answer<Record> answer_of(int error, const ub_result* result, const std::function<std::optional<Record>(Octets)>& read) {
  dns::Answer<Record> answer;
  if (error != 0 || result == nullptr) {
    answer.why = ub_strerror(error);
    return answer;
  }
  answer.authenticated = result->secure != 0;
  if (result->bogus != 0) {
    answer.status = dns::Status::bogus;
    answer.why = result->why_bogus != nullptr ? result->why_bogus : "";
    return answer;
  }
  if (result->rcode == kNameError) {
    answer.status = dns::Status::no_domain;
    return answer;
  }
  if (result->rcode != 0) {
    answer.why = "the name server answers with code " + std::to_string(result->rcode);
    return answer;
  }
  for (std::size_t i = 0; result->havedata != 0 && result->data[i] != nullptr && i < kMaxRecords; ++i) {
    if (auto record = read(Octets(result->data[i], static_cast<std::size_t>(result->len[i])))) answer.records.push_back(std::move(*record));
  }
  answer.status = answer.records.empty() ? dns::Status::no_data : dns::Status::found;
  return answer;
}

std::optional<dns::MailExchanger> read_exchanger(Octets octets) {
  if (octets.size() < 3) return std::nullopt;
  const auto preference = static_cast<std::uint16_t>(static_cast<unsigned char>(octets[0]) << 8 | static_cast<unsigned char>(octets[1]));
  auto name = name_of(octets.substr(2));
  if (!name) return std::nullopt;
  return dns::MailExchanger{preference, std::move(*name)};
}

template <std::size_t Size>
std::optional<IpAddress> read_address(Octets octets) {
  if (octets.size() != Size) return std::nullopt;
  std::array<std::uint8_t, Size> raw{};
  std::transform(octets.begin(), octets.end(), raw.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  if constexpr (Size == 4) {
    return IpAddress::v4(raw);
  } else {
    return IpAddress::v6(raw);
  }
}

class LibResolver final : public UnboundResolver {
 public:
  LibResolver(ub_ctx* context, Executor& executor) : context_(context), executor_(executor) {}
  ~LibResolver() override {
    for (const auto& [id, query] : queries_) {
      if (query->asked) ub_cancel(context_, query->async);
    }
    ub_ctx_delete(context_);
  }

  int descriptor() const override { return ub_fd(context_); }
  void process() override { ub_process(context_); }

  /// libunbound makes its event base at the first question, in a thread of its own, and ends the process where it finds no descriptors for it. So the first
  /// question is asked at the start, when they have been looked for. It is one that libunbound answers by itself.
  Result<> ask_first() {
    bool answered = false;
    ask("localhost", kTypeA, [&answered](int, const ub_result*) { answered = true; });
    for (int turns = 0; turns < kFirstTurns && !answered; ++turns) {
      pollfd waiting{descriptor(), POLLIN, 0};
      ::poll(&waiting, 1, kFirstTurn);
      process();
    }
    if (!answered) return failure(ErrorKind::unavailable, "resolver: libunbound does not answer");
    return {};
  }

  void mail_exchangers(const std::string& domain, std::function<void(dns::MailExchangers)> done) override {
    ask(domain, kTypeMx, [done = std::move(done)](int error, const ub_result* result) {
      auto answer = answer_of<dns::MailExchanger>(error, result, read_exchanger);
      std::sort(answer.records.begin(), answer.records.end());
      done(std::move(answer));
    });
  }

  /// Two questions at once; whoever is answered last has the whole answer.
  void addresses(const std::string& host, std::function<void(dns::Addresses)> done) override {
    struct Both {
      std::optional<dns::Addresses> v6, v4;
      std::function<void(dns::Addresses)> done;
      void finish_when_whole() {
        if (!v6 || !v4) return;
        dns::Addresses all = std::move(*v6);
        const dns::Addresses& other = *v4;
        all.authenticated = all.authenticated && other.authenticated;
        all.records.insert(all.records.end(), other.records.begin(), other.records.end());
        if (!all.records.empty()) {
          all.status = dns::Status::found;
        } else if (other.status == dns::Status::temporary || other.status == dns::Status::bogus) {
          all.status = other.status;
          all.why = other.why;
        }
        done(std::move(all));
      }
    };
    auto both = std::make_shared<Both>();
    both->done = std::move(done);
    ask(host, kTypeAaaa, [both](int error, const ub_result* result) {
      both->v6 = answer_of<IpAddress>(error, result, read_address<16>);
      both->finish_when_whole();
    });
    ask(host, kTypeA, [both](int error, const ub_result* result) {
      both->v4 = answer_of<IpAddress>(error, result, read_address<4>);
      both->finish_when_whole();
    });
  }

 private:
  struct Query {
    LibResolver* resolver = nullptr;
    std::uint64_t id = 0;
    int async = 0;
    bool asked = false;
    std::function<void(int, const ub_result*)> done;
  };

  void ask(const std::string& name, int type, std::function<void(int, const ub_result*)> done) {
    const std::uint64_t id = ++last_id_;
    auto query = std::make_unique<Query>(Query{this, id, 0, false, std::move(done)});
    Query& asked = *query;
    queries_.emplace(id, std::move(query));
    const int error = ub_resolve_async(context_, name.c_str(), type, kClassIn, &asked, answered, &asked.async);
    asked.asked = error == 0;
    if (error == 0) return;
    // Out of memory, for one. Told later, as every answer.
    executor_.post(lifetime_.bind([this, id, error] { finish(*queries_.at(id), error, nullptr); }));
  }

  static void finish(Query& query, int error, const ub_result* result) {
    LibResolver& resolver = *query.resolver;
    const auto done = std::move(query.done);
    resolver.queries_.erase(query.id);
    done(error, result);
  }

  static void answered(void* self, int error, ub_result* result) noexcept {
    const std::unique_ptr<ub_result, void (*)(ub_result*)> owned(result, ub_resolve_free);
    finish(*static_cast<Query*>(self), error, result);
  }

  ub_ctx* context_;
  Executor& executor_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Query>> queries_;
  const Lifetime lifetime_;
};

/// As many as libunbound's thread may need at once.
bool has_descriptors() {
  constexpr std::size_t kOfThread = 24;
  std::vector<int> taken;
  while (taken.size() < kOfThread) {
    const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) break;
    taken.push_back(descriptor);
  }
  for (const int descriptor : taken) ::close(descriptor);
  return taken.size() == kOfThread;
}

}  // namespace

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::open(const std::vector<Endpoint>& servers, Executor& executor) {
  ub_ctx* context = ub_ctx_create();
  if (context == nullptr) return failure(ErrorKind::unavailable, "resolver: out of memory");
  auto resolver = std::make_unique<LibResolver>(context, executor);
  int error = ub_ctx_async(context, 1);
  // It would write to standard error from a thread of its own, past the log, and wait there for whoever reads it.
  ub_ctx_debugout(context, nullptr);
  if (servers.empty()) {
    // A machine without these files asks the roots.
    ub_ctx_resolvconf(context, nullptr);
    ub_ctx_hosts(context, nullptr);
  }
  for (const Endpoint& server : servers) {
    const std::string at = server.address.text() + "@" + std::to_string(server.port);
    if (error == 0) error = ub_ctx_set_fwd(context, at.c_str());
    if (error == 0 && server.address.is_loopback()) error = ub_ctx_set_option(context, "do-not-query-localhost:", "no");
  }
  if (error == 0) error = ub_ctx_set_option(context, "unblock-lan-zones:", "yes");
  // A delivery attempt dials the first ten addresses of a host: the others are to have their turn.
  if (error == 0) error = ub_ctx_set_option(context, "rrset-roundrobin:", "yes");
  for (const char* zone : kSpecialZones) {
    if (error == 0) error = ub_ctx_zone_remove(context, zone);
  }
  if (error != 0) return failure(ErrorKind::invalid, std::string("resolver: ") + ub_strerror(error));
  if (!has_descriptors()) {
    return failure(ErrorKind::unavailable, "resolver: not enough descriptors are left; raise the limit on open files (LimitNOFILE)");
  }
  if (auto asked = resolver->ask_first(); !asked) return tl::unexpected<Error>(std::move(asked.error()));
  return std::unique_ptr<UnboundResolver>(std::move(resolver));
}

}  // namespace adieu::unbound
