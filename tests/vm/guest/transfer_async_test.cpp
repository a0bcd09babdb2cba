// SPDX-License-Identifier: Apache-2.0
//
// READ and WRITE of io_uring: the submitter continues, and many transfers run at the same time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
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

/// Memory whose pages are missing until the test provides them; a thread that touches them sleeps.
class MissingPages {
  public:
    explicit MissingPages(std::size_t bytes)
        : fd_(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC))),
          memory_(uapi::Mapping::anonymous(bytes)) {
        uffdio_api api{};
        api.api = UFFD_API;
        uapi::require(::ioctl(fd_.get(), UFFDIO_API, &api) == 0 ? 0 : errno, "UFFDIO_API");
        uffdio_register range{};
        range.range = this->range();
        range.mode = UFFDIO_REGISTER_MODE_MISSING;
        uapi::require(::ioctl(fd_.get(), UFFDIO_REGISTER, &range) == 0 ? 0 : errno,
                      "UFFDIO_REGISTER");
    }
    [[nodiscard]] std::byte* data() const { return memory_.data(); }
    /// Waits until a thread sleeps because of a missing page.
    void await_sleeper() const {
        pollfd item{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        const auto limit = std::chrono::milliseconds(uapi::time_limit).count();
        uapi::require(::poll(&item, 1, static_cast<int>(limit)) == 1 ? 0 : ETIMEDOUT,
                      "a page fault");
    }
    void provide() const {
        uffdio_zeropage zero{};
        zero.range = range();
        uapi::require(::ioctl(fd_.get(), UFFDIO_ZEROPAGE, &zero) == 0 ? 0 : errno,
                      "UFFDIO_ZEROPAGE");
    }

  private:
    [[nodiscard]] uffdio_range range() const {
        return {.start = reinterpret_cast<std::uintptr_t>(memory_.data()), .len = memory_.size()};
    }
    uapi::Descriptor fd_;
    uapi::Mapping memory_;
};

// io_uring's first attempt must not sleep; a worker waits for the pages.
TEST_F(Async, TheSubmitterDoesNotWaitForAPageFault) {
    constexpr std::size_t bytes = 4 * uapi::page;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto sent = pattern(bytes, 4);
    std::copy(sent.begin(), sent.end(), buffer.data());
    const MissingPages memory(bytes);
    read(1, memory.data(), bytes, buffer.address());
    // Without a worker, this call sleeps until the test provides the pages, which is never.
    ASSERT_EQ(io_uring_submit(ring_.get()), 1);
    memory.await_sleeper();
    EXPECT_EQ(io_uring_cq_ready(ring_.get()), 0U);
    memory.provide();
    ASSERT_EQ(ring_.results(1).at(1), static_cast<int>(bytes));
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), memory.data()));
}

TEST_F(Async, MemoryThatWasNeverTouchedIsRead) {
    constexpr std::size_t bytes = 4 * piece;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto sent = pattern(bytes, 5);
    std::copy(sent.begin(), sent.end(), buffer.data());
    const uapi::Mapping memory = uapi::Mapping::anonymous(bytes);
    read(1, memory.data(), bytes, buffer.address());
    ASSERT_EQ(ring_.results(1).at(1), static_cast<int>(bytes));
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), memory.data()));
}

TEST_F(Async, ManySmallPiecesOfMemoryAreOneTransfer) {
    constexpr std::size_t count = 200;
    const uapi::Buffer buffer(file_, count * uapi::page, uapi::device);
    const auto sent = pattern(count * uapi::page, 6);
    std::copy(sent.begin(), sent.end(), buffer.data());
    std::vector<std::byte> back(2 * count * uapi::page);
    std::vector<iovec> pieces;
    for (std::size_t i = 0; i < count; ++i) {
        pieces.push_back({.iov_base = back.data() + 2 * i * uapi::page, .iov_len = uapi::page});
    }
    io_uring_prep_readv(ring_.entry(1), file_.fd(), pieces.data(), count, buffer.address());
    last(1);
    ASSERT_EQ(ring_.results(1).at(1), static_cast<int>(sent.size()));
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(std::equal(sent.begin() + static_cast<std::ptrdiff_t>(i * uapi::page),
                               sent.begin() + static_cast<std::ptrdiff_t>((i + 1) * uapi::page),
                               back.begin() + static_cast<std::ptrdiff_t>(2 * i * uapi::page)))
            << i;
    }
}

