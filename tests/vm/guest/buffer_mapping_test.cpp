// SPDX-License-Identifier: Apache-2.0
//
// Mappings of buffers and queues: their bounds and lifetimes; fork, mremap and mprotect; files that
// one process passes to another.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr std::size_t words_per_page = uapi::page / sizeof(std::uint32_t);

bool is_mapped(const void* target) {
    unsigned char resident = 0;
    return ::mincore(const_cast<void*>(target), uapi::page, &resident) == 0;
}

class EachMapping : public testing::TestWithParam<std::uint32_t> {
  protected:
    EachMapping() { uapi::fill_pattern(buffer_.as<std::uint32_t>(), 1); }

    /// The first word of a page, as the card reads it.
    std::uint32_t card_reads(std::size_t page) {
        queue_.run(uapi::copy(check_.address(), buffer_.address() + page * uapi::page, 4));
        return check_.as<std::uint32_t>()[0];
    }
    [[nodiscard]] std::uint32_t word(std::size_t page) const {
        return buffer_.as<std::uint32_t>()[page * words_per_page];
    }

    static constexpr std::size_t pages = 8;
    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Buffer check_{file_, uapi::page};
    uapi::Buffer buffer_{file_, pages* uapi::page, GetParam()};
};

TEST_P(EachMapping, OfAPartHasTheDataOfThatPart) {
    const uapi::Mapping part(file_.fd(), buffer_.address() + 2 * uapi::page, 3 * uapi::page);
    EXPECT_TRUE(std::ranges::equal(
        part.as<std::uint32_t>(),
        buffer_.as<std::uint32_t>().subspan(2 * words_per_page, 3 * words_per_page)));
    part.as<std::uint32_t>()[0] = 77;
    EXPECT_EQ(card_reads(2), 77U);
    EXPECT_EQ(word(2), 77U);
}

TEST_P(EachMapping, OutsideOfABufferFails) {
    const auto attempt = [&](std::uint64_t offset, std::size_t bytes) {
        return uapi::Mapping::attempt(file_.fd(), offset, bytes);
    };
    const std::uint64_t start = buffer_.address();
    EXPECT_EQ(attempt(start, pages * uapi::page), 0);
    EXPECT_EQ(attempt(start, (pages + 1) * uapi::page), EINVAL);
    EXPECT_EQ(attempt(start + (pages - 1) * uapi::page, 2 * uapi::page), EINVAL);
    EXPECT_EQ(attempt(start + pages * uapi::page, uapi::page), EINVAL);
    EXPECT_EQ(attempt(start - uapi::page, 2 * uapi::page), EINVAL);
    EXPECT_EQ(attempt(start, std::size_t{1} << 40), EINVAL);
    EXPECT_EQ(attempt(start + 512, uapi::page), EINVAL);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{uapi::page}, std::uint64_t{1} << 40,
          (std::uint64_t{1} << 30) - uapi::page, (std::uint64_t{1} << 30) + 63 * uapi::page,
          (std::uint64_t{1} << 32) - uapi::page, (std::uint64_t{1} << 60), (std::uint64_t{1} << 62),
          std::uint64_t{0x7ffffffffffff000}}) {
        EXPECT_NE(attempt(offset, uapi::page), 0) << offset;
    }
}

TEST_P(EachMapping, OfAnotherFilesBufferFails) {
    const uapi::File other;
    const uapi::Buffer theirs(other, uapi::page);
    // Each file has its own address space, even if the addresses are equal.
    EXPECT_EQ(uapi::Mapping::attempt(other.fd(), buffer_.address() + 4 * uapi::page, uapi::page),
              EINVAL);
}

TEST_P(EachMapping, ThatIsPrivateFails) {
    EXPECT_EQ(uapi::Mapping::attempt(file_.fd(), buffer_.address(), uapi::page,
                                     PROT_READ | PROT_WRITE, MAP_PRIVATE),
              EINVAL);
    EXPECT_EQ(
        uapi::Mapping::attempt(file_.fd(), buffer_.address(), uapi::page, PROT_READ, MAP_PRIVATE),
        EINVAL);
}

