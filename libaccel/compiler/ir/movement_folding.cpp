// SPDX-License-Identifier: Apache-2.0
#include "ir/movement_folding.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "ir/broadcast_operand.hpp"

namespace accel::compiler {

namespace {

// Copies elements that are `stride` apart to consecutive ones.
template <typename Element>
void copy_strided(const std::byte* from, std::int64_t stride, std::int64_t count, std::byte* to) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(to + i * std::int64_t{sizeof(Element)},
                    from + i * stride * std::int64_t{sizeof(Element)}, sizeof(Element));
    }
}

void copy_run(std::size_t element, const std::byte* from, std::int64_t stride, std::int64_t count,
              std::byte* to) {
    if (stride == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count) * element);
        return;
    }
    switch (element) {
        case 1:
            return copy_strided<std::uint8_t>(from, stride, count, to);
        case 2:
            return copy_strided<std::uint16_t>(from, stride, count, to);
        case 4:
            return copy_strided<std::uint32_t>(from, stride, count, to);
        default:
            return copy_strided<std::uint64_t>(from, stride, count, to);
    }
}

// Each element of the result is that at these strides, from `first` on. The source is in memory as
// a whole.
class Rearrangement {
  public:
    Rearrangement(const Constant& from, const Value& result, std::int64_t first, Dims strides)
        : source_(from->data.whole()),
          first_(first),
          dims_(result.dims),
          strides_(std::move(strides)),
          size_(size_of(result.type)) {
        if (dims_.empty()) {
            dims_ = {1};
            strides_ = {1};
        }
    }
    Rearrangement(const Rearrangement&) = delete;
    Rearrangement& operator=(const Rearrangement&) = delete;
    Rearrangement(Rearrangement&&) = delete;
    Rearrangement& operator=(Rearrangement&&) = delete;
    ~Rearrangement() { source_.evict(); }

    void read(std::size_t first, std::span<std::byte> to) const {
        const std::int64_t row = dims_.back();
        const auto begin = static_cast<std::int64_t>(first / size_);
        auto left = static_cast<std::int64_t>(to.size() / size_);
        Dims at(dims_.size());
        std::int64_t rest = begin;
        std::int64_t offset = first_;
        for (std::size_t d = dims_.size(); d-- > 0 && left > 0;) {
            at[d] = rest % dims_[d];
            rest /= dims_[d];
            offset += at[d] * strides_[d];
        }
        std::byte* out = to.data();
        const std::byte* const source = source_.data();
        while (left > 0) {
            const std::int64_t count = std::min(row - at.back(), left);
            copy_run(size_, source + static_cast<std::size_t>(offset) * size_, strides_.back(),
                     count, out);
            out += static_cast<std::size_t>(count) * size_;
            left -= count;
            offset -= at.back() * strides_.back();
            at.back() = 0;
            for (std::size_t d = dims_.size() - 1; d-- > 0;) {
                offset += strides_[d];
                if (++at[d] < dims_[d]) {
                    break;
                }
                offset -= strides_[d] * dims_[d];
                at[d] = 0;
            }
        }
    }

  private:
    const TensorStorage source_;
    std::int64_t first_;
    Dims dims_;
    Dims strides_;
    std::size_t size_;
};

PartReader rearrange(const Constant& from, const Value& result, std::int64_t first, Dims strides) {
    return [moved = std::make_shared<Rearrangement>(from, result, first, std::move(strides))](
               std::size_t at, std::span<std::byte> to) { moved->read(at, to); };
}

// Rows of the result are rows of the operands, one after the other.
class Concatenation {
  public:
    Concatenation(const op::Concat& concat, const std::vector<Constant>& operands,
                  const Value& result)
        : operands_(operands) {
        const auto axis = static_cast<std::ptrdiff_t>(concat.axis);
        rows_ = static_cast<std::size_t>(
            elements(Dims(result.dims.begin(), result.dims.begin() + axis)));
        readers_.resize(operands.size());
        for (const Constant& operand : operands) {
            row_ += operand->data.size() / rows_;
        }
    }

    void read(std::size_t first, std::span<std::byte> to) {
        while (!to.empty()) {
            std::size_t within = first % row_;
            std::size_t i = 0;
            for (; within >= bytes_of(i); ++i) {
                within -= bytes_of(i);
            }
            const std::size_t count = std::min(bytes_of(i) - within, to.size());
            const std::size_t at = first / row_ * bytes_of(i) + within;
            reader_of(i)(at, to.first(count));
            operands_[i]->data.evict_in_steps(at, count);
            to = to.subspan(count);
            first += count;
        }
    }

  private:
    [[nodiscard]] std::size_t bytes_of(std::size_t i) const {
        return operands_[i]->data.size() / rows_;
    }

    // A single row reads one operand after the other, so the readers before have ended.
    const PartReader& reader_of(std::size_t i) {
        if (!readers_[i]) {
            if (rows_ == 1) {
                std::ranges::fill(readers_, nullptr);
            }
            readers_[i] = operands_[i]->data.reader();
        }
        return readers_[i];
    }

    std::vector<Constant> operands_;
    std::size_t rows_ = 1;
    std::size_t row_ = 0;  // bytes
    std::vector<PartReader> readers_;
};

}  // namespace

PartReader read_permuted(const op::Permute& permute, const Constant& from, const Value& result) {
    const Dims dense = dense_strides(from->dims);
    Dims strides;
    for (const std::size_t axis : permute.axes) {
        strides.push_back(dense[axis]);
    }
    return rearrange(from, result, 0, std::move(strides));
}

PartReader read_sliced(const op::Slice& slice, const Constant& from, const Value& result) {
    Dims strides = dense_strides(from->dims);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        first += slice.start[i] * strides[i];
        strides[i] *= slice.step[i];
    }
    return rearrange(from, result, first, std::move(strides));
}

PartReader read_broadcast(const Constant& from, const Value& result) {
    return rearrange(from, result, 0, broadcast_strides(from->dims, result.dims));
}

PartReader read_concatenated(const op::Concat& concat, const std::vector<Constant>& operands,
                             const Value& result) {
    return [joined = std::make_shared<Concatenation>(concat, operands, result)](
               std::size_t first, std::span<std::byte> to) { joined->read(first, to); };
}

PartReader read_padded(const op::Pad& pad, const Constant& from, const Value& result) {
    Tensor to(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    std::byte* const out = to.data.data();
    const TensorStorage whole = from->data.whole();
    const std::byte* const source = std::as_const(whole).data();
    for (std::size_t at = 0; at < to.data.size(); at += size) {
        std::memcpy(out + at, &pad.value, size);
    }
    Dims strides = dense_strides(result.dims);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        first += pad.before[i] * strides[i];
        strides[i] *= pad.step[i];
    }
    walk(from->dims, first, strides, [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(out + static_cast<std::size_t>(offset) * size,
                    source + static_cast<std::size_t>(i) * size, size);
    });
    whole.evict();
    return to.data.reader();
}

}  // namespace accel::compiler
