// SPDX-License-Identifier: GPL-2.0
//
// A context: a tree of page tables in host memory, and what is cached of it.
//
// INVALIDATE promises that no access through an older translation is outstanding when it completes.
// Engines therefore translate and access only while they hold a Piece, which is at most piece_bytes
// of traffic; invalidate() waits until no Piece is held, drops what is cached, and lets the next
// ones in.
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

inline constexpr std::uint64_t piece_bytes = std::uint64_t{64} * 1024;

enum class Access { read, write };

// A run of bytes that lies in one place.
struct Target {
    bool device;  // an offset in device memory, else a bus address
    std::uint64_t address;
    std::uint64_t bytes;
};

// Many may be inside; closing it waits for them, and goes before those who come meanwhile.
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

// Translations of one page size: sets of a few entries, so that pages which happen to fall together
// do not push each other out.
class TranslationCache {
  public:
    TranslationCache(std::size_t sets, unsigned shift) : sets_(sets), shift_(shift) {}

    // The entry of the page that holds `address`, or null.
    [[nodiscard]] const std::uint64_t* find(std::uint64_t address) const;
    void insert(std::uint64_t address, std::uint64_t entry);
    // Forgets pages that touch [begin, end).
    void drop(std::uint64_t begin, std::uint64_t end);

  private:
    static constexpr std::size_t way_count = 4;
    struct Way {
        std::uint64_t tag = 0;  // page number + 1; zero: empty
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

    // Without page tables: for queues of the driver itself.
    struct Bypass {};
    Context(std::uint32_t id, Bypass bypass, std::uint64_t memory_size, Bus& bus,
            Counters& counters);

    // The right to translate and access.
    class Piece {
      public:
        explicit Piece(Context& context) : gate_(context.gate_) { gate_.enter(); }
        ~Piece() { gate_.leave(); }
        Piece(const Piece&) = delete;
        Piece& operator=(const Piece&) = delete;
        Piece(Piece&&) = delete;
        Piece& operator=(Piece&&) = delete;

      private:
        Gate& gate_;
    };

    // The longest run from `address`, at most `limit` bytes, that lies in one place. A run ends
    // before a page that does not translate: that page is at fault only when somebody gets there.
    [[nodiscard]] Status translate(const Piece& piece, std::uint64_t address, Access access,
                                   std::uint64_t limit, Target& target);

    // Forgets translations of a range; bytes = 0: all of them. Waits for pieces in flight.
    void invalidate(std::uint64_t address, std::uint64_t bytes);

    [[nodiscard]] std::uint32_t id() const { return id_; }

    // Whether addresses of this context are 48 bits wide and translated.
    [[nodiscard]] bool translated() const { return !bypass_; }

  private:
    static constexpr std::size_t small_sets = 256;
    static constexpr std::size_t large_sets = 16;
    static constexpr std::size_t table_sets = 16;
    // Entries of the last level that are read at once, as they lie together: one packet.
    static constexpr std::uint64_t line_size = 32;

    [[nodiscard]] Status translate_page(std::uint64_t address, Access access, Target& target);
    [[nodiscard]] Status translate_bypass(std::uint64_t address, std::uint64_t limit,
                                          Target& target) const;
    [[nodiscard]] bool cached(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    void remember(std::uint64_t address, std::uint64_t entry, unsigned level);
    [[nodiscard]] Status walk(std::uint64_t address, std::uint64_t& entry, unsigned& level);
    [[nodiscard]] Status walk_from(std::uint64_t table, std::uint64_t address, std::uint64_t& entry,
                                   unsigned& level);
    [[nodiscard]] Status read_last(std::uint64_t table, std::uint64_t address,
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
    TranslationCache small_;
    TranslationCache large_;
    TranslationCache tables_;  // of the last level, by the 2 MiB that they map
};

}  // namespace accel::card
