// SPDX-License-Identifier: Apache-2.0
//
// READ and WRITE of io_uring: the submitter continues, and many transfers run at the same time.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "io_uring.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

using uapi::pattern;

constexpr std::size_t piece = 1U << 20;

class Async : public testing::Test {
  protected:
    void TearDown() override { uapi::expect_working_card(); }

    void write(std::uint64_t tag, const void* memory, std::size_t bytes, std::uint64_t address) {
        io_uring_prep_write(ring_.entry(tag), file_.fd(), memory, static_cast<unsigned int>(bytes),
                            address);
        last(tag);
    }
    void read(std::uint64_t tag, void* memory, std::size_t bytes, std::uint64_t address) {
        io_uring_prep_read(ring_.entry(tag), file_.fd(), memory, static_cast<unsigned int>(bytes),
                           address);
        last(tag);
    }
    /// The preparation clears the tag.
    void last(std::uint64_t tag) {
        io_uring* ring = ring_.get();
        ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask].user_data = tag;
    }

    uapi::File file_;
    uapi::IoUring ring_;
};

// A synchronous transfer would always be complete when the submission returns.
TEST_F(Async, TransfersDoNotBlockTheSubmitter) {
    constexpr std::size_t bytes = 24 * piece;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto memory = pattern(bytes, 1);
    bool pending = false;
    for (int round = 0; round < 20 && !pending; ++round) {
        write(1, memory.data(), bytes, buffer.address());
        ASSERT_EQ(io_uring_submit(ring_.get()), 1);
        pending = io_uring_cq_ready(ring_.get()) == 0;
        const auto results = ring_.results(1);
        ASSERT_EQ(results.at(1), static_cast<int>(bytes));
    }
    EXPECT_TRUE(pending);
}

TEST_F(Async, ManyTransfersAtOnceAllComplete) {
    constexpr std::uint64_t count = 48;
    const uapi::Buffer buffer(file_, count * piece, uapi::device);
    std::vector<std::vector<std::byte>> sent;
    for (std::uint64_t i = 0; i < count; ++i) {
        sent.push_back(pattern(piece - 3 * i - 1, static_cast<std::uint32_t>(i)));
        write(i, sent[i].data(), sent[i].size(), buffer.address() + i * piece + i);
    }
    auto results = ring_.results(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        ASSERT_EQ(results.at(i), static_cast<int>(sent[i].size())) << i;
    }
    std::vector<std::vector<std::byte>> back;
    for (std::uint64_t i = 0; i < count; ++i) {
        back.emplace_back(sent[i].size());
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        read(i, back[i].data(), back[i].size(), buffer.address() + i * piece + i);
    }
    results = ring_.results(count);
    EXPECT_EQ(back, sent);
}

TEST_F(Async, ATransferLargerThanThePinLimitIsComplete) {
    constexpr std::size_t bytes = 40 * piece + 5;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto sent = pattern(bytes, 2);
    std::vector<std::byte> back(bytes);
    write(1, sent.data(), bytes, buffer.address());
    EXPECT_EQ(ring_.results(1).at(1), static_cast<int>(bytes));
    read(2, back.data(), bytes, buffer.address());
    EXPECT_EQ(ring_.results(1).at(2), static_cast<int>(bytes));
    EXPECT_EQ(back, sent);
}

TEST_F(Async, UnmappedMemoryEndsATransferAtItsPage) {
    constexpr std::size_t bytes = 3 * piece;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const uapi::Mapping memory = uapi::Mapping::anonymous(bytes);
    std::fill_n(memory.data(), bytes, std::byte{1});
    constexpr std::size_t there = 2 * piece + 7 * uapi::page;
    ASSERT_EQ(::munmap(memory.data() + there, uapi::page), 0);
    write(1, memory.data() + 5, bytes - 5, buffer.address());
    EXPECT_EQ(ring_.results(1).at(1), static_cast<int>(there - 5));
    write(2, memory.data() + there, 1, buffer.address());
    EXPECT_EQ(ring_.results(1).at(2), -EFAULT);
    write(3, memory.data(), 1, 16);
    EXPECT_EQ(ring_.results(1).at(3), -ENXIO);
}

// The process may change its mappings during a transfer; the pages stay pinned.
TEST_F(Async, PagesStayPinnedDuringATransfer) {
    constexpr std::size_t bytes = 8 * piece;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    uapi::Mapping memory = uapi::Mapping::anonymous(bytes);
    std::fill_n(memory.data(), bytes, std::byte{7});
    write(1, memory.data(), bytes, buffer.address());
    ASSERT_EQ(io_uring_submit(ring_.get()), 1);
    memory.unmap();
    EXPECT_EQ(ring_.results(1).at(1), static_cast<int>(bytes));
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + piece,
                            [](std::byte byte) { return byte == std::byte{7}; }));
}

TEST_F(Async, AResetEndsTransfersWithAByteCountOrEstale) {
    constexpr std::uint64_t count = 16;
    const uapi::Buffer buffer(file_, count * piece, uapi::device);
    const auto memory = pattern(piece, 3);
    const uapi::OneProcessor one_processor;
    for (std::uint64_t i = 0; i < count; ++i) {
        write(i, memory.data(), piece, buffer.address() + i * piece);
    }
    io_uring_submit(ring_.get());
    uapi::Card().reset();
    for (const auto& [tag, result] : ring_.results(count)) {
        EXPECT_TRUE(result == -ESTALE || (result > 0 && result <= static_cast<int>(piece)))
            << tag << ": " << result;
    }
}

TEST_F(Async, AKilledProcessLeaksNothing) {
    const uapi::Capacity before = uapi::Capacity::measure();
    for (int round = 0; round < 5; ++round) {
        const uapi::Counter under_way;
        uapi::Process child([&] {
            const uapi::File file;
            const uapi::Buffer buffer(file, 16 * piece, uapi::device);
            const auto memory = pattern(4 * piece, 1);
            uapi::IoUring ring;
            for (;;) {
                for (int i = 0; i < 8; ++i) {
                    io_uring_prep_write(ring.entry(1), file.fd(), memory.data(), 4 * piece,
                                        buffer.address());
                }
                io_uring_submit(ring.get());
                under_way.add();
                static_cast<void>(ring.results(8));
            }
        });
        under_way.await(static_cast<std::uint64_t>(round) + 1);
        child.kill();
    }
    // A kernel thread ends the io_uring of a dead process.
    uapi::await("the release of all resources",
                [&] { return uapi::Capacity::measure() == before; });
}

}  // namespace
