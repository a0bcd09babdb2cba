// SPDX-License-Identifier: Apache-2.0
//
// RequestQueue and DeviceGroup.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "context_manager.hpp"
#include "errors.hpp"
#include "options.hpp"
#include "requests.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

using RequestQueueObject = Requests<accel::RequestQueue>;
using GroupObject = Requests<accel::DeviceGroup>;

constexpr const char* class_name(const RequestQueueObject& /*self*/) {
    return "request queue";
}
constexpr const char* class_name(const GroupObject& /*self*/) {
    return "device group";
}

// Checks the caller, and returns the object for a call without the GIL.
template <typename Object>
auto opened(const Object& self) {
    self.queues->check_caller();
    return self.box->checked(class_name(self));
}

UniqueFunction<Job(accel::Queue&)> to_function(std::shared_ptr<Work> work,
                                               const accel::RequestQueue& /*target*/) {
    return [work = std::move(work)](accel::Queue& queue) {
        return work->run(queue, 0, [](nb::handle function, const QueueObject& lent) {
            return nb::object(function(lent));
        });
    };
}

accel::DeviceGroup::Work to_function(std::shared_ptr<Work> work,
                                     const accel::DeviceGroup& /*target*/) {
    return [work = std::move(work)](accel::Queue& queue, std::size_t card) {
        return work->run(queue, card, [&](nb::handle function, const QueueObject& lent) {
            return nb::object(function(lent, card));
        });
    };
}

// A command or a list becomes a function of Python, too.
nb::object to_callable(const nb::object& work, const nb::args& arguments) {
    if (PyCallable_Check(work.ptr()) != 0) {
        if (!arguments.empty()) {
            refuse("a function has no arguments but the queue: only a CommandList has");
        }
        return work;
    }
    return nb::module_::import_("accel._requests").attr("submission")(work, *arguments);
}

// Raises what ended a function on this thread, if it is no Exception: a KeyboardInterrupt of Ctrl-C
// or a SystemExit, which must not wait for Request.wait().
void raise_interrupt(const WorkFailure& failure) {
    const nb::handle exception = failure.exception;
    if (exception.is_valid() && PyObject_IsInstance(exception.ptr(), PyExc_Exception) == 0) {
        PyErr_SetObject(exception.type().ptr(), exception.ptr());
        throw nb::python_error();
    }
}

template <typename Object>
RequestObject submit_function(const Object& self, const nb::object& function) {
    auto target = opened(self);
    auto failure = std::make_shared<WorkFailure>();
    auto work = std::make_shared<Work>(function, self.queues, failure);
    std::optional<accel::Request> request;
    {
        const WithoutGil released;
        request = target->try_submit(to_function(work, *target));
        if (!request && self.on_loop()) {
            request = target->submit(to_function(work, *target));  // throws
        }
    }
    if (!request) {
        try {
            request = call_interruptibly(
                [target, work] { return target->submit(to_function(work, *target)); });
        } catch (...) {
            work->abandon();
            throw;
        }
    }
    raise_interrupt(*failure);
    return {*request, self.box, failure};
}

template <typename Object>
std::optional<RequestObject> try_submit_function(const Object& self, const nb::object& function) {
    auto target = opened(self);
    auto failure = std::make_shared<WorkFailure>();
    auto work = std::make_shared<Work>(function, self.queues, failure);
    std::optional<accel::Request> request;
    {
        const WithoutGil released;
        request = target->try_submit(to_function(std::move(work), *target));
    }
    if (!request) {
        return std::nullopt;
    }
    raise_interrupt(*failure);
    return RequestObject{*request, self.box, failure};
}

template <typename Object>
void synchronize(const Object& self) {
    auto target = opened(self);
    if (self.on_loop()) {
        target->synchronize();  // throws unless nothing is pending
        return;
    }
    call_interruptibly([target] { target->synchronize(); });
}

template <typename Object>
void close_requests(const Object& self) {
    self.box->object.reset();
}

