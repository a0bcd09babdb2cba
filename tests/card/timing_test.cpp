// SPDX-License-Identifier: Apache-2.0
//
// A card with a timing model: the duration of commands in virtual time, and that it is the same in
// each run. Expected durations are computed from the numbers of the data sheet.
#include <memory>
#include <vector>

#include "accel_timing.h"
#include "card_fixture.hpp"
#include "timing/link.hpp"

namespace accel::test {
namespace {

HostOptions timed() {
    HostOptions options;
    options.link = gen3x8;
    return options;
}

class Timing : public CardTest {
  protected:
    Timing() : CardTest(timed()) {}

    // Runs a command with a record.
    accel_completion_record time(Queue& on, const accel_command& command) {
        if (records_ == 0) {
            records_ = space.allocate(page_size);
        }
        EXPECT_EQ(on.run(with_record(command, records_)), ACCEL_OK);
        return space.load<accel_completion_record>(records_, 1)[0];
    }
    std::uint64_t duration(const accel_command& command) {
        const accel_completion_record record = time(queue, command);
        return record.end - record.start;
    }
    // The second of two runs: the first one fetches the translations.
    std::uint64_t warm_duration(const accel_command& command) {
        (void)duration(command);
        return duration(command);
    }

    // Lets virtual time pass until the queues without commands are idle.
    void rest() {
        for (int i = 0; i < 4; ++i) {
            (void)host.query(0);
        }
    }

    const card::Link link{gen3x8};

