// SPDX-License-Identifier: Apache-2.0
//
// RoiAlign and MaxRoiPool: grids of values of rectangular regions of images.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

using Op = ElementwiseOp;

constexpr std::int64_t max_grid = 64;        // samples of a cell along an axis
constexpr std::int64_t max_cells = 1 << 16;  // of a region along an axis
// The attributes of RoiAlign.
struct Align {
    Dims image;  // [n, c, h, w]
    std::int64_t rows = 1;
    std::int64_t columns = 1;
    float scale = 1;
    bool half_pixel = false;
    bool maximum = false;
};

ValueId real(const Node& n, float x) {
    return n.b.scalar(x);
}

// Along one axis: the coordinates [regions, cells, samples] of all samples.
ValueId sample_coordinates(const Node& n, ValueId start, ValueId size, std::int64_t cells,
                           std::int64_t samples) {
    std::vector<float> places;  // in cells
    for (std::int64_t cell = 0; cell < cells; ++cell) {
        for (std::int64_t i = 0; i < samples; ++i) {
            places.push_back(static_cast<float>(cell) +
                             (static_cast<float>(i) + 0.5F) / static_cast<float>(samples));
        }
    }
    const ValueId grid = n.b.constant(
        make_constant(DataType::f32, {1, cells, samples}, std::span<const float>(places)));
    const ValueId cell = div(n, size, real(n, static_cast<float>(cells)));
    return add(n, start, mul(n, cell, grid));
}

// The two neighbors of each coordinate, as indices and weights. Outside -1 .. length, the weights
// are zero.
struct Neighbors {
    ValueId low;
    ValueId high;
    ValueId low_weight;
    ValueId high_weight;
};
Neighbors neighbors(const Node& n, ValueId at, std::int64_t length) {
    const auto last = static_cast<float>(length - 1);
    const ValueId from = n.b.compare(Op::less_equal, real(n, -1), at);
    const ValueId to = n.b.compare(Op::less_equal, at, real(n, static_cast<float>(length)));
    const ValueId inside = n.b.select(from, to, from);
    const ValueId place = n.b.binary(Op::min, n.b.binary(Op::max, at, real(n, 0)), real(n, last));
    const ValueId low = unary(n, UnaryOp::floor, place);
    const ValueId high = n.b.binary(Op::min, add(n, low, 1.0F), real(n, last));
    const ValueId part = sub(n, place, low);
    const ValueId zero = real(n, 0);
    return {n.b.cast(low, DataType::i64), n.b.cast(high, DataType::i64),
            n.b.select(inside, sub(n, real(n, 1), part), zero), n.b.select(inside, part, zero)};
}

// Values [regions, c, rows, columns] of regions [regions, 4] of the images `batch` [regions].
// `pixels` is [n * h * w, c].
ValueId aligned_regions(const Node& n, const Align& a, ValueId pixels, ValueId regions,
                        ValueId batch, std::int64_t down, std::int64_t across) {
    const std::int64_t count = n.b.dims(regions)[0];
    const ValueId scaled =
        add(n, mul(n, regions, real(n, a.scale)), real(n, a.half_pixel ? -0.5F : 0.0F));
    const auto corner = [&](std::int64_t i) {
        return n.b.reshape(n.b.slice(scaled, 1, i, 1), {count, 1, 1});
    };
    const auto size = [&](std::int64_t low, std::int64_t high) {
        const ValueId whole = sub(n, corner(high), corner(low));
        return a.half_pixel ? whole : n.b.binary(Op::max, whole, real(n, 1));
    };
    const Neighbors y =
        neighbors(n, sample_coordinates(n, corner(1), size(1, 3), a.rows, down), a.image[2]);
    const Neighbors x =
        neighbors(n, sample_coordinates(n, corner(0), size(0, 2), a.columns, across), a.image[3]);
    const Dims vertical{count, a.rows, 1, down, 1};
    const Dims horizontal{count, 1, a.columns, 1, across};
    const auto integer = [&](std::int64_t value) {
        return n.b.scalar(DataType::i64, static_cast<double>(value));
    };
    const ValueId first =
        n.b.reshape(mul(n, batch, integer(a.image[2] * a.image[3])), {count, 1, 1, 1, 1});
    std::optional<ValueId> sum;
    for (const bool lower : {false, true}) {
        for (const bool right : {false, true}) {
            const ValueId row = n.b.reshape(lower ? y.high : y.low, vertical);
            const ValueId column = n.b.reshape(right ? x.high : x.low, horizontal);
            const ValueId index = add(n, add(n, mul(n, row, integer(a.image[3])), column), first);
            const ValueId value = n.b.gather(pixels, index, 0, false);
            const ValueId weight =
                mul(n, n.b.reshape(lower ? y.high_weight : y.low_weight, vertical),
                    n.b.reshape(right ? x.high_weight : x.low_weight, horizontal));
            Dims dims = n.b.dims(weight);
            dims.push_back(1);
            const ValueId part = mul(n, value, n.b.reshape(weight, std::move(dims)));
            sum = !sum ? part : a.maximum ? n.b.binary(Op::max, *sum, part) : add(n, *sum, part);
        }
    }
    const ValueId samples = n.b.reshape(n.b.permute(sum.value(), {0, 5, 1, 2, 3, 4}),
                                        {count, a.image[1], a.rows, a.columns, down * across});
    return n.b.reshape(n.b.reduce(a.maximum ? ReduceOp::max : ReduceOp::mean, samples, {4}),
                       {count, a.image[1], a.rows, a.columns});
}

