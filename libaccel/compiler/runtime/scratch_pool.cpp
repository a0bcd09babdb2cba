// SPDX-License-Identifier: Apache-2.0
#include "runtime/scratch_pool.hpp"

#include <algorithm>

namespace accel::compiler {

void ScratchPool::reserve(const Device& device, std::uint64_t bytes) {
    auto memory = device.allocate_device<std::byte>({std::max<std::uint64_t>(bytes, 1)});
    const std::lock_guard lock(mutex_);
    buffers_.push_back({.memory = std::move(memory), .job = {}});
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
        auto memory = device.allocate_device<std::byte>({std::max<std::uint64_t>(bytes, 1)});
        pool.buffers_.push_back({.memory = std::move(memory), .job = {}});
        found = std::prev(pool.buffers_.end());
    }
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
