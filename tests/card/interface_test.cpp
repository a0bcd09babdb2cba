// SPDX-License-Identifier: Apache-2.0
//
// The C interface: refused configurations, and callbacks around each thread of the core.
#include <array>
#include <atomic>
#include <cerrno>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

struct Seen {
    std::atomic<int> entered{0};
    std::atomic<int> left{0};
};

accel_core_callbacks callbacks() {
    return {.read = [](void*, std::uint64_t, void*, std::size_t) { return false; },
            .write = [](void*, std::uint64_t, const void*, std::size_t) { return false; },
            .read64 = [](void*, std::uint64_t, std::uint64_t*) { return false; },
            .write64 = [](void*, std::uint64_t, std::uint64_t) { return false; },
            .interrupt = [](void*, unsigned) {},
            .log = [](void*, accel_log_level, const char*) {},
            .clock = [](void*) { return std::uint64_t{1}; },
            .timer = [](void*, std::uint64_t) {},
            .thread_enter = [](void* seen) { ++static_cast<Seen*>(seen)->entered; },
            .thread_leave = [](void* seen) { ++static_cast<Seen*>(seen)->left; }};
}

class Interface : public testing::Test {
  protected:
    void refuse(auto change) {
        accel_core_config config = good;
        accel_core_callbacks calls = callbacks();
        change(config, calls);
        std::array<char, 100> error{};
        errno = 0;
        EXPECT_EQ(accel_core_create(&config, &calls, nullptr, error.data(), error.size()), nullptr);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_NE(error[0], '\0');
        // A short buffer, or none, for the sentence must not matter.
        std::array<char, 4> little{'x', 'x', 'x', 'x'};
        EXPECT_EQ(accel_core_create(&config, &calls, nullptr, little.data(), 3), nullptr);
        EXPECT_EQ(little[2], '\0');
        EXPECT_EQ(little[3], 'x');
        EXPECT_EQ(accel_core_create(&config, &calls, nullptr, nullptr, 0), nullptr);
    }

    std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(1 << 20);
    accel_core_config good{.memory = memory.data(),
                           .memory_size = memory.size(),
                           .serial = 1,
                           .queues = 4,
                           .contexts = 4,
                           .vectors = 4,
                           .ring_entries = 64,
                           .link = nullptr,
                           .threads = 1};
};

TEST_F(Interface, RefusesImpossibleConfigurations) {
    for (const std::uint32_t bad : {0U, 4097U}) {
        refuse([&](auto& config, auto&) { config.queues = bad; });
        refuse([&](auto& config, auto&) { config.contexts = bad; });
        refuse([&](auto& config, auto&) { config.vectors = bad; });
    }
    for (const std::uint32_t bad : {0U, 1U, 63U, 131072U}) {
        refuse([&](auto& config, auto&) { config.ring_entries = bad; });
    }
    for (const accel_core_link& bad :
         {accel_core_link{0, 8, 256, 512, 64}, accel_core_link{7, 8, 256, 512, 64},
          accel_core_link{3, 3, 256, 512, 64}, accel_core_link{3, 8, 64, 512, 64},
          accel_core_link{3, 8, 256, 128, 64}, accel_core_link{3, 8, 256, 512, 512}}) {
        refuse([&](auto& config, auto&) { config.link = &bad; });
    }
    refuse([](auto& config, auto&) { config.threads = 1025; });
    const accel_core_link link{3, 8, 256, 512, 64};
    refuse([&](auto& config, auto& calls) {
        config.link = &link;
        calls.timer = nullptr;
    });
    refuse([](auto& config, auto&) { config.memory = nullptr; });
    refuse([](auto& config, auto&) { ++config.memory; });
    refuse([](auto& config, auto&) { config.memory_size = 100; });
    refuse([](auto& config, auto&) { config.memory_size = std::uint64_t{1} << 48; });
    refuse([](auto&, auto& calls) { calls.read = nullptr; });
    refuse([](auto&, auto& calls) { calls.write = nullptr; });
    refuse([](auto&, auto& calls) { calls.read64 = nullptr; });
    refuse([](auto&, auto& calls) { calls.write64 = nullptr; });
    refuse([](auto&, auto& calls) { calls.interrupt = nullptr; });
    refuse([](auto&, auto& calls) { calls.log = nullptr; });
    refuse([](auto&, auto& calls) { calls.clock = nullptr; });
}

TEST_F(Interface, CallsEnterAndLeaveInEveryThread) {
    for (const int threads : {1, 5}) {
        Seen seen;
        const int all =
            threads + 2;  // two engines, the control thread, and a team that is one less
        good.threads = static_cast<std::uint32_t>(threads);
        const accel_core_callbacks calls = callbacks();
        accel_core* const core = accel_core_create(&good, &calls, &seen, nullptr, 0);
        ASSERT_NE(core, nullptr);
        EXPECT_TRUE(eventually([&] { return seen.entered == all; }));
        EXPECT_EQ(seen.left, 0);
        accel_core_destroy(core);
        EXPECT_EQ(seen.entered, all);
        EXPECT_EQ(seen.left, all);
    }
}

TEST_F(Interface, WorksWithoutThreadCallbacksAndDeviceMemory) {
    accel_core_callbacks calls = callbacks();
    calls.thread_enter = calls.thread_leave = nullptr;
    good.memory = nullptr;
    good.memory_size = 0;
    accel_core* const core = accel_core_create(&good, &calls, nullptr, nullptr, 0);
    ASSERT_NE(core, nullptr);
    EXPECT_EQ(accel_core_register_read(core, ACCEL_REG_MAGIC, 4), ACCEL_MAGIC);
    EXPECT_EQ(accel_core_register_read(core, ACCEL_REG_MEMORY_SIZE, 8), 0U);
    accel_core_destroy(core);
}

}  // namespace
}  // namespace accel::test
