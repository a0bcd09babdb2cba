// SPDX-License-Identifier: Apache-2.0
//
// The elements of a tensor as bytes, which copies of the tensor share. A folded constant is
// computed when something reads its elements. Mostly that is the upload to the card, which reads
// part by part: so the whole constant is never in memory. Some constants are never read.
#pragma once

#include <cstddef>
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

/// Writes a part of the bytes: `to.size()` of them, from byte `first` on. Both are multiples of the
/// size of an element. It may throw std::bad_alloc, and nothing else.
using PartReader = std::function<void(std::size_t first, std::span<std::byte> to)>;

/// Thread-safety: none, not even for storages that share bytes. A model is compiled by one thread.
class TensorStorage {
  public:
    /// Makes a reader that computes the bytes. The reader has the memory that it needs for parts,
    /// until it ends. Throws nothing but std::bad_alloc.
    using Computation = std::function<PartReader()>;

    TensorStorage() = default;
    /// Zeroed.
    explicit TensorStorage(std::size_t bytes);
    // NOLINTNEXTLINE(google-explicit-constructor): a storage is used like a vector
    TensorStorage(std::vector<std::byte> bytes);
    /// A part of a source.
    TensorStorage(Bytes source, std::span<const std::byte> part);
    /// Computed when something reads it. `depth`: the length of the longest chain of storages, each
    /// computed from the one before, that ends with this one.
    TensorStorage(std::size_t bytes, Computation computation, unsigned depth);

    [[nodiscard]] std::size_t size() const noexcept { return state_ ? state_->size : 0; }
    /// All bytes. They stay in memory as long as the storage.
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

    /// Reads parts of the bytes. A part that is not in memory is computed, and not kept.
    [[nodiscard]] PartReader reader() const;
    /// The same bytes in memory. If they are computed, only the result has them.
    [[nodiscard]] TensorStorage whole() const;

    /// Null unless the storage is known to be a permuted one.
    [[nodiscard]] const Permuted* permuted() const noexcept {
        return state_ && state_->permuted.from ? &state_->permuted : nullptr;
    }
    void set_permuted(Permuted permuted) { state_->permuted = std::move(permuted); }

    /// Releases memory whose bytes are also in a mapped file: of the storage, or of a part of it.
    void evict() const noexcept { evict(0, size()); }
    void evict(std::size_t first, std::size_t bytes) const noexcept;
    /// The same after each of many short reads in ascending order. It releases megabytes at a time:
    /// when a page is read again, the system maps its neighbors again, too.
    void evict_in_steps(std::size_t first, std::size_t bytes) const noexcept;

  private:
    // Whether a reader computes the bytes once more. After a few times they are kept, so that the
    // time to compute a storage that others are computed from has a limit.
    [[nodiscard]] bool compute_again() const;
    [[nodiscard]] TensorStorage compute() const;

    struct State {
        std::size_t size = 0;
        Bytes source = nullptr;
        const std::byte* first = nullptr;
        std::byte* writable = nullptr;
        Computation computation = nullptr;
        unsigned depth = 0;
        unsigned computed = 0;  // times, without keeping the bytes
        Permuted permuted = {};
    };

    std::shared_ptr<State> state_;
};

}  // namespace accel::compiler
