// SPDX-License-Identifier: Apache-2.0
#include "passes/layout_assignment.hpp"

#include <accel/error.hpp>

#include <algorithm>
#include <ostream>

#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

Steps Layout::run(std::ostream* dump) {
    for (std::size_t i = 0; i < p_.outputs.size(); ++i) {
        output_of_.try_emplace(p_.outputs[i].value, static_cast<std::uint32_t>(i));
    }
    for (const Instruction& x : p_.code) {
        node_ = x.node;
        const std::size_t before = steps_.list.size();
        try {
            if (elements(p_.values[x.out].dims) == 0) {
                places_[x.out] = fresh(x.out, row_major(p_.values[x.out].dims.size()));
            } else {
                std::visit([&](const auto& operation) { lower(operation, x); }, x.operation);
            }
        } catch (const Error& error) {
            throw Error(error.errc(), x.node + ": " + message_of(error));
        }
        if (dump != nullptr) {
            *dump << "  " << x.node << ": " << to_string(x.operation) << " "
                  << compiler::to_string(p_.values[x.out].dims) << " strides "
                  << compiler::to_string(places_[x.out]->strides) << ", "
                  << steps_.list.size() - before << " commands\n";
        }
    }
    for (std::size_t i = 0; i < p_.outputs.size(); ++i) {
        node_ = "output " + p_.outputs[i].name;
        finish_output(p_.outputs[i].value, static_cast<std::uint32_t>(i));
    }
    return std::move(steps_);
}

int Layout::add_store(Store store) {
    steps_.stores.push_back(std::move(store));
    return static_cast<int>(steps_.stores.size()) - 1;
}

Place Layout::scratch(DataType element, const Dims& shape, const Order& order) {
    const auto bytes = static_cast<std::uint64_t>(elements(shape)) * size_of(element);
    return {add_store({.kind = Store::Kind::scratch, .bytes = bytes, .data = nullptr}), 0,
            strides_in(shape, order)};
}

Place Layout::fresh(ValueId id, const Order& order) {
    const auto output = output_of_.find(id);
    const Dims strides = strides_in(dims(id), order);
    if (output == output_of_.end() || !same_strides(dims(id), strides, dense_strides(dims(id)))) {
        return scratch(type(id), dims(id), order);
    }
    done_[output->second] = true;
    return {output_store(output->second), 0, strides};
}

int Layout::output_store(std::uint32_t index) {
    const ValueId id = p_.outputs[index].value;
    return add_store({.kind = Store::Kind::output,
                      .bytes = static_cast<std::uint64_t>(elements(dims(id))) * size_of(type(id)),
                      .index = index,
                      .data = nullptr});
}

void Layout::finish_output(ValueId id, std::uint32_t index) {
    if (done_[index] || elements(dims(id)) == 0) {
        return;
    }
    copy(place(id), {output_store(index), 0, dense_strides(dims(id))}, dims(id), type(id));
}

int Layout::weights(Constant data) {
    const std::uint64_t bytes = data->data.size();
    return add_store({.kind = Store::Kind::weights, .bytes = bytes, .data = std::move(data)});
}

const Place& Layout::place(ValueId id) {
    std::optional<Place>& known = places_[id];
    if (!known) {
        const Value& value = p_.values[id];
        const int store =
            value.constant ? weights(value.constant)
                           : add_store({.kind = Store::Kind::input,
                                        .bytes = static_cast<std::uint64_t>(elements(value.dims)) *
                                                 size_of(value.type),
                                        .index = static_cast<std::uint32_t>(value.input),
                                        .data = nullptr});
        known = Place{store, 0, dense_strides(value.dims)};
    }
    return *known;
}

Ref Layout::ref(const Place& at, DataType element) const {
    return {at.store, static_cast<std::uint64_t>(at.first) * size_of(element)};
}

void Layout::emit(AnyCommand command, Ref dst, std::array<Ref, 3> src, std::array<bool, 3> in_place,
                  bool is_copy) {
    steps_.list.push_back({std::move(command), dst, src, in_place, is_copy, node_});
}

void Layout::copy(const Place& from, const Place& to, const Dims& shape, DataType element) {
    const Loops loops = collapse(shape, {to.strides, from.strides}, order_of(to, shape));
    Transpose command{.element_size = size_of(element), .shape = to_shape(loops.dims)};
    command.dst_strides = to_shape(loops.strides[0]);
    for (std::size_t i = 0; i < loops.dims.size(); ++i) {
        const std::int64_t stride = loops.strides[1][i];
        if (stride > INT32_MAX || stride < INT32_MIN) {
            refuse("a stride of " + std::to_string(stride) + " is out of range");
        }
        command.src_strides.at(i) = static_cast<std::int32_t>(stride);
    }
    command.src_offset = static_cast<std::uint64_t>(from.first);
    const bool same = from.first == to.first && same_strides(shape, from.strides, to.strides);
    emit(command, ref(to, element), {Ref{from.store, 0}}, {same}, true);
}

Place Layout::copied(const Place& from, const Dims& shape, DataType element, const Order& order) {
    Place to = scratch(element, shape, order);
    copy(from, to, shape, element);
    return to;
}

Place Layout::in_order(ValueId id, const Order& order) {
    const Place at = place(id);
    const Dims strides = strides_in(dims(id), order);
    if (same_strides(dims(id), at.strides, strides)) {
        return {at.store, at.first, strides};
    }
    auto& known = ordered_[{id, order}];
    if (!known) {
        const Constant& constant = p_.values[id].constant;
        known = constant ? Place{weights(turned(*constant, order)), 0, strides}
                         : copied(at, dims(id), type(id), order);
    }
    return *known;
}

