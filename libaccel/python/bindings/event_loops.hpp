// SPDX-License-Identifier: Apache-2.0
//
// An event loop whose callbacks are functions of Python.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>

#include <accel/accel.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <unordered_set>

#include "callbacks.hpp"

namespace accel::python {

struct HeldCallback;

/// The part of a loop that its callbacks use. They may run while the loop is destroyed.
struct LoopFlags {
    bool with_thread = false;
    std::atomic<bool> closing = false;
    std::atomic<bool> stopped = false;             // stop() was called
    std::atomic<bool> closed = false;              // close() was called
    std::unordered_set<const HeldCallback*> held;  // those that were not called; with the GIL

    /// Whether an exception of a callback may leave it, to run() or run_once() of Python.
    [[nodiscard]] bool may_throw() const { return !with_thread && !closing; }
};

/// The objects that a callback of a loop keeps. It is made with the GIL, and destroyed on any
/// thread without it.
struct HeldCallback {
    HeldCallback(std::shared_ptr<LoopFlags> of_loop, nb::object to_call, nb::object about);
    HeldCallback(const HeldCallback&) = delete;
    HeldCallback& operator=(const HeldCallback&) = delete;
    HeldCallback(HeldCallback&&) = delete;
    HeldCallback& operator=(HeldCallback&&) = delete;
    ~HeldCallback();

    std::shared_ptr<LoopFlags> flags;
    nb::object function;
    nb::object work;
};

struct LoopState {
    explicit LoopState(bool with_thread)
        : loop(with_thread ? accel::EventLoop::with_thread() : accel::EventLoop()) {
        flags->with_thread = with_thread;
    }
    LoopState(const LoopState&) = delete;
    LoopState& operator=(const LoopState&) = delete;
    LoopState(LoopState&&) = delete;
    LoopState& operator=(LoopState&&) = delete;
    ~LoopState() { flags->closing = true; }

    std::shared_ptr<LoopFlags> flags = std::make_shared<LoopFlags>();
    accel::EventLoop loop;
};

struct LoopObject {
    std::shared_ptr<Box<LoopState>> box;

    [[nodiscard]] std::shared_ptr<LoopState> checked() const { return box->checked("event loop"); }
};

/// A callback of the loop that calls `function` with the JobResult. It keeps `work`, a Job or a
/// Request, because a queue that nothing keeps cancels its jobs.
[[nodiscard]] JobCallback make_callback(const LoopState& loop, nb::object function,
                                        nb::object work);

/// Makes the loop call `function` when `work`, a Job or a Request, is over.
void call_when_done(const LoopObject& loop, const nb::object& work, const nb::object& function,
                    std::optional<double> timeout);

/// Callbacks and `await` for a Job or a Request.
template <typename Object, typename... Extra>
void bind_completion(nb::class_<Object, Extra...>& type) {
    type.def(
            "then",
            [](const nb::object& self, const LoopObject& loop, const nb::object& callback,
               std::optional<double> timeout) { call_when_done(loop, self, callback, timeout); },
            nb::arg("loop"), nb::arg("callback"), nb::arg("timeout") = nb::none(),
            nb::sig("def then(self, loop: EventLoop, callback: "
                    "collections.abc.Callable[[JobResult], object], timeout: float | None = None) "
                    "-> None"),
            "Makes `loop` call `callback` when this is over, or when `timeout` seconds pass first: "
            "EventLoop.when_done().")
        .def(
            "__await__",
            [](nb::handle self) {
                return nb::module_::import_("accel._asyncio")
                    .attr("wait")(self)
                    .attr("__await__")();
            },
            nb::sig("def __await__(self) -> collections.abc.Generator[typing.Any, None, None]"));
}

}  // namespace accel::python
