// SPDX-License-Identifier: Apache-2.0
//
// A script of a fuzzed host: random bytes, from which it draws all that it does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace accel::test {

// Draws zeros when there are no bytes left.
class FuzzScript {
  public:
    explicit FuzzScript(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool over() const { return bytes_.empty(); }
    template <typename T>
    T take() {
        T value{};
        const std::size_t count = std::min(bytes_.size(), sizeof value);
        std::memcpy(&value, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
        return value;
    }
    // A number below `limit`, which is at most 256.
    std::uint64_t below(std::uint64_t limit) { return take<std::uint8_t>() % limit; }
    bool coin() { return below(2) == 0; }

  private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace accel::test
