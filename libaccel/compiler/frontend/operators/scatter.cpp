// SPDX-License-Identifier: Apache-2.0
//
// Writing into parts of a tensor, at places that are known when the model is loaded: a gather from
// data and updates together.
#include <algorithm>
#include <map>
#include <optional>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;

// How an update and what is there become one; none: the update stays.
std::optional<ElementwiseOp> reduction_of(const Node& n) {
    const std::string name = n.text("reduction", "none");
    static const std::map<std::string, ElementwiseOp> known{{"add", ElementwiseOp::add},
                                                            {"mul", ElementwiseOp::mul},
                                                            {"max", ElementwiseOp::max},
                                                            {"min", ElementwiseOp::min}};
    if (name == "none") {
        return std::nullopt;
    }
    const auto found = known.find(name);
    if (found == known.end()) {
        refuse("the reduction '" + name + "' is not known");
    }
    return found->second;
}

// data [count, ...], updates [places, ...]: each goes to its place.
ValueId scatter(const Node& n, ValueId data, ValueId updates,
                const std::vector<std::int64_t>& places, std::optional<ElementwiseOp> op) {
    const std::int64_t count = n.b.length(data, 0);
    if (count > most_listed || std::ssize(places) > most_listed) {
        refuse("it is too large: " + to_string(n.b.dims(data)));
    }
    if (places.empty() || count == 0) {
        return data;
    }
    // One round, or as many as a place has updates.
    std::vector<std::vector<std::int64_t>> rounds;
    std::vector<std::size_t> seen(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < places.size(); ++i) {
        const auto place = static_cast<std::size_t>(places[i]);
        const std::size_t round = op ? seen[place]++ : 0;
        if (round == rounds.size()) {
            if (rounds.size() == 64) {
                refuse("more than 64 updates go to one place");
            }
            rounds.emplace_back(static_cast<std::size_t>(count), -1);
        }
        rounds[round][place] = static_cast<std::int64_t>(i);  // the last one stays
    }
    for (const auto& round : rounds) {
        std::vector<std::int64_t> from;
        if (!op) {
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t update = round[static_cast<std::size_t>(i)];
                from.push_back(update < 0 ? i : count + update);
            }
            return n.b.gather(n.b.concat({data, updates}, 0), integer_list(n, from), 0, false);
        }
        std::vector<std::int64_t> hit;
        for (const std::int64_t update : round) {
            from.push_back(std::max<std::int64_t>(update, 0));
            hit.push_back(update >= 0);
        }
        Dims column(n.b.rank(data), 1);
        column[0] = count;
        const ValueId mask = n.b.constant(make_constant(DataType::boolean, std::move(column),
                                                        std::span<const std::int64_t>(hit)));
        const ValueId update = n.b.gather(updates, integer_list(n, from), 0, false);
        data = n.b.select(mask, n.b.binary(*op, data, update), data);
    }
    return data;
}

std::int64_t wrapped(std::int64_t index, std::int64_t length) {
    const std::int64_t at = index < 0 ? index + length : index;
    if (at < 0 || at >= length) {
        refuse("index " + std::to_string(index) + " is outside an axis of the length " +
               std::to_string(length));
    }
    return at;
}

Values scatter_elements(const Node& n) {
    const Dims data = n.b.dims(n.in(0));
    const Dims shape = n.b.dims(n.in(1));
    const std::size_t axis = axis_of(n.integer("axis", 0), data.size());
    if (shape.size() != data.size() || n.b.dims(n.in(2)) != shape) {
        refuse("its indices and updates do not fit its data " + to_string(data));
    }
    if (elements(data) > most_listed || elements(shape) > most_listed) {
        refuse("it is too large: " + to_string(data));
    }
    const std::vector<std::int64_t> indices = n.integers(1);
    const Dims strides = dense_strides(data);
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < std::ssize(indices); ++i) {
        std::int64_t rest = i;
        std::int64_t place = 0;
        for (std::size_t d = shape.size(); d-- > 0;) {
            const std::int64_t at = rest % shape[d];
            rest /= shape[d];
            place +=
                strides[d] * (d == axis ? wrapped(indices[static_cast<std::size_t>(i)], data[d])
                                        : wrapped(at, data[d]));
        }
        places.push_back(place);
    }
    const ValueId flat = n.b.reshape(n.in(0), {elements(data)});
    const ValueId updates = n.b.reshape(n.in(2), {elements(shape)});
    return {n.b.reshape(scatter(n, flat, updates, places, reduction_of(n)), data)};
}

Values scatter_nd(const Node& n) {
    const Dims data = n.b.dims(n.in(0));
    const Dims shape = n.b.dims(n.in(1));
    const std::int64_t depth = shape.empty() ? 0 : shape.back();
    if (depth < 1 || depth > std::ssize(data)) {
        refuse("its indices " + to_string(shape) + " do not fit its data " + to_string(data));
    }
    const Dims lengths(data.begin(), data.begin() + depth);
    Dims slice(data.begin() + depth, data.end());
    Dims expected(shape.begin(), shape.end() - 1);
    expected.insert(expected.end(), slice.begin(), slice.end());
    if (n.b.dims(n.in(2)) != expected) {
        refuse("its updates " + to_string(n.b.dims(n.in(2))) + " are not " + to_string(expected));
    }
    const std::vector<std::int64_t> indices = n.integers(1);
    const Dims strides = dense_strides(lengths);
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < indices.size(); i += static_cast<std::size_t>(depth)) {
        std::int64_t place = 0;
        for (std::size_t d = 0; d < static_cast<std::size_t>(depth); ++d) {
            place += strides[d] * wrapped(indices[i + d], lengths[d]);
        }
        places.push_back(place);
    }
    const auto rows = [&](ValueId x, std::int64_t count) {
        Dims dims = slice;
        dims.insert(dims.begin(), count);
        return n.b.reshape(x, std::move(dims));
    };
    const ValueId all = rows(n.in(0), elements(lengths));
    const ValueId updates = rows(n.in(2), std::ssize(places));
    return {n.b.reshape(scatter(n, all, updates, places, reduction_of(n)), data)};
}

}  // namespace

void add_scattering(Operators& table) {
    const Operators here{
        {"Scatter", scatter_elements},
        {"ScatterElements", scatter_elements},
        {"ScatterND", scatter_nd},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::compiler
