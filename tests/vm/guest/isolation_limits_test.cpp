// SPDX-License-Identifier: Apache-2.0
//
// Quotas: one user cannot allocate the whole card.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr unsigned int alice = 1001;
constexpr unsigned int bob = 1002;

/// A file with a context on the card.
struct Attached {
    explicit Attached(const std::string& node) : file(node), buffer(file, uapi::page) {}
    uapi::File file;
    uapi::Buffer buffer;
};

class Limits : public testing::Test {
  protected:
    static constexpr std::array names{"contexts",          "queues",  "memory", "host_memory",
                                      "host_memory_total", "priority"};

    Limits() {
        ::chmod(node_.c_str(), 0666);
        for (const char* name : names) {
            before_.push_back(uapi::read_file(folder_ + name));
        }
    }
    void TearDown() override {
        std::size_t i = 0;
        for (const char* name : names) {
            EXPECT_EQ(uapi::write_file(folder_ + name, before_[i++]), 0);
        }
        ::chmod(node_.c_str(), 0600);
        uapi::expect_working_card();
    }
    void set(const std::string& name, std::uint64_t value) const {
        ASSERT_EQ(uapi::write_file(folder_ + name, std::to_string(value)), 0);
    }

    std::string node_ = uapi::Card().node();
    std::string folder_ = "/sys/class/accel-card/" + node_.substr(node_.rfind('/') + 1) + "/quota/";
    std::vector<std::string> before_;
};

TEST_F(Limits, GiveHighPrioritiesOnlyToTheCapable) {
    const uapi::File root;
    for (std::uint32_t priority = 0; priority < ACCEL_PRIORITIES; ++priority) {
        uapi::Queue(root, 4, priority).run(uapi::nop());
    }
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const std::uint32_t highest = file.info().priority_max;
        uapi::check(highest < ACCEL_PRIORITIES - 1, "a plain user has no limit");
        uapi::Queue(file, 4, highest).run(uapi::nop());
        accel_queue_create create{};
        create.entries = 4;
        create.priority = highest + 1;
        uapi::check(file.call(ACCEL_IOCTL_QUEUE_CREATE, create) == EPERM,
                    "a plain user got a high priority");
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, LeaveHalfOfTheCardToOthers) {
    const uapi::File file;
    const accel_info total = file.info();
    EXPECT_EQ(total.contexts_quota, ~std::uint64_t{0}) << "root is not limited";
    EXPECT_EQ(std::stoull(uapi::read_file(folder_ + "memory")), total.memory_size / 2);

    const uapi::Counter greedy;
    const uapi::Counter done;
    uapi::Process first([&] {
        uapi::become_user({}, alice);
        std::vector<Attached> contexts;
        const uapi::File file(node_);
        const std::uint64_t limit = file.info().contexts_quota;
        for (std::uint64_t i = 0; i < limit; ++i) {
            contexts.emplace_back(node_);
        }
        uapi::check(uapi::count_until(EDQUOT, [&] { return Attached(node_); }) == 0,
                    "a context beyond the quota was created");
        const uapi::File& one = contexts.front().file;
        const uapi::Buffer memory(one, one.info().memory_quota, uapi::device);
        uapi::check(
            uapi::count_until(EDQUOT, [&] { return uapi::Buffer(one, 1, uapi::device); }) == 0,
            "memory beyond the quota was allocated");
        std::vector<uapi::Queue> queues;
        const std::uint64_t queue_limit = one.info().queues_quota;
        for (std::uint64_t i = 0; i < queue_limit; ++i) {
            queues.emplace_back(one, 2);
        }
        uapi::check(uapi::count_until(EDQUOT, [&] { return uapi::Queue(one, 2); }) == 0,
                    "a queue beyond the quota was created");
        const accel_info info = one.info();
        uapi::check(info.contexts_used == limit && info.queues_used == queue_limit &&
                        info.memory_used == info.memory_quota,
                    "INFO has wrong counts for the user");
        greedy.add();
        done.await(1);
    });
    greedy.await(1);
    // The second user always gets resources, even if the first one exhausts its quota.
    uapi::Process second([&] {
        uapi::become_user({}, bob);
        const Attached mine(node_);
        const uapi::Buffer memory(mine.file, 1U << 20, uapi::device);
        uapi::Queue queue(mine.file, 4);
        queue.run(uapi::copy(memory.address(), mine.buffer.address(), uapi::page));
        uapi::check(mine.file.info().contexts_used == 1, "INFO counts the context of another user");
    });
    EXPECT_EQ(second.wait(), 0);
    done.add();
    EXPECT_EQ(first.wait(), 0);
}

