// SPDX-License-Identifier: Apache-2.0
//
// Controls: each provokes a known complaint of the kernel (known.toml) in a guest without our
// driver. The host checks that the kernel complained: tests/debug_kernel.py.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "card.hpp"
#include "injection.hpp"
#include "uapi.hpp"

namespace {

namespace fs = std::filesystem;

constexpr int most_points = 1000;
constexpr int misses_at_the_end = 3;

/// Calls with the first fault point failing, then the second, until there are no more.
void fail_every_point(const std::string& name, const std::function<void()>& prepare,
                      const std::function<void()>& attempt) {
    const uapi::Injection injection;
    int misses = 0;
    for (int n = 1; n < most_points && misses < misses_at_the_end; ++n) {
        prepare();
        uapi::mark(name + " with point " + std::to_string(n) + " failing");
        injection.arm(n);
        attempt();
        misses = injection.disarm() ? 0 : misses + 1;
    }
    EXPECT_EQ(misses, misses_at_the_end);
}

/// One direct read of a disk into a single page, `times` times at once.
void read_into_one_page(int times) {
    const uapi::Descriptor disk(::open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC));
    ASSERT_GE(disk.get(), 0) << "the harness gives the guest an NVMe disk";
    const uapi::Mapping memory = uapi::Mapping::anonymous(uapi::page);
    const std::vector<iovec> parts(static_cast<std::size_t>(times),
                                   iovec{.iov_base = memory.data(), .iov_len = uapi::page});
    EXPECT_EQ(::preadv(disk.get(), parts.data(), times, 0),
              static_cast<ssize_t>(uapi::page) * times);
}

/// The address of a PCI Express root port, which the kernel's own driver has bound.
std::string root_port() {
    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/drivers/pcieport")) {
        if (entry.is_symlink() && entry.path().filename().string().find(':') != std::string::npos) {
            return entry.path().filename();
        }
    }
    return {};
}

TEST(Control, APageIsMappedTwiceForDma) {
    read_into_one_page(2);
}

TEST(Control, APageIsMappedOftenForDma) {
    read_into_one_page(20);
}

TEST(Control, ADriverIsBoundWithoutMemory) {
    const std::string port = root_port();
    ASSERT_NE(port, "") << "the harness gives the guest a root port";
    const fs::path driver = "/sys/bus/pci/drivers/pcieport";
    fail_every_point(
        "bind pcieport", [&] { static_cast<void>(uapi::write_file(driver / "unbind", port)); },
        [&] { static_cast<void>(uapi::write_file(driver / "bind", port)); });
}

TEST(Control, AModuleIsLoadedWithoutMemory) {
    const uapi::Descriptor file(::open("/vm/control_module.ko", O_RDONLY | O_CLOEXEC));
    ASSERT_GE(file.get(), 0) << "the harness packs the control module";
    const auto unload = [] {
        static_cast<void>(::syscall(SYS_delete_module, "control_module", O_NONBLOCK));
    };
    fail_every_point("load control_module", unload,
                     [&] { static_cast<void>(::syscall(SYS_finit_module, file.get(), "", 0)); });
    unload();
}

}  // namespace
