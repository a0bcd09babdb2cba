// SPDX-License-Identifier: Apache-2.0
//
// Registered memory counts against RLIMIT_MEMLOCK, and the count returns to zero however the
// memory is given back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <string>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

constexpr std::size_t limit = 16 * bench::page;

/// VmLck of this process in bytes, as the kernel tells it to everybody.
std::uint64_t locked_by_the_kernel() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == "VmLck:") {
            std::uint64_t kilobytes = 0;
            status >> kilobytes;
            return kilobytes << 10;
        }
    }
    return ~std::uint64_t{0};
}

void set_limit(std::uint64_t bytes) {
    const rlimit value{.rlim_cur = bytes, .rlim_max = bytes};
    bench::require(::setrlimit(RLIMIT_MEMLOCK, &value) == 0 ? 0 : errno, "setrlimit");
}

void check_locked(const bench::File& file, std::uint64_t bytes, const char* when) {
    bench::check(file.info().locked == bytes, when);
    bench::check(locked_by_the_kernel() == bytes, when);
}

/// Runs in a child that is no root and may lock 16 pages. The file is opened before, by root.
class Limit : public testing::Test {
  protected:
    template <typename Body>
    void expect_as_user(Body body) {
        bench::Process child([&] {
            set_limit(limit);
            bench::become_user();
            body();
        });
        EXPECT_EQ(child.wait(), 0);
        EXPECT_EQ(file_.info().locked, 0U);
    }

    bench::File file_;
    bench::Mapping memory_ = bench::Mapping::anonymous(2 * limit);
};

TEST_F(Limit, IsToldWithTheInfo) {
    expect_as_user([&] {
        bench::check(file_.info().locked_limit == limit, "the limit");
        check_locked(file_, 0, "at first");
    });
}

TEST_F(Limit, IsEdquotAndCountsWholePages) {
    expect_as_user([&] {
        std::byte* const start = memory_.data();
        const auto attempt = [&](std::size_t offset, std::size_t bytes) {
            return bench::Registration::attempt(file_, start + offset, bytes);
        };
        bench::check(attempt(0, limit) == 0, "all of it");
        bench::check(attempt(0, limit + 1) == EDQUOT, "one byte more");
        // Two bytes on two pages are two pages.
        bench::check(attempt(bench::page - 1, limit - bench::page + 2) == EDQUOT, "17 pages");
        bench::check(attempt(bench::page - 1, limit - bench::page) == 0, "16 pages");
        check_locked(file_, 0, "after all that");

        bench::Registration first(file_, start + bench::page - 1, 2);
        check_locked(file_, 2 * bench::page, "two pages");
        bench::Registration second(file_, start, limit - 2 * bench::page);
        check_locked(file_, limit, "sixteen pages");
        bench::check(attempt(0, 1) == EDQUOT, "full");
        bench::check(first.destroy() == 0, "destroy");
        check_locked(file_, limit - 2 * bench::page, "after the first");
        bench::check(attempt(0, 2 * bench::page) == 0, "room again");
        bench::check(second.destroy() == 0, "destroy");
        check_locked(file_, 0, "after the second");
    });
}

TEST_F(Limit, IsSharedWithMlock) {
    expect_as_user([&] {
        bench::require(::mlock(memory_.data(), 10 * bench::page) == 0 ? 0 : errno, "mlock");
        bench::check(bench::Registration::attempt(file_, memory_.data(), 7 * bench::page) == EDQUOT,
                     "over");
        bench::check(bench::Registration::attempt(file_, memory_.data(), 6 * bench::page) == 0,
                     "under");
        const bench::Registration memory(file_, memory_.data(), 6 * bench::page);
        bench::check(::mlock(memory_.data() + limit, bench::page) != 0, "mlock over the limit");
        bench::require(::munlock(memory_.data(), 10 * bench::page) == 0 ? 0 : errno, "munlock");
        check_locked(file_, 6 * bench::page, "after munlock");
    });
}

TEST_F(Limit, CountsNothingForACallThatFails) {
    expect_as_user([&] {
        bench::require(::munmap(memory_.data() + 3 * bench::page, bench::page) == 0 ? 0 : errno,
                       "munmap");
        bench::check(bench::Registration::attempt(file_, memory_.data(), limit) == EFAULT,
                     "a hole");
        check_locked(file_, 0, "after the hole");

        // The result cannot be delivered.
        const bench::Mapping page = bench::Mapping::anonymous(bench::page);
        accel_buffer_register registration{};
        registration.size = sizeof(registration);
        registration.flags = bench::host;
        registration.pointer = reinterpret_cast<std::uintptr_t>(memory_.data());
        registration.bytes = bench::page;
        *reinterpret_cast<accel_buffer_register*>(page.data()) = registration;
        page.protect(PROT_READ);
        bench::check(file_.raw(ACCEL_IOCTL_BUFFER_REGISTER, page.data()) == EFAULT, "read-only");
        check_locked(file_, 0, "after the read-only page");
    });
}

