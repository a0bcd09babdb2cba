// SPDX-License-Identifier: Apache-2.0
//
// Address translation: each kind of page-table entry, each fault, the cache, and INVALIDATE.
#include <thread>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Mmu : public CardTest {
  protected:
    // Commands that read or write one byte at an address.
    accel_command touch_read(std::uint64_t address) { return copy(sink, address, 1); }
    accel_command touch_write(std::uint64_t address) { return fill(address, 1, 1, 1); }

    std::uint64_t sink = space.allocate(page_size);
};

TEST_F(Mmu, EveryLayoutAndPageSizeIsTranslated) {
    Random random(1);
    const auto data = random.bytes(3 * page_size);
    for (const Layout layout : layouts) {
        const std::uint64_t from = space.allocate(data.size(), layout, 3);
        const std::uint64_t to = space.allocate(data.size(), Layout::host, 5);
        space.store(from, data);
        EXPECT_EQ(queue.run(copy(to, from, data.size())), ACCEL_OK);
        EXPECT_EQ(space.load<std::uint8_t>(to, data.size()), data);
    }
}

TEST_F(Mmu, TheHighestAndTheLowestAddressAreTranslated) {
    for (const std::uint64_t page :
         {std::uint64_t{0}, (std::uint64_t{1} << ACCEL_VA_BITS) - page_size}) {
        space.map(page, {false, host.memory().allocate(page_size)}, page_size);
        EXPECT_EQ(queue.run(fill(page, 0x77, 1, page_size)), ACCEL_OK);
        EXPECT_EQ(space.load<std::uint8_t>(page, page_size),
                  std::vector<std::uint8_t>(page_size, 0x77));
    }
}

TEST_F(Mmu, AddressesBeyond48BitsAreUnmapped) {
    for (const unsigned bit : {48U, 55U, 62U, 63U}) {
        const std::uint64_t address = sink | std::uint64_t{1} << bit;
        expect_fault(ACCEL_FAULT_UNMAPPED, address, touch_read(address));
        expect_fault(ACCEL_FAULT_UNMAPPED, address, touch_write(address));
    }
}

TEST_F(Mmu, AMissingEntryOfAnyLevelIsUnmapped) {
    const std::uint64_t address = sink;
    for (unsigned level = 0; level < ACCEL_TABLE_LEVELS - 1; ++level) {
        // A distant address that shares only the tables above this level.
        const std::uint64_t other = address ^ (std::uint64_t{1} << ACCEL_TABLE_SHIFT(level));
        expect_fault(ACCEL_FAULT_UNMAPPED, other, touch_read(other));
    }
    const std::uint64_t top = address ^ std::uint64_t{1} << ACCEL_TABLE_SHIFT(3);
    expect_fault(ACCEL_FAULT_UNMAPPED, top, touch_read(top));
}

TEST_F(Mmu, PermissionsAreChecked) {
    const std::uint64_t read_only = space.allocate(page_size, Layout::host, 0, pte_read_only);
    const std::uint64_t write_only = space.allocate(page_size, Layout::device, 0, pte_write_only);
    const std::uint64_t neither = space.allocate(page_size, Layout::host_large, 0, 0);
    EXPECT_EQ(queue.run(touch_read(read_only)), ACCEL_OK);
    expect_fault(ACCEL_FAULT_WRITE, read_only + 9, touch_write(read_only + 9));
    EXPECT_EQ(queue.run(touch_write(write_only)), ACCEL_OK);
    expect_fault(ACCEL_FAULT_READ, write_only + 9, touch_read(write_only + 9));
    expect_fault(ACCEL_FAULT_READ, neither, touch_read(neither));
    expect_fault(ACCEL_FAULT_WRITE, neither, touch_write(neither));
}

