// SPDX-License-Identifier: Apache-2.0
//
// Registered memory counts against RLIMIT_MEMLOCK, and every way to release it reduces the count to
// zero.
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
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr std::size_t limit = 16 * uapi::page;

/// VmLck of this process in bytes.
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
    uapi::require(::setrlimit(RLIMIT_MEMLOCK, &value) == 0 ? 0 : errno, "setrlimit");
}

void check_locked(const uapi::File& file, std::uint64_t bytes, const char* when) {
    uapi::check(file.info().locked == bytes, when);
    uapi::check(locked_by_the_kernel() == bytes, when);
}

/// Runs in a child that is not root and may lock 16 pages. Root opens the file before.
class Limit : public testing::Test {
  protected:
    template <typename Body>
    void expect_as_user(Body body) {
        uapi::Process child([&] {
            set_limit(limit);
            uapi::become_user();
            body();
        });
        EXPECT_EQ(child.wait(), 0);
        EXPECT_EQ(file_.info().locked, 0U);
    }

    uapi::File file_;
    uapi::Mapping memory_ = uapi::Mapping::anonymous(2 * limit);
};

TEST_F(Limit, IsReportedByInfo) {
    expect_as_user([&] {
        uapi::check(file_.info().locked_limit == limit, "the limit");
        check_locked(file_, 0, "at first");
    });
}

TEST_F(Limit, IsEdquotAndCountsWholePages) {
    expect_as_user([&] {
        std::byte* const start = memory_.data();
        const auto attempt = [&](std::size_t offset, std::size_t bytes) {
            return uapi::Registration::attempt(file_, start + offset, bytes);
        };
        uapi::check(attempt(0, limit) == 0, "the whole limit cannot be registered");
        uapi::check(attempt(0, limit + 1) == EDQUOT, "more than the limit was registered");
        // Two bytes on two pages count as two pages.
        uapi::check(attempt(uapi::page - 1, limit - uapi::page + 2) == EDQUOT,
                    "17 pages were registered");
        uapi::check(attempt(uapi::page - 1, limit - uapi::page) == 0,
                    "16 pages cannot be registered");
        check_locked(file_, 0, "after all that");

        uapi::Registration first(file_, start + uapi::page - 1, 2);
        check_locked(file_, 2 * uapi::page, "two pages");
        uapi::Registration second(file_, start, limit - 2 * uapi::page);
        check_locked(file_, limit, "sixteen pages");
        uapi::check(attempt(0, 1) == EDQUOT, "full");
        uapi::check(first.destroy() == 0, "destroy");
        check_locked(file_, limit - 2 * uapi::page, "after the first");
        uapi::check(attempt(0, 2 * uapi::page) == 0, "released memory still counts");
        uapi::check(second.destroy() == 0, "destroy");
        check_locked(file_, 0, "after the second");
    });
}

TEST_F(Limit, IsSharedWithMlock) {
    expect_as_user([&] {
        uapi::require(::mlock(memory_.data(), 10 * uapi::page) == 0 ? 0 : errno, "mlock");
        uapi::check(uapi::Registration::attempt(file_, memory_.data(), 7 * uapi::page) == EDQUOT,
                    "over");
        uapi::check(uapi::Registration::attempt(file_, memory_.data(), 6 * uapi::page) == 0,
                    "under");
        const uapi::Registration memory(file_, memory_.data(), 6 * uapi::page);
        uapi::check(::mlock(memory_.data() + limit, uapi::page) != 0, "mlock over the limit");
        uapi::require(::munlock(memory_.data(), 10 * uapi::page) == 0 ? 0 : errno, "munlock");
        check_locked(file_, 6 * uapi::page, "after munlock");
    });
}

TEST_F(Limit, CountsNothingForACallThatFails) {
    expect_as_user([&] {
        uapi::require(::munmap(memory_.data() + 3 * uapi::page, uapi::page) == 0 ? 0 : errno,
                      "munmap");
        uapi::check(uapi::Registration::attempt(file_, memory_.data(), limit) == EFAULT,
                    "memory with a hole was registered");
        check_locked(file_, 0, "after the hole");

        // The result cannot be written.
        const uapi::Mapping page = uapi::Mapping::anonymous(uapi::page);
        accel_buffer_register registration{};
        registration.size = sizeof(registration);
        registration.flags = uapi::host;
        registration.pointer = reinterpret_cast<std::uintptr_t>(memory_.data());
        registration.bytes = uapi::page;
        *reinterpret_cast<accel_buffer_register*>(page.data()) = registration;
        page.protect(PROT_READ);
        uapi::check(file_.raw(ACCEL_IOCTL_BUFFER_REGISTER, page.data()) == EFAULT, "read-only");
        check_locked(file_, 0, "after the read-only page");
    });
}

