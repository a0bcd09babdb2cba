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
#include <utility>

#include "hosted_core.hpp"
#include "memory.hpp"

namespace accel::emulated {

class Bus final : public BusMemory {
  public:
    /// Starts and ends the cards' access to memory. A piece may be exposed several times.
    void expose(const void* memory, std::size_t bytes);
    void withdraw(const void* memory, std::size_t bytes);

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

/// Memory that the cards of a bus can access during the lifetime of this object.
class Exposure {
  public:
    Exposure() = default;
    Exposure(Bus& bus, const void* memory, std::size_t bytes)
        : bus_(&bus), memory_(memory), bytes_(bytes) {
        bus.expose(memory, bytes);
    }
    Exposure(Exposure&& other) noexcept
        : bus_(std::exchange(other.bus_, nullptr)), memory_(other.memory_), bytes_(other.bytes_) {}
    Exposure& operator=(Exposure&& other) noexcept {
        std::swap(bus_, other.bus_);
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    Exposure(const Exposure&) = delete;
    Exposure& operator=(const Exposure&) = delete;
    ~Exposure() {
        if (bus_ != nullptr) {
            bus_->withdraw(memory_, bytes_);
        }
    }

  private:
    Bus* bus_ = nullptr;
    const void* memory_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Internal memory of the machine that its cards can access.
struct SharedPages {
    SharedPages() = default;
    SharedPages(Bus& bus, std::uint64_t bytes)
        : memory(Memory::internal(bytes)), exposure(bus, memory->data(), memory->bytes()) {}

    [[nodiscard]] std::uint64_t address() const noexcept { return memory->address(); }

    std::shared_ptr<Memory> memory;
    Exposure exposure;  // ends before the memory
};

}  // namespace accel::emulated
