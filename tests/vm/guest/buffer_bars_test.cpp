// SPDX-License-Identifier: Apache-2.0
//
// Mappings of the card's BARs besides doorbells: the permissions, and the sizes of their pages.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"

namespace {

std::uint64_t word(const uapi::Mapping& mapping, std::size_t offset) {
    return static_cast<volatile std::uint64_t&>(
        mapping.as<std::uint64_t>()[offset / sizeof(std::uint64_t)]);
}

TEST(Registers, AreMappableWithCapability) {
    const uapi::File file;
    const uapi::Mapping registers(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTER_BLOCK, PROT_READ);
    EXPECT_EQ(static_cast<std::uint32_t>(word(registers, ACCEL_REG_MAGIC)), ACCEL_MAGIC);
    EXPECT_EQ(word(registers, ACCEL_REG_SERIAL), file.info().serial);
    const std::uint64_t before = word(registers, ACCEL_REG_COMMANDS);
    uapi::Queue queue(file, 4);
    queue.run(uapi::nop());
    EXPECT_EQ(word(registers, ACCEL_REG_COMMANDS), before + 1);
}

TEST(Registers, AreNeverWritable) {
    const uapi::File file;
    EXPECT_EQ(uapi::Mapping::attempt(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTER_BLOCK),
              EACCES);
    const uapi::Mapping registers(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTER_BLOCK, PROT_READ);
    EXPECT_EQ(::mprotect(registers.data(), registers.size(), PROT_READ | PROT_WRITE), -1);
    EXPECT_EQ(errno, EACCES);
    // The MSI-X table follows them.
    EXPECT_EQ(
        uapi::Mapping::attempt(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTERS_SIZE, PROT_READ),
        EINVAL);
    EXPECT_EQ(uapi::Mapping::attempt(file.fd(), ACCEL_MMAP_REGISTERS + ACCEL_MSIX_TABLE,
                                     ACCEL_REGISTER_BLOCK, PROT_READ),
              EINVAL);
}

TEST(Registers, AreHiddenFromPlainUsers) {
    const std::string node = uapi::Card().node();
    ::chmod(node.c_str(), 0666);
    uapi::Process user([&] {
        uapi::become_user();
        const uapi::File file(node);
        uapi::check(uapi::Mapping::attempt(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTER_BLOCK,
                                           PROT_READ) == EPERM,
                    "a user sees the registers");
    });
    EXPECT_EQ(user.wait(), 0);
    ::chmod(node.c_str(), 0600);
}

TEST(Registers, AreRevokedWhenTheCardIsUnbound) {
    const uapi::Card card;
    const uapi::File file;
    const uapi::Mapping registers(file.fd(), ACCEL_MMAP_REGISTERS, ACCEL_REGISTER_BLOCK, PROT_READ);
    EXPECT_NE(word(registers, ACCEL_REG_SERIAL), 0U);
    card.unbind();
    EXPECT_EQ(word(registers, ACCEL_REG_SERIAL), 0U);
    card.bind();
    EXPECT_EQ(word(registers, ACCEL_REG_SERIAL), 0U);
}

std::uint64_t page_faults() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_minflt);
}

/// The real-time kernel has no transparent huge pages.
bool kernel_has_huge_pages() {
    return std::filesystem::exists("/sys/kernel/mm/transparent_hugepage");
}

/// Since 6.12 the kernel supports 2 MiB entries for memory outside of its own.
bool kernel_has_large_entries() {
    if (!kernel_has_huge_pages()) {
        return false;
    }
    utsname name{};
    ::uname(&name);
    unsigned int major = 0;
    unsigned int minor = 0;
    return std::sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 12));
}

TEST(LargeMapping, OfDeviceMemoryUsesLargePages) {
    constexpr std::size_t large = 2U << 20;
    constexpr std::size_t pieces = 4;
    const uapi::File file;
    const uapi::Buffer buffer(file, pieces * large, uapi::device);
    if (kernel_has_huge_pages()) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % large, 0U);
    }
    auto words = buffer.as<std::uint32_t>();
    const std::uint64_t before = page_faults();
    for (std::size_t i = 0; i < words.size(); i += uapi::page / sizeof(words[0])) {
        words[i] = static_cast<std::uint32_t>(i);
    }
    const std::uint64_t faults = page_faults() - before;
    std::printf("%zu MiB: %llu page faults\n", pieces * large >> 20,
                static_cast<unsigned long long>(faults));
    // With small pages, a fault maps 64 KiB.
    EXPECT_LE(faults, kernel_has_large_entries() ? pieces + 2 : pieces * large / (64U << 10) + 2);
    // The card reads the written data.
    const uapi::Buffer own(file, pieces * large);
    uapi::Queue queue(file, 4);
    queue.run(uapi::copy(own.address(), buffer.address(), pieces * large));
    for (std::size_t i = 0; i < words.size(); i += uapi::page / sizeof(words[0])) {
        ASSERT_EQ(own.as<std::uint32_t>()[i], i);
    }
}

// Half of a large page is unmapped, protected, forked and reset, so that the kernel must split it.
TEST(LargeMapping, IsSplitWhenAPartChanges) {
    constexpr std::size_t large = 2U << 20;
    const uapi::File file;
    const uapi::Buffer buffer(file, 2 * large, uapi::device);
    buffer.data()[0] = std::byte{1};
    buffer.data()[large] = std::byte{2};
    buffer.data()[large - 1] = std::byte{3};
    ASSERT_EQ(::munmap(buffer.data() + uapi::page, uapi::page), 0);
    EXPECT_EQ(buffer.data()[large - 1], std::byte{3});
    ASSERT_EQ(::mprotect(buffer.data() + large, uapi::page, PROT_READ), 0);
    EXPECT_EQ(buffer.data()[large], std::byte{2});
    uapi::Process child([&] {
        uapi::check(buffer.data()[large - 1] == std::byte{3},
                    "the child does not see the parent's data");
        buffer.data()[0] = std::byte{9};
    });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(buffer.data()[0], std::byte{9});
    // An address in it cannot be pinned, because it is no host memory.
    EXPECT_NE(uapi::Registration::attempt(file, buffer.data() + 8 * uapi::page, uapi::page), 0);
    uapi::Card().reset();
    EXPECT_EQ(buffer.data()[large - 1], std::byte{0});
}

}  // namespace
