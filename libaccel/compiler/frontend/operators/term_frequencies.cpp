// SPDX-License-Identifier: Apache-2.0
//
// TfIdfVectorizer of integers: counts how often each n-gram of a list occurs in a row. The elements
// of an n-gram are neighbors, or have a fixed number of elements between them.
#include <algorithm>
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The n-grams of one length.
struct Grams {
    std::int64_t length = 1;
    std::int64_t count = 0;
    std::size_t first = 0;  // the number of the first one
    std::vector<std::int64_t> elements = {};
};

std::vector<Grams> grams_of(const Node& n) {
    const std::vector<std::int64_t> pool = n.list("pool_int64s");
    const std::vector<std::int64_t> starts = n.list("ngram_counts");
    if (pool.empty()) {
        refuse("it has no list of integers, and strings are not supported");
    }
    std::vector<Grams> all;
    std::size_t number = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::int64_t end = i + 1 < starts.size() ? starts[i + 1] : std::ssize(pool);
        const auto length = static_cast<std::int64_t>(i) + 1;
        if (starts[i] < 0 || end < starts[i] || end > std::ssize(pool)) {
            refuse("its attribute ngram_counts does not divide its list of integers");
        }
        Grams grams{.length = length, .count = (end - starts[i]) / length, .first = number};
        grams.elements.assign(pool.begin() + starts[i],
                              pool.begin() + starts[i] + grams.count * length);
        number += static_cast<std::size_t>(grams.count);
        if (length >= n.integer("min_gram_length", 1) &&
            length <= n.integer("max_gram_length", 1) && grams.count > 0) {
            all.push_back(std::move(grams));
        }
    }
    if (n.list("ngram_indexes").size() < number) {
        refuse("its attribute ngram_indexes has fewer elements than it has n-grams");
    }
    return all;
}

// How often each n-gram occurs in rows [batch, length], whose elements are `distance` apart.
std::optional<ValueId> occurrences(const Node& n, ValueId rows, const Grams& grams,
                                   std::int64_t distance) {
    const Dims dims = n.b.dims(rows);
    const std::int64_t places = dims[1] - distance * (grams.length - 1);
    if (places < 1) {
        return std::nullopt;
    }
    if (places > max_listed / std::max<std::int64_t>(grams.count * dims[0], 1)) {
        refuse("its rows and n-grams have more than " + std::to_string(max_listed) + " pairs",
               "split its input");
    }
    const ValueId list = n.b.reshape(integer_list(n, grams.elements), {grams.count, grams.length});
    std::optional<ValueId> match;
    for (std::int64_t i = 0; i < grams.length; ++i) {
        const ValueId element = n.b.reshape(n.b.slice(list, 1, i, 1), {1, grams.count, 1});
        const ValueId here =
            n.b.reshape(n.b.slice(rows, 1, i * distance, places), {dims[0], 1, places});
        const ValueId equal = n.b.compare(ElementwiseOp::equal, here, element);
        match = match ? n.b.select(*match, equal, *match) : equal;
    }
    const ValueId sum = n.b.reduce(ReduceOp::sum, n.b.cast(match.value(), DataType::f32), {2});
    return n.b.reshape(sum, {dims[0], grams.count});
}

Values term_frequencies(const Node& n) {
    const Dims dims = n.b.dims(n.in(0));
    const std::string mode = n.text("mode", "");
    if (dims.size() > 2 || (mode != "TF" && mode != "IDF" && mode != "TFIDF")) {
        refuse("its input " + to_string(dims) + " or its mode '" + mode + "' is not supported");
    }
    const bool single = dims.size() < 2;
    const std::int64_t batch = single ? 1 : dims[0];
    const ValueId rows =
        n.b.reshape(n.b.cast(n.in(0), DataType::i64), {batch, single ? elements(dims) : dims[1]});
    const std::vector<std::int64_t> places = n.list("ngram_indexes");
    if (places.empty() || std::ranges::min(places) < 0 || std::ranges::max(places) >= max_listed) {
        refuse("its attribute ngram_indexes is empty or out of range");
    }
    const std::int64_t width = std::ranges::max(places) + 1;
    const std::vector<float> weights = n.reals("weights");
    if (!weights.empty() && weights.size() != places.size()) {
        refuse("it has " + std::to_string(weights.size()) + " weights for " +
               std::to_string(places.size()) + " n-grams");
    }
    ValueId counts = n.b.broadcast(n.b.scalar(0.0F), {batch, width});
    for (const Grams& grams : grams_of(n)) {
        std::optional<ValueId> sum;
        const std::int64_t skips = grams.length == 1 ? 0 : n.integer("max_skip_count", 0);
        for (std::int64_t skip = 0; skip <= skips; ++skip) {
            const auto found = occurrences(n, rows, grams, skip + 1);
            if (!found) {
                break;  // the rows are too short for this distance, and for larger ones
            }
            sum = sum ? add(n, *sum, *found) : *found;
        }
        if (!sum) {
            continue;
        }
        if (grams.count * width > max_listed) {
            refuse("it has too many n-grams");
        }
        if (mode == "IDF") {
            sum = n.b.cast(n.b.compare(ElementwiseOp::less, n.b.scalar(0.0F), *sum), DataType::f32);
        }
        // Row i has the weight of n-gram i in the column of its place.
        std::vector<float> move(static_cast<std::size_t>(grams.count * width));
        for (std::int64_t i = 0; i < grams.count; ++i) {
            const std::size_t number = grams.first + static_cast<std::size_t>(i);
            move[static_cast<std::size_t>(i * width + places[number])] =
                mode == "TF" || weights.empty() ? 1.0F : weights[number];
        }
        const ValueId matrix = n.b.constant(
            make_constant(DataType::f32, {grams.count, width}, std::span<const float>(move)));
        counts = add(n, counts, n.b.matmul(*sum, matrix));
    }
    return {single ? n.b.reshape(counts, {width}) : counts};
}

}  // namespace

void add_term_frequencies(OperatorTable& table) {
    table.add({{"TfIdfVectorizer", {9}, term_frequencies}});
}

}  // namespace accel::compiler
