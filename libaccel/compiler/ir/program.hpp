// SPDX-License-Identifier: Apache-2.0
//
// A model between the file and the card: values and instructions.
//
// Each value has a type and a shape, and no place yet. Instructions are what the card's engines do,
// and views, which move nothing. An operator of ONNX becomes a few of them by calls of Builder.
// Where all operands are known, Builder computes the result at once instead: that is all of
// constant folding.
#pragma once

#include <accel/model.hpp>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

using ValueId = std::uint32_t;

/// NumericFormat and bytes q that stand for one another: (q - zero) * scale.
struct Twin {
    ValueId other = 0;          // of an f32 value the bytes it was made of, and the reverse
    std::vector<float> scales;  // one, or one for each index of `axis`
    std::int16_t zero = 0;
    std::size_t axis = 0;
};

struct Value {
    DataType type = DataType::f32;
    Dims dims;
    Constant constant;  // known, else null
    int input = -1;     // of the model, else -1
    int producer = -1;  // instruction, else -1
    std::shared_ptr<const Twin> twin = nullptr;
};

// ---- what computes

/// out = activation(op(a, b)), operands broadcast as NumPy does. select: c ? a : b.
struct Map {
    ElementwiseOp op = ElementwiseOp::identity;
    UnaryOp activation = UnaryOp::none;
    float alpha = 0;
    float beta = 0;
};
/// a [..., m, k] times b [..., k, n]; the leading dimensions broadcast. A third operand is the
/// bias: n values, or what requantizes.
struct MatMul {
    Map then;
    NumericFormat format;
};
/// x [n, c, h, w], weights [o, c / groups, kh, kw], bias [o].
struct Conv {
    ConvWindow window;
    std::uint32_t groups = 1;
    Map then;
    NumericFormat format;
};
struct Pooling {
    PoolOp op = PoolOp::max;
    ConvWindow window;
    bool count_outside = false;
};
/// Over one axis, which stays with length 1.
struct Reduction {
    ReduceOp op = ReduceOp::sum;
    std::size_t axis = 0;
};
struct SoftMax {
    std::size_t axis = 0;
};
/// Slices of a at the indices b along an axis; `elements`: b has the shape of the result.
struct Pick {
    std::size_t axis = 0;
    bool elements = false;
};
/// a, with a table of ResizeTap in b, `taps` a result.
struct Interpolate {
    std::size_t axis = 0;
    std::uint16_t taps = 1;
};
struct Join {
    std::size_t axis = 0;
};
/// a somewhere in a larger tensor that is `value` elsewhere: the bits of an element. Along an axis,
/// elements may have gaps between them.
struct Pad {
    Dims before;
    Dims step;
    std::uint64_t value = 0;
};

// ---- views

struct Permute {
    std::vector<std::size_t> axes;
};
/// out[i] = in[start + i * step] for each axis.
struct Take {
    Dims start;
    Dims step;
};
struct Broadcast {};
struct Reshape {};

using Operation = std::variant<Map, MatMul, Conv, Pooling, Reduction, SoftMax, Pick, Interpolate,
                               Join, Pad, Permute, Take, Broadcast, Reshape>;

struct Instruction {
    Operation operation;
    std::vector<ValueId> in;
    ValueId out = 0;
    std::string node;  // of the model, for messages
};

struct Port {
    std::string name;
    ValueId value = 0;
};

/// What a run leaves to the host: a model of its own, compiled when its inputs are known.
struct Tail {
    std::string model;  // as a file of ONNX holds it
    bool narrow = false;
    std::vector<HostNode> nodes;
    std::vector<std::string> inputs;   // the last outputs of the program
    std::vector<TensorInfo> outputs;   // shapes as far as the file says them
    std::vector<std::size_t> sources;  // of each output of the model: an output of the program, or
                                       // from their number on one of the tail
};

struct Program {
    std::shared_ptr<const Tail> tail;  // null: there is none
    std::deque<Value> values;          // references stay good while it grows
    std::vector<Instruction> code;
    std::vector<Port> inputs;
    std::vector<Port> outputs;
};

[[nodiscard]] std::string_view to_string(const Operation& operation);

/// The result of an instruction whose operands are all constants; null: it is not computed here.
[[nodiscard]] Constant evaluate(const Operation& operation,
                                const std::vector<const Tensor*>& operands, const Value& result);

/// Appends to a program. Every member checks shapes and types and throws Error with a sentence.
class Builder {
  public:
    /// `narrow`: what the engines do not compute in becomes what they do, as worked() says.
    explicit Builder(Program& program, bool narrow = false) : program_(program), narrow_(narrow) {}

    /// What comes next belongs to this node.
    void at(std::string node) { node_ = std::move(node); }

    [[nodiscard]] const Value& value(ValueId id) const { return program_.values[id]; }
    [[nodiscard]] const Dims& dims(ValueId id) const { return value(id).dims; }
    [[nodiscard]] DataType type(ValueId id) const { return value(id).type; }
    [[nodiscard]] std::size_t rank(ValueId id) const { return dims(id).size(); }

