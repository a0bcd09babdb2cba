// SPDX-License-Identifier: Apache-2.0
#include "ir/program.hpp"

#include <accel/model.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace accel::compiler {

namespace {

// Elements of constants that a model may have computed when it is loaded.
constexpr std::int64_t most_folded = std::int64_t{1} << 29;

}  // namespace

std::string_view to_string(const Operation& operation) {
    static constexpr std::array<std::string_view, std::variant_size_v<Operation>> names{
        "map",    "matmul", "conv", "pool",    "reduce", "softmax",   "gather",
        "resize", "concat", "pad",  "permute", "slice",  "broadcast", "reshape"};
    return names.at(operation.index());
}

Dims broadcast_dims(const Dims& a, const Dims& b) {
    Dims result(std::max(a.size(), b.size()));
    for (std::size_t i = 0; i < result.size(); ++i) {
        const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
        const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) {
            refuse("the shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
        }
        result[result.size() - 1 - i] = x == 1 ? y : x;
    }
    return result;
}

std::size_t axis_of(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    if (axis < -n || axis >= n) {
        refuse("there is no axis " + std::to_string(axis) + " in a tensor of " +
               std::to_string(rank) + " dimensions");
    }
    return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

Dims dense_strides(const Dims& dims) {
    Dims strides(dims.size());
    std::int64_t step = 1;
    for (std::size_t i = dims.size(); i-- > 0;) {
        strides[i] = step;
        step *= std::max<std::int64_t>(dims[i], 1);
    }
    return strides;
}

std::int64_t Builder::length(ValueId id, std::size_t axis) const {
    if (axis >= rank(id)) {
        refuse("its input of the shape " + to_string(dims(id)) + " has no axis " +
               std::to_string(axis));
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
    return cast(id, worked(type));
}

DataType Builder::worked(DataType type) const {
    if (type != DataType::f64 && type != DataType::u64) {
        return type;
    }
    if (!narrow_) {
        refuse("the card does not compute in " + std::string(to_string(type)) +
               ": LoadOptions::allow_narrowing (accelctl --allow-narrowing) takes f64 as f32 and "
               "u64 as i64");
    }
    return type == DataType::f64 ? DataType::f32 : DataType::i64;
}

ValueId Builder::constant(Constant tensor) {
    const DataType type = worked(tensor->type);
    if (type == tensor->type) {
        return keep(std::move(tensor));
    }
    if (type == DataType::f32) {
        return keep(make_constant(type, tensor->dims, std::span<const float>(tensor->floats())));
    }
    return keep(
        make_constant(type, tensor->dims, std::span<const std::int64_t>(tensor->integers())));
}

ValueId Builder::keep(Constant tensor) {
    const auto id = static_cast<ValueId>(program_.values.size());
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
    std::vector<const Tensor*> operands;
    operands.reserve(in.size());
    for (const ValueId id : in) {
        operands.push_back(value(id).constant.get());
    }
    if (std::ranges::find(operands, nullptr) == operands.end() && folded_ < most_folded) {
        if (Constant folded = evaluate(operation, operands, result)) {
            folded_ += elements(folded->dims);
            return keep(std::move(folded));
        }
    }
    const auto id = static_cast<ValueId>(program_.values.size());
    result.producer = static_cast<int>(program_.code.size());
    program_.values.push_back(std::move(result));
    program_.code.push_back({std::move(operation), std::move(in), id, node_});
    return id;
}

ValueId Builder::map(Map map, std::vector<ValueId> in, DataType result) {
    Dims shape = dims(in[0]);
    for (std::size_t i = 1; i < in.size(); ++i) {
        shape = broadcast_dims(shape, dims(in[i]));
        if (i == 1 && is_integer(type(in[0])) != is_integer(type(in[1]))) {
            refuse("its operands are " + std::string(to_string(type(in[0]))) + " and " +
                   std::string(to_string(type(in[1]))));
        }
    }
    return add(map, std::move(in), result, std::move(shape));
}

ValueId Builder::cast(ValueId a, DataType to) {
    return type(a) == to ? a : map({}, {a}, to);
}

ValueId Builder::matmul(ValueId a, ValueId b) {
    return matmul({.then = {}, .format = {.a = type(a), .b = type(b), .result = type(a)}}, {a, b});
}

ValueId Builder::matmul(MatMul operation, std::vector<ValueId> in) {
    const Dims& a = dims(in[0]);
    const Dims& b = dims(in[1]);
    if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2]) {
        refuse("matrices of the shapes " + to_string(a) + " and " + to_string(b) +
               " cannot be multiplied");
    }
    check_channels(in, b.back(), operation.format);
    Dims shape = broadcast_dims(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2));
    shape.push_back(a[a.size() - 2]);
    shape.push_back(b.back());
    const DataType type = operation.format.result;
    return add(operation, std::move(in), type, std::move(shape));
}

