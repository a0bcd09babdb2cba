// SPDX-License-Identifier: Apache-2.0
//
// Values that a field cannot have, handles that name nothing, and what happens when the card or
// the machine runs out.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "ioctl_calls.hpp"
#include "process.hpp"

namespace {

/// What BUFFER_CREATE says; what it made is destroyed.
int try_buffer(const bench::File& file, std::uint32_t flags, std::uint64_t bytes,
               std::uint32_t reserved = 0) {
    accel_buffer_create create{};
    create.flags = flags;
    create.bytes = bytes;
    create.reserved = reserved;
    const int error = file.call(ACCEL_IOCTL_BUFFER_CREATE, create);
    if (error == 0) {
        accel_buffer_destroy destroy{.size = 0, .handle = create.handle};
        bench::require(file.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy), "BUFFER_DESTROY");
    }
    return error;
}

/// What QUEUE_CREATE says; what it made is destroyed.
int try_queue(const bench::File& file, accel_queue_create create) {
    const int error = file.call(ACCEL_IOCTL_QUEUE_CREATE, create);
    if (error == 0) {
        accel_queue_destroy destroy{.size = 0, .handle = create.handle};
        bench::require(file.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), "QUEUE_DESTROY");
    }
    return error;
}

accel_queue_create queue_of(std::uint32_t entries, std::uint32_t priority = 0) {
    accel_queue_create create{};
    create.entries = entries;
    create.priority = priority;
    return create;
}

TEST(Values, UnknownFlagsAreEopnotsupp) {
    const bench::File file;
    const bench::Mapping own = bench::Mapping::anonymous(bench::page);
    for (int bit = 0; bit < 32; ++bit) {
        const std::uint32_t flag = 1U << bit;
        accel_info info{};
        info.flags = flag;
        EXPECT_EQ(file.call(ACCEL_IOCTL_INFO, info), EOPNOTSUPP) << bit;
        accel_queue_create queue = queue_of(2);
        queue.flags = flag;
        EXPECT_EQ(try_queue(file, queue), EOPNOTSUPP) << bit;
        if ((flag & bench::device) == 0) {
            EXPECT_EQ(try_buffer(file, bench::host | flag, bench::page), EOPNOTSUPP) << bit;
        }
        if ((flag & bench::host) == 0) {
            EXPECT_EQ(bench::Registration::attempt(file, own.data(), 1, bench::host | flag),
                      EOPNOTSUPP)
                << bit;
        }
    }
}

TEST(Values, ABufferThatTheCardMayNotTouchIsEinval) {
    const bench::File file;
    const bench::Mapping own = bench::Mapping::anonymous(bench::page);
    EXPECT_EQ(try_buffer(file, 0, bench::page), EINVAL);
    EXPECT_EQ(try_buffer(file, ACCEL_BUFFER_DEVICE, bench::page), EINVAL);
    EXPECT_EQ(bench::Registration::attempt(file, own.data(), 1, 0), EINVAL);
}

TEST(Values, ReservedFieldsAreEinval) {
    const bench::File file;
    const bench::Mapping own = bench::Mapping::anonymous(bench::page);
    EXPECT_EQ(try_buffer(file, bench::host, bench::page, 1), EINVAL);
    accel_queue_create queue = queue_of(2);
    queue.reserved = 1;
    EXPECT_EQ(try_queue(file, queue), EINVAL);
    accel_buffer_register registration{};
    registration.flags = bench::host;
    registration.pointer = reinterpret_cast<std::uintptr_t>(own.data());
    registration.bytes = 1;
    registration.reserved = 0x80000000;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), EINVAL);
}

TEST(Values, SizesThatNothingHasAreRefused) {
    const bench::File file;
    const bench::Mapping own = bench::Mapping::anonymous(bench::page);
    EXPECT_EQ(try_buffer(file, bench::host, 0), EINVAL);
    EXPECT_EQ(try_buffer(file, bench::device, 0), EINVAL);
    EXPECT_EQ(bench::Registration::attempt(file, own.data(), 0), EINVAL);
    for (const std::uint64_t bytes :
         {std::uint64_t{1} << 40, std::uint64_t{1} << 47, std::uint64_t{1} << 63,
          ~std::uint64_t{0} - bench::page, ~std::uint64_t{0}}) {
        EXPECT_EQ(try_buffer(file, bench::host, bytes), ENOMEM) << bytes;
        EXPECT_EQ(try_buffer(file, bench::device, bytes), ENOSPC) << bytes;
        // Beyond the end of user space, for `own` lies near it.
        EXPECT_EQ(bench::Registration::attempt(file, own.data(), bytes), EFAULT) << bytes;
    }
}

