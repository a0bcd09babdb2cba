// SPDX-License-Identifier: Apache-2.0
//
// Request queues: order, cancellation, failures, back-pressure, and their end.
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class RequestTest : public SdkTest {
  protected:
    RequestTest() : card(open()) {}
    void TearDown() override { EXPECT_EQ(driver->buffers(), 0U); }

    Device card;
};

TEST_F(RequestTest, RequestsRunInTheirOrder) {
    RequestQueue requests(card, {.in_flight = 2});
    auto words = card.allocate<std::uint32_t>({100});
    std::vector<Request> all;
    for (std::uint32_t i = 0; i < words.size(); ++i) {
        all.push_back(requests.submit([&words, i](Queue& queue) {
            // The word before is a result of the request before.
            return i == 0 ? queue.submit(fill(words.slice(0, 1), 5U))
                          : queue.submit(copy(words.slice(i, 1), words.slice(i - 1, 1)));
        }));
    }
    for (const Request& request : all) {
        request.wait();
        EXPECT_TRUE(request.done());
        EXPECT_FALSE(request.cancel()) << "it is over";
    }
    EXPECT_THAT(words, ::testing::Each(5U));
    EXPECT_EQ(requests.pending(), 0U);
}

TEST_F(RequestTest, ACanceledRequestNeverRunsAndTheOthersDo) {
    RequestQueue requests(card, {.in_flight = 2});
    Gate gate(card);
    auto words = card.allocate<std::uint32_t>({8});
    std::vector<Request> all{requests.submit(gate.closed())};
    for (std::uint32_t i = 0; i < words.size(); ++i) {
        all.push_back(requests.submit(fill(words.slice(i, 1), i + 1)));
    }
    EXPECT_FALSE(all[0].cancel()) << "it runs";
    EXPECT_FALSE(all[1].cancel()) << "the card has it";
    EXPECT_TRUE(all[4].cancel());
    EXPECT_TRUE(all[8].cancel());
    EXPECT_FALSE(all[8].cancel()) << "only once";
    EXPECT_TRUE(all[4].done());
    expect_says(error_of([&] { all[4].wait(); }), "canceled before a card had it");
    gate.open();
    requests.synchronize();
    EXPECT_THAT(words, ::testing::ElementsAre(1, 2, 3, 0, 5, 6, 7, 0));
}

// The promise of cancel(), against a card that works meanwhile: each request runs, or is canceled.
TEST_F(RequestTest, CancelIsExactWhileTheCardWorks) {
    RequestQueue requests(card, {.in_flight = 3});
    auto words = card.allocate<std::uint32_t>({400});
    std::vector<Request> all;
    for (std::uint32_t i = 0; i < words.size(); ++i) {
        all.push_back(requests.submit(fill(words.slice(i, 1), 1U)));
    }
    std::vector<char> canceled(words.size());
    std::jthread canceler([&] {
        for (std::size_t i = all.size(); i-- > 0;) {
            canceled[i] = all[i].cancel() ? 1 : 0;
        }
    });
    canceler.join();
    requests.synchronize();
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(words[i], canceled[i] != 0 ? 0U : 1U) << i;
        EXPECT_TRUE(all[i].done());
    }
}

TEST_F(RequestTest, AFailedRequestTakesNoOtherWithIt) {
    RequestQueue requests(card, {.in_flight = 4});
    Gate gate(card);
    auto words = card.allocate<int>({3});
    const Request first = requests.submit(gate.closed());
    const Request before = requests.submit(fill(words.slice(0, 1), 1));
    const Request failing = requests.submit(Fill{.dst = nowhere, .bytes = 4});
    const Request behind = requests.submit(fill(words.slice(1, 1), 2));
    const Request later = requests.submit(fill(words.slice(2, 1), 3));
    gate.open();
    EXPECT_EQ(error_of([&] { failing.wait(); }).status(), CardStatus::fault_unmapped);
    for (const Request& request : {first, before, behind, later}) {
        request.wait();
    }
    EXPECT_THAT(words, ::testing::ElementsAre(1, 2, 3));
}