TEST_F(Mmu, MalformedEntriesAreTableFaults) {
    // A distant address: it shares no table with the pages of the queue.
    const std::uint64_t page = 0x7000'0000'0000;
    space.map(page, {false, host.memory().allocate(page_size)}, page_size);
    const std::uint64_t good = *space.entry(page, 0);
    const auto refuse = [&](unsigned level, std::uint64_t value) {
        std::uint64_t* const entry = space.entry(page, level);
        const std::uint64_t saved = std::exchange(*entry, value);
        EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
        expect_fault(ACCEL_FAULT_TABLE, page + 5, touch_read(page + 5));
        *space.entry(page, level) = saved;  // the tables above the slot are intact
    };
    for (const unsigned bit : {5U, 6U, 7U, 8U, 9U, 10U, 11U, 52U, 58U, 63U}) {
        refuse(0, good | std::uint64_t{1} << bit);
    }
    refuse(0, good & ~std::uint64_t{ACCEL_PTE_LEAF});
    for (unsigned level = 1; level < ACCEL_TABLE_LEVELS; ++level) {
        const std::uint64_t table = *space.entry(page, level);
        for (const std::uint64_t bit :
             {std::uint64_t{ACCEL_PTE_READ}, std::uint64_t{ACCEL_PTE_WRITE},
              std::uint64_t{ACCEL_PTE_MEMORY}, std::uint64_t{1} << 7, std::uint64_t{1} << 60}) {
            refuse(level, table | bit);
        }
    }
    const std::uint64_t large =
        HostMemory::base | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ;
    refuse(2, large);
    refuse(3, large);
    refuse(1, large + page_size);  // not aligned to its size
    // Offsets beyond the end of device memory.
    const std::uint64_t size = host.options().device_memory;
    for (const std::uint64_t offset : {size, size + page_size, std::uint64_t{ACCEL_PTE_ADDRESS}}) {
        refuse(0, offset | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ | ACCEL_PTE_MEMORY);
    }
    refuse(1, size | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ | ACCEL_PTE_MEMORY);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
}

TEST(MmuLimits, ALargePageMustFitIntoDeviceMemory) {
    TestHost host({.device_memory = (2 << 20) + page_size, .contexts = 1});
    AddressSpace space(host, 0);
    Queue queue(space, 0);
    const std::uint64_t page = space.reserve(ACCEL_LARGE_SIZE, ACCEL_LARGE_SIZE);
    space.map(page, {true, 0}, ACCEL_LARGE_SIZE, pte_read_write, true);
    EXPECT_EQ(queue.run(fill(page, 3, 1, ACCEL_LARGE_SIZE)), ACCEL_OK);
    const std::uint64_t beyond = space.reserve(ACCEL_LARGE_SIZE, ACCEL_LARGE_SIZE);
    space.map(beyond, {true, ACCEL_LARGE_SIZE}, ACCEL_LARGE_SIZE, pte_read_write, true);
    EXPECT_EQ(queue.run(fill(beyond, 3, 1, 1)), ACCEL_FAULT_TABLE);
}

TEST_F(Mmu, ATableOrPageTheBusRefusesIsABusError) {
    const std::uint64_t page = 0x7000'0000'0000;
    space.map(page, {false, 0x4000}, page_size);
    expect_fault(ACCEL_BUS_ERROR, page + 1, touch_read(page + 1));
    expect_fault(ACCEL_BUS_ERROR, page + 1, touch_write(page + 1));
    *space.entry(page, 1) = 0x8000 | ACCEL_PTE_VALID;
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    expect_fault(ACCEL_BUS_ERROR, page + 2, touch_read(page + 2));
}

TEST_F(Mmu, AFaultInTheMiddleNamesItsPage) {
    const std::uint64_t buffer = space.allocate(8 * page_size, Layout::scattered);
    space.unmap(buffer + 5 * page_size, page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, buffer + 5 * page_size,
                 fill(buffer + 100, 1, 1, 7 * page_size));
    space.protect(buffer + 2 * page_size, page_size, pte_read_only);
    EXPECT_EQ(space.invalidate(buffer + 2 * page_size, page_size), ACCEL_OK);
    expect_fault(ACCEL_FAULT_WRITE, buffer + 2 * page_size,
                 fill(buffer + 100, 1, 1, 7 * page_size));
}

