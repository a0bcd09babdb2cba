// SPDX-License-Identifier: Apache-2.0
//
// Memory and fences of another driver, vgem, and its access to exported buffers.
#include <drm.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "share.hpp"
#include "transfer.hpp"

namespace {

using uapi::exchange_pattern;

constexpr std::size_t bytes = uapi::shared_bytes;
constexpr std::size_t words = bytes / sizeof(std::uint32_t);

/// DRM_IOCTL_VGEM_FENCE_ATTACH; libdrm has no header for it.
struct VgemFence {
    std::uint32_t handle;
    std::uint32_t flags;
    std::uint32_t out_fence;
    std::uint32_t reserved;
};
constexpr unsigned long vgem_fence_attach = DRM_IOWR(DRM_COMMAND_BASE + 1, VgemFence);

/// Another driver, DRM's vgem: its memory is pages of shmem.
uapi::Descriptor foreign_card() {
    uapi::Descriptor card;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/dri")) {
        if (entry.path().filename().string().starts_with("card")) {
            card = uapi::Descriptor(open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
        }
    }
    return card;
}

/// A dma-buf of vgem; with a fence that nobody signals, which ends by itself after ten seconds.
uapi::Descriptor foreign_memory(const uapi::Descriptor& card = foreign_card(), bool fence = false) {
    drm_mode_create_dumb create{};
    create.width = bytes / 4;
    create.height = 1;
    create.bpp = 32;
    uapi::require(ioctl(card.get(), DRM_IOCTL_MODE_CREATE_DUMB, &create) == 0 ? 0 : errno,
                  "a buffer of vgem");
    if (fence) {
        VgemFence attach{};
        attach.handle = create.handle;
        attach.flags = 1;  // VGEM_FENCE_WRITE
        uapi::require(ioctl(card.get(), vgem_fence_attach, &attach) == 0 ? 0 : errno,
                      "a fence of vgem");
    }
    drm_prime_handle prime{};
    prime.handle = create.handle;
    prime.flags = DRM_RDWR | DRM_CLOEXEC;
    uapi::require(ioctl(card.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0 ? 0 : errno,
                  "a dma-buf of vgem");
    return uapi::Descriptor(prime.fd);
}

TEST(ShareForeign, MemoryIsAccessibleForTheCard) {
    const uapi::Descriptor dmabuf = foreign_memory();
    const uapi::Mapping mapping(dmabuf.get(), 0, bytes);
    uapi::fill_pattern(mapping.as<std::uint32_t>(), 1);
    const uapi::File file;
    const uapi::Import import(file, dmabuf);
    ASSERT_EQ(import.bytes(), bytes);
    exchange_pattern(file, import, 1, 2);
    EXPECT_EQ(uapi::first_difference(mapping.as<std::uint32_t>(), 2), words);
    const uapi::Mapping by_import(file.fd(), import.address(), bytes);
    EXPECT_EQ(uapi::first_difference(by_import.as<std::uint32_t>(), 2), words);
}

/// A fence of vgem that every user of `dmabuf` must wait for; returned as a sync_file.
uapi::Descriptor add_fence(const uapi::Descriptor& card, const uapi::Descriptor& dmabuf) {
    const uapi::Descriptor memory = foreign_memory(card, true);
    dma_buf_export_sync_file taken{};
    taken.flags = DMA_BUF_SYNC_RW;
    uapi::require(ioctl(memory.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &taken) == 0 ? 0 : errno,
                  "EXPORT_SYNC_FILE");
    uapi::Descriptor fence(taken.fd);
    dma_buf_import_sync_file given{};
    given.flags = DMA_BUF_SYNC_WRITE;
    given.fd = fence.get();
    uapi::require(ioctl(dmabuf.get(), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &given) == 0 ? 0 : errno,
                  "IMPORT_SYNC_FILE");
    return fence;
}

bool pending(const uapi::Descriptor& fence) {
    pollfd poll{.fd = fence.get(), .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, 0) == 0;
}

// Anybody can add fences to an export. They delay neither its end nor a call of somebody else.
TEST(ShareForeign, FencesDelayNobody) {
    const uapi::Descriptor card = foreign_card();
    auto file = std::make_unique<uapi::File>();
    std::vector<uapi::Buffer> buffers;
    std::vector<uapi::Descriptor> exports;
    std::vector<uapi::Descriptor> fences;
    for (int i = 0; i < 8; ++i) {
        buffers.emplace_back(*file, bytes, i % 2 == 0 ? uapi::host : uapi::device);
        exports.push_back(buffers.back().export_dmabuf(ACCEL_EXPORT_REVOKE));
        fences.push_back(add_fence(card, exports.back()));
    }
    const auto all_pending = [&] {
        return std::all_of(fences.begin(), fences.end(),
                           [](const uapi::Descriptor& fence) { return pending(fence); });
    };
    ASSERT_TRUE(all_pending());
    EXPECT_EQ(buffers.back().destroy(), 0);
    EXPECT_TRUE(all_pending()) << "the end of a buffer waited for a fence";
    {
        const uapi::File other;
        const uapi::Descriptor mine = uapi::Buffer(other, bytes).export_dmabuf();
    }
    EXPECT_TRUE(all_pending()) << "an export of another file waited for a fence";
    for (uapi::Buffer& buffer : buffers) {
        buffer.mapping().unmap();
    }
    file->close();
    EXPECT_TRUE(all_pending()) << "close() waited for a fence";
}

TEST(ShareForeign, FencesDelayNoResetOfTheCard) {
    const uapi::Descriptor card = foreign_card();
    const uapi::File file;
    const uapi::Buffer buffer(file, bytes, uapi::device);
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    const uapi::Descriptor fence = add_fence(card, dmabuf);
    uapi::Card().reset();
    EXPECT_TRUE(pending(fence)) << "the reset waited for a fence";
    uapi::expect_working_card();
}

// vgem maps what it imports for as long as it likes, and cannot be told to stop.
TEST(ShareForeign, DriversThatCannotGiveMemoryBackGetNoneThatCanBeRevoked) {
    const uapi::Descriptor card = foreign_card();
    const uapi::File file;
    const uapi::Buffer kept(file, bytes);
    const uapi::Buffer device(file, bytes, uapi::device);
    const auto import = [&](const uapi::Descriptor& dmabuf) {
        drm_prime_handle prime{};
        prime.fd = dmabuf.get();
        return ioctl(card.get(), DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) == 0 ? 0 : errno;
    };
    EXPECT_EQ(import(kept.export_dmabuf(ACCEL_EXPORT_REVOKE)), EOPNOTSUPP);
    EXPECT_EQ(import(device.export_dmabuf()), EOPNOTSUPP);
    EXPECT_EQ(import(kept.export_dmabuf()), 0);
}

TEST(ShareForeign, MemoryIsReleasedWhenTheCardIsUnbound) {
    const uapi::Descriptor dmabuf = foreign_memory();
    const uapi::Card card;
    const uapi::File file;
    const uapi::Import import(file, dmabuf);
    card.unbind();
    const uapi::Mapping mapping(dmabuf.get(), 0, bytes);
    uapi::fill_pattern(mapping.as<std::uint32_t>(), 1);
    card.bind();
    const uapi::File fresh;
    const uapi::Import again(fresh, dmabuf);
    exchange_pattern(fresh, again, 1, 2);
}

}  // namespace