    /// The instruction that makes a value; null: none does.
    [[nodiscard]] const Instruction* maker(ValueId id) const {
        const int producer = value(id).producer;
        return producer < 0 ? nullptr : &program_.code[static_cast<std::size_t>(producer)];
    }

    /// The type that values of a type are worked with: f32 for f64, i64 for u64, if that is wanted.
    [[nodiscard]] DataType worked(DataType type) const;

    /// Both give a value of the type that is worked with.
    [[nodiscard]] ValueId input(std::string name, DataType type, Dims dims);
    [[nodiscard]] ValueId constant(Constant tensor);
    [[nodiscard]] ValueId scalar(float x);
    [[nodiscard]] ValueId scalar(DataType type, double x);

    [[nodiscard]] ValueId map(Map map, std::vector<ValueId> in, DataType result);
    /// The type of the result is that of a.
    [[nodiscard]] ValueId binary(ElementwiseOp op, ValueId a, ValueId b) {
        return map({.op = op}, {a, b}, type(a));
    }
    [[nodiscard]] ValueId unary(UnaryOp activation, ValueId a, float alpha = 0, float beta = 0) {
        return map({.activation = activation, .alpha = alpha, .beta = beta}, {a}, type(a));
    }
    [[nodiscard]] ValueId compare(ElementwiseOp op, ValueId a, ValueId b) {
        return map({.op = op}, {a, b}, DataType::boolean);
    }
    [[nodiscard]] ValueId select(ValueId condition, ValueId a, ValueId b) {
        return map({.op = ElementwiseOp::select}, {a, b, condition}, type(a));
    }
    [[nodiscard]] ValueId cast(ValueId a, DataType type);

    [[nodiscard]] ValueId matmul(ValueId a, ValueId b);
    [[nodiscard]] ValueId matmul(MatMul operation, std::vector<ValueId> in);
    [[nodiscard]] ValueId conv(Conv conv, std::vector<ValueId> in, std::int64_t height,
                               std::int64_t width);
    [[nodiscard]] ValueId pool(Pooling pool, ValueId x, std::int64_t height, std::int64_t width);
    [[nodiscard]] ValueId reduce(ReduceOp op, ValueId a, const std::vector<std::size_t>& axes);
    [[nodiscard]] ValueId softmax(ValueId a, std::size_t axis);
    [[nodiscard]] ValueId gather(ValueId a, ValueId indices, std::size_t axis, bool elements);
    [[nodiscard]] ValueId interpolate(ValueId a, std::size_t axis, const std::vector<ResizeTap>& table,
                                      std::uint16_t taps);
    [[nodiscard]] ValueId concat(const std::vector<ValueId>& in, std::size_t axis);
    /// `value` is a constant of the type of a.
    [[nodiscard]] ValueId pad(ValueId a, const Dims& before, const Dims& after, ValueId value,
                              Dims step = {});

    [[nodiscard]] ValueId permute(ValueId a, std::vector<std::size_t> axes);
    [[nodiscard]] ValueId take(ValueId a, Dims start, Dims step, Dims dims);
    [[nodiscard]] ValueId slice(ValueId a, std::size_t axis, std::int64_t start,
                                std::int64_t count);
    [[nodiscard]] ValueId broadcast(ValueId a, const Dims& dims);
    [[nodiscard]] ValueId reshape(ValueId a, Dims dims);

    /// Says what a value stands for. Views of it do so, too.
    void stands_for(ValueId id, Twin twin);

    /// A length, of an axis that there may not be.
    [[nodiscard]] std::int64_t length(ValueId id, std::size_t axis) const;

    /// The numbers of a value that must be known, or an error that says what it is for.
    [[nodiscard]] const Tensor& known(ValueId id, std::string_view what) const;

  private:
    void check_channels(const std::vector<ValueId>& in, std::int64_t channels,
                        const NumericFormat& format) const;
    [[nodiscard]] ValueId add(Operation operation, std::vector<ValueId> in, DataType type,
                              Dims dims);
    // The bytes that an f32 value stands for with one scale, or, if `any`, with several.
    [[nodiscard]] const Twin* bytes_of(ValueId id, bool any) const;

    // As it is.
    [[nodiscard]] ValueId keep(Constant tensor);

    Program& program_;
    bool narrow_;
    std::string node_;
    std::int64_t folded_ = 0;  // elements of constants that were computed
};

/// The shape that shapes broadcast to.
[[nodiscard]] Dims broadcast_dims(const Dims& a, const Dims& b);
/// From the end if negative; throws if there is no such axis.
[[nodiscard]] std::size_t axis_of(std::int64_t axis, std::size_t rank);
/// Elements from index to index of each dimension of a dense tensor.
[[nodiscard]] Dims dense_strides(const Dims& dims);

}  // namespace accel::compiler
