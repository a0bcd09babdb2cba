// SPDX-License-Identifier: Apache-2.0
//
// MSI-X. A message is a 32-bit store, so the tests aim the vectors at words of host memory and
// look.
#include <gtest/gtest.h>

#include <string>

#include "card.hpp"

namespace accel::qtest {
namespace {

// A card whose vector v stores 100 + v at its own word.
struct Bench {
    explicit Bench(const std::string& properties, std::uint32_t vectors) : machine(properties) {
        words = machine.allocate(1);
        for (std::uint32_t vector = 0; vector < vectors; ++vector) {
            card.set_message(vector, word(vector), 100 + vector);
        }
        card.enable_messages(true);
        enabled = card.bring_up() && context.create() == ACCEL_OK;
    }

    [[nodiscard]] std::uint64_t word(std::uint32_t vector) const { return words + 4 * vector; }
    [[nodiscard]] std::uint32_t message(std::uint32_t vector) {
        return static_cast<std::uint32_t>(machine.qemu.read(word(vector), 4));
    }
    [[nodiscard]] bool arrived(std::uint32_t vector) {
        return eventually([&] { return message(vector) == 100 + vector; });
    }
    void clear(std::uint32_t vector) { machine.qemu.write(word(vector), 0, 4); }

    // Runs a command that interrupts when it is finished, and waits for the end of both.
    [[nodiscard]] bool run_armed(Queue& queue) {
        const std::uint64_t raised = card.read64(ACCEL_REG_INTERRUPTS);
        const std::uint64_t sequence = queue.place(nop());
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

TEST(Messages, EveryQueueStoresTheMessageOfItsOwnVector) {
    Bench bench("queues=4", 5);
    ASSERT_TRUE(bench.enabled);
    for (std::uint32_t id = 0; id < 4; ++id) {
        Queue queue(bench.context, id, id + 1);
        ASSERT_EQ(queue.create(), ACCEL_OK);
        EXPECT_EQ(bench.message(id + 1), 0U);
        ASSERT_TRUE(bench.run_armed(queue));
        EXPECT_TRUE(bench.arrived(id + 1));
    }
}

TEST(Messages, AdminCompletionsComeOnTheEventVector) {
    Bench bench("", 1);
    ASSERT_TRUE(bench.enabled);
    EXPECT_TRUE(bench.arrived(ACCEL_VECTOR_EVENTS));
}

TEST(Messages, NoneComesUnlessArmed) {
    Bench bench("", 2);
    ASSERT_TRUE(bench.enabled);
    Queue queue(bench.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(queue.wait(queue.submit(nop())));
    }
    // The next, armed, one is in order behind them, so theirs would have come by then.
    bench.card.set_message(1, bench.word(1), 101);
    EXPECT_EQ(bench.message(1), 0U);
    const std::uint64_t before = bench.card.read64(ACCEL_REG_INTERRUPTS);
    ASSERT_TRUE(bench.run_armed(queue));
    EXPECT_TRUE(bench.arrived(1));
    EXPECT_EQ(bench.card.read64(ACCEL_REG_INTERRUPTS), before + 1);
}

TEST(Messages, MaskedVectorIsPendingUntilItIsUnmasked) {
    Bench bench("", 2);
    ASSERT_TRUE(bench.enabled);
    Queue queue(bench.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    bench.card.mask_vector(1, true);
    ASSERT_TRUE(bench.run_armed(queue));
    ASSERT_TRUE(eventually([&] { return bench.card.pending(1); }));
    EXPECT_EQ(bench.message(1), 0U);
    bench.card.mask_vector(1, false);
    EXPECT_TRUE(bench.arrived(1));
    EXPECT_FALSE(bench.card.pending(1));
}

TEST(Messages, MaskOfTheFunctionHoldsBackAllOfThem) {
    Bench bench("", 2);
    ASSERT_TRUE(bench.enabled);
    Queue queue(bench.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    bench.card.enable_messages(true, true);
    ASSERT_TRUE(bench.run_armed(queue));
    ASSERT_TRUE(eventually([&] { return bench.card.pending(1); }));
    EXPECT_EQ(bench.message(1), 0U);
    bench.card.enable_messages(true, false);
    EXPECT_TRUE(bench.arrived(1));
}

TEST(Messages, OneVectorServesEverything) {
    Bench bench("queues=4,vectors=1", 1);
    ASSERT_TRUE(bench.enabled);
    EXPECT_EQ(bench.card.read32(ACCEL_REG_VECTORS), 1U);
    Queue queue(bench.context, 0, 0);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    ASSERT_TRUE(bench.arrived(0));
    bench.clear(0);
    ASSERT_TRUE(bench.run_armed(queue));
    EXPECT_TRUE(bench.arrived(0));
}

TEST(Messages, VectorThatTheCardHasNotIsRefused) {
    Bench bench("queues=4,vectors=2", 2);
    ASSERT_TRUE(bench.enabled);
    Queue queue(bench.context, 0, 2);
    EXPECT_EQ(queue.create(), ACCEL_BAD_FIELD);
}

TEST(Messages, ErrorInterruptsTheQueueAndTheEventVectorUnarmed) {
    Bench bench("", 2);
    ASSERT_TRUE(bench.enabled);
    Queue queue(bench.context, 0, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    ASSERT_TRUE(bench.arrived(0));
    bench.clear(0);
    queue.submit(fill(0x123456789000, 0, 8, 8));
    EXPECT_TRUE(bench.arrived(1));
    EXPECT_TRUE(bench.arrived(0));
}

}  // namespace
}  // namespace accel::qtest
