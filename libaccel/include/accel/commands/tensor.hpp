// SPDX-License-Identifier: Apache-2.0
//
// Commands on one axis of a tensor, and rearranging of tensors. Where a command has an axis, the
// tensor is seen as outer x n x inner: the axis has n elements, and `outer` and `inner` are the
// products of the dimensions before and after it.
#pragma once

#include <array>
#include <cstdint>

#include "accel/commands/data_type.hpp"
#include "accel/commands/operand.hpp"
#include "accel/shape.hpp"

namespace accel {

/// Softmax over the axis of a dense f32 tensor of outer x n x inner. `dst` may be `src`.
struct Softmax {
    Operand dst = {};
    Operand src = {};
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t inner = 1;
};

enum class ReduceOp : std::uint8_t {
    sum = 0,
    max = 1,
    min = 2,
    argmax = 3,
    argmin = 4,
    product = 5,
    mean = 6
};

/// Reduces the axis of a dense f32 tensor of outer x n x inner. `dst` holds outer x inner values of
/// f32, or of u32 for argmax and argmin.
struct Reduce {
    ReduceOp op = ReduceOp::sum;
    Operand dst = {};
    Operand src = {};
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t inner = 1;
};

/// dst[i] = src[i] over `shape`: a strided copy that permutes dimensions, slices with steps,
/// repeats (stride 0) or reverses (negative stride). Needs FEATURE_TENSOR of the card.
struct Transpose {
    Operand dst = {};
    Operand src = {};
    std::uint32_t element_size = 4;  ///< bytes: 1, 2, 4 or 8
    Shape shape = {};
    Shape dst_strides = {};                            ///< elements; empty: dense
    std::array<std::int32_t, max_rank> src_strides{};  ///< elements; the first shape.rank() count
    std::uint64_t src_offset = 0;                      ///< elements from `src` to element zero
};

/// Picks elements of the axis by index. src is outer x n x inner; dst is outer x count x inner:
/// dst[o][c][i] = src[o][indices[c]][i], or with `elements` src[o][indices[o][c][i]][i] (ONNX calls
/// these Gather and GatherElements). A negative index counts from the end; one out of range stops
/// the queue with CardStatus::bad_index. Needs FEATURE_TENSOR of the card.
struct Gather {
    Operand dst = {};
    Operand src = {};
    Operand indices = {};                 ///< count, or with `elements` outer x count x inner
    DataType index_type = DataType::i64;  ///< i32 or i64
    bool elements = false;                ///< an index for each element of dst
    std::uint32_t element_size = 4;       ///< bytes: 1, 2, 4 or 8
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t count = 0;
    std::uint32_t inner = 1;
};

enum class ScatterOp : std::uint8_t { set = 0, add = 1, mul = 2, min = 3, max = 4 };

/// Updates elements of the axis by index. dst is outer x n x inner, src is outer x count x inner:
/// dst[o][indices[c]][i] = op(dst[o][indices[c]][i], src[o][c][i]), or with `elements` at the index
/// indices[o][c][i] (ONNX calls this ScatterElements). Updates of one element apply in ascending
/// order of c. A negative index counts from the end; one out of range stops the queue with
/// CardStatus::bad_index. Needs FEATURE_TENSOR_SCATTER of the card.
struct Scatter {
    ScatterOp op = ScatterOp::set;
    Operand dst = {};
    Operand src = {};
    Operand indices = {};                 ///< count, or with `elements` outer x count x inner
    DataType type = DataType::f32;        ///< of dst and src; f64 and u64 for `set` only
    DataType index_type = DataType::i64;  ///< i32 or i64
    bool elements = false;                ///< an index for each element of src
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t count = 0;
    std::uint32_t inner = 1;
};

/// One source element of a result of Resize, and its weight.
struct ResizeTap {
    std::uint32_t index = 0;  ///< along the axis of the source
    float weight = 0;
};

/// Interpolates along the axis: src is outer x n x inner, dst is outer x count x inner, both f32.
/// dst[o][c][i] = sum over the taps of c of weight * src[o][index][i]. Needs FEATURE_TENSOR.
struct Resize {
    Operand dst = {};
    Operand src = {};
    Operand table = {};      ///< count x taps of ResizeTap
    std::uint16_t taps = 1;  ///< for each result
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t count = 0;
    std::uint32_t inner = 1;
};

}  // namespace accel
