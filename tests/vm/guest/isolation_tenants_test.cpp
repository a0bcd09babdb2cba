// SPDX-License-Identifier: Apache-2.0
//
// Processes that share a card with a hostile one: it reaches nothing of theirs, and does not
// disturb them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

/// A process that computes until it is stopped. It checks every result, and that a secret in its
/// memory does not change.
class Victim {
  public:
    Victim()
        : process_([this] {
              const uapi::File file;
              // Beyond the addresses of an attacker with one queue and one buffer.
              const uapi::Buffer below(file, std::size_t{1} << 20);
              const uapi::Buffer secret(file, 4 * uapi::page);
              const uapi::Buffer on_card(file, 4 * uapi::page, uapi::device);
              const uapi::Product product(file, 12, 1, uapi::device);
              uapi::Queue queue(file);
              uapi::fill_pattern(secret.as<std::uint32_t>(), 1);
              uapi::fill_pattern(on_card.as<std::uint32_t>(), 2);
              const auto words = shared_.as<std::uint64_t>();
              words[0] = secret.address();
              words[1] = on_card.address();
              words[2] = queue.created().address;
              do {
                  product.clear();
                  queue.run(product.command());
                  uapi::check(product.correct(), "a product is wrong");
                  uapi::check(intact(secret, 1), "host memory was changed");
                  uapi::check(intact(on_card, 2), "device memory was changed");
                  uapi::check(queue.query().error == ACCEL_OK, "the queue has an error");
                  rounds_.add();
              } while (stop_.value() == 0);
          }) {
        rounds_.await(1);
    }

    /// Addresses in the victim's context: host memory, device memory, its queue.
    [[nodiscard]] std::vector<std::uint64_t> addresses() const {
        const auto words = shared_.as<const std::uint64_t>();
        return {words[0], words[1], words[2]};
    }
    /// Waits for this many more rounds.
    void expect_progress(std::uint64_t rounds = 2) const {
        rounds_.await(rounds_.value() + rounds);
    }
    void expect_unharmed() {
        expect_progress();
        stop_.add();
        EXPECT_EQ(process_.wait(), 0);
    }

  private:
    static bool intact(const uapi::Buffer& buffer, std::uint32_t seed) {
        return uapi::first_difference(buffer.as<std::uint32_t>(), seed) ==
               buffer.bytes() / sizeof(std::uint32_t);
    }

    uapi::Mapping shared_ = uapi::Mapping::anonymous(uapi::page, MAP_SHARED);
    uapi::Counter rounds_;
    uapi::Counter stop_;
    uapi::Process process_;
};

TEST(Tenants, ComputeConcurrentlyWithTheirOwnResults) {
    std::vector<uapi::Process> processes;
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
        processes.emplace_back([seed] {
            const uapi::File file;
            std::vector<uapi::Product> products;
            for (std::uint32_t i = 0; i < 4; ++i) {
                products.emplace_back(file, 4 + 5 * i, seed * 16 + i,
                                      i % 2 == 0 ? uapi::host : uapi::device);
            }
            uapi::Queue first(file, 4, seed % ACCEL_PRIORITIES);
            uapi::Queue second(file, 4);
            for (int round = 0; round < 10; ++round) {
                for (const uapi::Product& product : products) {
                    product.clear();
                }
                first.submit(products[0].command());
                second.submit(products[1].command());
                first.submit(products[2].command());
                second.submit(products[3].command());
                uapi::require(first.wait(first.tail()), "the first queue");
                uapi::require(second.wait(second.tail()), "the second queue");
                for (const uapi::Product& product : products) {
                    uapi::check(product.correct(), "a product is wrong");
                }
            }
        });
    }
    for (uapi::Process& process : processes) {
        EXPECT_EQ(process.wait(), 0);
    }
}

