// SPDX-License-Identifier: Apache-2.0
//
// Resets, disabling, and destruction of queues that are at work.
#include <thread>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Reset : public CardTest {
  public:
    Reset() : CardTest({.device_memory = 64 << 20}) {}

    // A GEMM of 65536 x 65536 x 65536, which takes hours. Its window maps the same memory many
    // times.
    accel_command huge_gemm() {
        const std::uint64_t window = space.reserve(std::uint64_t{1} << 34, ACCEL_LARGE_SIZE);
        for (std::uint64_t at = 0; at < std::uint64_t{1} << 34; at += ACCEL_LARGE_SIZE) {
            *space.entry(window + at, 1) = (4 << 20) | ACCEL_PTE_VALID | ACCEL_PTE_LEAF |
                                           ACCEL_PTE_MEMORY | ACCEL_PTE_READ | ACCEL_PTE_WRITE;
        }
        accel_gemm p{};
        p.type = ACCEL_TYPE_F32;
        p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 65536;
        return tensor_command(ACCEL_OP_GEMM, {.dst = window, .src0 = window, .src1 = window}, p);
    }
    accel_command huge_copy() {
        const std::uint64_t page = space.allocate(page_size, Layout::device);
        return copy_rows(page, 0, page + 2048, 0, 2048, UINT32_MAX);
    }
    accel_command huge_fill() {
        return fill_rows(space.allocate(page_size), 0, 1, 1, page_size, UINT32_MAX);
    }
    accel_command huge_elementwise() {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.rank = 2;
        p.dims[0] = 1 << 20;
        p.dims[1] = 1 << 20;
        p.dst_strides[1] = 1;
        const std::uint64_t page = space.allocate(4 << 20, Layout::device);
        return tensor_command(ACCEL_OP_ELEMENTWISE, {.dst = page, .src0 = page, .src1 = page}, p);
    }

    // Waits until an engine has worked for a while.
    void expect_busy() {
        const auto worked = [&] {
            return host.read64(ACCEL_REG_DMA_BUSY) + host.read64(ACCEL_REG_COMPUTE_BUSY);
        };
        const std::uint64_t before = worked();
        EXPECT_TRUE(eventually([&] { return worked() > before + 2'000'000; }));
    }
};

TEST_F(Reset, AQueueIsDestroyedDuringAnyCommand) {
    std::uint32_t id = 1;
    using Make = accel_command (Reset::*)();
    for (const Make make :
         {&Reset::huge_gemm, &Reset::huge_copy, &Reset::huge_fill, &Reset::huge_elementwise}) {
        Queue victim(space, id++);
        victim.submit((this->*make)());
        expect_busy();
        EXPECT_EQ(victim.state(), ACCEL_QUEUE_RUNNING);
        EXPECT_EQ(victim.destroy(), ACCEL_OK);
        // The card must not access its pages any more.
        host.memory().watch(space.locate(victim.status_address()).address);
        host.memory().watch(space.locate(victim.ring_address()).address);
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    }
    EXPECT_EQ(host.memory().trespasses(), 0U);
}

TEST_F(Reset, AQueueIsResetDuringAHugeGemmAndWorksAgain) {
    for (int i = 0; i < 5; ++i) {
        queue.submit(huge_gemm());
        expect_busy();
        EXPECT_EQ(queue.reset(), ACCEL_OK);
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
        EXPECT_EQ(queue.completed(), 1U);
    }
}

TEST_F(Reset, AHugeGemmDoesNotDelayInvalidate) {
    queue.submit(huge_gemm());
    expect_busy();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(space.invalidate(0, 0), ACCEL_OK);
    }
    EXPECT_EQ(queue.completed(), 0U);
    EXPECT_EQ(queue.destroy(), ACCEL_OK);
}

TEST_F(Reset, ASoftResetKeepsOnlyCountersAndSettings) {
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(queue.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
    host.write32(ACCEL_REG_POWER_CAP, 33'000);
    const std::uint64_t commands = host.read64(ACCEL_REG_COMMANDS);
    ASSERT_TRUE(host.soft_reset());
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_READY);
    EXPECT_EQ(host.read32(ACCEL_REG_CONTROL), 0U);
    EXPECT_EQ(host.read64(ACCEL_REG_ADMIN_RING), 0U);
    EXPECT_EQ(host.read64(ACCEL_REG_EVENT_RING), 0U);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_HEAD), 0U);
    EXPECT_EQ(host.read64(ACCEL_REG_COMMANDS), commands);
    EXPECT_EQ(host.read64(ACCEL_REG_FAULTS), 1U);
    EXPECT_EQ(host.read32(ACCEL_REG_POWER_CAP), 33'000U);
    host.enable();
    EXPECT_EQ(queue.destroy(), ACCEL_NOT_FOUND);
    AddressSpace again(host, 0);  // the id is free again
    Queue fresh(again, 0);
    EXPECT_EQ(fresh.run(nop()), ACCEL_OK);
}

