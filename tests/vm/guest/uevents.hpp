// SPDX-License-Identifier: Apache-2.0
//
// The uevents of the kernel, as udev receives them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "uapi.hpp"

namespace uapi {

/// Receives uevents from its construction on.
class Uevents {
  public:
    using Properties = std::map<std::string, std::string>;

    Uevents();
    /// The properties of the next uevent that has the property `key`; throws if none arrives.
    [[nodiscard]] Properties await(const std::string& key);

  private:
    [[nodiscard]] std::optional<Properties> receive();
    Descriptor socket_;
};

}  // namespace uapi
