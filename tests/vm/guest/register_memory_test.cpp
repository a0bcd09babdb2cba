// SPDX-License-Identifier: Apache-2.0
//
// Memory of the process in the hands of the card: any alignment, any kind of mapping, and
// whatever the process does to it meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stop_token>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

constexpr std::size_t words_per_page = bench::page / sizeof(std::uint32_t);

/// A file without a name, with known contents.
bench::Descriptor make_file(std::size_t bytes, std::uint32_t seed) {
    char name[] = "/dev/shm/registered.XXXXXX";
    bench::Descriptor file(::mkstemp(name));
    bench::require(file.get() >= 0 ? 0 : errno, "mkstemp");
    ::unlink(name);
    bench::require(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 ? 0 : errno,
                   "ftruncate");
    const bench::Mapping mapping(file.get(), 0, bytes);
    bench::fill_pattern(mapping.as<std::uint32_t>(), seed);
    return file;
}

class Registered : public testing::Test {
  protected:
    static constexpr std::size_t pages = 4;
    static constexpr std::size_t bytes = pages * bench::page;

    /// What the card finds at an address.
    std::span<const std::uint32_t> card_reads(std::uint64_t address, std::size_t count = bytes) {
        std::ranges::fill(seen_.as<std::uint32_t>(), 0xeeeeeeee);
        queue_.run(bench::copy(seen_.address(), address, count));
        return seen_.as<const std::uint32_t>();
    }
    void card_writes(std::uint64_t address, std::uint32_t seed, std::size_t count = bytes) {
        bench::fill_pattern(given_.as<std::uint32_t>(), seed);
        queue_.run(bench::copy(address, given_.address(), count));
    }
    void expect_pattern(std::span<const std::uint32_t> words, std::uint32_t seed) {
        EXPECT_EQ(bench::first_difference(words, seed), words.size());
    }

    bench::File file_;
    bench::Queue queue_{file_};
    bench::Buffer seen_{file_, bytes};
    bench::Buffer given_{file_, bytes};
    bench::Mapping own_ = bench::Mapping::anonymous(bytes);
};

TEST_F(Registered, IsReadAndWrittenInPlace) {
    const bench::Registration memory(file_, own_.data(), bytes);
    bench::fill_pattern(own_.as<std::uint32_t>(), 1);
    expect_pattern(card_reads(memory.address()), 1);
    card_writes(memory.address(), 2);
    expect_pattern(own_.as<std::uint32_t>(), 2);
}

TEST_F(Registered, MayStartAndEndAnywhere) {
    const auto content = own_.as<std::uint8_t>();
    for (const std::size_t start :
         {std::size_t{1}, std::size_t{3}, bench::page - 1, bench::page + 1}) {
        for (const std::size_t length :
             {std::size_t{1}, bench::page - 1, bench::page, 2 * bench::page - 3}) {
            std::ranges::fill(content, 0x11);
            const bench::Registration memory(file_, own_.data() + start, length);
            ASSERT_EQ(memory.address() % bench::page, start % bench::page);
            card_writes(memory.address(), 5, length);
            const auto given = given_.as<std::uint8_t>().first(length);
            ASSERT_TRUE(std::ranges::equal(content.subspan(start, length), given))
                << length << " bytes from " << start;
            ASSERT_EQ(std::ranges::count(content.first(start), 0x11), static_cast<long>(start));
            ASSERT_EQ(std::ranges::count(content.subspan(start + length), 0x11),
                      static_cast<long>(bytes - start - length));
        }
    }
}

// Memory that was never touched has no page of its own yet. What is written after the
// registration must be what the card reads, also where the card may only read.
TEST_F(Registered, AsInputBeforeItsFirstWriteShowsWhatIsWrittenLater) {
    const bench::Registration memory(file_, own_.data(), bytes, bench::readable);
    bench::fill_pattern(own_.as<std::uint32_t>(), 3);
    expect_pattern(card_reads(memory.address()), 3);
}

