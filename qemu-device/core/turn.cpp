// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The work between two pieces of a command.
#include "turn.hpp"

#include "accel_timing.h"

namespace accel::card {

void Turn::begin(std::uint64_t now) {
    started_ = now;
    parts_.meter.begin(now);
    parts_.queue.progress.turn_started.set(now);
}

void Turn::end(std::uint64_t now) {
    const auto engine = static_cast<unsigned>(parts_.engine);
    Queue& queue = parts_.queue;
    const std::uint64_t ticks = length(now);
    parts_.meter.end(now);
    queue.stats.busy.at(engine).add(ticks);
    queue.charge.at(engine) += ticks;
    queue.progress.turn_started.set(0);
    queue.progress.ticks.add(ticks);
}

Status Turn::pass(std::uint64_t pieces) {
    Queue& queue = parts_.queue;
    queue.progress.pieces.add(pieces);
    pieces_ += pieces;
    const unsigned rivals = parts_.scheduler.rivals(queue, parts_.engine);
    // A call without pieces waits for other threads, so it has the time.
    if (rivals <= Scheduler::equal_rival && parts_.bus.timing() == nullptr && pieces != 0 &&
        pieces_ < pieces_for_each_look) {
        return ACCEL_OK;
    }
    pieces_ = 0;
    const std::uint64_t now = parts_.bus.clock();
    if (exceeds_limit(queue, queue.progress.ticks.read() + length(now))) {
        return ACCEL_TIME_LIMIT;
    }
    if (parts_.bus.timing() == nullptr) {  // else front ends poll
        parts_.scheduler.poll(now);
    }
    if (rivals == 0 || (rivals == Scheduler::equal_rival && length(now) < ACCEL_TIMING_TURN)) {
        return ACCEL_OK;
    }
    using Verdict = Scheduler::Verdict;
    const Verdict verdict = parts_.scheduler.verdict(queue, parts_.engine, length(now));
    if (verdict != Verdict::stay) {
        make_way(now, verdict == Verdict::make_way_at_once);
    }
    return queue.stop.load(std::memory_order_relaxed) ? ACCEL_ABORTED : ACCEL_OK;
}

void Turn::make_way(std::uint64_t now, bool at_once) {
    end(now);
    const bool left = parts_.seat.set_aside(parts_.queue, at_once);
    begin(left ? parts_.bus.clock() : now);
}

}  // namespace accel::card