TEST_F(Limits, ApplyToAUserAndNotToAProcess) {
    set("queues", 3);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File one(node_);
        const uapi::File two(node_);
        const uapi::Queue first(one, 2);
        const uapi::Queue second(two, 2);
        uapi::Process child([&] {
            const uapi::File three(node_);
            uapi::check(uapi::count_until(EDQUOT, [&] { return uapi::Queue(three, 2); }) == 1,
                        "the second user did not get exactly one queue");
        });
        uapi::check(child.wait() == 0, "the child process failed");
        // Its resources are free again.
        const uapi::Queue third(one, 2);
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, CountMemoryAsLongAsItIsReferenced) {
    set("memory", 4 * uapi::page);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const auto room = [&] {
            return uapi::count_until(EDQUOT,
                                     [&] { return uapi::Buffer(file, uapi::page, uapi::device); });
        };
        uapi::Buffer mapped(file, uapi::page, uapi::device);
        uapi::Buffer shared(file, uapi::page, uapi::device);
        uapi::Descriptor dmabuf = shared.export_dmabuf();
        shared.mapping().unmap();
        uapi::check(mapped.destroy() == 0 && shared.destroy() == 0, "destroy");
        uapi::check(room() == 2, "the mapping and the dma-buf do not count one page each");
        mapped.mapping().unmap();
        uapi::check(room() == 3, "the dma-buf does not count one page");
        dmabuf.close();
        uapi::check(room() == 4, "released memory is still counted");
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, AreReleasedByAReset) {
    set("contexts", 1);
    uapi::Counter ready;
    uapi::Counter reset;
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const Attached old(node_);
        const uapi::Buffer memory(old.file, 1U << 20, uapi::device);
        const uapi::Queue queue(old.file, 2);
        ready.add();
        reset.await(1);
        const Attached fresh(node_);
        const accel_info info = fresh.file.info();
        uapi::check(info.contexts_used == 1 && info.queues_used == 0 && info.memory_used == 0,
                    "the reset did not release the memory");
    });
    ready.await(1);
    uapi::Card().reset();
    reset.add();
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, CountHostMemoryOfEveryKind) {
    constexpr std::uint64_t megabyte = 1U << 20;
    set("host_memory", 4 * megabyte);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::Mapping own = uapi::Mapping::anonymous(megabyte);
        const uapi::File file(node_);
        const auto used = [&] { return file.info().host_memory_used; };
        uapi::check(used() == 0 && file.info().host_memory_quota == 4 * megabyte, "at the start");
        uapi::Buffer buffer(file, 2 * megabyte);
        uapi::check(used() == 2 * megabyte, "a host buffer is not counted");
        uapi::Registration registration(file, own.data(), megabyte);
        uapi::check(used() == 3 * megabyte, "registered memory is not counted");
        uapi::Queue queue(file, 2);
        uapi::check(used() == 3 * megabyte + 2 * uapi::page,
                    "the memory of a queue is not counted");

        uapi::check(uapi::count_until(EDQUOT, [&] { return uapi::Buffer(file, megabyte); }) == 0,
                    "a host buffer beyond the quota was allocated");
        uapi::check(uapi::Registration::attempt(file, own.data(), megabyte) == EDQUOT,
                    "memory beyond the quota was registered");
        uapi::check(uapi::count_until(EDQUOT, [&] { return uapi::Queue(file, 16384); }) == 0,
                    "a queue beyond the quota was created");

        // A mapping keeps the memory of a buffer, and so does the quota.
        uapi::check(buffer.destroy() == 0 && registration.destroy() == 0, "destroy");
        uapi::check(used() == 2 * megabyte + 2 * uapi::page, "the mapping is not counted");
        buffer.mapping().unmap();
        queue.destroy();
        uapi::await("the end of all charges", [&] { return used() == 0; });
    });
    EXPECT_EQ(user.wait(), 0);
}