// The third operand, if there is one, is as the engines want it.
void Builder::check_channels(const std::vector<ValueId>& in, std::int64_t channels,
                             const NumericFormat& format) const {
    if (in.size() < 3) {
        return;
    }
    const bool bytes = format.a == DataType::i8 || format.a == DataType::u8;
    if (type(in[2]) != (bytes ? DataType::i32 : DataType::f32) ||
        elements(dims(in[2])) != channels * (format.requantize ? 2 : 1)) {
        refuse("its bias " + std::string(to_string(type(in[2]))) + to_string(dims(in[2])) +
               " is not one for each of " + std::to_string(channels) + " channels");
    }
}

ValueId Builder::conv(Conv conv, std::vector<ValueId> in, std::int64_t height, std::int64_t width) {
    const Dims& x = dims(in[0]);
    const Dims& w = dims(in[1]);
    if (x.size() != 4 || w.size() != 4 || x[1] != w[1] * conv.groups || w[0] % conv.groups != 0) {
        refuse("images " + to_string(x) + " and weights " + to_string(w) + " with " +
               std::to_string(conv.groups) + " groups do not belong together");
    }
    if (height < 0 || width < 0) {
        refuse("its window is larger than the padded image");
    }
    check_channels(in, w[0], conv.format);
    const DataType type = conv.format.result;
    return add(conv, std::move(in), type, {x[0], w[0], height, width});
}

ValueId Builder::pool(Pooling pool, ValueId x, std::int64_t height, std::int64_t width) {
    if (height < 0 || width < 0) {
        refuse("its window is larger than the padded image");
    }
    return add(pool, {x}, type(x), {dims(x)[0], dims(x)[1], height, width});
}

ValueId Builder::reduce(ReduceOp op, ValueId a, const std::vector<std::size_t>& axes) {
    const DataType result =
        op == ReduceOp::argmax || op == ReduceOp::argmin ? DataType::u32 : type(a);
    // The innermost first: the result of one is the source of the next.
    std::vector<std::size_t> order = axes;
    std::ranges::sort(order, std::greater<>());
    for (const std::size_t axis : order) {
        Dims shape = dims(a);
        if (length(a, axis) == 0) {
            refuse("an axis that is reduced has no elements");
        }
        shape[axis] = 1;
        a = add(Reduction{op, axis}, {a}, result, std::move(shape));
    }
    return a;
}

ValueId Builder::softmax(ValueId a, std::size_t axis) {
    static_cast<void>(length(a, axis));
    return add(SoftMax{axis}, {a}, type(a), dims(a));
}

ValueId Builder::gather(ValueId a, ValueId indices, std::size_t axis, bool by_element) {
    static_cast<void>(length(a, axis));
    if (type(indices) != DataType::i32 && type(indices) != DataType::i64) {
        refuse("its indices are not i32 or i64");
    }
    if (by_element) {
        Dims expected = dims(a);
        if (rank(indices) == expected.size()) {
            expected[axis] = dims(indices)[axis];
        }
        if (dims(indices) != expected) {
            refuse("indices of the shape " + to_string(dims(indices)) +
                   " do not fit data of the shape " + to_string(dims(a)));
        }
        return add(Pick{axis, true}, {a, indices}, type(a), dims(indices));
    }
    Dims shape(dims(a).begin(), dims(a).begin() + static_cast<std::ptrdiff_t>(axis));
    shape.insert(shape.end(), dims(indices).begin(), dims(indices).end());
    shape.insert(shape.end(), dims(a).begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                 dims(a).end());
    return add(Pick{axis, false}, {a, indices}, type(a), std::move(shape));
}

ValueId Builder::interpolate(ValueId a, std::size_t axis, const std::vector<Tap>& table,
                             std::uint16_t taps) {
    static_cast<void>(length(a, axis));
    Dims shape = dims(a);
    shape[axis] = static_cast<std::int64_t>(table.size()) / taps;
    auto raw =
        std::make_shared<Tensor>(DataType::f32, Dims{static_cast<std::int64_t>(table.size()), 2});
    std::ranges::copy(std::as_bytes(std::span(table)), raw->data.begin());
    return add(Interpolate{axis, taps}, {a, constant(std::move(raw))}, type(a), std::move(shape));
}

ValueId Builder::concat(const std::vector<ValueId>& in, std::size_t axis) {
    static_cast<void>(length(in.at(0), axis));
    Dims shape = dims(in[0]);
    for (std::size_t i = 1; i < in.size(); ++i) {
        Dims other = dims(in[i]);
        if (other.size() != shape.size() || type(in[i]) != type(in[0])) {
            refuse("its inputs differ in type or rank");
        }
        shape[axis] += other[axis];
        other[axis] = shape[axis];
        if (other != shape) {
            refuse("the shapes of its inputs differ in more than the axis");
        }
    }
    if (in.size() == 1) {
        return in[0];
    }
    return add(Join{axis}, in, type(in[0]), std::move(shape));
}

