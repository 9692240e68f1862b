// See closure.h.
#include "adieu/protocol/tls/closure.h"

namespace adieu::tls {

std::string_view name(Ending ending) {
  switch (ending) {
    case Ending::mutual: return "mutual";
    case Ending::unanswered: return "unanswered";
    case Ending::fin: return "fin";
    case Ending::rst: return "rst";
    case Ending::timeout: return "timeout";
    case Ending::alert: return "alert";
    case Ending::corrupt: return "corrupt";
    case Ending::injected: return "injected";
    case Ending::handshake: return "handshake";
  }
  return "unknown";
}

std::string_view name(Effect effect) {
  switch (effect) {
    case Effect::none: return "none";
    case Effect::after_quit: return "after-quit";
    case Effect::rolled_back: return "rolled-back";
    case Effect::revoked: return "revoked";
    case Effect::ack_unconfirmed: return "ack-unconfirmed";
  }
  return "unknown";
}

}  // namespace adieu::tls
