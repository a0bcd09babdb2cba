// SPDX-License-Identifier: Apache-2.0
//
// What speech needs before its network: windows, Fourier transforms as products with a known
// matrix, and the bands of the mel scale.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;

std::int64_t count_of(const Node& n, std::size_t input) {
    const std::vector<std::int64_t> values = n.integers(input);
    if (values.size() != 1 || values[0] < 1 || values[0] > most_listed) {
        refuse("its input " + std::to_string(input) + " is no length");
    }
    return values[0];
}

// a0 - a1 cos(2 pi i / length) + a2 cos(4 pi i / length)
Lower window(double a0, double a1, double a2) {
    return [=](const Node& n) {
        const std::int64_t size = count_of(n, 0);
        const bool periodic = n.integer("periodic", 1) != 0;
        const auto length =
            static_cast<double>(periodic ? size : std::max<std::int64_t>(size - 1, 1));
        std::vector<float> values;
        for (std::int64_t i = 0; i < size; ++i) {
            const double turn = 2 * std::numbers::pi * static_cast<double>(i) / length;
            values.push_back(
                static_cast<float>(a0 - a1 * std::cos(turn) + a2 * std::cos(2 * turn)));
        }
        const DataType type = n.b.worked(type_of(n.integer("output_datatype", 1)));
        return Values{n.b.constant(make_constant(type, {size}, std::span<const float>(values)))};
    };
}

// [from * parts, to * 2]: a transform of `from` values of 1 or 2 parts to `to` complex ones, out of
// a period of `length`.
ValueId transform(const Node& n, std::int64_t from, std::int64_t parts, std::int64_t to,
                  std::int64_t length, bool inverse) {
    if (from * parts > most_listed / (2 * std::max<std::int64_t>(to, 1))) {
        refuse("its signal is too long: " + std::to_string(from));
    }
    std::vector<float> values;
    const double scale = inverse ? 1.0 / static_cast<double>(length) : 1.0;
    for (std::int64_t i = 0; i < from; ++i) {
        for (std::int64_t part = 0; part < parts; ++part) {
            for (std::int64_t k = 0; k < to; ++k) {
                // Of the remainder: large products would cost digits.
                const double turn = 2 * std::numbers::pi * static_cast<double>(i * k % length) /
                                    static_cast<double>(length) * (inverse ? 1 : -1);
                const double re = scale * std::cos(turn);
                const double im = scale * std::sin(turn);
                values.push_back(static_cast<float>(part == 0 ? re : -im));
                values.push_back(static_cast<float>(part == 0 ? im : re));
            }
        }
    }
    return n.b.constant(
        make_constant(DataType::f32, {from * parts, 2 * to}, std::span<const float>(values)));
}

// x [..., from, parts] becomes [..., to, 2].
ValueId transformed(const Node& n, ValueId x, std::int64_t to, std::int64_t length, bool inverse) {
    const Dims dims = n.b.dims(x);
    const std::int64_t parts = dims.back();
    const std::int64_t from = std::min(dims[dims.size() - 2], length);
    if (parts != 1 && parts != 2) {
        refuse("its last dimension is not 1, for real, or 2, for complex numbers");
    }
    x = n.b.slice(x, dims.size() - 2, 0, from);  // what is missing is zero, what is too much goes
    const std::int64_t rows = from == 0 ? 0 : elements(n.b.dims(x)) / (from * parts);
    const ValueId flat = n.b.reshape(as_f32(n, x), {rows, from * parts});
    const ValueId y = n.b.matmul(flat, transform(n, from, parts, to, length, inverse));
    Dims result(dims.begin(), dims.end() - 2);
    result.insert(result.end(), {to, 2});
    return n.b.reshape(y, std::move(result));
}

Values dft(const Node& n) {
    const std::size_t rank = n.b.rank(n.in(0));
    if (rank < 2) {
        refuse("its input has no axis for a signal");
    }
    const std::int64_t given =
        n.opset >= 20 ? (n.has(2) ? n.integers(2).at(0) : -2) : n.integer("axis", 1);
    const std::size_t axis = axis_of(given, rank);
    if (axis == rank - 1) {
        refuse("its axis is that of the parts of a number");
    }
    const bool inverse = n.integer("inverse", 0) != 0;
    const bool half = n.integer("onesided", 0) != 0;
    std::vector<std::size_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[axis], order[rank - 2]);
    const ValueId x = n.b.permute(n.in(0), order);
    const std::int64_t length = n.has(1) ? count_of(n, 1) : n.b.dims(x)[rank - 2];
    if (half && inverse) {
        refuse("onesided and inverse together are not supported");
    }
    return {n.b.permute(transformed(n, x, half ? length / 2 + 1 : length, length, inverse), order)};
}

