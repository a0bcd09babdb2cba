// SPDX-License-Identifier: Apache-2.0
//
// Invalid values of fields, invalid handles, and the exhaustion of the card's and the machine's
// resources.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "ioctl_calls.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

/// The result of BUFFER_CREATE; a new buffer is destroyed again.
int try_buffer(const uapi::File& file, std::uint32_t flags, std::uint64_t bytes,
               std::uint32_t reserved = 0) {
    accel_buffer_create create{};
    create.flags = flags;
    create.bytes = bytes;
    create.reserved = reserved;
    const int error = file.call(ACCEL_IOCTL_BUFFER_CREATE, create);
    if (error == 0) {
        accel_buffer_destroy destroy{.size = 0, .handle = create.handle};
        uapi::require(file.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy), "BUFFER_DESTROY");
    }
    return error;
}

/// The result of QUEUE_CREATE; a new queue is destroyed again.
int try_queue(const uapi::File& file, accel_queue_create create) {
    const int error = file.call(ACCEL_IOCTL_QUEUE_CREATE, create);
    if (error == 0) {
        accel_queue_destroy destroy{.size = 0, .handle = create.handle};
        uapi::require(file.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), "QUEUE_DESTROY");
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
    const uapi::File file;
    const uapi::Mapping own = uapi::Mapping::anonymous(uapi::page);
    for (int bit = 0; bit < 32; ++bit) {
        const std::uint32_t flag = 1U << bit;
        accel_info info{};
        info.flags = flag;
        EXPECT_EQ(file.call(ACCEL_IOCTL_INFO, info), EOPNOTSUPP) << bit;
        accel_queue_create queue = queue_of(2);
        queue.flags = flag;
        EXPECT_EQ(try_queue(file, queue), EOPNOTSUPP) << bit;
        if ((flag & uapi::device) == 0) {
            EXPECT_EQ(try_buffer(file, uapi::host | flag, uapi::page), EOPNOTSUPP) << bit;
        }
        if ((flag & uapi::host) == 0) {
            EXPECT_EQ(uapi::Registration::attempt(file, own.data(), 1, uapi::host | flag),
                      EOPNOTSUPP)
                << bit;
        }
    }
}

TEST(Values, ABufferWithoutAccessOfTheCardIsEinval) {
    const uapi::File file;
    const uapi::Mapping own = uapi::Mapping::anonymous(uapi::page);
    EXPECT_EQ(try_buffer(file, 0, uapi::page), EINVAL);
    EXPECT_EQ(try_buffer(file, ACCEL_BUFFER_DEVICE, uapi::page), EINVAL);
    EXPECT_EQ(uapi::Registration::attempt(file, own.data(), 1, 0), EINVAL);
}

TEST(Values, ReservedFieldsAreEinval) {
    const uapi::File file;
    const uapi::Mapping own = uapi::Mapping::anonymous(uapi::page);
    EXPECT_EQ(try_buffer(file, uapi::host, uapi::page, 1), EINVAL);
    accel_queue_create queue = queue_of(2);
    queue.reserved = 1;
    EXPECT_EQ(try_queue(file, queue), EINVAL);
    accel_buffer_register registration{};
    registration.flags = uapi::host;
    registration.pointer = reinterpret_cast<std::uintptr_t>(own.data());
    registration.bytes = 1;
    registration.reserved = 0x80000000;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), EINVAL);
}

TEST(Values, ImpossibleSizesAreRefused) {
    const uapi::File file;
    const uapi::Mapping own = uapi::Mapping::anonymous(uapi::page);
    EXPECT_EQ(try_buffer(file, uapi::host, 0), EINVAL);
    EXPECT_EQ(try_buffer(file, uapi::device, 0), EINVAL);
    EXPECT_EQ(uapi::Registration::attempt(file, own.data(), 0), EINVAL);
    // The last page of user space: each of these sizes ends beyond it, wherever `own` is mapped.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the address is never dereferenced
    auto* const last_page = reinterpret_cast<std::byte*>((std::uint64_t{1} << 47) - 2 * uapi::page);
    for (const std::uint64_t bytes :
         {std::uint64_t{1} << 40, std::uint64_t{1} << 47, std::uint64_t{1} << 63,
          ~std::uint64_t{0} - uapi::page, ~std::uint64_t{0}}) {
        EXPECT_EQ(try_buffer(file, uapi::host, bytes), ENOMEM) << bytes;
        EXPECT_EQ(try_buffer(file, uapi::device, bytes), ENOSPC) << bytes;
        EXPECT_EQ(uapi::Registration::attempt(file, last_page, bytes), EFAULT) << bytes;
    }
}

