// SPDX-License-Identifier: Apache-2.0
//
// A context as a driver builds it: page tables in host memory, and buffers behind them.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <vector>

#include "bench/bench.hpp"

namespace accel::bench {

struct Place {
    bool device = false;  // an offset in device memory, else a bus address
    uint64_t address = 0;
};

inline constexpr uint64_t kReadWrite = ACCEL_PTE_READ | ACCEL_PTE_WRITE;
inline constexpr uint64_t kReadOnly = ACCEL_PTE_READ;
inline constexpr uint64_t kWriteOnly = ACCEL_PTE_WRITE;

// How the pages of a buffer lie.
enum class Layout {
    host,          // in a row
    host_large,    // the same, mapped by 2 MiB pages
    device,        // in a row in device memory
    device_large,  // the same, mapped by 2 MiB pages
    scattered,     // every other page in device memory, none next to another
};

class AddressSpace {
  public:
    // Creates context `id`.
    AddressSpace(Bench& bench, uint32_t id);

    [[nodiscard]] Bench& bench() { return bench_; }
    [[nodiscard]] uint32_t id() const { return id_; }
    [[nodiscard]] uint64_t root() const { return root_; }

    // Page-table entries. `bytes` and both addresses are multiples of the page size.
    void map(uint64_t address, Place place, uint64_t bytes, uint64_t permissions = kReadWrite,
             bool large = false);
    // Changes permissions of 4 KiB pages; tells the card nothing.
    void protect(uint64_t address, uint64_t bytes, uint64_t permissions);
    void unmap(uint64_t address, uint64_t bytes);
    // A raw entry, for tests of malformed tables. Level 0 is the leaf's table.
    [[nodiscard]] uint64_t* entry(uint64_t address, unsigned level);
    [[nodiscard]] accel_status invalidate(uint64_t address, uint64_t bytes);

    // A buffer of zeros at an address of its own, with unmapped pages before and after it. Its
    // first byte is `offset` bytes into its first page.
    [[nodiscard]] uint64_t allocate(uint64_t bytes, Layout layout = Layout::host,
                                    uint64_t offset = 0, uint64_t permissions = kReadWrite);
    // Addresses that nothing is mapped at.
    [[nodiscard]] uint64_t reserve(uint64_t bytes, uint64_t alignment = kPage);

    // Where a byte lies: a pointer that is good to the end of its 4 KiB page.
    [[nodiscard]] uint8_t* at(uint64_t address);
    [[nodiscard]] Place place(uint64_t address) const;

    void poke(uint64_t address, std::span<const uint8_t> bytes);
    void peek(uint64_t address, std::span<uint8_t> bytes);
    template <typename T>
    void store(uint64_t address, const std::vector<T>& values) {
        poke(address, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)});
    }
    template <typename T>
    void store_one(uint64_t address, const T& value) {
        poke(address, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
    }
    template <typename T>
    [[nodiscard]] std::vector<T> load(uint64_t address, size_t count) {
        std::vector<T> values(count);
        peek(address, {reinterpret_cast<uint8_t*>(values.data()), count * sizeof(T)});
        return values;
    }

  private:
    [[nodiscard]] uint64_t allocate_device(uint64_t bytes, uint64_t alignment);

    Bench& bench_;
    uint32_t id_;
    uint64_t root_;
    uint64_t next_ = 0x10'0000'0000;
    std::map<uint64_t, Place> pages_;
    // Device memory is shared by all contexts of a bench: each takes a part of its own.
    uint64_t device_next_;
    uint64_t device_end_;
};

}  // namespace accel::bench
