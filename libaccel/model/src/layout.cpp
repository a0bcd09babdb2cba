// SPDX-License-Identifier: Apache-2.0
#include "layout.hpp"

#include <accel/error.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <ostream>

namespace accel::model {

namespace {

// Where the elements of a value are: element i is first + the sum of i * strides.
struct Place {
    int store = -1;
    std::int64_t first = 0;
    Dims strides;
};

using Order = std::vector<std::size_t>;  // dimensions, outermost first

// Several operands over the same dimensions, of which some can be joined.
struct Loops {
    Dims dims;
    std::vector<Dims> strides;  // of each operand
};

Loops collapse(const Dims& dims, const std::vector<Dims>& strides, const Order& order) {
    Loops loops;
    loops.strides.resize(strides.size());
    for (const std::size_t d : order) {
        if (dims[d] == 1) {
            continue;
        }
        bool joins = !loops.dims.empty();
        for (std::size_t o = 0; o < strides.size() && joins; ++o) {
            joins = loops.strides[o].back() == strides[o][d] * dims[d];
        }
        if (joins) {
            loops.dims.back() *= dims[d];
            for (std::size_t o = 0; o < strides.size(); ++o) {
                loops.strides[o].back() = strides[o][d];
            }
        } else {
            loops.dims.push_back(dims[d]);
            for (std::size_t o = 0; o < strides.size(); ++o) {
                loops.strides[o].push_back(strides[o][d]);
            }
        }
    }
    if (loops.dims.empty()) {
        loops.dims.push_back(1);
        for (Dims& s : loops.strides) {
            s.push_back(1);
        }
    }
    if (loops.dims.size() > max_rank) {
        refuse("its operands have more than six dimensions that cannot be joined");
    }
    return loops;
}

Shape to_shape(const Dims& dims) {
    std::vector<std::uint64_t> extents(dims.begin(), dims.end());
    return Shape(std::span<const std::uint64_t>(extents));
}

std::uint32_t u32(std::int64_t value) {
    if (value < 0 || value > UINT32_MAX) {
        refuse("a dimension or stride of " + std::to_string(value) + " is out of range");
    }
    return static_cast<std::uint32_t>(value);
}

Order row_major(std::size_t rank) {
    Order order(rank);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

const Order channels_last{0, 2, 3, 1};

// Outermost first, by strides. Where a dimension is of length 1 its stride says nothing.
Order order_of(const Place& place, const Dims& dims) {
    Order order = row_major(dims.size());
    const auto longer =
        std::ranges::stable_partition(order, [&](std::size_t d) { return dims[d] == 1; });
    std::ranges::stable_sort(longer, std::greater<>(),
                             [&](std::size_t d) { return place.strides[d]; });
    return order;
}

Dims strides_in(const Dims& dims, const Order& order) {
    Dims strides(dims.size());
    std::int64_t step = 1;
    for (std::size_t i = order.size(); i-- > 0;) {
        strides[order[i]] = step;
        step *= std::max<std::int64_t>(dims[order[i]], 1);
    }
    return strides;
}

bool same_strides(const Dims& dims, const Dims& a, const Dims& b) {
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (dims[i] > 1 && a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

// Strides of the same elements under other dimensions, if there are such.
std::optional<Dims> reshaped(const Dims& from, const Dims& strides, const Dims& to) {
    Dims dims;
    Dims steps;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] != 1) {
            dims.push_back(from[i]);
            steps.push_back(strides[i]);
        }
    }
    Dims result(to.size(), 1);
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < dims.size() && j < to.size()) {
        // A run of old dimensions and a run of new ones with as many elements.
        std::size_t i_end = i + 1;
        std::size_t j_end = j + 1;
        std::int64_t old_count = dims[i];
        std::int64_t new_count = to[j];
        while (old_count != new_count) {
            if (old_count < new_count) {
                if (i_end == dims.size()) {
                    return std::nullopt;
                }
                old_count *= dims[i_end++];
            } else {
                if (j_end == to.size()) {
                    return std::nullopt;
                }
                new_count *= to[j_end++];
            }
        }
        for (std::size_t k = i; k + 1 < i_end; ++k) {
            if (steps[k] != steps[k + 1] * dims[k + 1]) {
                return std::nullopt;
            }
        }
        std::int64_t step = steps[i_end - 1];
        for (std::size_t k = j_end; k-- > j;) {
            result[k] = step;
            step *= to[k];
        }
        i = i_end;
        j = j_end;
    }
    return result;
}

class Layout {
  public:
    explicit Layout(const Program& program) : p_(program), places_(program.values.size()) {}

