// SPDX-License-Identifier: Apache-2.0
//
// The event queue: order, overflow, and doorbells of queues that do not exist.
#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Events : public CardTest {
  protected:
    Events() : CardTest({.event_entries = 4}) {}

    // Causes one queue error, and so one event.
    void fail_once() {
        EXPECT_EQ(queue.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
        const accel_status status = queue.reset();  // by now the event is written or dropped
        EXPECT_EQ(status, ACCEL_OK);
    }
};

TEST_F(Events, AreNumberedAndStampedWhileTheRingWraps) {
    std::uint64_t time = host.clock();
    for (std::uint64_t i = 1; i <= 10; ++i) {
        fail_once();
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->sequence, i);
        EXPECT_GE(event->time, time);
        time = event->time;
    }
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_HEAD), 10U);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 0U);
}

TEST_F(Events, AFullRingDropsEventsAndCountsThem) {
    for (int i = 0; i < 7; ++i) {
        fail_once();
    }
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 3U);
    for (std::uint64_t i = 1; i <= 4; ++i) {
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->sequence, i);
    }
    EXPECT_FALSE(host.event_pending());
    fail_once();
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->sequence, 5U);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 3U);
}

TEST_F(Events, OfACardWithThisDefectAreWrittenTwice) {
    host.set_defect(ACCEL_DEFECT_DUPLICATES);
    fail_once();
    for (std::uint64_t i = 1; i <= 2; ++i) {
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->sequence, i);
        EXPECT_EQ(event->status, ACCEL_FAULT_UNMAPPED);
    }
    EXPECT_FALSE(host.event_pending());
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 0U);
}

TEST_F(Events, AnInvalidHeadLosesOnlyEvents) {
    host.set_event_head(0x80000000);
    fail_once();
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 1U);
    EXPECT_FALSE(host.event_pending());
    host.set_event_head(0);
    fail_once();
    EXPECT_TRUE(host.event_pending());
}

TEST_F(Events, ADoorbellOfNoQueueIsReported) {
    const std::uint64_t before = host.read64(ACCEL_REG_DOORBELLS);
    // An unused queue id, and a page between the last queue and the end of the BAR.
    for (const std::uint32_t page : {5U, host.options().queues + 1}) {
        host.doorbell(page, 1);
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->type, ACCEL_EVENT_BAD_DOORBELL);
        EXPECT_EQ(event->status, ACCEL_BAD_DOORBELL);
        EXPECT_EQ(event->queue, page);
        EXPECT_EQ(event->context, ACCEL_NO_ID);
    }
    EXPECT_EQ(host.read64(ACCEL_REG_DOORBELLS), before + 2);
}

TEST_F(Events, EachOneInterruptsVectorZero) {
    host.doorbell(7, 1);
    EXPECT_TRUE(host.settled(1));
    host.doorbell(7, 1);
    EXPECT_TRUE(host.settled(2));
}

TEST_F(Events, ARingThatTheBusRefusesIsFatal) {
    host.refuse(host.event_ring(), host.event_ring() + page_size - 1);
    host.doorbell(7, 1);
    EXPECT_TRUE(
        eventually([&] { return (host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_FATAL) != 0; }));
    host.refuse_nothing();
    ASSERT_TRUE(host.soft_reset());
}

}  // namespace
}  // namespace accel::test