TEST_F(RequestTest, ARequestOfSeveralJobsEndsWithTheLast) {
    RequestQueue requests(card);
    auto words = card.allocate<int>({2});
    requests
        .submit([&](Queue& queue) {
            queue.submit(fill(words.slice(0, 1), 1));
            return queue.submit(fill(words.slice(1, 1), 2));
        })
        .wait();
    EXPECT_THAT(words, ::testing::ElementsAre(1, 2));
}

TEST_F(RequestTest, AnExceptionOfTheFunctionIsTheErrorOfItsRequest) {
    RequestQueue requests(card);
    const Request refused = requests.submit(
        [](Queue& queue) { return queue.submit(Fill{.dst = argument(0), .bytes = 4}); });
    EXPECT_EQ(error_of([&] { refused.wait(); }).errc(), std::errc::invalid_argument);
    const Request thrown =
        requests.submit([](Queue&) -> Job { throw std::runtime_error("no picture"); });
    expect_says(error_of([&] { thrown.wait(); }), "threw an exception", "no picture");
    requests.submit(Nop{}).wait();
}

TEST_F(RequestTest, ACardThatIsGoneEndsAllRequestsWithTheReason) {
    RequestQueue requests(card);
    Gate gate(card);
    std::vector<Request> all;
    all.reserve(5);
    for (int i = 0; i < 5; ++i) {
        all.push_back(requests.submit(gate.closed()));
    }
    driver->remove_card();
    for (const Request& request : all) {
        const Error error = error_of([&] { request.wait(); });
        EXPECT_EQ(error.errc(), std::errc::no_such_device);
        EXPECT_EQ(error.reason(), Reason::removed);
    }
    EXPECT_EQ(error_of([&] { requests.submit(Nop{}).wait(); }).errc(), std::errc::no_such_device);
}

TEST_F(RequestTest, AFullQueueWaitsOrRefuses) {
    RequestQueue requests(card, {.in_flight = 1, .max_waiting = 2});
    Gate gate(card);
    const auto work = [&](Queue& queue) { return queue.submit(gate.closed()); };
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(requests.try_submit(work).has_value());
    }
    EXPECT_FALSE(requests.try_submit(work).has_value());
    EXPECT_EQ(requests.pending(), 3U);
    std::jthread opener([&] {
        std::this_thread::sleep_for(3ms);
        gate.open();
    });
    requests.submit(work).wait();
}

TEST_F(RequestTest, ATimeoutIsAValueAndTheRequestContinues) {
    RequestQueue requests(card);
    Gate gate(card);
    const Request request = requests.submit(gate.closed());
    EXPECT_EQ(request.wait(2ms), WaitResult::timed_out);
    EXPECT_EQ(request.wait(0ms), WaitResult::timed_out);
    EXPECT_EQ(request.wait_until(std::chrono::steady_clock::now() + 1ms), WaitResult::timed_out);
    gate.open();
    EXPECT_EQ(request.wait(std::chrono::hours::max()), WaitResult::done);
    EXPECT_TRUE(Request().done());
    Request().wait();
}

TEST_F(RequestTest, TheLoopOfTheCallerStartsAndEndsRequests) {
    EventLoop loop;
    RequestQueue requests(loop, card, {.in_flight = 1});
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
        requests.submit(Nop{}).then(loop, [&, i](const JobResult& result) {
            result.check();
            order.push_back(i);
        });
    }
    bool waited = false;
    requests.submit(Nop{}).then(loop, [&](const JobResult&) {
        const Request behind = requests.submit(Nop{});
        EXPECT_EQ(error_of([&] { behind.wait(); }).errc(),
                  std::errc::resource_deadlock_would_occur);
        EXPECT_EQ(error_of([&] { requests.synchronize(); }).errc(),
                  std::errc::resource_deadlock_would_occur);
        waited = true;
    });
    while (loop.pending() != 0) {
        loop.run_once();
    }
    EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4));
    EXPECT_TRUE(waited);
}

