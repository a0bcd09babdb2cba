// SPDX-License-Identifier: Apache-2.0
//
// Blocking copies through a staging buffer in host memory. A large copy is split into chunks, so
// that the staging buffer stays small.
#include "accel/transfer.hpp"

#include <algorithm>
#include <cstring>

#include "command_access.hpp"

namespace accel::detail {

namespace {

constexpr std::uint64_t chunk_bytes = 1U << 20;

Buffer<std::byte> staging_buffer(const Device& device, std::uint64_t bytes) {
    return device.allocate<std::byte>({std::min(bytes, chunk_bytes)});
}

}  // namespace

void upload(const Device& device, Queue& queue, const Operand& dst,
            std::span<const std::byte> src) {
    if (src.empty()) {
        return;
    }
    Buffer<std::byte> chunk = staging_buffer(device, src.size());
    for (std::uint64_t done = 0; done < src.size(); done += chunk.size()) {
        const std::uint64_t bytes = std::min<std::uint64_t>(chunk.size(), src.size() - done);
        std::memcpy(chunk.data(), src.data() + done, bytes);
        queue
            .submit(
                Copy{.dst = CommandAccess::part(dst, done, bytes), .src = chunk, .bytes = bytes})
            .wait();
    }
}

void download(const Device& device, Queue& queue, std::span<std::byte> dst, const Operand& src) {
    if (dst.empty()) {
        return;
    }
    Buffer<std::byte> chunk = staging_buffer(device, dst.size());
    for (std::uint64_t done = 0; done < dst.size(); done += chunk.size()) {
        const std::uint64_t bytes = std::min<std::uint64_t>(chunk.size(), dst.size() - done);
        queue
            .submit(
                Copy{.dst = chunk, .src = CommandAccess::part(src, done, bytes), .bytes = bytes})
            .wait();
        std::memcpy(dst.data() + done, chunk.data(), bytes);
    }
}

}  // namespace accel::detail
