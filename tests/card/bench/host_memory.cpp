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

void FreeMemory::operator()(uint8_t* memory) const {
    std::free(memory);
}

Memory zeroed(size_t bytes) {
    Memory memory(static_cast<uint8_t*>(std::calloc(1, bytes)));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

HostMemory::HostMemory(size_t bytes)
    : bytes_(bytes), data_(zeroed(bytes)), watched_(bytes / kPage) {}

uint64_t HostMemory::allocate(uint64_t bytes, uint64_t alignment) {
    const uint64_t start = (next_ + alignment - 1) / alignment * alignment;
    const uint64_t end = start + (bytes + kPage - 1) / kPage * kPage;
    if (end > bytes_) {
        throw std::runtime_error("the bench is out of host memory");
    }
    next_ = end;
    std::memset(data_.get() + start, 0, end - start);
    return kBase + start;
}

bool HostMemory::check(uint64_t bus, size_t bytes) {
    if (bus < kBase || bus - kBase > bytes_ || bytes > bytes_ - (bus - kBase)) {
        return false;
    }
    if (bytes > 0) {
        for (uint64_t page = (bus - kBase) / kPage; page <= (bus - kBase + bytes - 1) / kPage;
             ++page) {
            if (watched_[page].load(std::memory_order_relaxed)) {
                ++trespasses_;
            }
        }
    }
    return true;
}

bool HostMemory::read(uint64_t bus, void* to, size_t bytes) {
    if (!check(bus, bytes)) {
        return false;
    }
    card::move_payload(to, at(bus), bytes);
    return true;
}

bool HostMemory::write(uint64_t bus, const void* from, size_t bytes) {
    if (!check(bus, bytes)) {
        return false;
    }
    card::move_payload(at(bus), from, bytes);
    return true;
}

bool HostMemory::read_word(uint64_t bus, uint64_t& value) {
    if (!check(bus, sizeof value)) {
        return false;
    }
    value = card::load_word(at(bus));
    return true;
}

bool HostMemory::write_word(uint64_t bus, uint64_t value) {
    if (!check(bus, sizeof value)) {
        return false;
    }
    card::store_word(at(bus), value);
    return true;
}

void HostMemory::watch(uint64_t bus) {
    watched_[(bus - kBase) / kPage] = true;
}
void HostMemory::unwatch(uint64_t bus) {
    watched_[(bus - kBase) / kPage] = false;
}

}  // namespace accel::bench
