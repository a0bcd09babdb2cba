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
#include <atomic>
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
// meanwhile. Holders enter by one of several lanes, and hardly disturb those in other lanes.
class Gate {
  public:
    static constexpr unsigned lane_count = 8;

    void enter(unsigned lane) {
        lanes_[lane].inside.fetch_add(1, std::memory_order_seq_cst);
        if (closed_.load(std::memory_order_seq_cst)) [[unlikely]] {
            enter_when_open(lane);
        }
    }
    void leave(unsigned lane) {
        lanes_[lane].inside.fetch_sub(1, std::memory_order_seq_cst);
        if (closed_.load(std::memory_order_seq_cst)) [[unlikely]] {
            tell_closer();
        }
    }
    void close();
    void open();

  private:
    struct alignas(64) Lane {
        std::atomic<unsigned> inside{0};
    };

    void enter_when_open(unsigned lane);
    void tell_closer();

    // A holder enters and then reads `closed_`; close() sets it and then reads the lanes. Both are
    // sequentially consistent, so one of them sees the other.
    std::array<Lane, lane_count> lanes_;
    std::atomic<bool> closed_{false};  // changes under the mutex
    std::mutex mutex_;
    std::condition_variable changed_;
};

// The translations that one thread used last. They spare it the mutex of the TLB.
class RecentTranslations {
  public:
    struct Entry {
        std::uint64_t page = 0;  // of 4 KiB
        std::uint64_t epoch = 0;
        std::uint64_t entry = 0;
        unsigned level = 0;
    };
    // The place for the translation of a page.
    [[nodiscard]] Entry& at(std::uint64_t page) { return entries_[page % entries_.size()]; }

  private:
    std::array<Entry, 256> entries_{};
};

// Translations of one page size. The cache is set-associative, so that pages with the same index do
// not evict each other at once.
//
// Any thread may call find(). The other functions change sets, so their callers hold a mutex. The
// version of a set is odd while it changes; a reader that sees a change learns nothing.
class Tlb {
  public:
    Tlb(std::size_t sets, unsigned shift) : sets_(sets), shift_(shift) {}

    enum class Find : std::uint8_t { found, absent, changing };
    // The entry of the page that contains `address`. Under the mutex nothing is changing.
    [[nodiscard]] Find find(std::uint64_t address, std::uint64_t& entry) const;
    void insert(std::uint64_t address, std::uint64_t entry);
    // Drops the entries of pages that overlap [begin, end).
    void invalidate(std::uint64_t begin, std::uint64_t end);

  private:
    static constexpr std::size_t way_count = 4;
    struct Way {
        std::atomic<std::uint64_t> tag{0};  // page number + 1, or zero: empty
        std::atomic<std::uint64_t> entry{0};
    };
    struct Set {
        std::atomic<std::uint32_t> version{0};
        std::array<Way, way_count> ways;
        std::size_t oldest = 0;
    };

    static void change(Set& set, Way& way, std::uint64_t tag, std::uint64_t entry);

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
        AccessGuard(Context& context, unsigned lane) : gate_(context.gate_), lane_(lane) {
            gate_.enter(lane_);
        }
        ~AccessGuard() { gate_.leave(lane_); }
        AccessGuard(const AccessGuard&) = delete;
        AccessGuard& operator=(const AccessGuard&) = delete;
        AccessGuard(AccessGuard&&) = delete;
        AccessGuard& operator=(AccessGuard&&) = delete;

      private:
        Gate& gate_;
        const unsigned lane_;
    };

    // The longest contiguous run from `address`, of at most `limit` bytes. A run ends before a page
    // that does not translate: such a page faults only when an access reaches it. `recent` may be
    // null.
    [[nodiscard]] Status translate(const AccessGuard& guard, std::uint64_t address, Access access,
                                   std::uint64_t limit, RecentTranslations* recent, Target& target);

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

    [[nodiscard]] Status translate_page(std::uint64_t address, Access access,
                                        RecentTranslations* recent, Target& target);
    [[nodiscard]] Status look_up(std::uint64_t address, Access access, std::uint64_t& entry,
                                 unsigned& level);
    [[nodiscard]] Status translate_bypass(std::uint64_t address, std::uint64_t limit,
                                          Target& target) const;
    [[nodiscard]] bool find_cached(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    [[nodiscard]] bool find_in(const Tlb& tlb, std::uint64_t address, std::uint64_t& entry);
    void insert_cached(std::uint64_t address, std::uint64_t entry, unsigned level);
    [[nodiscard]] Status walk(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    [[nodiscard]] Status walk_from(std::uint64_t table, std::uint64_t address, std::uint64_t& entry,
                                   unsigned& level);
    [[nodiscard]] Status read_leaf_line(std::uint64_t table, std::uint64_t address,
                                        std::uint64_t& entry);
    [[nodiscard]] Status check_leaf(std::uint64_t entry, unsigned level) const;

    Gate gate_;
    const std::uint32_t id_;
    const std::uint64_t root_;
    const bool bypass_ = false;
    const std::uint64_t memory_size_;
    Bus& bus_;
    Counters& counters_;
    // The epoch of recent translations. No two contexts, and no two times between INVALIDATEs, have
    // the same. It changes while the gate is closed.
    std::atomic<std::uint64_t> epoch_;
    std::mutex cache_mutex_;  // for changes; never held across a callback
    Tlb tlb_4k_;
    Tlb tlb_2m_;
    Tlb walk_cache_;  // addresses of leaf tables, by the 2 MiB that each maps
};

}  // namespace accel::card
