// SPDX-License-Identifier: Apache-2.0
//
// The host memory that the card can access. A bus address is an address in this process, so that
// the sanitizers see the accesses of the card and of the library: AddressSanitizer finds accesses
// to freed memory, ThreadSanitizer those that no shared word orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>

#include "hosted_core.hpp"

namespace accel::fake {

inline constexpr std::size_t page_bytes = 4096;

class Bus final : public test::BusMemory {
  public:
    /// Zeroed pages. The card can access them for the lifetime of the pointer.
    [[nodiscard]] std::shared_ptr<std::byte> allocate(std::size_t bytes);

    /// Starts and ends the card's access to other memory.
    void expose(const void* memory, std::size_t bytes);
    void withdraw(const void* memory);

    [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t bytes) override;
    [[nodiscard]] bool write(std::uint64_t address, const void* from, std::size_t bytes) override;
    [[nodiscard]] bool read_word(std::uint64_t address, std::uint64_t& value) override;
    [[nodiscard]] bool write_word(std::uint64_t address, std::uint64_t value) override;

  private:
    [[nodiscard]] bool reaches(std::uint64_t address, std::size_t bytes) const;

    mutable std::shared_mutex
        mutex_;  // held during each access, so that withdrawn memory is not in use
    std::multimap<std::uint64_t, std::size_t> regions_;
};

}  // namespace accel::fake
