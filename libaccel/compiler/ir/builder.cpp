// SPDX-License-Identifier: Apache-2.0
#include "ir/builder.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ir/constant_folding.hpp"
#include "ir/empty_reduction.hpp"

namespace accel::compiler {

namespace {

// The limit of the elements of all constants that a load folds.
constexpr std::int64_t max_folded = std::int64_t{1} << 29;

}  // namespace

std::int64_t Builder::length(ValueId id, std::size_t axis) const {
    if (axis >= rank(id)) {
        refuse("it needs axis " + std::to_string(axis) + " of an input of the shape " +
               to_string(dims(id)));
    }
    return dims(id)[axis];
}

ValueId Builder::input(std::string name, DataType type, Dims dims) {
    static_cast<void>(elements(dims));
    const auto id = static_cast<ValueId>(program_.values.size());
    program_.values.push_back({.type = type,
                               .dims = std::move(dims),
                               .constant = nullptr,
                               .input = static_cast<int>(program_.inputs.size())});
    program_.inputs.push_back({std::move(name), id});
    return cast(id, compute_type(type));
}

void refuse_wide(DataType type) {
    refuse("the card does not compute in " + std::string(to_string(type)),
           "set LoadOptions::allow_narrowing (accelctl --allow-narrowing) to use f32 for f64 and "
           "i64 for u64");
}

DataType Builder::compute_type(DataType type) const {
    if (type != DataType::f64 && type != DataType::u64) {
        return type;
    }
    if (!allow_narrowing_) {
        refuse_wide(type);
    }
    return type == DataType::f64 ? DataType::f32 : DataType::i64;
}

ValueId Builder::constant(Constant tensor) {
    const DataType type = compute_type(tensor->type);
    if (type == tensor->type) {
        return add_constant(std::move(tensor));
    }
    if (type == DataType::f32) {
        return add_constant(
            make_constant(type, tensor->dims, std::span<const float>(tensor->floats())));
    }
    return add_constant(
        make_constant(type, tensor->dims, std::span<const std::int64_t>(tensor->integers())));
}

ValueId Builder::add_constant(Constant tensor) {
    const auto id = static_cast<ValueId>(program_.values.size());
    tensor = constants_.share(std::move(tensor));
    const DataType type = tensor->type;
    Dims dims = tensor->dims;
    program_.values.push_back(
        {.type = type, .dims = std::move(dims), .constant = std::move(tensor)});
    return id;
}

ValueId Builder::scalar(float x) {
    return constant(make_constant(DataType::f32, {}, std::span<const float>(&x, 1)));
}

ValueId Builder::scalar(DataType type, double x) {
    if (is_integer(type)) {
        const auto integer = static_cast<std::int64_t>(x);
        return constant(make_constant(type, {}, std::span<const std::int64_t>(&integer, 1)));
    }
    const auto real = static_cast<float>(x);
    return constant(make_constant(type, {}, std::span<const float>(&real, 1)));
}

ValueId Builder::add(Operation operation, std::vector<ValueId> in, DataType type, Dims dims) {
    static_cast<void>(elements(dims));
    Value result{.type = type, .dims = std::move(dims), .constant = nullptr};
    std::vector<Constant> operands;
    operands.reserve(in.size());
    for (const ValueId id : in) {
        require_tensor(id, "an operand");
        operands.push_back(value(id).stored ? nullptr : value(id).constant);
    }
    if (std::ranges::find(operands, nullptr) == operands.end() && folded_ < max_folded) {
        Constant& known = constants_.result(operation, operands, result);
        if (!known) {
            known = fold_constant(operation, operands, result);
            folded_ += known ? elements(known->dims) : 0;
        }
        if (known) {
            const ValueId made = add_constant(known);
            program_.values[made].given =
                std::ranges::any_of(in, [&](ValueId id) { return value(id).given; });
            return made;
        }
    }
    const auto id = static_cast<ValueId>(program_.values.size());
    result.producer = static_cast<int>(program_.instructions.size());
    program_.values.push_back(std::move(result));
    program_.instructions.push_back({std::move(operation), std::move(in), id, node_});
    return id;
}

ValueId Builder::elementwise(op::Elementwise operation, std::vector<ValueId> in, DataType result) {
    Dims shape = dims(in[0]);
    for (std::size_t i = 1; i < in.size(); ++i) {
        shape = broadcast_dims(shape, dims(in[i]));
        if (i == 1 && is_integer(type(in[0])) != is_integer(type(in[1]))) {
            refuse("its operands are " + std::string(to_string(type(in[0]))) + " and " +
                       std::string(to_string(type(in[1]))),
                   "both must be integers or both floating-point");
        }
    }
    return add(operation, std::move(in), result, std::move(shape));
}

ValueId Builder::cast(ValueId a, DataType to) {
    if (type(a) == to) {
        return a;
    }
    const ValueId out = elementwise({}, {a}, to);
    if (const auto unfolded = value(a).unfolded) {
        set_unfolded(out, cast(*unfolded, to));
    }
    return out;
}

ValueId Builder::reduce(ReduceOp op, ValueId a, const std::vector<std::size_t>& axes) {
    const DataType result =
        op == ReduceOp::argmax || op == ReduceOp::argmin ? DataType::u32 : type(a);
    const auto empty = [&](std::size_t axis) { return length(a, axis) == 0; };
    if (std::ranges::any_of(axes, empty)) {
        Dims shape = dims(a);
        for (const std::size_t axis : axes) {
            shape[axis] = 1;
        }
        return broadcast(constant(empty_reduction(op, result)), shape);
    }
    // The innermost axis first: each result is the source of the next reduction.
    std::vector<std::size_t> order = axes;
    std::ranges::sort(order, std::greater<>());
    for (const std::size_t axis : order) {
        Dims shape = dims(a);
        shape[axis] = 1;
        a = add(op::Reduce{op, axis}, {a}, result, std::move(shape));
    }
    return a;
}

ValueId Builder::softmax(ValueId a, std::size_t axis) {
    static_cast<void>(length(a, axis));
    return add(op::Softmax{axis}, {a}, type(a), dims(a));
}

ValueId Builder::resize(ValueId a, std::size_t axis, const std::vector<ResizeTap>& table,
                        std::uint16_t taps) {
    static_cast<void>(length(a, axis));
    Dims shape = dims(a);
    shape[axis] = static_cast<std::int64_t>(table.size()) / taps;
    auto raw =
        std::make_shared<Tensor>(DataType::f32, Dims{static_cast<std::int64_t>(table.size()), 2});
    std::ranges::copy(std::as_bytes(std::span(table)), raw->data.begin());
    return add(op::Resize{axis, taps}, {a, constant(std::move(raw))}, type(a), std::move(shape));
}

ValueId Builder::concat(const std::vector<ValueId>& in, std::size_t axis) {
    if (in.empty()) {
        refuse("it has no inputs");
    }
    static_cast<void>(length(in[0], axis));
    Dims shape = dims(in[0]);
    for (std::size_t i = 1; i < in.size(); ++i) {
        Dims other = dims(in[i]);
        if (other.size() != shape.size() || type(in[i]) != type(in[0])) {
            refuse("its inputs differ in data type or rank");
        }
        shape[axis] += other[axis];
        other[axis] = shape[axis];
        if (other != shape) {
            refuse("its inputs have different lengths along axes other than " +
                   std::to_string(axis));
        }
    }
    if (in.size() == 1) {
        return in[0];
    }
    const ValueId out = add(op::Concat{axis}, in, type(in[0]), std::move(shape));
    if (auto quant = common_quant_params(in)) {
        std::vector<ValueId> counterparts;
        counterparts.reserve(in.size());
        for (const ValueId id : in) {
            counterparts.push_back(value(id).quant->counterpart);
        }
        quant->counterpart = concat(counterparts, axis);
        set_quant_params(out, std::move(*quant));
    }
    return out;
}

ValueId Builder::pad(ValueId a, const Dims& before, const Dims& after, ValueId value, Dims step) {
    Dims shape = dims(a);
    if (step.empty()) {
        step.assign(shape.size(), 1);
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        for (const std::int64_t number : {before[i], after[i], step[i]}) {
            if (number < 0 || number > max_elements) {
                refuse("it pads by " + std::to_string(number) + ", which is out of range");
            }
        }
        shape[i] = before[i] + after[i] + (shape[i] == 0 ? 0 : (shape[i] - 1) * step[i] + 1);
    }
    op::Pad pad{before, std::move(step), 0};
    const Tensor& element = require_constant(value, "its padding value");
    if (element.type != type(a) || element.dims.size() > 1 || elements(element.dims) != 1) {
        refuse("its padding value is not one element of the type of its input");
    }
    std::memcpy(&pad.value, element.data.data(), size_of(type(a)));
    return add(std::move(pad), {a}, type(a), std::move(shape));
}

ValueId Builder::permute(ValueId a, std::vector<std::size_t> axes) {
    Dims shape;
    bool same = axes.size() == rank(a);
    std::vector<bool> seen(rank(a));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        if (axes[i] >= rank(a) || seen[axes[i]] || axes.size() != rank(a)) {
            refuse("its permutation does not name every dimension once");
        }
        seen[axes[i]] = true;
        shape.push_back(dims(a)[axes[i]]);
        same = same && axes[i] == i;
    }
    if (same) {
        return a;
    }
    const ValueId out = add(op::Permute{axes}, {a}, type(a), std::move(shape));
    if (const auto unfolded = value(a).unfolded) {
        set_unfolded(out, permute(*unfolded, axes));
    }
    if (const QuantParams* const quant = quant_params(a, true)) {
        QuantParams moved = *quant;
        moved.axis = static_cast<std::size_t>(std::ranges::find(axes, moved.axis) - axes.begin());
        moved.counterpart = permute(quant->counterpart, std::move(axes));
        set_quant_params(out, std::move(moved));
    }
    return out;
}

