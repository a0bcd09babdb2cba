// SPDX-License-Identifier: Apache-2.0
//
// The check of the card and the count of its free resources.
#include "sanity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"

namespace uapi {

void expect_working_card() {
    constexpr std::size_t bytes = 3 * page;
    const File file;
    const Buffer from(file, bytes);
    const Buffer through(file, bytes, device);
    const Buffer to(file, bytes);
    const Product product(file, 8, 1);
    Queue queue(file, 4);

    fill_pattern(from.as<std::uint32_t>(), 1);
    queue.run(copy(through.address(), from.address(), bytes));
    queue.run(copy(to.address(), through.address(), bytes));
    check(first_difference(to.as<std::uint32_t>(), 1) == bytes / sizeof(std::uint32_t),
          "the card copied wrong data");
    queue.run(product.command());
    check(product.correct(), "the card computed a wrong product");
}

void expect_working_card_or(std::initializer_list<int> allowed,
                            const std::function<void()>& disturb) {
    expect_work_or(expect_working_card, allowed, disturb);
}

void expect_work_or(const std::function<void()>& work, std::initializer_list<int> allowed,
                    const std::function<void()>& disturb) {
    const Counter rounds;
    const Counter stop;
    std::vector<Process> workers;
    workers.reserve(3);
    for (int i = 0; i < 3; ++i) {
        workers.emplace_back([&] {
            while (stop.value() == 0) {
                try {
                    work();
                    rounds.add();
                } catch (const std::system_error& error) {
                    check(std::ranges::find(allowed, error.code().value()) != allowed.end(),
                          error.what());
                }
            }
        });
    }
    for (int i = 0; i < 10; ++i) {
        rounds.await(rounds.value() + 2);
        disturb();
    }
    stop.add();
    for (Process& worker : workers) {
        EXPECT_EQ(worker.wait(), 0);
    }
}

namespace {

/// A file with a buffer, which needs a context of the card.
struct Attached {
    explicit Attached(const std::string& node) : file(node), buffer(file, page) {}
    File file;
    Buffer buffer;
};

}  // namespace

Capacity Capacity::measure() {
    const std::string node = Card().node();
    Capacity capacity{};
    capacity.contexts =
        static_cast<std::uint32_t>(count_until(ENOSPC, [&] { return Attached(node); }));
    const File file(node);
    capacity.memory = file.info().memory_free;
    capacity.queues =
        static_cast<std::uint32_t>(count_until(ENOSPC, [&] { return Queue(file, 2); }));
    return capacity;
}

std::ostream& operator<<(std::ostream& out, const Capacity& capacity) {
    return out << capacity.contexts << " contexts, " << capacity.queues << " queues, "
               << capacity.memory << " bytes of device memory";
}

}  // namespace uapi