// Every kind of address in a command is pointed at memory of another process.
TEST(Tenants, CannotReachEachOthersAddresses) {
    Victim victim;
    {
        const uapi::File file;
        const uapi::Buffer own(file, uapi::page);
        uapi::Queue queue(file);
        uapi::Queue good(file);
        const std::uint64_t mine = own.address();
        using Attack = std::function<accel_command(std::uint64_t)>;
        const std::vector<Attack> attacks = {
            [&](std::uint64_t target) { return uapi::fill(target, 0xbad, 64); },
            [&](std::uint64_t target) { return uapi::copy(target, mine, 64); },
            [&](std::uint64_t target) { return uapi::copy(mine, target, 64); },
            [&](std::uint64_t target) { return uapi::signal(target, 0xbad); },
            [&](std::uint64_t target) { return uapi::wait_for(target, 0); },
            [&](std::uint64_t target) { return uapi::call(target, 1); },
            [&](std::uint64_t target) { return uapi::gemm(mine, mine, mine, target); },
            [&](std::uint64_t target) { return uapi::with_record(uapi::nop(), target); },
        };
        for (const std::uint64_t target : victim.addresses()) {
            for (std::size_t i = 0; i < attacks.size(); ++i) {
                const accel_queue_query failure = queue.run_to_error(attacks[i](target));
                EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED))
                    << "attack " << i;
                EXPECT_EQ(failure.error_address, target) << "attack " << i;
                // Only the attacker's queue stops.
                good.run(uapi::nop());
                ASSERT_EQ(queue.reset(), 0);
            }
        }
        EXPECT_EQ(std::ranges::count(own.as<std::uint8_t>(), 0), static_cast<long>(uapi::page));
    }
    victim.expect_unharmed();
    uapi::expect_working_card();
}

// The same address in two contexts is different memory.
TEST(Tenants, WithEqualAddressesHaveDifferentMemory) {
    const uapi::File file;
    const uapi::File other;
    for (const std::uint32_t memory : {uapi::host, uapi::device}) {
        const uapi::Buffer mine(file, uapi::page, memory);
        const uapi::Buffer theirs(other, uapi::page, memory);
        ASSERT_EQ(mine.address(), theirs.address());
        uapi::fill_pattern(theirs.as<std::uint32_t>(), 1);
        uapi::Queue queue(file);
        uapi::Queue their_queue(other);
        queue.run(uapi::fill(mine.address(), 0xbad, uapi::page));
        EXPECT_EQ(uapi::first_difference(theirs.as<std::uint32_t>(), 1),
                  uapi::page / sizeof(std::uint32_t));
        their_queue.run(uapi::fill(theirs.address(), 0x600d, uapi::page));
        EXPECT_EQ(mine.as<std::uint32_t>()[0], 0xbadU);
    }
}

// The guesses are addresses of host memory, of BARs, of device memory, and random ones.
TEST(Tenants, CannotReachAnyMemoryByGuessing) {
    Victim victim;
    {
        const uapi::File file;
        uapi::Queue queue(file);
        std::mt19937_64 random(5);
        std::vector<std::uint64_t> guesses = {0,          0x1000,     0x100000,   0x1000000,
                                              0xe0000000, 0xf0000000, 0xfee00000, 0xffffffff000};
        for (int i = 0; i < 200; ++i) {
            guesses.push_back(random() >> (17 + random() % 30) & ~std::uint64_t{7});
        }
        for (const std::uint64_t guess : guesses) {
            if (guess >= queue.created().address &&
                guess < queue.created().address + queue.created().bytes) {
                continue;  // its own
            }
            const accel_queue_query failure = queue.run_to_error(uapi::signal(guess, 0xbad));
            ASSERT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED)) << guess;
            ASSERT_EQ(queue.reset(), 0);
        }
    }
    victim.expect_unharmed();
}

TEST(Tenants, AreNotDisturbedByAnotherThatFailsAllTheTime) {
    Victim victim;
    const uapi::Counter stop;
    uapi::Process vandal([&] {
        const uapi::File file;
        std::vector<uapi::Queue> queues;
        for (std::uint32_t i = 0; i < 8; ++i) {
            queues.emplace_back(file, 4, i % ACCEL_PRIORITIES);
        }
        while (stop.value() == 0) {
            for (uapi::Queue& queue : queues) {
                queue.enqueue(uapi::fill(16, 1, 4));
                queue.publish();
                for (std::uint32_t i = 0; i < 20; ++i) {
                    queue.ring_doorbell(i);
                }
            }
            for (uapi::Queue& queue : queues) {
                uapi::require(queue.reset(), "reset");
            }
        }
    });
    victim.expect_progress(20);
    stop.add();
    EXPECT_EQ(vandal.wait(), 0);
    victim.expect_unharmed();
    uapi::expect_working_card();
}