TEST_F(Mmu, TranslationsAreCachedAndNewOnesNeedNoInvalidate) {
    const std::uint64_t page = space.reserve(2 * page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, page, touch_read(page));
    space.map(page, {false, host.memory().allocate(page_size)}, page_size, pte_read_only);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
    const std::uint64_t misses = host.read64(ACCEL_REG_TLB_MISSES);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
    EXPECT_EQ(host.read64(ACCEL_REG_TLB_MISSES), misses);
    // An added permission needs no INVALIDATE either.
    expect_fault(ACCEL_FAULT_WRITE, page, touch_write(page));
    space.protect(page, page_size, pte_read_write);
    EXPECT_EQ(queue.run(touch_write(page)), ACCEL_OK);
}

TEST_F(Mmu, InvalidateDropsOnlyItsRange) {
    const std::uint64_t pages = space.allocate(3 * page_size);
    const std::uint64_t large = space.allocate(ACCEL_LARGE_SIZE, Layout::device_large);
    const auto touch_all = [&] {
        for (const std::uint64_t address :
             {pages, pages + page_size, pages + 2 * page_size, large}) {
            EXPECT_EQ(queue.run(touch_read(address)), ACCEL_OK);
        }
        EXPECT_TRUE(eventually([&] { return queue.event_index() == queue.tail(); }));
        return host.read64(ACCEL_REG_TLB_MISSES);
    };
    (void)touch_all();
    std::uint64_t misses = touch_all();
    EXPECT_EQ(touch_all(), misses);
    EXPECT_EQ(space.invalidate(pages + page_size, page_size), ACCEL_OK);
    EXPECT_EQ(touch_all(), ++misses);
    EXPECT_EQ(space.invalidate(large + 17 * page_size, page_size),
              ACCEL_OK);  // inside the large page
    EXPECT_EQ(touch_all(), ++misses);
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    // The large page, and at least one line of adjacent entries.
    EXPECT_GE(touch_all(), misses + 2);
}

// The card reads a line of a table at once, and caches its valid entries. An entry that maps
// nothing is not cached, so mapping it later needs no INVALIDATE.
TEST_F(Mmu, AWalkCachesTheWholeLineOfEntries) {
    const std::uint64_t first = 0x7000'0000'0000;
    const Location location{false, host.memory().allocate(8 * page_size)};
    space.map(first, location, 7 * page_size);
    EXPECT_EQ(queue.run(touch_read(first)), ACCEL_OK);
    const std::uint64_t misses = host.read64(ACCEL_REG_TLB_MISSES);
    for (std::uint64_t i = 0; i < 7; ++i) {
        EXPECT_EQ(queue.run(touch_read(first + i * page_size)), ACCEL_OK);
    }
    EXPECT_EQ(host.read64(ACCEL_REG_TLB_MISSES), misses);
    space.map(first + 7 * page_size, {location.device, location.address + 7 * page_size},
              page_size);
    EXPECT_EQ(queue.run(touch_read(first + 7 * page_size)), ACCEL_OK);
    EXPECT_EQ(host.read64(ACCEL_REG_TLB_MISSES), misses + 1);
}

TEST_F(Mmu, ContextsDoNotSeeEachOther) {
    AddressSpace other(host, 1);
    Queue foreign(other, 1);
    // Both contexts map the same address, to different pages.
    const std::uint64_t address = 0x7000'0000'0000;
    for (AddressSpace* s : {&space, &other}) {
        s->map(address, {false, host.memory().allocate(page_size)}, page_size);
    }
    EXPECT_EQ(queue.run(fill(address, 0x11, 1, page_size)), ACCEL_OK);
    EXPECT_EQ(foreign.run(fill(address, 0x22, 1, page_size)), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(address, 0x33, 1, 1)), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint8_t>(address, 2), (std::vector<std::uint8_t>{0x33, 0x11}));
    EXPECT_EQ(other.load<std::uint8_t>(address, 2), (std::vector<std::uint8_t>{0x22, 0x22}));
    // An address that one context maps is a fault of the other.
    const std::uint64_t mine = 0x7100'0000'0000;
    space.map(mine, {false, host.memory().allocate(page_size)}, page_size);
    EXPECT_EQ(foreign.run(fill(mine, 1, 1, 1)), ACCEL_FAULT_UNMAPPED);
    EXPECT_EQ(queue.run(fill(mine, 1, 1, 1)), ACCEL_OK);
    // INVALIDATE of one context leaves the other's translations alone.
    EXPECT_EQ(other.invalidate(0, 0), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(mine, 1, 1, 1)), ACCEL_OK);
}

