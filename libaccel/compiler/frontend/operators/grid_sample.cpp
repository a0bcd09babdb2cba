// SPDX-License-Identifier: Apache-2.0
//
// GridSample: samples an image or a volume at computed coordinates. Each sample is a weighted sum
// of neighboring pixels. A gather with computed indices reads the pixels. Padding changes the
// indices of neighbors outside the image.
#include <algorithm>
#include <array>
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

using Op = ElementwiseOp;

// One axis of the image: the neighbors of each coordinate along it. Indices are i64 and weights are
// f32.
class Axis {
  public:
    Axis(const Node& n, ValueId coordinate, std::int64_t length, const std::string& mode)
        : n_(n), length_(length), aligned_(n.integer("align_corners", 0) != 0) {
        // Converts -1 .. 1 to pixels.
        const auto pixels = static_cast<float>(length);
        const ValueId x = aligned_ ? scaled(shifted(coordinate, 1), (pixels - 1) / 2)
                                   : shifted(scaled(shifted(coordinate, 1), pixels / 2), -0.5F);
        if (mode == "nearest") {
            taps_.push_back({n.b.cast(n.b.unary(UnaryOp::round, x), DataType::i64), std::nullopt});
            return;
        }
        const ValueId low = n.b.unary(UnaryOp::floor, x);
        const ValueId t = sub(n, x, low);
        const ValueId first = n.b.cast(low, DataType::i64);
        if (mode == "bilinear" || mode == "linear") {
            taps_ = {{first, difference(1, t)}, {next(first, 1), t}};
        } else if (mode == "bicubic" || mode == "cubic") {
            taps_ = {{next(first, -1), far(shifted(t, 1))},
                     {first, near(t)},
                     {next(first, 1), near(difference(1, t))},
                     {next(first, 2), far(difference(2, t))}};
        } else {
            refuse("the mode '" + mode + "' is not supported");
        }
    }

    struct Tap {
        ValueId index;
        std::optional<ValueId> weight;  // absent: 1
    };
    [[nodiscard]] const std::vector<Tap>& taps() const { return taps_; }

    // Whether an index is inside the image.
    [[nodiscard]] ValueId inside(ValueId index) const {
        const ValueId low = n_.b.compare(Op::less_equal, integer(0), index);
        const ValueId high = n_.b.compare(Op::less, index, integer(length_));
        return n_.b.select(low, high, low);
    }
    [[nodiscard]] ValueId clamped(ValueId index) const {
        return n_.b.binary(Op::min, n_.b.binary(Op::max, index, integer(0)), integer(length_ - 1));
    }
    // Reflected at the centers of the outermost pixels, or at their outer edges.
    [[nodiscard]] ValueId reflected(ValueId index) const {
        const std::int64_t period =
            aligned_ ? std::max<std::int64_t>(2 * (length_ - 1), 1) : 2 * length_;
        const ValueId at = n_.b.binary(Op::mod, index, integer(period));
        const ValueId back = sub(n_, integer(aligned_ ? period : period - 1), at);
        return clamped(n_.b.binary(Op::min, at, back));
    }

  private:
    static constexpr float cubic_coefficient = -0.75F;

    ValueId integer(std::int64_t x) const {
        return n_.b.scalar(DataType::i64, static_cast<double>(x));
    }
    ValueId shifted(ValueId x, float c) const { return add(n_, x, n_.b.scalar(c)); }
    ValueId scaled(ValueId x, float c) const { return mul(n_, x, n_.b.scalar(c)); }
    ValueId difference(float c, ValueId x) const { return sub(n_, n_.b.scalar(c), x); }
    ValueId next(ValueId index, std::int64_t by) const { return add(n_, index, integer(by)); }
    // A polynomial in d; the coefficient of the highest power is the first.
    ValueId polynomial(ValueId d, const std::array<float, 4>& coefficients) const {
        ValueId sum = shifted(scaled(d, coefficients[0]), coefficients[1]);
        sum = shifted(mul(n_, sum, d), coefficients[2]);
        return shifted(mul(n_, sum, d), coefficients[3]);
    }
    ValueId near(ValueId d) const {
        return polynomial(d, {cubic_coefficient + 2, -(cubic_coefficient + 3), 0, 1});
    }
    ValueId far(ValueId d) const {
        return polynomial(d, {cubic_coefficient, -5 * cubic_coefficient, 8 * cubic_coefficient,
                              -4 * cubic_coefficient});
    }

