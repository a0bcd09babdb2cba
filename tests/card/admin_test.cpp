// SPDX-License-Identifier: Apache-2.0
//
// Each admin command, and each error that it can end with.
#include <array>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Admin : public testing::Test {
  protected:
    static accel_admin_command command(accel_admin_opcode opcode, std::uint32_t id = 0) {
        accel_admin_command c{};
        c.opcode = static_cast<std::uint8_t>(opcode);
        c.id = id;
        return c;
    }
    accel_status create_context(std::uint32_t id, std::uint64_t root) {
        auto c = command(ACCEL_ADMIN_CREATE_CONTEXT, id);
        c.create_context.root = root;
        return host.admin(c);
    }
    static accel_admin_command queue_command(AddressSpace& space, std::uint32_t id,
                                             std::uint64_t page) {
        auto c = command(ACCEL_ADMIN_CREATE_QUEUE, id);
        c.create_queue.ring = page;
        c.create_queue.status = page + page_size;
        c.create_queue.context = space.id();
        c.create_queue.entries = 64;
        return c;
    }

    TestHost host;
};

TEST_F(Admin, EachNopCompletesInOrderAndInterrupts) {
    for (int i = 0; i < 100; ++i) {  // the ring wraps several times
        EXPECT_EQ(host.admin(command(ACCEL_ADMIN_NOP)), ACCEL_OK);
    }
    EXPECT_TRUE(host.settled(0));
    EXPECT_EQ(host.interrupts(ACCEL_VECTOR_EVENTS), 100U);
}

TEST_F(Admin, AFullRingIsExecuted) {
    std::uint64_t last = 0;
    for (std::uint32_t i = 0; i < host.options().admin_entries; ++i) {
        last = host.post_admin(command(ACCEL_ADMIN_NOP));
    }
    EXPECT_EQ(host.wait_admin(last), ACCEL_OK);
}

TEST_F(Admin, UnknownOpcodesAndReservedFieldsAreRefused) {
    EXPECT_EQ(host.admin(command(static_cast<accel_admin_opcode>(10))), ACCEL_BAD_OPCODE);
    EXPECT_EQ(host.admin(command(static_cast<accel_admin_opcode>(255), 3)), ACCEL_BAD_OPCODE);
    auto c = command(ACCEL_ADMIN_NOP);
    c.reserved0[2] = 1;
    EXPECT_EQ(host.admin(c), ACCEL_BAD_FIELD);
    c = command(ACCEL_ADMIN_NOP, 1);
    EXPECT_EQ(host.admin(c), ACCEL_BAD_FIELD);
    for (int opcode = ACCEL_ADMIN_NOP; opcode <= ACCEL_ADMIN_QUERY_QUEUES; ++opcode) {
        c = command(static_cast<accel_admin_opcode>(opcode));
        c.words[6] = 1;
        EXPECT_EQ(host.admin(c), ACCEL_BAD_FIELD) << opcode;
    }
}

TEST_F(Admin, CreateAndDestroyContext) {
    const std::uint64_t root = host.memory().allocate(page_size);
    EXPECT_EQ(create_context(0, root + 8), ACCEL_BAD_ALIGNMENT);
    EXPECT_EQ(create_context(0, root), ACCEL_OK);
    EXPECT_EQ(create_context(0, root), ACCEL_EXISTS);
    EXPECT_EQ(create_context(host.options().contexts, root), ACCEL_NOT_FOUND);
    EXPECT_EQ(create_context(host.options().contexts - 1, root), ACCEL_OK);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_CONTEXT, 0)), ACCEL_OK);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_CONTEXT, 0)), ACCEL_NOT_FOUND);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_CONTEXT, 99999)), ACCEL_NOT_FOUND);
    EXPECT_EQ(create_context(0, root), ACCEL_OK);
}

TEST_F(Admin, AContextWithQueuesIsBusy) {
    AddressSpace space(host, 1);
    Queue queue(space, 3);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_CONTEXT, 1)), ACCEL_BUSY);
    EXPECT_EQ(queue.destroy(), ACCEL_OK);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_CONTEXT, 1)), ACCEL_OK);
}

