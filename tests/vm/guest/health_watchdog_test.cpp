// SPDX-License-Identifier: Apache-2.0
//
// The watchdog: a queue that makes no progress is stopped, engines that make none cost a reset, and
// a slow job is left alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "commands.hpp"
#include "coredump.hpp"
#include "health.hpp"
#include "sanity.hpp"

namespace {

class Watchdog : public uapi::Health {
  protected:
    void SetUp() override {
        Health::SetUp();
        if (!IsSkipped()) {
            if ((uapi::File().info().features & ACCEL_FEATURE_SHARING) == 0) {
                GTEST_SKIP() << "the card does not report the progress of queues";
            }
            uapi::Coredump::discard(card());
            set_attribute("time_limit_ms", "400");
        }
    }
    /// Ends all files, by engines that hang.
    void hang_engines(int error = ESTALE, accel_reason reason = ACCEL_REASON_RECOVERY) const {
        const uapi::File file;
        uapi::Queue queue(file);
        queue.run(uapi::nop());
        plant("engines");
        EXPECT_EQ(queue.wait_until(queue.submit(uapi::nop()), INT64_MAX), error);
        EXPECT_EQ(uapi::context_of(file).reason, reason);
    }
};

TEST_F(Watchdog, AQueueWithoutProgressIsStoppedAndItsOwnerIsTold) {
    const uapi::File file;
    const std::uint64_t generation = file.info().generation;
    const uapi::Buffer memory(file, uapi::page);
    uapi::Queue queue(file);
    plant("progress");
    const std::uint64_t sequence = queue.submit(uapi::fill(memory.address(), 0x5eed, uapi::page));
    EXPECT_EQ(queue.wait_until(sequence, INT64_MAX), ETIME);
    const accel_queue_query query = queue.query();
    EXPECT_EQ(query.state, static_cast<std::uint32_t>(ACCEL_QUEUE_ERROR));
    EXPECT_EQ(query.error, static_cast<std::uint32_t>(ACCEL_NO_PROGRESS));
    EXPECT_EQ(query.reason, static_cast<std::uint32_t>(ACCEL_REASON_NO_PROGRESS));
    EXPECT_EQ(query.error_sequence, sequence);
    EXPECT_EQ(query.error_opcode, static_cast<std::uint32_t>(ACCEL_OP_FILL));
    EXPECT_EQ(queue.status().error_opcode, static_cast<std::uint32_t>(ACCEL_OP_FILL));
    EXPECT_TRUE(logged("queue-hung"));
    // It costs nobody a reset.
    EXPECT_EQ(file.info().generation, generation);
    EXPECT_EQ(uapi::context_of(file).reason, ACCEL_REASON_NONE);
    plant("none");
    ASSERT_EQ(queue.reset(), 0);
    uapi::Queue next(file);
    next.run(uapi::fill(memory.address(), 7, uapi::page));
    uapi::expect_working_card();
}

TEST_F(Watchdog, AHangIsDumpedWithTheCommandsOfTheQueue) {
    const uapi::File file;
    const uapi::Buffer memory(file, uapi::page);
    uapi::Queue queue(file);
    plant("progress");
    const accel_command command = uapi::fill(memory.address(), 0x5eed, uapi::page);
    EXPECT_EQ(queue.wait_until(queue.submit(command), INT64_MAX), ETIME);
    const uapi::Coredump dump(card());
    EXPECT_EQ(dump.value("", "accel-coredump"), "1");
    EXPECT_EQ(dump.value("card", "cause"), "hang");
    EXPECT_EQ(dump.value("card", "pid"), std::to_string(::getpid()));
    EXPECT_EQ(dump.value("card", "pci"), card().address());
    const std::string name = "queue " + dump.value("card", "queue");
    EXPECT_EQ(dump.value("queues", name + " pid"), std::to_string(::getpid())) << dump.text();
    EXPECT_EQ(dump.value("reports", name + " activity"), std::to_string(ACCEL_ACTIVITY_RUNNING))
        << dump.text();
    std::string bytes;
    for (const std::byte byte : std::as_bytes(std::span(&command, 1))) {
        char text[3];
        std::snprintf(text, sizeof text, "%02x", static_cast<unsigned int>(byte));
        bytes += text;
    }
    EXPECT_EQ(dump.value("commands", "sequence 1"), bytes) << dump.text();
    // The ring has more entries, but nothing else was submitted.
    EXPECT_EQ(dump.value("commands", "sequence 2"), "") << dump.text();
    EXPECT_EQ(dump.value("registers", "magic"), "0x4c454341");
}

TEST_F(Watchdog, ATransferWithoutProgressFailsAlone) {
    const uapi::File file;
    const std::uint64_t generation = file.info().generation;
    const uapi::Buffer memory(file, uapi::page, uapi::device);
    std::array<char, uapi::page> bytes{};
    const auto read = [&] {
        return ::pread(file.fd(), bytes.data(), bytes.size(),
                       static_cast<off_t>(memory.address())) == uapi::page
                   ? 0
                   : errno;
    };
    ASSERT_EQ(read(), 0);
    plant("progress");
    EXPECT_EQ(read(), EIO);
    EXPECT_TRUE(logged("transfer-hung"));
    plant("none");
    EXPECT_EQ(read(), 0);
    EXPECT_EQ(file.info().generation, generation);
}

TEST_F(Watchdog, EnginesWithoutProgressCostAReset) {
    hang_engines();
    EXPECT_TRUE(logged("recovery cause=engines"));
    uapi::expect_working_card();
    const uapi::Coredump dump(card());
    EXPECT_EQ(dump.value("card", "cause"), "recovery");
    EXPECT_EQ(dump.value("card", "detail"), "engines");
}

TEST_F(Watchdog, ACardThatFailsAgainAndAgainIsWedged) {
    for (int i = 0; i < 3; ++i) {
        hang_engines();
        // FLR repairs it.
        uapi::expect_working_card();
    }
    hang_engines(ENOTRECOVERABLE, ACCEL_REASON_WEDGED);
    EXPECT_EQ(state(), "wedged");
    EXPECT_TRUE(logged("cause=too-many-recoveries"));
    EXPECT_EQ(open_error(), ENOTRECOVERABLE);
}

TEST_F(Watchdog, AJobThatMakesProgressIsLeftAlone) {
    set_attribute("time_limit_ms", "0");
    const uapi::File file;
    const uapi::LongJob job(file);
    uapi::Queue queue(file);
    const std::uint64_t sequence = queue.submit(job.command());
    job.started().await(1);
    // From now on the driver expects progress; the card does not know a limit for this queue.
    set_attribute("time_limit_ms", "1500");
    EXPECT_EQ(queue.wait_until(sequence, uapi::deadline_in(std::chrono::seconds(4))), ETIMEDOUT);
    EXPECT_EQ(queue.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
}

TEST_F(Watchdog, AQueueThatWaitsForASemaphoreIsLeftAlone) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore gate(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(gate.address(), 1));
    EXPECT_EQ(queue.wait_until(sequence, uapi::deadline_in(std::chrono::seconds(2))), ETIMEDOUT);
    gate.set(1);
    EXPECT_EQ(queue.wait(sequence), 0);
}

}  // namespace