ValueId Builder::pad(ValueId a, const Dims& before, const Dims& after, ValueId value, Dims step) {
    Dims shape = dims(a);
    if (step.empty()) {
        step.assign(shape.size(), 1);
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        for (const std::int64_t number : {before[i], after[i], step[i]}) {
            if (number < 0 || number > max_elements) {
                refuse("it pads by " + std::to_string(number));
            }
        }
        shape[i] = before[i] + after[i] + (shape[i] == 0 ? 0 : (shape[i] - 1) * step[i] + 1);
    }
    Pad pad{before, std::move(step), 0};
    const Tensor& element = known(value, "the value it pads with");
    if (element.type != type(a) || element.dims.size() > 1 || elements(element.dims) != 1) {
        refuse("what it pads with is not one value");
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
    const ValueId out = add(Permute{axes}, {a}, type(a), std::move(shape));
    if (const Twin* const twin = bytes_of(a, true)) {
        Twin moved = *twin;
        moved.axis = static_cast<std::size_t>(std::ranges::find(axes, moved.axis) - axes.begin());
        moved.other = permute(twin->other, std::move(axes));
        stands_for(out, std::move(moved));
    }
    return out;
}

ValueId Builder::take(ValueId a, Dims start, Dims step, Dims shape) {
    if (shape.size() != rank(a) || start.size() != rank(a) || step.size() != rank(a)) {
        refuse("it takes part of a tensor of another rank than " + to_string(dims(a)));
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        std::int64_t last = 0;
        const bool far = __builtin_mul_overflow(shape[i] - 1, step[i], &last) ||
                         __builtin_add_overflow(last, start[i], &last);
        const auto outside = [&](std::int64_t at) { return at < 0 || at >= dims(a)[i]; };
        if (shape[i] > 0 && (far || outside(start[i]) || outside(last))) {
            refuse("it takes more than there is of axis " + std::to_string(i));
        }
    }
    if (shape == dims(a) && std::ranges::all_of(step, [](auto s) { return s == 1; })) {
        return a;
    }
    const ValueId out = add(Take{start, step}, {a}, type(a), shape);
    if (const Twin* const twin = bytes_of(a, false)) {
        Twin part = *twin;
        part.other = take(twin->other, std::move(start), std::move(step), std::move(shape));
        stands_for(out, std::move(part));
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
    return take(a, std::move(first), std::move(step), std::move(shape));
}

ValueId Builder::broadcast(ValueId a, const Dims& shape) {
    if (broadcast_dims(dims(a), shape) != shape) {
        refuse("the shape " + to_string(dims(a)) + " does not broadcast to " + to_string(shape));
    }
    return dims(a) == shape ? a : add(Broadcast{}, {a}, type(a), shape);
}

ValueId Builder::reshape(ValueId a, Dims shape) {
    if (elements(shape) != elements(dims(a))) {
        refuse("a tensor of the shape " + to_string(dims(a)) + " cannot become " +
               to_string(shape));
    }
    if (dims(a) == shape) {
        return a;
    }
    const ValueId out = add(Reshape{}, {a}, type(a), shape);
    if (const Twin* const twin = bytes_of(a, false)) {
        Twin same = *twin;
        same.other = reshape(twin->other, std::move(shape));
        stands_for(out, std::move(same));
    }
    return out;
}

void Builder::stands_for(ValueId id, Twin twin) {
    program_.values[id].twin = std::make_shared<const Twin>(std::move(twin));
}

const Twin* Builder::bytes_of(ValueId id, bool any) const {
    const Value& v = value(id);
    return v.type == DataType::f32 && v.twin && (any || v.twin->scales.size() == 1) ? v.twin.get()
                                                                                    : nullptr;
}

const Tensor& Builder::known(ValueId id, std::string_view what) const {
    if (value(id).constant) {
        return *value(id).constant;
    }
    // The first input it comes from.
    std::vector<ValueId> open{id};
    std::vector<bool> seen(program_.values.size());
    while (!open.empty()) {
        const Value& v = value(open.back());
        open.pop_back();
        if (v.input >= 0) {
            const std::string& name = program_.inputs[static_cast<std::size_t>(v.input)].name;
            throw ConstantInputRequired(
                std::string(what) + " must be known when the model is loaded: give input '" + name +
                    "' in LoadOptions::constant_inputs (accelctl --constant-input), or let each "
                    "run work it out with LoadOptions::host_fallback (accelctl --host-fallback)",
                name);
        }
        if (v.producer >= 0) {
            for (const ValueId source : program_.code[static_cast<std::size_t>(v.producer)].in) {
                if (!seen[source]) {
                    seen[source] = true;
                    open.push_back(source);
                }
            }
        }
    }
    refuse(std::string(what) + " must be known when the model is loaded, and is not");
}

}  // namespace accel::compiler
