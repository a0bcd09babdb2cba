// SPDX-License-Identifier: GPL-2.0
//
// The order of the ready queues, and the accounts of device time.
#include "ready_queues.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "accel_timing.h"

namespace accel::card {

void ReadyQueues::insert(Queue& queue, unsigned list) {
    auto& schedule = queue.schedule;
    List& queues = lists_[list][queue.config.priority];
    schedule.start = std::max(schedule.used.at(list), served_.at(list).at(queue.config.priority));
    schedule.ticket = ++ticket_;
    // Most queues belong at the end or close to it. Equal tags keep their order.
    auto position = queues.end();
    while (position != queues.begin() && (*std::prev(position))->schedule.start > schedule.start) {
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
    // The tags of others advanced while the queue was ready.
    const std::uint64_t start =
        std::max(schedule.start, served_.at(list).at(queue.config.priority));
    schedule.used.at(list) = start;
    advance(list, queue, start);
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
