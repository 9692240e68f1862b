// See metrics.h.
#include "adieu/relay/observe/metrics.h"

namespace adieu::observe {
namespace {

void begin(std::string& text, std::string_view name, std::string_view help, std::string_view type = "counter") {
  text.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}
void line(std::string& text, std::string_view name, std::string_view labels, std::uint64_t value) {
  text.append(name).append(labels).append(" ").append(std::to_string(value)).append("\n");
}
std::string_view outcome_name(smtp::Fate fate) {
  switch (fate) {
    case smtp::Fate::delivered: return "delivered";
    case smtp::Fate::deferred: return "deferred";
    case smtp::Fate::failed: return "failed";
  }
  return "unknown";
}
void count(std::string& text, std::string_view name, std::string_view help, const Metrics::Count& value) {
  begin(text, name, help);
  line(text, name, "", value.load(std::memory_order_relaxed));
}

}  // namespace

void Metrics::count_queued(std::size_t recipients) {
  ++queued;
  queued_recipients += recipients;
}

void Metrics::count(const smtp::Refusal& refusal) {
  if (refusal.about_syntax()) {
    ++refused_commands;
  } else if (refusal.command == "RCPT") {
    ++refused_recipients;
  } else if (refusal.command == "MAIL" || refusal.command == "DATA" || refusal.command == "BDAT") {
    ++refused_messages;
  } else {
    ++refused_commands;
  }
}

void Metrics::count(smtp::Fate fate, std::uint32_t attempts_before) {
  ++attempts[static_cast<std::size_t>(fate)];
  switch (fate) {
    case smtp::Fate::delivered: ++delivered; break;
    case smtp::Fate::failed: ++failed; break;
    case smtp::Fate::deferred:
      if (attempts_before == 0) ++deferred;
      break;
  }
}

std::string prometheus(const Metrics& metrics, const Ledger& ledger) {
  const Ledger::Totals totals = ledger.totals();
  std::string text;
  count(text, "adieu_messages_queued_total", "Messages of clients that were made durable and acknowledged.", metrics.queued);
  count(text, "adieu_recipients_queued_total", "Recipients of these messages.", metrics.queued_recipients);
  count(text, "adieu_messages_duplicate_total", "Messages whose lost acknowledgement was said again.", metrics.duplicates);
  begin(text, "adieu_refused_total", "Connections, whole messages and recipients that were refused, and commands that made no sense or came out of order.");
  line(text, "adieu_refused_total", "{what=\"connection\"}", metrics.refused_connections);
  line(text, "adieu_refused_total", "{what=\"message\"}", metrics.refused_messages);
  line(text, "adieu_refused_total", "{what=\"recipient\"}", metrics.refused_recipients);
  line(text, "adieu_refused_total", "{what=\"command\"}", metrics.refused_commands);
  begin(text, "adieu_attempts_total", "Attempts to deliver to a recipient, by their outcome.");
  for (const smtp::Fate fate : {smtp::Fate::delivered, smtp::Fate::deferred, smtp::Fate::failed}) {
    line(text, "adieu_attempts_total", "{outcome=\"" + std::string(outcome_name(fate)) + "\"}", metrics.attempts[static_cast<std::size_t>(fate)]);
  }
  begin(text, "adieu_recipients_total", "Recipients by what became of them; deferred: by their first attempt.");
  line(text, "adieu_recipients_total", "{outcome=\"delivered\"}", metrics.delivered);
  line(text, "adieu_recipients_total", "{outcome=\"deferred\"}", metrics.deferred);
  line(text, "adieu_recipients_total", "{outcome=\"failed\"}", metrics.failed);
  begin(text, "adieu_closures_total", "TLS layers that ended, by how and at what cost.");
  for (std::size_t role = 0; role < totals.layers.size(); ++role) {
    for (std::size_t ending = 0; ending < kEndings; ++ending) {
      for (std::size_t effect = 0; effect < kEffects; ++effect) {
        const std::uint64_t layers = totals.layers[role][ending][effect];
        if (layers == 0) continue;
        const std::string labels = std::string(role == 0 ? "{role=\"server\",ending=\"" : "{role=\"client\",ending=\"") +
                                   std::string(tls::name(static_cast<tls::Ending>(ending))) + "\",effect=\"" +
                                   std::string(tls::name(static_cast<tls::Effect>(effect))) + "\"}";
        line(text, "adieu_closures_total", labels, layers);
      }
    }
  }
  begin(text, "adieu_alarms_total", "Alarms, by reason.");
  for (std::size_t reason = 0; reason < kReasons; ++reason) {
    line(text, "adieu_alarms_total", "{reason=\"" + std::string(name(static_cast<AlarmReason>(reason))) + "\"}", totals.alarms[reason]);
  }
  begin(text, "adieu_ledger_peers", "Peers in the closure ledger.", "gauge");
  line(text, "adieu_ledger_peers", "", totals.peers);
  return text;
}

}  // namespace adieu::observe
