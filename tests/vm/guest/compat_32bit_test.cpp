// SPDX-License-Identifier: Apache-2.0
//
// A 32-bit program on the 64-bit kernel: the same header, the same structures, and jobs that use
// all operations of the file. The program is static, because the guest has no 32-bit libraries.
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "ioctl_calls.hpp"
#include "sanity.hpp"

static_assert(sizeof(void*) == 4 && sizeof(off_t) == 8);

namespace {

/// The range of offsets for mmap() in a 32-bit program, which counts pages in 32 bits.
constexpr std::uint64_t reach = std::uint64_t{1} << 44;

void set_size(uapi::Argument& argument, std::size_t size) {
    const auto value = static_cast<std::uint32_t>(size);
    std::memcpy(argument.data(), &value, sizeof(value));
}

TEST(Bits32, EveryCallAcceptsItsStructure) {
    uapi::CallFixture callee;
    for (const uapi::Call& call : uapi::every_call()) {
        uapi::Argument argument = callee.valid_argument(call);
        EXPECT_EQ(callee.run(call, argument), 0) << call;
    }
}

TEST(Bits32, EveryCallHasTheSameRulesForSizes) {
    uapi::CallFixture callee;
    for (const uapi::Call& call : uapi::every_call()) {
        uapi::Argument shorter = callee.valid_argument(call);
        set_size(shorter, call.first() - 1);
        EXPECT_EQ(callee.run(call, shorter), EINVAL) << call;
        uapi::Argument longer = callee.valid_argument(call);
        longer.resize(call.size + 64);
        set_size(longer, longer.size());
        longer.back() = std::byte{1};
        EXPECT_EQ(callee.run(call, longer), E2BIG) << call;
        longer.back() = std::byte{0};
        EXPECT_EQ(callee.run(call, longer), 0) << call;
    }
}

TEST(Bits32, UnknownNumbersFailWithEnotty) {
    const uapi::File file;
    uapi::Argument zeros(uapi::page);
    EXPECT_EQ(file.raw(_IO(ACCEL_IOCTL_MAGIC, 0xff), zeros.data()), ENOTTY);
    EXPECT_EQ(file.raw(_IOWR(ACCEL_IOCTL_MAGIC, 0, accel_info), zeros.data()), ENOTTY);
}

TEST(Bits32, EveryAnswerIsComplete) {
    uapi::CallFixture callee;
    for (const uapi::Call& call : uapi::every_call()) {
        uapi::Argument argument = callee.valid_argument(call);
        for (const uapi::Field& field : call.out) {
            std::memset(argument.data() + field.offset, 0xaa, field.bytes);
        }
        ASSERT_EQ(callee.run(call, argument), 0) << call;
        for (const uapi::Field& field : call.out) {
            const std::vector<std::byte> garbage(field.bytes, std::byte{0xaa});
            EXPECT_NE(std::memcmp(argument.data() + field.offset, garbage.data(), field.bytes), 0)
                << call << ", the field at " << field.offset;
        }
    }
}

TEST(Bits32, EveryOffsetCanBeMapped) {
    const uapi::File file;
    const uapi::Buffer on_host(file, uapi::page);
    const uapi::Buffer on_card(file, uapi::page, uapi::device);
    const uapi::Queue queue(file);
    EXPECT_LT(on_host.address(), reach);
    EXPECT_LT(on_card.address(), reach);
    EXPECT_LT(queue.created().address, reach);
    EXPECT_LT(queue.created().doorbell, reach);
}

TEST(Bits32, AJobRunsAndAWaitSucceeds) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Product product(file, 16, 3);
    product.clear();
    queue.run(product.command());
    EXPECT_TRUE(product.correct());
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(Bits32, AWaiterSleepsAndIsWoken) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore gate(file);
    EXPECT_EQ(uapi::wait_asleep(queue, gate), 0);
}

