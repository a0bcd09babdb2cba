// SPDX-License-Identifier: Apache-2.0
//
// Jobs that fail on the card: the error, the fate of later jobs, and the recovery of the queue. And
// cards that are reset or gone.
#include <atomic>
#include <thread>
#include <utility>

#include "command_text.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

// A raw command, which bypasses the checks of the library.
Command raw(const accel_command& command) {
    std::array<std::byte, 64> bytes{};
    std::memcpy(bytes.data(), &command, sizeof(command));
    return Command::raw(bytes);
}

class FailureTest : public SdkTest {
  protected:
    FailureTest() : card(open()), queue(card.create_queue()) {}

    Device card;
    Queue queue;

    void TearDown() override {
        // The device and the queue belong to the test case and end before the check.
        { const Queue gone = std::move(queue); }
        { const Device gone = std::move(card); }
        SdkTest::TearDown();
    }
};

struct StatusCase {
    const char* name;
    CardStatus status;
    accel_command command;
    std::uint64_t address = 0;
};

accel_command command_of(std::uint8_t opcode) {
    accel_command command{};
    command.opcode = opcode;
    return command;
}

accel_command fill_at(std::uint64_t address, std::uint64_t bytes = 8) {
    accel_command command = command_of(ACCEL_OP_FILL);
    command.variant = 8;
    command.fill.dst = address;
    command.fill.bytes = bytes;
    command.fill.rows = 1;
    return command;
}

std::vector<StatusCase> status_cases() {
    std::vector<StatusCase> cases;
    cases.push_back({"opcode", CardStatus::bad_opcode, command_of(0x7f)});
    accel_command field = command_of(ACCEL_OP_NOP);
    field.reserved = 1;
    cases.push_back({"field", CardStatus::bad_field, field});
    cases.push_back({"alignment", CardStatus::bad_alignment, fill_at(0x7000'0000'0004)});
    cases.push_back({"size", CardStatus::bad_size, fill_at(0x1000, 1ULL << 48)});
    cases.push_back(
        {"unmapped", CardStatus::fault_unmapped, fill_at(0x7000'0000'0000), 0x7000'0000'0000});
    cases.push_back({"unmapped_beyond_48_bits", CardStatus::fault_unmapped,
                     [] {
                         accel_command command = command_of(ACCEL_OP_SIGNAL);
                         command.semaphore.address = 1ULL << 52;
                         return command;
                     }(),
                     1ULL << 52});
    return cases;
}

class EachStatus : public FailureTest, public ::testing::WithParamInterface<StatusCase> {};

TEST_P(EachStatus, ArrivesWithItsSentenceAndTheQueueRecovers) {
    const StatusCase& expected = GetParam();
    queue.submit(Nop{}).wait();
    const Job job = queue.submit(raw(expected.command));
    const Error error = error_of([&] { job.wait(); });
    EXPECT_EQ(error.errc(), std::errc::io_error);
    EXPECT_EQ(error.status(), expected.status);
    ASSERT_TRUE(error.failure().has_value());
    EXPECT_EQ(error.failure()->sequence, 2U);
    EXPECT_EQ(error.failure()->opcode, expected.command.opcode);
    EXPECT_FALSE(error.failure()->list_index.has_value());
    if (expected.address != 0) {
        EXPECT_EQ(error.failure()->address, expected.address);
        expect_says(error, "at address " + detail::hex(expected.address));
    }
    expect_says(error, "job 2 failed", std::string(explain(expected.status)), "Queue::reset()");
    EXPECT_TRUE(job.done());

    queue.reset();
    EXPECT_EQ(error_of([&] { job.wait(); }).status(), expected.status) << "the job stays failed";
    const Job next = queue.submit(Nop{});
    EXPECT_EQ(next.sequence(), 1U);
    next.wait();
}

INSTANTIATE_TEST_SUITE_P(Status, EachStatus, ::testing::ValuesIn(status_cases()),
                         [](const auto& info) { return info.param.name; });

TEST_F(FailureTest, AMissingPermissionIsNamed) {
    const auto read_only = card.allocate<std::uint64_t>({1}, {.access = Access::read});
    const auto write_only = card.allocate<std::uint64_t>({1}, {.access = Access::write});
    const Error write =
        error_of([&] { queue.submit(Fill{.dst = read_only.address(), .bytes = 8}).wait(); });
    EXPECT_EQ(write.status(), CardStatus::fault_write);
    expect_says(write, "may not write", "Access::write");
    queue.reset();
    const Error read =
        error_of([&] { queue.submit(Wait{.word = write_only.address(), .value = 0}).wait(); });
    EXPECT_EQ(read.status(), CardStatus::fault_read);
    expect_says(read, "may not read", "Access::read");
}

