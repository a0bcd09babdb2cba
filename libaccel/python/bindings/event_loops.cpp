// SPDX-License-Identifier: Apache-2.0
//
// EventLoop: callbacks of Python at the completion of jobs and requests.
#include "event_loops.hpp"

#include <nanobind/stl/optional.h>

#include <memory>
#include <optional>
#include <utility>

#include "bindings.hpp"
#include "context_manager.hpp"
#include "errors.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// Calls a function with the GIL. An exception leaves run_once(), or sys.unraisablehook reports it.
template <typename... Args>
void call(const HeldCallback& callback, const Args&... arguments) {
    const WithGil gil;
    try {
        callback.function(arguments...);
    } catch (nb::python_error& error) {
        if (callback.flags->may_throw()) {
            throw;
        }
        error.discard_as_unraisable(callback.function);
    }
}

UniqueFunction<void()> make_function(const LoopState& loop, nb::object function) {
    return [held = std::make_unique<HeldCallback>(loop.flags, std::move(function), nb::object())] {
        call(*held);
    };
}

LoopObject make_loop(bool with_thread) {
    return {Box<LoopState>::make(with_thread)};
}

// Whether run() or run_once() ends without a callback.
bool must_return(LoopFlags& flags) {
    return flags.stopped.exchange(false) || flags.closed;
}

std::size_t run_once(const LoopObject& self, std::optional<double> timeout) {
    const auto state = self.checked();
    std::size_t count = 0;
    const auto run = [&](accel::Duration slice) {
        count = state->loop.run_once(slice);
        return count != 0 || must_return(*state->flags);
    };
    static_cast<void>(wait_in_slices(run, timeout));
    return count;
}

void run(const LoopObject& self) {
    const auto state = self.checked();
    const auto run_slice = [&](accel::Duration slice) {
        state->loop.run_once(slice);
        return must_return(*state->flags);
    };
    static_cast<void>(wait_in_slices(run_slice, std::nullopt));
}

void stop(const LoopObject& self) {
    const auto state = self.checked();
    const WithoutGil released;
    state->flags->stopped = true;
    state->loop.stop();
}

void post(const LoopObject& self, nb::object function, std::optional<double> delay) {
    const auto state = self.checked();
    auto callable = make_function(*state, std::move(function));
    const WithoutGil released;
    if (delay) {
        state->loop.post_after(to_duration(*delay), std::move(callable));
    } else {
        state->loop.post(std::move(callable));
    }
}

void close_loop(const LoopObject& self) {
    const auto state = std::exchange(self.box->object, nullptr);
    if (!state) {
        return;
    }
    state->flags->closed = true;
    if (!state->flags->with_thread) {
        // Another thread, or the caller of this callback, may run the loop, which ends after that.
        const WithoutGil released;
        state->loop.stop();
    }
}

// The callbacks of a loop that nothing but its object uses: they may refer to the object.
int traverse(PyObject* self, visitproc visit, void* arg) noexcept {
    Py_VISIT(Py_TYPE(self));
    if (!nb::inst_ready(self)) {
        return 0;
    }
    const auto& box = nb::inst_ptr<LoopObject>(self)->box;
    if (box.use_count() != 1 || box->object.use_count() != 1) {
        return 0;
    }
    for (const HeldCallback* const held : box->object->flags->held) {
        Py_VISIT(held->function.ptr());
        Py_VISIT(held->work.ptr());
    }
    return 0;
}

const auto loop_slots = collected_slots<LoopObject, &traverse, &close_loop>;

void bind_result(nb::module_& module) {
    nb::class_<JobResult>(module, "JobResult",
                          "How a job or a request ended, for a callback: with success, with an "
                          "Error, or not yet, when a timeout passed first.")
        .def_prop_ro(
            "ok", [](const JobResult& self) { return self.ok(); },
            "Whether it is finished, without an error.")
        .def_prop_ro(
            "timed_out", [](const JobResult& self) { return self.timed_out(); },
            "Whether the timeout passed. The work continues.")
        .def_prop_ro(
            "error",
            [](const JobResult& self) {
                return self.error() ? to_exception(*self.error()) : nb::none();
            },
            nb::sig("def error(self) -> accel.Error | None"),
            "The Error that wait() raises; None if there is none.")
        .def(
            "check", [](const JobResult& self) { self.check(); },
            "Raises the error, if there is one.")
        .def("__bool__", [](const JobResult& self) { return self.ok(); });
}

