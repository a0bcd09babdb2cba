// SPDX-License-Identifier: Apache-2.0
//
// What can be mapped and what cannot; what a mapping outlives; fork, mremap, mprotect; files that
// go from process to process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

constexpr std::size_t words_per_page = bench::page / sizeof(std::uint32_t);

bool is_mapped(const void* place) {
    unsigned char resident = 0;
    return ::mincore(const_cast<void*>(place), bench::page, &resident) == 0;
}

class EachMapping : public testing::TestWithParam<std::uint32_t> {
  protected:
    EachMapping() { bench::fill_pattern(buffer_.as<std::uint32_t>(), 1); }

    /// What the card finds in the first word of a page.
    std::uint32_t card_reads(std::size_t page) {
        queue_.run(bench::copy(check_.address(), buffer_.address() + page * bench::page, 4));
        return check_.as<std::uint32_t>()[0];
    }
    [[nodiscard]] std::uint32_t word(std::size_t page) const {
        return buffer_.as<std::uint32_t>()[page * words_per_page];
    }

    static constexpr std::size_t pages = 8;
    bench::File file_;
    bench::Queue queue_{file_};
    bench::Buffer check_{file_, bench::page};
    bench::Buffer buffer_{file_, pages* bench::page, GetParam()};
};

TEST_P(EachMapping, OfAPartShowsThatPart) {
    const bench::Mapping part(file_.fd(), buffer_.address() + 2 * bench::page, 3 * bench::page);
    EXPECT_TRUE(std::ranges::equal(
        part.as<std::uint32_t>(),
        buffer_.as<std::uint32_t>().subspan(2 * words_per_page, 3 * words_per_page)));
    part.as<std::uint32_t>()[0] = 77;
    EXPECT_EQ(card_reads(2), 77U);
    EXPECT_EQ(word(2), 77U);
}

TEST_P(EachMapping, OutsideOfABufferIsEinval) {
    const auto attempt = [&](std::uint64_t offset, std::size_t bytes) {
        return bench::Mapping::attempt(file_.fd(), offset, bytes);
    };
    const std::uint64_t start = buffer_.address();
    EXPECT_EQ(attempt(start, pages * bench::page), 0);
    EXPECT_EQ(attempt(start, (pages + 1) * bench::page), EINVAL);
    EXPECT_EQ(attempt(start + (pages - 1) * bench::page, 2 * bench::page), EINVAL);
    EXPECT_EQ(attempt(start + pages * bench::page, bench::page), EINVAL);
    EXPECT_EQ(attempt(start - bench::page, 2 * bench::page), EINVAL);
    EXPECT_EQ(attempt(start, std::size_t{1} << 40), EINVAL);
    EXPECT_EQ(attempt(start + 512, bench::page), EINVAL);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{bench::page}, std::uint64_t{1} << 40,
          (std::uint64_t{1} << 30) - bench::page, (std::uint64_t{1} << 30) + 63 * bench::page,
          (std::uint64_t{1} << 32) - bench::page, (std::uint64_t{1} << 60),
          (std::uint64_t{1} << 62), std::uint64_t{0x7ffffffffffff000}}) {
        EXPECT_NE(attempt(offset, bench::page), 0) << offset;
    }
}

TEST_P(EachMapping, OfAnotherFilesBufferIsEinval) {
    const bench::File other;
    const bench::Buffer theirs(other, bench::page);
    // Their address space is not ours, even where the numbers are the same.
    EXPECT_EQ(bench::Mapping::attempt(other.fd(), buffer_.address() + 4 * bench::page, bench::page),
              EINVAL);
}

TEST_P(EachMapping, ThatIsPrivateIsEinval) {
    EXPECT_EQ(bench::Mapping::attempt(file_.fd(), buffer_.address(), bench::page,
                                      PROT_READ | PROT_WRITE, MAP_PRIVATE),
              EINVAL);
    EXPECT_EQ(
        bench::Mapping::attempt(file_.fd(), buffer_.address(), bench::page, PROT_READ, MAP_PRIVATE),
        EINVAL);
}

