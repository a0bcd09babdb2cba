// SPDX-License-Identifier: Apache-2.0
//
// Random numbers: Philox 4x32-10, a generator that computes a block of words from a counter and a
// key. The numbers are constants of the compiled model, so each run has the same ones. The key is
// the node's seed; without a seed, it is a hash of the name of the node's first output, so that
// nodes differ. The third word of the counter is the iteration of an unrolled loop.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <onnx.pb.h>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

using Block = std::array<std::uint32_t, 4>;

// Ten rounds of Philox 4x32, as Salmon and others define it.
Block philox(std::uint32_t counter, std::uint32_t iteration, std::uint64_t key) {
    Block x{counter, 0, iteration, 0};
    auto k0 = static_cast<std::uint32_t>(key);
    auto k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * x[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * x[2];
        x = {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<std::uint32_t>(b),
             static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<std::uint32_t>(a)};
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return x;
}

std::string name_of(const Node& n) {
    return n.proto().output_size() > 0 ? n.proto().output(0) : std::string();
}

std::uint64_t key_of(const Node& n) {
    if (n.has("seed")) {
        // Dropout has an integer; the other operators have a float.
        return n.proto().op_type() == "Dropout" ? static_cast<std::uint32_t>(n.integer("seed", 0))
                                                : std::bit_cast<std::uint32_t>(n.real("seed", 0));
    }
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : name_of(n)) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
    }
    return hash | (std::uint64_t{1} << 63);  // never the key of a seed
}

std::size_t listed(const Dims& dims) {
    const std::int64_t count = elements(dims);
    if (count > max_listed) {
        refuse("it has " + std::to_string(count) + " random numbers, and the limit is " +
                   std::to_string(max_listed),
               "pass the random numbers as an input");
    }
    return static_cast<std::size_t>(count);
}

// Uniform numbers of 0 ≤ x < 1, with 24 bits.
std::vector<float> uniforms(const Node& n, std::size_t count) {
    const std::uint64_t key = key_of(n);
    std::vector<float> values;
    values.reserve(count + 3);
    const std::uint32_t iteration = n.b.next_occurrence(name_of(n));
    for (std::uint32_t block = 0; values.size() < count; ++block) {
        for (const std::uint32_t word : philox(block, iteration, key)) {
            values.push_back(static_cast<float>(word >> 8) * 0x1p-24F);
        }
    }
    values.resize(count);
    return values;
}

// Two numbers of the normal distribution from two uniform ones, by Box and Muller.
std::vector<float> normals(const Node& n, std::size_t count) {
    const std::vector<float> flat = uniforms(n, count + count % 2);
    std::vector<float> values;
    for (std::size_t i = 0; i < flat.size(); i += 2) {
        const double radius = std::sqrt(-2 * std::log(1 - static_cast<double>(flat[i])));
        const double angle = 2 * std::numbers::pi * static_cast<double>(flat[i + 1]);
        values.push_back(static_cast<float>(radius * std::cos(angle)));
        values.push_back(static_cast<float>(radius * std::sin(angle)));
    }
    values.resize(count);
    return values;
}

ValueId constant_of(const Node& n, DataType type, const Dims& dims,
                    const std::vector<float>& values) {
    return n.b.constant(make_constant(type, dims, std::span<const float>(values)));
}

// The data type of the attribute "dtype", else that of the first input if `like`, else f32.
DataType wanted_type(const Node& n, bool like) {
    if (n.has("dtype")) {
        return n.b.compute_type(data_type_of(n.integer("dtype", 1)));
    }
    return like ? n.b.type(n.in(0)) : DataType::f32;
}

Values random_normal(const Node& n, const Dims& dims, DataType type) {
    std::vector<float> values = normals(n, listed(dims));
    for (float& x : values) {
        x = n.real("mean", 0.0F) + n.real("scale", 1.0F) * x;
    }
    return {constant_of(n, type, dims, values)};
}

Values random_uniform(const Node& n, const Dims& dims, DataType type) {
    const float low = n.real("low", 0.0F);
    const float high = n.real("high", 1.0F);
    std::vector<float> values = uniforms(n, listed(dims));
    for (float& x : values) {
        x = low + (high - low) * x;
    }
    return {constant_of(n, type, dims, values)};
}

using Distribution = Values (*)(const Node& n, const Dims& dims, DataType type);