    Steps run(std::ostream* dump) {
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
                      << model::to_string(p_.values[x.out].dims) << " strides "
                      << model::to_string(places_[x.out]->strides) << ", "
                      << steps_.list.size() - before << " commands\n";
            }
        }
        for (std::size_t i = 0; i < p_.outputs.size(); ++i) {
            node_ = "output " + p_.outputs[i].name;
            finish_output(p_.outputs[i].value, static_cast<std::uint32_t>(i));
        }
        return std::move(steps_);
    }

  private:
    [[nodiscard]] const Dims& dims(ValueId id) const { return p_.values[id].dims; }
    [[nodiscard]] Type type(ValueId id) const { return p_.values[id].type; }

    [[nodiscard]] int add_store(Store store) {
        steps_.stores.push_back(std::move(store));
        return static_cast<int>(steps_.stores.size()) - 1;
    }

    [[nodiscard]] Place scratch(Type element, const Dims& shape, const Order& order) {
        const auto bytes = static_cast<std::uint64_t>(elements(shape)) * size_of(element);
        return {add_store({.kind = Store::Kind::scratch, .bytes = bytes, .data = nullptr}), 0,
                strides_in(shape, order)};
    }

    // For the result of an instruction: an output of the model lies as ONNX has it.
    [[nodiscard]] Place fresh(ValueId id, const Order& order) {
        const auto output = output_of_.find(id);
        const Dims strides = strides_in(dims(id), order);
        if (output == output_of_.end() ||
            !same_strides(dims(id), strides, dense_strides(dims(id)))) {
            return scratch(type(id), dims(id), order);
        }
        done_[output->second] = true;
        return {output_store(output->second), 0, strides};
    }

    [[nodiscard]] int output_store(std::uint32_t index) {
        const ValueId id = p_.outputs[index].value;
        return add_store(
            {.kind = Store::Kind::output,
             .bytes = static_cast<std::uint64_t>(elements(dims(id))) * size_of(type(id)),
             .index = index,
             .data = nullptr});
    }

    void finish_output(ValueId id, std::uint32_t index) {
        if (done_[index] || elements(dims(id)) == 0) {
            return;
        }
        copy(place(id), {output_store(index), 0, dense_strides(dims(id))}, dims(id), type(id));
    }

    [[nodiscard]] int weights(Constant data) {
        const std::uint64_t bytes = data->data.size();
        return add_store({.kind = Store::Kind::weights, .bytes = bytes, .data = std::move(data)});
    }

    const Place& place(ValueId id) {
        std::optional<Place>& known = places_[id];
        if (!known) {
            const Value& value = p_.values[id];
            const int store =
                value.constant
                    ? weights(value.constant)
                    : add_store({.kind = Store::Kind::input,
                                 .bytes = static_cast<std::uint64_t>(elements(value.dims)) *
                                          size_of(value.type),
                                 .index = static_cast<std::uint32_t>(value.input),
                                 .data = nullptr});
            known = Place{store, 0, dense_strides(value.dims)};
        }
        return *known;
    }

    [[nodiscard]] Ref ref(const Place& at, Type element) const {
        return {at.store, static_cast<std::uint64_t>(at.first) * size_of(element)};
    }

    void emit(AnyCommand command, Ref dst, std::array<Ref, 3> src,
              std::array<bool, 3> in_place = {}, bool is_copy = false) {
        steps_.list.push_back({std::move(command), dst, src, in_place, is_copy, node_});
    }

    // ---- copies

    void copy(const Place& from, const Place& to, const Dims& shape, Type element) {
        const Loops loops = collapse(shape, {to.strides, from.strides}, order_of(to, shape));
        Transpose command{.element = size_of(element), .shape = to_shape(loops.dims)};
        command.dst_strides = to_shape(loops.strides[0]);
        for (std::size_t i = 0; i < loops.dims.size(); ++i) {
            const std::int64_t stride = loops.strides[1][i];
            if (stride > INT32_MAX || stride < INT32_MIN) {
                refuse("a stride of " + std::to_string(stride) + " is out of range");
            }
            command.src_strides.at(i) = static_cast<std::int32_t>(stride);
        }
        command.src_first = static_cast<std::uint64_t>(from.first);
        const bool same = from.first == to.first && same_strides(shape, from.strides, to.strides);
        emit(command, ref(to, element), {Ref{from.store, 0}}, {same}, true);
    }

    Place copied(const Place& from, const Dims& shape, Type element, const Order& order) {
        Place to = scratch(element, shape, order);
        copy(from, to, shape, element);
        return to;
    }

    // Elements without gaps, in this order.
    Place in_order(ValueId id, const Order& order) {
        const Place at = place(id);
        if (same_strides(dims(id), at.strides, strides_in(dims(id), order))) {
            return {at.store, at.first, strides_in(dims(id), order)};
        }
        if (p_.values[id].constant) {
            return {weights(turned(*p_.values[id].constant, order)), 0,
                    strides_in(dims(id), order)};
        }
        auto& known = ordered_[{id, order}];
        if (!known) {
            known = copied(at, dims(id), type(id), order);
        }
        return *known;
    }
    Place dense(ValueId id) { return in_order(id, row_major(dims(id).size())); }

    static Constant turned(const Tensor& tensor, const Order& order) {
        Value result{.type = tensor.type, .dims = {}, .constant = nullptr};
        for (const std::size_t axis : order) {
            result.dims.push_back(tensor.dims[axis]);
        }
        return evaluate(Permute{order}, {&tensor}, result);
    }

    // The order it lies in if it lies without gaps, else row-major.
    Order natural(ValueId id) {
        const Place& at = place(id);
        const Order order = order_of(at, dims(id));
        return same_strides(dims(id), at.strides, strides_in(dims(id), order))
                   ? order
                   : row_major(dims(id).size());
    }

    // ---- views

    void lower(const Permute& permute, const Instruction& x) {
        const Place from = place(x.in[0]);
        Place to{from.store, from.first, {}};
        for (const std::size_t axis : permute.axes) {
            to.strides.push_back(from.strides[axis]);
        }
        places_[x.out] = std::move(to);
    }

    void lower(const Take& take, const Instruction& x) {
        Place to = place(x.in[0]);
        for (std::size_t i = 0; i < take.start.size(); ++i) {
            to.first += take.start[i] * to.strides[i];
            to.strides[i] *= take.step[i];
        }
        places_[x.out] = std::move(to);
    }

    void lower(const Broadcast&, const Instruction& x) {
        const Place from = place(x.in[0]);
        places_[x.out] = Place{from.store, from.first, spread(x.in[0], from, dims(x.out))};
    }

    void lower(const Reshape&, const Instruction& x) {
        const Place from = place(x.in[0]);
        if (auto strides = reshaped(dims(x.in[0]), from.strides, dims(x.out))) {
            places_[x.out] = Place{from.store, from.first, std::move(*strides)};
            return;
        }
        const Place at = dense(x.in[0]);
        places_[x.out] = Place{at.store, at.first, dense_strides(dims(x.out))};
    }

    // Strides of an operand that broadcasts to `shape`.
    Dims spread(ValueId id, const Place& at, const Dims& shape) const {
        Dims strides(shape.size());
        const std::size_t shift = shape.size() - dims(id).size();
        for (std::size_t i = 0; i < dims(id).size(); ++i) {
            strides[i + shift] = dims(id)[i] == 1 ? 0 : at.strides[i];
        }
        return strides;
    }

    // ---- element-wise

    void lower(const Map& map, const Instruction& x) {
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
        const Type a = type(x.in[0]);
        const Type b = x.in.size() > 1 ? type(x.in[1]) : a;
        // A conversion computes in what it converts to, so that no digit is lost.
        const bool integers =
            is_integer(a) && (map.op != ElementwiseOp::first ||
                              map.activation != Activation::none || is_integer(type(x.out)));
        Elementwise command{.op = map.op,
                            .shape = to_shape(loops.dims),
                            .dst_strides = to_shape(loops.strides[0]),
                            .a_strides = to_shape(loops.strides[1]),
                            .activation = map.activation,
                            .alpha = map.alpha,
                            .beta = map.beta,
                            .type = integers ? Type::i64 : Type::f32,
                            .dst_type = type(x.out),
                            .a_type = a,
                            .b_type = b};
        std::array<Ref, 3> src{ref(sources[0], a)};
        std::array<bool, 3> in_place{};
        for (std::size_t i = 0; i < sources.size(); ++i) {
            src.at(i) = ref(sources[i], type(x.in[i]));
            in_place.at(i) = sources[i].first == 0 &&
                             size_of(type(x.in[i])) == size_of(type(x.out)) &&
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

    // ---- along an axis: any order without gaps will do, the result has the same

    struct Along {
        Order order;
        std::uint32_t outer;
        std::uint32_t n;
        std::uint32_t inner;
    };
    Along along(ValueId id, std::size_t axis) {
        Along result{.order = natural(id), .outer = 1, .n = 1, .inner = 1};
        const Dims& shape = dims(id);
        const auto at = std::ranges::find(result.order, axis);
        std::int64_t outer = 1;
        std::int64_t inner = 1;
        for (auto d = result.order.begin(); d != result.order.end(); ++d) {
            (d < at ? outer : inner) *= d == at ? 1 : shape[*d];
        }
        result.outer = u32(outer);
        result.n = u32(shape[axis]);
        result.inner = u32(inner);
        return result;
    }

    void need_f32(ValueId id) const {
        if (type(id) != Type::f32) {
            refuse("the card does this in f32 only, and its operand is " +
                   std::string(model::to_string(type(id))));
        }
    }

    void lower(const Reduction& reduction, const Instruction& x) {
        need_f32(x.in[0]);
        const Along a = along(x.in[0], reduction.axis);
        const Place from = in_order(x.in[0], a.order);
        const Place to = fresh(x.out, a.order);
        places_[x.out] = to;
        emit(Reduce{.op = reduction.op, .outer = a.outer, .n = a.n, .inner = a.inner},
             ref(to, Type::f32), {ref(from, Type::f32)});
    }

    void lower(const SoftMax& softmax, const Instruction& x) {
        need_f32(x.in[0]);
        const Along a = along(x.in[0], softmax.axis);
        const Place from = in_order(x.in[0], a.order);
        const Place to = fresh(x.out, a.order);
        places_[x.out] = to;
        emit(Softmax{.outer = a.outer, .n = a.n, .inner = a.inner}, ref(to, Type::f32),
             {ref(from, Type::f32)}, {from.first == 0});
    }

    void lower(const Interpolate& resize, const Instruction& x) {
        need_f32(x.in[0]);
        const Along a = along(x.in[0], resize.axis);
        const Place from = in_order(x.in[0], a.order);
        const Place table = place(x.in[1]);
        const Place to = fresh(x.out, a.order);
        places_[x.out] = to;
        emit(Resize{.taps = resize.taps,
                    .outer = a.outer,
                    .n = a.n,
                    .count = u32(dims(x.out)[resize.axis]),
                    .inner = a.inner},
             ref(to, Type::f32), {ref(from, Type::f32), ref(table, Type::f32)});
    }

    void lower(const Pick& pick, const Instruction& x) {
        const ValueId data = x.in[0];
        const ValueId indices = x.in[1];
        const bool same_rank = !pick.elements && dims(indices).size() == 1;
        Along a = along(data, pick.axis);
        if (!same_rank) {
            a.order = row_major(dims(data).size());
            const auto at = dims(data).begin() + static_cast<std::ptrdiff_t>(pick.axis);
            a.outer = u32(elements(Dims(dims(data).begin(), at)));
            a.inner = u32(elements(Dims(at + 1, dims(data).end())));
        }
        const Place from = in_order(data, a.order);
        const Place index = dense(indices);
        const Place to = fresh(x.out, same_rank ? a.order : row_major(dims(x.out).size()));
        places_[x.out] = to;
        emit(Gather{.index_type = type(indices),
                    .elements = pick.elements,
                    .element = size_of(type(data)),
                    .outer = a.outer,
                    .n = a.n,
                    .count = pick.elements ? u32(dims(indices)[pick.axis])
                                           : u32(elements(dims(indices))),
                    .inner = a.inner},
             ref(to, type(data)), {ref(from, type(data)), ref(index, type(indices))});
    }

    // ---- parts of a larger tensor

    void lower(const Join& join, const Instruction& x) {
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

    void lower(const model::Pad& pad, const Instruction& x) {
        const Place to = fresh(x.out, natural(x.in[0]));
        places_[x.out] = to;
        const Type element = type(x.out);
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

    // ---- products

    void lower(const MatMul& product, const Instruction& x) {
        const Dims& shape = dims(x.out);
        const std::size_t batch = shape.size() - 2;
        const Side a = side(x.in[0], shape);
        const Side b = side(x.in[1], shape);
        const Place to = fresh(x.out, row_major(shape.size()));
        places_[x.out] = to;
        const Dims& a_dims = dims(x.in[0]);
        const std::int64_t m = a_dims[a_dims.size() - 2];
        const std::int64_t k = a_dims.back();
        const std::int64_t n = shape.back();
        const Dims outer(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(batch));
        const Dims to_batch(to.strides.begin(),
                            to.strides.begin() + static_cast<std::ptrdiff_t>(batch));
        Loops loops = collapse(outer, {to_batch, a.batch, b.batch}, row_major(batch));
        Gemm command{.m = u32(m),
                     .n = u32(n),
                     .k = u32(k),
                     .activation = product.then.activation,
                     .transpose_a = a.transposed,
                     .transpose_b = b.transposed,
                     .lda = u32(a.leading),
                     .ldb = u32(b.leading),
                     .ldd = u32(n),
                     .alpha = product.then.alpha,
                     .beta = product.then.beta,
                     .numbers = product.numbers};
        // Rows of a batch that all meet the same b are rows of one larger a.
        if (loops.dims.size() == 1 && loops.strides[2][0] == 0 && !a.transposed &&
            loops.strides[1][0] == m * a.leading && loops.strides[0][0] == m * n) {
            command.m = u32(m * loops.dims[0]);
            loops = {{1}, {{1}, {1}, {1}}};
        }
        command.batch = u32(loops.dims.back());
        if (command.batch > 1) {
            command.batch_d = u32(loops.strides[0].back());
            command.batch_a = u32(loops.strides[1].back());
            command.batch_b = u32(loops.strides[2].back());
        }
        Ref bias;
        if (x.in.size() > 2) {
            bias = ref(dense(x.in[2]), type(x.in[2]));
        }
        // One dimension of a batch is the card's; the others are commands.
        loops.dims.pop_back();
        const std::int64_t commands = elements(loops.dims);
        if (commands > 4096) {
            refuse("its batch has no order that the card can walk");
        }
        Dims at(loops.dims.size());
        for (std::int64_t i = 0; i < commands; ++i) {
            std::array<std::int64_t, 3> offset{};
            for (std::size_t d = 0; d < at.size(); ++d) {
                for (std::size_t o = 0; o < 3; ++o) {
                    offset.at(o) += at[d] * loops.strides[o][d];
                }
            }
            emit(command, shifted(to, offset[0], type(x.out)),
                 {shifted(a.place, offset[1], type(x.in[0])),
                  shifted(b.place, offset[2], type(x.in[1])), bias});
            for (std::size_t d = at.size(); d-- > 0;) {
                if (++at[d] < loops.dims[d]) {
                    break;
                }
                at[d] = 0;
            }
        }
    }

    [[nodiscard]] Ref shifted(Place at, std::int64_t by, Type element) const {
        at.first += by;
        return ref(at, element);
    }

    struct Side {
        Place place;
        Dims batch;  // strides
        std::int64_t leading;
        bool transposed;
    };
    Side side(ValueId id, const Dims& shape) {
        const Dims& d = dims(id);
        const std::int64_t rows = d[d.size() - 2];
        const std::int64_t columns = d.back();
        Place at = place(id);
        const auto fits = [](std::int64_t across, std::int64_t along, std::int64_t count,
                             std::int64_t length) {
            return (along == 1 || length == 1) && (across >= length || count == 1);
        };
        const std::size_t r = d.size() - 2;
        const bool positive = std::ranges::all_of(at.strides, [](auto s) { return s >= 0; });
        bool plain = positive && fits(at.strides[r], at.strides[r + 1], rows, columns);
        const bool turned = positive && fits(at.strides[r + 1], at.strides[r], columns, rows);
        if (!plain && !turned) {
            at = dense(id);
            plain = true;
        }
        Side result{.place = at, .batch = {}, .leading = 0, .transposed = !plain};
        const std::int64_t across = plain ? at.strides[r] : at.strides[r + 1];
        const std::int64_t length = plain ? columns : rows;
        result.leading = (plain ? rows : columns) == 1 ? length : across;
        result.leading = std::max(result.leading, length);
        // The batch of the result, as this operand repeats in it.
        const std::size_t batch = shape.size() - 2;
        const std::size_t own = d.size() - 2;
        result.batch.assign(batch, 0);
        for (std::size_t i = 0; i < own; ++i) {
            result.batch[batch - own + i] = d[i] == 1 ? 0 : at.strides[i];
        }
        return result;
    }

    // ---- images

    struct Laid {
        Place place;
        Images images;
    };
    // As it lies, if the engine can take that, else copied.
    Laid image(ValueId id) {
        const Dims& d = dims(id);
        Place at = place(id);
        const auto stride = [&](std::size_t i, std::int64_t otherwise) {
            return d[i] == 1 ? otherwise : at.strides[i];
        };
        const auto taken = [&] {
            const std::int64_t pixel = stride(3, d[1]);
            const std::int64_t row = stride(2, pixel * d[3]);
            const std::int64_t whole = stride(0, row * d[2]);
            const bool fits = stride(1, 1) == 1 && pixel >= d[1] && row > 0 && whole > 0 &&
                              pixel <= UINT32_MAX && row <= UINT32_MAX && whole <= UINT32_MAX;
            return fits ? std::optional(Images{.height = u32(d[2]),
                                               .width = u32(d[3]),
                                               .channels = u32(d[1]),
                                               .pixel = u32(pixel),
                                               .row = u32(row),
                                               .image = u32(whole)})
                        : std::nullopt;
        };
        auto images = taken();
        if (!images) {
            at = in_order(id, channels_last);
            images = taken();
        }
        if (!images) {
            refuse("images of the shape " + model::to_string(d) + " are too large");
        }
        return {std::move(at), *images};
    }

    Laid result_image(ValueId id) {
        const Place to = fresh(id, channels_last);
        places_[id] = to;
        const Dims& d = dims(id);
        return {to,
                {.height = u32(d[2]),
                 .width = u32(d[3]),
                 .channels = u32(d[1]),
                 .pixel = u32(d[1]),
                 .row = u32(d[1] * d[3]),
                 .image = u32(d[1] * d[3] * d[2])}};
    }

    void lower(const Conv& conv, const Instruction& x) {
        const Laid from = image(x.in[0]);
        const Place w = in_order(x.in[1], {2, 3, 1, 0});
        Ref bias;
        if (x.in.size() > 2) {
            bias = ref(dense(x.in[2]), type(x.in[2]));
        }
        const Laid to = result_image(x.out);
        if (x.in.size() > 3) {
            copy(place(x.in[3]), to.place, dims(x.out), type(x.out));
        }
        emit(Conv2d{.batch = u32(dims(x.out)[0]),
                    .groups = conv.groups,
                    .from = from.images,
                    .to = to.images,
                    .window = conv.window,
                    .activation = conv.then.activation,
                    .alpha = conv.then.alpha,
                    .beta = conv.then.beta,
                    .numbers = conv.numbers},
             ref(to.place, type(x.out)),
             {ref(from.place, type(x.in[0])), ref(w, type(x.in[1])), bias});
    }

    void lower(const Pooling& pool, const Instruction& x) {
        need_f32(x.in[0]);
        const Laid from = image(x.in[0]);
        const Laid to = result_image(x.out);
        emit(accel::Pool{.op = pool.op,
                         .batch = u32(dims(x.out)[0]),
                         .from = from.images,
                         .to = to.images,
                         .window = pool.window,
                         .count_outside = pool.count_outside},
             ref(to.place, Type::f32), {ref(from.place, Type::f32)});
    }

    const Program& p_;
    Steps steps_;
    std::vector<std::optional<Place>> places_;
    std::map<std::pair<ValueId, Order>, std::optional<Place>> ordered_;
    std::map<ValueId, std::uint32_t> output_of_;
    std::map<std::uint32_t, bool> done_;  // outputs that are in their place
    std::string node_;
};

}  // namespace

Steps lay_out(const Program& program, std::ostream* dump) {
    return Layout(program).run(dump);
}

}  // namespace accel::model
