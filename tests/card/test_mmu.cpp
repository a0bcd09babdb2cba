// SPDX-License-Identifier: Apache-2.0
//
// Translation: every kind of entry, every fault, what is cached and what INVALIDATE promises.
#include <thread>

#include "card_test.hpp"

namespace accel::bench {
namespace {

class Mmu : public CardTest {
  protected:
    // Reads (or writes) one byte at an address.
    accel_command touch_read(uint64_t address) { return copy(sink, address, 1); }
    accel_command touch_write(uint64_t address) { return fill(address, 1, 1, 1); }

    uint64_t sink = space.allocate(kPage);
};

TEST_F(Mmu, EveryLayoutAndPageSizeTranslates) {
    Random random(1);
    const auto data = random.bytes(3 * kPage);
    for (const Layout layout : kLayouts) {
        const uint64_t from = space.allocate(data.size(), layout, 3);
        const uint64_t to = space.allocate(data.size(), Layout::host, 5);
        space.store(from, data);
        EXPECT_EQ(queue.run(copy(to, from, data.size())), ACCEL_OK);
        EXPECT_EQ(space.load<uint8_t>(to, data.size()), data);
    }
}

TEST_F(Mmu, TheHighestAndTheLowestAddressTranslate) {
    for (const uint64_t page : {uint64_t{0}, (uint64_t{1} << ACCEL_VA_BITS) - kPage}) {
        space.map(page, {false, bench.host().allocate(kPage)}, kPage);
        EXPECT_EQ(queue.run(fill(page, 0x77, 1, kPage)), ACCEL_OK);
        EXPECT_EQ(space.load<uint8_t>(page, kPage), std::vector<uint8_t>(kPage, 0x77));
    }
}

TEST_F(Mmu, AddressesBeyond48BitsAreUnmapped) {
    for (const unsigned bit : {48U, 55U, 62U, 63U}) {
        const uint64_t address = sink | uint64_t{1} << bit;
        expect_fault(ACCEL_FAULT_UNMAPPED, address, touch_read(address));
        expect_fault(ACCEL_FAULT_UNMAPPED, address, touch_write(address));
    }
}

TEST_F(Mmu, AMissingEntryOfAnyLevelIsUnmapped) {
    const uint64_t address = sink;
    for (unsigned level = 0; level < ACCEL_TABLE_LEVELS - 1; ++level) {
        // A far neighbour that shares the tables above this level alone.
        const uint64_t other = address ^ (uint64_t{1} << ACCEL_TABLE_SHIFT(level));
        expect_fault(ACCEL_FAULT_UNMAPPED, other, touch_read(other));
    }
    const uint64_t top = address ^ uint64_t { 1 } << ACCEL_TABLE_SHIFT(3);
    expect_fault(ACCEL_FAULT_UNMAPPED, top, touch_read(top));
}

TEST_F(Mmu, PermissionsAreChecked) {
    const uint64_t read_only = space.allocate(kPage, Layout::host, 0, kReadOnly);
    const uint64_t write_only = space.allocate(kPage, Layout::device, 0, kWriteOnly);
    const uint64_t neither = space.allocate(kPage, Layout::host_large, 0, 0);
    EXPECT_EQ(queue.run(touch_read(read_only)), ACCEL_OK);
    expect_fault(ACCEL_FAULT_WRITE, read_only + 9, touch_write(read_only + 9));
    EXPECT_EQ(queue.run(touch_write(write_only)), ACCEL_OK);
    expect_fault(ACCEL_FAULT_READ, write_only + 9, touch_read(write_only + 9));
    expect_fault(ACCEL_FAULT_READ, neither, touch_read(neither));
    expect_fault(ACCEL_FAULT_WRITE, neither, touch_write(neither));
}

TEST_F(Mmu, MalformedEntriesAreTableFaults) {
    // Far away: the queue's own pages share no table with it.
    const uint64_t page = 0x7000'0000'0000;
    space.map(page, {false, bench.host().allocate(kPage)}, kPage);
    const uint64_t good = *space.entry(page, 0);
    const auto refuse = [&](unsigned level, uint64_t value) {
        uint64_t* const entry = space.entry(page, level);
        const uint64_t saved = std::exchange(*entry, value);
        EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
        expect_fault(ACCEL_FAULT_TABLE, page + 5, touch_read(page + 5));
        *space.entry(page, level) = saved;  // same slot: its tables above are intact
    };
    for (const unsigned bit : {5U, 6U, 7U, 8U, 9U, 10U, 11U, 52U, 58U, 63U}) {
        refuse(0, good | uint64_t{1} << bit);
    }
    refuse(0, good & ~uint64_t{ACCEL_PTE_LEAF});
    for (unsigned level = 1; level < ACCEL_TABLE_LEVELS; ++level) {
        const uint64_t table = *space.entry(page, level);
        for (const uint64_t bit :
             {uint64_t{ACCEL_PTE_READ}, uint64_t{ACCEL_PTE_WRITE}, uint64_t{ACCEL_PTE_MEMORY},
              uint64_t{1} << 7, uint64_t{1} << 60}) {
            refuse(level, table | bit);
        }
    }
    const uint64_t large = HostMemory::kBase | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ;
    refuse(2, large);
    refuse(3, large);
    refuse(1, large + kPage);  // not aligned to its size
    // Device memory that is not there, by a page or by all there is.
    const uint64_t size = bench.options().memory;
    for (const uint64_t offset : {size, size + kPage, uint64_t{ACCEL_PTE_ADDRESS}}) {
        refuse(0, offset | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ | ACCEL_PTE_MEMORY);
    }
    refuse(1, size | ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ | ACCEL_PTE_MEMORY);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
}

TEST(MmuLimits, ALargePageMustLieInDeviceMemoryAsAWhole) {
    Bench bench({.memory = (2 << 20) + kPage, .contexts = 1});
    AddressSpace space(bench, 0);
    Queue queue(space, 0);
    const uint64_t page = space.reserve(ACCEL_LARGE_SIZE, ACCEL_LARGE_SIZE);
    space.map(page, {true, 0}, ACCEL_LARGE_SIZE, kReadWrite, true);
    EXPECT_EQ(queue.run(fill(page, 3, 1, ACCEL_LARGE_SIZE)), ACCEL_OK);
    const uint64_t beyond = space.reserve(ACCEL_LARGE_SIZE, ACCEL_LARGE_SIZE);
    space.map(beyond, {true, ACCEL_LARGE_SIZE}, ACCEL_LARGE_SIZE, kReadWrite, true);
    EXPECT_EQ(queue.run(fill(beyond, 3, 1, 1)), ACCEL_FAULT_TABLE);
}

TEST_F(Mmu, ATableOrPageTheBusRefusesIsABusError) {
    const uint64_t page = 0x7000'0000'0000;
    space.map(page, {false, 0x4000}, kPage);
    expect_fault(ACCEL_BUS_ERROR, page + 1, touch_read(page + 1));
    expect_fault(ACCEL_BUS_ERROR, page + 1, touch_write(page + 1));
    *space.entry(page, 1) = 0x8000 | ACCEL_PTE_VALID;
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    expect_fault(ACCEL_BUS_ERROR, page + 2, touch_read(page + 2));
}

TEST_F(Mmu, AFaultInTheMiddleNamesItsPage) {
    const uint64_t buffer = space.allocate(8 * kPage, Layout::scattered);
    space.unmap(buffer + 5 * kPage, kPage);
    expect_fault(ACCEL_FAULT_UNMAPPED, buffer + 5 * kPage, fill(buffer + 100, 1, 1, 7 * kPage));
    space.protect(buffer + 2 * kPage, kPage, kReadOnly);
    EXPECT_EQ(space.invalidate(buffer + 2 * kPage, kPage), ACCEL_OK);
    expect_fault(ACCEL_FAULT_WRITE, buffer + 2 * kPage, fill(buffer + 100, 1, 1, 7 * kPage));
}

TEST_F(Mmu, TranslationsAreCachedAndNewOnesNeedNoInvalidate) {
    const uint64_t page = space.reserve(2 * kPage);
    expect_fault(ACCEL_FAULT_UNMAPPED, page, touch_read(page));
    space.map(page, {false, bench.host().allocate(kPage)}, kPage, kReadOnly);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
    const uint64_t misses = bench.read64(ACCEL_REG_TLB_MISSES);
    EXPECT_EQ(queue.run(touch_read(page)), ACCEL_OK);
    EXPECT_EQ(bench.read64(ACCEL_REG_TLB_MISSES), misses);
    // A permission that is added is as new as a mapping.
    expect_fault(ACCEL_FAULT_WRITE, page, touch_write(page));
    space.protect(page, kPage, kReadWrite);
    EXPECT_EQ(queue.run(touch_write(page)), ACCEL_OK);
}

TEST_F(Mmu, InvalidateForgetsItsRangeAlone) {
    const uint64_t pages = space.allocate(3 * kPage);
    const uint64_t large = space.allocate(ACCEL_LARGE_SIZE, Layout::device_large);
    const auto touch_all = [&] {
        for (const uint64_t address : {pages, pages + kPage, pages + 2 * kPage, large}) {
            EXPECT_EQ(queue.run(touch_read(address)), ACCEL_OK);
        }
        EXPECT_TRUE(eventually([&] { return queue.event_index() == queue.tail(); }));
        return bench.read64(ACCEL_REG_TLB_MISSES);
    };
    (void)touch_all();
    uint64_t misses = touch_all();
    EXPECT_EQ(touch_all(), misses);
    EXPECT_EQ(space.invalidate(pages + kPage, kPage), ACCEL_OK);
    EXPECT_EQ(touch_all(), ++misses);
    EXPECT_EQ(space.invalidate(large + 17 * kPage, kPage), ACCEL_OK);  // inside the large page
    EXPECT_EQ(touch_all(), ++misses);
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    // The large page, and at least one line of those beside each other.
    EXPECT_GE(touch_all(), misses + 2);
}

// Neighbours lie in one line of their table and are read together; one that maps nothing is not
// remembered, so mapping it later needs no INVALIDATE.
TEST_F(Mmu, AWalkBringsTheNeighboursAlong) {
    const uint64_t first = 0x7000'0000'0000;
    const Place place{false, bench.host().allocate(8 * kPage)};
    space.map(first, place, 7 * kPage);
    EXPECT_EQ(queue.run(touch_read(first)), ACCEL_OK);
    const uint64_t misses = bench.read64(ACCEL_REG_TLB_MISSES);
    for (uint64_t i = 0; i < 7; ++i) {
        EXPECT_EQ(queue.run(touch_read(first + i * kPage)), ACCEL_OK);
    }
    EXPECT_EQ(bench.read64(ACCEL_REG_TLB_MISSES), misses);
    space.map(first + 7 * kPage, {place.device, place.address + 7 * kPage}, kPage);
    EXPECT_EQ(queue.run(touch_read(first + 7 * kPage)), ACCEL_OK);
    EXPECT_EQ(bench.read64(ACCEL_REG_TLB_MISSES), misses + 1);
}

TEST_F(Mmu, ContextsDoNotSeeEachOther) {
    AddressSpace other(bench, 1);
    Queue foreign(other, 1);
    // The same address in both, different pages behind it.
    const uint64_t address = 0x7000'0000'0000;
    for (AddressSpace* s : {&space, &other}) {
        s->map(address, {false, bench.host().allocate(kPage)}, kPage);
    }
    EXPECT_EQ(queue.run(fill(address, 0x11, 1, kPage)), ACCEL_OK);
    EXPECT_EQ(foreign.run(fill(address, 0x22, 1, kPage)), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(address, 0x33, 1, 1)), ACCEL_OK);
    EXPECT_EQ(space.load<uint8_t>(address, 2), (std::vector<uint8_t>{0x33, 0x11}));
    EXPECT_EQ(other.load<uint8_t>(address, 2), (std::vector<uint8_t>{0x22, 0x22}));
    // What only one has mapped, the other cannot reach; and its fault is its own.
    const uint64_t mine = 0x7100'0000'0000;
    space.map(mine, {false, bench.host().allocate(kPage)}, kPage);
    EXPECT_EQ(foreign.run(fill(mine, 1, 1, 1)), ACCEL_FAULT_UNMAPPED);
    EXPECT_EQ(queue.run(fill(mine, 1, 1, 1)), ACCEL_OK);
    // INVALIDATE of one does not stop the other from translating.
    EXPECT_EQ(other.invalidate(0, 0), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(mine, 1, 1, 1)), ACCEL_OK);
}

