// See reply_catalog.h.
#include "adieu/protocol/smtp/reply_catalog.h"

#include "adieu/base/bytes.h"

namespace adieu::smtp::reply {

Reply greeting(std::string_view hostname) { return make(220, {}, std::string(hostname) + " ESMTP adieu"); }
Reply closing(std::string_view hostname) { return make(221, {2, 0, 0}, std::string(hostname) + " Adieu"); }
Reply hello(std::string_view hostname, std::string_view client) {
  return make(250, {}, client.empty() ? std::string(hostname) : std::string(hostname) + " greets " + printable(client));
}
Reply ready_for_tls() { return make(220, {2, 0, 0}, "Ready to start TLS"); }
Reply chunk_ok(std::uint64_t octets) { return make(250, {2, 0, 0}, std::to_string(octets) + " octets received"); }
Reply queued(std::string_view queue_id) { return make(250, {2, 0, 0}, "Ok: queued as " + std::string(queue_id)); }

}  // namespace adieu::smtp::reply
