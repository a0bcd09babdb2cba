// SPDX-License-Identifier: Apache-2.0
//
// The device coredump: its causes, and what it tells.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "commands.hpp"
#include "coredump.hpp"
#include "health.hpp"

namespace {

/// Processes can cause some dumps at a limited rate, so a test may have to try for some seconds.
class Dump : public uapi::Health {
  protected:
    void SetUp() override {
        Health::SetUp();
        if (!IsSkipped()) {
            uapi::Coredump::discard(card());
        }
    }
    template <typename Disturb>
    [[nodiscard]] uapi::Coredump after(const std::string& cause, Disturb disturb) const {
        std::string found;
        uapi::await(cause.c_str(), [&] {
            disturb();
            ::usleep(200000);
            if (!std::filesystem::exists(card().folder() / "devcoredump")) {
                return false;
            }
            found = uapi::Coredump(card()).value("card", "cause");
            if (found != cause) {
                uapi::Coredump::discard(card());
            }
            return found == cause;
        });
        return uapi::Coredump(card());
    }
};

TEST_F(Dump, OfAFaultHasTheTranslationOfTheAddress) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Buffer readable(file, uapi::page, ACCEL_BUFFER_CARD_READ);
    const uapi::Coredump dump = after("fault", [&] {
        const accel_queue_query query =
            queue.run_to_error(uapi::fill(readable.address(), 1, uapi::page));
        EXPECT_EQ(query.error, static_cast<std::uint32_t>(ACCEL_FAULT_WRITE));
        ASSERT_EQ(queue.reset(), 0);
    });
    EXPECT_EQ(dump.value("card", "pid"), std::to_string(::getpid()));
    EXPECT_EQ(std::stoull(dump.value("page-table", "address"), nullptr, 16), readable.address());
    const std::uint64_t entry = std::stoull(dump.value("page-table", "level 0"), nullptr, 16);
    EXPECT_EQ(entry & (ACCEL_PTE_VALID | ACCEL_PTE_READ | ACCEL_PTE_WRITE | ACCEL_PTE_LEAF),
              ACCEL_PTE_VALID | ACCEL_PTE_READ | ACCEL_PTE_LEAF)
        << dump.text();
    EXPECT_TRUE(dump.has("commands")) << dump.text();
    EXPECT_NE(dump.text().find("queue-error"), std::string::npos) << dump.text();
}

TEST_F(Dump, OfAResetByTheAdministratorHasTheQueues) {
    const uapi::Coredump dump = after("reset", [&] {
        const uapi::File file;
        uapi::Queue queue(file);
        queue.run(uapi::nop());
        card().reset();
    });
    EXPECT_NE(dump.text().find(" pid: " + std::to_string(::getpid())), std::string::npos)
        << dump.text();
    EXPECT_TRUE(dump.has("admin"));
    EXPECT_TRUE(dump.has("event-log"));
}

TEST_F(Dump, IsNotClaimedWhileAnEarlierOneIsKept) {
    const uapi::Coredump dump = after("reset", [&] { card().reset(); });
    const auto count = [&](const std::string& event) {
        const std::string events = attribute("events");
        std::size_t found = 0;
        for (auto at = events.find(event); at != std::string::npos;
             at = events.find(event, at + 1)) {
            ++found;
        }
        return found;
    };
    const std::size_t dumps = count(" coredump cause=");
    const std::size_t kept = count(" coredump-kept cause=reset");
    uapi::await("a reset without a dump", [&] {
        card().reset();
        return count(" coredump-kept cause=reset") > kept;
    });
    // Other events may have taken the place of the first ones.
    EXPECT_LE(count(" coredump cause="), dumps);
}

TEST_F(Dump, IsOneForFailuresAtTheSameTime) {
    for (int round = 0; round < 10; ++round) {
        // A new driver has made no dump yet, so its rate permits one of each cause.
        ASSERT_EQ(uapi::Card::unload(), 0);
        ASSERT_EQ(uapi::Card::load(), 0);
        uapi::Coredump::discard(card());
        const uapi::File file;
        uapi::Queue queue(file);
        std::jthread reset([&] { card().reset(); });
        try {
            static_cast<void>(queue.run_to_error(uapi::fill(uapi::page, 1, uapi::page)));
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code().value(), ESTALE);
        }
        reset.join();
        const std::string events = attribute("events");
        const std::size_t first = events.find(" coredump cause=");
        ASSERT_NE(first, std::string::npos) << events;
        EXPECT_EQ(events.find(" coredump cause=", first + 1), std::string::npos) << events;
    }
}

TEST_F(Dump, IsOnlyForRoot) {
    const uapi::Coredump dump = after("reset", [&] { card().reset(); });
    uapi::Process user([&] {
        uapi::become_user();
        const uapi::Descriptor data(
            ::open((card().folder() / "devcoredump" / "data").c_str(), O_RDONLY | O_CLOEXEC));
        uapi::check(data.get() < 0 && errno == EACCES, "a plain user could read the dump");
    });
    EXPECT_EQ(user.wait(), 0);
}

}  // namespace
