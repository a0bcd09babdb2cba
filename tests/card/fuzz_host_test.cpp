// SPDX-License-Identifier: Apache-2.0
//
// Random scripts against the card: whatever a process, or even the driver, does, the card stays up
// and keeps what is not theirs.
#include "fuzz_host.hpp"
#include "card_fixture.hpp"

namespace accel::test {
namespace {

void play(const Hostile::Powers& powers, int scripts, std::uint64_t seed) {
    Hostile hostile(powers);
    Random random(seed);
    for (int i = 0; i < scripts; ++i) {
        const auto script = random.bytes(100 + random.below(2000));
        const std::string wrong = hostile.run(script);
        ASSERT_EQ(wrong, "") << "script " << i;
    }
}

TEST(HostileHost, AProcessHarmsOnlyItself) {
    play({}, 250, 1);
}

TEST(HostileHost, PageTablesOfAnyContentAreSurvived) {
    play({.tables = true}, 200, 2);
}

TEST(HostileHost, RegistersAndAdminCommandsOfAnyContentAreSurvived) {
    play({.tables = true, .registers = true}, 250, 3);
}

// Nothing but random bytes as commands: a queue fails, is reset, and goes on with the next.
class HostileRing : public CardTest {};

TEST_F(HostileRing, ManyThousandRandomCommands) {
    Random random(4);
    std::uint64_t errors = 0;
    for (int i = 0; i < 20'000; ++i) {
        accel_command command{};
        const auto bytes = random.bytes(sizeof command);
        std::memcpy(&command, bytes.data(), sizeof command);
        if (random.coin()) {  // past the first checks
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
