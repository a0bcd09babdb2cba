// SPDX-License-Identifier: Apache-2.0
//
// Up to six extents, outermost first: the shape of a buffer, or the strides of an operand.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "accel/visibility.hpp"

namespace accel {

/// As many dimensions as an element-wise command has.
inline constexpr std::size_t max_rank = 6;

namespace detail {
[[noreturn]] ACCEL_API void throw_bad_rank(std::size_t rank);
[[noreturn]] ACCEL_API void throw_too_large();
}  // namespace detail

class Shape {
  public:
    constexpr Shape() = default;
    constexpr Shape(std::initializer_list<std::uint64_t> extents)
        : Shape(std::span<const std::uint64_t>(extents.begin(), extents.size())) {}
    explicit constexpr Shape(std::span<const std::uint64_t> extents) : rank_(extents.size()) {
        if (rank_ > max_rank) {
            detail::throw_bad_rank(rank_);
        }
        std::copy(extents.begin(), extents.end(), extents_.begin());
    }

    [[nodiscard]] constexpr std::size_t rank() const noexcept { return rank_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return rank_ == 0; }
    [[nodiscard]] constexpr std::uint64_t operator[](std::size_t i) const noexcept {
        return extents_[i];
    }
    [[nodiscard]] constexpr const std::uint64_t* begin() const noexcept { return extents_.data(); }
    [[nodiscard]] constexpr const std::uint64_t* end() const noexcept {
        return extents_.data() + rank_;
    }

    /// Product of the extents; throws if it does not fit 64 bits.
    [[nodiscard]] constexpr std::uint64_t elements() const {
        std::uint64_t product = 1;
        for (const std::uint64_t extent : *this) {
            if (__builtin_mul_overflow(product, extent, &product)) {
                detail::throw_too_large();
            }
        }
        return product;
    }

    friend constexpr bool operator==(const Shape&, const Shape&) = default;

  private:
    std::array<std::uint64_t, max_rank> extents_{};
    std::size_t rank_ = 0;
};

}  // namespace accel
