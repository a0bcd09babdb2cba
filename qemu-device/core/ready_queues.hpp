// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The ready queues, in the order in which engines serve them: strict priority, and among equals the
// least device time.
//
// Start-time fair queuing. Each kind of list counts the device time that a queue used. A queue
// enters a list with a start tag, and the smallest tag is served first. The tag is the time that
// the queue used, but at least the tag of the queue that was served last: a queue that was idle
// saves up no time. Short commands that are together no longer than a turn count as one turn: until
// then the queue enters with the tag that was served last.
//
// The scheduler's mutex protects it, except for waiting().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>

#include "queue.hpp"

namespace accel::card {

class ReadyQueues {
  public:
    using List = std::list<Queue*>;
    // The index of the shared list. The list of an engine has that engine's index.
    static constexpr unsigned shared = engine_count;

    // Moves a queue from the list that holds it to a ready list.
    void insert(Queue& queue, unsigned list);
    // A queue left the ready list that it was in.
    void left(const Queue& queue);
    // The first queue of a priority. Null: there is none.
    [[nodiscard]] Queue* front(unsigned list, unsigned priority) const {
        const List& queues = lists_[list][priority];
        return queues.empty() ? nullptr : queues.front();
    }
    // An engine takes a queue that left() its list.
    void serve(Queue& queue);
    // Charges the device time that a queue used since then.
    void charge(Queue& queue);

    // The priorities of the queues in a list, as bits. Any thread may ask; the answer may be late.
    [[nodiscard]] unsigned waiting(unsigned list) const {
        return waiting_[list].load(std::memory_order_relaxed);
    }

  private:
    using ByPriority = std::array<std::uint64_t, priority_count>;

    void advance(unsigned list, const Queue& queue, std::uint64_t start);

    std::array<std::array<List, priority_count>, engine_count + 1> lists_;
    // The start tag of the queue that was served last.
    std::array<ByPriority, engine_count + 1> served_{};
    std::array<std::atomic<unsigned>, engine_count + 1> waiting_{};
    std::uint64_t ticket_ = 0;
};

}  // namespace accel::card
