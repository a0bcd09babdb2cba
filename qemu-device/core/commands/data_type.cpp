// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Conversion of single elements, and the loops over many.
#include "data_type.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "numerics/math.hpp"
#include "numerics/small_types.hpp"
#include "numerics/vectorize.hpp"

namespace accel::card {

namespace {

struct BFloat16 {
    std::uint16_t bits;
};
struct Float16 {
    std::uint16_t bits;
};
struct Bool {
    std::uint8_t byte;
};
template <SmallFloat format>
struct Small {
    std::uint8_t code;
};
struct PowerOfTwo {
    std::uint8_t code;
};
template <unsigned bits, bool is_signed>
struct SmallInteger {
    std::uint8_t byte;

    static constexpr int low = is_signed ? -(1 << (bits - 1)) : 0;
    static constexpr int high = low + (1 << bits) - 1;
};

float widen(BFloat16 x) {
    return std::bit_cast<float>(std::uint32_t{x.bits} << 16);
}

float widen(Float16 x) {
    const std::uint32_t sign = std::uint32_t{x.bits} >> 15 << 31;
    const std::uint32_t exponent = x.bits >> 10 & 0x1f;
    const std::uint32_t mantissa = x.bits & 0x3ff;
    if (exponent == 0) {
        const float small = static_cast<float>(mantissa) * 0x1p-24F;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(small) | sign);
    }
    const std::uint32_t wide = exponent == 0x1f ? 0xff : exponent + 112;
    return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

template <SmallFloat format>
float widen(Small<format> x) {
    return small_values<format>[x.code];
}

float widen(PowerOfTwo x) {
    return decode_power(x.code);
}

template <unsigned bits, bool is_signed>
int widen(SmallInteger<bits, is_signed> x) {
    if constexpr (is_signed) {
        return decode_signed(x.byte, bits);
    } else {
        return decode_unsigned(x.byte, bits);
    }
}

// Rounds half to even; a NaN remains a NaN.
BFloat16 narrow_bf16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if (std::isnan(x)) {
        return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};
    }
    return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

Float16 narrow_f16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
    const std::uint32_t magnitude = bits & 0x7fffffff;
    std::uint32_t half = 0;
    if (magnitude > 0x7f800000) {
        half = 0x7e00 | (magnitude >> 13 & 0x1ff);
    } else if (magnitude >= 0x477ff000) {
        half = 0x7c00;
    } else if (magnitude < 0x38800000) {
        // Adding a number whose last bit is worth 2^-24 rounds to a multiple of 2^-24.
        const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
        half = std::bit_cast<std::uint32_t>(rounded) - 0x3f000000;
    } else {
        half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return {static_cast<std::uint16_t>(sign | half)};
}

template <typename Integer, typename Float>
Integer truncate(Float x) {
    if (std::isnan(x)) {
        return 0;
    }
    // The bounds as floats. `high` is the first value that is too large.
    constexpr auto low = static_cast<Float>(std::numeric_limits<Integer>::min());
    constexpr Float high =
        static_cast<Float>(Integer{1} << (std::numeric_limits<Integer>::digits - 1)) * 2;
    if (x >= high) {
        return std::numeric_limits<Integer>::max();
    }
    return x <= low ? std::numeric_limits<Integer>::min() : static_cast<Integer>(x);
}

template <typename Number, typename Element>
Number to_number(Element x) {
    if constexpr (std::is_same_v<Element, Bool>) {
        return x.byte != 0 ? 1 : 0;
    } else if constexpr (std::is_class_v<Element>) {
        return to_number<Number>(widen(x));
    } else if constexpr (std::is_same_v<Number, std::int64_t> &&
                         std::is_floating_point_v<Element>) {
        return truncate<std::int64_t>(x);
    } else if constexpr (std::is_same_v<Number, std::int64_t> &&
                         std::is_same_v<Element, std::uint64_t>) {
        return static_cast<std::int64_t>(std::min<std::uint64_t>(x, INT64_MAX));
    } else {
        return static_cast<Number>(x);
    }
}

template <SmallFloat format>
void narrow(float x, Small<format>& element) {
    element.code = encode_small<format>(x);
}
void narrow(std::int64_t x, auto& element) {
    narrow(static_cast<float>(x), element);
}
void narrow(float x, PowerOfTwo& element) {
    element.code = encode_power(x);
}
template <unsigned bits, bool is_signed>
void narrow(float x, SmallInteger<bits, is_signed>& element) {
    using Integer = SmallInteger<bits, is_signed>;
    element.byte = static_cast<std::uint8_t>(
        std::clamp<int>(truncate<std::int8_t>(x), Integer::low, Integer::high));
}
// The low bits, extended to a byte.
template <unsigned bits, bool is_signed>
void narrow(std::int64_t x, SmallInteger<bits, is_signed>& element) {
    element.byte = static_cast<std::uint8_t>(x);
    element.byte = static_cast<std::uint8_t>(widen(element));
}

template <typename Element, typename Number>
Element to_element(Number x) {
    if constexpr (std::is_same_v<Element, Bool>) {
        return {static_cast<std::uint8_t>(x != 0)};
    } else if constexpr (std::is_same_v<Element, BFloat16>) {
        return narrow_bf16(static_cast<float>(x));
    } else if constexpr (std::is_same_v<Element, Float16>) {
        return narrow_f16(static_cast<float>(x));
    } else if constexpr (std::is_class_v<Element>) {
        Element element{};
        narrow(x, element);
        return element;
    } else if constexpr (std::is_same_v<Number, float> && std::is_integral_v<Element>) {
        return truncate<Element>(x);
    } else {
        return static_cast<Element>(x);
    }
}

template <typename T>
struct Tag {
    using Type = T;
};

// Calls visit with a tag of the C++ type that represents a data type.
template <typename Visit>
void with_type(std::uint8_t type, Visit&& visit) {
    switch (type) {
        case ACCEL_TYPE_F32:
            return visit(Tag<float>{});
        case ACCEL_TYPE_BF16:
            return visit(Tag<BFloat16>{});
        case ACCEL_TYPE_F16:
            return visit(Tag<Float16>{});
        case ACCEL_TYPE_I8:
            return visit(Tag<std::int8_t>{});
        case ACCEL_TYPE_U8:
            return visit(Tag<std::uint8_t>{});
        case ACCEL_TYPE_I16:
            return visit(Tag<std::int16_t>{});
        case ACCEL_TYPE_U16:
            return visit(Tag<std::uint16_t>{});
        case ACCEL_TYPE_I32:
            return visit(Tag<std::int32_t>{});
        case ACCEL_TYPE_U32:
            return visit(Tag<std::uint32_t>{});
        case ACCEL_TYPE_I64:
            return visit(Tag<std::int64_t>{});
        case ACCEL_TYPE_BOOL:
            return visit(Tag<Bool>{});
        case ACCEL_TYPE_F64:
            return visit(Tag<double>{});
        case ACCEL_TYPE_U64:
            return visit(Tag<std::uint64_t>{});
        case ACCEL_TYPE_F8E4M3FN:
            return visit(Tag<Small<f8e4m3fn>>{});
        case ACCEL_TYPE_F8E4M3FNUZ:
            return visit(Tag<Small<f8e4m3fnuz>>{});
        case ACCEL_TYPE_F8E5M2:
            return visit(Tag<Small<f8e5m2>>{});
        case ACCEL_TYPE_F8E5M2FNUZ:
            return visit(Tag<Small<f8e5m2fnuz>>{});
        case ACCEL_TYPE_F8E8M0:
            return visit(Tag<PowerOfTwo>{});
        case ACCEL_TYPE_F4E2M1:
            return visit(Tag<Small<f4e2m1>>{});
        case ACCEL_TYPE_I4:
            return visit(Tag<SmallInteger<4, true>>{});
        case ACCEL_TYPE_U4:
            return visit(Tag<SmallInteger<4, false>>{});
        case ACCEL_TYPE_I2:
            return visit(Tag<SmallInteger<2, true>>{});
        case ACCEL_TYPE_U2:
            return visit(Tag<SmallInteger<2, false>>{});
        default:
            return;
    }
}

// Elements are copied in and out, because a buffer may hold other types before and after. The
// operands of a loop do not overlap.
template <typename Element, typename Number>
struct LoadLoop {
    ACCEL_INLINE void operator()(const std::uint8_t* __restrict from, std::size_t count,
                                 Number* __restrict to) const {
        for (std::size_t i = 0; i < count; ++i) {
            Element element;
            std::memcpy(&element, from + i * sizeof(Element), sizeof element);
            to[i] = to_number<Number>(element);
        }
    }
};

template <typename Element, typename Number>
struct StoreLoop {
    ACCEL_INLINE void operator()(const Number* __restrict from, std::size_t count,
                                 std::uint8_t* __restrict to) const {
        for (std::size_t i = 0; i < count; ++i) {
            const auto element = to_element<Element>(from[i]);
            std::memcpy(to + i * sizeof(Element), &element, sizeof element);
        }
    }
};

template <typename Number>
void load_all(std::uint8_t type, const void* from, std::size_t count, Number* to) {
    with_type(type, [&]<typename T>(Tag<T>) {
        if constexpr (std::is_same_v<T, Number>) {
            std::memmove(to, from, count * sizeof(T));
        } else {
            run_vectorized<LoadLoop<T, Number>>(static_cast<const std::uint8_t*>(from), count, to);
        }
    });
}

template <typename Number>
void store_all(std::uint8_t type, const Number* from, std::size_t count, void* to) {
    with_type(type, [&]<typename T>(Tag<T>) {
        // A part is read before any of it is written, for stores in place.
        constexpr std::size_t part = 1024;
        std::array<std::uint8_t, part * sizeof(T)> converted;
        auto* const out = static_cast<std::uint8_t*>(to);
        for (std::size_t done = 0; done < count; done += part) {
            const std::size_t now = std::min(count - done, part);
            run_vectorized<StoreLoop<T, Number>>(from + done, now, converted.data());
            std::memcpy(out + done * sizeof(T), converted.data(), now * sizeof(T));
        }
    });
}

}  // namespace

unsigned type_bytes(std::uint8_t type) {
    unsigned bytes = 0;
    with_type(type, [&]<typename T>(Tag<T>) { bytes = sizeof(T); });
    return bytes;
}

void load(std::uint8_t type, const void* from, std::size_t count, float* to) {
    load_all(type, from, count, to);
}
void load(std::uint8_t type, const void* from, std::size_t count, std::int64_t* to) {
    load_all(type, from, count, to);
}
void store(std::uint8_t type, const float* from, std::size_t count, void* to) {
    store_all(type, from, count, to);
}
void store(std::uint8_t type, const std::int64_t* from, std::size_t count, void* to) {
    store_all(type, from, count, to);
}

}  // namespace accel::card
