// SPDX-License-Identifier: Apache-2.0
//
// COPY, FILL and the semaphores.
#include <fmt/core.h>

#include "checks_values.hpp"

namespace accel::tools {

std::string check_copy_fill(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t rows = 17;
    constexpr std::size_t row = 61;
    constexpr std::size_t stride = 128;
    auto from = device.allocate<std::uint8_t>({rows * stride});
    auto to = device.allocate<std::uint8_t>({rows * stride});
    RandomNumbers numbers(41);
    for (std::uint8_t& byte : from) {
        byte = static_cast<std::uint8_t>(numbers.next());
    }
    to.fill(0xee);
    context.finish(queue.submit(Copy{.dst = to,
                                     .src = from,
                                     .bytes = row,
                                     .rows = rows,
                                     .dst_stride = stride,
                                     .src_stride = stride}),
                   "a strided copy");
    for (std::size_t i = 0; i < to.size(); ++i) {
        const std::uint8_t expected = i % stride < row ? from[i] : 0xee;
        if (to[i] != expected) {
            throw CheckFailed(fmt::format("a strided copy: byte {} is {:02x}, expected {:02x}", i,
                                          to[i], expected));
        }
    }
    auto filled = device.allocate<std::uint64_t>({1000});
    context.finish(queue.submit(fill(filled, std::uint64_t{0x0123456789abcdef})), "a fill");
    for (const std::uint64_t word : filled) {
        if (word != 0x0123456789abcdef) {
            throw CheckFailed(fmt::format("a fill wrote {:016x}, expected 0123456789abcdef", word));
        }
    }
    return "strided copy and fill";
}

std::string check_semaphores(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue producer = device.create_queue();
    Queue consumer = device.create_queue();
    const Semaphore semaphore = device.create_semaphore();
    auto word = device.allocate<std::uint32_t>({1});
    const auto seen = device.allocate<std::uint32_t>({16});
    for (std::uint32_t round = 1; round <= seen.size(); ++round) {
        // Each queue waits for the other, so neither can run ahead.
        consumer.submit(semaphore.wait(std::uint64_t{2} * round - 1));
        consumer.submit(copy(seen.slice(round - 1, 1), word));
        const Job last = consumer.submit(semaphore.signal(std::uint64_t{2} * round));
        producer.submit(fill(word, round));
        producer.submit(semaphore.signal(std::uint64_t{2} * round - 1));
        context.finish(last, "two queues in turn");
    }
    for (std::uint32_t i = 0; i < seen.size(); ++i) {
        if (seen[i] != i + 1) {
            throw CheckFailed(fmt::format("round {}: the second queue read {}, expected {}", i + 1,
                                          seen[i], i + 1));
        }
    }
    return fmt::format("two queues in turn, {} rounds", seen.size());
}

}  // namespace accel::tools
