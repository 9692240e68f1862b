// Where the value of each setting goes: the other half of the table of settings, checked against it by a test.
#pragma once

#include "adieu/relay/config/config.h"
#include "relay/config/values.h"

namespace adieu::config {

/// What a block is about while it is read; the pointers that belong to its kind are set.
struct Target {
  Config* config = nullptr;
  Closure* closure = nullptr;
  Certificate* certificate = nullptr;
  Listener* listener = nullptr;
  NextHop* next_hop = nullptr;
  std::string directory{};            // that paths are relative to
  Position position{};                // of the value
};

using Bind = void (*)(Target&, const Value&);

/// Null for blocks, statements with a form of their own, and what is not supported yet.
Bind binding(std::string_view block, std::string_view name);

/// The values of all settings of `block` that have a default.
void set_defaults(std::string_view block, Target& target);

}  // namespace adieu::config
