// SPDX-License-Identifier: Apache-2.0
//
// Each register: its value, whether it is writable, and the widths of its accesses.
#include <array>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Registers : public testing::Test {
  protected:
    TestHost host{{.enable = false}};
};

struct Expected {
    std::uint64_t offset;
    unsigned bytes;
    std::uint64_t value;
};

TEST_F(Registers, IdentityAndLimitsAreReadOnly) {
    const HostOptions& o = host.options();
    const std::array expected{
        Expected{ACCEL_REG_MAGIC, 4, ACCEL_MAGIC},
        Expected{ACCEL_REG_VERSION, 4, ACCEL_VERSION},
        Expected{ACCEL_REG_FEATURES, 8,
                 ACCEL_FEATURE_SHADOW | ACCEL_FEATURE_CALL | ACCEL_FEATURE_TIMELINE |
                     ACCEL_FEATURE_F32 | ACCEL_FEATURE_SCATTER | ACCEL_FEATURE_IMAGE |
                     ACCEL_FEATURE_TENSOR | ACCEL_FEATURE_SHARING | ACCEL_FEATURE_TENSOR_SCATTER |
                     ACCEL_FEATURE_SMALL_TYPES | ACCEL_FEATURE_LOOPS | ACCEL_FEATURE_ATTENTION},
        Expected{ACCEL_REG_QUEUES, 4, o.queues},
        Expected{ACCEL_REG_CONTEXTS, 4, o.contexts},
        Expected{ACCEL_REG_MEMORY_SIZE, 8, o.device_memory},
        Expected{ACCEL_REG_RING_ENTRIES, 4, o.ring_entries},
        Expected{ACCEL_REG_LIST_COMMANDS, 4, 16384},
        Expected{ACCEL_REG_VECTORS, 4, o.vectors},
        Expected{ACCEL_REG_VA_BITS, 4, ACCEL_VA_BITS},
        Expected{ACCEL_REG_FIRMWARE, 4, 1U << 24},
        Expected{ACCEL_REG_ENGINES, 4, host.timed() ? 1U << 8 | 4U : 1U << 8 | 1U},
        Expected{ACCEL_REG_SERIAL, 8, o.serial},
        Expected{ACCEL_REG_CLOCK_HZ, 4, 1'000'000'000},
        Expected{ACCEL_REG_SEGMENTS, 4, 65536},
        Expected{ACCEL_REG_LIST_STEPS, 4, 1 << 24},
        Expected{ACCEL_REG_CALL_ARGUMENTS, 4, 1024},
        Expected{ACCEL_REG_POWER_CAP_MIN, 4, 20'000},
        Expected{ACCEL_REG_POWER_CAP_MAX, 4, 75'000},
    };
    for (const auto& [offset, bytes, value] : expected) {
        EXPECT_EQ(host.read(offset, bytes), value) << std::hex << offset;
        host.write(offset, ~value, bytes);
        EXPECT_EQ(host.read(offset, bytes), value) << "writable: " << std::hex << offset;
        if (bytes == 8) {
            EXPECT_EQ(host.read32(offset), static_cast<std::uint32_t>(value));
            EXPECT_EQ(host.read32(offset + 4), value >> 32);
        }
    }
}

TEST_F(Registers, HaveTheirResetValues) {
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_READY);
    EXPECT_EQ(host.read32(ACCEL_REG_CONTROL), 0U);
    EXPECT_EQ(host.read32(ACCEL_REG_POWER_CAP), 75'000U);
    for (const std::uint64_t offset :
         {ACCEL_REG_ADMIN_RING, ACCEL_REG_ADMIN_RESULTS, ACCEL_REG_EVENT_RING}) {
        EXPECT_EQ(host.read64(offset), 0U);
    }
    for (const std::uint64_t offset :
         {ACCEL_REG_ADMIN_ENTRIES, ACCEL_REG_ADMIN_DOORBELL, ACCEL_REG_EVENT_ENTRIES,
          ACCEL_REG_EVENT_HEAD, ACCEL_REG_EVENT_LOST}) {
        EXPECT_EQ(host.read32(offset), 0U);
    }
    for (std::uint64_t offset = ACCEL_REG_COMMANDS; offset <= ACCEL_REG_COMPUTE_BUSY; offset += 8) {
        EXPECT_EQ(host.read64(offset), 0U) << std::hex << offset;
    }
}

TEST_F(Registers, AddressRegistersAreWrittenWholeOrByHalves) {
    for (const std::uint64_t offset :
         {ACCEL_REG_ADMIN_RING, ACCEL_REG_ADMIN_RESULTS, ACCEL_REG_EVENT_RING}) {
        host.write64(offset, 0x1122334455667788);
        EXPECT_EQ(host.read64(offset), 0x1122334455667788U);
        host.write32(offset, 0xaabbccdd);
        EXPECT_EQ(host.read64(offset), 0x11223344aabbccddU);
        host.write32(offset + 4, 0x99887766);
        EXPECT_EQ(host.read64(offset), 0x99887766aabbccddU);
        EXPECT_EQ(host.read32(offset), 0xaabbccddU);
        EXPECT_EQ(host.read32(offset + 4), 0x99887766U);
    }
}

TEST_F(Registers, NarrowRegistersKeepTheWrittenValue) {
    for (const std::uint64_t offset :
         {ACCEL_REG_ADMIN_ENTRIES, ACCEL_REG_EVENT_ENTRIES, ACCEL_REG_EVENT_HEAD}) {
        host.write32(offset, 0x12345678);
        EXPECT_EQ(host.read32(offset), 0x12345678U);
    }
}

TEST_F(Registers, AWideAccessToTwoRegistersReachesBoth) {
    EXPECT_EQ(host.read64(ACCEL_REG_MAGIC), ACCEL_MAGIC | std::uint64_t{ACCEL_VERSION} << 32);
    host.write64(ACCEL_REG_EVENT_ENTRIES, 0x0000000700000040);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_ENTRIES), 0x40U);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_HEAD), 7U);
}

