// SPDX-License-Identifier: Apache-2.0
//
// What one user may take of a card, so that there is something left for others.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

constexpr unsigned int alice = 1001;
constexpr unsigned int bob = 1002;

/// Makes one after the other until an errno; returns how many, and checks which.
template <typename Make>
std::uint64_t until(int expected, Make make) {
    std::vector<decltype(make())> all;
    try {
        for (;;) {
            all.push_back(make());
        }
    } catch (const std::system_error& error) {
        if (error.code().value() != expected) {
            throw;
        }
    }
    return all.size();
}

/// A file with a context on the card.
struct Attached {
    explicit Attached(const std::string& node) : file(node), buffer(file, bench::page) {}
    bench::File file;
    bench::Buffer buffer;
};

class Limits : public testing::Test {
  protected:
    Limits() {
        ::chmod(node_.c_str(), 0666);
        for (const char* name : {"contexts", "queues", "memory"}) {
            before_.push_back(bench::read_file(folder_ + name));
        }
    }
    void TearDown() override {
        std::size_t i = 0;
        for (const char* name : {"contexts", "queues", "memory"}) {
            EXPECT_EQ(bench::write_file(folder_ + name, before_[i++]), 0);
        }
        ::chmod(node_.c_str(), 0600);
        bench::expect_healthy();
    }
    void set(const std::string& name, std::uint64_t value) const {
        ASSERT_EQ(bench::write_file(folder_ + name, std::to_string(value)), 0);
    }

    std::string node_ = bench::Card().node();
    std::string folder_ = "/sys/class/accel-card/" + node_.substr(node_.rfind('/') + 1) + "/quota/";
    std::vector<std::string> before_;
};

TEST_F(Limits, LeaveHalfOfTheCardToOthers) {
    const bench::File file;
    const accel_info total = file.info();
    EXPECT_EQ(total.contexts_quota, ~std::uint64_t{0}) << "root is not limited";
    EXPECT_EQ(std::stoull(bench::read_file(folder_ + "memory")), total.memory_size / 2);

    const bench::Counter greedy;
    const bench::Counter done;
    bench::Process first([&] {
        bench::become_user({}, alice);
        std::vector<Attached> contexts;
        const bench::File file(node_);
        const std::uint64_t limit = file.info().contexts_quota;
        for (std::uint64_t i = 0; i < limit; ++i) {
            contexts.emplace_back(node_);
        }
        bench::check(until(EDQUOT, [&] { return Attached(node_); }) == 0, "more contexts");
        const bench::File& one = contexts.front().file;
        const bench::Buffer memory(one, one.info().memory_quota, bench::device);
        bench::check(until(EDQUOT, [&] { return bench::Buffer(one, 1, bench::device); }) == 0,
                     "more memory");
        std::vector<bench::Queue> queues;
        const std::uint64_t queue_limit = one.info().queues_quota;
        for (std::uint64_t i = 0; i < queue_limit; ++i) {
            queues.emplace_back(one, 2);
        }
        bench::check(until(EDQUOT, [&] { return bench::Queue(one, 2); }) == 0, "more queues");
        const accel_info info = one.info();
        bench::check(info.contexts_used == limit && info.queues_used == queue_limit &&
                         info.memory_used == info.memory_quota,
                     "INFO does not say what the user has");
        greedy.add();
        done.await(1);
    });
    greedy.await(1);
    // Whatever the first user takes, the second finds a card.
    bench::Process second([&] {
        bench::become_user({}, bob);
        const Attached mine(node_);
        const bench::Buffer memory(mine.file, 1U << 20, bench::device);
        bench::Queue queue(mine.file, 4);
        queue.run(bench::copy(memory.address(), mine.buffer.address(), bench::page));
        bench::check(mine.file.info().contexts_used == 1, "somebody else's context");
    });
    EXPECT_EQ(second.wait(), 0);
    done.add();
    EXPECT_EQ(first.wait(), 0);
}

TEST_F(Limits, AreOfAUserAndNotOfAProcess) {
    set("queues", 3);
    bench::Process user([&] {
        bench::become_user({}, alice);
        const bench::File one(node_);
        const bench::File two(node_);
        const bench::Queue first(one, 2);
        const bench::Queue second(two, 2);
        bench::Process child([&] {
            const bench::File three(node_);
            bench::check(until(EDQUOT, [&] { return bench::Queue(three, 2); }) == 1,
                         "not one queue");
        });
        bench::check(child.wait() == 0, "the child");
        // What it had is free again.
        const bench::Queue third(one, 2);
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, CountMemoryForAsLongAsSomethingHoldsIt) {
    set("memory", 4 * bench::page);
    bench::Process user([&] {
        bench::become_user({}, alice);
        const bench::File file(node_);
        const auto room = [&] {
            return until(EDQUOT, [&] { return bench::Buffer(file, bench::page, bench::device); });
        };
        bench::Buffer mapped(file, bench::page, bench::device);
        bench::Buffer shared(file, bench::page, bench::device);
        bench::Descriptor dmabuf = shared.export_dmabuf();
        shared.mapping().unmap();
        bench::check(mapped.destroy() == 0 && shared.destroy() == 0, "destroy");
        bench::check(room() == 2, "a mapping and a dma-buf hold one page each");
        mapped.mapping().unmap();
        bench::check(room() == 3, "the dma-buf holds one");
        dmabuf.close();
        bench::check(room() == 4, "nothing holds any");
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, GiveBackWhatWasLostWithAReset) {
    set("contexts", 1);
    bench::Counter ready;
    bench::Counter reset;
    bench::Process user([&] {
        bench::become_user({}, alice);
        const Attached old(node_);
        const bench::Buffer memory(old.file, 1U << 20, bench::device);
        const bench::Queue queue(old.file, 2);
        ready.add();
        reset.await(1);
        const Attached fresh(node_);
        const accel_info info = fresh.file.info();
        bench::check(info.contexts_used == 1 && info.queues_used == 0 && info.memory_used == 0,
                     "the reset did not give it back");
    });
    ready.await(1);
    bench::Card().reset();
    reset.add();
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Limits, AreSetByTheAdministratorWithinWhatTheCardHas) {
    for (const char* value : {"0", "-1", "99999999999999", "many"}) {
        EXPECT_NE(bench::write_file(folder_ + "queues", value), 0) << value;
    }
    EXPECT_EQ(bench::read_file(folder_ + "queues"), before_[1]);
    bench::Process user([&] {
        bench::become_user({}, alice);
        bench::check(bench::write_file(folder_ + "queues", "1") == EACCES, "a user set a limit");
    });
    EXPECT_EQ(user.wait(), 0);
}

}  // namespace
