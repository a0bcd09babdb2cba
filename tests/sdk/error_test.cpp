// SPDX-License-Identifier: Apache-2.0
//
// Every errno of the driver's contract and every status of the card has its own sentence, and
// errors can be copied and moved.
#include <set>

#include "command_text.hpp"
#include "fixture.hpp"
#include "throw_error.hpp"

namespace accel::test {
namespace {

// The table at the top of accel_uapi.h, and EACCES of open(). EINTR never arrives: the library
// repeats the call.
constexpr int contract[] = {ENOTTY, EFAULT,          E2BIG,  EINVAL, EOPNOTSUPP, ENOENT,
                            ENOMEM, ENOSPC,          EDQUOT, EPERM,  EBUSY,      ETIMEDOUT,
                            EIO,    ECANCELED,       ESTALE, ENODEV, EACCES,     EAGAIN,
                            ETIME,  ENOTRECOVERABLE, EBADF};

TEST(Sentences, EveryErrnoOfTheContractHasItsOwn) {
    const std::string_view unknown = explain(static_cast<std::errc>(EXDEV));
    std::set<std::string_view> sentences;
    for (const int error : contract) {
        const std::string_view sentence = explain(static_cast<std::errc>(error));
        EXPECT_NE(sentence, unknown) << error;
        EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
    }
}

TEST(Sentences, LimitsAndPathsOfTheHostHaveTheirOwn) {
    const auto expect = [](int error, std::string_view says) {
        const std::string_view sentence = explain(static_cast<std::errc>(error));
        EXPECT_NE(sentence.find(says), std::string_view::npos) << sentence;
    };
    expect(EMFILE, "ulimit -n");
    expect(ENFILE, "fs.file-max");
    expect(EISDIR, "folder");
    EXPECT_EQ(explain(static_cast<std::errc>(EXDEV)).find("bug"), std::string_view::npos);
}

TEST(Sentences, AFolderIsNoCard) {
    const Error error = error_of([] { static_cast<void>(Device::open("/tmp")); });
    EXPECT_EQ(error.errc(), std::errc::is_a_directory);
    expect_says(error, "cannot open /tmp", "folder");
}

TEST(Sentences, EveryStatusOfTheCardHasItsOwn) {
    const std::string_view unknown = explain(CardStatus{999});
    std::set<std::string_view> sentences;
    for (std::uint32_t status = ACCEL_OK; status <= ACCEL_STEP_LIMIT; ++status) {
        const std::string_view sentence = explain(CardStatus{status});
        EXPECT_NE(sentence, unknown) << status;
        EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
    }
}

class EachErrno : public SdkTest, public ::testing::WithParamInterface<int> {};

// For each call that fails, the errno arrives as code(), with its sentence, and nothing leaks.
TEST_P(EachErrno, ArrivesFromEveryCall) {
    const int error = GetParam();
    const std::string sentence(explain(static_cast<std::errc>(error)));
    const auto expect_error = [&](unsigned long request, auto&& action) {
        driver->fail(request, error);
        const Error thrown = error_of(action);
        EXPECT_EQ(thrown.code().value(), error);
        EXPECT_FALSE(thrown.failure().has_value());
        EXPECT_EQ(thrown.status(), CardStatus::ok);
        // The call tells which of the resources in the sentence is used up.
        const bool queues = request == ACCEL_IOCTL_QUEUE_CREATE && error == ENOSPC;
        expect_says(thrown, queues ? std::string("all 8 queues of the card are in use") : sentence);
    };
    const Device card = open();
    std::vector<float> mine(16);
    expect_error(ACCEL_IOCTL_INFO, [&] { static_cast<void>(card.info()); });
    expect_error(ACCEL_IOCTL_BUFFER_CREATE, [&] { static_cast<void>(card.allocate<int>({1})); });
    expect_error(ACCEL_IOCTL_BUFFER_REGISTER,
                 [&] { static_cast<void>(card.register_memory(std::span(mine))); });
    expect_error(ACCEL_IOCTL_QUEUE_CREATE, [&] { static_cast<void>(card.create_queue()); });
    Queue queue = card.create_queue();
    expect_error(ACCEL_IOCTL_QUEUE_QUERY, [&] { static_cast<void>(queue.stats()); });
    expect_error(ACCEL_IOCTL_QUEUE_QUERY, [&] { static_cast<void>(queue.failure()); });
    expect_error(ACCEL_IOCTL_QUEUE_NOTIFY, [&] { queue.notify(Job()); });
    expect_error(ACCEL_IOCTL_QUEUE_RESET, [&] { queue.reset(); });
}

INSTANTIATE_TEST_SUITE_P(Contract, EachErrno, ::testing::ValuesIn(contract));

class SignalTest : public SdkTest {};

TEST_F(SignalTest, InterruptedCallsAreRepeated) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = std::chrono::nanoseconds(0)});
    for (const unsigned long request :
         {ACCEL_IOCTL_INFO, ACCEL_IOCTL_BUFFER_CREATE, ACCEL_IOCTL_QUEUE_QUERY}) {
        driver->fail(request, EINTR);
        driver->fail(request, EINTR);
    }
    static_cast<void>(card.info());
    static_cast<void>(card.allocate<int>({1}));
    static_cast<void>(queue.stats());
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    driver->fail(ACCEL_IOCTL_QUEUE_WAIT, EINTR);
    EXPECT_EQ(job.wait(std::chrono::milliseconds(2)), WaitResult::timed_out);
    EXPECT_EQ(driver->calls(ACCEL_IOCTL_QUEUE_WAIT), 2U);
    gate.open();
    job.wait();
}

TEST(Error, CopiesAndMovesKeepTheDetails) {
    const CardFailure failure{.status = CardStatus::fault_read, .sequence = 3, .address = 0x1000};
    Error original(std::errc::io_error, "text", failure);
    const Error copy = original;
    const Error moved = std::move(original);
    for (const Error* error : {&copy, &moved, &std::as_const(original)}) {
        EXPECT_EQ(error->errc(), std::errc::io_error);
        EXPECT_EQ(error->status(), CardStatus::fault_read);
        ASSERT_TRUE(error->failure().has_value());
        EXPECT_EQ(error->failure()->sequence, 3U);
        expect_says(*error, "text");
    }
    Error assigned(std::errc::invalid_argument, "other");
    EXPECT_FALSE(assigned.failure().has_value());
    assigned = copy;
    EXPECT_EQ(assigned.status(), CardStatus::fault_read);
    assigned = Error(std::errc::timed_out, "third");
    EXPECT_EQ(assigned.errc(), std::errc::timed_out);
    EXPECT_EQ(assigned.status(), CardStatus::ok);
}

TEST(Error, IsASystemError) {
    try {
        detail::throw_errno(ENODEV, "something");
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::no_such_device);
        return;
    }
    FAIL();
}

TEST(Sentences, EveryCommandHasADescriptionWithItsName) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        std::array<std::byte, 64> bytes{};
        bytes[0] = static_cast<std::byte>(opcode);
        EXPECT_TRUE(describe_command(bytes).starts_with(detail::command_name(opcode)));
        bytes.fill(std::byte{0xff});
        bytes[0] = static_cast<std::byte>(opcode);
        EXPECT_TRUE(describe_command(bytes).starts_with(detail::command_name(opcode)));
    }
}

TEST(Error, HexHasNoLeadingZeros) {
    EXPECT_EQ(detail::hex(0), "0x0");
    EXPECT_EQ(detail::hex(0x1f), "0x1f");
    EXPECT_EQ(detail::hex(UINT64_MAX), "0xffffffffffffffff");
}

}  // namespace
}  // namespace accel::test
