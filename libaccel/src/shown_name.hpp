// SPDX-License-Identifier: Apache-2.0
//
// Names that a program passes, such as that of a device, in the form for messages.
// libaccel_emulated compiles this header too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace accel::detail {

/// The name with its control characters as \xNN. Of more than 64 bytes, the first ones and "...".
/// The cut is at the start of a character of UTF-8.
[[nodiscard]] inline std::string shown_name(std::string_view name) {
    constexpr std::size_t most = 64;
    constexpr std::string_view digits = "0123456789abcdef";
    std::size_t length = name.size();
    if (length > most) {
        length = most;
        while (length > 0 && (static_cast<unsigned char>(name[length]) & 0xC0U) == 0x80U) {
            --length;
        }
    }
    std::string text;
    for (const char character : name.substr(0, length)) {
        const auto byte = static_cast<unsigned char>(character);
        if (byte < 0x20 || byte == 0x7F) {
            text += "\\x";
            text += digits[byte >> 4U];
            text += digits[byte & 0xFU];
        } else {
            text += character;
        }
    }
    return length < name.size() ? text + "..." : text;
}

}  // namespace accel::detail
