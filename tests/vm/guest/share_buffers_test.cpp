// SPDX-License-Identifier: Apache-2.0
//
// Buffers exported as dma-bufs between processes and contexts of one card.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "share.hpp"
#include "transfer.hpp"

namespace {

using uapi::exchange_pattern;

constexpr std::size_t bytes = uapi::shared_bytes;
constexpr std::size_t words = bytes / sizeof(std::uint32_t);

std::size_t open_files() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class Share : public testing::TestWithParam<std::uint32_t> {
  protected:
    void TearDown() override { uapi::expect_working_card(); }
};

TEST_P(Share, WithAnotherProcessWorksInBothDirections) {
    const uapi::Channel channel;
    uapi::Process child([&] {
        const uapi::File file;
        const uapi::Import import(file, channel.receive());
        uapi::check(import.bytes() == bytes, "the import has a wrong size");
        exchange_pattern(file, import, 1, 2);
    });
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    uapi::fill_pattern(buffer.as<std::uint32_t>(), 1);
    channel.send(buffer.export_dmabuf().get());
    ASSERT_EQ(child.wait(), 0);
    EXPECT_EQ(uapi::first_difference(buffer.as<std::uint32_t>(), 2), words);
}

TEST_P(Share, KeepsTheMemoryWhenTheExporterEnds) {
    uapi::Descriptor dmabuf;
    {
        const uapi::File file;
        const uapi::Buffer buffer(file, bytes, GetParam());
        uapi::fill_pattern(buffer.as<std::uint32_t>(), 1);
        dmabuf = buffer.export_dmabuf();
    }
    const uapi::File file;
    const uapi::Buffer other(file, bytes, GetParam());
    const uapi::Import import(file, dmabuf);
    dmabuf.close();
    exchange_pattern(file, import, 1, 2);
}

TEST_P(Share, IsMappableThroughDmabufAndImport) {
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    const uapi::Import import(file, dmabuf);
    const uapi::Mapping by_dmabuf(dmabuf.get(), 0, bytes);
    const uapi::Mapping by_import(file.fd(), import.address() + uapi::page, bytes - uapi::page);
    uapi::fill_pattern(by_dmabuf.as<std::uint32_t>(), 3);
    EXPECT_EQ(uapi::first_difference(buffer.as<std::uint32_t>(), 3), words);
    EXPECT_EQ(std::memcmp(by_import.data(), by_dmabuf.data() + uapi::page, bytes - uapi::page), 0);
    EXPECT_EQ(uapi::Mapping::attempt(dmabuf.get(), uapi::page, bytes), EINVAL);
    EXPECT_EQ(uapi::Mapping::attempt(dmabuf.get(), 0, bytes, PROT_READ, MAP_PRIVATE), EINVAL);
    EXPECT_EQ(uapi::Mapping::attempt(file.fd(), import.address(), bytes + uapi::page), EINVAL);
}

TEST_P(Share, IsReadableAndWritableAtItsOffset) {
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    const uapi::Import import(file, buffer.export_dmabuf());
    const auto sent = uapi::pattern(bytes - 3, 5);
    ASSERT_EQ(pwrite(file.fd(), sent.data(), sent.size(), static_cast<off_t>(import.address() + 3)),
              static_cast<ssize_t>(sent.size()));
    EXPECT_EQ(std::memcmp(buffer.data() + 3, sent.data(), sent.size()), 0);
    std::vector<std::byte> back(sent.size());
    ASSERT_EQ(pread(file.fd(), back.data(), back.size(), static_cast<off_t>(import.address() + 3)),
              static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, sent);
}

TEST_P(Share, ForReadingCannotBeWritten) {
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    const uapi::Import import(file, buffer.export_dmabuf(), uapi::readable);
    uapi::Queue queue(file);
    const auto failure = queue.run_to_error(uapi::fill(import.address(), 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_WRITE));
}

TEST_P(Share, ThatIsRevocableEndsWithTheHandle) {
    const uapi::File owner;
    uapi::Buffer buffer(owner, bytes, GetParam());
    uapi::fill_pattern(buffer.as<std::uint32_t>(), 1);
    const uapi::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
    const uapi::File file;
    uapi::Import import(file, dmabuf);
    const uapi::Mapping mapping(dmabuf.get(), 0, bytes);
    exchange_pattern(file, import, 1, 2);
    EXPECT_EQ(uapi::first_difference(mapping.as<std::uint32_t>(), 2), words);

    ASSERT_EQ(buffer.destroy(), 0);
    uapi::Queue queue(file);
    const auto failure = queue.run_to_error(uapi::fill(import.address(), 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    for (const std::uint32_t word : mapping.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    char byte = 0;
    EXPECT_EQ(pread(file.fd(), &byte, 1, static_cast<off_t>(import.address())), -1);
    EXPECT_EQ(errno, ENXIO);
    EXPECT_EQ(uapi::Import::attempt(file, dmabuf.get()), ENODEV);
    EXPECT_EQ(import.destroy(), 0);
}

TEST_P(Share, ThatIsRevocableCannotBePinnedThroughItsMapping) {
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    const uapi::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
    const uapi::Mapping mapping(dmabuf.get(), 0, bytes);
    mapping.data()[0] = std::byte{1};
    EXPECT_EQ(buffer.data()[0], std::byte{1});
    EXPECT_EQ(uapi::Registration::attempt(file, mapping.data(), bytes), EFAULT);
}

TEST_P(Share, ThatIsRevocableEndsWhenItsOwnerIsKilled) {
    const uapi::Channel channel;
    uapi::Process owner([&] {
        const uapi::File file;
        const uapi::Buffer buffer(file, bytes, GetParam());
        channel.send(buffer.export_dmabuf(ACCEL_EXPORT_REVOKE).get());
        pause();
    });
    const uapi::Descriptor dmabuf = channel.receive();
    const uapi::File file;
    const uapi::Import import(file, dmabuf);
    uapi::Queue queue(file);
    queue.run(uapi::fill(import.address(), 1, 4));
    owner.kill();
    const auto failure = queue.run_to_error(uapi::fill(import.address(), 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
}

TEST_P(Share, OutlivesAnImporterThatIsKilledDuringAJob) {
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, GetParam());
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    const uapi::Counter running;
    uapi::Process child([&] {
        const uapi::File own;
        const uapi::Import import(own, dmabuf);
        uapi::Queue queue(own, 64);
        for (;;) {
            queue.submit(uapi::fill(import.address(), 7, bytes));
            running.add();
        }
    });
    running.await(100);
    child.kill();
    uapi::fill_pattern(buffer.as<std::uint32_t>(), 4);
    EXPECT_EQ(uapi::first_difference(buffer.as<std::uint32_t>(), 4), words);
}

TEST_P(Share, DoesNotOutliveAResetOfTheCard) {
    const uapi::File owner;
    const uapi::Buffer buffer(owner, bytes, GetParam());
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    const uapi::Mapping mapping(dmabuf.get(), 0, bytes);
    uapi::fill_pattern(mapping.as<std::uint32_t>(), 1);
    const uapi::File file;
    uapi::Import import(file, dmabuf);
    uapi::Card().reset();
    const uapi::File fresh;
    if (GetParam() == uapi::host) {
        // A reset of the card does not affect host memory.
        EXPECT_EQ(uapi::first_difference(mapping.as<std::uint32_t>(), 1), words);
        const uapi::Import again(fresh, dmabuf);
        exchange_pattern(fresh, again, 1, 2);
    } else {
        for (const std::uint32_t word : mapping.as<std::uint32_t>()) {
            ASSERT_EQ(word, 0U);
        }
        EXPECT_EQ(uapi::Import::attempt(fresh, dmabuf.get()), ENODEV);
    }
    EXPECT_EQ(import.destroy(), ESTALE);
}

TEST_P(Share, EndsWithEstaleAndNotWithAnAccessWhenTheCardIsReset) {
    const uapi::File owner;
    const uapi::Buffer buffer(owner, bytes, GetParam());
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    // More exports, so that the card runs for a while after the first one has lost its memory.
    std::vector<uapi::Descriptor> more;
    more.reserve(200);
    for (int i = 0; i < 200; ++i) {
        more.push_back(buffer.export_dmabuf());
    }
    const uapi::File file;
    const uapi::Import import(file, dmabuf);
    const uapi::Counter jobs;
    int ended = 0;
    std::jthread worker([&] {
        uapi::Queue queue(file);
        while (ended == 0) {
            ended = queue.wait(queue.submit(uapi::fill(import.address(), 1, bytes)));
            jobs.add();
        }
    });
    jobs.await(10);
    uapi::Card().reset();
    worker.join();
    EXPECT_EQ(ended, ESTALE);
}

TEST_P(Share, ReleasesAllResources) {
    const auto before = uapi::Capacity::measure();
    const std::size_t files = open_files();
    {
        const uapi::File file;
        const uapi::File other;
        std::vector<uapi::Import> imports;
        for (int i = 0; i < 8; ++i) {
            const uapi::Buffer buffer(file, bytes, GetParam());
            imports.emplace_back(other, buffer.export_dmabuf(i % 2));
        }
    }
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

// All ways to end an import at the same time.
TEST_P(Share, IsRevokedDestroyedAndClosedConcurrently) {
    {
        const uapi::File file;
        std::vector<std::jthread> threads;
        for (std::uint32_t id = 0; id < 3; ++id) {
            threads.emplace_back([&, id] {
                std::mt19937 random(id);
                for (int round = 0; round < 60; ++round) {
                    uapi::Buffer buffer(file, bytes, GetParam());
                    const uapi::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
                    auto other = std::make_unique<uapi::File>();
                    uapi::Import import(*other, dmabuf);
                    std::jthread race([&] {
                        if (random() % 2 == 0) {
                            import.destroy();
                        }
                    });
                    static_cast<void>(buffer.destroy());
                    race.join();
                    other.reset();
                }
            });
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Buffers, Share, testing::Values(uapi::device, uapi::host),
                         [](const auto& info) {
                             return info.param == uapi::host ? "HostMemory" : "DeviceMemory";
                         });

TEST(ShareCalls, RefuseMemoryThatCannotBeExported) {
    const uapi::File file;
    const uapi::Buffer buffer(file, uapi::page);
    accel_buffer_export share{};
    share.handle = buffer.handle();
    share.flags = 2;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), EOPNOTSUPP);
    share.flags = 0;
    share.handle = 0x7fff;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), ENOENT);

    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    const uapi::Import import(file, dmabuf);
    share.handle = import.handle();
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), EINVAL);

    EXPECT_EQ(uapi::Import::attempt(file, -1), EBADF);
    EXPECT_EQ(uapi::Import::attempt(file, file.fd()), EINVAL);
    EXPECT_EQ(uapi::Import::attempt(file, dmabuf.get(), 0), EINVAL);
    EXPECT_EQ(uapi::Import::attempt(file, dmabuf.get(), uapi::device), EOPNOTSUPP);
}

TEST(ShareCalls, LeakNoFileWhenTheResultCannotBeWritten) {
    const uapi::File file;
    const uapi::Buffer buffer(file, uapi::page);
    const uapi::Mapping memory = uapi::Mapping::anonymous(uapi::page);
    auto* share = reinterpret_cast<accel_buffer_export*>(memory.data());
    share->size = sizeof(*share);
    share->handle = buffer.handle();
    memory.protect(PROT_READ);
    const std::size_t files = open_files();
    EXPECT_EQ(file.raw(ACCEL_IOCTL_BUFFER_EXPORT, share), EFAULT);
    EXPECT_EQ(open_files(), files);
}

TEST(ShareCalls, CloseTheFileOnExec) {
    const uapi::File file;
    const uapi::Descriptor dmabuf = uapi::Buffer(file, uapi::page).export_dmabuf();
    EXPECT_EQ(fcntl(dmabuf.get(), F_GETFD), FD_CLOEXEC);
}

}  // namespace
