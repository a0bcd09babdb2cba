// SPDX-License-Identifier: Apache-2.0
//
// Memory of emulated cards: export and import by memory files, peer copies, registered memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numeric>

#include "fixture.hpp"

namespace accel::test {
namespace {

constexpr std::size_t elements = 3000;  // not a whole number of pages

class EmulatedMemory : public ::testing::Test {
  protected:
    [[nodiscard]] static Device open(unsigned index = 0) {
        return Device::open("emulated:cards=2,card=" + std::to_string(index));
    }

    // The elements as the card reads them.
    [[nodiscard]] static std::vector<int> read(const Device& card, const Buffer<int>& from) {
        const auto result = card.allocate<int>({elements});
        Queue queue = card.create_queue();
        queue.submit(copy(result, from.slice(0, elements))).wait();
        return {result.data(), result.data() + elements};
    }

    static void write(const Device& card, const Buffer<int>& to, int value) {
        Queue queue = card.create_queue();
        queue.submit(fill(to, value)).wait();
    }

    [[nodiscard]] static FileDescriptor memory_file(std::size_t bytes,
                                                    unsigned flags = MFD_ALLOW_SEALING) {
        FileDescriptor fd(::memfd_create("test", flags | MFD_CLOEXEC));
        EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
        return fd;
    }

