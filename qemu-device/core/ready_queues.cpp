// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The order of the ready queues, and the device time that each queue used.
#include "ready_queues.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "accel_timing.h"

namespace accel::card {

namespace {

// Of two queues with the same tag, a command that had no turn yet goes before one that was
// preempted. Otherwise the one that is there goes first. Tags below the one that was served last
// count as equal.
bool goes_before(const Queue& queue, const Queue& other, std::uint64_t served) {
    const std::uint64_t tag = std::max(other.schedule.start, served);
    if (queue.schedule.start != tag) {
        return queue.schedule.start < tag;
    }
    return queue.worker == nullptr && other.worker != nullptr;
}

}  // namespace

void ReadyQueues::insert(Queue& queue, unsigned list) {
    auto& schedule = queue.schedule;
    List& queues = lists_[list][queue.config.priority];
    const std::uint64_t served = served_.at(list).at(queue.config.priority);
    const std::uint64_t used = std::max(schedule.used.at(list), served);
    const bool has_turn_left = queue.worker == nullptr && used <= served + ACCEL_TIMING_TURN;
    schedule.start = has_turn_left ? served : used;
    schedule.ticket = ++ticket_;
    // Most queues belong at the end or close to it.
    auto position = queues.end();
    while (position != queues.begin() && goes_before(queue, **std::prev(position), served)) {
        --position;
    }
    queues.splice(position, *schedule.list, schedule.position);
    schedule.list = &queues;
    schedule.ready_list = list;
    schedule.state = Queue::State::ready;
    waiting_.at(list).store(waiting(list) | 1U << queue.config.priority, std::memory_order_relaxed);
}

void ReadyQueues::left(const Queue& queue) {
    const unsigned list = queue.schedule.ready_list;
    const unsigned priority = queue.config.priority;
    if (lists_[list][priority].empty()) {
        waiting_.at(list).store(waiting(list) & ~(1U << priority), std::memory_order_relaxed);
    }
}

void ReadyQueues::advance(unsigned list, const Queue& queue, std::uint64_t start) {
    std::uint64_t& served = served_.at(list).at(queue.config.priority);
    served = std::max(served, start);
}

void ReadyQueues::serve(Queue& queue) {
    auto& schedule = queue.schedule;
    const unsigned list = schedule.ready_list;
    std::uint64_t& used = schedule.used.at(list);
    used = std::max(used, served_.at(list).at(queue.config.priority));
    advance(list, queue, schedule.start);
}

void ReadyQueues::charge(Queue& queue) {
    auto& schedule = queue.schedule;
    for (unsigned engine = 0; engine < engine_count; ++engine) {
        const std::uint64_t ticks = std::exchange(queue.charge.at(engine), 0);
        if (ticks == 0) {
            continue;
        }
        std::uint64_t& used = schedule.used.at(engine);
        if (schedule.ready_list != engine) {  // it was served without a place in the engine's list
            used = std::max(used, served_.at(engine).at(queue.config.priority));
        }
        used += ticks;
        // A turn that lasted longer was not contended. It is no lead for those that come now.
        advance(engine, queue, used - std::min<std::uint64_t>(used, ACCEL_TIMING_TURN));
    }
    if (schedule.ready_list == shared) {
        schedule.used.at(shared) += ACCEL_TIMING_DECODE;
    }
}

}  // namespace accel::card
