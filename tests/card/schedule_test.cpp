// SPDX-License-Identifier: Apache-2.0
//
// Scheduling: priorities, fairness among equal queues, and both engines at once.
#include <algorithm>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Schedule : public CardTest {
  protected:
    // A command that reads `page`: a stall there occupies the compute engine.
    accel_command compute(std::uint64_t page) {
        accel_reduce p{};
        p.type = ACCEL_TYPE_F32;
        p.outer = p.n = p.inner = 1;
        return tensor_command(ACCEL_OP_SOFTMAX, {.dst = page, .src0 = page}, p);
    }

    // Stalls both engines, submits one command with a record to each queue, and releases the
    // engines. Returns the indices of the queues in the order in which they ran.
    std::vector<std::size_t> order(const std::vector<Queue*>& queues) {
        Queue dma_holder(space, 10);
        Queue compute_holder(space, 11);
        const std::uint64_t page = space.allocate(page_size);
        const std::uint64_t records = space.allocate(page_size);
        const std::uint64_t target = space.allocate(page_size);
        {
            Stall stall(space, page);
            dma_holder.submit(fill(page, 1, 1, 1));
            compute_holder.submit(compute(page));
            EXPECT_TRUE(stall.wait_until_stalled(2));
            for (std::size_t i = 0; i < queues.size(); ++i) {
                queues[i]->submit(with_record(fill(target, 1, 1, 1), records + i * 32));
            }
        }
        for (Queue* queue : queues) {
            EXPECT_EQ(queue->wait(queue->tail()), ACCEL_OK);
        }
        const auto written = space.load<accel_completion_record>(records, queues.size());
        std::vector<std::size_t> indices(queues.size());
        for (std::size_t i = 0; i < indices.size(); ++i) {
            indices[i] = i;
        }
        std::ranges::sort(indices, {}, [&](std::size_t i) { return written[i].start; });
        EXPECT_EQ(dma_holder.destroy(), ACCEL_OK);
        EXPECT_EQ(compute_holder.destroy(), ACCEL_OK);
        return indices;
    }
};

TEST_F(Schedule, BothEnginesWorkAtTheSameTime) {
    ACCEL_NEEDS_THREADS(host);
    Queue other(space, 1);
    const std::uint64_t page = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(fill(page, 1, 1, 1));
    other.submit(compute(page));
    EXPECT_TRUE(stall.wait_until_stalled(2));
    stall.release();
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
    EXPECT_EQ(other.wait(1), ACCEL_OK);
}

TEST_F(Schedule, AStalledEngineDelaysOnlyCommandsOfItsKind) {
    ACCEL_NEEDS_THREADS(host);
    Queue copies(space, 1);
    Queue control(space, 2);
    const std::uint64_t page = space.allocate(page_size);
    const std::uint64_t free = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(compute(page));
    ASSERT_TRUE(stall.wait_until_stalled());
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(copies.run(fill(free, 1, 1, 1)), ACCEL_OK);
        EXPECT_EQ(control.run(nop()), ACCEL_OK);
    }
    EXPECT_EQ(queue.completed(), 0U);
    stall.release();
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
}

TEST_F(Schedule, TheHighestPriorityRunsFirst) {
    ACCEL_NEEDS_THREADS(host);
    Queue low(space, 1, {.priority = 0});
    Queue mid(space, 2, {.priority = 1});
    Queue high(space, 3, {.priority = 2});
    Queue top(space, 4, {.priority = 3});
    // Either engine may be the first to look at a queue and find out which engine it needs. So only
    // the first command is certain: the DMA engine takes its ready queues by priority.
    EXPECT_EQ(order({&low, &top, &mid, &high}).front(), 1U);
}

TEST_F(Schedule, EqualQueuesTakeTurns) {
    ACCEL_NEEDS_THREADS(host);
    // Neither of two full queues gets far ahead of the other. The machine may preempt the thread of
    // an engine that holds one of them, so one round must succeed and not every one.
    Queue other(space, 1);
    const std::uint64_t page = space.allocate(page_size);
    const std::uint64_t records = space.allocate(2 * page_size);
    Queue holder(space, 2);
    Queue compute_holder(space, 3);
    bool fair = false;
    for (std::uint64_t round = 1; round <= 20 && !fair; ++round) {
        {
            Stall stall(space, page);
            holder.submit(fill(page, 1, 1, 1));
            compute_holder.submit(compute(page));
            ASSERT_TRUE(stall.wait_until_stalled(2));
            for (std::uint64_t i = 0; i < 60; ++i) {
                queue.enqueue(with_record(fill(page + 64, 1, 1, 1), records + 32 * i));
                other.enqueue(with_record(fill(page + 64, 1, 1, 1), records + page_size + 32 * i));
            }
            queue.ring_doorbell();
            other.ring_doorbell();
        }
        ASSERT_EQ(queue.wait(60 * round), ACCEL_OK);
        ASSERT_EQ(other.wait(60 * round), ACCEL_OK);
        const auto mine = space.load<accel_completion_record>(records, 60);
        const auto theirs = space.load<accel_completion_record>(records + page_size, 60);
        fair = true;
        for (std::size_t i = 0; i + 4 < 60; ++i) {
            fair =
                fair && mine[i].start < theirs[i + 4].start && theirs[i].start < mine[i + 4].start;
        }
    }
    EXPECT_TRUE(fair);
}

TEST_F(Schedule, AQueueThatChangesEnginesStaysInOrder) {
    const std::uint64_t a = space.allocate(page_size);
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_EW_ADD;
    p.rank = 1;
    p.dims[0] = p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
    const accel_command add =
        tensor_command(ACCEL_OP_ELEMENTWISE, {.dst = a, .src0 = a + 64, .src1 = a + 64}, p);
    space.store_one(a + 64, 1.0F);
    for (int i = 0; i < 20; ++i) {  // one engine doubles the value, the other copies it back
        queue.submit(add);
        queue.submit(copy(a + 64, a, 4));
        queue.submit(nop());
    }
    ASSERT_EQ(queue.wait(60), ACCEL_OK);
    EXPECT_EQ(space.load<float>(a + 64, 1)[0], 1048576.0F);
    EXPECT_GT(host.query(0).dma_busy, 0U);
    EXPECT_GT(host.query(0).compute_busy, 0U);
    EXPECT_GT(host.read64(ACCEL_REG_DMA_BUSY), 0U);
    EXPECT_GT(host.read64(ACCEL_REG_COMPUTE_BUSY), 0U);
}

}  // namespace
}  // namespace accel::test
