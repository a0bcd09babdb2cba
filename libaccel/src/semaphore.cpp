// SPDX-License-Identifier: Apache-2.0
//
// The public Semaphore.
#include "accel/semaphore.hpp"

#include "fence.hpp"
#include "throw_error.hpp"

namespace accel {

namespace {

std::uint64_t& word_of(const Buffer<std::uint64_t>& buffer) {
    if (!buffer) {
        detail::throw_moved_from("Semaphore");
    }
    // The card writes the word, so it is never const. A const Semaphore only loads it.
    return const_cast<std::uint64_t&>(buffer[0]);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

}  // namespace

Wait Semaphore::wait(std::uint64_t value) const {
    return {.word = word_, .value = value};
}

Signal Semaphore::signal(std::uint64_t value) const {
    return {.word = word_, .value = value};
}

std::uint64_t Semaphore::value() const {
    return detail::load_acquire(word_of(word_));
}

void Semaphore::set(std::uint64_t value) {
    detail::store_release(word_of(word_), value);
}

}  // namespace accel
