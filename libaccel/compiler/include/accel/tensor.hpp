// SPDX-License-Identifier: Apache-2.0
//
// Tensors as values: a description, and a dense array of elements in the memory of the caller.
#pragma once

#include <accel/command.hpp>
#include <accel/visibility.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace accel {

/// An input or an output of a model.
struct TensorInfo {
    std::string name;
    DataType type = DataType::f32;
    /// In the order of ONNX. A dimension of -1 is open: each run decides it (see
    /// LoadOptions::host_fallback).
    std::vector<std::int64_t> shape;

    /// The number of elements; zero if a dimension is open.
    [[nodiscard]] ACCEL_API std::uint64_t elements() const;
    [[nodiscard]] ACCEL_API std::uint64_t bytes() const;
};

/// The elements of a tensor, dense and in row-major order.
struct TensorData {
    DataType type = DataType::f32;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
};

}  // namespace accel
