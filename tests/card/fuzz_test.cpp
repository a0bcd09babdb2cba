// SPDX-License-Identifier: Apache-2.0
//
// Random scripts: the card survives anything that a process does, or even the driver, and isolates
// the other contexts.
#include "card_fixture.hpp"
#include "fuzz_host.hpp"

namespace accel::test {
namespace {

void play(const FuzzHost::Control& control, int scripts, std::uint64_t seed) {
    FuzzHost host(control);
    Random random(seed);
    for (int i = 0; i < scripts; ++i) {
        const auto script = random.bytes(100 + random.below(2000));
        const std::string fault = host.run(script);
        ASSERT_EQ(fault, "") << "script " << i;
    }
}

TEST(FuzzedHost, AProcessHarmsOnlyItself) {
    play({}, 250, 1);
}

TEST(FuzzedHost, TheCardSurvivesPageTablesOfAnyContent) {
    play({.tables = true}, 200, 2);
}

TEST(FuzzedHost, TheCardSurvivesRegistersAndAdminCommandsOfAnyContent) {
    play({.tables = true, .registers = true}, 250, 3);
}

// Commands of random bytes: the queue fails, is reset, and runs the next one.
class FuzzedRing : public CardTest {};

TEST_F(FuzzedRing, RandomCommandsFailAndTheQueueRecovers) {
    Random random(4);
    std::uint64_t errors = 0;
    for (int i = 0; i < 20'000; ++i) {
        accel_command command{};
        const auto bytes = random.bytes(sizeof command);
        std::memcpy(&command, bytes.data(), sizeof command);
        if (random.coin()) {  // passes the first checks
            static constexpr std::uint8_t opcodes[] = {0, 1, 2, 3, 16, 17, 32, 33, 34, 35};
            command.opcode = random.one_of(opcodes);
            command.flags = 0;
            command.variant = static_cast<std::uint16_t>(random.below(3));
            command.reserved = 0;
            command.record = 0;
        }
        const accel_status status = queue.run(command);
        ASSERT_LE(status, ACCEL_INTERNAL);
        if (status != ACCEL_OK) {
            ++errors;
            ASSERT_EQ(queue.reset(), ACCEL_OK);
        }
    }
    EXPECT_GT(errors, 10'000U);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}

}  // namespace
}  // namespace accel::test
