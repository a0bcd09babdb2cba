// SPDX-License-Identifier: GPL-2.0
//
// A context: a tree of page tables in host memory, and what is cached of it.
//
// INVALIDATE promises that no access through an older translation is outstanding when it completes.
// Engines therefore translate and access only while they hold a Piece, which is at most kPieceBytes
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

inline constexpr uint64_t kPieceBytes = uint64_t{64} * 1024;

enum class Access { read, write };

// A run of bytes that lies in one place.
struct Target {
    bool device;  // an offset in device memory, else a bus address
    uint64_t address;
    uint64_t bytes;
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
    TranslationCache(size_t sets, unsigned shift) : sets_(sets), shift_(shift) {}

    // The entry of the page that holds `address`, or null.
    [[nodiscard]] const uint64_t* find(uint64_t address) const;
    void insert(uint64_t address, uint64_t entry);
    // Forgets pages that touch [begin, end).
    void drop(uint64_t begin, uint64_t end);

  private:
    static constexpr size_t kWays = 4;
    struct Way {
        uint64_t tag = 0;  // page number + 1; zero: empty
        uint64_t entry = 0;
    };
    struct Set {
        std::array<Way, kWays> ways;
        size_t oldest = 0;
    };
    std::vector<Set> sets_;
    unsigned shift_;
};

class Context {
  public:
    Context(uint32_t id, uint64_t root, uint64_t memory_size, Bus& bus, Counters& counters);

    // Without page tables: for queues of the driver itself.
    struct Bypass {};
    Context(uint32_t id, Bypass bypass, uint64_t memory_size, Bus& bus, Counters& counters);

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
    [[nodiscard]] Status translate(const Piece& piece, uint64_t address, Access access,
                                   uint64_t limit, Target& target);

    // Forgets translations of a range; bytes = 0: all of them. Waits for pieces in flight.
    void invalidate(uint64_t address, uint64_t bytes);

    [[nodiscard]] uint32_t id() const { return id_; }

    // Whether addresses of this context are 48 bits wide and translated.
    [[nodiscard]] bool translated() const { return !bypass_; }

  private:
    static constexpr size_t kSmallSets = 256;
    static constexpr size_t kLargeSets = 16;
    static constexpr size_t kTableSets = 16;
    // Entries of the last level that are read at once, as they lie together: one packet.
    static constexpr uint64_t kLine = 32;

    [[nodiscard]] Status translate_page(uint64_t address, Access access, Target& target);
    [[nodiscard]] Status translate_bypass(uint64_t address, uint64_t limit, Target& target) const;
    [[nodiscard]] bool cached(uint64_t address, uint64_t& entry, unsigned& level);
    void remember(uint64_t address, uint64_t entry, unsigned level);
    [[nodiscard]] Status walk(uint64_t address, uint64_t& entry, unsigned& level);
    [[nodiscard]] Status walk_from(uint64_t table, uint64_t address, uint64_t& entry,
                                   unsigned& level);
    [[nodiscard]] Status read_last(uint64_t table, uint64_t address, uint64_t& entry);
    [[nodiscard]] Status check_leaf(uint64_t entry, unsigned level) const;

    const uint32_t id_;
    const uint64_t root_;
    const bool bypass_ = false;
    const uint64_t memory_size_;
    Bus& bus_;
    Counters& counters_;
    Gate gate_;
    std::mutex cache_mutex_;  // never held across a callback
    TranslationCache small_;
    TranslationCache large_;
    TranslationCache tables_;  // of the last level, by the 2 MiB that they map
};

}  // namespace accel::card
