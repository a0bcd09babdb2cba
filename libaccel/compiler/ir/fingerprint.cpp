// SPDX-License-Identifier: Apache-2.0
#include "ir/fingerprint.hpp"

#include <cstring>

namespace accel::compiler {

namespace {

// Calls visit(i, word) for each eight bytes; zeros follow the last bytes.
template <typename Visit>
void for_each_word(std::span<const std::byte> bytes, Visit&& visit) {
    std::uint64_t word = 0;
    std::size_t i = 0;
    for (; i + sizeof word <= bytes.size(); i += sizeof word) {
        std::memcpy(&word, bytes.data() + i, sizeof word);
        visit(i, word);
    }
    if (i < bytes.size()) {
        word = 0;
        std::memcpy(&word, bytes.data() + i, bytes.size() - i);
        visit(i, word);
    }
}

}  // namespace

// FNV-1a, eight bytes at a time.
void Fingerprint::add(std::span<const std::byte> bytes) {
    constexpr std::uint64_t prime = 0x100000001b3;
    for_each_word(bytes, [&](std::size_t, std::uint64_t word) {
        sum_ = (sum_ ^ word) * prime;
        sum_ ^= sum_ >> 32;
    });
}

// A sum of words that are mixed with their places. The constants are those of SplitMix64.
void WeightsFingerprint::add(std::uint64_t offset, std::span<const std::byte> bytes) {
    for_each_word(bytes, [&](std::size_t i, std::uint64_t word) {
        std::uint64_t mixed = word + (offset + i) * 0x9e3779b97f4a7c15;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
        sum_ += word == 0 ? 0 : mixed ^ mixed >> 31;
    });
}

}  // namespace accel::compiler