TEST_F(Limit, IsFreeAgainWhenTheFileIsClosed) {
    uapi::require(::chmod(uapi::Card().node().c_str(), 0666) == 0 ? 0 : errno, "chmod");
    expect_as_user([&] {
        for (int round = 0; round < 3; ++round) {
            uapi::File file;
            uapi::Mapping memory = uapi::Mapping::anonymous(limit);
            accel_buffer_register registration{};
            registration.flags = uapi::host;
            registration.pointer = reinterpret_cast<std::uintptr_t>(memory.data());
            registration.bytes = limit;
            uapi::require(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "REGISTER");
            check_locked(file, limit, "registered");
            // The count belongs to the pages, not to the mapping.
            memory.unmap();
            check_locked(file, limit, "unmapped");
            file.close();
            uapi::check(locked_by_the_kernel() == 0, "memory still counts after the close");
        }
    });
}

TEST_F(Limit, AppliesToEachProcess) {
    expect_as_user([&] {
        const uapi::Registration memory(file_, memory_.data(), limit);
        uapi::Process grandchild([&] {
            check_locked(file_, 0, "in the child");
            const uapi::Mapping own = uapi::Mapping::anonymous(limit);
            const uapi::Registration theirs(file_, own.data(), limit);
            check_locked(file_, limit, "registered by the child");
        });
        uapi::check(grandchild.wait() == 0, "the child process failed");
        check_locked(file_, limit, "in the parent");
    });
}

TEST_F(Limit, DoesNotApplyWithCapIpcLock) {
    uapi::Process child([&] {
        set_limit(uapi::page);
        const uapi::Registration memory(file_, memory_.data(), limit);
        check_locked(file_, limit, "as root");
    });
    EXPECT_EQ(child.wait(), 0);
}

// The registering process ends and its file remains open: the pages stay pinned until the close.
TEST_F(Limit, CountsUntilTheFileOfADeadProcessIsClosed) {
    const uapi::Mapping address = uapi::Mapping::anonymous(uapi::page, MAP_SHARED);
    {
        const uapi::File file;
        uapi::Process child([&] {
            const uapi::Mapping memory = uapi::Mapping::anonymous(limit);
            accel_buffer_register registration{};
            registration.flags = uapi::host;
            registration.pointer = reinterpret_cast<std::uintptr_t>(memory.data());
            registration.bytes = limit;
            uapi::require(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "REGISTER");
            memory.as<std::uint32_t>()[0] = 0x1eaf;
            address.as<std::uint64_t>()[0] = registration.address;
        });
        EXPECT_EQ(child.wait(), 0);
        uapi::Queue queue(file);
        const uapi::Buffer seen(file, uapi::page);
        queue.run(uapi::copy(seen.address(), address.as<std::uint64_t>()[0], uapi::page));
        EXPECT_EQ(seen.as<std::uint32_t>()[0], 0x1eafU);
    }
    uapi::expect_working_card();
}

TEST_F(Limit, IsFreeAgainAfterAResetAndAClose) {
    uapi::Registration memory(file_, memory_.data(), limit);
    EXPECT_EQ(file_.info().locked, limit);
    uapi::Card().reset();
    EXPECT_EQ(memory.destroy(), ESTALE);
    EXPECT_EQ(locked_by_the_kernel(), limit);
    file_.close();
    EXPECT_EQ(locked_by_the_kernel(), 0U);
    file_ = uapi::File();
}

/// The number of pinned pages of the whole machine.
std::int64_t pinned() {
    uapi::require(uapi::write_file("/proc/sys/vm/stat_refresh", "1"), "stat_refresh");
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
        const uapi::Counter ready;
        uapi::Process child([&] {
            const uapi::File file;
            const uapi::Mapping memory = uapi::Mapping::anonymous(pages * uapi::page);
            const uapi::Registration registered(file, memory.data(), memory.size());
            const uapi::Semaphore never(file);
            uapi::Queue queue(file);
            queue.submit(uapi::fill(registered.address(), 1, memory.size()));
            queue.submit(uapi::wait_for(never.address(), 1));
            ready.add();
            static_cast<void>(queue.wait(2));
        });
        ready.await(1);
        EXPECT_EQ(pinned(), before + static_cast<std::int64_t>(pages));
        child.kill();
        EXPECT_EQ(pinned(), before);
    }
    uapi::expect_working_card();
}

}  // namespace