/// True if the kernel counts all of these pages as dirty, or has no page there.
bool all_dirty(const std::byte* memory, std::size_t bytes) {
    const uapi::Descriptor pages(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    const uapi::Descriptor flags(::open("/proc/kpageflags", O_RDONLY | O_CLOEXEC));
    constexpr std::uint64_t present = 1ULL << 63;
    constexpr std::uint64_t frame = (1ULL << 55) - 1;
    constexpr std::uint64_t dirty = 1ULL << 4;
    for (std::size_t at = 0; at < bytes; at += uapi::page) {
        const auto number = reinterpret_cast<std::uintptr_t>(memory + at) / uapi::page;
        std::uint64_t entry = 0;
        std::uint64_t flag = 0;
        uapi::require(
            ::pread(pages.get(), &entry, 8, static_cast<off_t>(8 * number)) == 8 ? 0 : EIO,
            "pagemap");
        uapi::require((entry & present) != 0 ? 0 : EFAULT, "a page");
        uapi::require(
            ::pread(flags.get(), &flag, 8, static_cast<off_t>(8 * (entry & frame))) == 8 ? 0 : EIO,
            "kpageflags");
        if ((flag & dirty) == 0) {
            return false;
        }
    }
    return true;
}

// Otherwise the kernel may drop the data. MADV_FREE cleans pages as writeback and swap do.
TEST_F(Async, PagesThatAreCleanedDuringATransferAreDirtyAfterIt) {
    constexpr std::size_t bytes = 16 * piece;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto sent = pattern(bytes, 7);
    std::copy(sent.begin(), sent.end(), buffer.data());
    bool cleaned = false;
    for (int round = 0; round < 50 && !cleaned; ++round) {
        const uapi::Mapping busy = uapi::Mapping::anonymous(bytes);
        const uapi::Mapping memory = uapi::Mapping::anonymous(piece);
        memory.protect(PROT_READ | PROT_WRITE);
        std::fill_n(busy.data(), bytes, std::byte{1});
        std::fill_n(memory.data(), piece, std::byte{1});
        ::madvise(memory.data(), piece, MADV_NOHUGEPAGE);
        read(1, busy.data(), bytes, buffer.address());
        read(2, memory.data(), piece, buffer.address());
        ASSERT_EQ(io_uring_submit(ring_.get()), 2);
        ASSERT_EQ(::madvise(memory.data(), piece, MADV_FREE), 0);
        cleaned = io_uring_cq_ready(ring_.get()) == 0;
        const auto results = ring_.results(2);
        ASSERT_EQ(results.at(2), static_cast<int>(piece));
        if (cleaned) {
            EXPECT_TRUE(all_dirty(memory.data(), piece));
        }
        EXPECT_TRUE(std::equal(memory.data(), memory.data() + piece, sent.begin()));
    }
    EXPECT_TRUE(cleaned);
}

TEST_F(Async, PagesInFlightCountForTheQuotaOfTheUser) {
    const std::string node = uapi::Card().node();
    const std::string limit = "/sys/class/accel-card/" + uapi::Card().name() + "/quota/host_memory";
    const std::string before = uapi::read_file(limit);
    const uapi::Counter opened;
    const uapi::Counter lowered;
    ASSERT_EQ(::chmod(node.c_str(), 0666), 0);
    ASSERT_EQ(uapi::write_file(limit, std::to_string(8 * piece)), 0);
    uapi::Process child([&] {
        uapi::become_user();
        const uapi::File file;
        const uapi::Buffer buffer(file, 16 * piece, uapi::device);
        std::vector<std::byte> memory(16 * piece);
        const auto at = static_cast<off_t>(buffer.address());
        const auto transfer = [&](std::size_t bytes) {
            uapi::IoUring ring;
            io_uring_prep_read(ring.entry(1), file.fd(), memory.data(),
                               static_cast<unsigned int>(bytes), buffer.address());
            return ring.results(1).begin()->second;
        };
        for (int round = 0; round < 5; ++round) {
            uapi::check(transfer(4 * piece) == static_cast<int>(4 * piece),
                        "a transfer within the quota failed");
            uapi::check(transfer(16 * piece) == static_cast<int>(16 * piece),
                        "a large transfer did not go on with few pages at a time");
        }
        opened.add();
        lowered.await(1);
        uapi::check(transfer(4 * piece) == -EDQUOT, "a transfer was not charged");
        uapi::check(pread(file.fd(), memory.data(), piece, at) == -1 && errno == EDQUOT,
                    "a read() was not charged");
    });
    opened.await(1);
    EXPECT_EQ(uapi::write_file(limit, std::to_string(uapi::page)), 0);
    lowered.add();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(uapi::write_file(limit, before), 0);
    ASSERT_EQ(::chmod(node.c_str(), 0600), 0);
}

// A file with many transfers delays a transfer of another file by one of them, not by all.
TEST_F(Async, TransfersOfFilesTakeTurns) {
    constexpr std::size_t bytes = 16 * piece;
    constexpr unsigned count = 60;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto memory = pattern(bytes, 8);
    const uapi::File other;
    const uapi::Buffer small(other, uapi::page, uapi::device);
    std::vector<std::byte> back(uapi::page);
    for (unsigned i = 0; i < count; ++i) {
        write(i, memory.data(), bytes, buffer.address());
    }
    ASSERT_EQ(io_uring_submit(ring_.get()), static_cast<int>(count));
    ASSERT_EQ(pread(other.fd(), back.data(), back.size(), static_cast<off_t>(small.address())),
              static_cast<ssize_t>(back.size()));
    io_uring_get_events(ring_.get());
    EXPECT_LT(io_uring_cq_ready(ring_.get()), count);
    for (const auto& [tag, result] : ring_.results(count)) {
        EXPECT_EQ(result, static_cast<int>(bytes)) << tag;
    }
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
