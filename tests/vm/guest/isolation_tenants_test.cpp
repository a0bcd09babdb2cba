// SPDX-License-Identifier: Apache-2.0
//
// Processes side by side on one card, one of them hostile: it reaches nothing of the others, and
// they do not notice it.
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
#include "health.hpp"
#include "process.hpp"

namespace {

/// A process that computes until it is told to stop, and checks every result and that a secret
/// in its memory stays what it is.
class Victim {
  public:
    Victim()
        : process_([this] {
              const bench::File file;
              // Beyond the addresses that an attacker with a queue and a buffer has himself.
              const bench::Buffer below(file, std::size_t{1} << 20);
              const bench::Buffer secret(file, 4 * bench::page);
              const bench::Buffer on_card(file, 4 * bench::page, bench::device);
              const bench::Product product(file, 12, 1, bench::device);
              bench::Queue queue(file);
              bench::fill_pattern(secret.as<std::uint32_t>(), 1);
              bench::fill_pattern(on_card.as<std::uint32_t>(), 2);
              const auto words = shared_.as<std::uint64_t>();
              words[0] = secret.address();
              words[1] = on_card.address();
              words[2] = queue.made().address;
              do {
                  product.clear();
                  queue.run(product.command());
                  bench::check(product.correct(), "a product is wrong");
                  bench::check(intact(secret, 1), "host memory was changed");
                  bench::check(intact(on_card, 2), "device memory was changed");
                  bench::check(queue.query().error == ACCEL_OK, "the queue has an error");
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
    /// Lets it do this many more rounds.
    void expect_progress(std::uint64_t rounds = 2) const {
        rounds_.await(rounds_.value() + rounds);
    }
    void expect_unharmed() {
        expect_progress();
        stop_.add();
        EXPECT_EQ(process_.wait(), 0);
    }

  private:
    static bool intact(const bench::Buffer& buffer, std::uint32_t seed) {
        return bench::first_difference(buffer.as<std::uint32_t>(), seed) ==
               buffer.bytes() / sizeof(std::uint32_t);
    }

    bench::Mapping shared_ = bench::Mapping::anonymous(bench::page, MAP_SHARED);
    bench::Counter rounds_;
    bench::Counter stop_;
    bench::Process process_;
};

TEST(Tenants, ComputeAtTheSameTimeAndEachGetsItsOwnResults) {
    std::vector<bench::Process> processes;
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
        processes.emplace_back([seed] {
            const bench::File file;
            std::vector<bench::Product> products;
            for (std::uint32_t i = 0; i < 4; ++i) {
                products.emplace_back(file, 4 + 5 * i, seed * 16 + i,
                                      i % 2 == 0 ? bench::host : bench::device);
            }
            bench::Queue first(file, 4, seed % ACCEL_PRIORITIES);
            bench::Queue second(file, 4);
            for (int round = 0; round < 10; ++round) {
                for (const bench::Product& product : products) {
                    product.clear();
                }
                first.submit(products[0].command());
                second.submit(products[1].command());
                first.submit(products[2].command());
                second.submit(products[3].command());
                bench::require(first.wait(first.tail()), "the first queue");
                bench::require(second.wait(second.tail()), "the second queue");
                for (const bench::Product& product : products) {
                    bench::check(product.correct(), "a product is wrong");
                }
            }
        });
    }
    for (bench::Process& process : processes) {
        EXPECT_EQ(process.wait(), 0);
    }
}

// Every way to name an address, aimed at what is another's.
TEST(Tenants, CannotReachEachOthersAddresses) {
    Victim victim;
    {
        const bench::File file;
        const bench::Buffer own(file, bench::page);
        bench::Queue queue(file);
        bench::Queue good(file);
        const std::uint64_t mine = own.address();
        using Attack = std::function<accel_command(std::uint64_t)>;
        const std::vector<Attack> attacks = {
            [&](std::uint64_t target) { return bench::fill(target, 0xbad, 64); },
            [&](std::uint64_t target) { return bench::copy(target, mine, 64); },
            [&](std::uint64_t target) { return bench::copy(mine, target, 64); },
            [&](std::uint64_t target) { return bench::signal(target, 0xbad); },
            [&](std::uint64_t target) { return bench::wait_for(target, 0); },
            [&](std::uint64_t target) { return bench::call(target, 1); },
            [&](std::uint64_t target) { return bench::gemm(mine, mine, mine, target); },
            [&](std::uint64_t target) { return bench::with_record(bench::nop(), target); },
        };
        for (const std::uint64_t target : victim.addresses()) {
            for (std::size_t i = 0; i < attacks.size(); ++i) {
                const accel_queue_query why = queue.run_to_error(attacks[i](target));
                EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED))
                    << "attack " << i;
                EXPECT_EQ(why.error_address, target) << "attack " << i;
                // Only the guilty queue stops.
                good.run(bench::nop());
                ASSERT_EQ(queue.reset(), 0);
            }
        }
        EXPECT_EQ(std::ranges::count(own.as<std::uint8_t>(), 0), static_cast<long>(bench::page));
    }
    victim.expect_unharmed();
    bench::expect_healthy();
}

// The same numbers in two contexts are two places.
TEST(Tenants, WithEqualAddressesHaveDifferentMemory) {
    const bench::File file;
    const bench::File other;
    for (const std::uint32_t memory : {bench::host, bench::device}) {
        const bench::Buffer mine(file, bench::page, memory);
        const bench::Buffer theirs(other, bench::page, memory);
        ASSERT_EQ(mine.address(), theirs.address());
        bench::fill_pattern(theirs.as<std::uint32_t>(), 1);
        bench::Queue queue(file);
        bench::Queue their_queue(other);
        queue.run(bench::fill(mine.address(), 0xbad, bench::page));
        EXPECT_EQ(bench::first_difference(theirs.as<std::uint32_t>(), 1),
                  bench::page / sizeof(std::uint32_t));
        their_queue.run(bench::fill(theirs.address(), 0x600d, bench::page));
        EXPECT_EQ(mine.as<std::uint32_t>()[0], 0xbadU);
    }
}

// Whatever number it is: of the machine's memory, of a BAR, of device memory, any at all.
TEST(Tenants, CannotReachAnythingByGuessing) {
    Victim victim;
    {
        const bench::File file;
        bench::Queue queue(file);
        std::mt19937_64 random(5);
        std::vector<std::uint64_t> guesses = {0,          0x1000,     0x100000,   0x1000000,
                                              0xe0000000, 0xf0000000, 0xfee00000, 0xffffffff000};
        for (int i = 0; i < 200; ++i) {
            guesses.push_back(random() >> (17 + random() % 30) & ~std::uint64_t{7});
        }
        for (const std::uint64_t guess : guesses) {
            if (guess >= queue.made().address &&
                guess < queue.made().address + queue.made().bytes) {
                continue;  // its own
            }
            const accel_queue_query why = queue.run_to_error(bench::signal(guess, 0xbad));
            ASSERT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED)) << guess;
            ASSERT_EQ(queue.reset(), 0);
        }
    }
    victim.expect_unharmed();
}