TEST_P(EachMapping, OutlivesTheHandleAndTheCardDoesNot) {
    const std::uint64_t address = buffer_.address();
    const std::uint64_t free = file_.info().memory_free;
    ASSERT_EQ(buffer_.destroy(), 0);
    EXPECT_EQ(bench::Mapping::attempt(file_.fd(), address, bench::page), EINVAL);
    EXPECT_EQ(queue_.run_to_error(bench::fill(address, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    ASSERT_EQ(queue_.reset(), 0);

    // Nobody else gets the memory while it is mapped.
    EXPECT_EQ(file_.info().memory_free, free);
    const bench::Buffer next(file_, pages * bench::page, GetParam());
    std::ranges::fill(next.as<std::uint32_t>(), 0xbad);
    EXPECT_EQ(bench::first_difference(buffer_.as<std::uint32_t>(), 1), pages * words_per_page);
    buffer_.as<std::uint32_t>()[0] = 5;
    EXPECT_EQ(next.as<std::uint32_t>()[0], 0xbadU);
    const std::uint64_t still = file_.info().memory_free;
    buffer_.mapping().unmap();
    EXPECT_EQ(file_.info().memory_free,
              still + (GetParam() == bench::device ? pages * bench::page : 0));
}

TEST_P(EachMapping, OutlivesTheFile) {
    const bench::Capacity before = bench::Capacity::measure();
    {
        std::optional<bench::Mapping> left;
        {
            const bench::File file;
            bench::Buffer buffer(file, pages * bench::page, GetParam());
            bench::fill_pattern(buffer.as<std::uint32_t>(), 3);
            left = std::move(buffer.mapping());
        }
        EXPECT_EQ(bench::first_difference(left->as<std::uint32_t>(), 3), pages * words_per_page);
        left->as<std::uint32_t>()[0] = 1;
        EXPECT_EQ(left->as<std::uint32_t>()[0], 1U);
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
}

TEST_P(EachMapping, IsSharedWithAForkedChild) {
    bench::Process child([&] {
        bench::check(
            bench::first_difference(buffer_.as<std::uint32_t>(), 1) == pages * words_per_page,
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
    // Grown, it would show what is not in the buffer.
    EXPECT_EQ(::mremap(start, pages * bench::page, 2 * pages * bench::page, MREMAP_MAYMOVE),
              MAP_FAILED);
    // A length of zero would make a second mapping.
    EXPECT_EQ(::mremap(start, 0, 2 * pages * bench::page, MREMAP_MAYMOVE), MAP_FAILED);

    // The upper half goes elsewhere; two pages of it stay.
    constexpr std::size_t half = pages / 2 * bench::page;
    bench::Mapping place = bench::Mapping::anonymous(half);
    void* const moved =
        ::mremap(start + half, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, place.data());
    ASSERT_EQ(moved, place.data());
    EXPECT_FALSE(is_mapped(start + half));
    EXPECT_EQ(place.as<std::uint32_t>()[half / 4 - words_per_page], last);
    ASSERT_EQ(::mremap(place.data(), half, 2 * bench::page, 0), place.data());
    EXPECT_FALSE(is_mapped(place.data() + 2 * bench::page));
    place.as<std::uint32_t>()[words_per_page] = 0x40fed;
    EXPECT_EQ(card_reads(pages / 2 + 1), 0x40fedU);
    EXPECT_EQ(buffer_.as<std::uint32_t>()[words_per_page], word(1));
}

TEST_P(EachMapping, CanBeProtectedAndCutInTheMiddle) {
    std::byte* const start = buffer_.data();
    ASSERT_EQ(::mprotect(start + 2 * bench::page, bench::page, PROT_READ), 0);
    ASSERT_EQ(::munmap(start + 4 * bench::page, bench::page), 0);
    queue_.run(bench::fill(buffer_.address(), 0xca4d, buffer_.bytes()));
    for (const std::size_t page : {0, 1, 2, 3, 5, 6, 7}) {
        EXPECT_EQ(word(page), 0xca4dU) << page;
    }
    // What is dropped comes back as it was: it is the card's memory, not the process's.
    ASSERT_EQ(::mprotect(start + 2 * bench::page, bench::page, PROT_READ | PROT_WRITE), 0);
    ::madvise(start, 4 * bench::page, MADV_DONTNEED);
    buffer_.as<std::uint32_t>()[2 * words_per_page] = 9;
    EXPECT_EQ(card_reads(2), 9U);
    EXPECT_EQ(word(3), 0xca4dU);
}

INSTANTIATE_TEST_SUITE_P(Buffer, EachMapping, testing::Values(bench::host, bench::device),
                         [](const auto& info) {
                             return info.param == bench::host ? "Host" : "Device";
                         });

TEST(QueueMapping, IsNotInheritedByAForkedChild) {
    const bench::File file;
    bench::Queue queue(file);
    queue.run(bench::nop());
    const bench::Mapping doorbell(file.fd(), queue.made().doorbell, bench::page);
    const bench::Mapping memory(file.fd(), queue.made().address, queue.made().bytes);
    const bench::Counter forked;
    const bench::Counter stop;
    bench::Process child([&] {
        bench::check(!is_mapped(doorbell.data()), "the doorbell is in the child");
        bench::check(!is_mapped(memory.data()), "the queue is in the child");
        forked.add();
        stop.await(1);
    });
    forked.await(1);
    // The parent goes on while the child is there and when it is gone.
    queue.run(bench::nop());
    stop.add();
    EXPECT_EQ(child.wait(), 0);
    queue.run(bench::nop());
    EXPECT_EQ(queue.query().completed, 3U);
}

TEST(QueueMapping, IsOnlyWhatTheQueueHas) {
    const bench::File file;
    const bench::Queue queue(file, 128);
    const auto attempt = [&](std::uint64_t offset, std::size_t bytes, int flags = MAP_SHARED) {
        return bench::Mapping::attempt(file.fd(), offset, bytes, PROT_READ | PROT_WRITE, flags);
    };
    EXPECT_EQ(queue.made().bytes, ACCEL_QUEUE_RING_OFFSET + 128 * ACCEL_COMMAND_SIZE);
    EXPECT_EQ(attempt(queue.made().address, queue.made().bytes + bench::page), EINVAL);
    EXPECT_EQ(attempt(queue.made().doorbell, 2 * bench::page), EINVAL);
    EXPECT_EQ(attempt(queue.made().doorbell, bench::page, MAP_PRIVATE), EINVAL);
    EXPECT_EQ(attempt(queue.made().address, bench::page, MAP_PRIVATE), EINVAL);
    // Every other doorbell page is somebody else's or nobody's.
    const std::uint64_t around = (file.info().queues + 1) * bench::page;
    for (std::uint64_t offset = queue.made().doorbell - around;
         offset <= queue.made().doorbell + around; offset += bench::page) {
        EXPECT_EQ(attempt(offset, bench::page), offset == queue.made().doorbell ? 0 : EINVAL);
    }
}

TEST(QueueMapping, OfAMovedDoorbellStillRings) {
    const bench::File file;
    bench::Queue queue(file);
    const bench::Mapping doorbell(file.fd(), queue.made().doorbell, bench::page);
    const bench::Mapping place = bench::Mapping::anonymous(bench::page);
    ASSERT_EQ(::mremap(doorbell.data(), bench::page, bench::page, MREMAP_MAYMOVE | MREMAP_FIXED,
                       place.data()),
              place.data());
    *reinterpret_cast<volatile std::uint32_t*>(place.data()) = 1;
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(FilePassing, GivesTheOtherProcessTheSameContext) {
    const bench::Channel channel;
    const bench::Counter received;
    std::uint64_t address = 0;
    const bench::Mapping shared = bench::Mapping::anonymous(bench::page, MAP_SHARED);
    bench::Process child([&] {
        const bench::File file(channel.receive());
        address = shared.as<std::uint64_t>()[0];
        const bench::Mapping theirs(file.fd(), address, bench::page);
        bench::check(theirs.as<std::uint32_t>()[0] == 0xfeed, "other data");
        bench::Queue queue(file);
        queue.run(bench::fill(address, 0xbeef, bench::page));
    });
    {
        const bench::File file;
        const bench::Buffer buffer(file, bench::page);
        shared.as<std::uint64_t>()[0] = buffer.address();
        buffer.as<std::uint32_t>()[0] = 0xfeed;
        channel.send(file.fd());
        EXPECT_EQ(child.wait(), 0);
        EXPECT_EQ(buffer.as<std::uint32_t>()[0], 0xbeefU);
    }
    bench::expect_healthy();
}

TEST(FilePassing, KeepsTheContextWhenItsMakerIsGone) {
    const bench::Channel channel;
    const bench::Mapping shared = bench::Mapping::anonymous(bench::page, MAP_SHARED);
    bench::Process child([&] {
        const bench::File file;
        accel_buffer_create create{};
        create.flags = bench::device;
        create.bytes = bench::page;
        bench::require(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
        const bench::Mapping mapping(file.fd(), create.address, bench::page);
        mapping.as<std::uint32_t>()[0] = 0xfeed;
        shared.as<std::uint64_t>()[0] = create.address;
        channel.send(file.fd());
    });
    const bench::File file(channel.receive());
    EXPECT_EQ(child.wait(), 0);
    const bench::Mapping mapping(file.fd(), shared.as<std::uint64_t>()[0], bench::page);
    EXPECT_EQ(mapping.as<std::uint32_t>()[0], 0xfeedU);
    bench::Queue queue(file);
    queue.run(bench::fill(shared.as<std::uint64_t>()[0], 1, bench::page));
    EXPECT_EQ(mapping.as<std::uint32_t>()[0], 1U);
}

TEST(ReadOnlyFile, MapsNothingWritable) {
    const bench::File file(
        bench::Descriptor(::open(bench::Card().node().c_str(), O_RDONLY | O_CLOEXEC)));
    accel_buffer_create create{};
    create.flags = bench::host;
    create.bytes = bench::page;
    ASSERT_EQ(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), 0);
    EXPECT_EQ(bench::Mapping::attempt(file.fd(), create.address, bench::page), EACCES);
}

}  // namespace
