// SPDX-License-Identifier: Apache-2.0
//
// Page tables and buffers.
#include "bench/address_space.hpp"

#include <algorithm>
#include <stdexcept>

#include "ordering.hpp"

namespace accel::bench {

namespace {

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
    return (value + to - 1) / to * to;
}

}  // namespace

AddressSpace::AddressSpace(Bench& bench, std::uint32_t id)
    : bench_(bench), id_(id), root_(bench.host().allocate(page_size)) {
    const std::uint64_t share =
        bench.options().memory / bench.options().contexts / ACCEL_LARGE_SIZE * ACCEL_LARGE_SIZE;
    device_next_ = id * share;
    device_end_ = device_next_ + share;
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_CREATE_CONTEXT;
    command.id = id;
    command.create_context.root = root_;
    if (bench.admin(command) != ACCEL_OK) {
        throw std::runtime_error("the card refused a context");
    }
}

std::uint64_t* AddressSpace::entry(std::uint64_t address, unsigned level) {
    std::uint64_t table = root_;
    for (unsigned at = ACCEL_TABLE_LEVELS - 1;; --at) {
        auto* const slot = bench_.host().as<std::uint64_t>(table) +
                           (address >> ACCEL_TABLE_SHIFT(at)) % ACCEL_TABLE_ENTRIES;
        if (at == level) {
            return slot;
        }
        if ((*slot & ACCEL_PTE_VALID) == 0) {
            const std::uint64_t next = bench_.host().allocate(page_size);
            __atomic_store_n(slot, next | ACCEL_PTE_VALID, __ATOMIC_RELEASE);
        }
        table = *slot & ACCEL_PTE_ADDRESS;
    }
}

void AddressSpace::map(std::uint64_t address, Place place, std::uint64_t bytes,
                       std::uint64_t permissions, bool large) {
    const std::uint64_t step = large ? ACCEL_LARGE_SIZE : page_size;
    const std::uint64_t flags =
        ACCEL_PTE_VALID | ACCEL_PTE_LEAF | permissions | (place.device ? ACCEL_PTE_MEMORY : 0);
    for (std::uint64_t done = 0; done < bytes; done += step) {
        __atomic_store_n(entry(address + done, large ? 1 : 0), (place.address + done) | flags,
                         __ATOMIC_RELEASE);
    }
    for (std::uint64_t done = 0; done < bytes; done += page_size) {
        pages_[address + done] = {place.device, place.address + done};
    }
}

void AddressSpace::protect(std::uint64_t address, std::uint64_t bytes, std::uint64_t permissions) {
    for (std::uint64_t done = 0; done < bytes; done += page_size) {
        std::uint64_t* const slot = entry(address + done, 0);
        __atomic_store_n(slot, (*slot & ~pte_read_write) | permissions, __ATOMIC_RELEASE);
    }
}

void AddressSpace::unmap(std::uint64_t address, std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += page_size) {
        __atomic_store_n(entry(address + done, 0), 0, __ATOMIC_RELEASE);
        pages_.erase(address + done);
    }
}

accel_status AddressSpace::invalidate(std::uint64_t address, std::uint64_t bytes) {
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_INVALIDATE;
    command.id = id_;
    command.invalidate.address = address;
    command.invalidate.bytes = bytes;
    return bench_.admin(command);
}

std::uint64_t AddressSpace::allocate_device(std::uint64_t bytes, std::uint64_t alignment) {
    const std::uint64_t start = round_up(device_next_, alignment);
    if (start + bytes > device_end_) {
        throw std::runtime_error("the bench is out of device memory");
    }
    device_next_ = start + round_up(bytes, page_size);
    std::ranges::fill(bench_.device().subspan(start, bytes), std::uint8_t{0});
    return start;
}

std::uint64_t AddressSpace::reserve(std::uint64_t bytes, std::uint64_t alignment) {
    const std::uint64_t start = round_up(next_ + page_size, alignment);
    next_ = start + round_up(bytes, page_size);
    return start;
}

std::uint64_t AddressSpace::allocate(std::uint64_t bytes, Layout layout, std::uint64_t offset,
                                     std::uint64_t permissions) {
    const bool large = layout == Layout::host_large || layout == Layout::device_large;
    const std::uint64_t page = large ? ACCEL_LARGE_SIZE : page_size;
    const std::uint64_t length = round_up(std::max<std::uint64_t>(bytes + offset, 1), page);
    const std::uint64_t address = reserve(length, page);
    switch (layout) {
        case Layout::host:
        case Layout::host_large:
            map(address, {false, bench_.host().allocate(length, page)}, length, permissions, large);
            break;
        case Layout::device:
        case Layout::device_large:
            map(address, {true, allocate_device(length, page)}, length, permissions, large);
            break;
        case Layout::scattered:
            for (std::uint64_t done = 0; done < length; done += page_size) {
                const bool device = done / page_size % 2 == 1;
                // Two pages each, one unused: neighbours here are none there.
                map(address + done,
                    device ? Place{true, allocate_device(2 * page_size, page_size)}
                           : Place{false, bench_.host().allocate(2 * page_size)},
                    page_size, permissions);
            }
            break;
    }
    return address + offset;
}

Place AddressSpace::place(std::uint64_t address) const {
    const Place page = pages_.at(address / page_size * page_size);
    return {page.device, page.address + address % page_size};
}

std::uint8_t* AddressSpace::at(std::uint64_t address) {
    const Place where = place(address);
    return where.device ? bench_.device().data() + where.address : bench_.host().at(where.address);
}

void AddressSpace::poke(std::uint64_t address, std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const std::size_t now =
            std::min<std::size_t>(bytes.size(), page_size - address % page_size);
        card::move_payload(at(address), bytes.data(), now);
        address += now;
        bytes = bytes.subspan(now);
    }
}

void AddressSpace::peek(std::uint64_t address, std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const std::size_t now =
            std::min<std::size_t>(bytes.size(), page_size - address % page_size);
        card::move_payload(bytes.data(), at(address), now);
        address += now;
        bytes = bytes.subspan(now);
    }
}

}  // namespace accel::bench