TEST_F(FailureTest, ACallThatTheCardRefusesIsExplained) {
    auto memory = card.allocate<accel_command>({2});
    accel_command call = command_of(ACCEL_OP_CALL);
    call.call.list = static_cast<std::uint64_t>(memory.address());
    call.call.count = 2;
    memory[0] = command_of(ACCEL_OP_NOP);
    memory[1] = call;
    const Error nested = error_of([&] { queue.submit(raw(call)).wait(); });
    EXPECT_EQ(nested.status(), CardStatus::nested_call);
    EXPECT_EQ(nested.failure()->list_index, 1U);
    queue.reset();
    memory[1] = fill_at(ACCEL_ARG(3, 0));
    const Error argument = error_of([&] { queue.submit(raw(call)).wait(); });
    EXPECT_EQ(argument.status(), CardStatus::bad_argument);
    expect_says(argument, "CommandList::arguments()");
}

TEST_F(FailureTest, ABufferFreedUnderARawAddressIsAFault) {
    Address address{};
    {
        const auto buffer = card.allocate<int>({4});
        address = buffer.address();
    }
    const Error error = error_of([&] { queue.submit(Fill{.dst = address, .bytes = 16}).wait(); });
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
    expect_says(error, "freed before the job ran");
}

TEST_F(FailureTest, EarlierJobsSucceedAndLaterJobsNameTheFailure) {
    auto buffer = card.allocate<int>({1});
    Gate gate(card);
    queue.submit(gate.closed());
    const Job before = queue.submit(fill(buffer, 1));
    const Job failing = queue.submit(Fill{.dst = nowhere, .bytes = 4});
    const Job behind = queue.submit(fill(buffer, 2));
    gate.open();
    const Error error = error_of([&] { behind.wait(); });
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
    EXPECT_EQ(error.failure()->sequence, failing.sequence());
    expect_says(error, "job 4 did not run", "command 3");
    before.wait();
    EXPECT_EQ(buffer[0], 1);
    expect_says(error_of([&] { failing.wait(); }), "job 3 failed");
    expect_says(error_of([&] { static_cast<void>(failing.wait(0ns)); }), "job 3 failed");
    expect_says(error_of([&] { queue.synchronize(); }), "job 4 did not run");
    ASSERT_TRUE(queue.failure().has_value());
    EXPECT_EQ(queue.failure()->sequence, 3U);
    // The ring accepts commands until it is full; none of them runs.
    expect_says(error_of([&] { queue.submit(fill(buffer, 3)).wait(); }), "job 5 did not run");
    EXPECT_EQ(buffer[0], 1);
}

