// SPDX-License-Identifier: Apache-2.0
//
// read() and write() at a buffer's offset: the data for all sizes and alignments, and transfers by
// the card.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "card.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

using uapi::counter;
using uapi::pattern;

class Transfer : public testing::Test {
  protected:
    void TearDown() override { uapi::expect_working_card(); }

    uapi::File file_;
};

struct Case {
    std::size_t bytes;
    std::size_t offset;   // in the buffer
    std::size_t address;  // of the caller's memory, from a page boundary
};

class AnySize : public testing::TestWithParam<std::uint32_t> {};

TEST_P(AnySize, AndAnyAlignmentIsTransferredInBothDirections) {
    const uapi::File file;
    constexpr std::size_t space = (5U << 20) + 3 * uapi::page;
    const uapi::Buffer buffer(file, space, GetParam());
    std::uint32_t seed = 1;
    for (const Case& one : std::vector<Case>{{1, 0, 0},
                                             {1, 4095, 4095},
                                             {4095, 1, 0},
                                             {4096, 0, 0},
                                             {4097, 4095, 1},
                                             {65536, 3, 5},
                                             {(1U << 20) - 1, 0, 1},
                                             {1U << 20, 0, 0},
                                             {(1U << 20) + 1, 1, 4095},
                                             {5U << 20, 4097, 7}}) {
        SCOPED_TRACE(std::to_string(one.bytes) + " at " + std::to_string(one.offset));
        std::vector<std::byte> memory(one.bytes + 2 * uapi::page);
        std::byte* const start = uapi::align_up(memory.data()) + one.address;
        const std::vector<std::byte> sent = pattern(one.bytes, seed++);
        std::memcpy(start, sent.data(), one.bytes);
        const auto at = static_cast<off_t>(buffer.address() + one.offset);
        ASSERT_EQ(pwrite(file.fd(), start, one.bytes, at), static_cast<ssize_t>(one.bytes));
        // The CPU reads it through the mapping.
        ASSERT_EQ(std::memcmp(buffer.data() + one.offset, sent.data(),
                              std::min<std::size_t>(one.bytes, 8192)),
                  0);
        std::memset(start, 0, one.bytes);
        ASSERT_EQ(pread(file.fd(), start, one.bytes, at), static_cast<ssize_t>(one.bytes));
        ASSERT_EQ(std::memcmp(start, sent.data(), one.bytes), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Transfer, AnySize, testing::Values(uapi::device, uapi::host),
                         [](const auto& info) {
                             return info.param == uapi::host ? "HostMemory" : "DeviceMemory";
                         });

TEST_F(Transfer, WritesOnlyItsOwnBytes) {
    const uapi::Buffer buffer(file_, 4 * uapi::page, uapi::device);
    const auto before = pattern(4 * uapi::page, 7);
    ASSERT_EQ(
        pwrite(file_.fd(), before.data(), before.size(), static_cast<off_t>(buffer.address())),
        static_cast<ssize_t>(before.size()));
    const auto middle = pattern(5000, 8);
    ASSERT_EQ(pwrite(file_.fd(), middle.data(), middle.size(),
                     static_cast<off_t>(buffer.address() + 3001)),
              5000);
    std::vector<std::byte> after(4 * uapi::page);
    ASSERT_EQ(pread(file_.fd(), after.data(), after.size(), static_cast<off_t>(buffer.address())),
              static_cast<ssize_t>(after.size()));
    auto expected = before;
    std::copy(middle.begin(), middle.end(), expected.begin() + 3001);
    EXPECT_EQ(after, expected);
}

TEST_F(Transfer, IsDoneByTheCardAndNotByTheCpu) {
    constexpr std::size_t bytes = 3U << 20;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    auto memory = pattern(bytes, 3);
    const auto host_read = counter("host_read_bytes");
    const auto memory_written = counter("memory_written_bytes");
    ASSERT_EQ(pwrite(file_.fd(), memory.data(), bytes, static_cast<off_t>(buffer.address())),
              static_cast<ssize_t>(bytes));
    EXPECT_GE(counter("host_read_bytes") - host_read, bytes);
    EXPECT_EQ(counter("memory_written_bytes") - memory_written, bytes);

    const auto host_written = counter("host_written_bytes");
    const auto memory_read = counter("memory_read_bytes");
    ASSERT_EQ(pread(file_.fd(), memory.data(), bytes, static_cast<off_t>(buffer.address())),
              static_cast<ssize_t>(bytes));
    EXPECT_GE(counter("host_written_bytes") - host_written, bytes);
    EXPECT_EQ(counter("memory_read_bytes") - memory_read, bytes);
}

TEST_F(Transfer, OfManyPiecesGathersAndScatters) {
    constexpr std::size_t pieces = 300;
    const uapi::Buffer buffer(file_, 1U << 20, uapi::device);
    std::mt19937 random(5);
    std::vector<std::vector<std::byte>> parts;
    std::vector<std::byte> all;
    std::vector<iovec> list;
    parts.reserve(pieces);
    list.reserve(pieces);
    for (std::size_t i = 0; i < pieces; ++i) {
        parts.push_back(pattern(random() % 3000, static_cast<std::uint32_t>(i)));
        all.insert(all.end(), parts.back().begin(), parts.back().end());
    }
    for (auto& part : parts) {
        list.push_back({part.data(), part.size()});
    }
    const auto at = static_cast<off_t>(buffer.address() + 11);
    ASSERT_EQ(pwritev(file_.fd(), list.data(), pieces, at), static_cast<ssize_t>(all.size()));
    std::vector<std::byte> back(all.size());
    ASSERT_EQ(pread(file_.fd(), back.data(), back.size(), at), static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, all);
    for (auto& part : parts) {
        std::fill(part.begin(), part.end(), std::byte{0});
    }
    ASSERT_EQ(preadv(file_.fd(), list.data(), pieces, at), static_cast<ssize_t>(all.size()));
    std::vector<std::byte> again;
    for (const auto& part : parts) {
        again.insert(again.end(), part.begin(), part.end());
    }
    EXPECT_EQ(again, all);
}

TEST_F(Transfer, AdvancesTheFilePosition) {
    const uapi::Buffer buffer(file_, 2 * uapi::page, uapi::device);
    const auto bytes = pattern(6000, 9);
    ASSERT_EQ(lseek(file_.fd(), static_cast<off_t>(buffer.address()), SEEK_SET),
              static_cast<off_t>(buffer.address()));
    ASSERT_EQ(write(file_.fd(), bytes.data(), 1000), 1000);
    ASSERT_EQ(write(file_.fd(), bytes.data() + 1000, 5000), 5000);
    EXPECT_EQ(lseek(file_.fd(), 0, SEEK_CUR), static_cast<off_t>(buffer.address() + 6000));
    ASSERT_EQ(lseek(file_.fd(), -6000, SEEK_CUR), static_cast<off_t>(buffer.address()));
    std::vector<std::byte> back(6000);
    ASSERT_EQ(read(file_.fd(), back.data(), back.size()), 6000);
    EXPECT_EQ(back, bytes);
}

TEST_F(Transfer, WorksFromAShell) {
    const uapi::Buffer buffer(file_, 2 * uapi::page, uapi::device);
    const auto bytes = pattern(5000, 10);
    {
        const uapi::Descriptor out(open("/tmp/weights", O_CREAT | O_TRUNC | O_WRONLY, 0600));
        ASSERT_EQ(write(out.get(), bytes.data(), bytes.size()), 5000);
    }
    ASSERT_EQ(fcntl(file_.fd(), F_SETFD, 0), 0);  // the shell inherits it
    const std::string fd = std::to_string(file_.fd());
    const std::string command =
        "dd if=/tmp/weights bs=5000 oflag=seek_bytes seek=" + std::to_string(buffer.address()) +
        " conv=notrunc 2>/dev/null >&" + fd;
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): one thread
    std::vector<std::byte> back(5000);
    ASSERT_EQ(pread(file_.fd(), back.data(), back.size(), static_cast<off_t>(buffer.address())),
              5000);
    EXPECT_EQ(back, bytes);
}

TEST_F(Transfer, RunsInManyThreadsAtOnce) {
    constexpr int threads = 6;
    constexpr std::size_t bytes = 700'001;
    std::vector<std::thread> all;
    all.reserve(threads);
    std::array<bool, threads> good{};
    for (int i = 0; i < threads; ++i) {
        all.emplace_back([&good, i] {
            const uapi::File file;
            const uapi::Buffer buffer(file, bytes, i % 2 == 0 ? uapi::device : uapi::host);
            bool fine = true;
            for (std::uint32_t round = 0; round < 5; ++round) {
                const auto sent = pattern(bytes, static_cast<std::uint32_t>(i) * 100 + round);
                std::vector<std::byte> back(bytes);
                const auto at = static_cast<off_t>(buffer.address());
                fine = fine && pwrite(file.fd(), sent.data(), bytes, at) == ssize_t{bytes} &&
                       pread(file.fd(), back.data(), bytes, at) == ssize_t{bytes} && back == sent;
            }
            good[static_cast<std::size_t>(i)] = fine;
        });
    }
    for (auto& thread : all) {
        thread.join();
    }
    for (const bool fine : good) {
        EXPECT_TRUE(fine);
    }
}

}  // namespace
