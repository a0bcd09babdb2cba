// SPDX-License-Identifier: Apache-2.0
//
// MaxPool with indices. The pool engine does not compute indices, so this compares slices of the
// padded image, one for each element of the window. The first of equal elements wins.
#include <algorithm>
#include <optional>

#include "frontend/operators/windows.hpp"
#include "ir/empty_reduction.hpp"

namespace accel::compiler {

namespace {

// The image that MaxPool pools with indices, and its windows.
struct IndexedPool {
    Dims dims;     // [n, c, ...]
    Dims results;  // [n, c, ...]
    std::vector<WindowAxis> axes;
    Dims strides;  // of the indices along the axes of a plane
};

// Where a tap of the kernel is along each axis.
Dims tap_position(const IndexedPool& p, std::int64_t tap) {
    Dims position(p.axes.size());
    for (std::size_t i = p.axes.size(); i-- > 0;) {
        position[i] = tap % p.axes[i].kernel * p.axes[i].dilation;
        tap /= p.axes[i].kernel;
    }
    return position;
}

// The indices in a plane of the elements that all windows have at a tap: [1, 1, ...].
ValueId tap_indices(const Node& n, const IndexedPool& p, const Dims& position) {
    Dims shape = p.results;
    shape[0] = shape[1] = 1;
    const Dims places = dense_strides(shape);
    std::vector<std::int64_t> index;
    for (std::int64_t window = 0; window < elements(shape); ++window) {
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < p.axes.size(); ++i) {
            const std::int64_t at = window / places[i + 2] % shape[i + 2];
            sum += p.strides[i] * (at * p.axes[i].stride + position[i] - p.axes[i].before);
        }
        index.push_back(sum);
    }
    return n.b.reshape(integer_list(n, index), shape);
}

IndexedPool indexed_pool(const Node& n, ValueId x) {
    IndexedPool p{.dims = n.b.dims(x),
                  .results = {n.b.dims(x)[0], n.b.dims(x)[1]},
                  .axes = image_axes(n, n.in(0), n.list("kernel_shape")),
                  .strides = dense_strides(spatial(n.b.dims(x)))};
    std::int64_t work = 1;
    constexpr std::int64_t max_taps = 4096;
    std::int64_t taps = 1;
    for (const WindowAxis& axis : p.axes) {
        p.results.push_back(axis.result);
        taps = axis.kernel > max_taps ? max_taps + 1 : taps * axis.kernel;
        work = std::min(work * axis.result, max_listed + 1);
    }
    if (taps > max_taps || work * taps > max_listed || p.dims[0] * p.dims[1] > max_listed) {
        refuse("its image " + to_string(p.dims) + " or its window is too large for indices",
               "use a smaller window, or only the first output");
    }
    if (n.integer("storage_order", 0) != 0) {
        std::int64_t stride = 1;
        for (std::size_t i = 0; i < p.axes.size(); ++i) {
            p.strides[i] = stride;
            stride *= p.dims[i + 2];
        }
    }
    return p;
}

}  // namespace

Values max_pool_with_indices(const Node& n) {
    const bool line = n.b.rank(n.in(0)) == 3;
    const ValueId x = as_image(n, n.in(0));
    const IndexedPool p = indexed_pool(n, x);
    Dims before(p.dims.size(), 0);
    Dims after(p.dims.size(), 0);
    Dims step(p.dims.size(), 1);
    std::int64_t taps = 1;
    for (std::size_t i = 0; i < p.axes.size(); ++i) {
        before[i + 2] = p.axes[i].before;
        after[i + 2] = p.axes[i].after(p.dims[i + 2]);
        step[i + 2] = p.axes[i].stride;
        taps *= p.axes[i].kernel;
    }
    const ValueId least = n.b.constant(empty_reduction(ReduceOp::max, n.b.type(x)));
    const ValueId padded = n.b.pad(x, before, after, least);
    std::optional<ValueId> best;
    ValueId where = 0;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
        const Dims position = tap_position(p, tap);
        Dims start(2, 0);
        start.insert(start.end(), position.begin(), position.end());
        const ValueId element = n.b.strided_slice(padded, std::move(start), step, p.results);
        const ValueId here = tap_indices(n, p, position);
        if (!best) {
            best = element;
            where = n.b.broadcast(here, p.results);
            continue;
        }
        const ValueId larger = n.b.compare(ElementwiseOp::less, *best, element);
        best = n.b.select(larger, element, *best);
        where = n.b.select(larger, here, where);
    }
    std::vector<std::int64_t> planes;
    for (std::int64_t i = 0; i < p.dims[0] * p.dims[1]; ++i) {
        planes.push_back(i * elements(spatial(p.dims)));
    }
    Dims plane(p.dims.size(), 1);
    plane[0] = p.dims[0];
    plane[1] = p.dims[1];
    where = add(n, where, n.b.reshape(integer_list(n, planes), plane));
    return {as_given(n, best.value(), line), as_given(n, where, line)};
}

}  // namespace accel::compiler