TEST(Tenants, DoNotNoticeAnotherThatFailsAllTheTime) {
    Victim victim;
    const bench::Counter stop;
    bench::Process vandal([&] {
        const bench::File file;
        std::vector<bench::Queue> queues;
        for (std::uint32_t i = 0; i < 8; ++i) {
            queues.emplace_back(file, 4, i % ACCEL_PRIORITIES);
        }
        while (stop.value() == 0) {
            for (bench::Queue& queue : queues) {
                queue.place(bench::fill(16, 1, 4));
                queue.publish();
                for (std::uint32_t i = 0; i < 20; ++i) {
                    queue.ring_doorbell(i);
                }
            }
            for (bench::Queue& queue : queues) {
                bench::require(queue.reset(), "reset");
            }
        }
    });
    victim.expect_progress(20);
    stop.add();
    EXPECT_EQ(vandal.wait(), 0);
    victim.expect_unharmed();
    bench::expect_healthy();
}

// The id of a queue that was destroyed goes to the next that is made: of another process. The old
// owner still has the doorbell page mapped.
TEST(StaleDoorbell, DoesNotRingTheQueueThatHasTheIdNow) {
    const bench::File attacker;
    const bench::File owner;
    for (const bool touched : {true, false}) {
        bench::Queue old(attacker, 4);
        if (touched) {
            old.run(bench::nop());
        }
        ASSERT_EQ(old.destroy(), 0);
        bench::Queue next(owner, 4);
        ASSERT_EQ(next.made().doorbell, old.made().doorbell) << "it has another id";
        // One command is placed and not rung for: a foreign doorbell would run it.
        const bench::Semaphore word(owner);
        next.place(bench::signal(word.address(), 1));
        next.status().tail = 1;
        for (std::uint32_t i = 0; i < 1000; ++i) {
            old.ring_doorbell(i);
        }
        EXPECT_EQ(bench::Mapping::attempt(attacker.fd(), next.made().doorbell, bench::page),
                  EINVAL);
        EXPECT_EQ(next.query().doorbells, 0U) << (touched ? "touched" : "untouched");
        EXPECT_EQ(word.value(), 0U);
        next.ring_doorbell(1);
        EXPECT_EQ(next.wait(1), 0);
        EXPECT_EQ(word.value(), 1U);
        EXPECT_EQ(next.query().doorbells, 1U);
    }
}

/// What the kernel has said since this was made.
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
    bench::Descriptor file_{::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
};

// There is no moment in which a process rings for a queue that is not there any more: the card
// would report it, and so anybody could fill the event ring and the log.
TEST(StaleDoorbell, IsNeverSeenByTheCard) {
    const bench::File file;
    const KernelLog log;
    for (int round = 0; round < 30; ++round) {
        bench::Queue queue(file, 4);
        std::jthread ringer([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                queue.ring_doorbell(1);
            }
        });
        bench::await("the ringer", [&] { return queue.query().doorbells > 0; });
        accel_queue_destroy destroy{.size = 0, .handle = queue.handle()};
        ASSERT_EQ(file.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), 0);
    }
    bench::Queue(file, 4).run(bench::nop());
    EXPECT_FALSE(log.says("doorbell of queue"));
}

TEST(StaleDoorbell, AndRingOfADestroyedQueueReachNothing) {
    const bench::File file;
    bench::Queue old(file, 4);
    old.run(bench::nop());
    ASSERT_EQ(old.destroy(), 0);
    const bench::File other;
    const bench::Buffer buffer(other, 16 * bench::page);
    bench::Queue queue(other, 4);
    // The pages of the old ring are still the old owner's.
    std::ranges::fill(std::span(reinterpret_cast<std::uint8_t*>(old.ring().data()), 256), 0xff);
    old.status().tail = 3;
    old.ring_doorbell(3);
    EXPECT_EQ(std::ranges::count(buffer.as<std::uint8_t>(), 0), static_cast<long>(buffer.bytes()));
    queue.run(bench::nop());
    EXPECT_EQ(queue.query().doorbells, 1U);
}

}  // namespace
