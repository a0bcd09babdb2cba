// SPDX-License-Identifier: Apache-2.0
//
// Operands of element-wise instructions, for constant folding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ir/number_reader.hpp"
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

/// An operand that broadcasts to the shape of a result. Its elements are converted in parts, so
/// that no copy of a large tensor is needed.
template <typename Number>
class BroadcastOperand {
  public:
    BroadcastOperand(const Tensor& tensor, const Dims& dims)
        : dims_(dims), strides_(broadcast_strides(tensor.dims, dims)) {
        while (!dims_.empty() && joins(dims_.back(), strides_.back())) {
            run_ *= dims_.back();
            dims_.pop_back();
            strides_.pop_back();
        }
        is_whole_ = !repeats_ && dims_.empty();
        // Elements that are read again and again are computed only once.
        reader_.emplace(is_whole_ ? tensor : Tensor(tensor.type, tensor.dims, tensor.data.whole()));
    }

    /// Writes the operand for `to.size()` elements of the result, from `first` on.
    void read(std::int64_t first, std::span<Number> to) {
        if (is_whole_) {
            reader_->read(first, to);
            return;
        }
        while (!to.empty()) {
            const std::int64_t within = first % run_;
            const auto length = std::min(static_cast<std::size_t>(run_ - within), to.size());
            const std::int64_t from = offset(first / run_);
            if (repeats_) {
                reader_->read(from, to.first(1));
                std::fill_n(to.begin() + 1, length - 1, to[0]);
            } else {
                reader_->read(from + within, to.first(length));
            }
            to = to.subspan(length);
            first += static_cast<std::int64_t>(length);
        }
    }

    /// Releases what these elements of the result were read from, if it is also in a mapped file.
    void evict(std::int64_t first, std::int64_t count) const {
        if (is_whole_) {
            reader_->evict(first, count);
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

    Dims dims_;     // of the runs
    Dims strides_;  // of the operand, for each of them
    std::int64_t run_ = 1;
    bool repeats_ = false;
    bool is_whole_ = false;
    std::optional<NumberReader<Number>> reader_;
};

}  // namespace accel::compiler
