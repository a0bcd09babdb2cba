// SPDX-License-Identifier: Apache-2.0
//
// Why a queue stopped or a device ended: each reason arrives typed, with a sentence that says what
// to do. And each limit of a user has a text of its own.
#include <set>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class ReasonTest : public SdkTest {};

TEST(Reasons, EachHasANameAndASentenceOfItsOwn) {
    std::set<std::string_view> texts{explain(Reason{99}), to_string(Reason{99})};
    for (std::uint32_t reason = ACCEL_REASON_NONE; reason <= ACCEL_REASON_WEDGED; ++reason) {
        EXPECT_TRUE(texts.insert(explain(Reason{reason})).second) << reason;
        EXPECT_TRUE(texts.insert(to_string(Reason{reason})).second) << reason;
    }
}

struct EndCase {
    accel_reason reason;
    int error;
    const char* remedy;
};

class EachEnd : public SdkTest, public ::testing::WithParamInterface<EndCase> {};

TEST_P(EachEnd, ArrivesWithItsReasonFromEveryCall) {
    const auto [raw, error, remedy] = GetParam();
    const auto reason = static_cast<Reason>(raw);
    const Device card = open();
    Queue queue = card.create_queue();
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    EXPECT_FALSE(card.ended().has_value());
    driver->end_files(0, error, raw, 4711);
    const auto expect_end = [&, error = error, remedy = remedy](auto&& action) {
        const Error thrown = error_of(action);
        EXPECT_EQ(thrown.code().value(), error);
        EXPECT_EQ(thrown.reason(), reason);
        expect_says(thrown, explain(reason), remedy, "process 4711");
    };
    expect_end([&] { job.wait(); });
    expect_end([&] { static_cast<void>(card.info()); });
    expect_end([&] { static_cast<void>(card.allocate<int>({1})); });
    expect_end([&] { static_cast<void>(card.create_queue()); });
    expect_end([&] { queue.notify(job); });
    expect_end([&] { static_cast<void>(queue.stats()); });
    expect_end([&] { queue.reset(); });
    const auto end = card.ended();
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->reason, reason);
    EXPECT_EQ(static_cast<int>(end->error), error);
    EXPECT_EQ(end->generation, 0U);
    EXPECT_EQ(end->card_generation, 1U);
    EXPECT_GT(end->time.count(), 0);
    EXPECT_EQ(end->pid, 4711U);
}

INSTANTIATE_TEST_SUITE_P(
    Contract, EachEnd,
    ::testing::Values(EndCase{ACCEL_REASON_RESET, ESTALE, "open the device again"},
                      EndCase{ACCEL_REASON_RECOVERY, ESTALE, "accelctl events"},
                      EndCase{ACCEL_REASON_LINK_ERROR, ESTALE, "check the slot"},
                      EndCase{ACCEL_REASON_SUSPEND, ESTALE, "open the device again"},
                      EndCase{ACCEL_REASON_REMOVED, ENODEV, "accelctl doctor"},
                      EndCase{ACCEL_REASON_WEDGED, ENOTRECOVERABLE, "accelctl reset"}),
    [](const auto& info) {
        return std::string(to_string(static_cast<Reason>(info.param.reason)));
    });

TEST_F(ReasonTest, AnOlderDriverTellsNoReason) {
    driver->knows_reasons = false;
    const Device card = open();
    driver->reset_card();
    const Error error = error_of([&] { static_cast<void>(card.info()); });
    EXPECT_EQ(error.code().value(), ESTALE);
    EXPECT_EQ(error.reason(), Reason::none);
    expect_says(error, "open the device again");
    EXPECT_EQ(error_of([&] { static_cast<void>(card.ended()); }).code().value(), ENOTTY);
}

struct StopCase {
    accel_status status;
    accel_reason reason;
    int error;
    const char* remedy;
};

class EachStop : public SdkTest, public ::testing::WithParamInterface<StopCase> {};