// A program that frees all but a few buffers of each page table keeps the tables.
TEST_F(Limits, CountPageTablesOfDeviceMemory) {
    set("host_memory", 64 * uapi::page);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const auto used = [&] { return file.info().host_memory_used; };
        const auto buffers = uapi::count_until(
            EDQUOT, [&] { return uapi::Buffer(file, uapi::page, uapi::device); });
        uapi::check(buffers > 0 && buffers <= 64, "tables for many small buffers have no limit");
        uapi::await("the end of all charges", [&] { return used() == 0; });
    });
    EXPECT_EQ(user.wait(), 0);
}

// Each takes structures of the kernel, and an import page tables as well.
TEST_F(Limits, CountEachExportAndImport) {
    constexpr std::uint64_t megabyte = 1U << 20;
    set("host_memory", 4 * megabyte);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const auto used = [&] { return file.info().host_memory_used; };
        {
            const uapi::Buffer buffer(file, 2 * megabyte);
            std::vector<uapi::Descriptor> exports;
            exports.push_back(buffer.export_dmabuf());
            const std::uint64_t one = used();
            uapi::check(one > 2 * megabyte, "an export is not counted");
            const std::uint64_t imports =
                uapi::count_until(EDQUOT, [&] { return uapi::Import(file, exports.front()); });
            uapi::check(imports > 0 && imports < 512, "the number of imports has no limit");
            uapi::check(used() == one, "the end of an import is not counted");
            uapi::check(uapi::count_until(EDQUOT, [&] { return buffer.export_dmabuf(); }) < 512,
                        "the number of exports has no limit");
            uapi::await("the end of the exports", [&] { return used() == one; });
        }
        uapi::await("the end of all charges", [&] { return used() == 0; });
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, OfHostMemoryApplyToAllCardsTogether) {
    if (uapi::Card::count() < 2) {
        GTEST_SKIP() << "needs two cards";
    }
    set("host_memory", 4 * uapi::page);
    const std::string other = uapi::Card(1).node();
    ::chmod(other.c_str(), 0666);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const uapi::Buffer buffer(file, 3 * uapi::page);
        const uapi::File second(other);
        uapi::check(
            uapi::count_until(EDQUOT, [&] { return uapi::Buffer(second, uapi::page); }) == 1,
            "the second card has a quota of its own");
    });
    EXPECT_EQ(user.wait(), 0);
    ::chmod(other.c_str(), 0600);
}

TEST_F(Limits, OfHostMemoryExistForAllUsersTogether) {
    set("host_memory", 4 * uapi::page);
    set("host_memory_total", 5 * uapi::page);
    const uapi::Counter ready;
    const uapi::Counter done;
    uapi::Process first([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        const uapi::Buffer buffer(file, 4 * uapi::page);
        ready.add();
        done.await(1);
    });
    ready.await(1);
    uapi::Process second([&] {
        uapi::become_user({}, bob);
        const uapi::File file(node_);
        uapi::check(uapi::count_until(EDQUOT, [&] { return uapi::Buffer(file, uapi::page); }) == 1,
                    "the second user did not get exactly the rest");
    });
    EXPECT_EQ(second.wait(), 0);
    const uapi::File root;
    EXPECT_NO_THROW(uapi::Buffer(root, 16 * uapi::page)) << "root is not limited";
    done.add();
    EXPECT_EQ(first.wait(), 0);
}