TEST_F(Mmu, ADestroyedContextsTranslationsAreForgotten) {
    const uint64_t address = 0x7000'0000'0000;
    {
        AddressSpace other(bench, 1);
        Queue foreign(other, 1);
        other.map(address, {false, bench.host().allocate(kPage)}, kPage);
        EXPECT_EQ(foreign.run(fill(address, 1, 1, 1)), ACCEL_OK);
        EXPECT_EQ(foreign.destroy(), ACCEL_OK);
        accel_admin_command command{};
        command.opcode = ACCEL_ADMIN_DESTROY_CONTEXT;
        command.id = 1;
        EXPECT_EQ(bench.admin(command), ACCEL_OK);
    }
    AddressSpace again(bench, 1);
    Queue fresh(again, 1);
    EXPECT_EQ(fresh.run(fill(address, 1, 1, 1)), ACCEL_FAULT_UNMAPPED);
}

TEST_F(Mmu, InvalidateWaitsForAnAccessInFlight) {
    ACCEL_NEEDS_THREADS(bench);
    const uint64_t page = space.allocate(kPage);
    const uint64_t bus = space.place(page).address;
    Stall stall(bench, bus, bus + kPage - 1);
    queue.submit(touch_write(page));
    ASSERT_TRUE(stall.reached());
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_INVALIDATE;
    command.id = space.id();
    EXPECT_TRUE(bench.settled(0));
    const uint64_t before = bench.interrupts(0);
    const uint64_t sequence = bench.post_admin(command);
    // While the access is held up there is no completion to be seen, however often one looks.
    for (int i = 0; i < 200; ++i) {
        std::this_thread::yield();
        ASSERT_EQ(bench.interrupts(0), before);
    }
    stall.release();
    EXPECT_EQ(bench.wait_admin(sequence), ACCEL_OK);
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
}

