// SPDX-License-Identifier: Apache-2.0
//
// Scatter operators with constant indices: a gather from the concatenation of data and updates.
#include <algorithm>
#include <map>
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

constexpr std::size_t max_rounds = 64;

[[noreturn]] void refuse_size(const Dims& dims) {
    refuse("its data " + to_string(dims) + " or updates have more than " +
           std::to_string(max_listed) + " elements");
}

// The operation that combines an update with an element. Absent: the update replaces the element.
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
        refuse("the reduction '" + name + "' is not supported");
    }
    return found->second;
}

// Writes update i of [indices, ...] to element indices[i] of data [count, ...].
ValueId scatter(const Node& n, ValueId data, ValueId updates,
                const std::vector<std::int64_t>& targets, std::optional<ElementwiseOp> op) {
    const std::int64_t count = n.b.length(data, 0);
    if (count > max_listed || std::ssize(targets) > max_listed) {
        refuse_size(n.b.dims(data));
    }
    if (targets.empty() || count == 0) {
        return data;
    }
    // Without a reduction, one round in which the last update of an element wins. With a reduction,
    // as many rounds as an element has updates.
    std::vector<std::vector<std::int64_t>> rounds;
    std::vector<std::size_t> seen(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto target = static_cast<std::size_t>(targets[i]);
        const std::size_t round = op ? seen[target]++ : 0;
        if (round == rounds.size()) {
            if (rounds.size() == max_rounds) {
                refuse("it has more than " + std::to_string(max_rounds) +
                       " updates of one element");
            }
            rounds.emplace_back(static_cast<std::size_t>(count), -1);
        }
        rounds[round][target] = static_cast<std::int64_t>(i);
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
        refuse("its index " + std::to_string(index) + " is outside an axis of the length " +
               std::to_string(length));
    }
    return at;
}

Values scatter_elements(const Node& n) {
    const Dims data = n.b.dims(n.in(0));
    const Dims shape = n.b.dims(n.in(1));
    const std::size_t axis = normalize_axis(n.integer("axis", 0), data.size());
    if (shape.size() != data.size() || n.b.dims(n.in(2)) != shape) {
        refuse("its indices " + to_string(shape) + " and updates " + to_string(n.b.dims(n.in(2))) +
               " do not fit its data " + to_string(data));
    }
    if (elements(data) > max_listed || elements(shape) > max_listed) {
        refuse_size(data);
    }
    const std::vector<std::int64_t> indices = n.integers(1);
    const Dims strides = dense_strides(data);
    std::vector<std::int64_t> targets;
    for (std::int64_t i = 0; i < std::ssize(indices); ++i) {
        std::int64_t rest = i;
        std::int64_t target = 0;
        for (std::size_t d = shape.size(); d-- > 0;) {
            const std::int64_t at = rest % shape[d];
            rest /= shape[d];
            target +=
                strides[d] * (d == axis ? wrapped(indices[static_cast<std::size_t>(i)], data[d])
                                        : wrapped(at, data[d]));
        }
        targets.push_back(target);
    }
    const ValueId flat = n.b.reshape(n.in(0), {elements(data)});
    const ValueId updates = n.b.reshape(n.in(2), {elements(shape)});
    return {n.b.reshape(scatter(n, flat, updates, targets, reduction_of(n)), data)};
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
        refuse("its updates have the shape " + to_string(n.b.dims(n.in(2))) + ", not " +
               to_string(expected));
    }
    const std::vector<std::int64_t> indices = n.integers(1);
    const Dims strides = dense_strides(lengths);
    std::vector<std::int64_t> targets;
    for (std::size_t i = 0; i < indices.size(); i += static_cast<std::size_t>(depth)) {
        std::int64_t target = 0;
        for (std::size_t d = 0; d < static_cast<std::size_t>(depth); ++d) {
            target += strides[d] * wrapped(indices[i + d], lengths[d]);
        }
        targets.push_back(target);
    }
    const auto rows = [&](ValueId x, std::int64_t count) {
        Dims dims = slice;
        dims.insert(dims.begin(), count);
        return n.b.reshape(x, std::move(dims));
    };
    const ValueId all = rows(n.in(0), elements(lengths));
    const ValueId updates = rows(n.in(2), std::ssize(targets));
    return {n.b.reshape(scatter(n, all, updates, targets, reduction_of(n)), data)};
}

}  // namespace

void add_scattering(OperatorTable& table) {
    table.add({
        {"Scatter", {9, 10}, scatter_elements},
        {"ScatterElements", {11}, scatter_elements},
        {"ScatterND", {11}, scatter_nd},
    });
}

}  // namespace accel::compiler
