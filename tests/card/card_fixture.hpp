// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the card's tests: a card with one context and one queue, and random values.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "command_builders.hpp"
#include "fixture/queue.hpp"
#include "fixture/stall.hpp"

namespace accel::test {

inline constexpr Layout layouts[] = {Layout::host, Layout::host_large, Layout::device,
                                     Layout::device_large, Layout::scattered};

// At the start of a test that stalls a thread of the card (see Stall).
#define ACCEL_NEEDS_THREADS(host)                                                \
    do {                                                                         \
        if ((host).timed()) {                                                    \
            GTEST_SKIP() << "a card with a timing model has no thread to stall"; \
        }                                                                        \
    } while (false)

class CardTest : public testing::Test {
  protected:
    CardTest() = default;
    explicit CardTest(const HostOptions& options) : host(options) {}

    // Runs a command that must fail, checks that the error block and the event agree, and resets
    // the queue.
    accel_event expect_error(accel_status expected, const accel_command& command) {
        const std::uint64_t sequence = queue.submit(command);
        EXPECT_EQ(queue.wait(sequence), expected);
        const auto event = host.next_event();
        if (!event) {
            ADD_FAILURE() << "no event";
            return {};
        }
        const accel_queue_status page = queue.status();
        EXPECT_EQ(page.state, ACCEL_QUEUE_ERROR);
        EXPECT_EQ(page.completed, sequence - 1);
        EXPECT_EQ(page.error_sequence, sequence);
        EXPECT_EQ(event->type, ACCEL_EVENT_QUEUE_ERROR);
        EXPECT_EQ(event->queue, queue.id());
        EXPECT_EQ(event->context, space.id());
        EXPECT_EQ(event->status, page.error);
        EXPECT_EQ(event->command_sequence, page.error_sequence);
        EXPECT_EQ(event->address, page.error_address);
        EXPECT_EQ(event->list_index, page.error_list_index);
        EXPECT_EQ(event->opcode, page.error_opcode);
        EXPECT_EQ(queue.reset(), ACCEL_OK);
        return *event;
    }
    void expect_fault(accel_status expected, std::uint64_t address, const accel_command& command) {
        EXPECT_EQ(expect_error(expected, command).address, address);
    }

    template <typename Params>
    accel_command tensor_command(accel_opcode opcode, const Operands& operands,
                                 const Params& params) {
        if (params_ == 0) {
            params_ = space.allocate(page_size);
        }
        space.store_one(params_, params);
        return tensor(opcode, operands, params_, sizeof params);
    }

    TestHost host;
    AddressSpace space{host, 0};
    Queue queue{space, 0};

  private:
    std::uint64_t params_ = 0;
};

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t bits() { return engine_(); }
    std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
    bool coin() { return below(2) != 0; }
    template <typename T, std::size_t N>
    T one_of(const T (&values)[N]) {
        return values[below(N)];
    }
    // Mostly ordinary numbers; sometimes a zero, infinity, NaN or subnormal.
    float value() {
        static constexpr float special[] = {0.0F,
                                            -0.0F,
                                            1e-40F,
                                            -1e-45F,
                                            3e38F,
                                            -3e38F,
                                            std::numeric_limits<float>::infinity(),
                                            -std::numeric_limits<float>::infinity(),
                                            std::numeric_limits<float>::quiet_NaN(),
                                            1.0F};
        return below(64) == 0 ? one_of(special)
                              : std::normal_distribution<float>(0.0F, 3.0F)(engine_);
    }
    std::vector<float> values(std::size_t count) {
        std::vector<float> out(count);
        for (auto& value : out) {
            value = this->value();
        }
        return out;
    }
    std::vector<float> ordinary(std::size_t count) {
        std::vector<float> out(count);
        for (auto& value : out) {
            value = std::normal_distribution<float>(0.0F, 3.0F)(engine_);
        }
        return out;
    }
    std::vector<std::uint8_t> bytes(std::size_t count) {
        std::vector<std::uint8_t> out(count);
        for (auto& byte : out) {
            byte = static_cast<std::uint8_t>(engine_());
        }
        return out;
    }

  private:
    std::mt19937_64 engine_;
};

// Whether all values have the same bits; all NaNs are equal.
[[nodiscard]] inline testing::AssertionResult same_bits(const std::vector<float>& got,
                                                        const std::vector<float>& expected) {
    if (got.size() != expected.size()) {
        return testing::AssertionFailure() << got.size() << " values, not " << expected.size();
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(expected[i]) &&
            !(std::isnan(got[i]) && std::isnan(expected[i]))) {
            return testing::AssertionFailure()
                   << "value " << i << " is " << got[i] << ", not " << expected[i];
        }
    }
    return testing::AssertionSuccess();
}

}  // namespace accel::test
