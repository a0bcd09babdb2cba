// SPDX-License-Identifier: Apache-2.0
//
// Defects: the card shows the planted defect, and no other.
#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Defect : public CardTest {
  protected:
    accel_status admin_nop() { return host.admin(admin_command(ACCEL_ADMIN_NOP, 0)); }
    void power_up() {
        ASSERT_TRUE(host.wait_ready());
        host.enable();
    }
};

TEST_F(Defect, HungEnginesRunNoCommandUntilAFunctionReset) {
    host.set_defect(ACCEL_DEFECT_ENGINES);
    queue.submit(nop());
    EXPECT_EQ(admin_nop(), ACCEL_OK);
    EXPECT_EQ(queue.status().completed, 0U);
    EXPECT_EQ(host.read64(ACCEL_REG_COMMANDS), 0U);
    host.function_reset();
    power_up();
    AddressSpace fresh(host, 1);
    Queue other(fresh, 1);
    EXPECT_EQ(other.run(nop()), ACCEL_OK);
}

TEST_F(Defect, RepairedEnginesContinueWhereTheyStopped) {
    host.set_defect(ACCEL_DEFECT_ENGINES);
    const std::uint64_t sequence = queue.submit(nop());
    EXPECT_EQ(admin_nop(), ACCEL_OK);
    host.set_defect(ACCEL_DEFECT_NONE);
    EXPECT_EQ(queue.wait(sequence), ACCEL_OK);
}

TEST_F(Defect, AQueueOfHungEnginesCanBeReset) {
    host.set_defect(ACCEL_DEFECT_ENGINES);
    queue.submit(nop());
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    host.set_defect(ACCEL_DEFECT_NONE);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}

TEST_F(Defect, AHungAdminQueueDoesNotDelayOtherQueues) {
    host.set_defect(ACCEL_DEFECT_ADMIN);
    const std::uint64_t sequence = host.post_admin(admin_command(ACCEL_ADMIN_NOP, 0));
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    host.set_defect(ACCEL_DEFECT_NONE);
    EXPECT_EQ(host.wait_admin(sequence), ACCEL_OK);
}

TEST_F(Defect, AHungResetEndsWithTheDefect) {
    host.set_defect(ACCEL_DEFECT_RESET);
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    host.function_reset();
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_RESETTING);
    host.set_defect(ACCEL_DEFECT_NONE);
    power_up();
    EXPECT_EQ(admin_nop(), ACCEL_OK);
}

TEST_F(Defect, HotAirHeatsTheCardAndLowersItsClock) {
    host.advance_clock(10'000'000);
    const std::uint32_t cool = host.read32(ACCEL_REG_TEMPERATURE);
    host.set_ambient(120'000);
    EXPECT_TRUE(eventually([&] {
        host.advance_clock(2'000'000);
        return (host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_THROTTLED) != 0;
    }));
    EXPECT_NEAR(host.read32(ACCEL_REG_TEMPERATURE), cool + 85'000, 3'000);
    EXPECT_EQ(host.read32(ACCEL_REG_CORE_CLOCK), 500U);
}

}  // namespace
}  // namespace accel::test
