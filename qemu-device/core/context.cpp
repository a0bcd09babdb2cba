// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The MMU: page-table walk, TLB, and the gate that lets INVALIDATE wait for accesses.
#include "context.hpp"

#include <algorithm>

#include "timing/timing_model.hpp"

namespace accel::card {

void Gate::enter_when_open(unsigned lane) {
    while (true) {
        leave(lane);
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return !closed_; });
        }
        lanes_[lane].inside.fetch_add(1, std::memory_order_seq_cst);
        if (!closed_.load(std::memory_order_seq_cst)) {
            return;
        }
    }
}

void Gate::tell_closer() {
    {
        const std::lock_guard lock(mutex_);  // the closer either waits, or did not look yet
    }
    changed_.notify_all();
}

void Gate::close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !closed_; });
    closed_.store(true, std::memory_order_seq_cst);
    changed_.wait(lock, [this] {
        return std::ranges::all_of(lanes_, [](const Lane& lane) {
            return lane.inside.load(std::memory_order_seq_cst) == 0;
        });
    });
}

void Gate::open() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = false;
    }
    changed_.notify_all();
}

Tlb::Find Tlb::find(std::uint64_t address, std::uint64_t& entry) const {
    const std::uint64_t page = address >> shift_;
    const Set& set = sets_[page % sets_.size()];
    const std::uint32_t version = set.version.load(std::memory_order_acquire);
    Find result = Find::absent;
    for (const Way& way : set.ways) {
        if (way.tag.load(std::memory_order_acquire) == page + 1) {
            entry = way.entry.load(std::memory_order_acquire);
            result = Find::found;
            break;
        }
    }
    const bool changed = version % 2 != 0 || set.version.load(std::memory_order_relaxed) != version;
    return changed ? Find::changing : result;
}

// A reader that sees one of the stores to the way also sees that the version is odd, or is another.
void Tlb::change(Set& set, Way& way, std::uint64_t tag, std::uint64_t entry) {
    const std::uint32_t version = set.version.load(std::memory_order_relaxed);
    set.version.store(version + 1, std::memory_order_relaxed);
    way.tag.store(tag, std::memory_order_release);
    way.entry.store(entry, std::memory_order_release);
    set.version.store(version + 2, std::memory_order_release);
}

void Tlb::insert(std::uint64_t address, std::uint64_t entry) {
    const std::uint64_t page = address >> shift_;
    Set& set = sets_[page % sets_.size()];
    auto way = std::ranges::find_if(set.ways, [page](const Way& w) {
        return w.tag.load(std::memory_order_relaxed) == page + 1;
    });
    if (way == set.ways.end()) {
        way = set.ways.begin() + static_cast<std::ptrdiff_t>(set.oldest++ % way_count);
    }
    change(set, *way, page + 1, entry);
}

void Tlb::invalidate(std::uint64_t begin, std::uint64_t end) {
    for (Set& set : sets_) {
        for (Way& way : set.ways) {
            const std::uint64_t tag = way.tag.load(std::memory_order_relaxed);
            if (tag != 0 && tag << shift_ > begin && (tag - 1) << shift_ < end) {
                change(set, way, 0, 0);
            }
        }
    }
}

namespace {

constexpr std::uint64_t page_size(unsigned level) {
    return std::uint64_t{1} << ACCEL_TABLE_SHIFT(level);
}

bool permits(std::uint64_t entry, Access access) {
    return (entry & (access == Access::read ? ACCEL_PTE_READ : ACCEL_PTE_WRITE)) != 0;
}

}  // namespace

Context::Context(std::uint32_t id, std::uint64_t root, std::uint64_t memory_size, Bus& bus,
                 Counters& counters)
    : id_(id),
      root_(root),
      memory_size_(memory_size),
      bus_(bus),
      counters_(counters),
      epoch_(bus.next_epoch()),
      tlb_4k_(tlb_4k_sets, ACCEL_PAGE_SHIFT),
      tlb_2m_(tlb_2m_sets, ACCEL_LARGE_SHIFT),
      walk_cache_(walk_cache_sets, ACCEL_LARGE_SHIFT) {}

