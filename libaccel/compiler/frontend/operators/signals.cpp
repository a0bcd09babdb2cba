// SPDX-License-Identifier: Apache-2.0
//
// Preprocessing of speech: windows, Fourier transforms as products with a constant matrix, and the
// bands of the mel scale.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

std::int64_t count_of(const Node& n, std::size_t input) {
    const std::vector<std::int64_t> values = n.integers(input);
    if (values.size() != 1 || values[0] < 1 || values[0] > max_listed) {
        refuse("its input " + std::to_string(input) + " is no length from 1 to " +
               std::to_string(max_listed));
    }
    return values[0];
}

// a0 - a1 cos(2 pi i / length) + a2 cos(4 pi i / length)
Lowering window(double a0, double a1, double a2) {
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
        const DataType type = n.b.compute_type(data_type_of(n.integer("output_datatype", 1)));
        return Values{n.b.constant(make_constant(type, {size}, std::span<const float>(values)))};
    };
}

// The matrix [from * parts, to * 2] of a transform of `from` numbers to `to` complex numbers, of
// the period `length`. `parts` is 1 for real numbers and 2 for complex ones.
ValueId transform_matrix(const Node& n, std::int64_t from, std::int64_t parts, std::int64_t to,
                         std::int64_t length, bool inverse) {
    if (from * parts > max_listed / (2 * std::max<std::int64_t>(to, 1))) {
        refuse("its signal of the length " + std::to_string(from) + " is too long",
               "split it into frames");
    }
    std::vector<float> values;
    const double scale = inverse ? 1.0 / static_cast<double>(length) : 1.0;
    for (std::int64_t i = 0; i < from; ++i) {
        for (std::int64_t part = 0; part < parts; ++part) {
            for (std::int64_t k = 0; k < to; ++k) {
                // The remainder of i * k keeps the precision of the angle.
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

// Transforms x [..., from, parts] to [..., to, 2].
ValueId transformed(const Node& n, ValueId x, std::int64_t to, std::int64_t length, bool inverse) {
    const Dims dims = n.b.dims(x);
    const std::int64_t parts = dims.back();
    const std::int64_t from = std::min(dims[dims.size() - 2], length);
    if (parts != 1 && parts != 2) {
        refuse("its last dimension is " + std::to_string(parts),
               "it must be 1, for real numbers, or 2, for complex numbers");
    }
    // Cuts off samples past `length`. Missing samples count as zero.
    x = n.b.slice(x, dims.size() - 2, 0, from);
    const std::int64_t rows = from == 0 ? 0 : elements(n.b.dims(x)) / (from * parts);
    const ValueId flat = n.b.reshape(as_f32(n, x), {rows, from * parts});
    const ValueId y = n.b.matmul(flat, transform_matrix(n, from, parts, to, length, inverse));
    Dims result(dims.begin(), dims.end() - 2);
    result.insert(result.end(), {to, 2});
    return n.b.cast(n.b.reshape(y, std::move(result)), n.b.type(x));
}

// The real signal [..., length, 1] whose transform begins with x [..., bins, 2]. The other half of
// the transform is the conjugate of this one.
ValueId real_signal(const Node& n, ValueId x, std::int64_t length) {
    const Dims dims = n.b.dims(x);
    const std::int64_t bins = std::min(dims[dims.size() - 2], length / 2 + 1);
    if (dims.back() != 2) {
        refuse("its last dimension is " + std::to_string(dims.back()),
               "it must be 2, for complex numbers");
    }
    if (bins * 2 > max_listed / length) {
        refuse("its signal of the length " + std::to_string(length) + " is too long",
               "split it into frames");
    }
    std::vector<float> values;  // [bins * 2, length]
    for (std::int64_t k = 0; k < bins; ++k) {
        const bool single = k == 0 || 2 * k == length;
        const double scale = (single ? 1.0 : 2.0) / static_cast<double>(length);
        for (std::int64_t part = 0; part < 2; ++part) {
            for (std::int64_t i = 0; i < length; ++i) {
                const double turn = 2 * std::numbers::pi * static_cast<double>(i * k % length) /
                                    static_cast<double>(length);
                const double imaginary = single ? 0 : -scale * std::sin(turn);
                values.push_back(
                    static_cast<float>(part == 0 ? scale * std::cos(turn) : imaginary));
            }
        }
    }
    x = n.b.slice(x, dims.size() - 2, 0, bins);
    const std::int64_t rows = bins == 0 ? 0 : elements(n.b.dims(x)) / (bins * 2);
    const ValueId matrix = n.b.constant(
        make_constant(DataType::f32, {bins * 2, length}, std::span<const float>(values)));
    const ValueId y = n.b.matmul(n.b.reshape(as_f32(n, x), {rows, bins * 2}), matrix);
    Dims result(dims.begin(), dims.end() - 2);
    result.insert(result.end(), {length, 1});
    return n.b.cast(n.b.reshape(y, std::move(result)), n.b.type(x));
}

Values dft_along(const Node& n, std::int64_t given) {
    const std::size_t rank = n.b.rank(n.in(0));
    if (rank < 2) {
        refuse("its input " + to_string(n.b.dims(n.in(0))) + " has no axis for the signal");
    }
    const std::size_t axis = normalize_axis(given, rank);
    if (axis == rank - 1) {
        refuse("its axis is the last one, which holds the parts of complex numbers");
    }
    const bool inverse = n.integer("inverse", 0) != 0;
    const bool half = n.integer("onesided", 0) != 0;
    const auto order = swapped_axes(rank, axis, rank - 2);
    const ValueId x = n.b.permute(n.in(0), order);
    const std::int64_t length = n.has(1) ? count_of(n, 1) : n.b.dims(x)[rank - 2];
    if (half && inverse) {
        const std::int64_t bins = n.b.dims(x)[rank - 2];
        return {n.b.permute(
            real_signal(n, x, n.has(1) ? length : std::max<std::int64_t>(2 * (bins - 1), 1)),
            order)};
    }
    return {n.b.permute(transformed(n, x, half ? length / 2 + 1 : length, length, inverse), order)};
}

// Until opset 19, an attribute states the axis.
Values dft_by_attribute(const Node& n) {
    return dft_along(n, n.integer("axis", 1));
}
Values dft(const Node& n) {
    return dft_along(n, n.has(2) ? n.first_integer(2) : -2);
}

// Cuts the signal [batch, samples, parts] into frames, and transforms each frame with a window.
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
        refuse("its frames of " + std::to_string(length) + " samples do not fit the signal " +
               to_string(dims));
    }
    const std::int64_t frames = (dims[1] - length) / step + 1;
    if (frames * length > max_listed) {
        refuse("it has " + std::to_string(frames) + " frames, which is too many");
    }
    std::vector<std::int64_t> samples;
    for (std::int64_t f = 0; f < frames; ++f) {
        for (std::int64_t i = 0; i < length; ++i) {
            samples.push_back(f * step + i);
        }
    }
    const ValueId index = n.b.reshape(integer_list(n, samples), {frames, length});
    ValueId framed = n.b.gather(x, index, 1, false);  // [batch, frames, length, parts]
    if (n.has(2)) {
        framed = mul(n, framed, n.b.reshape(n.b.cast(n.in(2), n.b.type(framed)), {length, 1}));
    }
    const bool half = n.integer("onesided", 1) != 0;
    return {transformed(n, framed, half ? length / 2 + 1 : length, length, false)};
}

// [spectrum, bands]: overlapping triangles, whose widths are equal on the mel scale.
Values mel_weight_matrix(const Node& n) {
    const std::int64_t bands = count_of(n, 0);
    const std::int64_t length = count_of(n, 1);
    const std::int64_t rate = count_of(n, 2);
    const double low = n.first_float(3);
    const double high = n.first_float(4);
    const std::int64_t spectrum = length / 2 + 1;
    if (spectrum * bands > max_listed || !(low >= 0 && low < high)) {
        refuse("it has too many bands, or its lower edge is not below its upper edge");
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
        const std::int64_t center = edges[at + 1];
        const std::int64_t right = edges[at + 2];
        const auto set = [&](std::int64_t bin, double weight) {
            if (bin >= 0 && bin < spectrum) {
                weights[static_cast<std::size_t>(bin * bands + band)] = static_cast<float>(weight);
            }
        };
        if (center == left) {
            set(center, 1);
        }
        for (std::int64_t bin = left; bin <= center && center > left; ++bin) {
            set(bin, static_cast<double>(bin - left) / static_cast<double>(center - left));
        }
        for (std::int64_t bin = center; bin < right && right > center; ++bin) {
            set(bin, static_cast<double>(right - bin) / static_cast<double>(right - center));
        }
    }
    const DataType type = n.b.compute_type(data_type_of(n.integer("output_datatype", 1)));
    return {n.b.constant(make_constant(type, {spectrum, bands}, std::span<const float>(weights)))};
}

}  // namespace

void add_signals(OperatorTable& table) {
    table.add({
        {"BlackmanWindow", {17}, window(0.42, 0.5, 0.08)},
        {"DFT", {17, 19}, dft_by_attribute},
        {"DFT", {20}, dft},
        {"HammingWindow", {17}, window(25.0 / 46, 21.0 / 46, 0)},
        {"HannWindow", {17}, window(0.5, 0.5, 0)},
        {"MelWeightMatrix", {17}, mel_weight_matrix},
        {"STFT", {17}, stft},
    });
}

}  // namespace accel::compiler
