// SPDX-License-Identifier: Apache-2.0
//
// Copies through a staging buffer in host memory, a piece at a time: any size with little memory.
#include "accel/transfer.hpp"

#include <algorithm>
#include <cstring>

#include "command_access.hpp"
#include "memory.hpp"

namespace accel::detail {

namespace {

constexpr std::uint64_t piece_bytes = 1U << 20;

Buffer<std::byte> staging(const Device& device, std::uint64_t bytes) {
    return device.allocate<std::byte>({std::min(bytes, piece_bytes)});
}

}  // namespace

void upload(const Device& device, Queue& queue, const Operand& dst,
            std::span<const std::byte> src) {
    if (src.empty()) {
        return;
    }
    Buffer<std::byte> piece = staging(device, src.size());
    for (std::uint64_t done = 0; done < src.size(); done += piece.size()) {
        const std::uint64_t bytes = std::min<std::uint64_t>(piece.size(), src.size() - done);
        std::memcpy(piece.data(), src.data() + done, bytes);
        queue
            .submit(
                Copy{.dst = CommandAccess::part(dst, done, bytes), .src = piece, .bytes = bytes})
            .wait();
    }
}

void download(const Device& device, Queue& queue, std::span<std::byte> dst, const Operand& src) {
    if (dst.empty()) {
        return;
    }
    Buffer<std::byte> piece = staging(device, dst.size());
    for (std::uint64_t done = 0; done < dst.size(); done += piece.size()) {
        const std::uint64_t bytes = std::min<std::uint64_t>(piece.size(), dst.size() - done);
        queue
            .submit(
                Copy{.dst = piece, .src = CommandAccess::part(src, done, bytes), .bytes = bytes})
            .wait();
        std::memcpy(dst.data() + done, piece.data(), bytes);
    }
}

}  // namespace accel::detail
