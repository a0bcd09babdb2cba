// SPDX-License-Identifier: Apache-2.0
//
// The elements of a tensor as bytes, which copies of the tensor share. A folded constant is
// computed when something first reads its elements. Mostly that is the upload to the card, and some
// constants are never read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ir/byte_source.hpp"

namespace accel::compiler {

struct Tensor;

/// The source of a permuted tensor: another tensor, and the order of its dimensions.
struct Permuted {
    std::shared_ptr<const Tensor> from;
    std::vector<std::size_t> axes;
};

/// The source of a tensor that is a slice of another one: element i along an axis is the element
/// start + i * step of the other.
struct Sliced {
    std::shared_ptr<const Tensor> from;
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> step;
    std::vector<std::int64_t> dims;  // of the slice
};

/// Thread-safety: none, not even for storages that share bytes. A model is compiled by one thread.
class TensorStorage {
  public:
    /// Computes all bytes. It must not throw anything but std::bad_alloc.
    using Computation = std::function<TensorStorage()>;

    TensorStorage() = default;
    /// Zeroed.
    explicit TensorStorage(std::size_t bytes);
    // NOLINTNEXTLINE(google-explicit-constructor): a storage is used like a vector
    TensorStorage(std::vector<std::byte> bytes);
    /// A part of a source.
    TensorStorage(Bytes source, std::span<const std::byte> part);
    /// Computed at the first access. `depth`: the length of the longest chain of storages, each
    /// computed from the one before, that ends with this one.
    TensorStorage(std::size_t bytes, Computation computation, unsigned depth);

    [[nodiscard]] std::size_t size() const noexcept { return state_ ? state_->size : 0; }
    [[nodiscard]] const std::byte* data() const;
    [[nodiscard]] const std::byte* begin() const { return data(); }
    [[nodiscard]] const std::byte* end() const { return data() + size(); }
    [[nodiscard]] const std::byte& operator[](std::size_t at) const { return data()[at]; }

    /// A storage that shares its bytes, or cannot be written, becomes a copy first.
    [[nodiscard]] std::byte* data();
    [[nodiscard]] std::byte* begin() { return data(); }
    [[nodiscard]] std::byte* end() { return data() + size(); }
    [[nodiscard]] std::byte& operator[](std::size_t at) { return data()[at]; }

    /// A copy.
    // NOLINTNEXTLINE(google-explicit-constructor): as above
    operator std::vector<std::byte>() const { return {begin(), end()}; }

    /// Some bytes of this storage, shared with it.
    [[nodiscard]] TensorStorage part(std::size_t first, std::size_t bytes) const;

    /// The same pointer for storages that share all of their bytes, and only for these. Null
    /// without bytes.
    [[nodiscard]] const void* identity() const noexcept { return state_.get(); }

    /// Zero if the bytes are in memory. Otherwise an access computes them first.
    [[nodiscard]] unsigned depth() const noexcept {
        return state_ && !state_->source ? state_->depth : 0;
    }

    /// Releases bytes that the next access can compute again. Does nothing if they have been
    /// computed several times.
    void forget() noexcept;

    /// As forget(), however often they have been computed.
    void release() const noexcept;

    /// The bytes are elsewhere now, and `computation` reads them back. They are released, unless
    /// they are few, or in a file, or can be computed anyway.
    void move_away(Computation computation) const;

    /// Null unless the storage is known to be a permuted one.
    [[nodiscard]] const Permuted* permuted() const noexcept {
        return state_ && state_->permuted.from ? &state_->permuted : nullptr;
    }
    void set_permuted(Permuted permuted) { state_->permuted = std::move(permuted); }

    /// Null unless the storage is known to be a slice.
    [[nodiscard]] const Sliced* sliced() const noexcept {
        return state_ && state_->sliced.from ? &state_->sliced : nullptr;
    }
    void set_sliced(Sliced sliced) const {
        if (state_) {
            state_->sliced = std::move(sliced);
        }
    }

    /// Releases memory whose bytes are also in a mapped file.
    void evict() const noexcept;

  private:
    struct State {
        std::size_t size = 0;
        Bytes source = nullptr;
        const std::byte* first = nullptr;
        std::byte* writable = nullptr;
        Computation computation = nullptr;
        unsigned depth = 0;
        unsigned forgotten = 0;  // times
        Permuted permuted = {};
        Sliced sliced = {};
    };

    std::shared_ptr<State> state_;
};

}  // namespace accel::compiler
