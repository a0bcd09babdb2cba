// SPDX-License-Identifier: Apache-2.0
#include "runtime/fingerprint.hpp"

#include <algorithm>
#include <cstring>

namespace accel::compiler {

// FNV-1a, eight bytes at a time.
std::uint64_t fingerprint(std::span<const std::byte> bytes) {
    constexpr std::uint64_t prime = 0x100000001b3;
    std::uint64_t sum = 0xcbf29ce484222325 ^ bytes.size();
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); i += sizeof word) {
        word = 0;
        std::memcpy(&word, &bytes[i], std::min(sizeof word, bytes.size() - i));
        sum = (sum ^ word) * prime;
        sum ^= sum >> 32;
    }
    return sum;
}

}  // namespace accel::compiler
