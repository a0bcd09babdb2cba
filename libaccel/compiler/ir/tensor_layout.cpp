// SPDX-License-Identifier: Apache-2.0
#include "ir/tensor_layout.hpp"

#include <algorithm>
#include <numeric>

namespace accel::compiler {

LoopNest collapse_loops(const Dims& dims, const std::vector<Dims>& strides, const DimOrder& order) {
    LoopNest loops;
    loops.strides.resize(strides.size());
    for (const std::size_t d : order) {
        if (dims[d] == 1) {
            continue;
        }
        bool merges = !loops.dims.empty();
        for (std::size_t o = 0; o < strides.size() && merges; ++o) {
            merges = loops.strides[o].back() == strides[o][d] * dims[d];
        }
        if (merges) {
            loops.dims.back() *= dims[d];
            for (std::size_t o = 0; o < strides.size(); ++o) {
                loops.strides[o].back() = strides[o][d];
            }
        } else {
            loops.dims.push_back(dims[d]);
            for (std::size_t o = 0; o < strides.size(); ++o) {
                loops.strides[o].push_back(strides[o][d]);
            }
        }
    }
    if (loops.dims.empty()) {
        loops.dims.push_back(1);
        for (Dims& s : loops.strides) {
            s.push_back(1);
        }
    }
    if (loops.dims.size() > max_rank) {
        refuse("its operands have more than " + std::to_string(max_rank) +
               " dimensions that cannot be merged, which is the limit of the card");
    }
    return loops;
}

DimOrder row_major(std::size_t rank) {
    DimOrder order(rank);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

// The stride of a dimension of length 1 has no meaning: these dimensions are the outermost.
DimOrder order_by_strides(const TensorView& view, const Dims& dims) {
    DimOrder order = row_major(dims.size());
    const auto longer = std::stable_partition(order.begin(), order.end(),
                                              [&](std::size_t d) { return dims[d] == 1; });
    std::stable_sort(longer, order.end(), [&](std::size_t a, std::size_t b) {
        return view.strides[a] > view.strides[b];
    });
    return order;
}

Dims strides_for_order(const Dims& dims, const DimOrder& order) {
    Dims strides(dims.size());
    std::int64_t step = 1;
    for (std::size_t i = order.size(); i-- > 0;) {
        strides[order[i]] = step;
        step *= std::max<std::int64_t>(dims[order[i]], 1);
    }
    return strides;
}

bool same_strides(const Dims& dims, const Dims& a, const Dims& b) {
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (dims[i] > 1 && a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

std::optional<Dims> reshape_strides(const Dims& from, const Dims& strides, const Dims& to) {
    Dims dims;
    Dims steps;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] != 1) {
            dims.push_back(from[i]);
            steps.push_back(strides[i]);
        }
    }
    Dims result(to.size(), 1);
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < dims.size() && j < to.size()) {
        // A group of old dimensions, and a group of new ones with the same number of elements.
        std::size_t i_end = i + 1;
        std::size_t j_end = j + 1;
        std::int64_t old_count = dims[i];
        std::int64_t new_count = to[j];
        while (old_count != new_count) {
            if (old_count < new_count) {
                if (i_end == dims.size()) {
                    return std::nullopt;
                }
                old_count *= dims[i_end++];
            } else {
                if (j_end == to.size()) {
                    return std::nullopt;
                }
                new_count *= to[j_end++];
            }
        }
        for (std::size_t k = i; k + 1 < i_end; ++k) {
            if (steps[k] != steps[k + 1] * dims[k + 1]) {
                return std::nullopt;
            }
        }
        std::int64_t step = steps[i_end - 1];
        for (std::size_t k = j_end; k-- > j;) {
            result[k] = step;
            step *= to[k];
        }
        i = i_end;
        j = j_end;
    }
    return result;
}

Shape to_shape(const Dims& dims) {
    std::vector<std::uint64_t> extents(dims.begin(), dims.end());
    return Shape(std::span<const std::uint64_t>(extents));
}

std::uint32_t to_u32(std::int64_t value) {
    if (value < 0 || value > UINT32_MAX) {
        refuse("a dimension or stride of " + std::to_string(value) +
               " is out of the range of the card, which is 32 bits");
    }
    return static_cast<std::uint32_t>(value);
}

}  // namespace accel::compiler
