// SPDX-License-Identifier: Apache-2.0
#include "ir/tensor.hpp"

#include <accel/tensor.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/small_types.hpp"

namespace accel {

std::uint64_t TensorInfo::elements() const {
    const bool open = std::ranges::any_of(shape, [](std::int64_t n) { return n < 0; });
    return open ? 0 : static_cast<std::uint64_t>(compiler::elements(shape));
}
std::uint64_t TensorInfo::bytes() const {
    return elements() * size_of(type);
}

namespace compiler {

std::int64_t elements(const Dims& dims) {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) {
        if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > max_elements) {
            refuse(
                "a tensor of the shape " + to_string(dims) +
                " is not possible: a dimension is negative, or there are more than 2^31 elements");
        }
    }
    return count;
}

std::string to_string(const Dims& dims) {
    std::string text = "[";
    for (const std::int64_t dim : dims) {
        text += (text.size() > 1 ? "," : "") + std::to_string(dim);
    }
    return text + "]";
}

std::string_view to_string(DataType type) {
    switch (type) {
        case DataType::f32:
            return "f32";
        case DataType::bf16:
            return "bf16";
        case DataType::f16:
            return "f16";
        case DataType::i8:
            return "i8";
        case DataType::u8:
            return "u8";
        case DataType::i16:
            return "i16";
        case DataType::u16:
            return "u16";
        case DataType::i32:
            return "i32";
        case DataType::u32:
            return "u32";
        case DataType::i64:
            return "i64";
        case DataType::boolean:
            return "bool";
        case DataType::f64:
            return "f64";
        case DataType::u64:
            return "u64";
        case DataType::f8e4m3fn:
            return "f8e4m3fn";
        case DataType::f8e4m3fnuz:
            return "f8e4m3fnuz";
        case DataType::f8e5m2:
            return "f8e5m2";
        case DataType::f8e5m2fnuz:
            return "f8e5m2fnuz";
        case DataType::f8e8m0:
            return "f8e8m0";
        case DataType::f4e2m1:
            return "f4e2m1";
        case DataType::i4:
            return "i4";
        case DataType::u4:
            return "u4";
        case DataType::i2:
            return "i2";
        case DataType::u2:
            return "u2";
    }
    return "?";
}

Tensor::Tensor(DataType element, Dims shape)
    : type(element),
      dims(std::move(shape)),
      data(static_cast<std::size_t>(elements(dims)) * size_of(type)) {}

Tensor Tensor::part(std::int64_t first, std::int64_t count) const {
    const std::size_t bytes = size_of(type);
    return {type,
            {count},
            data.part(static_cast<std::size_t>(first) * bytes,
                      static_cast<std::size_t>(count) * bytes)};
}

Constant reshaped_constant(const Tensor& tensor, DataType type, Dims dims) {
    return std::make_shared<Tensor>(type, std::move(dims), tensor.data);
}

namespace {

float from_half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f;
    const int mantissa = bits & 0x3ff;
    float value = exponent == 0    ? std::ldexp(static_cast<float>(mantissa), -24)
                  : exponent == 31 ? (mantissa == 0 ? std::numeric_limits<float>::infinity()
                                                    : std::numeric_limits<float>::quiet_NaN())
                                   : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    return (bits & 0x8000) != 0 ? -value : value;
}

std::uint16_t to_half(float x) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
    const float a = std::fabs(x);
    if (std::isnan(x)) {
        return sign | 0x7e00;
    }
    if (a >= 65520.0F) {
        return sign | 0x7c00;
    }
    if (a == 0) {
        return sign;
    }
    int exponent = 0;
    std::frexp(a, &exponent);
    // The exponent of the last bit. nearbyint rounds half to even.
    const int last = std::max(exponent - 11, -24);
    const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(a, -last)));
    return static_cast<std::uint16_t>(sign | (last == -24 ? units : units + ((last + 24) << 10)));
}

std::uint16_t to_bf16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if (std::isnan(x)) {
        return static_cast<std::uint16_t>(bits >> 16 | 0x40);
    }
    return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Elements of a tensor, which may be anywhere in a file: they need no alignment.
class Reader {
  public:
    explicit Reader(const Tensor& tensor)
        : type(tensor.type), dims(tensor.dims), first_(tensor.data.data()) {}

    template <typename T>
    [[nodiscard]] T get(std::size_t i) const {
        T value;
        std::memcpy(&value, first_ + i * sizeof(T), sizeof(T));
        return value;
    }

    DataType type;
    const Dims& dims;

  private:
    const std::byte* first_;
};

template <typename T>
T read(const Reader& reader, std::size_t i) {
    return reader.get<T>(i);
}

template <typename Integer>
Integer truncate(double x) {
    if (std::isnan(x)) {
        return 0;
    }
    const double wide = std::trunc(x);
    if (wide >= static_cast<double>(std::numeric_limits<Integer>::max())) {
        return std::numeric_limits<Integer>::max();
    }
    return wide <= static_cast<double>(std::numeric_limits<Integer>::min())
               ? std::numeric_limits<Integer>::min()
               : static_cast<Integer>(wide);
}