// The queue may progress and stop between the check of its progress and the check whether it
// stopped.
TEST_F(FailureTest, TheJobBeforeAFailureIsNeverReportedAsFailed) {
    queue.set_spin(never_sleep);
    Gate gate(card);
    const Job job = queue.submit(gate.closed());  // meanwhile the card does not write the page
    accel_queue_status& page = driver->status_page(card.fd());
    std::atomic_ref<__le64> completed(page.completed);
    std::atomic_ref<__le32> state(page.state);
    constexpr int rounds = 5000;
    std::atomic<int> round{0};
    const std::jthread writer([&](const std::stop_token& stop) {
        for (int i = 1; i <= rounds; ++i) {
            while (round.load() != i) {
                if (stop.stop_requested()) {
                    return;
                }
            }
            completed.store(1);
            state.store(ACCEL_QUEUE_ERROR);
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        round.store(i);
        ASSERT_NO_THROW(job.wait());
        while (state.load() != ACCEL_QUEUE_ERROR) {
        }
        state.store(ACCEL_QUEUE_RUNNING);
        completed.store(0);
    }
}

TEST_F(FailureTest, AFullRingOfAStoppedQueueThrows) {
    Queue small = card.create_queue({.entries = 2});
    small.submit(Fill{.dst = nowhere, .bytes = 4});
    small.submit(Nop{});
    EXPECT_EQ(error_of([&] { small.submit(Nop{}); }).status(), CardStatus::fault_unmapped);
    EXPECT_FALSE(small.try_submit(Nop{}).has_value());
    small.reset();
    small.submit(Nop{}).wait();
}

TEST_F(FailureTest, OtherQueuesAndDevicesContinue) {
    Queue other = card.create_queue();
    const Device second = open();
    Queue far = second.create_queue();
    EXPECT_THROW(queue.submit(Fill{.dst = nowhere, .bytes = 4}).wait(), Error);
    other.submit(Nop{}).wait();
    far.submit(Nop{}).wait();
    EXPECT_FALSE(other.failure().has_value());
}

TEST_F(FailureTest, TheStatusPageHasTheFailureWhenTheQueryFails) {
    const Job job = queue.submit(Fill{.dst = nowhere, .bytes = 4});
    while (!job.done()) {
    }
    driver->fail(ACCEL_IOCTL_QUEUE_QUERY, ENODEV);
    const Error error = error_of([&] { job.wait(); });
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
    EXPECT_EQ(error.failure()->sequence, 1U);
}

TEST_F(FailureTest, ResetCancelsUnfinishedJobs) {
    auto buffer = card.allocate<int>({1});
    Gate gate(card);
    const Job finished = queue.submit(fill(buffer, 1));
    finished.wait();
    const Job waiting = queue.submit(gate.closed());
    const Job behind = queue.submit(fill(buffer, 2));
    queue.reset();
    EXPECT_TRUE(finished.done());
    finished.wait();
    EXPECT_TRUE(waiting.done());
    for (const Job& job : {waiting, behind}) {
        const Error error = error_of([&] { job.wait(); });
        EXPECT_EQ(error.errc(), std::errc::operation_canceled);
        EXPECT_FALSE(error.failure().has_value());
        expect_says(error, "job " + std::to_string(job.sequence()), "reset");
    }
    EXPECT_EQ(buffer[0], 1);
    // Sequence numbers restart, but jobs from before the reset keep their own state.
    for (int i = 0; i < 5; ++i) {
        queue.submit(fill(buffer, 10 + i)).wait();
    }
    EXPECT_EQ(error_of([&] { behind.wait(); }).errc(), std::errc::operation_canceled);
    EXPECT_EQ(buffer[0], 14);
}

TEST_F(FailureTest, ResetReleasesTheBuffersOfItsJobs) {
    Gate gate(card);
    queue.submit(gate.closed());
    queue.submit(fill(card.allocate<int>({4}), 1));
    const std::size_t held = driver->buffers();
    queue.reset();
    EXPECT_EQ(driver->buffers(), held - 1);
}

TEST_F(FailureTest, AQueueWhoseResetFailsHasEnded) {
    driver->fail(ACCEL_IOCTL_QUEUE_RESET, ENODEV);
    EXPECT_EQ(error_of([&] { queue.reset(); }).errc(), std::errc::no_such_device);
    const Error error = error_of([&] { queue.submit(Nop{}); });
    EXPECT_EQ(error.errc(), std::errc::operation_canceled);
    expect_says(error, "queue that has ended");
    queue.reset();
    queue.submit(Nop{}).wait();
}

TEST_F(FailureTest, ACardThatWasResetMustBeOpenedAgain) {
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    driver->reset_card();
    EXPECT_FALSE(job.done()) << "polling does not enter the kernel";
    const auto stale = [](const Error& error) {
        EXPECT_EQ(error.code().value(), ESTALE);
        expect_says(error, "open the device again");
    };
    stale(error_of([&] { job.wait(); }));
    stale(error_of([&] { static_cast<void>(job.wait(0ns)); }));
    stale(error_of([&] { static_cast<void>(card.allocate<int>({1})); }));
    stale(error_of([&] { static_cast<void>(card.create_queue()); }));
    stale(error_of([&] { queue.reset(); }));
    const Device again = open();
    Queue fresh = again.create_queue();
    fresh.submit(Nop{}).wait();
    EXPECT_EQ(again.info().generation, 1U);
}

TEST_F(FailureTest, ACardThatIsGoneEndsASleepingWait) {
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    bool pulled = false;
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] {
        if (!std::exchange(pulled, true)) {
            driver->remove_card();
        }
    });
    const Error error = error_of([&] { job.wait(); });
    EXPECT_EQ(error.errc(), std::errc::no_such_device);
    expect_says(error, "cannot wait for job 1", "/dev/accel0", "card is gone");
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
}

}  // namespace
}  // namespace accel::test
