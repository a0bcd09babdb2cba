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

void WakeDescriptor::signal() noexcept {
    const std::lock_guard lock(mutex_);
    if (!signaled_) {
        constexpr std::uint64_t one = 1;
        static_cast<void>(!::write(fd_.get(), &one, sizeof one));
        signaled_ = true;
    }
}

void WakeDescriptor::clear() noexcept {
    const std::lock_guard lock(mutex_);
    if (signaled_) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(fd_.get(), &count, sizeof count));
        signaled_ = false;
    }
}

}  // namespace accel::detail