    [[nodiscard]] static std::errc import_error(int fd, Access access = Access::read_write) {
        const Device card = open();
        return error_of([&] { static_cast<void>(card.import_memory<int>(fd, access)); }).errc();
    }
};

TEST_F(EmulatedMemory, IsZeroAgainAfterAnotherBufferUsedIt) {
    const Device card = open();
    for (int round = 1; round < 4; ++round) {
        const auto memory = card.allocate<int>({elements}, {.placement = Placement::device_mapped});
        EXPECT_EQ(std::accumulate(memory.data(), memory.data() + elements, 0), 0);
        write(card, memory, round);
    }
}

TEST_F(EmulatedMemory, AnImportReachesTheExportedMemory) {
    const Device card = open();
    for (const Placement placement : {Placement::host, Placement::device}) {
        const auto memory = card.allocate<int>({elements}, {.placement = placement});
        const FileDescriptor fd = card.export_memory(memory);
        const auto again = card.import_memory<int>(fd.get(), Access::read_write);
        write(card, memory, 7);
        EXPECT_EQ(read(card, again), std::vector<int>(elements, 7));
        write(card, again.slice(0, elements), 8);
        EXPECT_EQ(read(card, memory), std::vector<int>(elements, 8));
    }
}

TEST_F(EmulatedMemory, AnotherCardReachesDeviceMemoryDirectly) {
    const Device owner = open(0);
    const Device peer = open(1);
    const auto memory = owner.allocate_device<int>({elements});
    const FileDescriptor fd = owner.export_memory(memory);
    const auto remote = peer.import_memory<int>(fd.get(), Access::read_write);
    const auto local = peer.allocate_device<int>({elements});
    write(peer, local, 41);
    Queue queue = peer.create_queue();
    queue.submit(copy(remote.slice(0, elements), local)).wait();
    EXPECT_EQ(read(owner, memory), std::vector<int>(elements, 41));
    write(owner, memory, 42);
    EXPECT_EQ(read(peer, remote), std::vector<int>(elements, 42));
}

TEST_F(EmulatedMemory, AnotherMachineReachesIt) {
    const Device owner = open();
    const Device peer = Device::open("emulated:serial=77");
    const auto memory = owner.allocate_device<int>({elements});
    const FileDescriptor fd = owner.export_memory(memory);
    const auto remote = peer.import_memory<int>(fd.get(), Access::read);
    write(owner, memory, 5);
    EXPECT_EQ(read(peer, remote), std::vector<int>(elements, 5));
}

TEST_F(EmulatedMemory, AnExportKeepsTheMemoryOfAnEndedDevice) {
    FileDescriptor fd;
    {
        const Device card = open();
        const auto memory = card.allocate_device<int>({elements});
        write(card, memory, 9);
        fd = card.export_memory(memory);
    }
    void* const mapped =
        ::mmap(nullptr, elements * sizeof(int), PROT_READ, MAP_SHARED, fd.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(static_cast<const int*>(mapped)[elements - 1], 9);
    ::munmap(mapped, elements * sizeof(int));
    const Device card = open();
    EXPECT_EQ(read(card, card.import_memory<int>(fd.get())), std::vector<int>(elements, 9));
}

TEST_F(EmulatedMemory, AMemoryFileOfTheProgramIsHostMemory) {
    const Device card = open();
    const FileDescriptor fd = memory_file(elements * sizeof(int));
    const auto memory = card.import_memory<int>(fd.get(), Access::read_write);
    write(card, memory.slice(0, elements), 3);
    int last = 0;
    EXPECT_EQ(::pread(fd.get(), &last, sizeof last, (elements - 1) * sizeof(int)), sizeof last);
    EXPECT_EQ(last, 3);
    EXPECT_NE(::ftruncate(fd.get(), 0), 0) << "the card's memory cannot be taken away";
}

TEST_F(EmulatedMemory, ASealedFileCanBeReadOnly) {
    const Device card = open();
    const FileDescriptor fd = memory_file(elements * sizeof(int));
    ASSERT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
    EXPECT_EQ(import_error(fd.get()), std::errc::permission_denied);
    EXPECT_EQ(read(card, card.import_memory<int>(fd.get(), Access::read)),
              std::vector<int>(elements, 0));
}

TEST_F(EmulatedMemory, WhatIsNoMemoryFileIsRefused) {
    EXPECT_EQ(import_error(12345), std::errc::bad_file_descriptor);
    const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(import_error(null.get()), std::errc::invalid_argument);
    const FileDescriptor empty = memory_file(0);
    EXPECT_EQ(import_error(empty.get()), std::errc::invalid_argument);
    const FileDescriptor unsealable = memory_file(4096, 0);
    EXPECT_EQ(import_error(unsealable.get()), std::errc::operation_not_permitted);
}

TEST_F(EmulatedMemory, ACommandCannotLeaveABuffer) {
    const Device card = open();
    const auto memory = card.allocate<std::byte>({4096});
    const auto source = card.allocate<std::byte>({8192});
    Queue queue = card.create_queue();
    const Job job =
        queue.submit(Copy{.dst = Operand(memory.address()), .src = source, .bytes = 8192});
    EXPECT_THROW(job.wait(), Error);
}

TEST_F(EmulatedMemory, RegisteredMemoryIsTheCallersOwn) {
    const Device card = open();
    std::vector<int> mine(elements, 1);
    const auto memory = card.register_memory(std::span(mine));
    write(card, memory, 6);
    EXPECT_EQ(mine[elements - 1], 6);
}

TEST_F(EmulatedMemory, OnlyMemoryOfTheProcessCanBeRegistered) {
    const Device card = open();
    constexpr std::size_t bytes = 4096;
    void* const page = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    const std::span memory(static_cast<std::byte*>(page), bytes);
    EXPECT_NO_THROW(static_cast<void>(card.register_memory(memory, Access::read)));
    EXPECT_EQ(error_of([&] { static_cast<void>(card.register_memory(memory)); }).errc(),
              std::errc::bad_address);
    ::munmap(page, bytes);
    EXPECT_EQ(
        error_of([&] { static_cast<void>(card.register_memory(memory, Access::read)); }).errc(),
        std::errc::bad_address);
}

TEST_F(EmulatedMemory, MoreThanTheCardHasIsAnError) {
    const Device card = Device::open("emulated:memory=1M");
    const auto most = card.allocate_device<std::byte>({1 << 20});
    EXPECT_EQ(error_of([&] { static_cast<void>(card.allocate_device<int>({1})); }).errc(),
              std::errc::no_space_on_device);
    EXPECT_EQ(card.info().memory_free, 0U);
}

// A process that has many buffers keeps file descriptors for other purposes.
TEST_F(EmulatedMemory, ManyBuffersLeaveFileDescriptors) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 256;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
    const Device card = open();
    std::vector<Buffer<int>> buffers;
    buffers.reserve(400);
    for (int i = 0; i < 400; ++i) {
        buffers.push_back(card.allocate<int>({16}));
    }
    const FileDescriptor mine(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_GE(mine.get(), 0);
    write(card, buffers.back(), 4);
    EXPECT_EQ(buffers.back()[15], 4);
    EXPECT_EQ(error_of([&] { static_cast<void>(card.export_memory(buffers.back())); }).errc(),
              std::errc::too_many_files_open);
    EXPECT_NO_THROW(static_cast<void>(card.export_memory(buffers.front())));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace accel::test