  private:
    std::uint64_t records_ = 0;
};

TEST_F(Timing, ACopyFromTheHostTakesLaunchReadLatencyAndWireTime) {
    const std::uint64_t in_host = space.allocate(std::uint64_t{64} * 1024, Layout::host_large);
    const std::uint64_t device = space.allocate(std::uint64_t{64} * 1024, Layout::device_large);
    constexpr std::uint64_t fixed = ACCEL_TIMING_LAUNCH + 2 * ACCEL_TIMING_LINK + ACCEL_TIMING_HOST;
    for (const std::uint64_t bytes : {64U, 4096U, 65536U}) {
        const std::uint64_t wire =
            link.time(link.completion_bytes(0, bytes)) / card::picoseconds_per_tick;
        EXPECT_NEAR(warm_duration(copy(device, in_host, bytes)), fixed + wire, 2) << bytes;
    }
}

TEST_F(Timing, ACopyToTheHostDoesNotWaitForItsWrites) {
    const std::uint64_t in_host = space.allocate(std::uint64_t{64} * 1024, Layout::host_large);
    const std::uint64_t device = space.allocate(std::uint64_t{64} * 1024, Layout::device_large);
    const std::uint64_t wire = link.time(link.write_bytes(0, 65536)) / card::picoseconds_per_tick;
    EXPECT_NEAR(warm_duration(copy(in_host, device, 65536)), ACCEL_TIMING_LAUNCH + wire, 2);
}

TEST_F(Timing, DeviceMemoryHasItsOwnRate) {
    const std::uint64_t memory = space.allocate(1 << 20, Layout::device_large);
    constexpr std::uint64_t transfer_size = std::uint64_t{256} * 1024;
    constexpr std::uint64_t expected =
        ACCEL_TIMING_LAUNCH + ACCEL_TIMING_MEMORY + 2 * transfer_size / ACCEL_TIMING_MEMORY_BYTES;
    EXPECT_NEAR(warm_duration(copy(memory, memory + transfer_size, transfer_size)), expected, 2);
}

// A product with enough arithmetic takes as long as its multiply-adds: reads overlap with them.
TEST_F(Timing, GemmTakesTheLongerOfArithmeticAndMemory) {
    constexpr std::uint32_t problem_size = 512;
    constexpr std::uint64_t transfer_size =
        std::uint64_t{problem_size} * problem_size * sizeof(float);
    const std::uint64_t a = space.allocate(transfer_size, Layout::device_large);
    const std::uint64_t b = space.allocate(transfer_size, Layout::device_large);
    const std::uint64_t d = space.allocate(transfer_size, Layout::device_large);
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = problem_size;
    const std::uint64_t square =
        warm_duration(tensor_command(ACCEL_OP_GEMM, {.dst = d, .src0 = a, .src1 = b}, p));
    constexpr std::uint64_t macs =
        std::uint64_t{problem_size} * problem_size * problem_size / ACCEL_TIMING_MACS;
    EXPECT_GE(square, macs);
    EXPECT_LE(square, macs + 1000);

    p.m = 1;  // memory dominates: each weight is used once
    const std::uint64_t row =
        warm_duration(tensor_command(ACCEL_OP_GEMM, {.dst = d, .src0 = a, .src1 = b}, p));
    EXPECT_GE(row, transfer_size / ACCEL_TIMING_MEMORY_BYTES);
    EXPECT_LE(row, transfer_size / ACCEL_TIMING_MEMORY_BYTES + 1000);
}

// Its products and exponentials; a causal one skips the tiles of keys behind its queries.
TEST_F(Timing, AttentionTakesAsLongAsItsArithmetic) {
    constexpr std::uint64_t rows = 1024;
    constexpr std::uint64_t size = 64;
    Operands operands{};
    for (std::uint64_t* const operand :
         {&operands.dst, &operands.src0, &operands.src1, &operands.src2}) {
        *operand = space.allocate(rows * size * sizeof(float), Layout::device_large);
    }
    accel_attention p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = p.heads = p.key_heads = 1;
    p.queries = p.keys = rows;
    p.size = p.value_size = size;
    p.dst_strides[2] = p.src0_strides[2] = p.src1_strides[2] = p.src2_strides[2] = size;
    const auto ticks = [](std::uint64_t scores) {
        return scores * 2 * size / ACCEL_TIMING_MACS + scores / ACCEL_TIMING_ELEMENTS +
               scores / ACCEL_TIMING_SPECIALS + rows * size / ACCEL_TIMING_SPECIALS;
    };
    const std::uint64_t all = warm_duration(tensor_command(ACCEL_OP_ATTENTION, operands, p));
    EXPECT_NEAR(static_cast<double>(all), static_cast<double>(ticks(rows * rows)), 3000);
    p.flags = ACCEL_ATTENTION_RIGHT;
    const std::uint64_t causal = warm_duration(tensor_command(ACCEL_OP_ATTENTION, operands, p));
    constexpr std::uint64_t blocks = rows / ACCEL_ATTENTION_TILE;
    constexpr std::uint64_t attended =
        blocks * (blocks + 1) / 2 * ACCEL_ATTENTION_TILE * ACCEL_ATTENTION_TILE;
    EXPECT_NEAR(static_cast<double>(causal), static_cast<double>(ticks(attended)), 3000);
}

TEST_F(Timing, AThrottledCardComputesSlowerAndCopiesAsFast) {
    constexpr std::uint32_t problem_size = 512;
    constexpr std::uint64_t transfer_size =
        std::uint64_t{problem_size} * problem_size * sizeof(float);
    const std::uint64_t memory = space.allocate(3 * transfer_size, Layout::device_large);
    const std::uint64_t in_host = space.allocate(transfer_size, Layout::host_large);
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = problem_size;
    const accel_command gemm = tensor_command(
        ACCEL_OP_GEMM,
        {.dst = memory, .src0 = memory + transfer_size, .src1 = memory + 2 * transfer_size}, p);
    const std::uint64_t cool = warm_duration(gemm);
    const std::uint64_t moved = warm_duration(copy(memory, in_host, transfer_size));
    // A busy DMA engine needs more power than the lowest cap allows.
    host.write32(ACCEL_REG_POWER_CAP, host.read32(ACCEL_REG_POWER_CAP_MIN));
    for (int i = 0; i < 100 && host.read32(ACCEL_REG_CORE_CLOCK) == 1000; ++i) {
        EXPECT_EQ(queue.run(fill_rows(in_host, 0, 1, 1, 65536, 2000)), ACCEL_OK);
    }
    const std::uint64_t slow = duration(gemm);
    const std::uint32_t clock = host.read32(ACCEL_REG_CORE_CLOCK);
    ASSERT_LT(clock, 1000U);
    EXPECT_GT(slow, cool * 1000 / (clock + 100));
    EXPECT_EQ(duration(copy(memory, in_host, transfer_size)), moved);
}

// Bytes for each tick that queues full of copies get together.
class LinkRate : public Timing {
  protected:
    static constexpr std::uint64_t transfer_size = std::uint64_t{64} * 1024;
    static constexpr std::uint64_t command_count = 64;