// The members that both classes have.
template <typename Object>
void bind_common(nb::class_<Object>& type) {
    type.def("synchronize", &synchronize<Object>,
             "Waits until all accepted requests are over. Does not raise their errors.")
        .def_prop_ro(
            "pending",
            [](const Object& self) {
                auto target = opened(self);
                const WithoutGil released;
                return target->pending();
            },
            "The number of requests that are not over.")
        .def_prop_ro("closed", [](const Object& self) { return !self.box->object; })
        .def("close", &close_requests<Object>, "Cancels requests that are not over.");
    bind_context(type, &close_requests<Object>);
}

template <typename Options>
Options to_options(const nb::kwargs& keywords, std::size_t in_flight, std::size_t max_waiting) {
    Options options{.in_flight = in_flight, .max_waiting = max_waiting};
    for (const auto& [key, value] : keywords) {
        const std::string_view name = nb::cast<nb::str>(key).c_str();
        if (!set_queue_option(options.queue, name, value)) {
            refuse_keyword(name);
        }
    }
    return options;
}

template <typename Object>
const auto slots = collected_slots<Object, &traverse_functions<Object>, &close_requests<Object>>;

void init_request_queue(nb::handle self, const DeviceObject& device,
                        const std::optional<LoopObject>& loop, std::size_t in_flight,
                        std::size_t max_waiting, const nb::kwargs& keywords) {
    const auto options = to_options<RequestQueueOptions>(keywords, in_flight, max_waiting);
    const auto state = device.shared();
    RequestQueueObject object;
    if (loop) {
        const auto running = loop->checked();
        object.loop = loop->box;
        object.box = Box<accel::RequestQueue>::make(running->loop, state->device, options);
    } else {
        object.box = Box<accel::RequestQueue>::make(state->device, options);
    }
    new (nb::inst_ptr<RequestQueueObject>(self)) RequestQueueObject(std::move(object));
    nb::inst_mark_ready(self);
    close_at_exit(self);
}

void init_group(nb::handle self, const std::vector<DeviceObject>& devices,
                const std::optional<LoopObject>& loop, std::size_t in_flight,
                std::size_t max_waiting, unsigned reruns, const nb::kwargs& keywords) {
    auto options = to_options<DeviceGroupOptions>(keywords, in_flight, max_waiting);
    options.reruns = reruns;
    std::vector<accel::Device> handles;
    handles.reserve(devices.size());
    for (const DeviceObject& device : devices) {
        handles.push_back(device.checked().device.alias());
    }
    GroupObject object;
    if (loop) {
        const auto running = loop->checked();
        object.loop = loop->box;
        object.box = Box<accel::DeviceGroup>::make(running->loop, std::span(handles), options);
    } else {
        object.box =
            Box<accel::DeviceGroup>::make(std::span<const accel::Device>(handles), options);
    }
    new (nb::inst_ptr<GroupObject>(self)) GroupObject(std::move(object));
    nb::inst_mark_ready(self);
    close_at_exit(self);
}

void bind_request_queue(nb::module_& module) {
    auto type = nb::class_<RequestQueueObject>(
        module, "RequestQueue", nb::is_weak_referenceable(),
        nb::type_slots(slots<RequestQueueObject>.data()),
        "Runs requests in order on a queue of a card: any thread submits, and a request can be "
        "canceled without losing the others.\n\nThe card has at most `in_flight` requests at a "
        "time; the others wait in the host. When a job fails, its request gets the Error, and the "
        "requests behind it run.");
    type.def("__init__", &init_request_queue, nb::arg("device"), nb::arg("loop") = nb::none(),
             nb::kw_only(), nb::arg("in_flight") = 2, nb::arg("max_waiting") = 1024,
             nb::arg("options"),
             nb::sig("def __init__(self, device: Device, loop: EventLoop | None = None, *, "
                     "in_flight: int = 2, max_waiting: int = 1024, "
                     "**options: typing.Unpack[accel._types.QueueOptions]) -> None"),
             "`loop`: an EventLoop that the caller runs; None: a thread of the library. "
             "`max_waiting`: submit() waits when more requests wait in the host. `options`: those "
             "of Device.create_queue().")
        .def(
            "submit",
            [](const RequestQueueObject& self, const nb::object& work, const nb::args& arguments) {
                return submit_function(self, to_callable(work, arguments));
            },
            nb::arg("work"), nb::arg("arguments"),
            nb::sig("def submit(self, work: Command | CommandList | "
                    "collections.abc.Callable[[Queue], Job], *arguments: Buffer | Address) -> "
                    "Request"),
            "Accepts a request: a command, a call of a closed list, or a function that submits "
            "jobs to the queue that it gets, and returns the last. Waits without the GIL while "
            "max_waiting requests wait.\n\n"
            "The function runs on the thread of submit() or on that of the loop, and the queue is "
            "closed after it. It must not call this object; Request.wait() raises its exceptions. "
            "Raises EDEADLK when it would have to wait on the thread of the loop.")
        .def(
            "try_submit",
            [](const RequestQueueObject& self, const nb::object& work, const nb::args& arguments) {
                return try_submit_function(self, to_callable(work, arguments));
            },
            nb::arg("work"), nb::arg("arguments"),
            nb::sig("def try_submit(self, work: Command | CommandList | "
                    "collections.abc.Callable[[Queue], Job], *arguments: Buffer | Address) -> "
                    "Request | None"),
            "The same, but returns None when max_waiting requests wait.");
    bind_common(type);
}

