// SPDX-License-Identifier: Apache-2.0
//
// Requests: the functions of Python that submit their jobs, and the objects that accept them.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include "callbacks.hpp"
#include "event_loops.hpp"

namespace accel::python {

/// Waits without the GIL. Throws what happened, or Error(timed_out).
void wait_for_request(const RequestObject& object, std::optional<double> timeout);

class Work;

/// The queues that an object lends to its functions, by the index of the card. With the GIL.
struct LentQueues {
    std::vector<std::shared_ptr<QueueState>> by_card;
    std::atomic<std::thread::id> user = {};  // the thread that runs a function
    std::unordered_set<const Work*> work;    // all functions that exist

    /// Throws if a function of this object calls: the object has its lock.
    void check_caller() const;
};

/// A function of Python that submits the jobs of a request, or of an item of a Pipeline.
class Work {
  public:
    /// Calls a function with a queue and what else it takes, with the GIL.
    using Call = std::function<nb::object(nb::handle function, const QueueObject& queue)>;

    Work(nb::object function, std::shared_ptr<LentQueues> queues,
         std::shared_ptr<WorkFailure> failure);
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    Work(Work&&) = delete;
    Work& operator=(Work&&) = delete;
    ~Work();

    /// Lends `queue`, of a card, to the function and returns its job. On any thread, without the
    /// GIL. Throws what to_error() makes of an exception, and keeps the exception.
    accel::Job run(accel::Queue& queue, std::size_t card, const Call& call);

    /// For the collector of cycles.
    [[nodiscard]] nb::handle function() const { return function_; }

    /// It submits nothing any more: its caller was interrupted.
    void abandon() { abandoned_ = true; }

  private:
    nb::object function_;
    std::shared_ptr<LentQueues> queues_;
    std::shared_ptr<WorkFailure> failure_;
    std::atomic<bool> abandoned_ = false;
};

/// An object that accepts requests, and what its functions use.
template <typename T>
struct Requests {
    std::shared_ptr<Box<T>> box;
    std::shared_ptr<Box<LoopState>> loop;  // of the caller; null: one with a thread
    std::shared_ptr<LentQueues> queues = std::make_shared<LentQueues>();

    /// Whether the calling thread runs the loop, so that it must not wait.
    [[nodiscard]] bool on_loop() const {
        return loop && loop->object && loop->object->loop.on_this_thread();
    }
};

/// For the collector of cycles: the functions of an object with the members `box` and `queues`, if
/// nothing but the object uses them.
template <typename Object>
int traverse_functions(PyObject* self, visitproc visit, void* arg) noexcept {
    Py_VISIT(Py_TYPE(self));
    if (!nb::inst_ready(self)) {
        return 0;
    }
    const auto& object = *nb::inst_ptr<Object>(self);
    if (object.box.use_count() != 1 || object.box->object.use_count() != 1) {
        return 0;
    }
    for (const Work* const work : object.queues->work) {
        Py_VISIT(work->function().ptr());
    }
    return 0;
}

}  // namespace accel::python
