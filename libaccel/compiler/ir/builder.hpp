// SPDX-License-Identifier: Apache-2.0
//
// Appends instructions to a program. Shapes are inferred at once. If all operands are constants,
// the result is computed at once, too: this is constant folding.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/constant_cache.hpp"
#include "ir/program.hpp"

namespace accel::compiler {

/// Refuses f64 or u64, which need LoadOptions::allow_narrowing.
[[noreturn]] void refuse_wide(DataType type);

/// Every member checks shapes and data types, and throws Error with a message about the node.
class Builder {
  public:
    /// `allow_narrowing`: compute_type() replaces types that the engines do not compute in.
    explicit Builder(Program& program, bool allow_narrowing = false)
        : program_(program), allow_narrowing_(allow_narrowing) {}

    /// Sets the node to which the next instructions belong.
    void set_node(std::string node) { node_ = std::move(node); }
    [[nodiscard]] const std::string& node() const { return node_; }

    [[nodiscard]] const Value& value(ValueId id) const { return program_.values[id]; }
    [[nodiscard]] const Dims& dims(ValueId id) const { return value(id).dims; }
    [[nodiscard]] DataType type(ValueId id) const { return value(id).type; }
    [[nodiscard]] std::size_t rank(ValueId id) const { return dims(id).size(); }

    /// The instruction that computes a value; null for inputs and constants.
    [[nodiscard]] const Instruction* producer(ValueId id) const {
        const int index = value(id).producer;
        return index < 0 ? nullptr : &program_.instructions[static_cast<std::size_t>(index)];
    }

    /// The data type in which the card computes values of `type`: with narrowing, f32 for f64 and
    /// i64 for u64.
    [[nodiscard]] DataType compute_type(DataType type) const;

    /// Both convert the value to its compute type.
    [[nodiscard]] ValueId input(std::string name, DataType type, Dims dims);
    [[nodiscard]] ValueId constant(Constant tensor);
    /// A constant that is the value of an input.
    [[nodiscard]] ValueId given_input(Constant tensor) {
        const ValueId id = constant(std::move(tensor));
        program_.values[id].given = true;
        return id;
    }
    [[nodiscard]] ValueId scalar(float x);
    [[nodiscard]] ValueId scalar(DataType type, double x);

    [[nodiscard]] ValueId elementwise(op::Elementwise operation, std::vector<ValueId> in,
                                      DataType result);
    /// The result has the data type of a.
    [[nodiscard]] ValueId binary(ElementwiseOp op, ValueId a, ValueId b) {
        return elementwise({.op = op}, {a, b}, type(a));
    }
    [[nodiscard]] ValueId unary(UnaryOp activation, ValueId a, float alpha = 0, float beta = 0) {
        return elementwise({.activation = activation, .alpha = alpha, .beta = beta}, {a}, type(a));
    }
    [[nodiscard]] ValueId compare(ElementwiseOp op, ValueId a, ValueId b) {
        return elementwise({.op = op}, {a, b}, DataType::boolean);
    }
    [[nodiscard]] ValueId select(ValueId condition, ValueId a, ValueId b) {
        return elementwise({.op = ElementwiseOp::select}, {a, b, condition}, type(a));
    }
    [[nodiscard]] ValueId cast(ValueId a, DataType type);
    /// f32 `a` op `b`, which may have any type: ELEMENTWISE converts it.
    [[nodiscard]] ValueId mixed(ElementwiseOp op, ValueId a, ValueId b, DataType result);

    [[nodiscard]] ValueId matmul(ValueId a, ValueId b);
    [[nodiscard]] ValueId matmul(op::MatMul operation, std::vector<ValueId> in);
    [[nodiscard]] ValueId conv(op::Conv conv, std::vector<ValueId> in, std::int64_t height,
                               std::int64_t width);
    [[nodiscard]] ValueId pool(op::Pool pool, ValueId x, std::int64_t height, std::int64_t width);
    [[nodiscard]] ValueId reduce(ReduceOp op, ValueId a, const std::vector<std::size_t>& axes);
    [[nodiscard]] ValueId softmax(ValueId a, std::size_t axis);
    /// The operands are those of op::Attention. The result has the given type.
    [[nodiscard]] ValueId attention(op::Attention operation, std::vector<ValueId> in,
                                    DataType result);
    [[nodiscard]] ValueId gather(ValueId a, ValueId indices, std::size_t axis, bool elements);
    /// `a` with updates along an axis, as op::Scatter says.
    [[nodiscard]] ValueId scatter(op::Scatter operation, ValueId a, ValueId indices,
                                  ValueId updates);
    [[nodiscard]] ValueId resize(ValueId a, std::size_t axis, const std::vector<ResizeTap>& table,
                                 std::uint16_t taps);
    [[nodiscard]] ValueId concat(const std::vector<ValueId>& in, std::size_t axis);
    /// `value` is a constant of the data type of a.
    [[nodiscard]] ValueId pad(ValueId a, const Dims& before, const Dims& after, ValueId value,
                              Dims step = {});

    [[nodiscard]] ValueId permute(ValueId a, std::vector<std::size_t> axes);
    /// Along each axis `dims` elements, from `start` on, `step` apart.
    [[nodiscard]] ValueId strided_slice(ValueId a, Dims start, Dims step, Dims dims);
    /// Along one axis `count` elements, from `start` on.
    [[nodiscard]] ValueId slice(ValueId a, std::size_t axis, std::int64_t start,
                                std::int64_t count);
    [[nodiscard]] ValueId broadcast(ValueId a, const Dims& dims);
    [[nodiscard]] ValueId reshape(ValueId a, Dims dims);