TEST_P(EachMapping, OutlivesTheHandleButTheCardLosesAccess) {
    const std::uint64_t address = buffer_.address();
    const std::uint64_t free = file_.info().memory_free;
    ASSERT_EQ(buffer_.destroy(), 0);
    EXPECT_EQ(uapi::Mapping::attempt(file_.fd(), address, uapi::page), EINVAL);
    EXPECT_EQ(queue_.run_to_error(uapi::fill(address, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    ASSERT_EQ(queue_.reset(), 0);

    // The memory is not allocated again while it is mapped.
    EXPECT_EQ(file_.info().memory_free, free);
    const uapi::Buffer next(file_, pages * uapi::page, GetParam());
    std::ranges::fill(next.as<std::uint32_t>(), 0xbad);
    EXPECT_EQ(uapi::first_difference(buffer_.as<std::uint32_t>(), 1), pages * words_per_page);
    buffer_.as<std::uint32_t>()[0] = 5;
    EXPECT_EQ(next.as<std::uint32_t>()[0], 0xbadU);
    const std::uint64_t still = file_.info().memory_free;
    buffer_.mapping().unmap();
    EXPECT_EQ(file_.info().memory_free,
              still + (GetParam() == uapi::device ? pages * uapi::page : 0));
}

TEST_P(EachMapping, OutlivesTheFile) {
    const uapi::Capacity before = uapi::Capacity::measure();
    {
        std::optional<uapi::Mapping> left;
        {
            const uapi::File file;
            uapi::Buffer buffer(file, pages * uapi::page, GetParam());
            uapi::fill_pattern(buffer.as<std::uint32_t>(), 3);
            left = std::move(buffer.mapping());
        }
        EXPECT_EQ(uapi::first_difference(left->as<std::uint32_t>(), 3), pages * words_per_page);
        left->as<std::uint32_t>()[0] = 1;
        EXPECT_EQ(left->as<std::uint32_t>()[0], 1U);
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

TEST_P(EachMapping, IsSharedWithAForkedChild) {
    uapi::Process child([&] {
        uapi::check(
            uapi::first_difference(buffer_.as<std::uint32_t>(), 1) == pages * words_per_page,
            "the child sees other data");
        buffer_.as<std::uint32_t>()[words_per_page] = 0xc41d;
    });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(word(1), 0xc41dU);
    EXPECT_EQ(card_reads(1), 0xc41dU);
}

TEST_P(EachMapping, CanBeMovedAndShrunkButDoesNotGrow) {
    std::byte* const start = buffer_.data();
    const std::uint32_t last = word(pages - 1);
    // A larger mapping would extend beyond the buffer.
    EXPECT_EQ(::mremap(start, pages * uapi::page, 2 * pages * uapi::page, MREMAP_MAYMOVE),
              MAP_FAILED);
    // An old length of zero would make a second mapping.
    EXPECT_EQ(::mremap(start, 0, 2 * pages * uapi::page, MREMAP_MAYMOVE), MAP_FAILED);

    // The upper half moves to another address; then it shrinks to two pages.
    constexpr std::size_t half = pages / 2 * uapi::page;
    uapi::Mapping target = uapi::Mapping::anonymous(half);
    void* const moved =
        ::mremap(start + half, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, target.data());
    ASSERT_EQ(moved, target.data());
    EXPECT_FALSE(is_mapped(start + half));
    EXPECT_EQ(target.as<std::uint32_t>()[half / 4 - words_per_page], last);
    ASSERT_EQ(::mremap(target.data(), half, 2 * uapi::page, 0), target.data());
    EXPECT_FALSE(is_mapped(target.data() + 2 * uapi::page));
    target.as<std::uint32_t>()[words_per_page] = 0x40fed;
    EXPECT_EQ(card_reads(pages / 2 + 1), 0x40fedU);
    EXPECT_EQ(buffer_.as<std::uint32_t>()[words_per_page], word(1));
}

TEST_P(EachMapping, CanBeProtectedAndPartlyUnmapped) {
    std::byte* const start = buffer_.data();
    ASSERT_EQ(::mprotect(start + 2 * uapi::page, uapi::page, PROT_READ), 0);
    ASSERT_EQ(::munmap(start + 4 * uapi::page, uapi::page), 0);
    queue_.run(uapi::fill(buffer_.address(), 0xca4d, buffer_.bytes()));
    for (const std::size_t page : {0, 1, 2, 3, 5, 6, 7}) {
        EXPECT_EQ(word(page), 0xca4dU) << page;
    }
    // Dropped pages keep their data, because the buffer owns the memory.
    ASSERT_EQ(::mprotect(start + 2 * uapi::page, uapi::page, PROT_READ | PROT_WRITE), 0);
    ::madvise(start, 4 * uapi::page, MADV_DONTNEED);
    buffer_.as<std::uint32_t>()[2 * words_per_page] = 9;
    EXPECT_EQ(card_reads(2), 9U);
    EXPECT_EQ(word(3), 0xca4dU);
}

INSTANTIATE_TEST_SUITE_P(Buffer, EachMapping, testing::Values(uapi::host, uapi::device),
                         [](const auto& info) {
                             return info.param == uapi::host ? "Host" : "Device";
                         });

TEST(QueueMapping, IsNotInheritedByAForkedChild) {
    const uapi::File file;
    uapi::Queue queue(file);
    queue.run(uapi::nop());
    const uapi::Mapping doorbell(file.fd(), queue.created().doorbell, uapi::page);
    const uapi::Mapping memory(file.fd(), queue.created().address, queue.created().bytes);
    const uapi::Counter forked;
    const uapi::Counter stop;
    uapi::Process child([&] {
        uapi::check(!is_mapped(doorbell.data()), "the doorbell is in the child");
        uapi::check(!is_mapped(memory.data()), "the queue is in the child");
        forked.add();
        stop.await(1);
    });
    forked.await(1);
    // The parent's queue works during the child's life and afterwards.
    queue.run(uapi::nop());
    stop.add();
    EXPECT_EQ(child.wait(), 0);
    queue.run(uapi::nop());
    EXPECT_EQ(queue.query().completed, 3U);
}

TEST(QueueMapping, CoversOnlyTheQueue) {
    const uapi::File file;
    const uapi::Queue queue(file, 128);
    const auto attempt = [&](std::uint64_t offset, std::size_t bytes, int flags = MAP_SHARED) {
        return uapi::Mapping::attempt(file.fd(), offset, bytes, PROT_READ | PROT_WRITE, flags);
    };
    EXPECT_EQ(queue.created().bytes, ACCEL_QUEUE_RING_OFFSET + 128 * ACCEL_COMMAND_SIZE);
    EXPECT_EQ(attempt(queue.created().address, queue.created().bytes + uapi::page), EINVAL);
    EXPECT_EQ(attempt(queue.created().doorbell, 2 * uapi::page), EINVAL);
    EXPECT_EQ(attempt(queue.created().doorbell, uapi::page, MAP_PRIVATE), EINVAL);
    EXPECT_EQ(attempt(queue.created().address, uapi::page, MAP_PRIVATE), EINVAL);
    // All other doorbell pages belong to other queues or to none.
    const std::uint64_t around = (file.info().queues + 1) * uapi::page;
    for (std::uint64_t offset = queue.created().doorbell - around;
         offset <= queue.created().doorbell + around; offset += uapi::page) {
        EXPECT_EQ(attempt(offset, uapi::page), offset == queue.created().doorbell ? 0 : EINVAL);
    }
}

TEST(QueueMapping, OfADoorbellStillWorksAfterAMove) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Mapping doorbell(file.fd(), queue.created().doorbell, uapi::page);
    const uapi::Mapping target = uapi::Mapping::anonymous(uapi::page);
    ASSERT_EQ(::mremap(doorbell.data(), uapi::page, uapi::page, MREMAP_MAYMOVE | MREMAP_FIXED,
                       target.data()),
              target.data());
    *reinterpret_cast<volatile std::uint32_t*>(target.data()) = 1;
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(FilePassing, SharesTheContext) {
    const uapi::Channel channel;
    const uapi::Counter received;
    std::uint64_t address = 0;
    const uapi::Mapping shared = uapi::Mapping::anonymous(uapi::page, MAP_SHARED);
    uapi::Process child([&] {
        const uapi::File file(channel.receive());
        address = shared.as<std::uint64_t>()[0];
        const uapi::Mapping theirs(file.fd(), address, uapi::page);
        uapi::check(theirs.as<std::uint32_t>()[0] == 0xfeed,
                    "the other process sees different data");
        uapi::Queue queue(file);
        queue.run(uapi::fill(address, 0xbeef, uapi::page));
    });
    {
        const uapi::File file;
        const uapi::Buffer buffer(file, uapi::page);
        shared.as<std::uint64_t>()[0] = buffer.address();
        buffer.as<std::uint32_t>()[0] = 0xfeed;
        channel.send(file.fd());
        EXPECT_EQ(child.wait(), 0);
        EXPECT_EQ(buffer.as<std::uint32_t>()[0], 0xbeefU);
    }
    uapi::expect_working_card();
}

TEST(FilePassing, KeepsTheContextAfterItsCreatorEnds) {
    const uapi::Channel channel;
    const uapi::Mapping shared = uapi::Mapping::anonymous(uapi::page, MAP_SHARED);
    uapi::Process child([&] {
        const uapi::File file;
        accel_buffer_create create{};
        create.flags = uapi::device;
        create.bytes = uapi::page;
        uapi::require(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
        const uapi::Mapping mapping(file.fd(), create.address, uapi::page);
        mapping.as<std::uint32_t>()[0] = 0xfeed;
        shared.as<std::uint64_t>()[0] = create.address;
        channel.send(file.fd());
    });
    const uapi::File file(channel.receive());
    EXPECT_EQ(child.wait(), 0);
    const uapi::Mapping mapping(file.fd(), shared.as<std::uint64_t>()[0], uapi::page);
    EXPECT_EQ(mapping.as<std::uint32_t>()[0], 0xfeedU);
    uapi::Queue queue(file);
    queue.run(uapi::fill(shared.as<std::uint64_t>()[0], 1, uapi::page));
    EXPECT_EQ(mapping.as<std::uint32_t>()[0], 1U);
}

TEST(ReadOnlyFile, HasNoWritableMappings) {
    const uapi::File file(
        uapi::Descriptor(::open(uapi::Card().node().c_str(), O_RDONLY | O_CLOEXEC)));
    accel_buffer_create create{};
    create.flags = uapi::host;
    create.bytes = uapi::page;
    ASSERT_EQ(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), 0);
    EXPECT_EQ(uapi::Mapping::attempt(file.fd(), create.address, uapi::page), EACCES);
}

}  // namespace
