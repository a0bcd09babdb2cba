// SPDX-License-Identifier: Apache-2.0
#include "runtime/scratch_pool.hpp"

#include <algorithm>

namespace accel::compiler {

void ScratchPool::reserve(const Device& device, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(buffers_, [&](const Scratch& s) { return s.memory.size() >= bytes; })) {
        return;
    }
    const auto idle = std::ranges::find_if(
        buffers_, [](const Scratch& s) { return !s.leased && s.job.done(); });
    if (idle != buffers_.end()) {
        idle->grow(device, bytes);
    } else if (buffers_.empty()) {
        buffers_.emplace_back().grow(device, bytes);
    }
}

std::uint64_t ScratchPool::largest() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const Scratch& scratch : buffers_) {
        bytes = std::max<std::uint64_t>(bytes, scratch.memory.size());
    }
    return bytes;
}

// A run that still uses the smaller memory keeps it.
void ScratchPool::Scratch::grow(const Device& device, std::uint64_t bytes) {
    bytes = std::max<std::uint64_t>(bytes, 1);
    if (memory.size() < bytes) {
        memory = {};  // first, so that the card need not hold both
        memory = device.allocate_device<std::byte>({bytes});
    }
}

ScratchPool::Lease::Lease(ScratchPool& pool, const Device& device, std::uint64_t bytes,
                          std::uint32_t queue)
    : pool_(pool) {
    const std::lock_guard lock(pool.mutex_);
    auto found = std::ranges::find(pool.buffers_, queue, &Scratch::queue);
    if (found == pool.buffers_.end()) {
        found = std::ranges::find_if(pool.buffers_,
                                     [](const Scratch& s) { return !s.leased && s.job.done(); });
    }
    if (found == pool.buffers_.end()) {
        pool.buffers_.emplace_back();
        found = std::prev(pool.buffers_.end());
    }
    found->grow(device, bytes);
    found->queue = queue;
    found->leased = true;
    scratch_ = &*found;
}

ScratchPool::Lease::~Lease() {
    const std::lock_guard lock(pool_.mutex_);
    scratch_->leased = false;
    if (job_) {
        scratch_->job = std::move(*job_);
    }
}

}  // namespace accel::compiler
