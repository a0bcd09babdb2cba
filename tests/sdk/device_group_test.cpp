// SPDX-License-Identifier: Apache-2.0
//
// Device groups: the least loaded card, cards that end, requests that run again.
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class DeviceGroupTest : public SdkTest {
  protected:
    DeviceGroupTest() : SdkTest({{.serial = 1}, {.serial = 2}, {.serial = 3}}) {
        for (const char* name : {"/dev/accel0", "/dev/accel1", "/dev/accel2"}) {
            devices.push_back(open(name));
            gates.emplace_back(devices.back());
        }
    }
    void TearDown() override {
        gates.clear();
        EXPECT_EQ(driver->buffers(), 0U);
    }

    // A request that runs until the gate of its card opens.
    [[nodiscard]] DeviceGroup::Work blocked() {
        return
            [this](Queue& queue, std::size_t card) { return queue.submit(gates[card].closed()); };
    }

    std::vector<Device> devices;
    std::vector<Gate> gates;
};

std::vector<std::size_t> running(const DeviceGroup& group) {
    std::vector<std::size_t> counts;
    for (const DeviceGroupCard& card : group.cards()) {
        counts.push_back(card.running);
    }
    return counts;
}

TEST_F(DeviceGroupTest, EachRequestGoesToTheLeastLoadedCard) {
    DeviceGroup group(devices, {.in_flight = 2});
    std::vector<Request> all;
    all.reserve(3);
    for (int i = 0; i < 3; ++i) {
        all.push_back(group.submit(blocked()));
    }
    EXPECT_THAT(running(group), ::testing::ElementsAre(1, 1, 1));
    gates[1].open();
    all[1].wait();
    // Only card 1 is idle.
    for (int i = 0; i < 5; ++i) {
        group
            .submit([](Queue& queue, std::size_t card) {
                EXPECT_EQ(card, 1U);
                return queue.submit(Nop{});
            })
            .wait();
    }
    EXPECT_THAT(running(group), ::testing::ElementsAre(1, 0, 1));
    gates[0].open();
    gates[2].open();
    group.synchronize();
    EXPECT_EQ(group.pending(), 0U);
}

TEST_F(DeviceGroupTest, AnIdleGroupUsesAllItsCards) {
    DeviceGroup group(devices);
    for (int i = 0; i < 30; ++i) {
        group.submit([](Queue& queue, std::size_t) { return queue.submit(Nop{}); }).wait();
    }
    for (const DeviceGroupCard& card : group.cards()) {
        EXPECT_GT(card.started, 0U);
    }
}

TEST_F(DeviceGroupTest, WithoutRerunsTheRequestsOfACardThatEndsAreTold) {
    DeviceGroup group(devices, {.in_flight = 1});
    std::vector<Request> all;
    all.reserve(3);
    for (int i = 0; i < 3; ++i) {
        all.push_back(group.submit(blocked()));
    }
    const Request waiting = group.submit(blocked());
    driver->reset_card(1);
    const Error error = error_of([&] { all[1].wait(); });
    EXPECT_EQ(error.errc(), static_cast<std::errc>(ESTALE));
    EXPECT_EQ(error.reason(), Reason::reset);
    EXPECT_FALSE(waiting.done());
    gates[0].open();
    gates[2].open();
    all[0].wait();
    all[2].wait();
    waiting.wait();
    const auto cards = group.cards();
    EXPECT_FALSE(cards[0].failure);
    ASSERT_TRUE(cards[1].failure);
    EXPECT_EQ(cards[1].failure->reason(), Reason::reset);
}

TEST_F(DeviceGroupTest, WithRerunsTheRequestsRunOnAnotherCard) {
    DeviceGroup group(devices, {.in_flight = 2, .reruns = 1});
    std::vector<Request> all;
    std::vector<std::vector<std::size_t>> cards(6);
    all.reserve(cards.size());
    for (std::vector<std::size_t>& used : cards) {
        all.push_back(group.submit([&](Queue& queue, std::size_t card) {
            used.push_back(card);
            return queue.submit(gates[card].closed());
        }));
    }
    driver->remove_card(2);
    gates[0].open();
    gates[1].open();
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].wait();
        EXPECT_LE(cards[i].size(), 2U);
        EXPECT_NE(cards[i].back(), 2U);
    }
    EXPECT_EQ(group.cards()[2].failure.value().errc(), std::errc::no_such_device);
}

TEST_F(DeviceGroupTest, ARequestThatEndsCardsDoesNotEndThemAll) {
    DeviceGroup group(devices, {.in_flight = 1, .reruns = 1});
    std::atomic<int> runs{0};
    const Request poison = group.submit([&](Queue& queue, std::size_t card) {
        ++runs;
        Job job = queue.submit(gates[card].closed());
        driver->reset_card(card);
        return job;
    });
    EXPECT_EQ(error_of([&] { poison.wait(); }).errc(), static_cast<std::errc>(ESTALE));
    EXPECT_EQ(runs, 2);
    group.submit([](Queue& queue, std::size_t) { return queue.submit(Nop{}); }).wait();
}

TEST_F(DeviceGroupTest, WithoutACardEveryRequestIsToldAndANewCardRunsThem) {
    DeviceGroup group(devices, {.in_flight = 1, .reruns = 5});
    std::vector<Request> all;
    all.reserve(6);
    for (int i = 0; i < 6; ++i) {
        all.push_back(group.submit(blocked()));
    }
    for (std::size_t card = 0; card < 3; ++card) {
        driver->reset_card(card);
    }
    for (const Request& request : all) {
        EXPECT_EQ(error_of([&] { request.wait(); }).reason(), Reason::reset);
    }
    const Request late = group.submit(blocked());
    const Error error = error_of([&] { late.wait(); });
    EXPECT_EQ(error.errc(), std::errc::no_such_device);
    expect_says(error, "no card is left", "add it");

    const Device again = open("/dev/accel1");
    EXPECT_EQ(group.add(again), 3U);
    group
        .submit([](Queue& queue, std::size_t card) {
            EXPECT_EQ(card, 3U);
            return queue.submit(Nop{});
        })
        .wait();
}

TEST_F(DeviceGroupTest, AFailedJobEndsNoCard) {
    DeviceGroup group(devices, {.in_flight = 4});
    std::vector<Request> all;
    all.reserve(24);
    for (int i = 0; i < 24; ++i) {
        all.push_back(group.submit([i](Queue& queue, std::size_t) {
            return i % 4 == 1 ? queue.submit(Fill{.dst = nowhere, .bytes = 4})
                              : queue.submit(Nop{});
        }));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i % 4 == 1) {
            EXPECT_EQ(error_of([&] { all[i].wait(); }).status(), CardStatus::fault_unmapped);
        } else {
            all[i].wait();
        }
    }
    for (const DeviceGroupCard& card : group.cards()) {
        EXPECT_FALSE(card.failure);
    }
}

TEST_F(DeviceGroupTest, ManyThreadsSubmitWhileACardEnds) {
    DeviceGroup group(devices, {.in_flight = 2, .max_waiting = 8, .reruns = 1});
    {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i) {
                    group.submit([](Queue& queue, std::size_t) { return queue.submit(Nop{}); })
                        .wait();
                }
            });
        }
        std::this_thread::sleep_for(1ms);
        driver->reset_card(1);
    }
    EXPECT_EQ(group.pending(), 0U);
}

TEST_F(DeviceGroupTest, AGroupNeedsACard) {
    expect_says(error_of([&] { DeviceGroup(std::span<const Device>()); }), "needs a card");
}

}  // namespace
}  // namespace accel::test