TEST_F(Registered, AsInputAfterItWasReadShowsWhatIsWrittenLater) {
    for (const std::uint32_t word : own_.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    const bench::Registration memory(file_, own_.data(), bytes, bench::readable);
    bench::fill_pattern(own_.as<std::uint32_t>(), 3);
    expect_pattern(card_reads(memory.address()), 3);
}

TEST_F(Registered, PrivateFileAsInputShowsWhatIsWrittenLater) {
    const bench::Descriptor file = make_file(bytes, 7);
    const bench::Mapping mapping(file.get(), 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    const bench::Registration memory(file_, mapping.data(), bytes, bench::readable);
    expect_pattern(card_reads(memory.address()), 7);
    bench::fill_pattern(mapping.as<std::uint32_t>(), 8);
    expect_pattern(card_reads(memory.address()), 8);
}

TEST_F(Registered, ReadOnlyFileIsInputAndNoOutput) {
    const bench::Descriptor file = make_file(bytes, 7);
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        const bench::Mapping mapping(file.get(), 0, bytes, PROT_READ, flags);
        EXPECT_EQ(bench::Registration::attempt(file_, mapping.data(), bytes, bench::writable),
                  EFAULT);
        EXPECT_EQ(bench::Registration::attempt(file_, mapping.data(), bytes), EFAULT);
        const bench::Registration memory(file_, mapping.data(), bytes, bench::readable);
        expect_pattern(card_reads(memory.address()), 7);
        EXPECT_EQ(queue_.run_to_error(bench::fill(memory.address(), 1, 4)).error,
                  static_cast<std::uint32_t>(ACCEL_FAULT_WRITE));
        ASSERT_EQ(queue_.reset(), 0);
    }
}

TEST_F(Registered, ReadOnlySharedFileIsNotCopiedForTheCard) {
    const bench::Descriptor file = make_file(bytes, 7);
    const bench::Mapping writer(file.get(), 0, bytes);
    const bench::Mapping reader(file.get(), 0, bytes, PROT_READ, MAP_SHARED);
    const bench::Registration memory(file_, reader.data(), bytes, bench::readable);
    // The page cache itself is what the card reads.
    bench::fill_pattern(writer.as<std::uint32_t>(), 8);
    expect_pattern(card_reads(memory.address()), 8);
}

TEST_F(Registered, ReadOnlyPrivateFileIsTheSameForCardAndProcess) {
    const bench::Descriptor file = make_file(bytes, 7);
    const bench::Mapping writer(file.get(), 0, bytes);
    const bench::Mapping reader(file.get(), 0, bytes, PROT_READ, MAP_PRIVATE);
    const bench::Registration memory(file_, reader.data(), bytes, bench::readable);
    // Kernels differ in whether the file's changes show: newer ones make a copy when memory is
    // pinned that the process might come to write. Both look at the same page on all of them.
    bench::fill_pattern(writer.as<std::uint32_t>(), 8);
    EXPECT_TRUE(std::ranges::equal(card_reads(memory.address()), reader.as<std::uint32_t>()));
}

TEST_F(Registered, SharedFileAsOutputReachesTheFile) {
    const bench::Descriptor file = make_file(bytes, 7);
    const bench::Mapping mapping(file.get(), 0, bytes);
    {
        const bench::Registration memory(file_, mapping.data(), bytes);
        card_writes(memory.address(), 9);
    }
    std::vector<std::uint32_t> content(bytes / sizeof(std::uint32_t));
    ASSERT_EQ(::pread(file.get(), content.data(), bytes, 0), static_cast<ssize_t>(bytes));
    expect_pattern(content, 9);
}

TEST_F(Registered, NeedsMemoryThatIsThereAndAllowed) {
    const auto attempt = [&](const void* start, std::size_t length) {
        return bench::Registration::attempt(file_, start, length);
    };
    EXPECT_EQ(attempt(nullptr, bench::page), EFAULT);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the kernel.
    EXPECT_EQ(attempt(reinterpret_cast<void*>(0xffffffff81000000), bench::page), EFAULT);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the last byte of the address space.
    EXPECT_EQ(attempt(reinterpret_cast<void*>(~std::uintptr_t{0}), 1), EFAULT);
    // A hole in the middle; a page that cannot be touched; one that cannot be written.
    for (const int prot : {-1, PROT_NONE, PROT_READ}) {
        const bench::Mapping memory = bench::Mapping::anonymous(bytes);
        std::byte* const middle = memory.data() + 2 * bench::page;
        ASSERT_EQ(prot < 0 ? ::munmap(middle, bench::page) : ::mprotect(middle, bench::page, prot),
                  0);
        EXPECT_EQ(attempt(memory.data(), bytes), EFAULT) << prot;
        EXPECT_EQ(attempt(memory.data(), 2 * bench::page), 0) << prot;
    }
}

TEST_F(Registered, IsNeverMemoryOfACard) {
    bench::Buffer on_card(file_, bench::page, bench::device);
    on_card.as<std::uint32_t>()[0] = 1;
    EXPECT_EQ(bench::Registration::attempt(file_, on_card.data(), bench::page), EFAULT);
    const bench::Mapping doorbell(file_.fd(), queue_.made().doorbell, bench::page);
    EXPECT_EQ(bench::Registration::attempt(file_, doorbell.data(), bench::page), EFAULT);
}

TEST_F(Registered, CannotBeMappedThroughTheFile) {
    const bench::Registration memory(file_, own_.data(), bytes);
    EXPECT_EQ(bench::Mapping::attempt(file_.fd(), memory.address(), bench::page), EINVAL);
}

TEST_F(Registered, MayBeUnmappedAndTheCardGoesOnWithItsPages) {
    bench::fill_pattern(own_.as<std::uint32_t>(), 4);
    const bench::Registration memory(file_, own_.data(), bytes);
    std::byte* const place = own_.data();
    own_.unmap();
    expect_pattern(card_reads(memory.address()), 4);
    card_writes(memory.address(), 5);
    expect_pattern(card_reads(memory.address()), 5);
    // Whoever has the address now has other memory.
    void* const next = ::mmap(place, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_EQ(next, place);
    card_writes(memory.address(), 6);
    EXPECT_EQ(*reinterpret_cast<std::uint32_t*>(place), 0U);
    ::munmap(place, bytes);
}

TEST_F(Registered, MayBeDroppedByTheProcessAndTheCardGoesOnWithItsPages) {
    bench::fill_pattern(own_.as<std::uint32_t>(), 4);
    const bench::Registration memory(file_, own_.data(), bytes);
    ASSERT_EQ(::madvise(own_.data(), bytes, MADV_DONTNEED), 0);
    expect_pattern(card_reads(memory.address()), 4);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 0U);
}

TEST_F(Registered, StaysTheParentsWhenItForks) {
    bench::fill_pattern(own_.as<std::uint32_t>(), 1);
    const bench::Registration memory(file_, own_.data(), bytes);
    const bench::Counter step;
    bench::Process child([&] {
        step.await(1);
        bench::fill_pattern(own_.as<std::uint32_t>(), 9);
        step.add();
        step.await(3);
    });
    bench::fill_pattern(own_.as<std::uint32_t>(), 2);
    expect_pattern(card_reads(memory.address()), 2);
    step.add();
    step.await(2);
    // What the child wrote is the child's.
    expect_pattern(card_reads(memory.address()), 2);
    card_writes(memory.address(), 3);
    expect_pattern(own_.as<std::uint32_t>(), 3);
    step.add();
    EXPECT_EQ(child.wait(), 0);
    bench::fill_pattern(own_.as<std::uint32_t>(), 4);
    expect_pattern(card_reads(memory.address()), 4);
}

// The pages are shared with the child, copy-on-write, when they are registered.
TEST_F(Registered, AsInputAfterAForkShowsWhatTheParentWrites) {
    for (const std::uint32_t flags : {bench::readable, bench::host}) {
        bench::fill_pattern(own_.as<std::uint32_t>(), 1);
        const bench::Counter stop;
        bench::Process child([&] {
            stop.await(1);
            expect_pattern(own_.as<std::uint32_t>(), 1);
            bench::check(!HasFailure(), "the child's memory was written");
        });
        const bench::Registration memory(file_, own_.data(), bytes, flags);
        bench::fill_pattern(own_.as<std::uint32_t>(), 2);
        expect_pattern(card_reads(memory.address()), 2);
        stop.add();
        EXPECT_EQ(child.wait(), 0);
    }
}

TEST_F(Registered, TwiceIsTwoBuffersOnTheSameMemory) {
    const bench::File other;
    bench::Queue theirs(other);
    bench::Registration first(file_, own_.data(), bytes);
    const bench::Registration second(file_, own_.data() + 5, 10);
    const bench::Registration elsewhere(other, own_.data(), bytes);
    EXPECT_NE(first.address(), second.address() - 5);
    theirs.run(bench::fill(elsewhere.address(), 0xabcd, bytes));
    EXPECT_EQ(card_reads(first.address())[0], 0xabcdU);
    ASSERT_EQ(first.destroy(), 0);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 0xabcdU);
    queue_.run(bench::copy(second.address(), given_.address(), 10));
    EXPECT_EQ(queue_.run_to_error(bench::fill(first.address(), 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
}

TEST_F(Registered, HugePagesAreWholeAndMayBeSplit) {
    if (::access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
        GTEST_SKIP() << "this kernel has no transparent huge pages";
    }
    constexpr std::size_t huge = std::size_t{2} << 20;
    const bench::Mapping area = bench::Mapping::anonymous(3 * huge);
    std::byte* const start = reinterpret_cast<std::byte*>(
        (reinterpret_cast<std::uintptr_t>(area.data()) + huge - 1) & ~(huge - 1));
    ASSERT_EQ(::madvise(start, 2 * huge, MADV_HUGEPAGE), 0);
    const std::span words(reinterpret_cast<std::uint32_t*>(start), 2 * huge / 4);
    for (std::size_t i = 0; i < words.size(); i += words_per_page) {
        words[i] = static_cast<std::uint32_t>(i);
    }
    const bench::Registration memory(file_, start + bench::page, 2 * huge - 2 * bench::page);
    const bench::Buffer check(file_, 2 * huge, bench::device);
    const auto expect_all = [&] {
        queue_.run(bench::copy(check.address(), memory.address(), 2 * huge - 2 * bench::page));
        for (std::size_t i = words_per_page; i < words.size() - words_per_page;
             i += words_per_page) {
            ASSERT_EQ(check.as<std::uint32_t>()[i - words_per_page], i);
        }
    };
    expect_all();
    // Each of these splits a huge page.
    ASSERT_EQ(::mprotect(start + 5 * bench::page, bench::page, PROT_READ), 0);
    ASSERT_EQ(::madvise(start + huge + 7 * bench::page, bench::page, MADV_DONTNEED), 0);
    ASSERT_EQ(::munmap(start + huge + 9 * bench::page, bench::page), 0);
    expect_all();
}

// Long runs of physical memory that start one page off a large page: they must not be entered as
// large pages.
TEST_F(Registered, RunsOffTheLargePagesAreWhole) {
    constexpr std::size_t area = std::size_t{16} << 20;
    // The driver's own buffers are made of the largest blocks there are.
    const bench::Buffer buffer(file_, area);
    const auto words = buffer.as<std::uint32_t>();
    for (std::size_t i = 0; i < words.size(); i += words_per_page) {
        words[i] = static_cast<std::uint32_t>(i);
    }
    const bench::Registration memory(file_, buffer.data() + bench::page, area - bench::page);
    const bench::Buffer check(file_, area, bench::device);
    queue_.run(bench::copy(check.address(), memory.address(), area - bench::page));
    for (std::size_t i = words_per_page; i < words.size(); i += words_per_page) {
        ASSERT_EQ(check.as<std::uint32_t>()[i - words_per_page], i);
    }
}

// Pages come and go under the pinning; whatever it meets, it either pins or says EFAULT.
TEST_F(Registered, WhileAnotherThreadUnmapsDoesNoHarm) {
    std::byte* const place = own_.data();
    std::jthread unmapper([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            ::munmap(place + bench::page, 2 * bench::page);
            ::mmap(place + bench::page, 2 * bench::page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
    });
    int rounds = 0;
    int done = 0;
    // Until it has met both, for the two threads may run one after the other for a while.
    bench::await("both outcomes", [&] {
        const int error = bench::Registration::attempt(file_, place, bytes);
        EXPECT_TRUE(error == 0 || error == EFAULT) << error;
        done += error == 0 ? 1 : 0;
        ++rounds;
        return rounds >= 300 && done > 0 && done < rounds;
    });
    unmapper.request_stop();
    unmapper.join();
    EXPECT_EQ(bench::Registration::attempt(file_, place, bytes), 0);
}

}  // namespace
