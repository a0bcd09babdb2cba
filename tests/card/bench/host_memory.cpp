// SPDX-License-Identifier: Apache-2.0
//
// The host's memory as the card sees it on the bus.
#include "bench/host_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "ordering.hpp"

namespace accel::bench {

void FreeMemory::operator()(std::uint8_t* memory) const {
    std::free(memory);
}

Memory zeroed(std::size_t bytes) {
    Memory memory(static_cast<std::uint8_t*>(std::calloc(1, bytes)));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

HostMemory::HostMemory(std::size_t bytes)
    : bytes_(bytes), data_(zeroed(bytes)), watched_(bytes / page_size) {}

std::uint64_t HostMemory::allocate(std::uint64_t bytes, std::uint64_t alignment) {
    const std::uint64_t start = (next_ + alignment - 1) / alignment * alignment;
    const std::uint64_t end = start + (bytes + page_size - 1) / page_size * page_size;
    if (end > bytes_) {
        throw std::runtime_error("the bench is out of host memory");
    }
    next_ = end;
    std::memset(data_.get() + start, 0, end - start);
    return base + start;
}

bool HostMemory::check(std::uint64_t bus, std::size_t bytes) {
    if (bus < base || bus - base > bytes_ || bytes > bytes_ - (bus - base)) {
        return false;
    }
    if (bytes > 0) {
        for (std::uint64_t page = (bus - base) / page_size;
             page <= (bus - base + bytes - 1) / page_size; ++page) {
            if (watched_[page].load(std::memory_order_relaxed)) {
                ++trespasses_;
            }
        }
    }
    return true;
}

bool HostMemory::read(std::uint64_t bus, void* to, std::size_t bytes) {
    if (!check(bus, bytes)) {
        return false;
    }
    card::move_payload(to, at(bus), bytes);
    return true;
}

bool HostMemory::write(std::uint64_t bus, const void* from, std::size_t bytes) {
    if (!check(bus, bytes)) {
        return false;
    }
    card::move_payload(at(bus), from, bytes);
    return true;
}

bool HostMemory::read_word(std::uint64_t bus, std::uint64_t& value) {
    if (!check(bus, sizeof value)) {
        return false;
    }
    value = card::load_word(at(bus));
    return true;
}

bool HostMemory::write_word(std::uint64_t bus, std::uint64_t value) {
    if (!check(bus, sizeof value)) {
        return false;
    }
    card::store_word(at(bus), value);
    return true;
}

void HostMemory::watch(std::uint64_t bus) {
    watched_[(bus - base) / page_size] = true;
}
void HostMemory::unwatch(std::uint64_t bus) {
    watched_[(bus - base) / page_size] = false;
}

}  // namespace accel::bench
