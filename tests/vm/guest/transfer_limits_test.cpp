// SPDX-License-Identifier: Apache-2.0
//
// read() and write() at a buffer's offset: what they refuse, where they stop, and what they leave
// when something happens in the middle.
#include <fcntl.h>
#include <gtest/gtest.h>
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
#include "health.hpp"
#include "process.hpp"
#include "transfer.hpp"

namespace {

using bench::pattern;

off_t offset(std::uint64_t address) {
    return static_cast<off_t>(address);
}

class TransferLimits : public testing::Test {
  protected:
    void TearDown() override { bench::expect_healthy(); }

    bench::File file_;
    std::vector<std::byte> memory_ = std::vector<std::byte>(4 * bench::page);
};

TEST_F(TransferLimits, AnOffsetOfNoBufferIsEnxio) {
    const bench::Buffer buffer(file_, bench::page);
    for (const std::uint64_t at : {std::uint64_t{0}, buffer.address() + bench::page,
                                   buffer.address() - 1, std::uint64_t{1} << 60}) {
        EXPECT_EQ(pread(file_.fd(), memory_.data(), 1, offset(at)), -1);
        EXPECT_EQ(errno, ENXIO);
        EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 1, offset(at)), -1);
        EXPECT_EQ(errno, ENXIO);
    }
}

TEST_F(TransferLimits, TheMemoryOfAQueueIsNoBuffer) {
    const bench::Queue queue(file_);
    EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 8, offset(queue.made().address)), -1);
    EXPECT_EQ(errno, ENXIO);
}

TEST_F(TransferLimits, ItEndsWithTheBuffer) {
    const bench::Buffer buffer(file_, 2 * bench::page, bench::device);
    EXPECT_EQ(pwrite(file_.fd(), memory_.data(), 3 * bench::page,
                     offset(buffer.address() + bench::page + 5)),
              static_cast<ssize_t>(bench::page - 5));
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 3 * bench::page,
                    offset(buffer.address() + 2 * bench::page - 1)),
              1);
}

TEST_F(TransferLimits, NothingIsNothing) {
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 0, offset(0)), 0);
}

TEST_F(TransferLimits, MemoryThatIsNotThereIsEfaultAfterTheBytesThatAre) {
    const bench::Buffer buffer(file_, 8 * bench::page, bench::device);
    auto two = bench::Mapping::anonymous(2 * bench::page);
    const auto sent = pattern(bench::page, 1);
    std::memcpy(two.data(), sent.data(), sent.size());
    munmap(two.data() + bench::page, bench::page);

    EXPECT_EQ(pwrite(file_.fd(), two.data(), 2 * bench::page, offset(buffer.address())),
              static_cast<ssize_t>(bench::page));
    std::vector<std::byte> back(bench::page);
    ASSERT_EQ(pread(file_.fd(), back.data(), back.size(), offset(buffer.address())),
              static_cast<ssize_t>(bench::page));
    EXPECT_EQ(back, sent);
    EXPECT_EQ(pwrite(file_.fd(), two.data() + bench::page, bench::page, offset(buffer.address())),
              -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(TransferLimits, MemoryThatMayNotBeWrittenIsEfaultForReading) {
    const bench::Buffer buffer(file_, bench::page, bench::device);
    const auto memory = bench::Mapping::anonymous(bench::page);
    memory.protect(PROT_READ);
    EXPECT_EQ(pwrite(file_.fd(), memory.data(), bench::page, offset(buffer.address())),
              static_cast<ssize_t>(bench::page));
    EXPECT_EQ(pread(file_.fd(), memory.data(), bench::page, offset(buffer.address())), -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_F(TransferLimits, AFileOpenForReadingCannotBeWritten) {
    const bench::File file{bench::Descriptor(open(bench::Card().node().c_str(), O_RDONLY))};
    const bench::Buffer buffer(file_, bench::page, bench::device);
    EXPECT_EQ(pwrite(file.fd(), memory_.data(), 8, offset(buffer.address())), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_F(TransferLimits, InputOfTheCardCannotBeWritten) {
    const bench::Registration input(file_, memory_.data(), bench::page, bench::readable);
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(pwrite(file_.fd(), bytes.data(), bytes.size(), offset(input.address())), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(pread(file_.fd(), bytes.data(), bytes.size(), offset(input.address())), 8);
}

TEST_F(TransferLimits, ADestroyedBufferIsGoneAtOnce) {
    bench::Buffer buffer(file_, bench::page, bench::device);
    const std::uint64_t at = buffer.address();
    ASSERT_EQ(buffer.destroy(), 0);
    EXPECT_EQ(pread(file_.fd(), memory_.data(), 1, offset(at)), -1);
    EXPECT_EQ(errno, ENXIO);
}

TEST_F(TransferLimits, ASignalLeavesACountThatIsRight) {
    constexpr std::size_t bytes = 24U << 20;
    const bench::Buffer buffer(file_, bytes, bench::device);
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

TEST_F(TransferLimits, AProcessKilledInTheMiddleLeavesNothing) {
    const bench::Capacity before = bench::Capacity::measure();
    for (int round = 0; round < 5; ++round) {
        const bench::Counter begun;
        bench::Process process([&begun] {
            const bench::File file;
            const bench::Buffer buffer(file, 16U << 20, bench::device);
            std::vector<std::byte> memory(16U << 20);
            for (;;) {
                begun.add();
                bench::check(
                    pwrite(file.fd(), memory.data(), memory.size(), offset(buffer.address())) > 0,
                    "it writes");
            }
        });
        begun.await(2);
        process.kill();
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
}

TEST_F(TransferLimits, WhenTheCardGoesTheyEndAndSoDoesTheFile) {
    const bench::Card card;
    for (const bool unbind : {false, true}) {
        bench::File file;
        std::vector<std::thread> threads;
        std::atomic<int> started{0};
        std::array<int, 4> errors{};
        for (std::size_t i = 0; i < errors.size(); ++i) {
            threads.emplace_back([&, i] {
                const bench::Buffer buffer(file, 4U << 20, bench::device);
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
        bench::expect_healthy();
    }
    file_ = bench::File();
}

}  // namespace
