// SPDX-License-Identifier: Apache-2.0
//
// Buffers shared as dma-bufs between processes and contexts of one card, and memory of another
// driver's.
#include <drm.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"
#include "transfer.hpp"

namespace {

constexpr std::size_t bytes = 5 * bench::page;
constexpr std::size_t words = bytes / sizeof(std::uint32_t);

std::size_t open_files() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// Throws unless the card of this file finds the pattern in the import, and leaves another.
void exchange_pattern(const bench::File& file, const bench::Import& import, std::uint32_t found,
                      std::uint32_t left) {
    const bench::Buffer own(file, bytes);
    bench::Queue queue(file, 4);
    queue.run(bench::copy(own.address(), import.address(), bytes));
    bench::check(bench::first_difference(own.as<std::uint32_t>(), found) == words,
                 "the import does not show what was exported");
    bench::fill_pattern(own.as<std::uint32_t>(), left);
    queue.run(bench::copy(import.address(), own.address(), bytes));
}

class Share : public testing::TestWithParam<std::uint32_t> {
  protected:
    void TearDown() override { bench::expect_healthy(); }
};

TEST_P(Share, WithAnotherProcessGoesBothWays) {
    const bench::Channel channel;
    bench::Process child([&] {
        const bench::File file;
        const bench::Import import(file, channel.receive());
        bench::check(import.bytes() == bytes, "wrong length");
        exchange_pattern(file, import, 1, 2);
    });
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    bench::fill_pattern(buffer.as<std::uint32_t>(), 1);
    channel.send(buffer.export_dmabuf().get());
    ASSERT_EQ(child.wait(), 0);
    EXPECT_EQ(bench::first_difference(buffer.as<std::uint32_t>(), 2), words);
}

TEST_P(Share, KeepsTheMemoryWhenTheExporterIsGone) {
    bench::Descriptor dmabuf;
    {
        const bench::File file;
        const bench::Buffer buffer(file, bytes, GetParam());
        bench::fill_pattern(buffer.as<std::uint32_t>(), 1);
        dmabuf = buffer.export_dmabuf();
    }
    const bench::File file;
    const bench::Buffer other(file, bytes, GetParam());
    const bench::Import import(file, dmabuf);
    dmabuf.close();
    exchange_pattern(file, import, 1, 2);
}

TEST_P(Share, IsMappedByTheDmabufAndByTheImport) {
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    const bench::Descriptor dmabuf = buffer.export_dmabuf();
    const bench::Import import(file, dmabuf);
    const bench::Mapping by_dmabuf(dmabuf.get(), 0, bytes);
    const bench::Mapping by_import(file.fd(), import.address() + bench::page, bytes - bench::page);
    bench::fill_pattern(by_dmabuf.as<std::uint32_t>(), 3);
    EXPECT_EQ(bench::first_difference(buffer.as<std::uint32_t>(), 3), words);
    EXPECT_EQ(std::memcmp(by_import.data(), by_dmabuf.data() + bench::page, bytes - bench::page),
              0);
    EXPECT_EQ(bench::Mapping::attempt(dmabuf.get(), bench::page, bytes), EINVAL);
    EXPECT_EQ(bench::Mapping::attempt(dmabuf.get(), 0, bytes, PROT_READ, MAP_PRIVATE), EINVAL);
    EXPECT_EQ(bench::Mapping::attempt(file.fd(), import.address(), bytes + bench::page), EINVAL);
}

TEST_P(Share, IsReadAndWrittenAtItsOffset) {
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    const bench::Import import(file, buffer.export_dmabuf());
    const auto sent = bench::pattern(bytes - 3, 5);
    ASSERT_EQ(pwrite(file.fd(), sent.data(), sent.size(), static_cast<off_t>(import.address() + 3)),
              static_cast<ssize_t>(sent.size()));
    EXPECT_EQ(std::memcmp(buffer.data() + 3, sent.data(), sent.size()), 0);
    std::vector<std::byte> back(sent.size());
    ASSERT_EQ(pread(file.fd(), back.data(), back.size(), static_cast<off_t>(import.address() + 3)),
              static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, sent);
}

TEST_P(Share, ForReadingIsNotWritten) {
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    const bench::Import import(file, buffer.export_dmabuf(), bench::readable);
    bench::Queue queue(file);
    const auto why = queue.run_to_error(bench::fill(import.address(), 1, 4));
    EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_WRITE));
}