TEST(Values, ImpossibleRingSizesAreEinval) {
    const uapi::File file;
    const std::uint32_t longest = file.info().ring_entries;
    for (const std::uint32_t entries :
         {0U, 1U, 3U, 63U, longest - 1, longest + 1, 2 * longest, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(try_queue(file, queue_of(entries)), EINVAL) << entries;
    }
    EXPECT_EQ(try_queue(file, queue_of(2, ACCEL_PRIORITIES)), EINVAL);
    EXPECT_EQ(try_queue(file, queue_of(2, 0xffffffff)), EINVAL);
}

TEST(Values, TimeLimitsAboveThatOfTheCardAreEinval) {
    const uapi::File file;
    const std::uint32_t limit = file.info().time_limit_ms;
    ASSERT_NE(limit, 0U);
    accel_queue_create create = queue_of(2);
    for (const std::uint32_t allowed : {0U, 1U, limit}) {
        create.time_limit_ms = allowed;
        EXPECT_EQ(try_queue(file, create), 0) << allowed;
    }
    for (const std::uint32_t refused : {limit + 1, 0xffffffffU}) {
        create.time_limit_ms = refused;
        EXPECT_EQ(try_queue(file, create), EINVAL) << refused;
    }
    create.time_limit_ms = 0;
    create.reserved2 = 1;
    EXPECT_EQ(try_queue(file, create), EINVAL);
}

class Handles : public testing::Test {
  protected:
    /// Expects that no call of a file finds a buffer or queue with this handle.
    static void expect_none(const uapi::File& file, std::uint32_t handle) {
        for (const uapi::Call& call : uapi::every_call()) {
            if (call.out.empty() || call.request == ACCEL_IOCTL_QUEUE_WAIT ||
                call.request == ACCEL_IOCTL_QUEUE_QUERY) {
                uapi::Argument argument(call.size);
                const accel_buffer_destroy common{.size = static_cast<std::uint32_t>(call.size),
                                                  .handle = handle};
                std::memcpy(argument.data(), &common, sizeof(common));
                EXPECT_EQ(file.raw(call.request, argument.data()), ENOENT)
                    << call << " of handle " << handle;
            }
        }
    }
};

TEST_F(Handles, ThatAreUnknownAreEnoent) {
    const uapi::File file;
    for (const std::uint32_t handle : {0U, 1U, 2U, 1000U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
        expect_none(file, handle);
    }
}

TEST_F(Handles, OfAnotherFileAreEnoent) {
    const uapi::File mine;
    const uapi::File other;
    const uapi::Buffer buffer(other, uapi::page);
    uapi::Queue queue(other);
    expect_none(mine, buffer.handle());
    expect_none(mine, queue.handle());
    queue.run(uapi::fill(buffer.address(), 1, uapi::page));
}

TEST_F(Handles, AreInvalidOnceDestroyed) {
    const uapi::File file;
    uapi::Buffer buffer(file, uapi::page);
    uapi::Queue queue(file);
    const std::uint32_t gone_buffer = buffer.handle();
    const std::uint32_t gone_queue = queue.handle();
    EXPECT_EQ(buffer.destroy(), 0);
    EXPECT_EQ(queue.destroy(), 0);
    expect_none(file, gone_buffer);
    expect_none(file, gone_queue);
}

TEST_F(Handles, OfBuffersAreNoHandlesOfQueues) {
    const uapi::File file;
    const uapi::Buffer first(file, uapi::page);
    const uapi::Buffer second(file, uapi::page);
    const uapi::Queue queue(file);
    ASSERT_NE(second.handle(), queue.handle());
    accel_queue_destroy as_queue{.size = 0, .handle = second.handle()};
    EXPECT_EQ(file.call(ACCEL_IOCTL_QUEUE_DESTROY, as_queue), ENOENT);
}

TEST(Exhaustion, OfContextsIsEnospcUntilFilesAreClosed) {
    const std::uint32_t limit = uapi::File().info().contexts;
    const uapi::Capacity before = uapi::Capacity::measure();
    EXPECT_EQ(before.contexts, limit);
    EXPECT_EQ(uapi::Capacity::measure(), before);
    uapi::expect_working_card();
}

TEST(Exhaustion, OfQueuesIsEnospcUntilTheyAreDestroyed) {
    const uapi::File file;
    const std::uint32_t limit = file.info().queues;
    std::vector<uapi::Queue> queues;
    for (std::uint32_t i = 0; i < limit; ++i) {
        queues.emplace_back(file, 2);
    }
    EXPECT_EQ(try_queue(file, queue_of(2)), ENOSPC);
    // All queues work, also those that share a vector.
    for (uapi::Queue& queue : queues) {
        queue.run(uapi::nop());
    }
    EXPECT_EQ(queues[limit / 2].destroy(), 0);
    EXPECT_EQ(try_queue(file, queue_of(2)), 0);
    queues.clear();
    EXPECT_EQ(uapi::Capacity::measure().queues, limit);
}

TEST(Exhaustion, OfDeviceMemoryIsEnospcUntilBuffersAreDestroyed) {
    const uapi::File file;
    const accel_info empty = file.info();
    EXPECT_EQ(empty.memory_free, empty.memory_size);
    EXPECT_EQ(try_buffer(file, uapi::device, empty.memory_size + uapi::page), ENOSPC);
    {
        // The whole memory can be allocated, then not one page more.
        const uapi::Buffer all(file, empty.memory_size, uapi::device);
        EXPECT_EQ(file.info().memory_free, 0U);
        EXPECT_EQ(try_buffer(file, uapi::device, 1), ENOSPC);
        uapi::Queue queue(file);
        queue.run(uapi::fill(all.address(), 0x12345678, empty.memory_size));
        EXPECT_EQ(all.as<std::uint32_t>().back(), 0x12345678U);
    }
    EXPECT_EQ(file.info().memory_free, empty.memory_size);

    // After every second piece is freed, one buffer can use all of the fragmented free memory.
    std::vector<uapi::Buffer> pieces;
    pieces.reserve(64);
    const std::uint64_t piece = empty.memory_size / 64;
    for (int i = 0; i < 64; ++i) {
        pieces.emplace_back(file, piece, uapi::device);
    }
    for (int i = 0; i < 64; i += 2) {
        EXPECT_EQ(pieces[static_cast<std::size_t>(i)].destroy(), 0);
        pieces[static_cast<std::size_t>(i)].mapping().unmap();
    }
    EXPECT_EQ(file.info().memory_free, empty.memory_size / 2);
    {
        const uapi::Buffer half(file, empty.memory_size / 2, uapi::device);
        uapi::Queue queue(file);
        queue.run(uapi::fill(half.address(), 0x87654321, half.bytes()));
        EXPECT_EQ(half.as<std::uint32_t>().front(), 0x87654321U);
        EXPECT_EQ(half.as<std::uint32_t>().back(), 0x87654321U);
    }
    pieces.clear();
    EXPECT_EQ(file.info().memory_free, empty.memory_size);
}

// A request for more memory than is free fails, and no process is killed (the harness reports an
// OOM kill as a fault).
TEST(Exhaustion, OfHostMemoryIsEnomem) {
    const uapi::File file;
    const std::string meminfo = uapi::read_file("/proc/meminfo");
    const std::uint64_t total = std::stoull(meminfo.substr(meminfo.find(':') + 1)) << 10;
    EXPECT_EQ(try_buffer(file, uapi::host, total - (total >> 6)), ENOMEM);
    uapi::expect_working_card();
}

// 32-bit programs use the same structures but another entry to the kernel. A 64-bit process reaches
// that entry through the old system call gate.
int ioctl32(int fd, unsigned long request, void* argument) {
    long result = 54;  // ioctl
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(fd), "c"(request), "d"(argument)
                 : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? static_cast<int>(-result) : 0;
}

TEST(Compat, A32BitProgramHasTheSameUapi) {
    const uapi::Mapping low = uapi::Mapping::anonymous(uapi::page, MAP_PRIVATE | MAP_32BIT);
    uapi::CallFixture callee;
    for (const uapi::Call& call : uapi::every_call()) {
        std::ranges::copy(callee.valid_argument(call), low.data());
        EXPECT_EQ(ioctl32(callee.file().fd(), call.request, low.data()), 0) << call;
        callee.undo(call, {low.data(), call.size});
    }
    EXPECT_EQ(ioctl32(callee.file().fd(), ACCEL_IOCTL_INFO, nullptr), EFAULT);
    EXPECT_EQ(ioctl32(callee.file().fd(), _IO(ACCEL_IOCTL_MAGIC, 0xff), low.data()), ENOTTY);
}

// Calls with random arguments may have any result, but the kernel must not complain (the harness
// checks that), and nothing may leak.
TEST(Random, CallsDoNoHarm) {
    const uapi::Capacity before = uapi::Capacity::measure();
    {
        const uapi::File file;
        const uapi::Mapping own = uapi::Mapping::anonymous(64 * uapi::page);
        std::vector<uapi::Descriptor> shared;
        std::mt19937_64 random(20240229);
        for (int round = 0; round < 3000; ++round) {
            const uapi::Call& call = uapi::every_call()[random() % uapi::every_call().size()];
            uapi::Argument argument(call.size);
            for (std::byte& byte : argument) {
                byte = random() % 4 == 0 ? static_cast<std::byte>(random()) : std::byte{0};
            }
            // The first fields are mostly plausible, so that some calls succeed.
            const std::uint32_t head[2] = {static_cast<std::uint32_t>(call.size),
                                           static_cast<std::uint32_t>(random() % 8)};
            std::memcpy(argument.data(), head, sizeof(head));
            if (call.request == ACCEL_IOCTL_QUEUE_WAIT) {
                const std::int64_t soon = uapi::deadline_in(std::chrono::microseconds(100));
                std::memcpy(argument.data() + offsetof(accel_queue_wait, deadline), &soon, 8);
            }
            if (call.request == ACCEL_IOCTL_BUFFER_CREATE ||
                call.request == ACCEL_IOCTL_BUFFER_REGISTER) {
                const bool create = call.request == ACCEL_IOCTL_BUFFER_CREATE;
                const std::uint64_t bytes = random() % (32 * uapi::page);
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
                argument = uapi::bytes_of(import);
            }
            const int error = file.raw(call.request, argument.data());
            if (call.request == ACCEL_IOCTL_BUFFER_EXPORT && error == 0) {
                shared.emplace_back(uapi::structure_of<accel_buffer_export>(argument).fd);
            }
            static_cast<void>(uapi::Mapping::attempt(
                file.fd(), random() % 2 == 0 ? random() & ~std::uint64_t{0xfff} : 1ULL << 30,
                uapi::page * (1 + random() % 4)));
        }
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
    uapi::expect_working_card();
}

TEST(Random, ThreadsOfOneFileCreateAndDestroyConcurrently) {
    const uapi::Capacity before = uapi::Capacity::measure();
    {
        const uapi::File file;
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                try {
                    for (int i = 0; i < 25; ++i) {
                        const uapi::Buffer buffer(file, uapi::page * (1 + t),
                                                  i % 2 == 0 ? uapi::host : uapi::device);
                        uapi::Queue queue(file, 4);
                        queue.run(uapi::fill(buffer.address(), 0xabcdef01, buffer.bytes()));
                        uapi::check(buffer.as<std::uint32_t>().back() == 0xabcdef01, "wrong data");
                        // Any thread may use a handle of another thread at any time.
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
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

}  // namespace
