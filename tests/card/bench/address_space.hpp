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
    std::uint64_t address = 0;
};

inline constexpr std::uint64_t pte_read_write = ACCEL_PTE_READ | ACCEL_PTE_WRITE;
inline constexpr std::uint64_t pte_read_only = ACCEL_PTE_READ;
inline constexpr std::uint64_t pte_write_only = ACCEL_PTE_WRITE;

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
    AddressSpace(Bench& bench, std::uint32_t id);

    [[nodiscard]] Bench& bench() { return bench_; }
    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] std::uint64_t root() const { return root_; }

    // Page-table entries. `bytes` and both addresses are multiples of the page size.
    void map(std::uint64_t address, Place place, std::uint64_t bytes,
             std::uint64_t permissions = pte_read_write, bool large = false);
    // Changes permissions of 4 KiB pages; tells the card nothing.
    void protect(std::uint64_t address, std::uint64_t bytes, std::uint64_t permissions);
    void unmap(std::uint64_t address, std::uint64_t bytes);
    // A raw entry, for tests of malformed tables. Level 0 is the leaf's table.
    [[nodiscard]] std::uint64_t* entry(std::uint64_t address, unsigned level);
    [[nodiscard]] accel_status invalidate(std::uint64_t address, std::uint64_t bytes);

    // A buffer of zeros at an address of its own, with unmapped pages before and after it. Its
    // first byte is `offset` bytes into its first page.
    [[nodiscard]] std::uint64_t allocate(std::uint64_t bytes, Layout layout = Layout::host,
                                         std::uint64_t offset = 0,
                                         std::uint64_t permissions = pte_read_write);
    // Addresses that nothing is mapped at.
    [[nodiscard]] std::uint64_t reserve(std::uint64_t bytes, std::uint64_t alignment = page_size);

    // Where a byte lies: a pointer that is good to the end of its 4 KiB page.
    [[nodiscard]] std::uint8_t* at(std::uint64_t address);
    [[nodiscard]] Place place(std::uint64_t address) const;

    void poke(std::uint64_t address, std::span<const std::uint8_t> bytes);
    void peek(std::uint64_t address, std::span<std::uint8_t> bytes);
    template <typename T>
    void store(std::uint64_t address, const std::vector<T>& values) {
        poke(address,
             {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)});
    }
    template <typename T>
    void store_one(std::uint64_t address, const T& value) {
        poke(address, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
    }
    template <typename T>
    [[nodiscard]] std::vector<T> load(std::uint64_t address, std::size_t count) {
        std::vector<T> values(count);
        peek(address, {reinterpret_cast<std::uint8_t*>(values.data()), count * sizeof(T)});
        return values;
    }

  private:
    [[nodiscard]] std::uint64_t allocate_device(std::uint64_t bytes, std::uint64_t alignment);

    Bench& bench_;
    std::uint32_t id_;
    std::uint64_t root_;
    std::uint64_t next_ = 0x10'0000'0000;
    std::map<std::uint64_t, Place> pages_;
    // Device memory is shared by all contexts of a bench: each takes a part of its own.
    std::uint64_t device_next_;
    std::uint64_t device_end_;
};

}  // namespace accel::bench
