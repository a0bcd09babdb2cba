// SPDX-License-Identifier: Apache-2.0
//
// Elements of a constant as numbers, read in parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ir/number_conversion.hpp"
#include "ir/tensor.hpp"

namespace accel::compiler {

/// Reads float or std::int64_t numbers. Only the part that it reads is in memory, unless the whole
/// constant is.
template <typename Number>
class NumberReader {
  public:
    explicit NumberReader(const Tensor& tensor)
        : type_(tensor.type),
          data_(tensor.data),
          reader_(data_.depth() == 0 ? PartReader() : data_.reader()) {}

    /// Writes `to.size()` numbers, those from element `first` on.
    void read(std::int64_t first, std::span<Number> to) {
        const std::size_t size = size_of(type_);
        const std::size_t at = static_cast<std::size_t>(first) * size;
        if (!reader_) {
            read_numbers(type_, {data_.data() + at, to.size() * size}, to);
            return;
        }
        buffer_.resize(to.size() * size);
        reader_(at, buffer_);
        read_numbers(type_, buffer_, to);
    }

    /// Releases elements that are also in a mapped file.
    void evict(std::int64_t first, std::int64_t count) const {
        if (!reader_) {
            const std::size_t size = size_of(type_);
            data_.evict_in_steps(static_cast<std::size_t>(first) * size,
                                 static_cast<std::size_t>(count) * size);
        }
    }

  private:
    DataType type_;
    const TensorStorage data_;
    PartReader reader_;  // empty if the elements are in memory
    std::vector<std::byte> buffer_;
};

}  // namespace accel::compiler
