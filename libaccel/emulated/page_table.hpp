// SPDX-License-Identifier: Apache-2.0
//
// The page tables of a context of the card.
#pragma once

#include <cstdint>
#include <vector>

#include "bus.hpp"

namespace accel::emulated {

/// Thread-safety: one thread at a time; the card may read meanwhile.
class PageTable {
  public:
    explicit PageTable(Bus& bus) : bus_(bus), root_(bus, page_bytes) {}

    [[nodiscard]] std::uint64_t root() const noexcept { return root_.address(); }

    /// Maps whole pages to `target` with the bits ACCEL_PTE_READ, _WRITE and _MEMORY.
    void map(std::uint64_t address, std::uint64_t target, std::uint64_t bytes, std::uint64_t bits);
    /// The card may use the old mapping until it was told to invalidate.
    void unmap(std::uint64_t address, std::uint64_t bytes) { map(address, 0, bytes, 0); }

  private:
    [[nodiscard]] std::uint64_t* leaf(std::uint64_t address);

    Bus& bus_;
    SharedPages root_;
    std::vector<SharedPages> tables_;
};

}  // namespace accel::emulated