    // One queue for each element; true: its copies read from the host.
    double rate(const std::vector<bool>& from_host) {
        std::vector<std::unique_ptr<Queue>> queues;
        const std::uint64_t records = space.allocate(page_size * from_host.size());
        for (std::size_t i = 0; i < from_host.size(); ++i) {
            const std::uint64_t in_host = space.allocate(transfer_size, Layout::host_large);
            const std::uint64_t device = space.allocate(transfer_size, Layout::device_large);
            const accel_command command = from_host[i] ? copy(device, in_host, transfer_size)
                                                       : copy(in_host, device, transfer_size);
            queues.push_back(std::make_unique<Queue>(space, static_cast<std::uint32_t>(i + 1)));
            EXPECT_EQ(queues[i]->run(command), ACCEL_OK);  // fetches the translations
            rest();
            for (std::uint64_t j = 0; j < command_count; ++j) {
                (void)queues[i]->enqueue(with_record(command, records + i * page_size + j * 32));
            }
        }
        std::vector<std::pair<std::uint32_t, std::uint64_t>> doorbells;
        doorbells.reserve(queues.size());
        for (auto& q : queues) {
            doorbells.emplace_back(q->id(), q->tail());
        }
        host.doorbells(doorbells);
        std::uint64_t first = UINT64_MAX;
        std::uint64_t last = 0;
        for (std::size_t i = 0; i < queues.size(); ++i) {
            EXPECT_EQ(queues[i]->wait(queues[i]->tail()), ACCEL_OK);
            const auto written =
                space.load<accel_completion_record>(records + i * page_size, command_count);
            first = std::min<std::uint64_t>(first, written.front().start);
            last = std::max<std::uint64_t>(last, written.back().end);
        }
        return static_cast<double>(transfer_size * command_count * queues.size()) /
               static_cast<double>(last - first);
    }
    [[nodiscard]] double link_rate(std::uint64_t wire) const {
        return static_cast<double>(transfer_size) * card::picoseconds_per_tick /
               static_cast<double>(link.time(wire));
    }
};

TEST_F(LinkRate, ReadsReachTheRateOfTheLink) {
    const double most = link_rate(link.completion_bytes(0, transfer_size));
    const double got = rate({true, true, true, true});
    EXPECT_LE(got, most);
    EXPECT_GE(got, 0.99 * most);
}

TEST_F(LinkRate, WritesReachTheRateOfTheLink) {
    const double most = link_rate(link.write_bytes(0, transfer_size));
    const double got = rate({false, false, false, false});
    EXPECT_LE(got, most);
    EXPECT_GE(got, 0.99 * most);
}

// The link has two directions; the requests of reads share one with the writes.
TEST_F(LinkRate, BothDirectionsAtOnceReachBothRates) {
    const double most =
        link_rate(link.completion_bytes(0, transfer_size)) +
        link_rate(link.write_bytes(0, transfer_size) + link.request_bytes(0, transfer_size));
    const double got = rate({true, false, true, false});
    EXPECT_LE(got, 1.01 * most);
    EXPECT_GE(got, 0.90 * most);
}

TEST_F(Timing, ASmallCommandDoesNotWaitForALongCopy) {
    const std::uint64_t in_host = space.allocate(4 << 20, Layout::host_large);
    const std::uint64_t device = space.allocate(4 << 20, Layout::device_large);
    const std::uint64_t records = space.allocate(page_size);
    Queue bulk(space, 1);
    const accel_command small = copy(device, in_host, 64);
    (void)time(bulk, copy(device, in_host, 4 << 20));
    const std::uint64_t alone = warm_duration(small);
    rest();
    (void)bulk.enqueue(with_record(copy(device, in_host, 4 << 20), records));
    (void)queue.enqueue(with_record(small, records + 32));
    host.doorbells(
        std::array{std::pair{bulk.id(), bulk.tail()}, std::pair{queue.id(), queue.tail()}});
    EXPECT_EQ(bulk.wait(bulk.tail()), ACCEL_OK);
    EXPECT_EQ(queue.wait(queue.tail()), ACCEL_OK);
    const auto times = space.load<accel_completion_record>(records, 2);
    EXPECT_LT(times[0].start, times[1].end);
    EXPECT_LT(times[1].end, times[0].end);
    EXPECT_LE(times[1].end - times[1].start, alone + 50);
}

TEST_F(Timing, ACompletionIsNotVisibleBeforeItsTime) {
    const std::uint64_t in_host = space.allocate(std::uint64_t{64} * 1024, Layout::host_large);
    const std::uint64_t device = space.allocate(std::uint64_t{64} * 1024, Layout::device_large);
    std::atomic<std::uint64_t> seen{0};
    const std::uint64_t bus = space.locate(queue.status_address()).address;
    (void)time(queue, copy(device, in_host, 65536));
    host.set_access_hook([&](std::uint64_t address, bool write) {
        if (write && address == bus) {  // `completed` is the first word
            seen = host.clock();
        }
    });
    const accel_completion_record record = time(queue, copy(device, in_host, 65536));
    host.set_access_hook(nullptr);
    // The record is a small packet, and the write of `completed` follows it.
    EXPECT_GE(seen, record.end + ACCEL_TIMING_LINK);
    EXPECT_LE(seen, record.end + ACCEL_TIMING_LINK + 50);
}

// The times in the records of mixed commands on all engines, coupled by a semaphore.
std::vector<std::uint64_t> times_of_mixed_commands() {
    TestHost host(timed());
    AddressSpace space(host, 0);
    Queue first(space, 0);
    Queue second(space, 1, {.entries = 64, .vector = 2, .priority = 1});
    const std::uint64_t data = space.allocate(1 << 20, Layout::scattered);
    const std::uint64_t device = space.allocate(1 << 20, Layout::device);
    const std::uint64_t records = space.allocate(2 * page_size);
    const std::uint64_t word = space.allocate(page_size);
    for (std::uint64_t i = 0; i < 24; ++i) {
        const std::uint64_t bytes = 1000 + i * 997;
        (void)first.enqueue(
            with_record(copy(device + i * 32768, data + i * 8192, bytes), records + i * 32));
        (void)first.enqueue(signal(word, i + 1));
        (void)second.enqueue(wait_for(word, i + 1));
        (void)second.enqueue(
            with_record(fill(device + i * 32768, 0x55, 1, bytes), records + page_size + i * 32));
    }
    first.arm(48);
    // Both doorbells at one moment of virtual time: otherwise the runs could differ.
    host.doorbells(std::array{std::pair{0U, std::uint64_t{48}}, std::pair{1U, std::uint64_t{48}}});
    EXPECT_EQ(first.wait(48), ACCEL_OK);
    EXPECT_EQ(second.wait(48), ACCEL_OK);
    std::vector<std::uint64_t> times;
    std::uint64_t base = 0;
    for (const std::uint64_t page : {records, records + page_size}) {
        for (const accel_completion_record& record :
             space.load<accel_completion_record>(page, 24)) {
            base = base == 0 ? record.start : base;
            times.push_back(record.start - base);
            times.push_back(record.end - base);
        }
    }
    return times;
}

TEST(VirtualTime, TwoRunsHaveTheSameTicks) {
    EXPECT_EQ(times_of_mixed_commands(), times_of_mixed_commands());
}

}  // namespace
}  // namespace accel::test