void bind_running(nb::class_<LoopObject>& loop) {
    loop.def("run_once", &run_once, nb::arg("timeout") = nb::none(),
             "Runs all callbacks that are due. If none is, waits without the GIL until one is, "
             "stop() is called, or `timeout` seconds pass. Returns the number of callbacks.\n\n"
             "Raises what a callback raises; the other callbacks stay in the loop. Raises Error: "
             "EDEADLK in a callback of this loop, EBUSY while another thread runs it.")
        .def("run", &run, "Runs callbacks until stop() is called. Raises like run_once().")
        .def("stop", &stop,
             "Makes run() or run_once() return; the next call, if none is running. Any thread "
             "and any callback may call it.")
        .def_prop_ro(
            "on_this_thread",
            [](const LoopObject& self) { return self.checked()->loop.on_this_thread(); },
            "Whether the calling thread runs the loop: it must not wait for a request then.")
        .def_prop_ro(
            "pending",
            [](const LoopObject& self) {
                const auto state = self.checked();
                const WithoutGil released;
                return state->loop.pending();
            },
            "The number of callbacks and functions that did not run.")
        .def(
            "fileno", [](const LoopObject& self) { return self.checked()->loop.fd(); },
            "A file descriptor for another event loop: while it is readable, call run_once(0). "
            "The loop owns it.")
        .def_prop_ro("closed", [](const LoopObject& self) { return !self.box->object; })
        .def("close", &close_loop,
             "Ends the loop, and its thread. Callbacks whose jobs are not over are called with "
             "ECANCELED; the jobs continue.");
}

}  // namespace

HeldCallback::HeldCallback(std::shared_ptr<LoopFlags> of_loop, nb::object to_call, nb::object about)
    : flags(std::move(of_loop)), function(std::move(to_call)), work(std::move(about)) {
    flags->held.insert(this);
}

HeldCallback::~HeldCallback() {
    const WithGil gil;
    flags->held.erase(this);
    function.reset();
    work.reset();
}

JobCallback make_callback(const LoopState& loop, nb::object function, nb::object work) {
    return
        [held = std::make_unique<HeldCallback>(loop.flags, std::move(function), std::move(work))](
            const JobResult& result) { call(*held, result); };
}

void call_when_done(const LoopObject& loop, const nb::object& work, const nb::object& function,
                    std::optional<double> timeout) {
    const auto state = loop.checked();
    const accel::Duration limit = to_duration(timeout);
    auto callback = make_callback(*state, function, work);
    if (nb::isinstance<JobObject>(work)) {
        const accel::Job job = nb::inst_ptr<JobObject>(work)->job;
        const WithoutGil released;
        state->loop.when_done(job, std::move(callback), limit);
    } else if (nb::isinstance<RequestObject>(work)) {
        const accel::Request request = nb::cast<const RequestObject&>(work).request;
        const WithoutGil released;
        request.then(state->loop, std::move(callback), limit);
    } else {
        refuse_type("when_done() takes a Job or a Request, not " + type_of(work));
    }
}

void bind_event_loops(nb::module_& module) {
    bind_result(module);
    auto loop = nb::class_<LoopObject>(
        module, "EventLoop", nb::is_weak_referenceable(), nb::type_slots(loop_slots.data()),
        "Calls functions when jobs and requests are over. EventLoop() is run by the caller, with "
        "run() or run_once(); EventLoop.with_thread() has a thread of the library.\n\n"
        "Each callback is called exactly once, with a JobResult and with the GIL. One thread at a "
        "time runs callbacks; each of them may submit, wait for jobs, add callbacks, or close the "
        "loop. On a thread of the library, an exception is reported by sys.unraisablehook. In "
        "asyncio, `await` needs no loop of this kind.");
    loop.def(
            "__init__",
            [](nb::handle self) {
                new (nb::inst_ptr<LoopObject>(self)) LoopObject(make_loop(false));
                nb::inst_mark_ready(self);
                close_at_exit(self);
            },
            "A loop that the caller runs. Raises Error: EMFILE.")
        .def_static(
            "with_thread",
            [] {
                nb::object loop = nb::cast(make_loop(true));
                close_at_exit(loop);
                return loop;
            },
            nb::sig("def with_thread() -> EventLoop"), "A loop with a thread of the library.")
        .def("when_done", &call_when_done, nb::arg("work"), nb::arg("callback"),
             nb::arg("timeout") = nb::none(),
             nb::sig("def when_done(self, work: Job | Request, callback: "
                     "collections.abc.Callable[[JobResult], object], timeout: float | None = None) "
                     "-> None"),
             "Calls `callback` when `work` is over, or when `timeout` seconds pass first.")
        .def(
            "post",
            [](const LoopObject& self, nb::object function) {
                post(self, std::move(function), std::nullopt);
            },
            nb::arg("function"),
            nb::sig("def post(self, function: collections.abc.Callable[[], object]) -> None"),
            "Calls `function` on the thread of the loop.")
        .def(
            "post_after",
            [](const LoopObject& self, double delay, nb::object function) {
                post(self, std::move(function), delay);
            },
            nb::arg("delay"), nb::arg("function"),
            nb::sig("def post_after(self, delay: float, function: collections.abc.Callable[[], "
                    "object]) -> None"),
            "The same after `delay` seconds. A loop that ends before does not call it.");
    bind_running(loop);
    bind_context(loop, &close_loop);
}

}  // namespace accel::python