    /// The same bits as elements of another type, which has the same size.
    [[nodiscard]] ValueId bitcast(ValueId a, DataType type);

    // ---- constants that the card computes from a shorter form in each run

    /// A constant that instructions read on the card: they are not folded.
    [[nodiscard]] ValueId stored(Constant tensor);
    /// Records that instructions on stored constants compute a constant. Views of it inherit this.
    /// The pass `unpack-weights` chooses between the two.
    void set_unfolded(ValueId id, ValueId computed) { program_.values[id].unfolded = computed; }

    // ---- regions: loops and branches; see program.hpp

    /// Memory with an initial value, or without one, that instructions of a region assign.
    [[nodiscard]] ValueId variable(ValueId initial);
    [[nodiscard]] ValueId empty_variable(DataType type, Dims dims);
    /// The state of the variable once it has the value `next`, which has its type and shape.
    /// `variable` is a variable or a state of one.
    [[nodiscard]] ValueId assign(ValueId variable, ValueId next);

    /// A loop that has begun. `pass` is the number of the pass.
    struct OpenLoop {
        std::size_t instruction = 0;
        ValueId pass = 0;
    };
    struct LoopBounds {
        std::uint64_t limit = UINT64_MAX;
        std::optional<ValueId> count;      // an i64: at most so many passes
        std::optional<ValueId> condition;  // a variable of BOOL: the loop ends when it is false
    };
    [[nodiscard]] OpenLoop begin_loop();
    void end_loop(const OpenLoop& loop, const LoopBounds& bounds);
    /// Begins instructions that run if the BOOL is true, or with `otherwise`, if it is false.
    [[nodiscard]] ValueId begin_branch(ValueId condition, bool otherwise);
    /// `begin` is the result of begin_branch().
    void end_region(ValueId begin);
    /// The slice of `x` whose number along the axis is the pass; without that axis.
    [[nodiscard]] ValueId step_read(ValueId x, ValueId pass, std::size_t axis, bool reversed);
    /// Assigns such a slice of a variable.
    [[nodiscard]] ValueId step_write(ValueId variable, ValueId slice, ValueId pass,
                                     std::size_t axis, bool reversed);

    /// The state of the program, to return to it if a region cannot be imported.
    struct Mark {
        std::size_t instructions = 0;
        ValueId values = 0;  // the next one
        std::map<std::string, std::uint32_t> occurrences;
    };
    [[nodiscard]] Mark mark() const;
    void roll_back(const Mark& mark);
    /// Whether instructions after the mark read values from before it that only a run has.
    [[nodiscard]] bool reads_run_values(const Mark& since) const;
    /// Whether a node with random numbers was imported after the mark.
    [[nodiscard]] bool draws_random_numbers(const Mark& since) const {
        return occurrences_ != since.occurrences;
    }

    // ---- sequences and optionals: they exist while a model is imported, not on the card

    /// A list of values. Only operators of sequences read it; as an operand of an instruction it is
    /// an error.
    [[nodiscard]] ValueId sequence(std::vector<ValueId> elements);
    /// An optional without an element. An optional with one is the element itself.
    [[nodiscard]] ValueId empty_optional();
    /// Null if the value is no sequence.
    [[nodiscard]] const std::vector<ValueId>* sequence_elements(ValueId id) const;
    [[nodiscard]] bool is_empty_optional(ValueId id) const;
    /// Throws if the value is a sequence or an empty optional. `what` names it in the message.
    void require_tensor(ValueId id, std::string_view what) const;

    /// How often this was called before with a name: the iteration of a node with random numbers.
    [[nodiscard]] std::uint32_t next_occurrence(const std::string& name) {
        return occurrences_[name]++;
    }

    /// Records that a value is the quantized or dequantized form of another. Views of the value
    /// inherit this.
    void set_quant_params(ValueId id, QuantParams params);

    /// The length of an axis. Throws if the value has no such axis.
    [[nodiscard]] std::int64_t length(ValueId id, std::size_t axis) const;

    /// The tensor of a value that must be a constant. Throws an error that names the value as
    /// `what`, and the input that would have to be constant.
    [[nodiscard]] const Tensor& require_constant(ValueId id, std::string_view what) const;

  private:
    void check_indices(ValueId indices, std::int64_t length) const;
    void check_channels(const std::vector<ValueId>& in, std::int64_t channels,
                        const NumericFormat& format) const;
    [[nodiscard]] ValueId add(Operation operation, std::vector<ValueId> in, DataType type,
                              Dims dims);
    // The quantization of an f32 value. Null if there is none, or if it has several scales and
    // `per_axis` is false.
    [[nodiscard]] const QuantParams* quant_params(ValueId id, bool per_axis) const;
    [[nodiscard]] std::optional<QuantParams> common_quant_params(
        const std::vector<ValueId>& in) const;

    // Appends an instruction that is never folded.
    [[nodiscard]] ValueId append(Operation operation, std::vector<ValueId> in, DataType type,
                                 Dims dims);

    // Does not convert the tensor.
    [[nodiscard]] ValueId add_constant(Constant tensor);

    Program& program_;
    bool allow_narrowing_;
    std::string node_;
    ConstantCache constants_;
    std::int64_t folded_ = 0;  // elements of constants that were computed
    std::map<ValueId, std::vector<ValueId>> sequences_;
    std::set<ValueId> empty_optionals_;
    std::map<std::string, std::uint32_t> occurrences_;
};

}  // namespace accel::compiler