Lowering of_shape(Distribution distribution) {
    return [=](const Node& n) { return distribution(n, n.list("shape"), wanted_type(n, false)); };
}
Lowering like_input(Distribution distribution) {
    return [=](const Node& n) { return distribution(n, n.b.dims(n.in(0)), wanted_type(n, true)); };
}

// 1 where a uniform number is less than the probability.
Values bernoulli(const Node& n) {
    const ValueId x = n.b.cast(n.in(0), DataType::f32);
    const Dims& dims = n.b.dims(x);
    const ValueId u = constant_of(n, DataType::f32, dims, uniforms(n, listed(dims)));
    return {n.b.cast(n.b.compare(ElementwiseOp::less, u, x), wanted_type(n, true))};
}

// For each sample, the number of classes whose cumulative probability is at most a uniform number.
Values multinomial(const Node& n) {
    const Dims dims = n.b.dims(n.in(0));
    const std::int64_t samples = n.integer("sample_size", 1);
    const DataType type = data_type_of(n.integer("dtype", 6));
    if (dims.size() != 2 || dims[1] < 1 || samples < 0 || samples > max_listed ||
        !is_integer(type)) {
        refuse("its input " + to_string(dims) + " has no scores [batch, classes], or its dtype " +
               "or sample_size is not allowed");
    }
    const ValueId logs = as_f32(n, n.in(0));
    ValueId sums = n.b.softmax(logs, 1);
    for (std::int64_t by = 1; by < dims[1]; by *= 2) {
        const ValueId moved =
            n.b.pad(n.b.slice(sums, 1, 0, dims[1] - by), {0, by}, {0, 0}, n.b.scalar(0.0F));
        sums = add(n, sums, moved);
    }
    const Dims drawn{dims[0], samples, 1};
    const ValueId u = constant_of(n, DataType::f32, drawn, uniforms(n, listed(drawn)));
    const ValueId below =
        n.b.compare(ElementwiseOp::less_equal, n.b.reshape(sums, {dims[0], 1, dims[1]}), u);
    const ValueId number = n.b.reduce(ReduceOp::sum, n.b.cast(below, DataType::f32), {2});
    // A rounded sum of all probabilities may be less than 1.
    const ValueId inside =
        n.b.binary(ElementwiseOp::min, number, n.b.scalar(static_cast<float>(dims[1] - 1)));
    return {n.b.cast(n.b.reshape(inside, {dims[0], samples}), type)};
}

// In training, an element is dropped where a uniform number is less than the ratio, and the others
// are divided by the share that is kept.
Values dropout(const Node& n) {
    const ValueId x = n.in(0);
    const Dims& dims = n.b.dims(x);
    const float ratio = n.has(1) ? n.first_float(1) : 0.5F;
    if (!n.has(2) || n.first_integer(2) == 0 || ratio == 0.0F) {
        // Until opset 9, the mask has the data type of the input.
        const DataType type = n.opset() < 10 ? n.b.type(x) : DataType::boolean;
        return {x, n.output_count() > 1 ? n.b.broadcast(n.b.scalar(type, 1), dims) : x};
    }
    if (!(ratio > 0.0F && ratio < 1.0F)) {
        refuse("its ratio is " + std::to_string(ratio), "it must be at least 0 and less than 1");
    }
    std::vector<std::int64_t> kept;
    for (const float u : uniforms(n, listed(dims))) {
        kept.push_back(u < ratio ? 0 : 1);
    }
    const ValueId mask =
        n.b.constant(make_constant(DataType::boolean, dims, std::span<const std::int64_t>(kept)));
    const ValueId scaled = mul(n, x, n.b.scalar(n.b.type(x), 1.0 / (1.0 - double{ratio})));
    return {n.b.select(mask, scaled, n.b.scalar(n.b.type(x), 0)), mask};
}

}  // namespace

void add_random(OperatorTable& table) {
    table.add({
        {"Bernoulli", {15}, bernoulli},
        {"Dropout", {1}, dropout},
        {"Multinomial", {7}, multinomial},
        {"RandomNormal", {1}, of_shape(random_normal)},
        {"RandomNormalLike", {1}, like_input(random_normal)},
        {"RandomUniform", {1}, of_shape(random_uniform)},
        {"RandomUniformLike", {1}, like_input(random_uniform)},
    });
}

}  // namespace accel::compiler
