// SPDX-License-Identifier: Apache-2.0
//
// Registered memory: any alignment, any kind of mapping, and any later change of the mapping by the
// process.
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
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr std::size_t words_per_page = uapi::page / sizeof(std::uint32_t);

/// An unnamed file with known contents.
uapi::Descriptor make_file(std::size_t bytes, std::uint32_t seed) {
    char name[] = "/dev/shm/registered.XXXXXX";
    uapi::Descriptor file(::mkstemp(name));
    uapi::require(file.get() >= 0 ? 0 : errno, "mkstemp");
    ::unlink(name);
    uapi::require(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 ? 0 : errno, "ftruncate");
    const uapi::Mapping mapping(file.get(), 0, bytes);
    uapi::fill_pattern(mapping.as<std::uint32_t>(), seed);
    return file;
}

class Registered : public testing::Test {
  protected:
    static constexpr std::size_t pages = 4;
    static constexpr std::size_t bytes = pages * uapi::page;

    /// The word that the card reads at an address.
    std::span<const std::uint32_t> card_reads(std::uint64_t address, std::size_t count = bytes) {
        std::ranges::fill(seen_.as<std::uint32_t>(), 0xeeeeeeee);
        queue_.run(uapi::copy(seen_.address(), address, count));
        return seen_.as<const std::uint32_t>();
    }
    void card_writes(std::uint64_t address, std::uint32_t seed, std::size_t count = bytes) {
        uapi::fill_pattern(given_.as<std::uint32_t>(), seed);
        queue_.run(uapi::copy(address, given_.address(), count));
    }
    void expect_pattern(std::span<const std::uint32_t> words, std::uint32_t seed) {
        EXPECT_EQ(uapi::first_difference(words, seed), words.size());
    }

    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Buffer seen_{file_, bytes};
    uapi::Buffer given_{file_, bytes};
    uapi::Mapping own_ = uapi::Mapping::anonymous(bytes);
};

TEST_F(Registered, IsReadAndWrittenInPlace) {
    const uapi::Registration memory(file_, own_.data(), bytes);
    uapi::fill_pattern(own_.as<std::uint32_t>(), 1);
    expect_pattern(card_reads(memory.address()), 1);
    card_writes(memory.address(), 2);
    expect_pattern(own_.as<std::uint32_t>(), 2);
}

