// SPDX-License-Identifier: Apache-2.0
#include "runtime/fingerprint.hpp"

#include <algorithm>
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

// FNV-1a, eight bytes at a time.
std::uint64_t with_words(std::uint64_t sum, std::span<const std::byte> bytes) {
    constexpr std::uint64_t prime = 0x100000001b3;
    for_each_word(bytes, [&](std::size_t, std::uint64_t word) {
        sum = (sum ^ word) * prime;
        sum ^= sum >> 32;
    });
    return sum;
}

}  // namespace

void Fingerprint::add(std::span<const std::byte> bytes) {
    if (filled_ != 0) {
        const auto taken = bytes.first(std::min(bytes.size(), rest_.size() - filled_));
        std::ranges::copy(taken, rest_.begin() + static_cast<std::ptrdiff_t>(filled_));
        filled_ += taken.size();
        bytes = bytes.subspan(taken.size());
        if (filled_ < rest_.size()) {
            return;
        }
        sum_ = with_words(sum_, rest_);
        filled_ = 0;
    }
    const std::size_t whole = bytes.size() - bytes.size() % rest_.size();
    sum_ = with_words(sum_, bytes.first(whole));
    rest_ = {};
    std::ranges::copy(bytes.subspan(whole), rest_.begin());
    filled_ = bytes.size() - whole;
}

std::uint64_t Fingerprint::value() const {
    return filled_ == 0 ? sum_ : with_words(sum_, rest_);
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
