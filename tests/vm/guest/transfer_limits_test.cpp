// SPDX-License-Identifier: Apache-2.0
//
// read() and write() at a buffer's offset: errors, the end of a buffer, and interrupted transfers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "card.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

using uapi::pattern;

off_t offset(std::uint64_t address) {
    return static_cast<off_t>(address);
}

class TransferLimits : public testing::Test {
  protected:
    void TearDown() override { uapi::expect_working_card(); }

    uapi::File file_;
    std::vector<std::byte> memory_ = std::vector<std::byte>(4 * uapi::page);
};

TEST_F(TransferLimits, AnOffsetOutsideOfBuffersIsEnxio) {
    const uapi::Buffer buffer(file_, uapi::page);
    for (const std::uint64_t at : {std::uint64_t{0}, buffer.address() + uapi::page,
                                   buffer.address() - 1, std::uint64_t{1} << 60}) {
        EXPECT_EQ(pread(file_.fd(), memory_.data(), 1, offset(at)), -1);
        EXPECT_EQ(errno, ENXIO);
        EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 1, offset(at)), -1);
        EXPECT_EQ(errno, ENXIO);
    }
}

TEST_F(TransferLimits, TheMemoryOfAQueueIsNotTransferable) {
    const uapi::Queue queue(file_);
    EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 8, offset(queue.created().address)), -1);
    EXPECT_EQ(errno, ENXIO);
}

TEST_F(TransferLimits, ATransferEndsAtTheEndOfTheBuffer) {
    const uapi::Buffer buffer(file_, 2 * uapi::page, uapi::device);
    EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 3 * uapi::page,
                     offset(buffer.address() + uapi::page + 5)),
              static_cast<ssize_t>(uapi::page - 5));
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 3 * uapi::page,
                    offset(buffer.address() + 2 * uapi::page - 1)),
              1);
}

