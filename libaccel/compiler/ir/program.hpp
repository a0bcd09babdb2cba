// SPDX-License-Identifier: Apache-2.0
//
// The intermediate representation of a model: values, and instructions that compute them.
//
// A value has a data type and a shape, but no location in memory yet. An instruction is the work of
// one engine of the card, or a view, which moves no data. An operator of ONNX becomes a few
// instructions (see builder.hpp).
#pragma once

#include <accel/command.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/host_fallback.hpp"
#include "ir/tensor.hpp"

namespace accel::compiler {

using ValueId = std::uint32_t;

/// The relation of an f32 value and its quantized counterpart q: f32 = (q - zero_point) * scale.
/// Both values carry it.
struct QuantParams {
    ValueId counterpart = 0;
    std::vector<float> scales;  // one, or one for each index of `axis`
    std::int16_t zero_point = 0;
    std::size_t axis = 0;
};

struct Value {
    DataType type = DataType::f32;
    Dims dims;
    Constant constant;  // null if the value is computed in each run
    int input = -1;     // the index of an input of the model, else -1
    int producer = -1;  // the index of an instruction, else -1
    std::shared_ptr<const QuantParams> quant = nullptr;
    // A constant that is the known value of an input (LoadOptions::constant_inputs), or that
    // depends on one. The pass `fuse` treats it as a value of a run, so that the results have the
    // same bits.
    bool given = false;
    bool stored = false;  // of a constant: instructions that read it are not folded
    // Of a constant: instructions on stored constants compute the same value.
    std::optional<ValueId> unfolded = std::nullopt;
};

/// Operations of instructions. They have the names that ONNX gives them. Commands of the card
/// (accel/command.hpp) have similar names in namespace accel.
namespace op {

// ---- computation

/// result = activation(op(a, b)); operands broadcast as in NumPy. select: c ? a : b.
struct Elementwise {
    ElementwiseOp op = ElementwiseOp::identity;
    UnaryOp activation = UnaryOp::none;
    float alpha = 0;
    float beta = 0;
};
/// a [..., m, k] times b [..., k, n]; the leading dimensions broadcast. A third operand is the
/// bias, with n values, or the bias and scales that requantize.
struct MatMul {
    Elementwise epilogue;
    NumericFormat format;
};
/// x [n, c, h, w], weights [o, c / groups, kh, kw], bias [o]. A fourth operand is a residual.
struct Conv {
    ConvWindow window;
    std::uint32_t groups = 1;
    Elementwise epilogue;
    NumericFormat format;
};
struct Pool {
    PoolOp op = PoolOp::max;
    ConvWindow window;
    bool count_include_pad = false;
};
/// Reduces one axis to length 1.
struct Reduce {
    ReduceOp op = ReduceOp::sum;
    std::size_t axis = 0;
};
struct Softmax {
    std::size_t axis = 0;
};
/// softmax(cap(scale * q k^T) + mask) v, as the card's ATTENTION computes it. q is [batch, heads,
/// queries, size], k and v are [batch, groups, keys, size]; successive heads share a group. Behind
/// them are the operands that the flags name: a mask that broadcasts to [batch, heads, queries,
/// keys], and for each batch the number of keys and the position of the first query.
struct Attention {
    float scale = 1;
    float softcap = 0;
    std::optional<std::uint32_t> left;   // keys further before a query are blocked
    std::optional<std::uint32_t> right;  // keys further behind it are
    std::int32_t offset = 0;             // of the position of the first query
    bool nan_without_keys = false;       // a query without keys gives NaN, as a softmax does
    bool has_mask = false;
    bool has_lengths = false;
    bool has_positions = false;
};
/// Slices of a at the indices b along an axis. `elements`: single elements; b has the shape of the
/// result.
struct Gather {
    std::size_t axis = 0;
    bool elements = false;
};
/// A copy of a, in which c updates the elements at the indices b of an axis, in ascending order
/// along the axis of c. c has the shape of a, but another length of the axis. `elements`: b has the
/// shape of c; else it has one dimension.
struct Scatter {
    std::size_t axis = 0;
    bool elements = false;
    ScatterOp op = ScatterOp::set;
};
/// Weighted sums of elements of a along an axis: b is a table with `taps` entries for each result.
struct Resize {
    std::size_t axis = 0;
    std::uint16_t taps = 1;
};
struct Concat {
    std::size_t axis = 0;
};
/// Places a in a larger tensor, with `step` - 1 gaps between elements. `value` holds the bits of
/// all other elements.
struct Pad {
    Dims before;
    Dims step;
    std::uint64_t value = 0;
};

// ---- views

struct Permute {
    std::vector<std::size_t> axes;
};
/// result[i] = a[start + i * step] for each axis.
struct Slice {
    Dims start;
    Dims step;
};
struct Broadcast {};
/// The same elements in another shape, or the same bits as another data type of that size.
struct Reshape {};

// ---- regions: the instructions from a LoopBegin or BranchBegin to its RegionEnd

/// Begins the body of a loop, which runs in passes. The result is the number of the pass, an i64.
/// Operands, if the flags say so: the number of passes, at most `limit`; a Variable of the type
/// BOOL: the loop ends before a pass if it is false. A last operand keeps the list from being
/// empty.
struct LoopBegin {
    std::uint64_t limit = 0;
    bool counted = false;
    bool conditional = false;
};
/// Begins instructions that run if the operand, a BOOL, is true; with `otherwise`, if it is false.
/// The result has no meaning.
struct BranchBegin {
    bool otherwise = false;
};
/// Ends a region; the operand is the result of its begin. The result has no meaning.
struct RegionEnd {};
/// Memory that instructions of a region assign. It starts with the operand, unless it is `empty`.
struct Variable {
    bool empty = false;
};
/// Assigns b to the Variable that a is, or whose state a is. The result is its new state. The last
/// assignments of a body apply together: each sees the states at the begin of the pass.
struct Assign {};
/// The slice of a whose number is the pass b of the loop around it, without the axis. `reversed`:
/// in descending order.
struct StepRead {
    std::size_t axis = 0;
    bool reversed = false;
};
/// Assigns b to the slice of the Variable a whose number is the pass c. The result is the new state
/// of the Variable.
struct StepWrite {
    std::size_t axis = 0;
    bool reversed = false;
};

}  // namespace op

using Operation =
    std::variant<op::Elementwise, op::MatMul, op::Conv, op::Pool, op::Reduce, op::Softmax,
                 op::Attention, op::Gather, op::Scatter, op::Resize, op::Concat, op::Pad,
                 op::Permute, op::Slice, op::Broadcast, op::Reshape, op::LoopBegin, op::BranchBegin,
                 op::RegionEnd, op::Variable, op::Assign, op::StepRead, op::StepWrite>;

struct Instruction {
    Operation operation;
    std::vector<ValueId> operands;
    ValueId result = 0;
    std::string node;  // of the model, for messages
};

/// An input or output of a program.
struct Port {
    std::string name;
    ValueId value = 0;
};

struct Program {
    std::shared_ptr<const HostFallback> host_fallback;  // null if the card computes all nodes
    std::deque<Value> values;                           // references stay valid while it grows
    std::vector<Instruction> instructions;
    std::vector<Port> inputs;
    std::vector<Port> outputs;
};

[[nodiscard]] std::string_view to_string(const Operation& operation);

/// Whether op::Attention supports rows of these sizes, of queries and of values.
[[nodiscard]] bool fits_attention(std::int64_t size, std::int64_t value_size);

/// The shape to which two shapes broadcast.
[[nodiscard]] Dims broadcast_dims(const Dims& a, const Dims& b);
/// The index of an axis; a negative axis counts from the end. Throws if there is no such axis.
[[nodiscard]] std::size_t normalize_axis(std::int64_t axis, std::size_t rank);
/// An index of an axis of this length; a negative index counts from the end. Throws if it is
/// outside.
[[nodiscard]] std::int64_t normalize_index(std::int64_t index, std::int64_t length);
/// The distance in elements between neighbors along each dimension of a dense tensor.
[[nodiscard]] Dims dense_strides(const Dims& dims);

}  // namespace accel::compiler
