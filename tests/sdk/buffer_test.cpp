// SPDX-License-Identifier: Apache-2.0
//
// Buffers: allocation, handles on the same memory, registration, and copies to device memory.
#include <fcntl.h>

#include <numeric>

#include "fixture.hpp"

namespace accel::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

class BufferTest : public SdkTest {};

TEST_F(BufferTest, IsZeroedAndHasItsShape) {
    const Device card = open();
    const auto buffer = card.allocate<float>({2, 3});
    EXPECT_TRUE(buffer);
    EXPECT_TRUE(buffer.mapped());
    EXPECT_EQ(buffer.size(), 6U);
    EXPECT_EQ(buffer.bytes(), 24U);
    EXPECT_EQ(buffer.shape(), (Shape{2, 3}));
    EXPECT_EQ(buffer.placement(), Placement::host);
    EXPECT_EQ(buffer.access(), Access::read_write);
    EXPECT_NE(buffer.address(), Address{});
    EXPECT_THAT(buffer.span(), Each(0.0f));
}

TEST_F(BufferTest, TheCpuAccessesItAsASpan) {
    const Device card = open();
    auto buffer = card.allocate<int>({4});
    std::iota(buffer.begin(), buffer.end(), 10);
    EXPECT_THAT(buffer.span(), ElementsAre(10, 11, 12, 13));
    buffer[2] = -1;
    EXPECT_EQ(buffer.data()[2], -1);
    buffer.fill(7);
    EXPECT_THAT(buffer.span(), Each(7));
    buffer.copy_from({{1, 2, 3, 4}});
    std::vector<int> out(4);
    buffer.copy_to(out);
    EXPECT_THAT(out, ElementsAre(1, 2, 3, 4));
}

TEST_F(BufferTest, CopiesOfAnotherLengthAreRefused) {
    const Device card = open();
    auto buffer = card.allocate<int>({4});
    std::vector<int> three(3);
    expect_says(error_of([&] { buffer.copy_from(three); }), "3 elements", "buffer of 4");
    expect_says(error_of([&] { buffer.copy_to(three); }), "3 elements", "buffer of 4");
}

TEST_F(BufferTest, ImpossibleSizesAreRefused) {
    const Device card = open();
    expect_says(error_of([&] { static_cast<void>(card.allocate<float>({0})); }), "0 bytes");
    expect_says(error_of([&] { static_cast<void>(card.allocate<float>({})); }), "0 bytes");
    expect_says(error_of([&] { static_cast<void>(card.allocate<float>({1ULL << 62})); }),
                "64 bits");
    expect_says(error_of([&] {
                    static_cast<void>(card.allocate<float>({1ULL << 40, 1ULL << 40}));
                }),
                "64 bits");
    expect_says(error_of([&] {
                    static_cast<void>(card.allocate<float>({1, 1, 1, 1, 1, 1, 1}));
                }),
                "at most 6", "shape of 7 dimensions");
    std::vector<float> nothing;
    expect_says(error_of([&] { static_cast<void>(card.register_memory(std::span(nothing))); }),
                "0 bytes");
}

TEST_F(BufferTest, SlicesShareTheMemory) {
    const Device card = open();
    auto buffer = card.allocate<int>({10});
    auto part = buffer.slice(4, 3);
    part.fill(5);
    EXPECT_EQ(part.shape(), Shape{3});
    EXPECT_EQ(buffer[3], 0);
    EXPECT_EQ(buffer[4], 5);
    EXPECT_EQ(buffer[6], 5);
    EXPECT_EQ(buffer[7], 0);
    EXPECT_EQ(static_cast<std::uint64_t>(part.address()),
              static_cast<std::uint64_t>(buffer.address()) + 16);
    EXPECT_EQ(buffer.slice(10, 0).size(), 0U);
    expect_says(error_of([&] { static_cast<void>(buffer.slice(8, 3)); }),
                "3 elements from element 8");
    expect_says(error_of([&] { static_cast<void>(buffer.slice(11, 0)); }), "extends past the end");
    expect_says(error_of([&] { static_cast<void>(buffer.slice(1, UINT64_MAX)); }), "extends past");
}

