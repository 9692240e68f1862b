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
void count(std::string& text, std::string_view name, std::string_view help, const Metrics::Count& value) {
  begin(text, name, help);
  line(text, name, "", value.load(std::memory_order_relaxed));
}

}  // namespace

std::string prometheus(const Metrics& metrics, const Ledger& ledger) {
  const Ledger::Totals totals = ledger.totals();
  std::string text;
  count(text, "adieu_messages_queued_total", "Messages that were made durable and acknowledged.", metrics.queued);
  count(text, "adieu_messages_duplicate_total", "Messages whose lost acknowledgement was said again.", metrics.duplicates);
  count(text, "adieu_refused_total", "MAIL and RCPT commands that policy refused.", metrics.refused);
  begin(text, "adieu_recipients_total", "Recipients of delivery attempts, by what became of them.");
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
