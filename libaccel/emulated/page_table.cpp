// SPDX-License-Identifier: Apache-2.0
//
// Writing page tables, in the format of the data sheet.
#include "page_table.hpp"

#include <accel_hw.h>

namespace accel::emulated {

// The entry of a page, in the lowest table.
std::uint64_t* PageTable::leaf(std::uint64_t address) {
    auto* table = reinterpret_cast<std::uint64_t*>(root_.memory->data());
    for (int level = ACCEL_TABLE_LEVELS - 1; level > 0; --level) {
        std::uint64_t& entry =
            table[address >> ACCEL_TABLE_SHIFT(level) & (ACCEL_TABLE_ENTRIES - 1)];
        if ((entry & ACCEL_PTE_VALID) == 0) {
            const SharedPages& next = tables_.emplace_back(bus_, page_bytes);
            __atomic_store_n(&entry, next.address() | ACCEL_PTE_VALID, __ATOMIC_RELEASE);
        }
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an entry holds an address
        table = reinterpret_cast<std::uint64_t*>(entry & ACCEL_PTE_ADDRESS);
    }
    return table + (address >> ACCEL_TABLE_SHIFT(0) & (ACCEL_TABLE_ENTRIES - 1));
}

void PageTable::map(std::uint64_t address, std::uint64_t target, std::uint64_t bytes,
                    std::uint64_t bits) {
    constexpr std::uint64_t table_bytes = std::uint64_t{ACCEL_TABLE_ENTRIES} * page_bytes;
    std::uint64_t* entry = nullptr;
    for (std::uint64_t done = 0; done < bytes; done += page_bytes) {
        if (entry == nullptr || (address + done) % table_bytes == 0) {
            entry = leaf(address + done);
        }
        const std::uint64_t value =
            bits == 0 ? 0 : (target + done) | bits | ACCEL_PTE_LEAF | ACCEL_PTE_VALID;
        __atomic_store_n(entry++, value, __ATOMIC_RELEASE);
    }
}

}  // namespace accel::emulated