TEST_F(BufferTest, ReshapeKeepsTheElements) {
    const Device card = open();
    auto buffer = card.allocate<int>({2, 6});
    EXPECT_EQ(buffer.reshape({3, 4}).shape(), (Shape{3, 4}));
    expect_says(error_of([&] { static_cast<void>(buffer.reshape({5})); }), "5 elements");
}

TEST_F(BufferTest, EveryHandleKeepsTheMemory) {
    const Device card = open();
    auto buffer = card.allocate<int>({4});
    auto other = buffer.alias();
    auto part = buffer.slice(1, 2);
    buffer = {};
    other[1] = 9;
    other = {};
    EXPECT_EQ(driver->buffers(), 1U);
    EXPECT_EQ(part[0], 9);
    part = {};
    EXPECT_EQ(driver->buffers(), 0U);
}

TEST_F(BufferTest, OutlivesItsDevice) {
    Buffer<int> buffer;
    {
        const Device card = open();
        buffer = card.allocate<int>({4});
    }
    buffer.fill(3);
    EXPECT_THAT(buffer.span(), Each(3));
}

TEST_F(BufferTest, AMovedFromBufferIsEmpty) {
    const Device card = open();
    auto buffer = card.allocate<int>({4});
    auto other = std::move(buffer);
    EXPECT_FALSE(buffer);  // NOLINT(bugprone-use-after-move): intended
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): intended
    EXPECT_EQ(buffer.size(), 0U);
    EXPECT_TRUE(buffer.span().empty());
    EXPECT_EQ(other.size(), 4U);
    Queue queue = card.create_queue();
    expect_says(error_of([&] { queue.submit(fill(buffer, 1)); }), "Fill::dst is not set");
}

TEST_F(BufferTest, DeviceMemoryIsMappedOnlyOnRequest) {
    const Device card = open();
    auto buffer = card.allocate_device<float>({4});
    EXPECT_FALSE(buffer.mapped());
    expect_says(error_of([&] { static_cast<void>(buffer.span()); }), "upload()", "device_mapped");
    auto mapped = card.allocate<float>({4}, {.placement = Placement::device_mapped});
    mapped.fill(2.0f);
    Queue queue = card.create_queue();
    auto host = card.allocate<float>({4});
    queue.submit(copy(host, mapped)).wait();
    EXPECT_THAT(host.span(), Each(2.0f));
}

TEST_F(BufferTest, ExhaustedDeviceMemoryIsReported) {
    const Device card = open();
    const auto allocate = [&](std::uint64_t bytes) {
        return error_of([&] { static_cast<void>(card.allocate_device<std::byte>({bytes})); });
    };
    const Error larger = allocate(1U << 30);
    EXPECT_EQ(larger.errc(), std::errc::no_space_on_device);
    expect_says(larger, "1073741824 bytes of device memory", "/dev/accel0",
                "16777216 bytes of device memory in all", "allocate less");
    const auto most = card.allocate_device<std::byte>({15U << 20});
    const Error full = allocate(2U << 20);
    EXPECT_EQ(full.errc(), std::errc::no_space_on_device);
    expect_says(full, "1048576 of the card's 16777216 bytes", "free some", "accelctl top");
}

TEST_F(BufferTest, ADescriptorThatCannotBeImportedIsNamed) {
    const Device card = open();
    const auto import = [&](int fd, Access access = Access::read) {
        return error_of([&] { static_cast<void>(card.import_memory<float>(fd, access)); });
    };
    int closed = 0;
    {
        const FileDescriptor exported = card.export_memory(card.allocate<float>({4}));
        closed = exported.get();
    }
    const Error error = import(closed);
    EXPECT_EQ(error.errc(), std::errc::bad_file_descriptor);
    expect_says(error, "descriptor " + std::to_string(closed), "not open", "SCM_RIGHTS");
    const FileDescriptor other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(import(other.get()).errc(), std::errc::invalid_argument);
    expect_says(import(other.get()), "dma-buf", "Device::export_memory()");
    driver->fail(ACCEL_IOCTL_BUFFER_IMPORT, EACCES);
    expect_says(import(other.get(), Access::write), "import it with Access::read");
}

