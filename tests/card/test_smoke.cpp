// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bench/commands.hpp"
#include "bench/queue.hpp"

using namespace accel::bench;

TEST(Smoke, NopFillCopyGemmCall) {
    Bench bench;
    AddressSpace space(bench, 0);
    Queue queue(space, 0);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    const uint64_t a = space.allocate(100000, Layout::scattered, 100);
    const uint64_t b = space.allocate(100000, Layout::device, 8);
    EXPECT_EQ(queue.run(fill(b, 0x11223344, 4, 40000)), ACCEL_OK);
    EXPECT_EQ(queue.run(copy(a, b, 40000)), ACCEL_OK);
    EXPECT_EQ(space.load<uint32_t>(a, 10000), std::vector<uint32_t>(10000, 0x11223344));
    const uint64_t list = space.allocate(4096);
    space.store(list, std::vector{fill(ACCEL_ARG(0, 0), 7, 1, 10), nop(),
                                  copy(ACCEL_ARG(1, 0), ACCEL_ARG(0, 0), 10)});
    EXPECT_EQ(queue.run(call(list, 3, {b, a})), ACCEL_OK);
    EXPECT_EQ(space.load<uint8_t>(a, 10), std::vector<uint8_t>(10, 7));
    EXPECT_EQ(queue.run(copy(0x1000, a, 10)), ACCEL_FAULT_UNMAPPED);
    auto event = bench.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->address, 0x1000U);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}
