// SPDX-License-Identifier: Apache-2.0
//
// A card behind an IOMMU: accesses without a mapping are stopped and reported.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "card.hpp"
#include "commands.hpp"
#include "sanity.hpp"

namespace {

constexpr std::uint64_t nowhere = 0xdead0000;  // the only address that the harness allows

/// The registers of a card without a driver: this program acts as the driver.
class Registers {
  public:
    explicit Registers(const uapi::Card& card)
        : file_(::open((card.folder() / "resource0").c_str(), O_RDWR | O_CLOEXEC)),
          config_(::open((card.folder() / "config").c_str(), O_RDWR | O_CLOEXEC)) {
        set_command(0x6);  // memory, bus master
        memory_ = uapi::Mapping(file_.get(), 0, ACCEL_REGISTER_BLOCK);
    }
    Registers(const Registers&) = delete;
    Registers& operator=(const Registers&) = delete;
    Registers(Registers&&) = delete;
    Registers& operator=(Registers&&) = delete;
    ~Registers() { set_command(0); }

    template <typename T>
    void write(std::size_t offset, T value) {
        static_cast<volatile T&>(memory_.as<T>()[offset / sizeof(T)]) = value;
    }
    [[nodiscard]] std::uint32_t status() const {
        return static_cast<volatile std::uint32_t&>(
            memory_.as<std::uint32_t>()[ACCEL_REG_STATUS / sizeof(std::uint32_t)]);
    }

  private:
    void set_command(std::uint16_t value) const {
        uapi::require(::pwrite(config_.get(), &value, 2, 4) == 2 ? 0 : errno, "config space");
    }
    uapi::Descriptor file_;
    uapi::Descriptor config_;
    uapi::Mapping memory_;
};

/// The kernel messages from now on.
class KernelLog {
  public:
    KernelLog() { ::lseek(file_.get(), 0, SEEK_END); }
    void await(const std::string& words) {
        uapi::await(words.c_str(), [&] {
            std::array<char, 8192> line{};
            const ssize_t got = ::read(file_.get(), line.data(), line.size() - 1);
            return got > 0 && std::string(line.data()).find(words) != std::string::npos;
        });
    }

  private:
    uapi::Descriptor file_{::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
};

TEST(Iommu, StopsAndReportsAccessesWithoutAMapping) {
    const uapi::Card card;
    if (!std::filesystem::exists(card.folder() / "iommu_group")) {
        GTEST_SKIP() << "this machine has no IOMMU";
    }
    KernelLog log;
    card.unbind();
    {
        Registers registers(card);
        registers.write<std::uint32_t>(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
        uapi::await("the reset", [&] { return (registers.status() & ACCEL_STATUS_READY) != 0; });
        registers.write(ACCEL_REG_ADMIN_RING, nowhere);
        registers.write(ACCEL_REG_ADMIN_RESULTS, nowhere);
        registers.write<std::uint32_t>(ACCEL_REG_ADMIN_ENTRIES, 2);
        registers.write(ACCEL_REG_EVENT_RING, nowhere);
        registers.write<std::uint32_t>(ACCEL_REG_EVENT_ENTRIES, 64);
        registers.write<std::uint32_t>(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
        registers.write<std::uint32_t>(ACCEL_REG_ADMIN_DOORBELL, 1);
        uapi::await("the card's fatal status",
                    [&] { return (registers.status() & ACCEL_STATUS_FATAL) != 0; });
        registers.write<std::uint32_t>(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    }
    log.await("fault addr 0xdead0000");
    card.bind();
    uapi::expect_working_card();
}

// The card's MMU translates the addresses of contexts: a wrong one never reaches the IOMMU.
TEST(Iommu, IsNotNeededToIsolateContexts) {
    const uapi::File file;
    uapi::Queue queue(file, 4);
    const auto failure = queue.run_to_error(uapi::fill(nowhere, 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(failure.error_address, nowhere);
}

}  // namespace
