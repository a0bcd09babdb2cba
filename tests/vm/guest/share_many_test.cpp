// SPDX-License-Identifier: Apache-2.0
//
// A file with thousands of exported buffers: its end takes a bounded time and delays nobody.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr std::size_t many = 8000;

/// The file descriptors of `many` exports.
std::vector<uapi::Descriptor> export_many(const uapi::File& file) {
    std::vector<uapi::Descriptor> all;
    for (std::size_t i = 0; i < many; ++i) {
        accel_buffer_create create{};
        create.flags = uapi::host;
        create.bytes = uapi::page;
        uapi::require(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
        accel_buffer_export share{};
        share.handle = create.handle;
        share.flags = i % 2 == 0 ? ACCEL_EXPORT_REVOKE : 0;
        uapi::require(file.call(ACCEL_IOCTL_BUFFER_EXPORT, share), "BUFFER_EXPORT");
        all.emplace_back(share.fd);
    }
    return all;
}

TEST(ManyExports, EndWithTheirFileWithoutDelayingAnotherOne) {
    const rlimit files{2 * many, 2 * many};
    const uapi::Counter ready;
    const uapi::Counter begin;
    const uapi::Counter closed;
    uapi::Process owner([&] {
        uapi::require(::setrlimit(RLIMIT_NOFILE, &files) == 0 ? 0 : errno, "setrlimit");
        uapi::File file;
        const std::vector<uapi::Descriptor> exports = export_many(file);
        ready.add();
        begin.await(1);
        file.close();
        closed.add();
        // Then the exports that outlive the file end.
    });
    ready.await(1);
    begin.add();
    std::uint64_t rounds = 0;
    do {
        const uapi::File file;
        const uapi::Buffer buffer(file, uapi::page);
        const uapi::Descriptor dmabuf = buffer.export_dmabuf();
        ++rounds;
    } while (closed.value() == 0 && rounds < 1000000);
    EXPECT_EQ(closed.value(), 1U);
    EXPECT_EQ(owner.wait(), 0);
    uapi::expect_working_card();
}

}  // namespace
