// See refusal.h.
#include "adieu/protocol/smtp/refusal.h"

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp {

bool Refusal::about_syntax() const {
  return (reply.code >= 500 && reply.code <= 504) || reply.code == 555 || reply == reply::no_valid_recipients();
}

}  // namespace adieu::smtp