TEST_F(Admin, InvalidateChecksItsFields) {
    AddressSpace space(host, 0);
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    EXPECT_EQ(space.invalidate(page_size, page_size), ACCEL_OK);
    EXPECT_EQ(space.invalidate(page_size, UINT64_MAX / page_size * page_size),
              ACCEL_OK);  // the range ends with the address space
    EXPECT_EQ(space.invalidate(8, page_size), ACCEL_BAD_ALIGNMENT);
    EXPECT_EQ(space.invalidate(page_size, 100), ACCEL_BAD_ALIGNMENT);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_INVALIDATE, 4)), ACCEL_NOT_FOUND);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_INVALIDATE, 4000)), ACCEL_NOT_FOUND);
}

TEST_F(Admin, CreateQueueChecksItsFields) {
    AddressSpace space(host, 0);
    const std::uint64_t page = space.allocate(2 * page_size);
    const auto refuse = [&](accel_status status, auto change) {
        auto c = queue_command(space, 0, page);
        change(c);
        EXPECT_EQ(host.admin(c), status);
    };
    refuse(ACCEL_NOT_FOUND, [&](auto& c) { c.id = host.options().queues; });
    refuse(ACCEL_NOT_FOUND, [](auto& c) { c.create_queue.context = 3; });
    refuse(ACCEL_NOT_FOUND, [](auto& c) { c.create_queue.context = 0xffffffff; });
    for (const std::uint32_t entries : {0U, 1U, 3U, 63U, 2048U, 0x80000000U}) {
        refuse(ACCEL_BAD_FIELD, [&](auto& c) { c.create_queue.entries = entries; });
    }
    refuse(ACCEL_BAD_FIELD, [&](auto& c) { c.create_queue.vector = host.options().vectors; });
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.create_queue.priority = ACCEL_PRIORITY_DRIVER + 1; });
    refuse(ACCEL_BAD_ALIGNMENT, [](auto& c) { c.create_queue.ring += 64; });
    refuse(ACCEL_BAD_ALIGNMENT, [](auto& c) { c.create_queue.status += 64; });
    refuse(ACCEL_FAULT_UNMAPPED, [&](auto& c) { c.create_queue.status = page + 2 * page_size; });
    refuse(ACCEL_FAULT_WRITE, [&](auto& c) {
        c.create_queue.status = space.allocate(page_size, Layout::host, 0, pte_read_only);
    });
    refuse(ACCEL_BUS_ERROR, [&](auto& c) {
        const std::uint64_t hole = space.reserve(page_size);
        space.map(hole, {false, 0x7000}, page_size);
        c.create_queue.status = hole;
    });
    refuse(ACCEL_OK, [](auto&) {});
    refuse(ACCEL_EXISTS, [](auto&) {});
}

TEST_F(Admin, CreateQueueWritesTheWholeStatusPage) {
    AddressSpace space(host, 0);
    const std::uint64_t page = space.allocate(2 * page_size);
    space.store(page + page_size, std::vector<std::uint8_t>(256, 0xaa));
    EXPECT_EQ(host.admin(queue_command(space, 0, page)), ACCEL_OK);
    accel_queue_status expected{};
    expected.state = ACCEL_QUEUE_RUNNING;
    const auto got = space.load<accel_queue_status>(page + page_size, 1)[0];
    EXPECT_EQ(std::memcmp(&got, &expected, sizeof got), 0);
}

TEST_F(Admin, QueueCommandsNeedAQueue) {
    for (const std::uint32_t id : {0U, 5U, 0xffffffffU}) {
        EXPECT_EQ(host.admin(command(ACCEL_ADMIN_DESTROY_QUEUE, id)), ACCEL_NOT_FOUND);
        EXPECT_EQ(host.admin(command(ACCEL_ADMIN_RESET_QUEUE, id)), ACCEL_NOT_FOUND);
        EXPECT_EQ(host.admin(command(ACCEL_ADMIN_QUERY_QUEUE, id)), ACCEL_NOT_FOUND);
    }
}

TEST_F(Admin, ResetQueueReportsAnUnmappedStatusPage) {
    AddressSpace space(host, 0);
    Queue queue(space, 0);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    space.protect(queue.status_address(), page_size, pte_read_only);
    EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_RESET_QUEUE, 0)), ACCEL_FAULT_WRITE);
    space.protect(queue.status_address(), page_size, pte_read_write);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}