TEST_F(Mmu, TranslationsAreDroppedWithTheirContext) {
    const std::uint64_t address = 0x7000'0000'0000;
    {
        AddressSpace other(host, 1);
        Queue foreign(other, 1);
        other.map(address, {false, host.memory().allocate(page_size)}, page_size);
        EXPECT_EQ(foreign.run(fill(address, 1, 1, 1)), ACCEL_OK);
        EXPECT_EQ(foreign.destroy(), ACCEL_OK);
        EXPECT_EQ(host.admin(admin_command(ACCEL_ADMIN_DESTROY_CONTEXT, 1)), ACCEL_OK);
    }
    AddressSpace again(host, 1);
    Queue fresh(again, 1);
    EXPECT_EQ(fresh.run(fill(address, 1, 1, 1)), ACCEL_FAULT_UNMAPPED);
}

TEST_F(Mmu, InvalidateWaitsForAnAccessInFlight) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(touch_write(page));
    ASSERT_TRUE(stall.wait_until_stalled());
    EXPECT_TRUE(host.settled(0));
    const std::uint64_t before = host.interrupts(0);
    const std::uint64_t sequence = host.post_admin(invalidate(space.id(), 0, 0));
    // INVALIDATE does not complete while the access is stalled.
    for (int i = 0; i < 200; ++i) {
        std::this_thread::yield();
        ASSERT_EQ(host.interrupts(0), before);
    }
    stall.release();
    EXPECT_EQ(host.wait_admin(sequence), ACCEL_OK);
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
}

// Two queues access an address whose page changes all the time. The card must not access the old
// page after INVALIDATE completed, so that page is watched.
TEST_F(Mmu, NoPageIsAccessedAfterItsInvalidate) {
    constexpr int round_count = 300;
    Queue other(space, 1);
    const std::uint64_t target = space.reserve(2 * page_size);
    const std::uint64_t constant = space.allocate(2 * page_size);
    std::vector<std::uint64_t> places;
    places.reserve(4);
    for (int i = 0; i < 4; ++i) {
        places.push_back(host.memory().allocate(2 * page_size));
    }
    space.map(target, {false, places[0]}, 2 * page_size);
    std::atomic<bool> stop{false};
    const auto hammer = [&](Queue& q, bool writes) {
        std::uint64_t done = 0;
        while (!stop) {
            q.submit(writes ? copy(target + 100, constant, page_size)
                            : copy(constant, target, page_size));
            q.submit(fill(target, done, 1, 64));
            if (q.wait(q.tail()) != ACCEL_OK) {
                return false;
            }
            ++done;
        }
        return done > 0;
    };
    bool first = false;
    bool second = false;
    std::thread a([&] { first = hammer(queue, true); });
    std::thread b([&] { second = hammer(other, false); });
    std::uint64_t current = places[0];
    for (int round = 1; round <= round_count; ++round) {
        const std::uint64_t next = places[static_cast<std::size_t>(round) % places.size()];
        host.memory().unwatch(next);
        host.memory().unwatch(next + page_size);
        space.map(target, {false, next}, 2 * page_size);
        const accel_status status = space.invalidate(target, 2 * page_size);
        EXPECT_EQ(status, ACCEL_OK);
        host.memory().watch(current);
        host.memory().watch(current + page_size);
        current = next;
    }
    stop = true;
    a.join();
    b.join();
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    EXPECT_EQ(host.memory().trespasses(), 0U);
}

}  // namespace
}  // namespace accel::test
