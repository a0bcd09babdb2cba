// SPDX-License-Identifier: Apache-2.0
#include "frontend/scan.hpp"

#include <algorithm>

namespace accel::compiler {

namespace {

// Slice i of an axis, without that axis.
ValueId element_of(const Node& n, ValueId x, std::size_t axis, std::int64_t i) {
    static_cast<void>(n.b.length(x, axis));  // refuses a tensor without this axis
    Dims dims = n.b.dims(x);
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    return n.b.reshape(n.b.slice(x, axis, i, 1), std::move(dims));
}

// A new axis of the results, with an element for each.
ValueId stacked(const Node& n, const Values& results, std::int64_t axis) {
    Values parts;
    for (const ValueId result : results) {
        n.b.require_tensor(result, "an output of its body");
        Dims dims = n.b.dims(result);
        const std::size_t at = normalize_axis(axis, dims.size() + 1);
        dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), 1);
        parts.push_back(n.b.reshape(result, std::move(dims)));
    }
    return n.b.concat(parts, normalize_axis(axis, n.b.rank(results[0]) + 1));
}

// An element of a list attribute that may be absent or shorter.
std::int64_t listed_or_zero(const Dims& list, std::size_t i) {
    return i < list.size() ? list[i] : 0;
}

// How a scan reads its inputs and writes its outputs.
struct Directions {
    Dims input_axes;
    Dims input_backwards;
    Dims output_axes;
    Dims output_backwards;
};

// Runs a body over the elements of `inputs`: updates the state, and returns the lists of results.
std::vector<Values> scan_over(const Node& n, Values& state, const Values& inputs,
                              std::int64_t length, std::size_t outputs,
                              const Directions& directions, const BodyImport& body) {
    if (outputs < state.size()) {
        refuse("its body has fewer outputs than the node has states");
    }
    if (length > max_iterations) {
        refuse("it has " + std::to_string(length) + " iterations, and the limit is " +
                   std::to_string(max_iterations),
               "split its inputs");
    }
    std::vector<Values> results(outputs - state.size());
    for (std::int64_t i = 0; i < length; ++i) {
        Values given = state;
        for (std::size_t k = 0; k < inputs.size(); ++k) {
            const std::size_t axis =
                normalize_axis(listed_or_zero(directions.input_axes, k), n.b.rank(inputs[k]));
            const bool back = listed_or_zero(directions.input_backwards, k) != 0;
            given.push_back(element_of(n, inputs[k], axis, back ? length - 1 - i : i));
        }
        const Values all = body(given);
        std::copy_n(all.begin(), state.size(), state.begin());
        for (std::size_t k = 0; k < results.size(); ++k) {
            results[k].push_back(all[state.size() + k]);
        }
    }
    for (std::size_t k = 0; k < results.size(); ++k) {
        if (results[k].empty()) {
            refuse("it never runs, so the shapes of its outputs are unknown");
        }
        if (listed_or_zero(directions.output_backwards, k) != 0) {
            std::ranges::reverse(results[k]);
        }
    }
    return results;
}

// The number of inputs that a scan reads element by element; all others are its state.
std::size_t scanned_inputs(const Node& n, std::size_t available) {
    const std::int64_t count = n.integer("num_scan_inputs", 0);
    if (count < 1 || count > static_cast<std::int64_t>(available)) {
        refuse("its attribute num_scan_inputs is " + std::to_string(count) + ", and it has " +
               std::to_string(available) + " inputs");
    }
    return static_cast<std::size_t>(count);
}

// The operands and attributes of a Scan from opset 9 on.
struct ScanParts {
    Directions directions;
    Values state;
    Values inputs;
    std::int64_t length = 0;
};

ScanParts parts_of(const Node& n) {
    const std::size_t scanned = scanned_inputs(n, n.count());
    ScanParts parts{.directions = {.input_axes = n.list("scan_input_axes"),
                                   .input_backwards = n.list("scan_input_directions"),
                                   .output_axes = n.list("scan_output_axes"),
                                   .output_backwards = n.list("scan_output_directions")},
                    .state = {},
                    .inputs = {}};
    for (std::size_t i = 0; i < n.count(); ++i) {
        (i < n.count() - scanned ? parts.state : parts.inputs).push_back(n.any(i));
    }
    for (std::size_t i = 0; i < scanned; ++i) {
        const ValueId x = n.in(n.count() - scanned + i);
        const std::size_t axis =
            normalize_axis(listed_or_zero(parts.directions.input_axes, i), n.b.rank(x));
        if (i > 0 && n.b.dims(x)[axis] != parts.length) {
            refuse("its inputs have different lengths along the axes that it scans");
        }
        parts.length = n.b.dims(x)[axis];
    }
    return parts;
}

}  // namespace

Values lower_scan(const Node& n, std::size_t outputs, const BodyImport& body) {
    auto [directions, state, inputs, length] = parts_of(n);
    const auto results = scan_over(n, state, inputs, length, outputs, directions, body);
    for (std::size_t k = 0; k < results.size(); ++k) {
        state.push_back(stacked(n, results[k], listed_or_zero(directions.output_axes, k)));
    }
    return state;
}

bool can_be_carried(const Builder& b, ValueId id) {
    const DataType type = b.type(id);
    return b.sequence_elements(id) == nullptr && !b.is_empty_optional(id) &&
           type != DataType::f16 && type != DataType::bf16 && elements(b.dims(id)) != 0;
}

