// SPDX-License-Identifier: Apache-2.0
//
// Host memory as the card sees it. A bus address is the address in this process, so that the card
// and the library touch the same bytes and the sanitizers see both: AddressSanitizer an access to
// what was freed, ThreadSanitizer one that the shared words do not order.
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
    /// Zeroed pages that the card can reach until the pointer is gone.
    [[nodiscard]] std::shared_ptr<std::byte> allocate(std::size_t bytes);

    /// Lets the card reach memory of somebody else, and ends that.
    void expose(const void* memory, std::size_t bytes);
    void withdraw(const void* memory);

    [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t bytes) override;
    [[nodiscard]] bool write(std::uint64_t address, const void* from, std::size_t bytes) override;
    [[nodiscard]] bool read_word(std::uint64_t address, std::uint64_t& value) override;
    [[nodiscard]] bool write_word(std::uint64_t address, std::uint64_t value) override;

  private:
    [[nodiscard]] bool reaches(std::uint64_t address, std::size_t bytes) const;

    mutable std::shared_mutex mutex_;  // held over an access: what is withdrawn is not in use
    std::multimap<std::uint64_t, std::size_t> regions_;
};

}  // namespace accel::fake
