// SPDX-License-Identifier: Apache-2.0
//
// GridSample: pixels at places that a run decides. Each place is a weighted sum of those around it,
// gathered by an index that is computed; what is outside is handled by changing that index.
#include <algorithm>
#include <array>
#include <optional>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;
using Op = ElementwiseOp;

// One axis of the image, and what around each place along it counts: indices as i64, weights as
// f32.
class Axis {
  public:
    Axis(const Node& n, ValueId place, std::int64_t length, const std::string& mode)
        : n_(n), length_(length), aligned_(n.integer("align_corners", 0) != 0) {
        // From -1 .. 1 to pixels.
        const auto pixels = static_cast<float>(length);
        const ValueId x = aligned_ ? times(plus(place, 1), (pixels - 1) / 2)
                                   : plus(times(plus(place, 1), pixels / 2), -0.5F);
        if (mode == "nearest") {
            taps_.push_back({n.b.cast(n.b.unary(UnaryOp::round, x), DataType::i64), std::nullopt});
            return;
        }
        const ValueId low = n.b.unary(UnaryOp::floor, x);
        const ValueId t = n.b.binary(Op::sub, x, low);
        const ValueId first = n.b.cast(low, DataType::i64);
        if (mode == "bilinear" || mode == "linear") {
            taps_ = {{first, minus(1, t)}, {next(first, 1), t}};
        } else if (mode == "bicubic" || mode == "cubic") {
            taps_ = {{next(first, -1), far(plus(t, 1))},
                     {first, near(t)},
                     {next(first, 1), near(minus(1, t))},
                     {next(first, 2), far(minus(2, t))}};
        } else {
            refuse("the mode '" + mode + "' is not known");
        }
    }

    struct Tap {
        ValueId index;
        std::optional<ValueId> weight;  // none: one
    };
    [[nodiscard]] const std::vector<Tap>& taps() const { return taps_; }

    // Whether an index is inside, as bool.
    [[nodiscard]] ValueId inside(ValueId index) const {
        const ValueId low = n_.b.compare(Op::less_equal, integer(0), index);
        const ValueId high = n_.b.compare(Op::less, index, integer(length_));
        return n_.b.select(low, high, low);
    }
    [[nodiscard]] ValueId clamped(ValueId index) const {
        return n_.b.binary(Op::min, n_.b.binary(Op::max, index, integer(0)), integer(length_ - 1));
    }
    // Mirrored at the middle of the outermost pixels, or at their outer edges.
    [[nodiscard]] ValueId reflected(ValueId index) const {
        const std::int64_t period =
            aligned_ ? std::max<std::int64_t>(2 * (length_ - 1), 1) : 2 * length_;
        const ValueId at = n_.b.binary(Op::mod, index, integer(period));
        const ValueId back = n_.b.binary(Op::sub, integer(aligned_ ? period : period - 1), at);
        return clamped(n_.b.binary(Op::min, at, back));
    }

  private:
    static constexpr float sharpness = -0.75F;  // of the cubic

    ValueId integer(std::int64_t x) const {
        return n_.b.scalar(DataType::i64, static_cast<double>(x));
    }
    ValueId plus(ValueId x, float c) const { return n_.b.binary(Op::add, x, n_.b.scalar(c)); }
    ValueId times(ValueId x, float c) const { return n_.b.binary(Op::mul, x, n_.b.scalar(c)); }
    ValueId minus(float c, ValueId x) const { return n_.b.binary(Op::sub, n_.b.scalar(c), x); }
    ValueId next(ValueId index, std::int64_t by) const {
        return n_.b.binary(Op::add, index, integer(by));
    }
    // A polynomial of d, from the highest power down.
    ValueId polynomial(ValueId d, const std::array<float, 4>& coefficients) const {
        ValueId sum = plus(times(d, coefficients[0]), coefficients[1]);
        sum = plus(n_.b.binary(Op::mul, sum, d), coefficients[2]);
        return plus(n_.b.binary(Op::mul, sum, d), coefficients[3]);
    }
    ValueId near(ValueId d) const { return polynomial(d, {sharpness + 2, -(sharpness + 3), 0, 1}); }
    ValueId far(ValueId d) const {
        return polynomial(d, {sharpness, -5 * sharpness, 8 * sharpness, -4 * sharpness});
    }

    const Node& n_;
    std::int64_t length_;
    bool aligned_;
    std::vector<Tap> taps_;
};

Values grid_sample(const Node& n) {
    const Dims dims = n.b.dims(n.in(0));
    const Dims grid = n.b.dims(n.in(1));
    if (dims.size() != 4 || grid.size() != 4 || grid[3] != 2 || grid[0] != dims[0] ||
        elements(dims) == 0) {
        refuse("a grid " + to_string(grid) + " does not fit the image " + to_string(dims));
    }
    const std::string padding = n.text("padding_mode", "zeros");
    if (padding != "zeros" && padding != "border" && padding != "reflection") {
        refuse("the padding_mode '" + padding + "' is not known");
    }
    const std::string mode = n.text("mode", "bilinear");
    const DataType type = n.b.type(n.in(0));
    const std::int64_t places = grid[1] * grid[2];
    const ValueId image = n.b.reshape(as_f32(n, n.in(0)), {dims[0], dims[1], dims[2] * dims[3]});
    const auto coordinate = [&](std::int64_t i) {
        return n.b.reshape(n.b.slice(as_f32(n, n.in(1)), 3, i, 1), {grid[0], 1, places});
    };
    const Axis across(n, coordinate(0), dims[3], mode);
    const Axis down(n, coordinate(1), dims[2], mode);
    std::optional<ValueId> sum;
    for (const Axis::Tap& y : down.taps()) {
        for (const Axis::Tap& x : across.taps()) {
            std::optional<ValueId> weight = x.weight;
            if (y.weight) {
                weight = n.b.binary(Op::mul, *y.weight, *weight);
            }
            ValueId row = padding == "reflection" ? down.reflected(y.index) : down.clamped(y.index);
            const ValueId column =
                padding == "reflection" ? across.reflected(x.index) : across.clamped(x.index);
            row = n.b.binary(Op::mul, row, n.b.scalar(DataType::i64, static_cast<double>(dims[3])));
            const ValueId index =
                n.b.broadcast(n.b.binary(Op::add, row, column), {dims[0], dims[1], places});
            ValueId pixel = n.b.gather(image, index, 2, true);
            if (padding == "zeros") {
                const ValueId in_rows = down.inside(y.index);
                const ValueId both = n.b.select(in_rows, across.inside(x.index), in_rows);
                pixel = n.b.select(both, pixel, n.b.scalar(0.0F));
            }
            pixel = weight ? n.b.binary(Op::mul, pixel, *weight) : pixel;
            sum = sum ? n.b.binary(Op::add, *sum, pixel) : pixel;
        }
    }
    return {n.b.cast(n.b.reshape(sum.value(), {dims[0], dims[1], grid[1], grid[2]}), type)};
}

}  // namespace

void add_sampling(Operators& table) {
    table.insert({{"GridSample", grid_sample}});
}

}  // namespace accel::compiler