TEST(Bits32, PollAndEventfdReportACommand) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Descriptor event(::eventfd(0, EFD_CLOEXEC));
    accel_queue_eventfd choose{};
    choose.handle = queue.handle();
    choose.fd = event.get();
    ASSERT_EQ(file.call(ACCEL_IOCTL_QUEUE_EVENTFD, choose), 0);
    ASSERT_EQ(queue.notify(1), 0);
    static_cast<void>(queue.submit(uapi::nop()));
    EXPECT_EQ(file.poll(), POLLIN);
    std::uint64_t count = 0;
    EXPECT_EQ(::read(event.get(), &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
    EXPECT_EQ(count, 1U);
}

/// io_uring by its system calls, one entry at a time, because there is no 32-bit liburing.
class Uring {
  public:
    Uring() {
        io_uring_params params{};
        fd_ = uapi::Descriptor(static_cast<int>(::syscall(__NR_io_uring_setup, 1, &params)));
        uapi::require(fd_.get() >= 0 ? 0 : errno, "io_uring_setup");
        sq_ = uapi::Mapping(fd_.get(), IORING_OFF_SQ_RING, uapi::page);
        cq_ = uapi::Mapping(fd_.get(), IORING_OFF_CQ_RING, uapi::page);
        entries_ = uapi::Mapping(fd_.get(), IORING_OFF_SQES, uapi::page);
        offsets_ = params;
    }

    /// Submits an entry, waits for it, and returns its result.
    [[nodiscard]] int run(const io_uring_sqe& entry) const {
        std::memcpy(entries_.data(), &entry, sizeof(entry));
        word(sq_, offsets_.sq_off.array) = 0;
        std::atomic_ref(word(sq_, offsets_.sq_off.tail)).fetch_add(1);
        const long done =
            ::syscall(__NR_io_uring_enter, fd_.get(), 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
        uapi::require(done == 1 ? 0 : errno, "io_uring_enter");
        const std::atomic_ref head(word(cq_, offsets_.cq_off.head));
        const std::uint32_t at = head & word(cq_, offsets_.cq_off.ring_mask);
        io_uring_cqe completion{};
        std::memcpy(&completion, cq_.data() + offsets_.cq_off.cqes + at * sizeof(completion),
                    sizeof(completion));
        head.fetch_add(1);
        return completion.res;
    }

  private:
    static std::uint32_t& word(const uapi::Mapping& ring, std::uint32_t offset) {
        return *reinterpret_cast<std::uint32_t*>(ring.data() + offset);
    }

    uapi::Descriptor fd_;
    uapi::Mapping sq_;
    uapi::Mapping cq_;
    uapi::Mapping entries_;
    io_uring_params offsets_{};
};

TEST(Bits32, IoUringWaitsAndTransfersData) {
    const uapi::File file;
    uapi::Queue queue(file);
    const Uring ring;
    io_uring_sqe wait{};
    wait.opcode = IORING_OP_URING_CMD;
    wait.fd = file.fd();
    wait.cmd_op = ACCEL_URING_WAIT;
    const accel_uring_wait payload{.handle = queue.handle(),
                                   .timeout_ms = ACCEL_URING_TIMEOUT_MAX,
                                   .sequence = queue.submit(uapi::nop())};
    std::memcpy(wait.cmd, &payload, sizeof(payload));
    EXPECT_EQ(ring.run(wait), 0);

    const uapi::Buffer buffer(file, uapi::page, uapi::device);
    std::vector<std::uint32_t> data(500);
    uapi::fill_pattern(data, 4);
    io_uring_sqe move{};
    move.opcode = IORING_OP_WRITE;
    move.fd = file.fd();
    move.off = buffer.address() + 12;
    move.addr = reinterpret_cast<std::uintptr_t>(data.data());
    move.len = 2000;
    EXPECT_EQ(ring.run(move), 2000);
    std::vector<std::uint32_t> back(500);
    move.opcode = IORING_OP_READ;
    move.addr = reinterpret_cast<std::uintptr_t>(back.data());
    EXPECT_EQ(ring.run(move), 2000);
    EXPECT_EQ(uapi::first_difference(back, 4), back.size());
}

TEST(Bits32, RegisteredMemoryWorks) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Mapping own = uapi::Mapping::anonymous(3 * uapi::page);
    const uapi::Registration registered(file, own.data() + 12, 2 * uapi::page);
    queue.run(uapi::fill(registered.address(), 0x600dda7a, 2 * uapi::page));
    std::uint32_t last = 0;
    std::memcpy(&last, own.data() + 12 + 2 * uapi::page - sizeof(last), sizeof(last));
    EXPECT_EQ(last, 0x600dda7aU);
    EXPECT_EQ(own.data()[11], std::byte{0});
}

// The address space of 32-bit programs ends far below the end of 64-bit addresses.
TEST(Bits32, RegistrationBeyondItsAddressSpaceFails) {
    const uapi::File file;
    accel_buffer_register registration{};
    registration.flags = uapi::host;
    registration.bytes = uapi::page;
    for (const std::uint64_t pointer : {std::uint64_t{1} << 32, std::uint64_t{1} << 40,
                                        ~std::uint64_t{0} - uapi::page, ~std::uint64_t{0}}) {
        registration.pointer = pointer;
        EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), EFAULT) << pointer;
    }
}

TEST(Bits32, ReadAndWriteTransferDataAtOffsetsBeyond32Bits) {
    const uapi::File file;
    const uapi::Buffer buffer(file, 4 * uapi::page, uapi::device);
    ASSERT_GE(buffer.address(), std::uint64_t{1} << 32);
    const auto at = static_cast<off_t>(buffer.address()) + 5;
    std::vector<std::uint32_t> data(2500);
    uapi::fill_pattern(data, 9);
    ASSERT_EQ(::pwrite(file.fd(), data.data(), 10000, at), 10000);
    std::vector<std::uint32_t> back(2500);
    const std::array<iovec, 2> pieces{{{.iov_base = back.data(), .iov_len = 4000},
                                       {.iov_base = back.data() + 1000, .iov_len = 6000}}};
    ASSERT_EQ(::preadv(file.fd(), pieces.data(), 2, at), 10000);
    EXPECT_EQ(uapi::first_difference(back, 9), back.size());
    ASSERT_EQ(::lseek(file.fd(), at, SEEK_SET), at);
    std::array<std::uint32_t, 4> first{};
    ASSERT_EQ(::read(file.fd(), first.data(), sizeof(first)), static_cast<ssize_t>(sizeof(first)));
    EXPECT_EQ(uapi::first_difference(first, 9), first.size());
}

TEST(Bits32, LeavesAWorkingCard) {
    uapi::expect_working_card();
}

}  // namespace
