// SPDX-License-Identifier: Apache-2.0
//
// Opening and listing cards, and their properties.
#include "fixture.hpp"
#include "memory.hpp"

namespace accel::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeviceTest : public SdkTest {
  protected:
    DeviceTest() : SdkTest({{.serial = 0xabcd}, {.serial = 42}}) {}
};

TEST_F(DeviceTest, OpensByPathPciAddressAndSerialNumber) {
    EXPECT_EQ(open("/dev/accel1").info().serial, 42U);
    EXPECT_EQ(open("0000:02:00.0").info().path, "/dev/accel1");
    EXPECT_EQ(open("01:00.0").info().path, "/dev/accel0");
    EXPECT_EQ(open("42").info().path, "/dev/accel1");
    EXPECT_EQ(open("0xabcd").info().path, "/dev/accel0");
}

TEST_F(DeviceTest, RefusesAMalformedName) {
    for (const char* name : {"", "card", "0x", "1:2:3:4.0", "12:.0", "-1", "0000:01:00"}) {
        const Error error = error_of([&] { static_cast<void>(open(name)); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument) << name;
        expect_says(error, "PCI address", "serial number");
    }
}

TEST_F(DeviceTest, NamesTheCardsThatCannotBeOpenedWhenNoneMatches) {
    EXPECT_EQ(error_of([&] { static_cast<void>(open("09:00.0")); }).errc(),
              std::errc::no_such_device);
    driver->fail_open(EACCES);
    const Error error = error_of([&] { static_cast<void>(open("77")); });
    EXPECT_EQ(error.errc(), std::errc::no_such_device);
    expect_says(error, "77", "/dev/accel0", "join the group");
}

TEST_F(DeviceTest, ReportsWhyANodeCannotBeOpened) {
    expect_says(error_of([&] { static_cast<void>(open("/dev/accel7")); }), "/dev/accel7",
                "the nodes of this machine are /dev/accel0, /dev/accel1");
    driver->fail_open(EACCES);
    expect_says(error_of([&] { static_cast<void>(open()); }), "/dev/accel0", "group");
    driver->fail_open(ENODEV);
    expect_says(error_of([&] { static_cast<void>(open()); }), "card is gone");
}

TEST(Machine, WithoutACardTheErrorNamesTheEmulatedDevice) {
    const auto nothing = std::make_shared<fake::Driver>(std::vector<fake::CardOptions>{});
    const Error error =
        error_of([&] { static_cast<void>(detail::open_device(nothing, "/dev/accel0")); });
    EXPECT_EQ(error.errc(), std::errc::no_such_file_or_directory);
    expect_says(error, "/dev/accel0", "accelctl doctor", "ACCEL_DEVICE=emulated");
}

TEST_F(DeviceTest, ReportsThatAllContextsAreInUse) {
    std::vector<Device> devices;
    devices.reserve(4);
    for (int i = 0; i < 4; ++i) {
        devices.push_back(open());
    }
    const Error error = error_of([&] { static_cast<void>(open()); });
    EXPECT_EQ(error.errc(), std::errc::no_space_on_device);
    expect_says(error, "contexts", "accelctl top");
}

TEST_F(DeviceTest, ClosesTheNodeWhenTheQueryFails) {
    driver->fail(ACCEL_IOCTL_INFO, EIO);
    EXPECT_EQ(error_of([&] { static_cast<void>(open()); }).errc(), std::errc::io_error);
    EXPECT_EQ(driver->alive(), 0U);
}

TEST_F(DeviceTest, RefusesAnotherMajorVersionOfTheHardware) {
    driver->hw_version = 2 << 16;
    const Error error = error_of([&] { static_cast<void>(open()); });
    EXPECT_EQ(error.errc(), std::errc::operation_not_supported);
    expect_says(error, "version 2", "update libaccel");
    EXPECT_EQ(driver->alive(), 0U);
}

TEST_F(DeviceTest, AcceptsANewMinorVersionOfTheHardware) {
    driver->hw_version = ACCEL_VERSION_MAJOR << 16 | 99;
    EXPECT_EQ(open().info().hardware_version & 0xffff, 99U);
}

TEST_F(DeviceTest, InfoHasThePropertiesOfTheCard) {
    const Device card = open();
    const DeviceInfo info = card.info();
    EXPECT_EQ(info.path, "/dev/accel0");
    EXPECT_EQ(info.pci.to_string(), "0000:01:00.0");
    EXPECT_EQ(info.serial, 0xabcdU);
    EXPECT_EQ(info.memory_size, 16U << 20);
    EXPECT_EQ(info.max_queues, 8U);
    EXPECT_EQ(info.max_contexts, 4U);
    EXPECT_EQ(info.max_ring_entries, 256U);
    EXPECT_EQ(info.interrupt_vectors, 4U);
    EXPECT_EQ(info.address_bits, 48U);
    EXPECT_GE(info.compute_engines, 1U);
    EXPECT_GE(info.dma_engines, 1U);
    EXPECT_GT(info.clock_hz, 0U);
    EXPECT_GT(info.max_list_commands, 0U);
    EXPECT_NE(info.features & ACCEL_FEATURE_SHADOW, 0U);
    EXPECT_FALSE(info.numa_node.has_value());
    EXPECT_EQ(info.locked_limit, 1U << 20);
    driver->set_locked_limit(UINT64_MAX);
    EXPECT_FALSE(card.info().locked_limit.has_value());
}

TEST_F(DeviceTest, InfoIsCurrent) {
    const Device card = open();
    const std::uint64_t before = card.info().memory_free;
    {
        const auto buffer = card.allocate_device<std::byte>({8192});
        EXPECT_EQ(card.info().memory_free, before - 8192);
    }
    EXPECT_EQ(card.info().memory_free, before);
}

TEST_F(DeviceTest, ListHasEveryCardAndTheReasonWhyOneCannotBeOpened) {
    driver->fail_open(EACCES);
    const auto entries = detail::list_devices(driver);
    ASSERT_THAT(entries, SizeIs(2));
    EXPECT_EQ(entries[0].path, "/dev/accel0");
    EXPECT_FALSE(entries[0].info.has_value());
    EXPECT_THAT(entries[0].reason, HasSubstr("group"));
    ASSERT_TRUE(entries[1].info.has_value());
    EXPECT_EQ(entries[1].info->serial, 42U);
    EXPECT_THAT(entries[1].reason, IsEmpty());
}

TEST_F(DeviceTest, BuffersOfOneDeviceAreRefusedByAnother) {
    const Device first = open("/dev/accel0");
    const Device second = open("/dev/accel1");
    const auto buffer = first.allocate<float>({4});
    Queue queue = second.create_queue();
    expect_says(error_of([&] { queue.submit(fill(buffer, 1.0f)); }), "another device");
    CommandList list = second.create_command_list();
    expect_says(error_of([&] { list.add(fill(buffer, 1.0f)); }), "another device");
    CommandList other = first.create_command_list();
    other.add(Nop{});
    other.close();
    expect_says(error_of([&] { queue.submit(other); }), "another device");
}

TEST(PciAddress, HasTheFormatOfLspci) {
    EXPECT_EQ((PciAddress{0, 1, 0, 0}).to_string(), "0000:01:00.0");
    EXPECT_EQ((PciAddress{0x10000, 0xab, 0x1f, 7}).to_string(), "10000:ab:1f.7");
}

TEST(RealKernel, ReportsThatThereIsNoCard) {
    const Error error = error_of([] { static_cast<void>(Device::open("/dev/accel-not-there")); });
    EXPECT_EQ(error.errc(), std::errc::no_such_file_or_directory);
    expect_says(error, "accelctl doctor");
    // A node of another driver does not have the calls of ours.
    EXPECT_EQ(error_of([] { static_cast<void>(Device::open("/dev/null")); }).errc(),
              std::errc::inappropriate_io_control_operation);
}

}  // namespace
}  // namespace accel::test
