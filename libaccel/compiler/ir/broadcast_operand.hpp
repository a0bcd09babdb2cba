// SPDX-License-Identifier: Apache-2.0
//
// Operands of element-wise instructions, for constant folding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

/// The strides of a dense operand that broadcasts to `dims`.
[[nodiscard]] inline Dims broadcast_strides(const Dims& from, const Dims& dims) {
    const Dims dense = dense_strides(from);
    Dims strides(dims.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
        const std::size_t to = dims.size() - from.size() + i;
        strides[to] = from[i] == 1 ? 0 : dense[i];
    }
    return strides;
}

template <typename Number>
[[nodiscard]] std::vector<Number> numbers_of(const Tensor& tensor) {
    if constexpr (std::is_same_v<Number, float>) {
        return tensor.floats();
    } else {
        return tensor.integers();
    }
}

/// An operand that broadcasts to the shape of a result. Its elements are converted in pieces, so
/// that no copy of a large tensor is needed. The tensor must stay until the operand ends.
template <typename Number>
class BroadcastOperand {
  public:
    BroadcastOperand(const Tensor& tensor, const Dims& dims)
        : tensor_(tensor), dims_(dims), strides_(broadcast_strides(tensor.dims, dims)) {
        while (!dims_.empty() && joins(dims_.back(), strides_.back())) {
            run_ *= dims_.back();
            dims_.pop_back();
            strides_.pop_back();
        }
        is_whole_ = !repeats_ && dims_.empty();
        if (!is_whole_) {
            all_ = numbers_of<Number>(tensor);
        }
    }

    /// Writes the operand for `count` elements of the result.
    void read(std::int64_t first, std::int64_t count, Number* to) const {
        if (is_whole_) {
            std::ranges::copy(numbers_of<Number>(tensor_.part(first, count)), to);
            return;
        }
        while (count > 0) {
            const std::int64_t within = first % run_;
            const std::int64_t length = std::min(run_ - within, count);
            const Number* const from = all_.data() + offset(first / run_);
            if (repeats_) {
                std::fill_n(to, length, *from);
            } else {
                std::copy_n(from + within, length, to);
            }
            to += length;
            first += length;
            count -= length;
        }
    }

  private:
    // Whether the last dimension joins those behind it to one run of elements, which are
    // consecutive, or one element that repeats.
    bool joins(std::int64_t length, std::int64_t stride) {
        if (length == 1) {
            return true;
        }
        if (run_ == 1) {
            repeats_ = stride == 0;
            return repeats_ || stride == 1;
        }
        return stride == (repeats_ ? 0 : run_);
    }

    [[nodiscard]] std::int64_t offset(std::int64_t run) const {
        std::int64_t at = 0;
        for (std::size_t d = dims_.size(); d-- > 0;) {
            at += run % dims_[d] * strides_[d];
            run /= dims_[d];
        }
        return at;
    }

    const Tensor& tensor_;
    Dims dims_;     // of the runs
    Dims strides_;  // of the operand, for each of them
    std::int64_t run_ = 1;
    bool repeats_ = false;
    bool is_whole_ = false;
    std::vector<Number> all_;  // unless the operand is whole
};

}  // namespace accel::compiler
