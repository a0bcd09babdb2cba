// SPDX-License-Identifier: Apache-2.0
//
// A time span as a parameter: every std::chrono duration converts to it without overflow.
#pragma once

#include <chrono>
#include <cstdint>
#include <ratio>
#include <type_traits>

namespace accel {

namespace detail {

/// The nearest number of nanoseconds; 0 for what is not a number.
template <typename Rep, typename Period>
[[nodiscard]] constexpr std::chrono::nanoseconds saturate(
    const std::chrono::duration<Rep, Period>& span) noexcept {
    using Nanoseconds = std::chrono::nanoseconds;
    using Ratio = std::ratio_divide<Period, std::nano>;
    if constexpr (std::is_integral_v<Rep> && Ratio::den == 1) {
        std::int64_t count = 0;
        if (!__builtin_mul_overflow(span.count(), std::int64_t{Ratio::num}, &count)) {
            return Nanoseconds(count);
        }
        return span.count() > 0 ? Nanoseconds::max() : Nanoseconds::min();
    } else {
        constexpr long double bound = 0x1p63L;
        const long double count = static_cast<long double>(span.count()) *
                                  static_cast<long double>(Ratio::num) /
                                  static_cast<long double>(Ratio::den);
        if (count >= bound) {
            return Nanoseconds::max();
        }
        if (count <= -bound) {
            return Nanoseconds::min();
        }
        // False for what is not a number.
        return Nanoseconds(count == count ? static_cast<std::int64_t>(count) : 0);
    }
}

}  // namespace detail

/// A time span in nanoseconds. Each std::chrono duration converts to it; one that is too long for
/// nanoseconds, such as std::chrono::hours::max(), becomes the longest, which means "forever" as a
/// timeout. Fractions of a nanosecond are cut off.
class Duration {
  public:
    constexpr Duration() noexcept = default;

    // NOLINTNEXTLINE(google-explicit-constructor): so that wait(50ms) works
    template <typename Rep, typename Period>
    constexpr Duration(const std::chrono::duration<Rep, Period>& span) noexcept
        : value_(detail::saturate(span)) {}

    [[nodiscard]] static constexpr Duration forever() noexcept {
        return std::chrono::nanoseconds::max();
    }

    [[nodiscard]] constexpr std::chrono::nanoseconds nanoseconds() const noexcept { return value_; }

    friend constexpr bool operator==(const Duration&, const Duration&) noexcept = default;

  private:
    std::chrono::nanoseconds value_{0};
};

/// The time from now to a point in time of any clock; zero if that has passed. A point too far for
/// nanoseconds, such as time_point::max(), means forever. A clock that is set meanwhile, such as
/// std::chrono::system_clock, changes nothing: the time is measured when the wait begins.
template <typename Clock, typename Span>
[[nodiscard]] Duration time_until(const std::chrono::time_point<Clock, Span>& point) {
    const Duration deadline(point.time_since_epoch());
    const Duration now(Clock::now().time_since_epoch());
    if (deadline == Duration::forever()) {
        return Duration::forever();
    }
    std::int64_t left = 0;
    const bool overflows =
        __builtin_sub_overflow(deadline.nanoseconds().count(), now.nanoseconds().count(), &left);
    return overflows || left < 0 ? Duration() : Duration(std::chrono::nanoseconds(left));
}

}  // namespace accel