// signal [batch, samples, parts]: frames, a window over each, and their transforms.
Values stft(const Node& n) {
    ValueId x = n.in(0);
    if (n.b.rank(x) == 2) {
        x = n.b.reshape(x, {n.b.dims(x)[0], n.b.dims(x)[1], 1});
    }
    const std::int64_t step = count_of(n, 1);
    const std::int64_t length = n.has(3)   ? count_of(n, 3)
                                : n.has(2) ? n.b.length(n.in(2), 0)
                                           : n.b.length(x, 1);
    const Dims dims = n.b.dims(x);
    if (dims.size() != 3 || length < 1 || length > dims[1]) {
        refuse("frames of " + std::to_string(length) + " do not fit the signal " + to_string(dims));
    }
    const std::int64_t frames = (dims[1] - length) / step + 1;
    if (frames * length > most_listed) {
        refuse("it has too many frames: " + std::to_string(frames));
    }
    std::vector<std::int64_t> places;
    for (std::int64_t f = 0; f < frames; ++f) {
        for (std::int64_t i = 0; i < length; ++i) {
            places.push_back(f * step + i);
        }
    }
    const ValueId index = n.b.reshape(integer_list(n, places), {frames, length});
    ValueId framed = n.b.gather(x, index, 1, false);  // [batch, frames, length, parts]
    if (n.has(2)) {
        framed = n.b.binary(ElementwiseOp::mul, framed,
                            n.b.reshape(n.b.cast(n.in(2), n.b.type(framed)), {length, 1}));
    }
    const bool half = n.integer("onesided", 1) != 0;
    return {transformed(n, framed, half ? length / 2 + 1 : length, length, false)};
}

// [spectrum, bands]: triangles that are as wide as the ear hears.
Values mel_weight_matrix(const Node& n) {
    const std::int64_t bands = count_of(n, 0);
    const std::int64_t length = count_of(n, 1);
    const std::int64_t rate = count_of(n, 2);
    const double low = n.floats(3).at(0);
    const double high = n.floats(4).at(0);
    const std::int64_t spectrum = length / 2 + 1;
    if (spectrum * bands > most_listed || !(low >= 0 && low < high)) {
        refuse("its bands are too many, or its edges the wrong way round");
    }
    const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
    const double first = mel(low);
    const double step = (mel(high) - first) / static_cast<double>(bands + 2);
    std::vector<std::int64_t> edges;
    for (std::int64_t i = 0; i < bands + 2; ++i) {
        const double hertz =
            700 * (std::pow(10, (first + static_cast<double>(i) * step) / 2595) - 1);
        edges.push_back(static_cast<std::int64_t>(
            std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate))));
    }
    std::vector<float> weights(static_cast<std::size_t>(spectrum * bands));
    for (std::int64_t band = 0; band < bands; ++band) {
        const auto at = static_cast<std::size_t>(band);
        const std::int64_t left = edges[at];
        const std::int64_t centre = edges[at + 1];
        const std::int64_t right = edges[at + 2];
        const auto set = [&](std::int64_t bin, double weight) {
            if (bin >= 0 && bin < spectrum) {
                weights[static_cast<std::size_t>(bin * bands + band)] = static_cast<float>(weight);
            }
        };
        if (centre == left) {
            set(centre, 1);
        }
        for (std::int64_t bin = left; bin <= centre && centre > left; ++bin) {
            set(bin, static_cast<double>(bin - left) / static_cast<double>(centre - left));
        }
        for (std::int64_t bin = centre; bin < right && right > centre; ++bin) {
            set(bin, static_cast<double>(right - bin) / static_cast<double>(right - centre));
        }
    }
    const DataType type = n.b.worked(type_of(n.integer("output_datatype", 1)));
    return {n.b.constant(make_constant(type, {spectrum, bands}, std::span<const float>(weights)))};
}

}  // namespace

void add_signals(Operators& table) {
    const Operators here{
        {"BlackmanWindow", window(0.42, 0.5, 0.08)},
        {"DFT", dft},
        {"HammingWindow", window(25.0 / 46, 21.0 / 46, 0)},
        {"HannWindow", window(0.5, 0.5, 0)},
        {"MelWeightMatrix", mel_weight_matrix},
        {"STFT", stft},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::compiler
