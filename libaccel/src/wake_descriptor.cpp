// SPDX-License-Identifier: Apache-2.0
//
// The eventfd of a WakeDescriptor.
#include "wake_descriptor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "throw_error.hpp"

namespace accel::detail {

WakeDescriptor::WakeDescriptor() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_.get() < 0) {
        throw_errno(errno, "cannot create the eventfd of an event loop");
    }
}

void WakeDescriptor::signal() const noexcept {
    constexpr std::uint64_t one = 1;
    // It fails only if the counter is full, and then the descriptor is readable already.
    static_cast<void>(!::write(fd_.get(), &one, sizeof one));
}

void WakeDescriptor::clear() const noexcept {
    std::uint64_t count = 0;
    // It fails if the counter is zero.
    static_cast<void>(!::read(fd_.get(), &count, sizeof count));
}

}  // namespace accel::detail
