// SPDX-License-Identifier: Apache-2.0
//
// Operators of sequences and optionals. Both exist while the model is imported only: the number of
// elements and their shapes are known.
#include <algorithm>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// Each part of a tensor is an instruction of its own.
constexpr std::int64_t max_parts = 10000;

// A position in a sequence of `count` elements; a negative one counts from the end.
std::ptrdiff_t position(const Node& n, std::size_t input, std::int64_t count) {
    const std::int64_t given = n.first_integer(input);
    const std::int64_t at = given < 0 ? given + count : given;
    if (at < 0 || at >= count) {
        refuse("its position " + std::to_string(given) + " is outside a sequence of " +
               std::to_string(count) + " elements");
    }
    return at;
}

Values sequence_construct(const Node& n) {
    return {n.b.sequence(n.all())};
}

Values sequence_empty(const Node& n) {
    return {n.b.sequence({})};
}

Values sequence_at(const Node& n) {
    const Values& all = n.sequence(0);
    return {all[static_cast<std::size_t>(position(n, 1, std::ssize(all)))]};
}

Values sequence_insert(const Node& n) {
    Values all = n.sequence(0);
    // A new element may also become the last one.
    const std::ptrdiff_t at = n.has(2) && n.first_integer(2) != std::ssize(all)
                                  ? position(n, 2, std::ssize(all))
                                  : std::ssize(all);
    all.insert(all.begin() + at, n.in(1));
    return {n.b.sequence(std::move(all))};
}

Values sequence_erase(const Node& n) {
    Values all = n.sequence(0);
    if (all.empty()) {
        refuse("its sequence has no element to erase");
    }
    all.erase(all.begin() + (n.has(1) ? position(n, 1, std::ssize(all)) : std::ssize(all) - 1));
    return {n.b.sequence(std::move(all))};
}

Values sequence_length(const Node& n) {
    return {n.b.scalar(DataType::i64, static_cast<double>(n.sequence(0).size()))};
}

Values split_to_sequence(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = normalize_axis(n.integer("axis", 0), n.b.rank(x));
    const std::int64_t length = n.b.dims(x)[axis];
    const bool single = !n.has(1);
    const auto check_count = [](std::int64_t count) {
        if (count > max_parts) {
            refuse("it has " + std::to_string(count) + " parts, and the limit is " +
                   std::to_string(max_parts));
        }
    };
    check_count(single ? length : 0);
    Dims parts = single ? Dims(static_cast<std::size_t>(length), 1) : n.integers(1);
    if (!single && n.b.rank(n.in(1)) == 0) {
        const std::int64_t each = parts.empty() ? 0 : parts[0];
        if (each < 1) {
            refuse("its parts have the length " + std::to_string(each));
        }
        check_count(length / each);
        parts.clear();
        for (std::int64_t at = 0; at < length; at += each) {
            parts.push_back(std::min(each, length - at));
        }
    }
    Values all;
    std::int64_t at = 0;
    for (const std::int64_t part : parts) {
        if (part < 0 || part > length - at) {
            refuse("its parts exceed its axis of the length " + std::to_string(length));
        }
        const ValueId piece = n.b.slice(x, axis, at, part);
        const bool drops = single && n.integer("keepdims", 1) == 0;
        all.push_back(drops ? squeezed(n, piece, {axis}) : piece);
        at += part;
    }
    if (at != length) {
        refuse("its parts do not cover its axis of the length " + std::to_string(length));
    }
    return {n.b.sequence(std::move(all))};
}

Values concat_from_sequence(const Node& n) {
    Values all = n.sequence(0);
    if (all.empty()) {
        refuse("its sequence has no elements");
    }
    for (const ValueId element : all) {
        n.b.require_tensor(element, "an element of its sequence");
    }
    const bool stacks = n.integer("new_axis", 0) != 0;
    const std::size_t rank = n.b.rank(all[0]) + (stacks ? 1 : 0);
    const std::size_t axis = normalize_axis(n.integer("axis", 0), rank);
    for (ValueId& element : all) {
        Dims dims = n.b.dims(element);
        if (stacks && axis <= dims.size()) {
            dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
            element = n.b.reshape(element, std::move(dims));
        }
    }
    return {n.b.concat(all, axis)};
}

Values optional(const Node& n) {
    return {n.has(std::size_t{0}) ? n.any(0) : n.b.empty_optional()};
}

Values optional_has_element(const Node& n) {
    const bool has = n.has(std::size_t{0}) && !n.b.is_empty_optional(n.any(0));
    return {n.b.scalar(DataType::boolean, has ? 1 : 0)};
}

Values optional_get_element(const Node& n) {
    const ValueId x = n.any(0);
    if (n.b.is_empty_optional(x)) {
        refuse("its optional has no element");
    }
    return {x};
}

Values identity(const Node& n) {
    return {n.any(0)};
}

}  // namespace

void add_sequences(OperatorTable& table) {
    table.add({
        {"ConcatFromSequence", {11}, concat_from_sequence},
        {"Identity", {1}, identity},
        {"Optional", {15}, optional},
        {"OptionalGetElement", {15}, optional_get_element},
        {"OptionalHasElement", {15}, optional_has_element},
        {"SequenceAt", {11}, sequence_at},
        {"SequenceConstruct", {11}, sequence_construct},
        {"SequenceEmpty", {11}, sequence_empty},
        {"SequenceErase", {11}, sequence_erase},
        {"SequenceInsert", {11}, sequence_insert},
        {"SequenceLength", {11}, sequence_length},
        {"SplitToSequence", {11}, split_to_sequence},
    });
}

}  // namespace accel::compiler