TEST_F(Limit, IsFreeAgainWhenTheFileIsClosed) {
    bench::require(::chmod(bench::Card().node().c_str(), 0666) == 0 ? 0 : errno, "chmod");
    expect_as_user([&] {
        for (int round = 0; round < 3; ++round) {
            bench::File file;
            bench::Mapping memory = bench::Mapping::anonymous(limit);
            accel_buffer_register registration{};
            registration.flags = bench::host;
            registration.pointer = reinterpret_cast<std::uintptr_t>(memory.data());
            registration.bytes = limit;
            bench::require(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "REGISTER");
            check_locked(file, limit, "registered");
            // The count is for the pages, not for the mapping.
            memory.unmap();
            check_locked(file, limit, "unmapped");
            file.close();
            bench::check(locked_by_the_kernel() == 0, "after close");
        }
    });
}

TEST_F(Limit, IsEachProcessesOwn) {
    expect_as_user([&] {
        const bench::Registration memory(file_, memory_.data(), limit);
        bench::Process grandchild([&] {
            check_locked(file_, 0, "in the child");
            const bench::Mapping own = bench::Mapping::anonymous(limit);
            const bench::Registration theirs(file_, own.data(), limit);
            check_locked(file_, limit, "registered by the child");
        });
        bench::check(grandchild.wait() == 0, "the child");
        check_locked(file_, limit, "in the parent");
    });
}

TEST_F(Limit, DoesNotBindWhoMayLockAnything) {
    bench::Process child([&] {
        set_limit(bench::page);
        const bench::Registration memory(file_, memory_.data(), limit);
        check_locked(file_, limit, "as root");
    });
    EXPECT_EQ(child.wait(), 0);
}

// The process that registered is gone, its file is not: the pages stay until the file is closed.
TEST_F(Limit, OutlivesTheProcessThatRegistered) {
    const bench::Mapping address = bench::Mapping::anonymous(bench::page, MAP_SHARED);
    {
        const bench::File file;
        bench::Process child([&] {
            const bench::Mapping memory = bench::Mapping::anonymous(limit);
            accel_buffer_register registration{};
            registration.flags = bench::host;
            registration.pointer = reinterpret_cast<std::uintptr_t>(memory.data());
            registration.bytes = limit;
            bench::require(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "REGISTER");
            memory.as<std::uint32_t>()[0] = 0x1eaf;
            address.as<std::uint64_t>()[0] = registration.address;
        });
        EXPECT_EQ(child.wait(), 0);
        bench::Queue queue(file);
        const bench::Buffer seen(file, bench::page);
        queue.run(bench::copy(seen.address(), address.as<std::uint64_t>()[0], bench::page));
        EXPECT_EQ(seen.as<std::uint32_t>()[0], 0x1eafU);
    }
    bench::expect_healthy();
}

TEST_F(Limit, IsFreeAgainAfterAResetAndAClose) {
    bench::Registration memory(file_, memory_.data(), limit);
    EXPECT_EQ(file_.info().locked, limit);
    bench::Card().reset();
    EXPECT_EQ(memory.destroy(), ESTALE);
    EXPECT_EQ(locked_by_the_kernel(), limit);
    file_.close();
    EXPECT_EQ(locked_by_the_kernel(), 0U);
    file_ = bench::File();
}

/// Pages that are pinned now, in the whole machine.
std::int64_t pinned() {
    bench::require(bench::write_file("/proc/sys/vm/stat_refresh", "1"), "stat_refresh");
    std::ifstream counters("/proc/vmstat");
    std::int64_t balance = 0;
    std::string name;
    for (std::int64_t value = 0; counters >> name >> value;) {
        if (name == "nr_foll_pin_acquired") {
            balance += value;
        } else if (name == "nr_foll_pin_released") {
            balance -= value;
        }
    }
    return balance;
}

TEST_F(Limit, LeavesNoPagePinnedWhenAProcessIsKilled) {
    const std::int64_t before = pinned();
    constexpr std::size_t pages = 256;
    for (int round = 0; round < 5; ++round) {
        const bench::Counter ready;
        bench::Process child([&] {
            const bench::File file;
            const bench::Mapping memory = bench::Mapping::anonymous(pages * bench::page);
            const bench::Registration registered(file, memory.data(), memory.size());
            const bench::Semaphore never(file);
            bench::Queue queue(file);
            queue.submit(bench::fill(registered.address(), 1, memory.size()));
            queue.submit(bench::wait_for(never.address(), 1));
            ready.add();
            static_cast<void>(queue.wait(2));
        });
        ready.await(1);
        EXPECT_EQ(pinned(), before + static_cast<std::int64_t>(pages));
        child.kill();
        EXPECT_EQ(pinned(), before);
    }
    bench::expect_healthy();
}

}  // namespace