    const Node& n_;
    std::int64_t length_;
    bool aligned_;
    std::vector<Tap> taps_;
};

// The properties that samples along all axes share.
struct Sampling {
    std::vector<Axis> axes = {};  // the outermost first
    Dims lengths;
    std::string padding;
};

// The pixels of image [n, c, pixels] at one choice of taps, times their weights.
ValueId tap_of(const Node& n, ValueId image, const Sampling& s,
               const std::vector<Axis::Tap>& taps) {
    const Dims strides = dense_strides(s.lengths);
    std::optional<ValueId> index;
    std::optional<ValueId> weight;
    std::optional<ValueId> inside;
    for (std::size_t i = 0; i < taps.size(); ++i) {
        const Axis& axis = s.axes[i];
        const ValueId at =
            s.padding == "reflection" ? axis.reflected(taps[i].index) : axis.clamped(taps[i].index);
        const ValueId offset =
            mul(n, at, n.b.scalar(DataType::i64, static_cast<double>(strides[i])));
        index = index ? add(n, *index, offset) : offset;
        if (taps[i].weight) {
            weight = weight ? mul(n, *weight, *taps[i].weight) : *taps[i].weight;
        }
        const ValueId here = axis.inside(taps[i].index);
        inside = inside ? n.b.select(*inside, here, *inside) : here;
    }
    const Dims all{n.b.dims(image)[0], n.b.dims(image)[1], n.b.dims(index.value())[2]};
    ValueId pixel = n.b.gather(image, n.b.broadcast(*index, all), 2, true);
    if (s.padding == "zeros") {
        pixel = n.b.select(inside.value(), pixel, n.b.scalar(0.0F));
    }
    return weight ? mul(n, pixel, *weight) : pixel;
}

Values grid_sample(const Node& n) {
    const Dims dims = n.b.dims(n.in(0));
    const Dims grid = n.b.dims(n.in(1));
    const std::size_t rank = dims.size();
    if ((rank != 4 && rank != 5) || grid.size() != rank ||
        grid.back() != static_cast<std::int64_t>(rank) - 2 || grid[0] != dims[0] ||
        elements(dims) == 0) {
        refuse("its grid " + to_string(grid) + " does not fit the image " + to_string(dims));
    }
    Sampling sampling{.lengths = Dims(dims.begin() + 2, dims.end()),
                      .padding = n.text("padding_mode", "zeros")};
    if (sampling.padding != "zeros" && sampling.padding != "border" &&
        sampling.padding != "reflection") {
        refuse("the padding_mode '" + sampling.padding + "' is not supported");
    }
    const Dims places(grid.begin() + 1, grid.end() - 1);
    const std::int64_t samples = elements(places);
    const ValueId image =
        n.b.reshape(as_f32(n, n.in(0)), {dims[0], dims[1], elements(sampling.lengths)});
    const ValueId coordinates = as_f32(n, n.in(1));
    std::size_t choices = 1;
    for (std::size_t i = 0; i < rank - 2; ++i) {
        // The last coordinate of the grid is that of the outermost axis.
        const auto column = static_cast<std::int64_t>(rank - 3 - i);
        const ValueId along =
            n.b.reshape(n.b.slice(coordinates, rank - 1, column, 1), {grid[0], 1, samples});
        sampling.axes.emplace_back(n, along, dims[i + 2], n.text("mode", "linear"));
        choices *= sampling.axes.back().taps().size();
    }
    std::optional<ValueId> sum;
    for (std::size_t choice = 0; choice < choices; ++choice) {
        std::vector<Axis::Tap> taps(rank - 2);
        std::size_t rest = choice;
        for (std::size_t i = rank - 2; i-- > 0;) {
            const std::vector<Axis::Tap>& all = sampling.axes[i].taps();
            taps[i] = all[rest % all.size()];
            rest /= all.size();
        }
        const ValueId pixel = tap_of(n, image, sampling, taps);
        sum = sum ? add(n, *sum, pixel) : pixel;
    }
    Dims result{dims[0], dims[1]};
    result.insert(result.end(), places.begin(), places.end());
    return {n.b.cast(n.b.reshape(sum.value(), std::move(result)), n.b.type(n.in(0)))};
}

}  // namespace

void add_grid_sample(OperatorTable& table) {
    table.add({{"GridSample", {16}, grid_sample}});
}

}  // namespace accel::compiler
