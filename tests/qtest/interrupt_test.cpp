// SPDX-License-Identifier: Apache-2.0
//
// MSI-X. A message is a 32-bit store, so the tests point the vectors at words of host memory.
#include <gtest/gtest.h>

#include <string>

#include "card.hpp"

namespace accel::qtest {
namespace {

// A card whose vector v stores 100 + v at its own word.
struct MessageHost {
    explicit MessageHost(const std::string& properties, std::uint32_t vectors)
        : machine(properties) {
        words = machine.allocate(1);
        for (std::uint32_t vector = 0; vector < vectors; ++vector) {
            card.set_message(vector, word(vector), 100 + vector);
        }
        card.enable_messages(true);
        enabled = card.bring_up() && context.create() == ACCEL_OK;
    }

    [[nodiscard]] std::uint64_t word(std::uint32_t vector) const {
        return words + std::uint64_t{4} * vector;
    }
    [[nodiscard]] std::uint32_t message(std::uint32_t vector) {
        return static_cast<std::uint32_t>(machine.qemu.read(word(vector), 4));
    }
    [[nodiscard]] bool arrived(std::uint32_t vector) {
        return eventually([&] { return message(vector) == 100 + vector; });
    }
    void clear(std::uint32_t vector) { machine.qemu.write(word(vector), 0, 4); }

    // Runs a command that interrupts, and waits for its completion and the interrupt.
    [[nodiscard]] bool run_armed(Queue& queue) {
        const std::uint64_t raised = card.read64(ACCEL_REG_INTERRUPTS);
        const std::uint64_t sequence = queue.enqueue(nop());
        queue.arm(sequence);
        queue.ring_doorbell();
        return queue.wait(sequence) &&
               eventually([&] { return card.read64(ACCEL_REG_INTERRUPTS) > raised; });
    }

    Machine machine;
    Card card{machine};
    Context context{card, 0};
    std::uint64_t words = 0;
    bool enabled = false;
};

TEST(Messages, EachQueueStoresTheMessageOfItsVector) {
    MessageHost host("queues=4", 5);
    ASSERT_TRUE(host.enabled);
    for (std::uint32_t id = 0; id < 4; ++id) {
        Queue queue(host.context, id, id + 1);
        ASSERT_EQ(queue.create(), ACCEL_OK);
        EXPECT_EQ(host.message(id + 1), 0U);
        ASSERT_TRUE(host.run_armed(queue));
        EXPECT_TRUE(host.arrived(id + 1));
    }
}

TEST(Messages, AdminCompletionsUseTheEventVector) {
    MessageHost host("", 1);
    ASSERT_TRUE(host.enabled);
    EXPECT_TRUE(host.arrived(ACCEL_VECTOR_EVENTS));
}

TEST(Messages, AQueueSendsNoneUnlessArmed) {
    MessageHost host("", 2);
    ASSERT_TRUE(host.enabled);
    Queue queue(host.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(queue.wait(queue.submit(nop())));
    }
    // The next command is armed and runs after them, so their messages would precede its message.
    host.card.set_message(1, host.word(1), 101);
    EXPECT_EQ(host.message(1), 0U);
    const std::uint64_t before = host.card.read64(ACCEL_REG_INTERRUPTS);
    ASSERT_TRUE(host.run_armed(queue));
    EXPECT_TRUE(host.arrived(1));
    EXPECT_EQ(host.card.read64(ACCEL_REG_INTERRUPTS), before + 1);
}

TEST(Messages, AMaskedVectorIsPendingUntilItIsUnmasked) {
    MessageHost host("", 2);
    ASSERT_TRUE(host.enabled);
    Queue queue(host.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    host.card.mask_vector(1, true);
    ASSERT_TRUE(host.run_armed(queue));
    ASSERT_TRUE(eventually([&] { return host.card.pending(1); }));
    EXPECT_EQ(host.message(1), 0U);
    host.card.mask_vector(1, false);
    EXPECT_TRUE(host.arrived(1));
    EXPECT_FALSE(host.card.pending(1));
}

TEST(Messages, TheFunctionMaskDelaysAllVectors) {
    MessageHost host("", 2);
    ASSERT_TRUE(host.enabled);
    Queue queue(host.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    host.card.enable_messages(true, true);
    ASSERT_TRUE(host.run_armed(queue));
    ASSERT_TRUE(eventually([&] { return host.card.pending(1); }));
    EXPECT_EQ(host.message(1), 0U);
    host.card.enable_messages(true, false);
    EXPECT_TRUE(host.arrived(1));
}

TEST(Messages, OneVectorCanServeQueuesAndEvents) {
    MessageHost host("queues=4,vectors=1", 1);
    ASSERT_TRUE(host.enabled);
    EXPECT_EQ(host.card.read32(ACCEL_REG_VECTORS), 1U);
    Queue queue(host.context, 0, 0);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    ASSERT_TRUE(host.arrived(0));
    host.clear(0);
    ASSERT_TRUE(host.run_armed(queue));
    EXPECT_TRUE(host.arrived(0));
}

TEST(Messages, AVectorBeyondTheLastIsRefused) {
    MessageHost host("queues=4,vectors=2", 2);
    ASSERT_TRUE(host.enabled);
    Queue queue(host.context, 0, 2);
    EXPECT_EQ(queue.create(), ACCEL_BAD_FIELD);
}

TEST(Messages, AnErrorInterruptsOnBothVectorsUnarmed) {
    MessageHost host("", 2);
    ASSERT_TRUE(host.enabled);
    Queue queue(host.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    ASSERT_TRUE(host.arrived(0));
    host.clear(0);
    queue.submit(fill(0x123456789000, 0, 8, 8));
    EXPECT_TRUE(host.arrived(1));
    EXPECT_TRUE(host.arrived(0));
}

}  // namespace
}  // namespace accel::qtest