// Without a sampling ratio, the size of a region decides on the number of its samples. Regions with
// the same numbers are computed together.
ValueId adaptive_regions(const Node& n, const Align& a, ValueId pixels, ValueId regions,
                         ValueId batch) {
    const std::vector<float> corners = n.floats(1);
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> groups;
    for (std::size_t i = 0; i + 3 < corners.size(); i += 4) {
        const auto samples = [&](std::size_t low, std::size_t high, std::int64_t cells) {
            const float shift = a.half_pixel ? 0.5F : 0.0F;
            float size =
                (corners[i + high] * a.scale - shift) - (corners[i + low] * a.scale - shift);
            size = a.half_pixel ? size : std::max(size, 1.0F);
            const float count = std::ceil(size / static_cast<float>(cells));
            if (!(count <= static_cast<float>(max_grid))) {
                refuse("a region has " + std::to_string(count) +
                           " samples of a cell along an axis, and the limit is " +
                           std::to_string(max_grid),
                       "set its sampling_ratio");
            }
            return static_cast<std::int64_t>(std::max(count, 0.0F));
        };
        groups[{samples(1, 3, a.rows), samples(0, 2, a.columns)}].push_back(
            static_cast<std::int64_t>(i / 4));
    }
    Values parts;
    std::vector<std::int64_t> places(corners.size() / 4);
    std::int64_t next = 0;
    for (const auto& [samples, members] : groups) {
        const ValueId list = integer_list(n, members);
        const auto [down, across] = samples;
        const auto count = static_cast<std::int64_t>(members.size());
        parts.push_back(down * across == 0
                            ? n.b.broadcast(real(n, 0), {count, a.image[1], a.rows, a.columns})
                            : aligned_regions(n, a, pixels, n.b.gather(regions, list, 0, false),
                                              n.b.gather(batch, list, 0, false), down, across));
        for (const std::int64_t member : members) {
            places[static_cast<std::size_t>(member)] = next++;
        }
    }
    return n.b.gather(n.b.concat(parts, 0), integer_list(n, places), 0, false);
}

// The image [n, c, h, w] as rows [n * h * w, c], which a gather reads.
ValueId pixel_rows(const Node& n, ValueId x) {
    const Dims dims = n.b.dims(x);
    return n.b.reshape(n.b.permute(x, {0, 2, 3, 1}), {dims[0] * dims[2] * dims[3], dims[1]});
}

Values roi_align(const Node& n, const std::string& otherwise) {
    Align a{.image = n.b.dims(n.in(0)),
            .rows = n.integer("output_height", 1),
            .columns = n.integer("output_width", 1),
            .scale = n.real("spatial_scale", 1.0F)};
    const std::string mode = n.text("mode", "avg");
    const std::string rule = n.text("coordinate_transformation_mode", otherwise);
    if ((mode != "avg" && mode != "max") || (rule != "half_pixel" && rule != "output_half_pixel")) {
        refuse("the mode '" + mode + "' with the coordinate_transformation_mode '" + rule +
               "' is not supported");
    }
    a.half_pixel = rule == "half_pixel";
    a.maximum = mode == "max";
    const Dims regions = n.b.dims(n.in(1));
    const std::int64_t ratio = n.integer("sampling_ratio", 0);
    if (a.image.size() != 4 || regions.size() != 2 || regions[1] != 4 ||
        n.b.dims(n.in(2)) != Dims{regions[0]} || a.rows < 1 || a.columns < 1 || ratio < 0 ||
        ratio > max_grid || elements(a.image) == 0 || a.rows > max_cells || a.columns > max_cells) {
        refuse("its regions " + to_string(regions) + " do not fit the image " + to_string(a.image) +
               ", or its output size or sampling_ratio is out of range");
    }
    const DataType type = n.b.type(n.in(0));
    if (regions[0] == 0) {
        return {n.b.broadcast(n.b.scalar(type, 0), {0, a.image[1], a.rows, a.columns})};
    }
    const ValueId pixels = pixel_rows(n, as_f32(n, n.in(0)));
    const ValueId corners = as_f32(n, n.in(1));
    const ValueId batch = n.b.cast(n.in(2), DataType::i64);
    const ValueId y = ratio > 0 ? aligned_regions(n, a, pixels, corners, batch, ratio, ratio)
                                : adaptive_regions(n, a, pixels, corners, batch);
    return {n.b.cast(y, type)};
}

