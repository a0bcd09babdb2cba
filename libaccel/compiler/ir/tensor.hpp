// SPDX-License-Identifier: Apache-2.0
//
// Tensors that the compiler holds itself: weights, and what it computed from them.
#pragma once

#include <accel/command.hpp>
#include <accel/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace accel::compiler {

using Dims = std::vector<std::int64_t>;

/// More than this in one tensor is a broken file or a mistake in it.
inline constexpr std::int64_t max_elements = std::int64_t{1} << 31;

/// More numbers than this are not made one by one: indices, masks, tables.
inline constexpr std::int64_t most_listed = std::int64_t{1} << 24;

/// Throws if it is more than max_elements.
[[nodiscard]] std::int64_t elements(const Dims& dims);
[[nodiscard]] std::string to_string(const Dims& dims);
[[nodiscard]] std::string_view to_string(DataType type);

[[nodiscard]] constexpr bool is_integer(DataType type) {
    return type == DataType::i8 || type == DataType::u8 || type == DataType::i16 ||
           type == DataType::u16 || type == DataType::i32 || type == DataType::u32 ||
           type == DataType::i64 || type == DataType::u64 || type == DataType::boolean;
}

/// A mistake in a model, or what the compiler cannot do. Node and file are added on the way out.
[[noreturn]] void refuse(const std::string& what);

/// What an error says, without the words of its errno at the end.
[[nodiscard]] std::string message_of(const Error& error);

/// A dense tensor.
struct Tensor {
    DataType type = DataType::f32;
    Dims dims;
    std::vector<std::byte> data;

    Tensor() = default;
    Tensor(DataType element, Dims shape);

    template <typename T>
    [[nodiscard]] std::span<T> as() {
        return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
    }
    template <typename T>
    [[nodiscard]] std::span<const T> as() const {
        return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
    }

    /// The elements as numbers of the engines, converted as the data sheet says.
    [[nodiscard]] std::vector<float> floats() const;
    [[nodiscard]] std::vector<std::int64_t> integers() const;
};

using Constant = std::shared_ptr<const Tensor>;

[[nodiscard]] Constant make_constant(DataType type, Dims dims, std::span<const float> values);
[[nodiscard]] Constant make_constant(DataType type, Dims dims,
                                     std::span<const std::int64_t> values);

}  // namespace accel::compiler
