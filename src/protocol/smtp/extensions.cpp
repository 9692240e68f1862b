// See extensions.h.
#include "adieu/protocol/smtp/extensions.h"

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp {

Reply ehlo_reply(const ServerProfile& profile, const ServerLayer& layer, std::string_view client) {
  Reply reply = reply::hello(profile.hostname, client);
  reply.text += "\nPIPELINING\nSIZE " + std::to_string(profile.limits.message_size);
  reply.text += "\n8BITMIME\nENHANCEDSTATUSCODES\nCHUNKING";
  if (!layer.secure && layer.offers_starttls) reply.text += "\nSTARTTLS";
  if (layer.secure && layer.returns_to_plaintext) reply.text += "\nXTLSRETURN";
  return reply;
}

}  // namespace adieu::smtp