Context::Context(std::uint32_t id, Bypass /*bypass*/, std::uint64_t memory_size, Bus& bus,
                 Counters& counters)
    : id_(id),
      root_(0),
      bypass_(true),
      memory_size_(memory_size),
      bus_(bus),
      counters_(counters),
      epoch_(bus.next_epoch()),
      tlb_4k_(0, ACCEL_PAGE_SHIFT),
      tlb_2m_(0, ACCEL_LARGE_SHIFT),
      walk_cache_(0, ACCEL_LARGE_SHIFT) {}

Status Context::translate_bypass(std::uint64_t address, std::uint64_t limit, Target& target) const {
    const bool device = (address & ACCEL_BYPASS_MEMORY) != 0;
    const std::uint64_t physical = address & ~ACCEL_BYPASS_MEMORY;
    if (device && physical >= memory_size_) {
        return ACCEL_FAULT_UNMAPPED;
    }
    target = {.device = device,
              .address = physical,
              .bytes = device ? std::min(limit, memory_size_ - physical) : limit};
    return ACCEL_OK;
}

Status Context::translate(const AccessGuard& /*guard*/, std::uint64_t address, Access access,
                          std::uint64_t limit, RecentTranslations* recent, Target& target) {
    if (bypass_) {
        return translate_bypass(address, limit, target);
    }
    if (Status status = translate_page(address, access, recent, target); status != ACCEL_OK) {
        return status;
    }
    while (target.bytes < limit) {
        Target next{};
        if (translate_page(address + target.bytes, access, recent, next) != ACCEL_OK ||
            next.device != target.device || next.address != target.address + target.bytes) {
            break;
        }
        target.bytes += next.bytes;
    }
    target.bytes = std::min(target.bytes, limit);
    return ACCEL_OK;
}

Status Context::translate_page(std::uint64_t address, Access access, RecentTranslations* recent,
                               Target& target) {
    if (address >> ACCEL_VA_BITS != 0) {
        return ACCEL_FAULT_UNMAPPED;
    }
    const std::uint64_t page = address >> ACCEL_PAGE_SHIFT;
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    RecentTranslations::Entry* const place = recent != nullptr ? &recent->at(page) : nullptr;
    std::uint64_t entry = 0;
    unsigned level = 0;
    if (place != nullptr && place->page == page && place->epoch == epoch &&
        permits(place->entry, access)) {
        entry = place->entry;
        level = place->level;
    } else {
        if (Status status = look_up(address, access, entry, level); status != ACCEL_OK) {
            return status;
        }
        if (place != nullptr) {
            *place = {.page = page, .epoch = epoch, .entry = entry, .level = level};
        }
    }
    const std::uint64_t offset = address & (page_size(level) - 1);
    target = {.device = (entry & ACCEL_PTE_MEMORY) != 0,
              .address = (entry & ACCEL_PTE_ADDRESS) + offset,
              .bytes = page_size(level) - offset};
    return ACCEL_OK;
}

Status Context::look_up(std::uint64_t address, Access access, std::uint64_t& entry,
                        unsigned& level) {
    // Granting a permission needs no INVALIDATE, so a cached entry without it may be stale: walk.
    if (find_cached(address, entry, level) && permits(entry, access)) {
        return ACCEL_OK;
    }
    if (Status status = walk(address, entry, level); status != ACCEL_OK) {
        return status;
    }
    insert_cached(address, entry, level);
    if (!permits(entry, access)) {
        return access == Access::read ? ACCEL_FAULT_READ : ACCEL_FAULT_WRITE;
    }
    return ACCEL_OK;
}

bool Context::find_cached(std::uint64_t address, std::uint64_t& entry, unsigned& level) {
    for (level = 0; level <= 1; ++level) {
        if (find_in(level == 0 ? tlb_4k_ : tlb_2m_, address, entry)) {
            return true;
        }
    }
    return false;
}

bool Context::find_in(const Tlb& tlb, std::uint64_t address, std::uint64_t& entry) {
    Tlb::Find found = tlb.find(address, entry);
    if (found == Tlb::Find::changing) {
        const std::lock_guard lock(cache_mutex_);
        found = tlb.find(address, entry);
    }
    return found == Tlb::Find::found;
}

void Context::insert_cached(std::uint64_t address, std::uint64_t entry, unsigned level) {
    const std::lock_guard lock(cache_mutex_);
    (level == 0 ? tlb_4k_ : tlb_2m_).insert(address, entry);
}

