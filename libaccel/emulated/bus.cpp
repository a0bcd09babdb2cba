// SPDX-License-Identifier: Apache-2.0
//
// Accesses of the card to memory of this process.
#include "bus.hpp"

#include <cstring>
#include <mutex>

namespace accel::emulated {

namespace {

// Copy between private and shared memory: word by word and atomically, as a device does. Words of 4
// and 8 bytes have acquire and release semantics.
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
    auto* out = static_cast<std::byte*>(to);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a bus address is one of this process
    const auto* in = reinterpret_cast<const std::byte*>(address);
    for (const std::byte* end = in + bytes; in != end;) {
        switch (word_size(in, static_cast<std::size_t>(end - in))) {
            case sizeof(std::uint64_t):
                load<std::uint64_t>(out, in);
                break;
            case sizeof(std::uint32_t):
                load<std::uint32_t>(out, in);
                break;
            default:
                load<std::uint8_t>(out, in);
        }
    }
    return true;
}

bool Bus::write(std::uint64_t address, const void* from, std::size_t bytes) {
    const std::shared_lock lock(mutex_);
    if (!reaches(address, bytes)) {
        return false;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a bus address is one of this process
    auto* out = reinterpret_cast<std::byte*>(address);
    const auto* in = static_cast<const std::byte*>(from);
    for (const std::byte* end = in + bytes; in != end;) {
        switch (word_size(out, static_cast<std::size_t>(end - in))) {
            case sizeof(std::uint64_t):
                store<std::uint64_t>(out, in);
                break;
            case sizeof(std::uint32_t):
                store<std::uint32_t>(out, in);
                break;
            default:
                store<std::uint8_t>(out, in);
        }
    }
    return true;
}

bool Bus::read_word(std::uint64_t address, std::uint64_t& value) {
    return read(address, &value, sizeof(value));
}

bool Bus::write_word(std::uint64_t address, std::uint64_t value) {
    return write(address, &value, sizeof(value));
}

}  // namespace accel::emulated
