// `adieu probe`: a table, or JSON lines, of what another server does at the end of TLS. See commands.h.
#include <unistd.h>

#include <array>
#include <iostream>
#include <nlohmann/json.hpp>

#include "adieu/protocol/mail/address.h"
#include "adieu/relay/probe/probe.h"
#include "cli/commands.h"
#include "tools/probe_dialer.h"
#include "io/gnutls/credentials.h"
#include "relay/config/values.h"

namespace adieu::cli {
namespace {

using probe::Verdict;

int refuse(const std::string& why) {
  std::cerr << "adieu probe: " << why << '\n';
  return kUsage;
}

std::string machine_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && mail::is_domain(name.data()) ? name.data() : "localhost";
}

std::string as_json(const probe::Finding& finding) {
  nlohmann::ordered_json line = {{"question", probe::name(finding.question)}, {"verdict", probe::name(finding.verdict)}};
  if (!finding.tls.empty()) line["tls"] = finding.tls;
  if (!finding.answer.empty()) line["answer"] = finding.answer;
  if (finding.after) line["milliseconds"] = finding.after->count();
  if (!finding.detail.empty()) line["detail"] = finding.detail;
  return line.dump();
}

}  // namespace

int probe(const ProbeCommand& command) {
  const auto host = config::parse_host(command.server, 0);
  if (!host || host->port == 0) return refuse("expected HOST:PORT, such as mail.example.org:25 or [::1]:25, found " + command.server);
  const auto timeout = config::parse_duration(command.timeout);
  if (!timeout || timeout->count() == 0) return refuse("--timeout: expected a duration such as 10s, found " + command.timeout);
  probe::Plan plan;
  plan.hostname = command.hostname.empty() ? machine_name() : command.hostname;
  if (!mail::is_domain(plan.hostname)) return refuse("--hostname: expected a host name, found " + plan.hostname);
  plan.implicit_tls = command.implicit_tls;
  plan.now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  for (const auto& [option, text] : {std::pair("--rcpt", command.rcpt), std::pair("--from", command.from)}) {
    if (!text.empty() && !mail::parse_mailbox(text)) return refuse(std::string(option) + ": expected an address such as a@example.org, found " + text);
  }
  if (!command.rcpt.empty()) plan.forward_path = mail::parse_mailbox(command.rcpt);
  if (!command.from.empty()) plan.reverse_path = *mail::parse_mailbox(command.from);
  if (!command.trust.empty()) {
    const auto trusted = gnutls::make_client_credentials("NORMAL", true, command.trust);
    if (!trusted) return refuse("--trust: " + trusted.error().message);
  }

  int weak = 0;
  int untested = 0;
  const auto tell = [&](const probe::Finding& finding) {
    weak += finding.verdict == Verdict::weak ? 1 : 0;
    untested += finding.verdict == Verdict::untested ? 1 : 0;
    std::cout << (command.json ? as_json(finding) : finding.row()) << std::endl;  // at once: the next answer may take its time
  };
  auto dialer = tools::ProbeDialer::open({host->host, host->port, *timeout, command.trust});
  if (!dialer) {
    tell({probe::Question::connection, Verdict::untested, {}, "no connection", printable(dialer.error().message), std::nullopt});
  } else {
    probe::run(plan, [&dialer] { return dialer->connect(); }, tell);
  }
  if (!command.json) std::cout << weak << " weak, " << untested << " untested\n";
  return weak != 0 ? kFailed : untested != 0 ? kTemporary : kOk;
}

}  // namespace adieu::cli