// Checks that a valid leaf entry maps memory that exists.
Status Context::check_leaf(std::uint64_t entry, unsigned level) const {
    if ((entry & ACCEL_PTE_RESERVED) != 0) {
        return ACCEL_FAULT_TABLE;
    }
    const std::uint64_t page = entry & ACCEL_PTE_ADDRESS;
    const bool fits = (entry & ACCEL_PTE_MEMORY) == 0 ||
                      (page < memory_size_ && page_size(level) <= memory_size_ - page);
    const bool is_aligned = (page & (page_size(level) - 1)) == 0;
    return level <= 1 && is_aligned && fits ? ACCEL_OK : ACCEL_FAULT_TABLE;
}

// Reads the entry along with its neighbors, and caches those of them that map memory.
Status Context::read_leaf_line(std::uint64_t table, std::uint64_t address, std::uint64_t& entry) {
    const std::uint64_t index = (address >> ACCEL_PAGE_SHIFT) % ACCEL_TABLE_ENTRIES;
    const std::uint64_t first = index / line_entries * line_entries;
    std::array<std::uint64_t, line_entries> line{};
    // On every supported host the copy moves aligned 8-byte words whole, so no entry is torn.
    if (!bus_.read(table + first * sizeof(std::uint64_t), line.data(), sizeof line)) {
        return ACCEL_BUS_ERROR;
    }
    entry = line.at(index - first);
    const std::uint64_t start = (address & ~(ACCEL_LARGE_SIZE - 1)) + first * ACCEL_PAGE_SIZE;
    const std::lock_guard lock(cache_mutex_);
    for (std::uint64_t i = 0; i < line_entries; ++i) {
        constexpr std::uint64_t mapped = ACCEL_PTE_VALID | ACCEL_PTE_LEAF;
        if ((line.at(i) & mapped) == mapped && check_leaf(line.at(i), 0) == ACCEL_OK) {
            tlb_4k_.insert(start + i * ACCEL_PAGE_SIZE, line.at(i));
        }
    }
    return ACCEL_OK;
}

Status Context::walk(std::uint64_t address, std::uint64_t& entry, unsigned& level) {
    counters_.tlb_misses.add(1);
    std::uint64_t table = root_;
    level = ACCEL_TABLE_LEVELS - 1;
    if (std::uint64_t leaf_table = 0; find_in(walk_cache_, address, leaf_table)) {
        table = leaf_table;
        level = 0;
    }
    return walk_from(table, address, entry, level);
}

Status Context::walk_from(std::uint64_t table, std::uint64_t address, std::uint64_t& entry,
                          unsigned& level) {
    for (;; --level) {
        const Blocking blocking(bus_.timing());
        if (level == 0) {
            if (Status status = read_leaf_line(table, address, entry); status != ACCEL_OK) {
                return status;
            }
        } else {
            const std::uint64_t index = (address >> ACCEL_TABLE_SHIFT(level)) % ACCEL_TABLE_ENTRIES;
            if (!bus_.read_word(table + index * sizeof(std::uint64_t), entry)) {
                return ACCEL_BUS_ERROR;
            }
        }
        if ((entry & ACCEL_PTE_VALID) == 0) {
            return ACCEL_FAULT_UNMAPPED;
        }
        if ((entry & ACCEL_PTE_LEAF) != 0) {
            return check_leaf(entry, level);
        }
        if (level == 0 || (entry & (ACCEL_PTE_RESERVED | ACCEL_PTE_READ | ACCEL_PTE_WRITE |
                                    ACCEL_PTE_MEMORY)) != 0) {
            return ACCEL_FAULT_TABLE;
        }
        table = entry & ACCEL_PTE_ADDRESS;
        if (level == 1) {
            const std::lock_guard lock(cache_mutex_);
            walk_cache_.insert(address, table);
        }
    }
}

void Context::invalidate(std::uint64_t address, std::uint64_t bytes) {
    // A bypass context caches nothing, but its accesses in flight must end as well.
    gate_.close();
    {
        const std::lock_guard lock(cache_mutex_);
        const std::uint64_t end =
            bytes == 0 || address + bytes < address ? UINT64_MAX : address + bytes;
        const std::uint64_t begin = bytes == 0 ? 0 : address;
        tlb_4k_.invalidate(begin, end);
        tlb_2m_.invalidate(begin, end);
        walk_cache_.invalidate(begin, end);
        epoch_.store(bus_.next_epoch(), std::memory_order_relaxed);
    }
    gate_.open();
}

}  // namespace accel::card