// A user who takes all host memory that the driver gives must not cost any other process its life.
TEST_F(Limits, LeaveHostMemoryToTheMachine) {
    const uapi::Counter ready;
    const uapi::Counter done;
    uapi::Process eater([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        std::vector<accel_buffer_create> buffers;
        for (std::uint64_t bytes = 64U << 20; bytes >= uapi::page;) {
            accel_buffer_create create{};
            create.bytes = bytes;
            create.flags = uapi::host;
            const int error = file.call(ACCEL_IOCTL_BUFFER_CREATE, create);
            uapi::check(error == 0 || error == EDQUOT || error == ENOMEM, "another errno");
            bytes = error == 0 ? bytes : bytes / 2;
        }
        const accel_info info = file.info();
        uapi::check(info.host_memory_used <= info.host_memory_quota, "more than the quota");
        ready.add();
        done.await(1);
    });
    ready.await(1);
    uapi::Process victim([] {
        const uapi::Mapping memory = uapi::Mapping::anonymous(96U << 20);
        for (std::size_t at = 0; at < (96U << 20); at += uapi::page) {
            memory.data()[at] = std::byte{1};
        }
    });
    EXPECT_EQ(victim.wait(), 0);
    done.add();
    EXPECT_EQ(eater.wait(), 0);
}

// In a user namespace a process can have many ids; all of them belong to the owner of the
// namespace.
TEST_F(Limits, ApplyToAUserInAllItsNamespaces) {
    set("queues", 3);
    const uapi::Counter made;
    const uapi::Counter mapped;
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        // Root writes the maps of a process only if it is dumpable.
        ::prctl(PR_SET_DUMPABLE, 1);
        uapi::require(::unshare(CLONE_NEWUSER) == 0 ? 0 : errno, "unshare");
        made.add();
        mapped.await(1);
        const auto queues_of = [&](uid_t id) {
            uapi::require(::setresuid(id, id, id) == 0 ? 0 : errno, "setresuid");
            const uapi::File file(node_);
            const uapi::Queue one(file, 2);
            return uapi::count_until(EDQUOT, [&] { return uapi::Queue(file, 2); });
        };
        const uapi::Counter ready;
        const uapi::Counter done;
        uapi::Process other([&] {
            uapi::require(::setresuid(1, 1, 1) == 0 ? 0 : errno, "setresuid");
            const uapi::File file(node_);
            const uapi::Queue queue(file, 2);
            ready.add();
            done.await(1);
        });
        ready.await(1);
        uapi::check(queues_of(2) == 1, "each id of the namespace has a quota of its own");
        done.add();
        uapi::check(other.wait() == 0, "the other process failed");
    });
    made.await(1);
    const std::string map = "0 1001 1\n1 5000 2\n";
    EXPECT_EQ(uapi::write_file("/proc/" + std::to_string(user.pid()) + "/uid_map", map), 0);
    mapped.add();
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, IncludeThePriorityOfAQueue) {
    EXPECT_EQ(uapi::File().info().priority_max, ACCEL_PRIORITIES - 1U);
    set("priority", 2);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        const uapi::File file(node_);
        uapi::check(file.info().priority_max == 2, "INFO has another limit");
        const uapi::Queue allowed(file, 2, 2);
        uapi::check(uapi::count_until(EPERM, [&] { return uapi::Queue(file, 2, 3); }) == 0,
                    "the user got a priority above the limit");
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, AreSetByTheAdministratorWithinTheCardsLimits) {
    for (const char* value : {"0", "-1", "99999999999999", "many"}) {
        EXPECT_NE(uapi::write_file(folder_ + "queues", value), 0) << value;
    }
    EXPECT_EQ(uapi::read_file(folder_ + "queues"), before_[1]);
    EXPECT_NE(uapi::write_file(folder_ + "priority", "4"), 0);
    EXPECT_NE(uapi::write_file(folder_ + "host_memory", "0"), 0);
    EXPECT_NE(uapi::write_file(folder_ + "host_memory_total", "1125899906842624"), 0);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        uapi::check(uapi::write_file(folder_ + "queues", "1") == EACCES, "a user set a limit");
    });
    EXPECT_EQ(user.wait(), 0);
}

}  // namespace