TEST_F(Registers, OtherAccessesReadZeroAndHaveNoEffect) {
    host.write32(ACCEL_REG_EVENT_ENTRIES, 0x40);
    for (const unsigned bytes : {1U, 2U, 3U, 16U}) {
        EXPECT_EQ(host.read(ACCEL_REG_MAGIC, bytes), 0U);
        host.write(ACCEL_REG_EVENT_ENTRIES, 0x55, bytes);
    }
    for (const std::uint64_t offset : {1, 2, 3, 6}) {
        EXPECT_EQ(host.read(offset, 4), 0U);
    }
    EXPECT_EQ(host.read(ACCEL_REG_VERSION, 8), 0U);  // not aligned to the size of the access
    host.write(ACCEL_REG_EVENT_ENTRIES - 4, 0x5555555555555555, 8);
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_ENTRIES), 0x40U);
    EXPECT_EQ(host.read(ACCEL_REGISTER_BLOCK - 4, 8), 0U);
    EXPECT_EQ(host.read(ACCEL_REGISTER_BLOCK, 4), 0U);
    EXPECT_EQ(host.read(UINT64_MAX - 3, 4), 0U);
    host.write(UINT64_MAX - 7, 1, 8);
}

TEST_F(Registers, UnknownOffsetsReadZero) {
    // Offsets that accel_hw.h does not name have no register.
    for (std::uint64_t offset = 0x260; offset < ACCEL_REGISTER_BLOCK; offset += 4) {
        host.write32(offset, 0xffffffff);
        ASSERT_EQ(host.read32(offset), 0U) << std::hex << offset;
    }
    for (const std::uint64_t offset : {0x098, 0x118, 0x134, 0x138, 0x258}) {
        EXPECT_EQ(host.read32(offset), 0U) << std::hex << offset;
    }
}

TEST_F(Registers, PowerCapIsClamped) {
    for (const auto& [written, read] :
         {std::pair{0U, 20'000U}, {50'000U, 50'000U}, {0xffffffffU, 75'000U}}) {
        host.write32(ACCEL_REG_POWER_CAP, written);
        EXPECT_EQ(host.read32(ACCEL_REG_POWER_CAP), read);
    }
}

TEST_F(Registers, TheClockRunsThroughResets) {
    const std::uint64_t before = host.read64(ACCEL_REG_CLOCK);
    host.advance_clock(1000);
    const std::uint64_t after = host.read64(ACCEL_REG_CLOCK);
    EXPECT_GE(after, before + 1000);
    ASSERT_TRUE(host.soft_reset());
    EXPECT_GE(host.read64(ACCEL_REG_CLOCK), after);
}

TEST_F(Registers, EnableNeedsValidRings) {
    const auto bring_up = [&](std::uint64_t admin, std::uint64_t results,
                              std::uint32_t admin_entries, std::uint64_t events,
                              std::uint32_t event_entries) {
        EXPECT_TRUE(host.soft_reset());
        host.write64(ACCEL_REG_ADMIN_RING, admin);
        host.write64(ACCEL_REG_ADMIN_RESULTS, results);
        host.write32(ACCEL_REG_ADMIN_ENTRIES, admin_entries);
        host.write64(ACCEL_REG_EVENT_RING, events);
        host.write32(ACCEL_REG_EVENT_ENTRIES, event_entries);
        host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
        return host.read32(ACCEL_REG_STATUS);
    };
    constexpr std::uint32_t fatal = ACCEL_STATUS_READY | ACCEL_STATUS_FATAL;
    constexpr std::uint32_t enabled = ACCEL_STATUS_READY | ACCEL_STATUS_ENABLED;
    const std::uint64_t good = host.memory().allocate(page_size);
    EXPECT_EQ(bring_up(good, good, 2, good, 2), enabled);
    EXPECT_EQ(bring_up(good, good, 64, good, 8192), enabled);
    EXPECT_EQ(bring_up(good + 64, good, 2, good, 2), fatal);
    EXPECT_EQ(bring_up(good, good + 2048, 2, good, 2), fatal);
    EXPECT_EQ(bring_up(good, good, 2, good + 8, 2), fatal);
    for (const std::uint32_t entries : {0U, 1U, 3U, 65U, 128U, 0x80000000U}) {
        EXPECT_EQ(bring_up(good, good, entries, good, 2), fatal) << entries;
    }
    for (const std::uint32_t entries : {0U, 1U, 3U, 1000U, 16384U}) {
        EXPECT_EQ(bring_up(good, good, 2, good, entries), fatal) << entries;
    }
    // Only a reset ends this state.
    host.write32(ACCEL_REG_EVENT_ENTRIES, 2);
    host.write32(ACCEL_REG_CONTROL, 0);
    host.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), fatal);
    ASSERT_TRUE(host.soft_reset());
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS), ACCEL_STATUS_READY);
}

TEST_F(Registers, AWideDoorbellWriteIsIgnoredAndNotCounted) {
    host.doorbell_raw(0, 1, 8);
    host.doorbell_raw(4, 1, 4);
    host.doorbell_raw(0, 1, 2);
    EXPECT_EQ(host.read64(ACCEL_REG_DOORBELLS), 0U);
    host.doorbell(0, 1);
    EXPECT_EQ(host.read64(ACCEL_REG_DOORBELLS), 1U);
}

}  // namespace
}  // namespace accel::test