void bind_group(nb::module_& module) {
    nb::class_<DeviceGroupCard>(module, "DeviceGroupCard", "The state of a card of a group.")
        .def_ro("running", &DeviceGroupCard::running, "Requests that the card has.")
        .def_ro("started", &DeviceGroupCard::started,
                "Requests that it got so far, with those that ran again.")
        .def_prop_ro(
            "failure",
            [](const DeviceGroupCard& self) {
                return self.failure ? to_exception(*self.failure) : nb::none();
            },
            nb::sig("def failure(self) -> accel.Error | None"),
            "The reason why it dropped out of the group; None while it works.");
    auto type = nb::class_<GroupObject>(
        module, "DeviceGroup", nb::is_weak_referenceable(),
        nb::type_slots(slots<GroupObject>.data()),
        "Gives each request to the card that has the fewest requests.\n\nA card that ends drops "
        "out of the group: its requests get the Error, or run on another card up to `reruns` "
        "times. A request whose job fails gets its Error, and no other request is affected.");
    type.def("__init__", &init_group, nb::arg("devices"), nb::arg("loop") = nb::none(),
             nb::kw_only(), nb::arg("in_flight") = 2, nb::arg("max_waiting") = 1024,
             nb::arg("reruns") = 0, nb::arg("options"),
             nb::sig("def __init__(self, devices: collections.abc.Sequence[Device], loop: "
                     "EventLoop | None = None, *, in_flight: int = 2, max_waiting: int = 1024, "
                     "reruns: int = 0, **options: typing.Unpack[accel._types.QueueOptions]) -> "
                     "None"),
             "As RequestQueue; `in_flight` is the number of requests that each card has at a time.")
        .def("submit", &submit_function<GroupObject>, nb::arg("work"),
             nb::sig("def submit(self, work: collections.abc.Callable[[Queue, int], Job]) -> "
                     "Request"),
             "Accepts a request: a function that submits jobs to the queue that it gets, and "
             "returns the last. Its second argument is the index of the card, for the buffers and "
             "the model of that card. Otherwise as RequestQueue.submit().")
        .def("try_submit", &try_submit_function<GroupObject>, nb::arg("work"),
             nb::sig("def try_submit(self, work: collections.abc.Callable[[Queue, int], Job]) -> "
                     "Request | None"),
             "The same, but returns None when max_waiting requests wait.")
        .def(
            "add",
            [](const GroupObject& self, const DeviceObject& device) {
                auto target = opened(self);
                const auto state = device.shared();
                const WithoutGil released;
                return target->add(state->device);
            },
            nb::arg("device"),
            "Adds a card, such as one that was opened again after it dropped out, and returns its "
            "index.")
        .def_prop_ro(
            "cards",
            [](const GroupObject& self) {
                auto target = opened(self);
                const WithoutGil released;
                return target->cards();
            },
            "All cards that were ever in the group, by index.");
    bind_common(type);
}

}  // namespace

void bind_request_queues(nb::module_& module) {
    bind_request_queue(module);
    bind_group(module);
}

}  // namespace accel::python
