// SPDX-License-Identifier: Apache-2.0
//
// The device coredump of a card.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "card.hpp"

namespace uapi {

class Coredump {
  public:
    /// Waits for the dump of this card, and reads it.
    explicit Coredump(const Card& card);
    /// Makes room for the next dump.
    static void discard(const Card& card);

    [[nodiscard]] const std::string& text() const { return text_; }
    /// The value of a key in a section; empty if there is none.
    [[nodiscard]] std::string value(const std::string& section, const std::string& key) const;
    [[nodiscard]] bool has(const std::string& section) const;

  private:
    std::string text_;
    std::map<std::string, std::map<std::string, std::string>> sections_;
};

}  // namespace uapi