TEST_F(Admin, QueryQueueReturnsTheCountersOfTheQueue) {
    AddressSpace space(host, 0);
    Queue queue(space, 2, {.vector = 3});
    const std::uint64_t in_host = space.allocate(page_size);
    const std::uint64_t device = space.allocate(page_size, Layout::device);
    queue.arm(1);
    EXPECT_EQ(queue.run(copy(device, in_host, 1000)), ACCEL_OK);
    EXPECT_EQ(queue.run(copy(in_host, device, 500)), ACCEL_OK);
    EXPECT_TRUE(eventually([&] { return host.interrupts(3) == 1; }));
    const accel_queue_stats stats = host.query(2);
    EXPECT_EQ(stats.commands, 2U);
    EXPECT_EQ(stats.doorbells, host.read64(ACCEL_REG_DOORBELLS));
    EXPECT_EQ(stats.interrupts, 1U);
    EXPECT_GT(stats.dma_busy, 0U);
    EXPECT_EQ(stats.compute_busy, 0U);
    EXPECT_EQ(stats.memory_written, 1000U);
    EXPECT_EQ(stats.memory_read, 500U);
    // Two commands, 64 bytes each, and some words of the status page.
    EXPECT_GE(stats.host_read, 1000U + 128U);
    EXPECT_LT(stats.host_read, 1000U + 128U + 200U);
    EXPECT_GE(stats.host_written, 500U + 128U + 16U);
    // A reset of the queue keeps the counters.
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(host.query(2).commands, 2U);
    auto c = command(ACCEL_ADMIN_QUERY_QUEUE, 2);
    c.query_queue.address = 0x1000;
    EXPECT_EQ(host.admin(c), ACCEL_BUS_ERROR);
}

TEST_F(Admin, ClearMemoryClearsExactlyItsRange) {
    std::ranges::fill(host.device_memory().first(1 << 20), std::uint8_t{0x5a});
    auto c = command(ACCEL_ADMIN_CLEAR_MEMORY);
    c.clear_memory.address = 1001;
    c.clear_memory.bytes = 300'000;
    EXPECT_EQ(host.admin(c), ACCEL_OK);
    EXPECT_EQ(host.device_memory()[1000], 0x5a);
    EXPECT_EQ(host.device_memory()[301'001], 0x5a);
    for (std::size_t i = 1001; i < 301'001; ++i) {
        ASSERT_EQ(host.device_memory()[i], 0) << i;
    }
    const std::uint64_t size = host.options().device_memory;
    const auto clear = [&](std::uint64_t address, std::uint64_t bytes) {
        c.clear_memory.address = address;
        c.clear_memory.bytes = bytes;
        return host.admin(c);
    };
    EXPECT_EQ(clear(0, size), ACCEL_OK);
    EXPECT_EQ(clear(size, 0), ACCEL_OK);
    EXPECT_EQ(clear(0, size + 1), ACCEL_BAD_SIZE);
    EXPECT_EQ(clear(size, 1), ACCEL_BAD_SIZE);
    EXPECT_EQ(clear(size + 1, 0), ACCEL_BAD_SIZE);
    EXPECT_EQ(clear(8, UINT64_MAX - 4), ACCEL_BAD_SIZE);
}

TEST_F(Admin, ADoorbellBeyondTheRingIsFatal) {
    host.write32(ACCEL_REG_ADMIN_DOORBELL, host.options().admin_entries + 1);
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_READY | ACCEL_STATUS_FATAL);
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, ACCEL_EVENT_FATAL);
    EXPECT_EQ(event->status, ACCEL_INTERNAL);
    EXPECT_EQ(event->queue, ACCEL_NO_ID);
    EXPECT_EQ(event->context, ACCEL_NO_ID);
    // The card stopped, and completes no command.
    const std::uint64_t before = host.interrupts(ACCEL_VECTOR_EVENTS);
    host.write32(ACCEL_REG_ADMIN_DOORBELL, 1);
    EXPECT_EQ(host.interrupts(ACCEL_VECTOR_EVENTS), before);
    ASSERT_TRUE(host.soft_reset());
    host.enable();
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_NOP)), ACCEL_OK);
}

TEST_F(Admin, AnAdminRingThatTheBusRefusesIsFatal) {
    host.refuse(host.admin_ring(), host.admin_ring() + page_size - 1);
    (void)host.post_admin(command(ACCEL_ADMIN_NOP));
    EXPECT_TRUE(
        eventually([&] { return (host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_FATAL) != 0; }));
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, ACCEL_EVENT_FATAL);
    EXPECT_FALSE(host.guest_errors().empty());
    host.refuse_nothing();
    ASSERT_TRUE(host.soft_reset());
    host.enable();
    EXPECT_EQ(host.admin(command(ACCEL_ADMIN_NOP)), ACCEL_OK);
}

}  // namespace
}  // namespace accel::test
