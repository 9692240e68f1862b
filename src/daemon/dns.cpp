// See dns.h.
#include "daemon/dns.h"

#include "io/unbound/unbound_resolver.h"

namespace adieu::daemon {
namespace {

class LoopResolver final : public dns::Resolver {
 public:
  LoopResolver(uv::Loop& loop, std::unique_ptr<unbound::UnboundResolver> resolver)
      : resolver_(std::move(resolver)), answers_(loop, resolver_->descriptor(), [this] { resolver_->process(); }) {}
  void mail_exchangers(const std::string& domain, std::function<void(dns::MailExchangers)> done) override {
    resolver_->mail_exchangers(domain, std::move(done));
  }
  void addresses(const std::string& host, std::function<void(dns::Addresses)> done) override {
    resolver_->addresses(host, std::move(done));
  }

 private:
  std::unique_ptr<unbound::UnboundResolver> resolver_;
  uv::Readable answers_;
};

}  // namespace

Result<std::unique_ptr<dns::Resolver>> make_resolver(uv::Loop& loop, const std::vector<Endpoint>& servers) {
  auto resolver = unbound::UnboundResolver::open(servers, loop);
  if (!resolver) return tl::unexpected<Error>(resolver.error());
  return std::make_unique<LoopResolver>(loop, std::move(*resolver));
}

}  // namespace adieu::daemon