TEST_P(Share, ThatIsRevocableEndsWithTheHandle) {
    const bench::File owner;
    bench::Buffer buffer(owner, bytes, GetParam());
    bench::fill_pattern(buffer.as<std::uint32_t>(), 1);
    const bench::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
    const bench::File file;
    bench::Import import(file, dmabuf);
    const bench::Mapping mapping(dmabuf.get(), 0, bytes);
    exchange_pattern(file, import, 1, 2);
    EXPECT_EQ(bench::first_difference(mapping.as<std::uint32_t>(), 2), words);

    ASSERT_EQ(buffer.destroy(), 0);
    bench::Queue queue(file);
    const auto why = queue.run_to_error(bench::fill(import.address(), 1, 4));
    EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    for (const std::uint32_t word : mapping.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    char byte = 0;
    EXPECT_EQ(pread(file.fd(), &byte, 1, static_cast<off_t>(import.address())), -1);
    EXPECT_EQ(errno, ENXIO);
    EXPECT_EQ(bench::Import::attempt(file, dmabuf.get()), ENODEV);
    EXPECT_EQ(import.destroy(), 0);
}

TEST_P(Share, ThatIsRevocableCannotBeKeptByPinningItsMapping) {
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    const bench::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
    const bench::Mapping mapping(dmabuf.get(), 0, bytes);
    mapping.data()[0] = std::byte{1};
    EXPECT_EQ(buffer.data()[0], std::byte{1});
    EXPECT_EQ(bench::Registration::attempt(file, mapping.data(), bytes), EFAULT);
}

TEST_P(Share, ThatIsRevocableEndsWhenItsOwnerIsKilled) {
    const bench::Channel channel;
    bench::Process owner([&] {
        const bench::File file;
        const bench::Buffer buffer(file, bytes, GetParam());
        channel.send(buffer.export_dmabuf(ACCEL_EXPORT_REVOKE).get());
        pause();
    });
    const bench::Descriptor dmabuf = channel.receive();
    const bench::File file;
    const bench::Import import(file, dmabuf);
    bench::Queue queue(file);
    queue.run(bench::fill(import.address(), 1, 4));
    owner.kill();
    const auto why = queue.run_to_error(bench::fill(import.address(), 1, 4));
    EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
}

TEST_P(Share, OutlivesAnImportThatIsKilledInTheMiddle) {
    const bench::File file;
    const bench::Buffer buffer(file, bytes, GetParam());
    const bench::Descriptor dmabuf = buffer.export_dmabuf();
    const bench::Counter running;
    bench::Process child([&] {
        const bench::File own;
        const bench::Import import(own, dmabuf);
        bench::Queue queue(own, 64);
        for (;;) {
            queue.submit(bench::fill(import.address(), 7, bytes));
            running.add();
        }
    });
    running.await(100);
    child.kill();
    bench::fill_pattern(buffer.as<std::uint32_t>(), 4);
    EXPECT_EQ(bench::first_difference(buffer.as<std::uint32_t>(), 4), words);
}

TEST_P(Share, DoesNotOutliveAResetOfTheCard) {
    const bench::File owner;
    const bench::Buffer buffer(owner, bytes, GetParam());
    const bench::Descriptor dmabuf = buffer.export_dmabuf();
    const bench::Mapping mapping(dmabuf.get(), 0, bytes);
    bench::fill_pattern(mapping.as<std::uint32_t>(), 1);
    const bench::File file;
    bench::Import import(file, dmabuf);
    bench::Card().reset();
    const bench::File fresh;
    if (GetParam() == bench::host) {
        // Memory of the host is not the card's to lose.
        EXPECT_EQ(bench::first_difference(mapping.as<std::uint32_t>(), 1), words);
        const bench::Import again(fresh, dmabuf);
        exchange_pattern(fresh, again, 1, 2);
    } else {
        for (const std::uint32_t word : mapping.as<std::uint32_t>()) {
            ASSERT_EQ(word, 0U);
        }
        EXPECT_EQ(bench::Import::attempt(fresh, dmabuf.get()), ENODEV);
    }
    EXPECT_EQ(import.destroy(), ESTALE);
}

TEST_P(Share, GivesEverythingBack) {
    const auto before = bench::Capacity::measure();
    const std::size_t files = open_files();
    {
        const bench::File file;
        const bench::File other;
        std::vector<bench::Import> imports;
        for (int i = 0; i < 8; ++i) {
            const bench::Buffer buffer(file, bytes, GetParam());
            imports.emplace_back(other, buffer.export_dmabuf(i % 2));
        }
    }
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(bench::Capacity::measure(), before);
}

// Every way to end an import, at the same time.
TEST_P(Share, IsRevokedDestroyedAndClosedAtOnce) {
    {
        const bench::File file;
        std::vector<std::jthread> threads;
        for (std::uint32_t id = 0; id < 3; ++id) {
            threads.emplace_back([&, id] {
                std::mt19937 random(id);
                for (int round = 0; round < 60; ++round) {
                    bench::Buffer buffer(file, bytes, GetParam());
                    const bench::Descriptor dmabuf = buffer.export_dmabuf(ACCEL_EXPORT_REVOKE);
                    auto other = std::make_unique<bench::File>();
                    bench::Import import(*other, dmabuf);
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

INSTANTIATE_TEST_SUITE_P(Buffers, Share, testing::Values(bench::device, bench::host),
                         [](const auto& info) {
                             return info.param == bench::host ? "HostMemory" : "DeviceMemory";
                         });

TEST(ShareCalls, RefuseWhatCannotBeShared) {
    const bench::File file;
    const bench::Buffer buffer(file, bench::page);
    accel_buffer_export share{};
    share.handle = buffer.handle();
    share.flags = 2;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), EOPNOTSUPP);
    share.flags = 0;
    share.handle = 0x7fff;
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), ENOENT);

    const bench::Descriptor dmabuf = buffer.export_dmabuf();
    const bench::Import import(file, dmabuf);
    share.handle = import.handle();
    EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), EINVAL);

    EXPECT_EQ(bench::Import::attempt(file, -1), EBADF);
    EXPECT_EQ(bench::Import::attempt(file, file.fd()), EINVAL);
    EXPECT_EQ(bench::Import::attempt(file, dmabuf.get(), 0), EINVAL);
    EXPECT_EQ(bench::Import::attempt(file, dmabuf.get(), bench::device), EOPNOTSUPP);
}

TEST(ShareCalls, LeaveNoFileBehindThatTheCallerDoesNotLearnOf) {
    const bench::File file;
    const bench::Buffer buffer(file, bench::page);
    const bench::Mapping memory = bench::Mapping::anonymous(bench::page);
    auto* share = reinterpret_cast<accel_buffer_export*>(memory.data());
    share->size = sizeof(*share);
    share->handle = buffer.handle();
    memory.protect(PROT_READ);
    const std::size_t files = open_files();
    EXPECT_EQ(file.raw(ACCEL_IOCTL_BUFFER_EXPORT, share), EFAULT);
    EXPECT_EQ(open_files(), files);
}

TEST(ShareCalls, CloseTheFileWhenAnotherProgramIsRun) {
    const bench::File file;
    const bench::Descriptor dmabuf = bench::Buffer(file, bench::page).export_dmabuf();
    EXPECT_EQ(fcntl(dmabuf.get(), F_GETFD), FD_CLOEXEC);
}

/// Memory of another driver: DRM's vgem, pages of shmem.
bench::Descriptor foreign_memory() {
    bench::Descriptor card;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/dri")) {
        if (entry.path().filename().string().starts_with("card")) {
            card = bench::Descriptor(open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
        }
    }
    drm_mode_create_dumb create{};
    create.width = bytes / 4;
    create.height = 1;
    create.bpp = 32;
    bench::require(ioctl(card.get(), DRM_IOCTL_MODE_CREATE_DUMB, &create) == 0 ? 0 : errno,
                   "a buffer of vgem");
    drm_prime_handle prime{};
    prime.handle = create.handle;
    prime.flags = DRM_RDWR | DRM_CLOEXEC;
    bench::require(ioctl(card.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0 ? 0 : errno,
                   "a dma-buf of vgem");
    return bench::Descriptor(prime.fd);
}

TEST(ShareForeign, MemoryIsReadAndWrittenByTheCard) {
    const bench::Descriptor dmabuf = foreign_memory();
    const bench::Mapping mapping(dmabuf.get(), 0, bytes);
    bench::fill_pattern(mapping.as<std::uint32_t>(), 1);
    const bench::File file;
    const bench::Import import(file, dmabuf);
    ASSERT_EQ(import.bytes(), bytes);
    exchange_pattern(file, import, 1, 2);
    EXPECT_EQ(bench::first_difference(mapping.as<std::uint32_t>(), 2), words);
    const bench::Mapping by_import(file.fd(), import.address(), bytes);
    EXPECT_EQ(bench::first_difference(by_import.as<std::uint32_t>(), 2), words);
}

TEST(ShareForeign, MemoryIsLetGoWhenTheCardIsUnbound) {
    const bench::Descriptor dmabuf = foreign_memory();
    const bench::Card card;
    const bench::File file;
    const bench::Import import(file, dmabuf);
    card.unbind();
    const bench::Mapping mapping(dmabuf.get(), 0, bytes);
    bench::fill_pattern(mapping.as<std::uint32_t>(), 1);
    card.bind();
    const bench::File fresh;
    const bench::Import again(fresh, dmabuf);
    exchange_pattern(fresh, again, 1, 2);
}

}  // namespace
