// SPDX-License-Identifier: Apache-2.0
//
// Quotas: one user cannot allocate the whole card.
#include <gtest/gtest.h>
#include <sys/stat.h>

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
    Limits() {
        ::chmod(node_.c_str(), 0666);
        for (const char* name : {"contexts", "queues", "memory"}) {
            before_.push_back(uapi::read_file(folder_ + name));
        }
    }
    void TearDown() override {
        std::size_t i = 0;
        for (const char* name : {"contexts", "queues", "memory"}) {
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

TEST_F(Limits, AreSetByTheAdministratorWithinTheCardsLimits) {
    for (const char* value : {"0", "-1", "99999999999999", "many"}) {
        EXPECT_NE(uapi::write_file(folder_ + "queues", value), 0) << value;
    }
    EXPECT_EQ(uapi::read_file(folder_ + "queues"), before_[1]);
    uapi::Process user([&] {
        uapi::become_user({}, alice);
        uapi::check(uapi::write_file(folder_ + "queues", "1") == EACCES, "a user set a limit");
    });
    EXPECT_EQ(user.wait(), 0);
}

}  // namespace