TEST_F(BufferTest, RegisteredMemoryIsUsedInPlace) {
    const Device card = open();
    std::vector<std::uint32_t> mine(5000, 1);
    auto buffer = card.register_memory(std::span(mine).subspan(3, 4000));
    EXPECT_EQ(buffer.size(), 4000U);
    EXPECT_EQ(buffer.data(), mine.data() + 3);
    Queue queue = card.create_queue();
    queue.submit(fill(buffer, 6U)).wait();
    EXPECT_EQ(mine[2], 1U);
    EXPECT_EQ(mine[3], 6U);
    EXPECT_EQ(mine[4002], 6U);
    EXPECT_EQ(mine[4003], 1U);
}

TEST_F(BufferTest, ConstMemoryIsRegisteredForReadingOnly) {
    const Device card = open();
    const std::vector<float> mine = {1, 2, 3};
    const auto source = card.register_memory(std::span(mine));
    static_assert(std::is_same_v<decltype(source), const Buffer<const float>>);
    EXPECT_EQ(source.access(), Access::read);
    auto target = card.allocate<float>({3});
    Queue queue = card.create_queue();
    queue.submit(copy(target, source)).wait();
    EXPECT_THAT(target.span(), ElementsAre(1, 2, 3));
    expect_says(
        error_of([&] { static_cast<void>(card.register_memory(std::span(mine), Access::write)); }),
        "const");
}

TEST_F(BufferTest, TheLimitOnLockedMemoryIsNamed) {
    const Device card = open();
    driver->set_locked_limit(65536);
    std::vector<std::byte> mine(100'000);
    const Error error = error_of([&] { static_cast<void>(card.register_memory(std::span(mine))); });
    EXPECT_EQ(error.code().value(), EDQUOT);
    expect_says(error, "100000 bytes", "0 of 65536 bytes are in use", "ulimit -l");
    driver->fail(ACCEL_IOCTL_BUFFER_REGISTER, EDQUOT);
    driver->fail(ACCEL_IOCTL_INFO, ENODEV);  // then the message has no numbers
    EXPECT_EQ(
        error_of([&] { static_cast<void>(card.register_memory(std::span(mine))); }).code().value(),
        EDQUOT);
}

TEST_F(BufferTest, AFailedMappingReleasesTheBuffer) {
    const Device card = open();
    driver->fail_mmap(ENOMEM);
    EXPECT_EQ(error_of([&] { static_cast<void>(card.allocate<float>({4})); }).errc(),
              std::errc::not_enough_memory);
    EXPECT_EQ(driver->buffers(), 0U);
}

TEST_F(BufferTest, UploadAndDownloadReachDeviceMemory) {
    const Device card = open();
    Queue queue = card.create_queue();
    std::vector<std::uint32_t> values(700'000);  // more than one chunk
    std::iota(values.begin(), values.end(), 1U);
    const auto buffer = card.allocate_device<std::uint32_t>({values.size()});
    upload(card, queue, buffer, values);
    std::vector<std::uint32_t> back(values.size());
    download(card, queue, std::span(back), buffer);
    EXPECT_EQ(back, values);
    expect_says(error_of([&] { upload(card, queue, buffer, std::span(values).first(3)); }),
                "3 elements");
    expect_says(error_of([&] { download(card, queue, std::span(back).first(3), buffer); }),
                "3 elements");
}

TEST(Shape, CountsItsElements) {
    EXPECT_EQ((Shape{2, 3, 4}).elements(), 24U);
    EXPECT_EQ(Shape{}.elements(), 1U);
    EXPECT_EQ((Shape{5, 0}).elements(), 0U);
    EXPECT_EQ((Shape{1, 2, 3, 4, 5, 6}).rank(), max_rank);
    EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
    EXPECT_NE((Shape{2}), (Shape{2, 0}));
}

}  // namespace
}  // namespace accel::test