TEST_F(Reset, AFunctionResetClearsCountersAndSettingsToo) {
    EXPECT_EQ(queue.run(fill(space.allocate(page_size), 1, 1, 1)), ACCEL_OK);
    host.write32(ACCEL_REG_POWER_CAP, 33'000);
    host.function_reset();
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED, 0U);
    ASSERT_TRUE(host.wait_ready());
    for (std::uint64_t offset = ACCEL_REG_COMMANDS; offset <= ACCEL_REG_COMPUTE_BUSY; offset += 8) {
        EXPECT_EQ(host.read64(offset), 0U) << std::hex << offset;
    }
    EXPECT_EQ(host.read32(ACCEL_REG_POWER_CAP), 75'000U);
    host.enable();
    AddressSpace again(host, 0);
    Queue fresh(again, 0);
    EXPECT_EQ(fresh.run(nop()), ACCEL_OK);
}

TEST_F(Reset, NoMemoryIsAccessedOnceABusyCardIsReadyAfterAReset) {
    for (int round = 0; round < 6; ++round) {
        const bool function = round % 2 == 1;
        std::optional<AddressSpace> fresh;
        AddressSpace* where = &space;
        if (round > 0) {
            host.enable();
            fresh.emplace(host, 1);
            where = &*fresh;
        }
        Queue filler(*where, 3);
        Queue waiter(*where, 4);
        Queue spinner(*where, 5, {.entries = 512});
        const std::uint64_t page = where->allocate(2 * page_size);
        filler.submit(fill_rows(page, 0, 1, 1, page_size, UINT32_MAX));
        waiter.submit(wait_for(page + page_size, 1));
        for (int i = 0; i < 500; ++i) {
            spinner.submit(nop());
        }
        expect_busy();
        if (function) {
            host.function_reset();
        } else {
            host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
        }
        EXPECT_EQ(host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED, 0U);
        ASSERT_TRUE(host.wait_ready());
        // From here on the card must not access the bus.
        std::atomic<std::uint64_t> late{0};
        host.set_access_hook([&](std::uint64_t, bool) { ++late; });
        const std::uint64_t interrupts = host.read64(ACCEL_REG_INTERRUPTS);
        for (std::uint32_t id = 0; id < host.options().queues; ++id) {
            host.doorbell(id, 1);
        }
        host.write32(ACCEL_REG_ADMIN_DOORBELL, 1);
        for (int i = 0; i < 100; ++i) {
            std::this_thread::yield();
        }
        EXPECT_EQ(late, 0U);
        EXPECT_EQ(host.read64(ACCEL_REG_INTERRUPTS), interrupts);
        host.set_access_hook(nullptr);
    }
}

TEST_F(Reset, TheCardIsReadyOnlyWhenNoAccessIsOutstanding) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(fill(page, 1, 1, 1));
    ASSERT_TRUE(stall.wait_until_stalled());
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    for (int i = 0; i < 200; ++i) {
        std::this_thread::yield();
        ASSERT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_RESETTING);
    }
    // Meanwhile the card ignores writes to its registers, except another reset.
    host.write64(ACCEL_REG_ADMIN_RING, page_size);
    host.write32(ACCEL_REG_ADMIN_ENTRIES, 2);
    host.write32(ACCEL_REG_POWER_CAP, 30'000);
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_RESETTING);
    stall.release();
    ASSERT_TRUE(host.wait_ready());
    EXPECT_EQ(host.read64(ACCEL_REG_ADMIN_RING), 0U);
    EXPECT_EQ(host.read32(ACCEL_REG_ADMIN_ENTRIES), 0U);
    EXPECT_EQ(host.read32(ACCEL_REG_POWER_CAP), 75'000U);
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_READY);
}

TEST_F(Reset, AResetEndsALongAdminCommand) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(fill(page, 1, 1, 1));
    ASSERT_TRUE(stall.wait_until_stalled());
    (void)host.post_admin(admin_command(ACCEL_ADMIN_DESTROY_QUEUE, 0));
    (void)host.post_admin(admin_command(ACCEL_ADMIN_DESTROY_QUEUE, 0));
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    stall.release();
    EXPECT_TRUE(host.wait_ready());
}

TEST_F(Reset, DisablingStopsAtACommandBoundaryAndEnablingContinues) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    {
        Stall stall(space, page);
        queue.submit(fill(page, 1, 1, 1));
        queue.submit(fill(page, 2, 1, 1));
        ASSERT_TRUE(stall.wait_until_stalled());
        host.write32(ACCEL_REG_CONTROL, 0);
        EXPECT_NE(host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED,
                  0U);  // the command is still running
    }
    ASSERT_TRUE(
        eventually([&] { return (host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED) == 0; }));
    const std::uint64_t completed = queue.completed();
    EXPECT_LE(completed, 1U);
    queue.ring_doorbell();
    for (int i = 0; i < 100; ++i) {
        std::this_thread::yield();
        ASSERT_EQ(queue.completed(), completed);
    }
    host.enable();  // with empty admin and event rings; the queues are unchanged
    EXPECT_EQ(queue.wait(2), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint8_t>(page, 1)[0], 2);
    EXPECT_EQ(host.query(0).commands, 2U);
}

TEST_F(Reset, RapidEnablingAndDisablingEndsInTheLastState) {
    for (int i = 0; i < 200; ++i) {
        host.write32(ACCEL_REG_CONTROL, 0);
        host.enable();
    }
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(host.query(0).commands, 1U);
    host.write32(ACCEL_REG_CONTROL, 0);
    EXPECT_TRUE(
        eventually([&] { return (host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED) == 0; }));
}

TEST_F(Reset, ABusyCardCanBeDestroyed) {
    // A host of its own, so that its destruction is part of the test.
    for (int i = 0; i < 20; ++i) {
        TestHost short_lived({.device_memory = 8 << 20, .host_memory = 16 << 20, .contexts = 1});
        AddressSpace s(short_lived, 0);
        Queue a(s, 0);
        Queue b(s, 1);
        const std::uint64_t page = s.allocate(page_size);
        a.submit(fill_rows(page, 0, 1, 1, page_size, UINT32_MAX));
        b.submit(wait_for(page, UINT64_MAX));
        (void)short_lived.post_admin(invalidate(0, 0, 0));
    }
}

}  // namespace
}  // namespace accel::test
