// SPDX-License-Identifier: Apache-2.0
//
// Shape: the dimensions of a buffer, or the strides of an operand, outermost first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "accel/visibility.hpp"

namespace accel {

/// The most dimensions of a Shape, and of a command that takes one.
inline constexpr std::size_t max_rank = 6;

namespace detail {
[[noreturn]] ACCEL_API void throw_bad_rank(std::size_t rank);
[[noreturn]] ACCEL_API void throw_too_large();
}  // namespace detail

/// Up to max_rank dimensions, outermost first. A shape without dimensions (rank 0) is empty.
/// Throws Error(invalid_argument) if there are more. Thread-safety: a value.
class Shape {
  public:
    constexpr Shape() = default;
    constexpr Shape(std::initializer_list<std::uint64_t> dimensions)
        : Shape(std::span<const std::uint64_t>(dimensions.begin(), dimensions.size())) {}
    explicit constexpr Shape(std::span<const std::uint64_t> dimensions) : rank_(dimensions.size()) {
        if (rank_ > max_rank) {
            detail::throw_bad_rank(rank_);
        }
        std::copy(dimensions.begin(), dimensions.end(), dimensions_.begin());
    }

    [[nodiscard]] constexpr std::size_t rank() const noexcept { return rank_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return rank_ == 0; }
    [[nodiscard]] constexpr std::uint64_t operator[](std::size_t i) const noexcept {
        return dimensions_[i];
    }
    [[nodiscard]] constexpr const std::uint64_t* begin() const noexcept {
        return dimensions_.data();
    }
    [[nodiscard]] constexpr const std::uint64_t* end() const noexcept {
        return dimensions_.data() + rank_;
    }

    /// The product of the dimensions. Throws Error(invalid_argument) if it does not fit 64 bits.
    [[nodiscard]] constexpr std::uint64_t elements() const {
        std::uint64_t product = 1;
        for (const std::uint64_t dimension : *this) {
            if (__builtin_mul_overflow(product, dimension, &product)) {
                detail::throw_too_large();
            }
        }
        return product;
    }

    friend constexpr bool operator==(const Shape&, const Shape&) = default;

  private:
    std::array<std::uint64_t, max_rank> dimensions_{};
    std::size_t rank_ = 0;
};

}  // namespace accel