Constant Layout::turned(const Tensor& tensor, const Order& order) {
    Value result{.type = tensor.type, .dims = {}, .constant = nullptr};
    for (const std::size_t axis : order) {
        result.dims.push_back(tensor.dims[axis]);
    }
    return evaluate(Permute{order}, {&tensor}, result);
}

Order Layout::natural(ValueId id) {
    const Place& at = place(id);
    const Order order = order_of(at, dims(id));
    return same_strides(dims(id), at.strides, strides_in(dims(id), order))
               ? order
               : row_major(dims(id).size());
}

void Layout::lower(const Permute& permute, const Instruction& x) {
    const Place from = place(x.in[0]);
    Place to{from.store, from.first, {}};
    for (const std::size_t axis : permute.axes) {
        to.strides.push_back(from.strides[axis]);
    }
    places_[x.out] = std::move(to);
}

void Layout::lower(const Take& take, const Instruction& x) {
    Place to = place(x.in[0]);
    for (std::size_t i = 0; i < take.start.size(); ++i) {
        to.first += take.start[i] * to.strides[i];
        to.strides[i] *= take.step[i];
    }
    places_[x.out] = std::move(to);
}

void Layout::lower(const Broadcast&, const Instruction& x) {
    const Place from = place(x.in[0]);
    places_[x.out] = Place{from.store, from.first, spread(x.in[0], from, dims(x.out))};
}

void Layout::lower(const Reshape&, const Instruction& x) {
    const Place from = place(x.in[0]);
    if (auto strides = reshaped(dims(x.in[0]), from.strides, dims(x.out))) {
        places_[x.out] = Place{from.store, from.first, std::move(*strides)};
        return;
    }
    const Place at = dense(x.in[0]);
    places_[x.out] = Place{at.store, at.first, dense_strides(dims(x.out))};
}

Dims Layout::spread(ValueId id, const Place& at, const Dims& shape) const {
    Dims strides(shape.size());
    const std::size_t shift = shape.size() - dims(id).size();
    for (std::size_t i = 0; i < dims(id).size(); ++i) {
        strides[i + shift] = dims(id)[i] == 1 ? 0 : at.strides[i];
    }
    return strides;
}

void Layout::lower(const Map& map, const Instruction& x) {
    const Dims& shape = dims(x.out);
    Order order = row_major(shape.size());
    for (const ValueId id : x.in) {
        if (dims(id) == shape && !p_.values[id].constant) {
            order = order_of(place(id), shape);
            break;
        }
    }
    std::vector<Place> sources;
    std::vector<Dims> strides{strides_in(shape, order)};
    for (const ValueId id : x.in) {
        Place at = place(id);
        if (std::ranges::any_of(at.strides, [](auto s) { return s < 0; })) {
            at = dense(id);
        }
        strides.push_back(spread(id, at, shape));
        sources.push_back(std::move(at));
    }
    const Place to = fresh(x.out, order);
    const Loops loops = collapse(shape, strides, order);
    const DataType a = type(x.in[0]);
    const DataType b = x.in.size() > 1 ? type(x.in[1]) : a;
    // A conversion computes in what it converts to, so that no digit is lost.
    const bool integers =
        is_integer(a) && (map.op != ElementwiseOp::identity || map.activation != UnaryOp::none ||
                          is_integer(type(x.out)));
    Elementwise command{.op = map.op,
                        .shape = to_shape(loops.dims),
                        .dst_strides = to_shape(loops.strides[0]),
                        .a_strides = to_shape(loops.strides[1]),
                        .activation = map.activation,
                        .activation_alpha = map.alpha,
                        .activation_beta = map.beta,
                        .type = integers ? DataType::i64 : DataType::f32,
                        .dst_type = type(x.out),
                        .a_type = a,
                        .b_type = b};
    std::array<Ref, 3> src{ref(sources[0], a)};
    std::array<bool, 3> in_place{};
    for (std::size_t i = 0; i < sources.size(); ++i) {
        src.at(i) = ref(sources[i], type(x.in[i]));
        in_place.at(i) = sources[i].first == 0 && size_of(type(x.in[i])) == size_of(type(x.out)) &&
                         loops.strides[i + 1] == loops.strides[0];
    }
    if (sources.size() > 1) {
        command.b_strides = to_shape(loops.strides[2]);
    }
    if (sources.size() > 2) {
        command.c_strides = to_shape(loops.strides[3]);
        command.c_type = type(x.in[2]);
    }
    places_[x.out] = to;
    emit(command, ref(to, type(x.out)), src, in_place);
}

void Layout::lower(const Join& join, const Instruction& x) {
    const Place to = fresh(x.out, natural(x.in[0]));
    places_[x.out] = to;
    Place part = to;
    for (const ValueId id : x.in) {
        if (elements(dims(id)) != 0) {
            copy(place(id), part, dims(id), type(id));
        }
        part.first += dims(id)[join.axis] * to.strides[join.axis];
    }
}

void Layout::lower(const compiler::Pad& pad, const Instruction& x) {
    const Place to = fresh(x.out, natural(x.in[0]));
    places_[x.out] = to;
    const DataType element = type(x.out);
    emit(Fill{.pattern = pad.value,
              .pattern_bytes = size_of(element),
              .bytes = static_cast<std::uint64_t>(elements(dims(x.out))) * size_of(element)},
         ref(to, element), {});
    Place part = to;
    for (std::size_t i = 0; i < pad.before.size(); ++i) {
        part.first += pad.before[i] * to.strides[i];
        part.strides[i] *= pad.step[i];
    }
    if (elements(dims(x.in[0])) != 0) {
        copy(place(x.in[0]), part, dims(x.in[0]), element);
    }
}

Steps lay_out(const Program& program, std::ostream* dump) {
    return Layout(program).run(dump);
}

}  // namespace accel::compiler