std::optional<Values> loop_scan(const Node& n, std::size_t outputs, const BodyImport& body) {
    auto [directions, state, inputs, length] = parts_of(n);
    const auto carried = [&](ValueId id) { return can_be_carried(n.b, id); };
    if (length <= max_unrolled_steps || outputs < state.size() ||
        !std::ranges::all_of(state, carried)) {
        return std::nullopt;
    }
    for (ValueId& id : state) {
        id = n.b.variable(id);
    }
    const Builder::OpenLoop loop = n.b.begin_loop();
    Values given = state;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
        const std::size_t axis =
            normalize_axis(listed_or_zero(directions.input_axes, k), n.b.rank(inputs[k]));
        const bool back = listed_or_zero(directions.input_backwards, k) != 0;
        given.push_back(n.b.step_read(inputs[k], loop.pass, axis, back));
    }
    const Values all = body(given);
    Values results;
    for (std::size_t k = state.size(); k < all.size(); ++k) {
        n.b.require_tensor(all[k], "an output of its body");
        const std::size_t number = k - state.size();
        Dims dims = n.b.dims(all[k]);
        const std::size_t axis =
            normalize_axis(listed_or_zero(directions.output_axes, number), dims.size() + 1);
        dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), length);
        const ValueId whole = n.b.empty_variable(n.b.type(all[k]), std::move(dims));
        const bool back = listed_or_zero(directions.output_backwards, number) != 0;
        results.push_back(n.b.step_write(whole, all[k], loop.pass, axis, back));
    }
    for (std::size_t s = 0; s < state.size(); ++s) {
        state[s] = n.b.assign(state[s], all[s]);
    }
    n.b.end_loop(loop, {.limit = static_cast<std::uint64_t>(length),
                        .count = std::nullopt,
                        .condition = std::nullopt});
    state.insert(state.end(), results.begin(), results.end());
    return state;
}

Values lower_batched_scan(const Node& n, std::size_t outputs, const BodyImport& body) {
    const std::size_t scanned = scanned_inputs(n, n.count() - std::min<std::size_t>(n.count(), 1));
    const std::size_t states = n.count() - 1 - scanned;
    const ValueId first = n.in(1 + states);
    const std::int64_t batch = n.b.length(first, 0);
    const std::int64_t longest = n.b.length(first, 1);
    const Dims lengths =
        n.has(std::size_t{0}) ? n.integers(0) : Dims(static_cast<std::size_t>(batch), longest);
    const auto fits = [&](std::int64_t l) { return l > 0 && l <= longest; };
    if (batch < 1 || std::ssize(lengths) != batch || !std::ranges::all_of(lengths, fits)) {
        refuse("its lengths of sequences do not fit its inputs");
    }
    const Directions directions{.input_axes = {},
                                .input_backwards = n.list("directions"),
                                .output_axes = {},
                                .output_backwards = {}};
    std::vector<Values> all(outputs);  // for each output, one value for each sequence
    for (std::int64_t i = 0; i < batch; ++i) {
        const std::int64_t length = lengths[static_cast<std::size_t>(i)];
        Values state;
        Values inputs;
        for (std::size_t k = 1; k < n.count(); ++k) {
            const ValueId own = element_of(n, n.in(k), 0, i);
            if (k <= states) {
                state.push_back(own);
            } else {
                inputs.push_back(n.b.slice(own, 0, 0, length));
            }
        }
        const auto results = scan_over(n, state, inputs, length, outputs, directions, body);
        for (std::size_t k = 0; k < states; ++k) {
            all[k].push_back(state[k]);
        }
        for (std::size_t k = 0; k < results.size(); ++k) {
            const ValueId part = stacked(n, results[k], 0);
            Dims after(n.b.rank(part), 0);
            after[0] = longest - length;
            all[states + k].push_back(after[0] == 0 ? part
                                                    : n.b.pad(part, Dims(after.size(), 0), after,
                                                              n.b.scalar(n.b.type(part), 0)));
        }
    }
    Values outcome;
    for (const Values& of_batch : all) {
        outcome.push_back(stacked(n, of_batch, 0));
    }
    return outcome;
}

Values lower_sequence_map(const Node& n, std::size_t outputs, const BodyImport& body) {
    const std::size_t count = n.sequence(0).size();
    if (count > static_cast<std::size_t>(max_iterations)) {
        refuse("its sequence has " + std::to_string(count) + " elements, and the limit is " +
               std::to_string(max_iterations));
    }
    std::vector<Values> results(outputs);
    for (std::size_t i = 0; i < count; ++i) {
        Values given;
        for (std::size_t k = 0; k < n.count(); ++k) {
            const Values* const sequence = n.b.sequence_elements(n.any(k));
            if (sequence != nullptr && sequence->size() != count) {
                refuse("its sequences have different numbers of elements");
            }
            given.push_back(sequence != nullptr ? (*sequence)[i] : n.any(k));
        }
        const Values all = body(given);
        for (std::size_t k = 0; k < outputs; ++k) {
            results[k].push_back(all[k]);
        }
    }
    Values sequences;
    for (Values& result : results) {
        sequences.push_back(n.b.sequence(std::move(result)));
    }
    return sequences;
}

}  // namespace accel::compiler
