// SPDX-License-Identifier: Apache-2.0
#include "ir/tensor.hpp"

#include <accel/tensor.hpp>

#include <algorithm>

#include "ir/number_conversion.hpp"

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

template <typename Number>
std::vector<Number> numbers(const Tensor& tensor) {
    std::vector<Number> values(static_cast<std::size_t>(elements(tensor.dims)));
    read_numbers(tensor.type, {tensor.data.data(), tensor.data.size()}, std::span(values));
    return values;
}

template <typename Number>
Constant make(DataType type, Dims dims, std::span<const Number> values) {
    auto tensor = std::make_shared<Tensor>(type, std::move(dims));
    write_numbers(type, values, {tensor->data.data(), tensor->data.size()});
    return tensor;
}

}  // namespace

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
