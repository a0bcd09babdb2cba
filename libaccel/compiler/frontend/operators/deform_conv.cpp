// SPDX-License-Identifier: Apache-2.0
//
// DeformConv: a convolution whose kernel reads the image at computed offsets. Bilinear samples are
// gathered into columns, and a product of matrices convolves these.
#include <optional>

#include "frontend/operators/windows.hpp"

namespace accel::compiler {

namespace {

using Op = ElementwiseOp;

struct Shapes {
    Dims x;        // [n, c, h, w]
    Dims weights;  // [o, c / groups, kh, kw]
    std::int64_t groups = 1;
    std::int64_t offset_groups = 1;
    std::vector<WindowAxis> axes = {};

    [[nodiscard]] std::int64_t taps() const { return weights[2] * weights[3]; }
    [[nodiscard]] std::int64_t places() const { return axes[0].result * axes[1].result; }
};

Shapes shapes_of(const Node& n) {
    Shapes s{.x = n.b.dims(n.in(0)),
             .weights = n.b.dims(n.in(1)),
             .groups = n.integer("group", 1),
             .offset_groups = n.integer("offset_group", 1)};
    if (s.x.size() != 4 || s.weights.size() != 4) {
        refuse("its image has the shape " + to_string(s.x), "it must be [n,c,h,w]");
    }
    s.axes = window_axes(n, spatial(s.x), spatial(s.weights));
    const Dims offsets{s.x[0], s.offset_groups * s.taps() * 2, s.axes[0].result, s.axes[1].result};
    if (s.groups < 1 || s.offset_groups < 1 || s.x[1] != s.weights[1] * s.groups ||
        s.weights[0] % s.groups != 0 || s.x[1] % s.offset_groups != 0 ||
        n.b.dims(n.in(2)) != offsets || elements(s.x) == 0) {
        refuse("its image " + to_string(s.x) + ", weights " + to_string(s.weights) +
               " and offsets " + to_string(n.b.dims(n.in(2))) + " do not fit each other");
    }
    if (s.taps() * s.places() > max_listed) {
        refuse("its result " + to_string(offsets) + " is too large");
    }
    return s;
}

// Coordinates [n, groups, taps, places] along an axis: positions of the kernel plus offsets.
ValueId coordinates(const Node& n, const Shapes& s, std::size_t axis) {
    std::vector<float> positions;
    const WindowAxis& along = s.axes[axis];
    for (std::int64_t tap = 0; tap < s.taps(); ++tap) {
        const std::int64_t k = axis == 0 ? tap / s.weights[3] : tap % s.weights[3];
        for (std::int64_t place = 0; place < s.places(); ++place) {
            const std::int64_t i = axis == 0 ? place / s.axes[1].result : place % s.axes[1].result;
            positions.push_back(
                static_cast<float>(i * along.stride - along.before + k * along.dilation));
        }
    }
    const ValueId fixed = n.b.constant(make_constant(DataType::f32, {1, 1, s.taps(), s.places()},
                                                     std::span<const float>(positions)));
    const ValueId offsets =
        n.b.reshape(as_f32(n, n.in(2)), {s.x[0], s.offset_groups, s.taps(), 2, s.places()});
    const ValueId own = n.b.reshape(n.b.slice(offsets, 3, static_cast<std::int64_t>(axis), 1),
                                    {s.x[0], s.offset_groups, s.taps(), s.places()});
    return add(n, own, fixed);
}

// The two neighbors of a coordinate: an index inside the image, and a weight, which is zero outside
// the image.
struct Neighbor {
    ValueId index;
    ValueId weight;
};
std::vector<Neighbor> neighbors(const Node& n, ValueId at, std::int64_t length) {
    const ValueId low = unary(n, UnaryOp::floor, at);
    const ValueId part = sub(n, at, low);
    const ValueId zero = n.b.scalar(0.0F);
    const ValueId last = n.b.scalar(static_cast<float>(length - 1));
    std::vector<Neighbor> both;
    for (const bool high : {false, true}) {
        const ValueId place = high ? add(n, low, 1.0F) : low;
        const ValueId weight = high ? part : sub(n, n.b.scalar(1.0F), part);
        const ValueId from = n.b.compare(Op::less_equal, zero, place);
        const ValueId to = n.b.compare(Op::less_equal, place, last);
        const ValueId inside = n.b.select(from, to, from);
        const ValueId clamped = n.b.binary(Op::min, n.b.binary(Op::max, place, zero), last);
        both.push_back({n.b.cast(clamped, DataType::i64), n.b.select(inside, weight, zero)});
    }
    return both;
}

// The samples [n, c, taps * places].
ValueId columns(const Node& n, const Shapes& s) {
    const ValueId image = n.b.reshape(as_f32(n, n.in(0)), {s.x[0], s.x[1], s.x[2] * s.x[3]});
    const Dims grouped{s.x[0], s.offset_groups, 1, s.taps() * s.places()};
    const Dims spread{s.x[0], s.offset_groups, s.x[1] / s.offset_groups, s.taps() * s.places()};
    const Dims flat{s.x[0], s.x[1], s.taps() * s.places()};
    // One value for each offset group becomes one for each channel.
    const auto per_channel = [&](ValueId value) {
        return n.b.reshape(n.b.broadcast(n.b.reshape(value, grouped), spread), flat);
    };
    const auto rows = neighbors(n, coordinates(n, s, 0), s.x[2]);
    const auto lines = neighbors(n, coordinates(n, s, 1), s.x[3]);
    const ValueId width = n.b.scalar(DataType::i64, static_cast<double>(s.x[3]));
    std::optional<ValueId> sum;
    for (const Neighbor& row : rows) {
        for (const Neighbor& line : lines) {
            const ValueId index = add(n, mul(n, row.index, width), line.index);
            const ValueId pixels = n.b.gather(image, per_channel(index), 2, true);
            const ValueId weighted = mul(n, pixels, per_channel(mul(n, row.weight, line.weight)));
            sum = sum ? add(n, *sum, weighted) : weighted;
        }
    }
    if (n.has(4)) {
        const Dims mask{s.x[0], s.offset_groups * s.taps(), s.axes[0].result, s.axes[1].result};
        if (n.b.dims(n.in(4)) != mask) {
            refuse("its mask has the shape " + to_string(n.b.dims(n.in(4))) + ", not " +
                   to_string(mask));
        }
        sum = mul(n, *sum, per_channel(as_f32(n, n.in(4))));
    }
    return sum.value();
}

Values deform_conv(const Node& n) {
    const Shapes s = shapes_of(n);
    const std::int64_t depth = s.weights[1] * s.taps();
    const std::int64_t results = s.weights[0] / s.groups;
    const ValueId x = n.b.reshape(columns(n, s), {s.x[0], s.groups, depth, s.places()});
    const ValueId w = n.b.reshape(as_f32(n, n.in(1)), {s.groups, results, depth});
    const ValueId product = n.b.matmul(w, x);  // [n, groups, results, places]
    ValueId y = n.b.reshape(product, {s.x[0], s.weights[0], s.axes[0].result, s.axes[1].result});
    if (n.has(3)) {
        y = add(n, y, n.b.reshape(as_f32(n, n.in(3)), {s.weights[0], 1, 1}));
    }
    return {n.b.cast(y, n.b.type(n.in(0)))};
}

}  // namespace

void add_deform_conv(OperatorTable& table) {
    table.add({{"DeformConv", {19}, deform_conv}});
}

}  // namespace accel::compiler