TEST_F(Registered, MayStartAndEndAnywhere) {
    const auto content = own_.as<std::uint8_t>();
    for (const std::size_t start :
         {std::size_t{1}, std::size_t{3}, uapi::page - 1, uapi::page + 1}) {
        for (const std::size_t length :
             {std::size_t{1}, uapi::page - 1, uapi::page, 2 * uapi::page - 3}) {
            std::ranges::fill(content, 0x11);
            const uapi::Registration memory(file_, own_.data() + start, length);
            ASSERT_EQ(memory.address() % uapi::page, start % uapi::page);
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

// Memory that was never written has no page of its own yet. The card must read the data that are
// written after the registration, also if it has only read access.
TEST_F(Registered, AsInputBeforeItsFirstWriteHasLaterWrites) {
    const uapi::Registration memory(file_, own_.data(), bytes, uapi::readable);
    uapi::fill_pattern(own_.as<std::uint32_t>(), 3);
    expect_pattern(card_reads(memory.address()), 3);
}

TEST_F(Registered, AsInputAfterAReadHasLaterWrites) {
    for (const std::uint32_t word : own_.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    const uapi::Registration memory(file_, own_.data(), bytes, uapi::readable);
    uapi::fill_pattern(own_.as<std::uint32_t>(), 3);
    expect_pattern(card_reads(memory.address()), 3);
}

TEST_F(Registered, PrivateFileAsInputHasLaterWrites) {
    const uapi::Descriptor file = make_file(bytes, 7);
    const uapi::Mapping mapping(file.get(), 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    const uapi::Registration memory(file_, mapping.data(), bytes, uapi::readable);
    expect_pattern(card_reads(memory.address()), 7);
    uapi::fill_pattern(mapping.as<std::uint32_t>(), 8);
    expect_pattern(card_reads(memory.address()), 8);
}

TEST_F(Registered, ReadOnlyFileWorksAsInputOnly) {
    const uapi::Descriptor file = make_file(bytes, 7);
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        const uapi::Mapping mapping(file.get(), 0, bytes, PROT_READ, flags);
        EXPECT_EQ(uapi::Registration::attempt(file_, mapping.data(), bytes, uapi::writable),
                  EFAULT);
        EXPECT_EQ(uapi::Registration::attempt(file_, mapping.data(), bytes), EFAULT);
        const uapi::Registration memory(file_, mapping.data(), bytes, uapi::readable);
        expect_pattern(card_reads(memory.address()), 7);
        EXPECT_EQ(queue_.run_to_error(uapi::fill(memory.address(), 1, 4)).error,
                  static_cast<std::uint32_t>(ACCEL_FAULT_WRITE));
        ASSERT_EQ(queue_.reset(), 0);
    }
}

TEST_F(Registered, ReadOnlySharedFileIsNotCopiedForTheCard) {
    const uapi::Descriptor file = make_file(bytes, 7);
    const uapi::Mapping writer(file.get(), 0, bytes);
    const uapi::Mapping reader(file.get(), 0, bytes, PROT_READ, MAP_SHARED);
    const uapi::Registration memory(file_, reader.data(), bytes, uapi::readable);
    // The card reads the page cache itself.
    uapi::fill_pattern(writer.as<std::uint32_t>(), 8);
    expect_pattern(card_reads(memory.address()), 8);
}

TEST_F(Registered, ReadOnlyPrivateFileIsTheSameForCardAndProcess) {
    const uapi::Descriptor file = make_file(bytes, 7);
    const uapi::Mapping writer(file.get(), 0, bytes);
    const uapi::Mapping reader(file.get(), 0, bytes, PROT_READ, MAP_PRIVATE);
    const uapi::Registration memory(file_, reader.data(), bytes, uapi::readable);
    // Kernels differ in whether later changes of the file are visible: newer ones copy a page that
    // the process may write before they pin it. On all kernels, card and process use the same page.
    uapi::fill_pattern(writer.as<std::uint32_t>(), 8);
    EXPECT_TRUE(std::ranges::equal(card_reads(memory.address()), reader.as<std::uint32_t>()));
}

TEST_F(Registered, SharedFileAsOutputReachesTheFile) {
    const uapi::Descriptor file = make_file(bytes, 7);
    const uapi::Mapping mapping(file.get(), 0, bytes);
    {
        const uapi::Registration memory(file_, mapping.data(), bytes);
        card_writes(memory.address(), 9);
    }
    std::vector<std::uint32_t> content(bytes / sizeof(std::uint32_t));
    ASSERT_EQ(::pread(file.get(), content.data(), bytes, 0), static_cast<ssize_t>(bytes));
    expect_pattern(content, 9);
}

TEST_F(Registered, NeedsMappedAndAccessibleMemory) {
    const auto attempt = [&](const void* start, std::size_t length) {
        return uapi::Registration::attempt(file_, start, length);
    };
    EXPECT_EQ(attempt(nullptr, uapi::page), EFAULT);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the kernel.
    EXPECT_EQ(attempt(reinterpret_cast<void*>(0xffffffff81000000), uapi::page), EFAULT);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the last byte of the address space.
    EXPECT_EQ(attempt(reinterpret_cast<void*>(~std::uintptr_t{0}), 1), EFAULT);
    // A hole in the middle, a page without access, and a read-only page.
    for (const int prot : {-1, PROT_NONE, PROT_READ}) {
        const uapi::Mapping memory = uapi::Mapping::anonymous(bytes);
        std::byte* const middle = memory.data() + 2 * uapi::page;
        ASSERT_EQ(prot < 0 ? ::munmap(middle, uapi::page) : ::mprotect(middle, uapi::page, prot),
                  0);
        EXPECT_EQ(attempt(memory.data(), bytes), EFAULT) << prot;
        EXPECT_EQ(attempt(memory.data(), 2 * uapi::page), 0) << prot;
    }
}

TEST_F(Registered, IsNeverMemoryOfACard) {
    uapi::Buffer on_card(file_, uapi::page, uapi::device);
    on_card.as<std::uint32_t>()[0] = 1;
    EXPECT_EQ(uapi::Registration::attempt(file_, on_card.data(), uapi::page), EFAULT);
    const uapi::Mapping doorbell(file_.fd(), queue_.created().doorbell, uapi::page);
    EXPECT_EQ(uapi::Registration::attempt(file_, doorbell.data(), uapi::page), EFAULT);
}

TEST_F(Registered, CannotBeMappedThroughTheFile) {
    const uapi::Registration memory(file_, own_.data(), bytes);
    EXPECT_EQ(uapi::Mapping::attempt(file_.fd(), memory.address(), uapi::page), EINVAL);
}

TEST_F(Registered, MayBeUnmappedAndTheCardKeepsItsPages) {
    uapi::fill_pattern(own_.as<std::uint32_t>(), 4);
    const uapi::Registration memory(file_, own_.data(), bytes);
    std::byte* const start = own_.data();
    own_.unmap();
    expect_pattern(card_reads(memory.address()), 4);
    card_writes(memory.address(), 5);
    expect_pattern(card_reads(memory.address()), 5);
    // A new mapping at this address is other memory.
    void* const next = ::mmap(start, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_EQ(next, start);
    card_writes(memory.address(), 6);
    EXPECT_EQ(*reinterpret_cast<std::uint32_t*>(start), 0U);
    ::munmap(start, bytes);
}

TEST_F(Registered, MayBeDroppedByTheProcessAndTheCardKeepsItsPages) {
    uapi::fill_pattern(own_.as<std::uint32_t>(), 4);
    const uapi::Registration memory(file_, own_.data(), bytes);
    ASSERT_EQ(::madvise(own_.data(), bytes, MADV_DONTNEED), 0);
    expect_pattern(card_reads(memory.address()), 4);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 0U);
}

TEST_F(Registered, StaysWithTheParentAfterAFork) {
    uapi::fill_pattern(own_.as<std::uint32_t>(), 1);
    const uapi::Registration memory(file_, own_.data(), bytes);
    const uapi::Counter step;
    uapi::Process child([&] {
        step.await(1);
        uapi::fill_pattern(own_.as<std::uint32_t>(), 9);
        step.add();
        step.await(3);
    });
    uapi::fill_pattern(own_.as<std::uint32_t>(), 2);
    expect_pattern(card_reads(memory.address()), 2);
    step.add();
    step.await(2);
    // The child's writes are visible only to the child.
    expect_pattern(card_reads(memory.address()), 2);
    card_writes(memory.address(), 3);
    expect_pattern(own_.as<std::uint32_t>(), 3);
    step.add();
    EXPECT_EQ(child.wait(), 0);
    uapi::fill_pattern(own_.as<std::uint32_t>(), 4);
    expect_pattern(card_reads(memory.address()), 4);
}

// The parent shares the pages copy-on-write with a child at the time of the registration.
TEST_F(Registered, AsInputAfterAForkHasTheParentsWrites) {
    for (const std::uint32_t flags : {uapi::readable, uapi::host}) {
        uapi::fill_pattern(own_.as<std::uint32_t>(), 1);
        const uapi::Counter stop;
        uapi::Process child([&] {
            stop.await(1);
            expect_pattern(own_.as<std::uint32_t>(), 1);
            uapi::check(!HasFailure(), "the child's memory was written");
        });
        const uapi::Registration memory(file_, own_.data(), bytes, flags);
        uapi::fill_pattern(own_.as<std::uint32_t>(), 2);
        expect_pattern(card_reads(memory.address()), 2);
        stop.add();
        EXPECT_EQ(child.wait(), 0);
    }
}

TEST_F(Registered, TwiceIsTwoBuffersOnTheSameMemory) {
    const uapi::File other;
    uapi::Queue theirs(other);
    uapi::Registration first(file_, own_.data(), bytes);
    const uapi::Registration second(file_, own_.data() + 5, 10);
    const uapi::Registration elsewhere(other, own_.data(), bytes);
    EXPECT_NE(first.address(), second.address() - 5);
    theirs.run(uapi::fill(elsewhere.address(), 0xabcd, bytes));
    EXPECT_EQ(card_reads(first.address())[0], 0xabcdU);
    ASSERT_EQ(first.destroy(), 0);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 0xabcdU);
    queue_.run(uapi::copy(second.address(), given_.address(), 10));
    EXPECT_EQ(queue_.run_to_error(uapi::fill(first.address(), 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
}

TEST_F(Registered, HugePagesAreCompleteAndMayBeSplit) {
    if (::access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
        GTEST_SKIP() << "this kernel has no transparent huge pages";
    }
    constexpr std::size_t huge = std::size_t{2} << 20;
    const uapi::Mapping area = uapi::Mapping::anonymous(3 * huge);
    const auto address = reinterpret_cast<std::uintptr_t>(area.data());
    std::byte* const start = area.data() + (huge - address % huge) % huge;
    ASSERT_EQ(::madvise(start, 2 * huge, MADV_HUGEPAGE), 0);
    const std::span words(reinterpret_cast<std::uint32_t*>(start), 2 * huge / 4);
    for (std::size_t i = 0; i < words.size(); i += words_per_page) {
        words[i] = static_cast<std::uint32_t>(i);
    }
    const uapi::Registration memory(file_, start + uapi::page, 2 * huge - 2 * uapi::page);
    const uapi::Buffer check(file_, 2 * huge, uapi::device);
    const auto expect_all = [&] {
        queue_.run(uapi::copy(check.address(), memory.address(), 2 * huge - 2 * uapi::page));
        for (std::size_t i = words_per_page; i < words.size() - words_per_page;
             i += words_per_page) {
            ASSERT_EQ(check.as<std::uint32_t>()[i - words_per_page], i);
        }
    };
    expect_all();
    // Each of these calls splits a huge page.
    ASSERT_EQ(::mprotect(start + 5 * uapi::page, uapi::page, PROT_READ), 0);
    ASSERT_EQ(::madvise(start + huge + 7 * uapi::page, uapi::page, MADV_DONTNEED), 0);
    ASSERT_EQ(::munmap(start + huge + 9 * uapi::page, uapi::page), 0);
    expect_all();
}

// Long runs of physical memory that start one page after a large page: they must not be mapped as
// large pages.
TEST_F(Registered, MisalignedRunsOfMemoryAreComplete) {
    constexpr std::size_t area = std::size_t{16} << 20;
    // The driver's own buffers consist of the largest available blocks.
    const uapi::Buffer buffer(file_, area);
    const auto words = buffer.as<std::uint32_t>();
    for (std::size_t i = 0; i < words.size(); i += words_per_page) {
        words[i] = static_cast<std::uint32_t>(i);
    }
    const uapi::Registration memory(file_, buffer.data() + uapi::page, area - uapi::page);
    const uapi::Buffer check(file_, area, uapi::device);
    queue_.run(uapi::copy(check.address(), memory.address(), area - uapi::page));
    for (std::size_t i = words_per_page; i < words.size(); i += words_per_page) {
        ASSERT_EQ(check.as<std::uint32_t>()[i - words_per_page], i);
    }
}

// Pages are mapped and unmapped during the pinning, which must either succeed or fail with EFAULT.
TEST_F(Registered, WhileAnotherThreadUnmapsIsSafe) {
    std::byte* const start = own_.data();
    std::jthread unmapper([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            ::munmap(start + uapi::page, 2 * uapi::page);
            static_cast<void>(::mmap(start + uapi::page, 2 * uapi::page, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
        }
    });
    int rounds = 0;
    int done = 0;
    // Repeats until both results occurred, because the threads may not overlap for a while.
    uapi::await("a success and an EFAULT", [&] {
        const int error = uapi::Registration::attempt(file_, start, bytes);
        EXPECT_TRUE(error == 0 || error == EFAULT) << error;
        done += error == 0 ? 1 : 0;
        ++rounds;
        return rounds >= 300 && done > 0 && done < rounds;
    });
    unmapper.request_stop();
    unmapper.join();
    EXPECT_EQ(uapi::Registration::attempt(file_, start, bytes), 0);
}

}  // namespace