// A new queue of another process gets the id of a destroyed queue, whose owner still has the
// doorbell page mapped.
TEST(StaleDoorbell, DoesNotRingTheNewQueueWithItsId) {
    const uapi::File attacker;
    const uapi::File owner;
    for (const bool touched : {true, false}) {
        uapi::Queue old(attacker, 4);
        if (touched) {
            old.run(uapi::nop());
        }
        ASSERT_EQ(old.destroy(), 0);
        uapi::Queue next(owner, 4);
        ASSERT_EQ(next.created().doorbell, old.created().doorbell)
            << "the new queue has another id";
        // One command is enqueued without a doorbell: a foreign doorbell would run it.
        const uapi::Semaphore word(owner);
        next.enqueue(uapi::signal(word.address(), 1));
        next.status().tail = 1;
        for (std::uint32_t i = 0; i < 1000; ++i) {
            old.ring_doorbell(i);
        }
        EXPECT_EQ(uapi::Mapping::attempt(attacker.fd(), next.created().doorbell, uapi::page),
                  EINVAL);
        EXPECT_EQ(next.query().doorbells, 0U) << (touched ? "touched" : "untouched");
        EXPECT_EQ(word.value(), 0U);
        next.ring_doorbell(1);
        EXPECT_EQ(next.wait(1), 0);
        EXPECT_EQ(word.value(), 1U);
        EXPECT_EQ(next.query().doorbells, 1U);
    }
}

/// The kernel messages since the construction.
class KernelLog {
  public:
    KernelLog() { ::lseek(file_.get(), 0, SEEK_END); }

    [[nodiscard]] bool says(const std::string& text) const {
        char record[8192];
        for (ssize_t length = 0; (length = ::read(file_.get(), record, sizeof(record))) > 0;) {
            if (std::string_view(record, static_cast<std::size_t>(length)).find(text) !=
                std::string_view::npos) {
                return true;
            }
        }
        return false;
    }

  private:
    uapi::Descriptor file_{::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
};

// A process must never be able to ring for a destroyed queue: the card would report it, and any
// process could fill the event queue and the log.
TEST(StaleDoorbell, NeverReachesTheCard) {
    const uapi::File file;
    const KernelLog log;
    for (int round = 0; round < 30; ++round) {
        uapi::Queue queue(file, 4);
        std::jthread ringer([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                queue.ring_doorbell(1);
            }
        });
        uapi::await("the first doorbell", [&] { return queue.query().doorbells > 0; });
        accel_queue_destroy destroy{.size = 0, .handle = queue.handle()};
        ASSERT_EQ(file.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), 0);
    }
    uapi::Queue(file, 4).run(uapi::nop());
    EXPECT_FALSE(log.says("doorbell of queue"));
}

TEST(StaleDoorbell, AndRingOfADestroyedQueueHaveNoEffect) {
    const uapi::File file;
    uapi::Queue old(file, 4);
    old.run(uapi::nop());
    ASSERT_EQ(old.destroy(), 0);
    const uapi::File other;
    const uapi::Buffer buffer(other, 16 * uapi::page);
    uapi::Queue queue(other, 4);
    // The old owner still owns the pages of the old ring.
    std::ranges::fill(std::span(reinterpret_cast<std::uint8_t*>(old.ring().data()), 256), 0xff);
    old.status().tail = 3;
    old.ring_doorbell(3);
    EXPECT_EQ(std::ranges::count(buffer.as<std::uint8_t>(), 0), static_cast<long>(buffer.bytes()));
    queue.run(uapi::nop());
    EXPECT_EQ(queue.query().doorbells, 1U);
}

}  // namespace
