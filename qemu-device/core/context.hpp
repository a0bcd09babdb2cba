// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A context: an address space, translated by a tree of page tables in host memory, and the cached
// translations of it.
//
// INVALIDATE promises that no access through an older translation is outstanding when it completes.
// Engines therefore translate and access only while they hold an AccessGuard, for a piece of at
// most piece_bytes of traffic. invalidate() waits until no guard is held, drops cached translations
// and then admits new guards.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "accel_hw.h"
#include "bus.hpp"

namespace accel::card {

using Status = accel_status;

// The longest piece: traffic between two points at which an engine can be stopped or preempted.
inline constexpr std::uint64_t piece_bytes = std::uint64_t{64} * 1024;

enum class Access { read, write };

// A translated, contiguous run of bytes.
struct Target {
    bool device;            // whether it is in device memory
    std::uint64_t address;  // an offset in device memory, or a bus address
    std::uint64_t bytes;
};

// Admits any number of holders. close() waits for the holders inside, and blocks those that arrive
// meanwhile.
class Gate {
  public:
    void enter();
    void leave();
    void close();
    void open();

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned inside_ = 0;
    bool closed_ = false;
};

// Translations of one page size. The cache is set-associative, so that pages with the same index do
// not evict each other at once.
class Tlb {
  public:
    Tlb(std::size_t sets, unsigned shift) : sets_(sets), shift_(shift) {}

    // The entry of the page that contains `address`, or null.
    [[nodiscard]] const std::uint64_t* find(std::uint64_t address) const;
    void insert(std::uint64_t address, std::uint64_t entry);
    // Drops the entries of pages that overlap [begin, end).
    void invalidate(std::uint64_t begin, std::uint64_t end);

  private:
    static constexpr std::size_t way_count = 4;
    struct Way {
        std::uint64_t tag = 0;  // page number + 1, or zero: empty
        std::uint64_t entry = 0;
    };
    struct Set {
        std::array<Way, way_count> ways;
        std::size_t oldest = 0;
    };
    std::vector<Set> sets_;
    unsigned shift_;
};

class Context {
  public:
    Context(std::uint32_t id, std::uint64_t root, std::uint64_t memory_size, Bus& bus,
            Counters& counters);

    // Without page tables, for the queues of the driver itself.
    struct Bypass {};
    Context(std::uint32_t id, Bypass bypass, std::uint64_t memory_size, Bus& bus,
            Counters& counters);

    // The right to translate addresses and access memory, held for one piece of traffic.
    class AccessGuard {
      public:
        explicit AccessGuard(Context& context) : gate_(context.gate_) { gate_.enter(); }
        ~AccessGuard() { gate_.leave(); }
        AccessGuard(const AccessGuard&) = delete;
        AccessGuard& operator=(const AccessGuard&) = delete;
        AccessGuard(AccessGuard&&) = delete;
        AccessGuard& operator=(AccessGuard&&) = delete;

      private:
        Gate& gate_;
    };

    // The longest contiguous run from `address`, of at most `limit` bytes. A run ends before a page
    // that does not translate: such a page faults only when an access reaches it.
    [[nodiscard]] Status translate(const AccessGuard& guard, std::uint64_t address, Access access,
                                   std::uint64_t limit, Target& target);

    // Drops the translations of a range, or all of them if `bytes` is 0. Waits for pieces in
    // flight.
    void invalidate(std::uint64_t address, std::uint64_t bytes);

    [[nodiscard]] std::uint32_t id() const { return id_; }

  private:
    static constexpr std::size_t tlb_4k_sets = 256;
    static constexpr std::size_t tlb_2m_sets = 16;
    static constexpr std::size_t walk_cache_sets = 16;
    // Neighboring entries of a leaf table that are read together, in one packet.
    static constexpr std::uint64_t line_entries = 32;

    [[nodiscard]] Status translate_page(std::uint64_t address, Access access, Target& target);
    [[nodiscard]] Status translate_bypass(std::uint64_t address, std::uint64_t limit,
                                          Target& target) const;
    [[nodiscard]] bool find_cached(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    void insert_cached(std::uint64_t address, std::uint64_t entry, unsigned level);
    [[nodiscard]] Status walk(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    [[nodiscard]] Status walk_from(std::uint64_t table, std::uint64_t address, std::uint64_t& entry,
                                   unsigned& level);
    [[nodiscard]] Status read_leaf_line(std::uint64_t table, std::uint64_t address,
                                        std::uint64_t& entry);
    [[nodiscard]] Status check_leaf(std::uint64_t entry, unsigned level) const;

    const std::uint32_t id_;
    const std::uint64_t root_;
    const bool bypass_ = false;
    const std::uint64_t memory_size_;
    Bus& bus_;
    Counters& counters_;
    Gate gate_;
    std::mutex cache_mutex_;  // never held across a callback
    Tlb tlb_4k_;
    Tlb tlb_2m_;
    Tlb walk_cache_;  // addresses of leaf tables, by the 2 MiB that each maps
};

}  // namespace accel::card