// From opset 16 on, pixels have their centers at 0.5.
Values roi_align_10(const Node& n) {
    return roi_align(n, "output_half_pixel");
}
Values roi_align_16(const Node& n) {
    return roi_align(n, "half_pixel");
}

// The first and the last pixel + 1 of a cell along an axis of the length `length`.
std::pair<std::int64_t, std::int64_t> cell_of(std::int64_t start, std::int64_t end,
                                              std::int64_t cell, std::int64_t cells,
                                              std::int64_t length) {
    const auto size = static_cast<float>(std::max<std::int64_t>(end - start + 1, 1));
    const float each = size / static_cast<float>(cells);
    const auto edge = [&](float x) {
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(x) + start, 0, length);
    };
    return {edge(std::floor(static_cast<float>(cell) * each)),
            edge(std::ceil(static_cast<float>(cell + 1) * each))};
}

// The largest pixel of each cell; 0 for a cell without pixels. The regions must be known, because
// their sizes decide on the pixels of a cell.
Values max_roi_pool(const Node& n) {
    const Dims image = n.b.dims(n.in(0));
    const Dims cells = n.list("pooled_shape");
    const std::vector<float> regions = n.floats(1);
    if (image.size() != 4 || n.b.rank(n.in(1)) != 2 || n.b.dims(n.in(1))[1] != 5 ||
        cells.size() != 2 || cells[0] < 1 || cells[1] < 1 || cells[0] > max_cells ||
        cells[1] > max_cells || elements(image) == 0) {
        refuse("its regions " + to_string(n.b.dims(n.in(1))) + " do not fit the image " +
               to_string(image));
    }
    const float scale = n.real("spatial_scale", 1.0F);
    std::vector<std::vector<std::int64_t>> lists;  // the pixels of each cell
    std::size_t most = 1;
    std::int64_t pixels_listed = 0;
    for (std::size_t i = 0; i + 4 < regions.size(); i += 5) {
        const auto whole = [](float x) {
            if (!(std::abs(x) <= static_cast<float>(max_listed))) {
                refuse("a region has the coordinate " + std::to_string(x));
            }
            return static_cast<std::int64_t>(x);
        };
        const auto corner = [&](std::size_t at) {
            return whole(std::round(regions[i + at] * scale));
        };
        const std::int64_t batch = whole(regions[i]);
        if (batch < 0 || batch >= image[0]) {
            refuse("a region is of image " + std::to_string(batch) + " of a batch of " +
                   std::to_string(image[0]));
        }
        for (std::int64_t row = 0; row < cells[0]; ++row) {
            for (std::int64_t column = 0; column < cells[1]; ++column) {
                const auto [top, bottom] = cell_of(corner(2), corner(4), row, cells[0], image[2]);
                const auto [left, right] =
                    cell_of(corner(1), corner(3), column, cells[1], image[3]);
                std::vector<std::int64_t>& list = lists.emplace_back();
                for (std::int64_t y = top; y < bottom; ++y) {
                    for (std::int64_t x = left; x < right; ++x) {
                        list.push_back((batch * image[2] + y) * image[3] + x);
                    }
                }
                most = std::max(most, list.size());
                pixels_listed += std::ssize(list) + 1;
                if (pixels_listed > max_listed) {
                    refuse("its regions have more than " + std::to_string(max_listed) + " pixels");
                }
            }
        }
    }
    if (lists.size() > static_cast<std::size_t>(max_listed) / most) {
        refuse("its regions have more than " + std::to_string(max_listed) + " pixels");
    }
    std::vector<std::int64_t> index;
    std::vector<std::int64_t> some;
    for (std::vector<std::int64_t>& list : lists) {
        some.push_back(list.empty() ? 0 : 1);
        list.resize(most, list.empty() ? 0 : list[0]);
        index.insert(index.end(), list.begin(), list.end());
    }
    const auto count = static_cast<std::int64_t>(lists.size());
    const DataType type = n.b.type(n.in(0));
    const ValueId pixels = n.b.gather(
        pixel_rows(n, as_f32(n, n.in(0))),
        n.b.reshape(integer_list(n, index), {count, static_cast<std::int64_t>(most)}), 0, false);
    const ValueId best = n.b.reshape(n.b.reduce(ReduceOp::max, pixels, {1}), {count, image[1]});
    const ValueId mask = n.b.constant(
        make_constant(DataType::boolean, {count, 1}, std::span<const std::int64_t>(some)));
    const ValueId y = n.b.reshape(n.b.select(mask, best, real(n, 0)),
                                  {count / (cells[0] * cells[1]), cells[0], cells[1], image[1]});
    return {n.b.cast(n.b.permute(y, {0, 3, 1, 2}), type)};
}

}  // namespace

void add_regions(OperatorTable& table) {
    table.add({
        {"MaxRoiPool", {1}, max_roi_pool},
        {"RoiAlign", {10, 15}, roi_align_10},
        {"RoiAlign", {16}, roi_align_16},
    });
}

}  // namespace accel::compiler
