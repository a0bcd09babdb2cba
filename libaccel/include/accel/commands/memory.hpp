// SPDX-License-Identifier: Apache-2.0
//
// Commands that move and fill memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "accel/buffer.hpp"
#include "accel/commands/operand.hpp"

namespace accel {

/// Copies `rows` rows of `bytes` bytes each. One row is a plain copy. `dst` and `src` must not
/// overlap.
struct Copy {
    Operand dst = {};
    Operand src = {};
    std::uint64_t bytes = 0;  ///< of one row
    std::uint32_t rows = 1;
    std::uint64_t dst_stride = 0;  ///< bytes from one row to the next
    std::uint64_t src_stride = 0;
};

/// Repeats the low `pattern_bytes` bytes of `pattern` over `rows` rows of `bytes` bytes each.
struct Fill {
    Operand dst = {};
    std::uint64_t pattern = 0;
    std::uint32_t pattern_bytes = 4;  ///< 1, 2, 4 or 8
    std::uint64_t bytes = 0;          ///< of one row: a multiple of pattern_bytes
    std::uint32_t rows = 1;
    std::uint64_t dst_stride = 0;  ///< bytes from one row to the next: a multiple of pattern_bytes
};

/// The command that copies all of `src` to the start of `dst`.
template <typename D, typename S>
[[nodiscard]] Copy copy(const Buffer<D>& dst, const Buffer<S>& src) {
    return {.dst = dst, .src = src, .bytes = src.bytes()};
}

/// The command that sets every element of `dst` to `value`.
template <typename T>
[[nodiscard]] Fill fill(const Buffer<T>& dst, const std::type_identity_t<T>& value) {
    static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8,
                  "the card fills with patterns of 1, 2, 4 or 8 bytes");
    std::uint64_t pattern = 0;
    std::memcpy(&pattern, &value, sizeof(T));
    return {.dst = dst, .pattern = pattern, .pattern_bytes = sizeof(T), .bytes = dst.bytes()};
}

}  // namespace accel