// Two queues hammer a page whose place changes all the time; a place that was taken away is
// watched, and nobody may come near it after INVALIDATE completed.
TEST_F(Mmu, NoAccessToAPageAfterInvalidate) {
    constexpr int kRounds = 300;
    Queue other(space, 1);
    const uint64_t target = space.reserve(2 * kPage);
    const uint64_t constant = space.allocate(2 * kPage);
    std::vector<uint64_t> places;
    for (int i = 0; i < 4; ++i) {
        places.push_back(bench.host().allocate(2 * kPage));
    }
    space.map(target, {false, places[0]}, 2 * kPage);
    std::atomic<bool> stop{false};
    const auto hammer = [&](Queue& q, bool writes) {
        uint64_t done = 0;
        while (!stop) {
            q.submit(writes ? copy(target + 100, constant, kPage) : copy(constant, target, kPage));
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
    uint64_t current = places[0];
    for (int round = 1; round <= kRounds; ++round) {
        const uint64_t next = places[static_cast<size_t>(round) % places.size()];
        bench.host().unwatch(next);
        bench.host().unwatch(next + kPage);
        space.map(target, {false, next}, 2 * kPage);
        const accel_status status = space.invalidate(target, 2 * kPage);
        EXPECT_EQ(status, ACCEL_OK);
        bench.host().watch(current);
        bench.host().watch(current + kPage);
        current = next;
    }
    stop = true;
    a.join();
    b.join();
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    EXPECT_EQ(bench.host().trespasses(), 0U);
}

}  // namespace
}  // namespace accel::bench
