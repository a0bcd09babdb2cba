// SPDX-License-Identifier: Apache-2.0
//
// Blocking copies between host memory and memory that the CPU cannot access. They serve set-up
// code, where simplicity matters more than speed; submit a Copy in a hot path.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

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

/// Copies `src` to `dst` through `queue`, and waits. The sizes must be equal, else this throws
/// Error(invalid_argument). Throws like Job::wait(). The caller serializes it with `queue`.
template <typename T>
void upload(const Device& device, Queue& queue, const Buffer<T>& dst,
            std::span<const std::type_identity_t<T>> src) {
    if (src.size() != dst.size()) {
        detail::throw_bad_length(src.size(), dst.size());
    }
    detail::upload(device, queue, dst, std::as_bytes(src));
}

/// Copies `src` to `dst` through `queue`, and waits. The sizes must be equal, else this throws
/// Error(invalid_argument). Throws like Job::wait(). The caller serializes it with `queue`.
template <typename T>
void download(const Device& device, Queue& queue, std::span<T> dst, const Buffer<T>& src) {
    if (dst.size() != src.size()) {
        detail::throw_bad_length(dst.size(), src.size());
    }
    detail::download(device, queue, std::as_writable_bytes(dst), src);
}

}  // namespace accel
