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

inline constexpr uint64_t kPage = 4096;

// Zeroed memory that costs nothing until it is touched.
struct FreeMemory {
    void operator()(uint8_t* memory) const;
};
using Memory = std::unique_ptr<uint8_t, FreeMemory>;
[[nodiscard]] Memory zeroed(size_t bytes);

class HostMemory {
  public:
    static constexpr uint64_t kBase = 0x1'0000'0000;

    explicit HostMemory(size_t bytes);

    // Zeroed memory, contiguous on the bus; aligned to a page, or to `alignment`.
    [[nodiscard]] uint64_t allocate(uint64_t bytes, uint64_t alignment = kPage);

    // What lies at a bus address that allocate() gave.
    [[nodiscard]] uint8_t* at(uint64_t bus) { return data_.get() + (bus - kBase); }
    template <typename T>
    [[nodiscard]] T* as(uint64_t bus) {
        return reinterpret_cast<T*>(at(bus));
    }

    // Bus accesses. False: no memory there.
    [[nodiscard]] bool read(uint64_t bus, void* to, size_t bytes);
    [[nodiscard]] bool write(uint64_t bus, const void* from, size_t bytes);
    [[nodiscard]] bool read_word(uint64_t bus, uint64_t& value);
    [[nodiscard]] bool write_word(uint64_t bus, uint64_t value);

    // From now on an access of the card to this page is counted as a trespass.
    void watch(uint64_t bus);
    void unwatch(uint64_t bus);
    [[nodiscard]] uint64_t trespasses() const { return trespasses_; }

  private:
    [[nodiscard]] bool check(uint64_t bus, size_t bytes);

    size_t bytes_;
    Memory data_;
    uint64_t next_ = 0;
    std::vector<std::atomic<bool>> watched_;
    std::atomic<uint64_t> trespasses_{0};
};

}  // namespace accel::bench
