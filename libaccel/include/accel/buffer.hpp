// SPDX-License-Identifier: Apache-2.0
//
// Buffers: memory that the card can access, with a span on the CPU and an address on the card.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "accel/shape.hpp"
#include "accel/visibility.hpp"

namespace accel {

class Operand;

/// An address in the device's address space, as commands use it.
enum class Address : std::uint64_t {};

/// How the card may access a buffer.
enum class Access : std::uint8_t { read = 1, write = 2, read_write = 3 };

/// The memory that holds a buffer.
enum class Placement : std::uint8_t {
    host,           ///< host memory, mapped for the CPU
    device,         ///< device memory without a CPU mapping: move data with Copy or upload()
    device_mapped,  ///< device memory, mapped write-combining: fast to write in order, slow to read
};

struct BufferOptions {
    Placement placement = Placement::host;
    Access access = Access::read_write;
};

namespace detail {

/// The forks that led to this process since the library was loaded. Only fork() changes it, in the
/// child, which then has one thread.
extern ACCEL_API std::uint32_t fork_count;

/// Card-visible memory without its element type.
struct Allocation {
    std::shared_ptr<const void> owner;  // a detail::TrackedObject: lives until no job uses it
    const void* space = nullptr;        // identifies the device whose address space this is
    void* data = nullptr;               // null if the CPU has no mapping
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    Access access = Access::read_write;
    Placement placement = Placement::host;
    std::uint32_t forks = fork_count;  // of the process that allocated it
};

[[noreturn]] ACCEL_API void throw_not_mapped();
[[noreturn]] ACCEL_API void throw_in_child();
[[noreturn]] ACCEL_API void throw_bad_slice(std::uint64_t first, std::uint64_t count,
                                            std::uint64_t size);
[[noreturn]] ACCEL_API void throw_bad_length(std::uint64_t given, std::uint64_t size);

}  // namespace detail

/// Typed memory in host or device memory. Device::allocate(), register_memory() and
/// import_memory() make one. Move-only: slice(), reshape() and alias() make further handles on the
/// same memory. The memory is freed when the last handle and the last unfinished job that uses it
/// are gone; the card has no access to it afterwards.
///
/// Thread-safety: like std::span. Const members from any thread; the caller orders accesses to the
/// elements. The content of a buffer is undefined while a job that writes it is not finished.
template <typename T>
class Buffer {
    static_assert(std::is_trivially_copyable_v<T>, "the card copies bytes");

  public:
    using value_type = std::remove_cv_t<T>;

    Buffer() = default;  ///< no memory
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        Buffer(std::move(other)).swap(*this);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() = default;

    explicit operator bool() const noexcept { return memory_.owner != nullptr; }
    /// Number of elements.
    [[nodiscard]] std::size_t size() const noexcept { return memory_.bytes / sizeof(T); }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return memory_.bytes; }
    [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
    [[nodiscard]] Address address() const noexcept { return Address{memory_.address}; }
    [[nodiscard]] Access access() const noexcept { return memory_.access; }
    [[nodiscard]] Placement placement() const noexcept { return memory_.placement; }

    /// Whether the CPU can access it; if not, span(), data(), begin() and [] throw
    /// Error(invalid_argument). They throw Error(operation_not_permitted) in a child of the process
    /// that made the buffer, which has no mapping.
    [[nodiscard]] bool mapped() const noexcept { return memory_.data != nullptr; }

    [[nodiscard]] T* data() { return static_cast<T*>(mapping()); }
    [[nodiscard]] const T* data() const { return static_cast<const T*>(mapping()); }
    [[nodiscard]] std::span<T> span() { return {data(), size()}; }
    [[nodiscard]] std::span<const T> span() const { return {data(), size()}; }
    [[nodiscard]] T& operator[](std::size_t i) { return data()[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const { return data()[i]; }
    [[nodiscard]] T* begin() { return data(); }
    [[nodiscard]] T* end() { return data() + size(); }
    [[nodiscard]] const T* begin() const { return data(); }
    [[nodiscard]] const T* end() const { return data() + size(); }

    /// A handle on elements [first, first + count) of the same memory. Throws
    /// Error(invalid_argument) if the buffer has not that many.
    [[nodiscard]] Buffer slice(std::uint64_t first, std::uint64_t count) const {
        if (first > size() || count > size() - first) {
            detail::throw_bad_slice(first, count, size());
        }
        Buffer part = alias();
        part.memory_.address += first * sizeof(T);
        part.memory_.bytes = count * sizeof(T);
        if (part.memory_.data != nullptr) {
            part.memory_.data = static_cast<std::byte*>(part.memory_.data) + first * sizeof(T);
        }
        part.shape_ = {count};
        return part;
    }

    /// A handle on the same memory with another shape of the same number of elements.
    [[nodiscard]] Buffer reshape(const Shape& shape) const {
        if (shape.elements() != size()) {
            detail::throw_bad_length(shape.elements(), size());
        }
        Buffer other = alias();
        other.shape_ = shape;
        return other;
    }

    /// Another handle on the same memory.
    [[nodiscard]] Buffer alias() const {
        Buffer other;
        other.memory_ = memory_;
        other.shape_ = shape_;
        return other;
    }

    /// Sets every element, by the CPU: the buffer must be mapped.
    void fill(const value_type& value) requires(!std::is_const_v<T>) {
        std::fill_n(data(), size(), value);
    }
    /// Copies by the CPU; `source` must have exactly size() elements.
    void copy_from(std::span<const value_type> source) requires(!std::is_const_v<T>) {
        check_length(source.size());
        std::copy(source.begin(), source.end(), data());
    }
    /// Copies by the CPU; `destination` must have exactly size() elements.
    void copy_to(std::span<value_type> destination) const {
        check_length(destination.size());
        std::copy_n(data(), size(), destination.begin());
    }

    void swap(Buffer& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(shape_, other.shape_);
    }

  private:
    friend class Device;
    friend class Operand;

    Buffer(detail::Allocation memory, const Shape& shape)
        : memory_(std::move(memory)), shape_(shape) {}

    [[nodiscard]] void* mapping() const {
        if (memory_.data == nullptr && memory_.owner != nullptr) {
            detail::throw_not_mapped();
        }
        if (memory_.forks != detail::fork_count && memory_.owner != nullptr) {
            detail::throw_in_child();
        }
        return memory_.data;
    }
    void check_length(std::uint64_t given) const {
        if (given != size()) {
            detail::throw_bad_length(given, size());
        }
    }

    detail::Allocation memory_;
    Shape shape_;
};

}  // namespace accel
