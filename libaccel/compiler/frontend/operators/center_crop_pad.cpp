// SPDX-License-Identifier: Apache-2.0
//
// CenterCropPad: crops or pads each axis to a length, evenly at both ends. An odd element is cut
// off, or added, at the end.
#include <numeric>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

Values center_crop_pad(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t rank = n.b.rank(x);
    const Dims wanted = n.integers(1);
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : n.list("axes")) {
        axes.push_back(normalize_axis(axis, rank));
    }
    axes = n.has("axes") ? axes : all_axes(rank);
    if (wanted.size() != axes.size()) {
        refuse("it has " + std::to_string(wanted.size()) + " lengths for " +
               std::to_string(axes.size()) + " axes");
    }
    Dims start(rank, 0);
    Dims before(rank, 0);
    Dims after(rank, 0);
    Dims dims = n.b.dims(x);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::size_t axis = axes[i];
        const std::int64_t more = wanted[i] - dims[axis];
        if (wanted[i] < 0 || wanted[i] > max_elements) {
            refuse("it wants an axis of the length " + std::to_string(wanted[i]));
        }
        start[axis] = more < 0 ? -more / 2 : 0;
        before[axis] = more > 0 ? more / 2 : 0;
        after[axis] = more > 0 ? more - more / 2 : 0;
        dims[axis] = more < 0 ? wanted[i] : dims[axis];
    }
    const ValueId inside = n.b.strided_slice(x, std::move(start), Dims(rank, 1), std::move(dims));
    const std::int64_t padded = std::accumulate(before.begin(), before.end(), std::int64_t{0}) +
                                std::accumulate(after.begin(), after.end(), std::int64_t{0});
    return {padded == 0 ? inside : n.b.pad(inside, before, after, n.b.scalar(n.b.type(x), 0))};
}

}  // namespace

void add_center_crop_pad(OperatorTable& table) {
    table.add({{"CenterCropPad", {18}, center_crop_pad}});
}

}  // namespace accel::compiler