template <typename Number>
Number from_float(float x) {
    if constexpr (std::is_same_v<Number, float>) {
        return x;
    } else {
        return truncate<std::int64_t>(x);
    }
}

template <typename Number>
std::vector<Number> numbers(const Tensor& tensor) {
    const Reader t(tensor);
    std::vector<Number> values(static_cast<std::size_t>(elements(t.dims)));
    for (std::size_t i = 0; i < values.size(); ++i) {
        switch (t.type) {
            case DataType::f32:
                values[i] = from_float<Number>(read<float>(t, i));
                break;
            case DataType::bf16:
                values[i] = from_float<Number>(std::bit_cast<float>(
                    static_cast<std::uint32_t>(read<std::uint16_t>(t, i)) << 16));
                break;
            case DataType::f16:
                values[i] = from_float<Number>(from_half(read<std::uint16_t>(t, i)));
                break;
            case DataType::i8:
                values[i] = static_cast<Number>(int{read<std::int8_t>(t, i)});
                break;
            case DataType::u8:
                values[i] = static_cast<Number>(read<std::uint8_t>(t, i));
                break;
            case DataType::boolean:
                values[i] = static_cast<Number>(read<std::uint8_t>(t, i) != 0);
                break;
            case DataType::i16:
                values[i] = static_cast<Number>(read<std::int16_t>(t, i));
                break;
            case DataType::u16:
                values[i] = static_cast<Number>(read<std::uint16_t>(t, i));
                break;
            case DataType::i32:
                values[i] = static_cast<Number>(read<std::int32_t>(t, i));
                break;
            case DataType::u32:
                values[i] = static_cast<Number>(read<std::uint32_t>(t, i));
                break;
            case DataType::i64:
                values[i] = static_cast<Number>(read<std::int64_t>(t, i));
                break;
            case DataType::f64:
                values[i] = std::is_same_v<Number, float>
                                ? static_cast<Number>(read<double>(t, i))
                                : static_cast<Number>(truncate<std::int64_t>(read<double>(t, i)));
                break;
            case DataType::u64:
                values[i] = std::is_same_v<Number, float>
                                ? static_cast<Number>(read<std::uint64_t>(t, i))
                                : static_cast<Number>(std::min<std::uint64_t>(
                                      read<std::uint64_t>(t, i), INT64_MAX));
                break;
            default:
                values[i] = from_float<Number>(small_to_float(t.type, read<std::uint8_t>(t, i)));
                break;
        }
    }
    return values;
}

template <typename T, typename Number>
T to_integer(Number x) {
    if constexpr (std::is_same_v<Number, float>) {
        return truncate<T>(x);
    } else {
        return static_cast<T>(x);
    }
}

template <typename Number>
Constant make(DataType type, Dims dims, std::span<const Number> values) {
    auto tensor = std::make_shared<Tensor>(type, std::move(dims));
    std::byte* const first = tensor->data.data();
    const auto write = [&](std::size_t i, auto value) {
        std::memcpy(first + i * sizeof value, &value, sizeof value);
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
        const Number x = values[i];
        switch (type) {
            case DataType::f32:
                write(i, static_cast<float>(x));
                break;
            case DataType::bf16:
                write(i, to_bf16(static_cast<float>(x)));
                break;
            case DataType::f16:
                write(i, to_half(static_cast<float>(x)));
                break;
            case DataType::i8:
                write(i, to_integer<std::int8_t>(x));
                break;
            case DataType::u8:
                write(i, to_integer<std::uint8_t>(x));
                break;
            case DataType::boolean:
                write(i, static_cast<std::uint8_t>(x != 0));
                break;
            case DataType::i16:
                write(i, to_integer<std::int16_t>(x));
                break;
            case DataType::u16:
                write(i, to_integer<std::uint16_t>(x));
                break;
            case DataType::i32:
                write(i, to_integer<std::int32_t>(x));
                break;
            case DataType::u32:
                write(i, to_integer<std::uint32_t>(x));
                break;
            case DataType::i64:
                write(i, to_integer<std::int64_t>(x));
                break;
            case DataType::f64:
                write(i, static_cast<double>(x));
                break;
            case DataType::u64:
                write(i, to_integer<std::uint64_t>(x));
                break;
            default:
                write(i, to_small(type, x));
                break;
        }
    }
    return tensor;
}

}  // namespace

float rounded_to(DataType type, float x) {
    switch (type) {
        case DataType::f16:
            return from_half(to_half(x));
        case DataType::bf16:
            return std::bit_cast<float>(static_cast<std::uint32_t>(to_bf16(x)) << 16);
        default:
            return x;
    }
}

std::vector<float> Tensor::floats() const {
    return numbers<float>(*this);
}
std::vector<std::int64_t> Tensor::integers() const {
    return numbers<std::int64_t>(*this);
}
Constant make_constant(DataType type, Dims dims, std::span<const float> values) {
    return make(type, std::move(dims), values);
}
Constant make_constant(DataType type, Dims dims, std::span<const std::int64_t> values) {
    return make(type, std::move(dims), values);
}

}  // namespace compiler

}  // namespace accel