TEST(Values, RingsThatCannotBeAreEinval) {
    const bench::File file;
    const std::uint32_t longest = file.info().ring_entries;
    for (const std::uint32_t entries :
         {0U, 1U, 3U, 63U, longest - 1, longest + 1, 2 * longest, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(try_queue(file, queue_of(entries)), EINVAL) << entries;
    }
    EXPECT_EQ(try_queue(file, queue_of(2, ACCEL_PRIORITIES)), EINVAL);
    EXPECT_EQ(try_queue(file, queue_of(2, 0xffffffff)), EINVAL);
}

class Handles : public testing::Test {
  protected:
    /// Expects that no call of a file finds a buffer or queue of this handle.
    static void expect_none(const bench::File& file, std::uint32_t handle) {
        for (const bench::Call& call : bench::every_call()) {
            if (call.out.empty() || call.request == ACCEL_IOCTL_QUEUE_WAIT ||
                call.request == ACCEL_IOCTL_QUEUE_QUERY) {
                bench::Argument argument(call.size);
                const accel_buffer_destroy common{.size = static_cast<std::uint32_t>(call.size),
                                                  .handle = handle};
                std::memcpy(argument.data(), &common, sizeof(common));
                EXPECT_EQ(file.raw(call.request, argument.data()), ENOENT)
                    << call << " of handle " << handle;
            }
        }
    }
};

TEST_F(Handles, OfNothingAreEnoent) {
    const bench::File file;
    for (const std::uint32_t handle : {0U, 1U, 2U, 1000U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
        expect_none(file, handle);
    }
}

TEST_F(Handles, OfAnotherFileAreEnoent) {
    const bench::File mine;
    const bench::File other;
    const bench::Buffer buffer(other, bench::page);
    bench::Queue queue(other);
    expect_none(mine, buffer.handle());
    expect_none(mine, queue.handle());
    queue.run(bench::fill(buffer.address(), 1, bench::page));
}

TEST_F(Handles, AreGoneOnceDestroyed) {
    const bench::File file;
    bench::Buffer buffer(file, bench::page);
    bench::Queue queue(file);
    const std::uint32_t gone_buffer = buffer.handle();
    const std::uint32_t gone_queue = queue.handle();
    EXPECT_EQ(buffer.destroy(), 0);
    EXPECT_EQ(queue.destroy(), 0);
    expect_none(file, gone_buffer);
    expect_none(file, gone_queue);
}

TEST_F(Handles, OfOneKindAreNoneOfTheOther) {
    const bench::File file;
    const bench::Buffer first(file, bench::page);
    const bench::Buffer second(file, bench::page);
    const bench::Queue queue(file);
    ASSERT_NE(second.handle(), queue.handle());
    accel_queue_destroy as_queue{.size = 0, .handle = second.handle()};
    EXPECT_EQ(file.call(ACCEL_IOCTL_QUEUE_DESTROY, as_queue), ENOENT);
}

TEST(Exhaustion, OfContextsIsEnospcUntilFilesAreClosed) {
    const std::uint32_t limit = bench::File().info().contexts;
    const bench::Capacity before = bench::Capacity::measure();
    EXPECT_EQ(before.contexts, limit);
    EXPECT_EQ(bench::Capacity::measure(), before);
    bench::expect_healthy();
}

TEST(Exhaustion, OfQueuesIsEnospcUntilTheyAreDestroyed) {
    const bench::File file;
    const std::uint32_t limit = file.info().queues;
    std::vector<bench::Queue> queues;
    for (std::uint32_t i = 0; i < limit; ++i) {
        queues.emplace_back(file, 2);
    }
    EXPECT_EQ(try_queue(file, queue_of(2)), ENOSPC);
    // All of them work, also those that share a vector.
    for (bench::Queue& queue : queues) {
        queue.run(bench::nop());
    }
    EXPECT_EQ(queues[limit / 2].destroy(), 0);
    EXPECT_EQ(try_queue(file, queue_of(2)), 0);
    queues.clear();
    EXPECT_EQ(bench::Capacity::measure().queues, limit);
}

TEST(Exhaustion, OfDeviceMemoryIsEnospcUntilBuffersAreDestroyed) {
    const bench::File file;
    const accel_info empty = file.info();
    EXPECT_EQ(empty.memory_free, empty.memory_size);
    EXPECT_EQ(try_buffer(file, bench::device, empty.memory_size + bench::page), ENOSPC);
    {
        // All of it, then not one page more.
        const bench::Buffer all(file, empty.memory_size, bench::device);
        EXPECT_EQ(file.info().memory_free, 0U);
        EXPECT_EQ(try_buffer(file, bench::device, 1), ENOSPC);
        bench::Queue queue(file);
        queue.run(bench::fill(all.address(), 0x12345678, empty.memory_size));
        EXPECT_EQ(all.as<std::uint32_t>().back(), 0x12345678U);
    }
    EXPECT_EQ(file.info().memory_free, empty.memory_size);

    // In pieces of which every other is given back: what is left can still be had, in one buffer.
    std::vector<bench::Buffer> pieces;
    pieces.reserve(64);
    const std::uint64_t piece = empty.memory_size / 64;
    for (int i = 0; i < 64; ++i) {
        pieces.emplace_back(file, piece, bench::device);
    }
    for (int i = 0; i < 64; i += 2) {
        EXPECT_EQ(pieces[static_cast<std::size_t>(i)].destroy(), 0);
        pieces[static_cast<std::size_t>(i)].mapping().unmap();
    }
    EXPECT_EQ(file.info().memory_free, empty.memory_size / 2);
    {
        const bench::Buffer half(file, empty.memory_size / 2, bench::device);
        bench::Queue queue(file);
        queue.run(bench::fill(half.address(), 0x87654321, half.bytes()));
        EXPECT_EQ(half.as<std::uint32_t>().front(), 0x87654321U);
        EXPECT_EQ(half.as<std::uint32_t>().back(), 0x87654321U);
    }
    pieces.clear();
    EXPECT_EQ(file.info().memory_free, empty.memory_size);
}

// More than is free, less than there is: the call fails, and no process is killed for it (the
// harness takes an OOM kill for a fault).
TEST(Exhaustion, OfHostMemoryIsEnomem) {
    const bench::File file;
    const std::string meminfo = bench::read_file("/proc/meminfo");
    const std::uint64_t total = std::stoull(meminfo.substr(meminfo.find(':') + 1)) << 10;
    EXPECT_EQ(try_buffer(file, bench::host, total - (total >> 6)), ENOMEM);
    bench::expect_healthy();
}

// From a 32-bit program: the same structures, another entry to the kernel. In a 64-bit process
// the old system call gate is that of 32-bit programs.
int ioctl32(int fd, unsigned long request, void* argument) {
    long result = 54;  // ioctl
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(fd), "c"(request), "d"(argument)
                 : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? static_cast<int>(-result) : 0;
}

TEST(Compat, A32BitProgramHasTheSameInterface) {
    const bench::Mapping low = bench::Mapping::anonymous(bench::page, MAP_PRIVATE | MAP_32BIT);
    bench::Callee callee;
    for (const bench::Call& call : bench::every_call()) {
        std::ranges::copy(callee.good_argument(call), low.data());
        EXPECT_EQ(ioctl32(callee.file().fd(), call.request, low.data()), 0) << call;
        callee.undo(call, {low.data(), call.size});
    }
    EXPECT_EQ(ioctl32(callee.file().fd(), ACCEL_IOCTL_INFO, nullptr), EFAULT);
    EXPECT_EQ(ioctl32(callee.file().fd(), _IO(ACCEL_IOCTL_MAGIC, 0xff), low.data()), ENOTTY);
}

// Anything may be asked; what matters is that the kernel stands it (the harness looks) and that
// nothing is left behind.
TEST(Random, CallsDoNoHarm) {
    const bench::Capacity before = bench::Capacity::measure();
    {
        const bench::File file;
        const bench::Mapping own = bench::Mapping::anonymous(64 * bench::page);
        std::vector<bench::Descriptor> shared;
        std::mt19937_64 random(20240229);
        for (int round = 0; round < 3000; ++round) {
            const bench::Call& call = bench::every_call()[random() % bench::every_call().size()];
            bench::Argument argument(call.size);
            for (std::byte& byte : argument) {
                byte = random() % 4 == 0 ? static_cast<std::byte>(random()) : std::byte{0};
            }
            // Mostly plausible in the first fields, so that calls get somewhere.
            const std::uint32_t head[2] = {static_cast<std::uint32_t>(call.size),
                                           static_cast<std::uint32_t>(random() % 8)};
            std::memcpy(argument.data(), head, sizeof(head));
            if (call.request == ACCEL_IOCTL_QUEUE_WAIT) {
                const std::int64_t soon = bench::deadline_in(std::chrono::microseconds(100));
                std::memcpy(argument.data() + offsetof(accel_queue_wait, deadline), &soon, 8);
            }
            if (call.request == ACCEL_IOCTL_BUFFER_CREATE ||
                call.request == ACCEL_IOCTL_BUFFER_REGISTER) {
                const bool create = call.request == ACCEL_IOCTL_BUFFER_CREATE;
                const std::uint64_t bytes = random() % (32 * bench::page);
                const std::uint64_t start =
                    reinterpret_cast<std::uintptr_t>(own.data()) + random() % own.size();
                const std::uint64_t fields[2] = {create ? bytes : start, create ? 0 : bytes};
                std::memcpy(argument.data() + 8, fields, sizeof(fields));
                std::memset(argument.data() + 24, 0, argument.size() - 24);
            }
            if (call.request == ACCEL_IOCTL_QUEUE_CREATE) {
                const std::uint32_t fields[4] = {0, 2U << random() % 4,
                                                 static_cast<std::uint32_t>(random() % 4), 0};
                std::memcpy(argument.data() + 4, fields, sizeof(fields));
                std::memset(argument.data() + 20, 0, argument.size() - 20);
            }
            if (call.request == ACCEL_IOCTL_BUFFER_EXPORT) {
                const std::uint32_t flags = random() % 2;
                std::memcpy(argument.data() + 4, &flags, sizeof(flags));
                std::memcpy(argument.data() + 8, &head[1], sizeof(head[1]));
            }
            if (call.request == ACCEL_IOCTL_BUFFER_IMPORT && !shared.empty()) {
                accel_buffer_import import{};
                import.size = sizeof(import);
                import.flags = 2U << random() % 2;
                import.fd = shared[random() % shared.size()].get();
                argument = bench::bytes_of(import);
            }
            const int error = file.raw(call.request, argument.data());
            if (call.request == ACCEL_IOCTL_BUFFER_EXPORT && error == 0) {
                shared.emplace_back(bench::structure_of<accel_buffer_export>(argument).fd);
            }
            static_cast<void>(bench::Mapping::attempt(
                file.fd(), random() % 2 == 0 ? random() & ~std::uint64_t{0xfff} : 1ULL << 30,
                bench::page * (1 + random() % 4)));
        }
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
    bench::expect_healthy();
}

TEST(Random, ThreadsOfOneFileMakeAndDestroyAtTheSameTime) {
    const bench::Capacity before = bench::Capacity::measure();
    {
        const bench::File file;
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                try {
                    for (int i = 0; i < 25; ++i) {
                        const bench::Buffer buffer(file, bench::page * (1 + t),
                                                   i % 2 == 0 ? bench::host : bench::device);
                        bench::Queue queue(file, 4);
                        queue.run(bench::fill(buffer.address(), 0xabcdef01, buffer.bytes()));
                        bench::check(buffer.as<std::uint32_t>().back() == 0xabcdef01, "wrong data");
                        // A handle of some other thread's may be asked for at any time.
                        accel_queue_query query{};
                        query.handle = static_cast<std::uint32_t>(1 + i % 8);
                        static_cast<void>(file.call(ACCEL_IOCTL_QUEUE_QUERY, query));
                    }
                } catch (const std::exception& error) {
                    ADD_FAILURE() << error.what();
                }
            });
        }
        for (std::jthread& thread : threads) {
            thread.join();
        }
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
}

}  // namespace
