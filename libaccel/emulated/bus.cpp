// SPDX-License-Identifier: Apache-2.0
//
// Accesses of the card to memory of this process.
#include "bus.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace accel::emulated {

namespace {

// Copies between private and shared memory, word by word and atomically, as a device does. Words of
// 4 and 8 bytes have acquire and release semantics, so ThreadSanitizer knows what they order.
template <typename T>
void load(std::byte*& to, const std::byte*& from) {
    const T value = __atomic_load_n(reinterpret_cast<const T*>(from), __ATOMIC_ACQUIRE);
    std::memcpy(to, &value, sizeof(T));
    to += sizeof(T);
    from += sizeof(T);
}

template <typename T>
void store(std::byte*& to, const std::byte*& from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    __atomic_store_n(reinterpret_cast<T*>(to), value, __ATOMIC_RELEASE);
    to += sizeof(T);
    from += sizeof(T);
}

// The size of the largest aligned word that starts here.
std::size_t word_size(const std::byte* shared, std::size_t bytes) {
    for (const std::size_t size : {sizeof(std::uint64_t), sizeof(std::uint32_t)}) {
        if (bytes >= size && reinterpret_cast<std::uintptr_t>(shared) % size == 0) {
            return size;
        }
    }
    return 1;
}

// Copies a long block of data, and returns true. Its words need no order among themselves: the
// fences order the block, and memcpy() is twice as fast. ThreadSanitizer does not know fences.
bool copy_block(std::byte* to, const std::byte* from, std::size_t bytes) {
#ifdef __SANITIZE_THREAD__
    return to == from && bytes == 0;
#else
    constexpr std::size_t shortest = 256;
    if (bytes < shortest) {
        return false;
    }
    std::atomic_thread_fence(std::memory_order_release);
    std::memcpy(to, from, bytes);
    std::atomic_thread_fence(std::memory_order_acquire);
    return true;
#endif
}

void read_shared(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (copy_block(to, from, bytes)) {
        return;
    }
    for (const std::byte* end = from + bytes; from != end;) {
        switch (word_size(from, static_cast<std::size_t>(end - from))) {
            case sizeof(std::uint64_t):
                load<std::uint64_t>(to, from);
                break;
            case sizeof(std::uint32_t):
                load<std::uint32_t>(to, from);
                break;
            default:
                load<std::uint8_t>(to, from);
        }
    }
}

void write_shared(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (copy_block(to, from, bytes)) {
        return;
    }
    for (const std::byte* end = from + bytes; from != end;) {
        switch (word_size(to, static_cast<std::size_t>(end - from))) {
            case sizeof(std::uint64_t):
                store<std::uint64_t>(to, from);
                break;
            case sizeof(std::uint32_t):
                store<std::uint32_t>(to, from);
                break;
            default:
                store<std::uint8_t>(to, from);
        }
    }
}

}  // namespace

void Bus::expose(const void* memory, std::size_t bytes) {
    const std::unique_lock lock(mutex_);
    regions_.emplace(reinterpret_cast<std::uintptr_t>(memory), bytes);
}

void Bus::withdraw(const void* memory, std::size_t bytes) {
    const std::unique_lock lock(mutex_);
    auto region = regions_.find(reinterpret_cast<std::uintptr_t>(memory));
    while (region->second != bytes) {
        ++region;
    }
    regions_.erase(region);
}

bool Bus::reaches(std::uint64_t address, std::size_t bytes) const {
    for (auto region = regions_.upper_bound(address); region != regions_.begin();) {
        --region;
        if (address - region->first <= region->second &&
            bytes <= region->second - (address - region->first)) {
            return true;
        }
    }
    return false;
}

bool Bus::read(std::uint64_t address, void* to, std::size_t bytes) {
    const std::shared_lock lock(mutex_);
    if (!reaches(address, bytes)) {
        return false;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a bus address is one of this process
    read_shared(static_cast<std::byte*>(to), reinterpret_cast<const std::byte*>(address), bytes);
    return true;
}

bool Bus::write(std::uint64_t address, const void* from, std::size_t bytes) {
    const std::shared_lock lock(mutex_);
    if (!reaches(address, bytes)) {
        return false;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a bus address is one of this process
    write_shared(reinterpret_cast<std::byte*>(address), static_cast<const std::byte*>(from), bytes);
    return true;
}

bool Bus::read_word(std::uint64_t address, std::uint64_t& value) {
    return read(address, &value, sizeof(value));
}

bool Bus::write_word(std::uint64_t address, std::uint64_t value) {
    return write(address, &value, sizeof(value));
}

}  // namespace accel::emulated