TEST_F(RequestTest, ACallbackOfARequestMayTimeOut) {
    EventLoop loop;
    RequestQueue requests(card);
    Gate gate(card);
    const Request request = requests.submit(gate.closed());
    int timed_out = 0;
    int done = 0;
    const auto count = [&](const JobResult& result) {
        timed_out += result.timed_out() ? 1 : 0;
        done += result.ok() ? 1 : 0;
    };
    request.then(loop, count, 1ms);
    request.then(loop, count);
    loop.run_once();
    EXPECT_EQ(timed_out, 1);
    gate.open();
    loop.run_once();
    EXPECT_EQ(done, 1);
    request.then(loop, count);
    Request().then(loop, count);
    loop.run_once();
    EXPECT_EQ(done, 3);
}

TEST_F(RequestTest, TheEndOfAQueueCancelsAndCallsBack) {
    EventLoop loop;
    Gate gate(card);
    std::optional<RequestQueue> requests(std::in_place, card);
    std::vector<Request> all;
    int calls = 0;
    for (int i = 0; i < 5; ++i) {
        all.push_back(requests->submit(gate.closed()));
        all.back().then(loop, [&](const JobResult& result) {
            calls += result.error()->errc() == std::errc::operation_canceled ? 1 : 0;
        });
    }
    requests.reset();
    for (const Request& request : all) {
        EXPECT_TRUE(request.done());
        expect_says(error_of([&] { request.wait(); }), "was destroyed", "synchronize()");
        EXPECT_FALSE(request.cancel());
    }
    loop.run_once();
    EXPECT_EQ(calls, 5);
}

TEST_F(RequestTest, TheEndOfTheLoopEndsTheRequests) {
    std::optional<EventLoop> loop(std::in_place);
    RequestQueue requests(*loop, card, {.in_flight = 1});
    Gate gate(card);
    const Request running = requests.submit(gate.closed());
    const Request waiting = requests.submit(Nop{});
    loop.reset();
    EXPECT_EQ(error_of([&] { running.wait(); }).errc(), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&] { waiting.wait(); }).errc(), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&] { requests.submit(Nop{}).wait(); }).errc(),
              std::errc::operation_canceled);
}

Task<int> awaiting(RequestQueue& requests, Buffer<int>& word) {
    co_await requests.submit(fill(word, 3));
    co_return word[0];
}

TEST_F(RequestTest, ATaskAwaitsARequest) {
    EventLoop loop = EventLoop::with_thread();
    RequestQueue requests(card);
    auto word = card.allocate<int>({1});
    EXPECT_EQ(spawn(loop, awaiting(requests, word)).get(), 3);
}

TEST_F(RequestTest, BadOptionsAndMovedObjectsSaySo) {
    expect_says(error_of([&] { RequestQueue(card, {.in_flight = 0}); }), "in_flight is 0");
    expect_says(error_of([&] { RequestQueue(card, {.max_waiting = 0}); }), "max_waiting is 0");
    RequestQueue requests(card);
    RequestQueue other = std::move(requests);
    // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    expect_says(error_of([&] { static_cast<void>(requests.pending()); }), "was moved from");
    other.submit(Nop{}).wait();
    requests = std::move(other);
    requests.submit(Nop{}).wait();
}

TEST_F(RequestTest, ManyThreadsSubmitAndCancel) {
    RequestQueue requests(card, {.in_flight = 2, .max_waiting = 16});
    std::atomic<int> done{0};
    std::atomic<int> canceled{0};
    {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 60; ++i) {
                    const Request request = requests.submit(Nop{});
                    if ((i + t) % 3 == 0 && request.cancel()) {
                        ++canceled;
                        continue;
                    }
                    request.wait();
                    ++done;
                }
            });
        }
    }
    EXPECT_EQ(done + canceled, 240);
    EXPECT_EQ(requests.pending(), 0U);
}

}  // namespace
}  // namespace accel::test
