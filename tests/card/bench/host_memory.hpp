// SPDX-License-Identifier: Apache-2.0
//
// The host's memory as the card sees it on the bus: some RAM at a bus address that is not zero,
// nothing elsewhere. Pages that were given back can be watched: an access to one is remembered.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace accel::bench {

inline constexpr std::uint64_t page_size = 4096;

// Zeroed memory that costs nothing until it is touched.
struct FreeMemory {
    void operator()(std::uint8_t* memory) const;
};
using Memory = std::unique_ptr<std::uint8_t, FreeMemory>;
[[nodiscard]] Memory zeroed(std::size_t bytes);

class HostMemory {
  public:
    static constexpr std::uint64_t base = 0x1'0000'0000;

    explicit HostMemory(std::size_t bytes);

    // Zeroed memory, contiguous on the bus; aligned to a page, or to `alignment`.
    [[nodiscard]] std::uint64_t allocate(std::uint64_t bytes, std::uint64_t alignment = page_size);

    // What lies at a bus address that allocate() gave.
    [[nodiscard]] std::uint8_t* at(std::uint64_t bus) { return data_.get() + (bus - base); }
    template <typename T>
    [[nodiscard]] T* as(std::uint64_t bus) {
        return reinterpret_cast<T*>(at(bus));
    }

    // Bus accesses. False: no memory there.
    [[nodiscard]] bool read(std::uint64_t bus, void* to, std::size_t bytes);
    [[nodiscard]] bool write(std::uint64_t bus, const void* from, std::size_t bytes);
    [[nodiscard]] bool read_word(std::uint64_t bus, std::uint64_t& value);
    [[nodiscard]] bool write_word(std::uint64_t bus, std::uint64_t value);

    // From now on an access of the card to this page is counted as a trespass.
    void watch(std::uint64_t bus);
    void unwatch(std::uint64_t bus);
    [[nodiscard]] std::uint64_t trespasses() const { return trespasses_; }

  private:
    [[nodiscard]] bool check(std::uint64_t bus, std::size_t bytes);

    std::size_t bytes_;
    Memory data_;
    std::uint64_t next_ = 0;
    std::vector<std::atomic<bool>> watched_;
    std::atomic<std::uint64_t> trespasses_{0};
};

}  // namespace accel::bench
