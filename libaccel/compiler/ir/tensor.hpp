// SPDX-License-Identifier: Apache-2.0
//
// Tensors in the memory of the compiler: weights, and constants computed from them.
#pragma once

#include <accel/command.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/error.hpp"
#include "ir/small_types.hpp"
#include "ir/tensor_storage.hpp"

namespace accel::compiler {

using Dims = std::vector<std::int64_t>;

/// A tensor with more elements than this is a mistake in the file.
inline constexpr std::int64_t max_elements = std::int64_t{1} << 31;

/// The compiler builds no list, such as indices, masks and tables, with more elements than this.
inline constexpr std::int64_t max_listed = std::int64_t{1} << 24;

/// The number of elements. Throws if it is above max_elements.
[[nodiscard]] std::int64_t elements(const Dims& dims);
[[nodiscard]] std::string to_string(const Dims& dims);
[[nodiscard]] std::string_view to_string(DataType type);

[[nodiscard]] constexpr bool is_integer(DataType type) {
    return type == DataType::i8 || type == DataType::u8 || type == DataType::i16 ||
           type == DataType::u16 || type == DataType::i32 || type == DataType::u32 ||
           type == DataType::i64 || type == DataType::u64 || type == DataType::boolean ||
           type == DataType::i4 || type == DataType::u4 || type == DataType::i2 ||
           type == DataType::u2;
}

/// A dense tensor in row-major order.
struct Tensor {
    DataType type = DataType::f32;
    Dims dims;
    TensorStorage data;

    Tensor() = default;
    /// Zeroed.
    Tensor(DataType element, Dims shape);
    Tensor(DataType element, Dims shape, TensorStorage elements)
        : type(element), dims(std::move(shape)), data(std::move(elements)) {}

    template <typename T>
    [[nodiscard]] std::span<T> as() {
        return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
    }
    template <typename T>
    [[nodiscard]] std::span<const T> as() const {
        return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
    }

    /// Some elements, in row-major order, as a tensor of one dimension that shares them.
    [[nodiscard]] Tensor part(std::int64_t first, std::int64_t count) const;

    /// The elements, converted as the engines of the card convert them (see the data sheet).
    [[nodiscard]] std::vector<float> floats() const;
    [[nodiscard]] std::vector<std::int64_t> integers() const;
};

using Constant = std::shared_ptr<const Tensor>;

/// The same elements, shared, as a tensor of another shape.
[[nodiscard]] Constant reshaped_constant(const Tensor& tensor, DataType type, Dims dims);

[[nodiscard]] Constant make_constant(DataType type, Dims dims, std::span<const float> values);
[[nodiscard]] Constant make_constant(DataType type, Dims dims,
                                     std::span<const std::int64_t> values);

}  // namespace accel::compiler
