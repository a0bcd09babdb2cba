// SPDX-License-Identifier: Apache-2.0
//
// Moving data to and from memory that the CPU cannot reach, and waiting for it: for set-up, where
// simple matters more than fast. In a hot path submit Copy yourself.
#pragma once

#include <cstddef>
#include <span>

#include "accel/buffer.hpp"
#include "accel/device.hpp"
#include "accel/queue.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
ACCEL_API void upload(const Device& device, Queue& queue, const Operand& dst,
                      std::span<const std::byte> src);
ACCEL_API void download(const Device& device, Queue& queue, std::span<std::byte> dst,
                        const Operand& src);
}  // namespace detail

/// Copies `src` to `dst` through the card and waits. Serialised with `queue`. Throws as
/// Job::wait().
template <typename T>
void upload(const Device& device, Queue& queue, const Buffer<T>& dst,
            std::span<const std::type_identity_t<T>> src) {
    if (src.size() != dst.size()) {
        detail::throw_bad_length(src.size(), dst.size());
    }
    detail::upload(device, queue, dst, std::as_bytes(src));
}

/// Copies `src` to `dst` through the card and waits. Serialised with `queue`. Throws as
/// Job::wait().
template <typename T>
void download(const Device& device, Queue& queue, std::span<T> dst, const Buffer<T>& src) {
    if (dst.size() != src.size()) {
        detail::throw_bad_length(dst.size(), src.size());
    }
    detail::download(device, queue, std::as_writable_bytes(dst), src);
}

}  // namespace accel