TEST_P(EachStop, ArrivesWithItsReasonAndTheQueueGoesOn) {
    const auto [status, raw, error, remedy] = GetParam();
    const auto reason = static_cast<Reason>(raw);
    for (const bool sleeping : {false, true}) {
        for (const bool knows : {true, false}) {
            driver->knows_reasons = knows;
            const Device card = open();
            Queue queue = card.create_queue({.spin = sleeping ? Duration(0ns) : never_sleep});
            Gate gate(card);
            const Job job = queue.submit(gate.closed());
            const Job behind = queue.submit(Nop{});
            driver->stop_newest_queue(card.fd(), status, raw);
            for (const Job& each : {job, behind}) {
                const Error thrown = error_of([&] { each.wait(); });
                EXPECT_EQ(thrown.code().value(), error);
                EXPECT_EQ(thrown.reason(), reason);
                EXPECT_EQ(thrown.status(), static_cast<CardStatus>(status));
                expect_says(thrown, remedy, "Queue::reset()");
            }
            EXPECT_EQ(queue.failure()->reason, reason);
            queue.reset();
            EXPECT_EQ(error_of([&] { job.wait(); }).reason(), reason);
            queue.submit(Nop{}).wait();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Contract, EachStop,
    ::testing::Values(StopCase{ACCEL_FAULT_READ, ACCEL_REASON_ERROR, EIO, "Access::read"},
                      StopCase{ACCEL_TIME_LIMIT, ACCEL_REASON_TIME_LIMIT, ETIME, "30000 ms"},
                      StopCase{ACCEL_NO_PROGRESS, ACCEL_REASON_NO_PROGRESS, ETIME, "coredump"},
                      StopCase{ACCEL_ABORTED, ACCEL_REASON_STOPPED, EIO, "administrator"}),
    [](const auto& info) {
        return std::string(to_string(static_cast<Reason>(info.param.reason)));
    });

// ---- Limits of a user ----

TEST_F(ReasonTest, EachQuotaHasItsOwnText) {
    const Device card = open();
    Queue first = card.create_queue();
    const auto host = card.allocate<std::byte>({4096});
    const auto device = card.allocate_device<std::byte>({8192});
    const auto expect_quota = [&](const fake::Limits& limits, auto&& action,
                                  const auto&... parts) {
        driver->set_limits(limits);
        const Error error = error_of(action);
        EXPECT_EQ(error.code().value(), EDQUOT);
        expect_says(error, parts...);
    };
    expect_quota(
        {.queues = 1}, [&] { static_cast<void>(card.create_queue()); }, "1 of 1 queues are in use",
        "quota/queues");
    expect_quota(
        {.memory = 10000}, [&] { static_cast<void>(card.allocate_device<std::byte>({4096})); },
        "8192 of 10000 bytes of device memory", "quota/memory");
    expect_quota(
        {.host_memory = 8000}, [&] { static_cast<void>(card.allocate<std::byte>({4096})); },
        "4096 of 8000 bytes of host memory", "quota/host_memory");
    std::vector<std::byte> mine(4096);
    expect_quota(
        {.host_memory = 4096}, [&] { static_cast<void>(card.register_memory(std::span(mine))); },
        "4096 of 4096 bytes of host memory", "quota/host_memory");
    driver->set_locked_limit(100);
    expect_quota(
        {}, [&] { static_cast<void>(card.register_memory(std::span(mine))); },
        "0 of 100 bytes are in use", "ulimit -l");
    expect_quota(
        {.contexts = 1}, [&] { static_cast<void>(open()); },
        "as many contexts of the card as the quota allows (1)", "quota/contexts");
}

TEST_F(ReasonTest, InfoHasTheLimitsOfTheUser) {
    const Device card = open();
    EXPECT_FALSE(card.info().user_queues.limit.has_value());
    driver->set_limits({.contexts = 7,
                        .queues = 5,
                        .memory = 1 << 20,
                        .host_memory = 2 << 20,
                        .priority_max = 1,
                        .time_limit_ms = 250});
    const auto buffer = card.allocate_device<std::byte>({4096});
    const DeviceInfo info = card.info();
    EXPECT_EQ(info.user_contexts.used, 1U);
    EXPECT_EQ(info.user_contexts.limit, 7U);
    EXPECT_EQ(info.user_queues.limit, 5U);
    EXPECT_EQ(info.user_device_memory.used, 4096U);
    EXPECT_EQ(info.user_device_memory.limit, 1U << 20);
    EXPECT_EQ(info.user_host_memory.limit, 2U << 20);
    EXPECT_EQ(info.max_priority, Priority::normal);
    EXPECT_EQ(info.time_limit, 250ms);
    driver->set_limits({.time_limit_ms = 0});
    EXPECT_FALSE(card.info().time_limit.has_value());
}

TEST_F(ReasonTest, APriorityAboveThatOfTheUserIsRefusedWithBoth) {
    driver->set_limits({.priority_max = 1});
    const Device card = open();
    const Queue normal = card.create_queue();
    const Error error =
        error_of([&] { static_cast<void>(card.create_queue({.priority = Priority::urgent})); });
    EXPECT_EQ(error.errc(), std::errc::operation_not_permitted);
    expect_says(error, "QueueOptions::priority is urgent", "at most normal", "CAP_SYS_NICE",
                "quota/priority");
}

TEST_F(ReasonTest, ATimeLimitAboveThatOfTheCardIsRefusedWithBoth) {
    const Device card = open();
    const Queue lower = card.create_queue({.time_limit = 20s});
    const Error error =
        error_of([&] { static_cast<void>(card.create_queue({.time_limit = 31s})); });
    EXPECT_EQ(error.errc(), std::errc::invalid_argument);
    expect_says(error, "QueueOptions::time_limit is 31000 ms", "30000 ms", "time_limit_ms");
    for (const Duration limit : {Duration(-1s), Duration(std::chrono::hours::max())}) {
        EXPECT_EQ(
            error_of([&] { static_cast<void>(card.create_queue({.time_limit = limit})); }).errc(),
            std::errc::invalid_argument);
    }
}

// ---- open() ----

TEST_F(ReasonTest, OpenWaitsForTheEndOfAReset) {
    driver->fail_open(EINTR);
    driver->fail_open(EAGAIN);
    driver->fail_open(EAGAIN);
    EXPECT_EQ(open().info().path, "/dev/accel0");
    for (int i = 0; i < 3; ++i) {
        driver->fail_open(EAGAIN);
    }
    const Error error = error_of([&] { static_cast<void>(open()); });
    EXPECT_EQ(error.errc(), std::errc::resource_unavailable_try_again);
    expect_says(error, "still resetting", "accelctl doctor");
}

class NodesTest : public SdkTest {
  protected:
    NodesTest() : SdkTest({{.serial = 1}, {.serial = 2}}) {}
};

TEST_F(NodesTest, OpenNamesTheNodesThatThereAre) {
    driver->missing_node = 0;
    const Error error = error_of([&] { static_cast<void>(open("/dev/accel0")); });
    EXPECT_EQ(error.errc(), std::errc::no_such_file_or_directory);
    expect_says(error, "/dev/accel0", "the nodes of this machine are /dev/accel1");
}

}  // namespace
TEST(Open, TellsThatAWedgedCardIsWedged) {
    const auto driver = std::make_shared<fake::Driver>();
    driver->fail_open(ENOTRECOVERABLE);
    try {
        static_cast<void>(detail::open_device(driver, "/dev/accel0"));
        FAIL() << "a wedged card was opened";
    } catch (const Error& error) {
        EXPECT_EQ(error.reason(), Reason::wedged);
        EXPECT_EQ(error.code(), std::errc::state_not_recoverable);
    }
}

}  // namespace accel::test