ValueId Builder::strided_slice(ValueId a, Dims start, Dims step, Dims shape) {
    if (shape.size() != rank(a) || start.size() != rank(a) || step.size() != rank(a)) {
        refuse("it slices " + std::to_string(shape.size()) +
               " dimensions of a tensor of the shape " + to_string(dims(a)));
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        std::int64_t last = 0;
        const bool far = __builtin_mul_overflow(shape[i] - 1, step[i], &last) ||
                         __builtin_add_overflow(last, start[i], &last);
        const auto outside = [&](std::int64_t at) { return at < 0 || at >= dims(a)[i]; };
        if (shape[i] > 0 && (far || outside(start[i]) || outside(last))) {
            refuse("its slice exceeds axis " + std::to_string(i) + " of a tensor of the shape " +
                   to_string(dims(a)));
        }
    }
    if (shape == dims(a) && std::ranges::all_of(step, [](auto s) { return s == 1; })) {
        return a;
    }
    const ValueId out = add(op::Slice{start, step}, {a}, type(a), shape);
    if (const QuantParams* const quant = quant_params(a, false)) {
        QuantParams part = *quant;
        part.counterpart =
            strided_slice(quant->counterpart, std::move(start), std::move(step), std::move(shape));
        set_quant_params(out, std::move(part));
    }
    return out;
}