// The card takes some time for every transfer, and a caller of preadv2() gets no second answer.
TEST_F(TransferLimits, ATransferThatMustNotWaitIsEagain) {
    const uapi::Buffer buffer(file_, uapi::page, uapi::device);
    std::array<std::byte, 8> bytes{};
    const iovec vector{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const off_t at = offset(buffer.address());
    EXPECT_EQ(preadv2(file_.fd(), &vector, 1, at, RWF_NOWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(pwritev2(file_.fd(), &vector, 1, at, RWF_NOWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(preadv2(file_.fd(), &vector, 1, at, 0), 8);
}

TEST_F(TransferLimits, PollAlwaysReportsThatATransferCanBegin) {
    constexpr short transfers = POLLRDNORM | POLLOUT | POLLWRNORM;
    pollfd item{.fd = file_.fd(), .events = POLLIN | transfers, .revents = 0};
    ASSERT_EQ(::poll(&item, 1, 0), 1);
    EXPECT_EQ(item.revents, transfers);
}

TEST_F(TransferLimits, ATransferOfZeroBytesReturnsZero) {
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 0, offset(0)), 0);
}

TEST_F(TransferLimits, UnmappedMemoryIsEfaultAfterTheMappedBytes) {
    const uapi::Buffer buffer(file_, 8 * uapi::page, uapi::device);
    auto two = uapi::Mapping::anonymous(2 * uapi::page);
    const auto sent = pattern(uapi::page, 1);
    std::memcpy(two.data(), sent.data(), sent.size());
    munmap(two.data() + uapi::page, uapi::page);

    EXPECT_EQ(pwrite(file_.fd(), two.data(), 2 * uapi::page, offset(buffer.address())),
              static_cast<ssize_t>(uapi::page));
    std::vector<std::byte> back(uapi::page);
    ASSERT_EQ(pread(file_.fd(), back.data(), back.size(), offset(buffer.address())),
              static_cast<ssize_t>(uapi::page));
    EXPECT_EQ(back, sent);
    EXPECT_EQ(pwrite(file_.fd(), two.data() + uapi::page, uapi::page, offset(buffer.address())),
              -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(TransferLimits, ReadingIntoReadOnlyMemoryIsEfault) {
    const uapi::Buffer buffer(file_, uapi::page, uapi::device);
    const auto memory = uapi::Mapping::anonymous(uapi::page);
    memory.protect(PROT_READ);
    EXPECT_EQ(pwrite(file_.fd(), memory.data(), uapi::page, offset(buffer.address())),
              static_cast<ssize_t>(uapi::page));
    EXPECT_EQ(pread(file_.fd(), memory.data(), uapi::page, offset(buffer.address())), -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(TransferLimits, AFileOpenedForReadingCannotBeWritten) {
    const uapi::File file{uapi::Descriptor(open(uapi::Card().node().c_str(), O_RDONLY))};
    const uapi::Buffer buffer(file_, uapi::page, uapi::device);
    EXPECT_EQ(pwrite(file.fd(), memory_.data(), 8, offset(buffer.address())), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_F(TransferLimits, ABufferWithoutWriteAccessOfTheCardCannotBeWritten) {
    const uapi::Registration input(file_, memory_.data(), uapi::page, uapi::readable);
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(pwrite(file_.fd(), bytes.data(), bytes.size(), offset(input.address())), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(pread(file_.fd(), bytes.data(), bytes.size(), offset(input.address())), 8);
}

TEST_F(TransferLimits, ADestroyedBufferIsInvalidAtOnce) {
    uapi::Buffer buffer(file_, uapi::page, uapi::device);
    const std::uint64_t at = buffer.address();
    ASSERT_EQ(buffer.destroy(), 0);
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 1, offset(at)), -1);
    EXPECT_EQ(errno, ENXIO);
}

TEST_F(TransferLimits, ASignalLeavesACorrectByteCount) {
    constexpr std::size_t bytes = 24U << 20;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    const auto sent = pattern(bytes, 4);
    std::vector<std::byte> back(bytes);
    std::atomic<bool> done{false};
    const pthread_t self = pthread_self();
    std::thread pest([&] {
        while (!done) {
            pthread_kill(self, SIGUSR1);
            usleep(2000);
        }
    });
    int shortened = 0;
    const auto move = [&](auto call, auto* data) {
        for (std::size_t at = 0; at < bytes;) {
            const ssize_t got =
                call(file_.fd(), data + at, bytes - at, offset(buffer.address() + at));
            if (got < 0) {
                ASSERT_EQ(errno, EINTR);
                continue;
            }
            shortened += static_cast<std::size_t>(got) < bytes - at ? 1 : 0;
            at += static_cast<std::size_t>(got);
        }
    };
    move(pwrite, sent.data());
    move(pread, back.data());
    done = true;
    pest.join();
    EXPECT_EQ(back, sent);
    RecordProperty("shortened", shortened);
}

TEST_F(TransferLimits, AProcessKilledDuringATransferLeaksNothing) {
    const uapi::Capacity before = uapi::Capacity::measure();
    for (int round = 0; round < 5; ++round) {
        const uapi::Counter begun;
        uapi::Process process([&begun] {
            const uapi::File file;
            const uapi::Buffer buffer(file, 16U << 20, uapi::device);
            std::vector<std::byte> memory(16U << 20);
            for (;;) {
                begun.add();
                uapi::check(
                    pwrite(file.fd(), memory.data(), memory.size(), offset(buffer.address())) > 0,
                    "a write failed");
            }
        });
        begun.await(2);
        process.kill();
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

TEST_F(TransferLimits, RemovalOfTheCardEndsTransfersAndTheFile) {
    const uapi::Card card;
    for (const bool unbind : {false, true}) {
        uapi::File file;
        std::vector<std::thread> threads;
        std::atomic<int> started{0};
        std::array<int, 4> errors{};
        for (std::size_t i = 0; i < errors.size(); ++i) {
            threads.emplace_back([&, i] {
                const uapi::Buffer buffer(file, 4U << 20, uapi::device);
                std::vector<std::byte> memory(4U << 20);
                ++started;
                ssize_t got = 0;
                do {
                    got = i % 2 == 0 ? pwrite(file.fd(), memory.data(), memory.size(),
                                              offset(buffer.address()))
                                     : pread(file.fd(), memory.data(), memory.size(),
                                             offset(buffer.address()));
                } while (got > 0);
                errors[i] = errno;
            });
        }
        while (started < static_cast<int>(errors.size())) {
            std::this_thread::yield();
        }
        if (unbind) {
            card.unbind();
        } else {
            card.reset();
        }
        for (auto& thread : threads) {
            thread.join();
        }
        for (const int error : errors) {
            EXPECT_EQ(error, unbind ? ENODEV : ESTALE);
        }
        file.close();
        if (unbind) {
            card.bind();
        }
        uapi::expect_working_card();
    }
    file_ = uapi::File();
}

}  // namespace