ValueId Builder::slice(ValueId a, std::size_t axis, std::int64_t start, std::int64_t count) {
    static_cast<void>(length(a, axis));
    Dims shape = dims(a);
    Dims first(shape.size(), 0);
    shape[axis] = count;
    first[axis] = start;
    Dims step(shape.size(), 1);
    return strided_slice(a, std::move(first), std::move(step), std::move(shape));
}

ValueId Builder::broadcast(ValueId a, const Dims& shape) {
    if (broadcast_dims(dims(a), shape) != shape) {
        refuse("the shape " + to_string(dims(a)) + " does not broadcast to " + to_string(shape));
    }
    return dims(a) == shape ? a : add(op::Broadcast{}, {a}, type(a), shape);
}

ValueId Builder::reshape(ValueId a, Dims shape) {
    if (elements(shape) != elements(dims(a))) {
        refuse("a tensor of the shape " + to_string(dims(a)) + " cannot become " +
               to_string(shape));
    }
    if (dims(a) == shape) {
        return a;
    }
    const ValueId out = add(op::Reshape{}, {a}, type(a), shape);
    if (const auto unfolded = value(a).unfolded) {
        set_unfolded(out, reshape(*unfolded, shape));
    }
    if (const QuantParams* const quant = quant_params(a, false)) {
        QuantParams same = *quant;
        same.counterpart = reshape(quant->counterpart, std::move(shape));
        set_quant_params(out, std::move(same));
    }
    return out;
}

const Tensor& Builder::require_constant(ValueId id, std::string_view what) const {
    require_tensor(id, what);
    if (value(id).constant) {
        return *value(id).constant;
    }
    // Finds an input that the value depends on.
    std::vector<ValueId> open{id};
    std::vector<bool> seen(program_.values.size());
    bool in_region = false;
    while (!open.empty()) {
        const Value& v = value(open.back());
        open.pop_back();
        if (v.input >= 0) {
            const std::string& name = program_.inputs[static_cast<std::size_t>(v.input)].name;
            throw ConstantInputRequired(
                std::string(what) + " must be known when the model is loaded: give input '" + name +
                    "' in LoadOptions::constant_inputs (accelctl --constant-input), or set "
                    "LoadOptions::host_fallback (accelctl --host-fallback) to compute it in each "
                    "run",
                name);
        }
        if (v.producer >= 0) {
            const auto& producer = program_.instructions[static_cast<std::size_t>(v.producer)];
            in_region = in_region || std::holds_alternative<op::Variable>(producer.operation);
            for (const ValueId source : producer.operands) {
                if (!seen[source]) {
                    seen[source] = true;
                    open.push_back(source);
                }
            }
        }
    }
    if (in_region && !program_.inputs.empty()) {
        throw ConstantInputRequired(
            std::string(what) +
                " must be known when the model is loaded, but a loop computes it: set "
                "LoadOptions::host_fallback (accelctl --host-fallback) to compute it in each run",
            program_.inputs[0].name);
    }
    refuse(std::string(what) + " must be known when the model is loaded, but it is computed");
}

}  // namespace accel::compiler
