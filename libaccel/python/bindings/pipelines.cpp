// SPDX-License-Identifier: Apache-2.0
//
// Pipeline: upload, computation and download of items at the same time.
#include <accel/pipeline.hpp>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "errors.hpp"
#include "options.hpp"
#include "requests.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// `mutex` serializes the callers, which hold it without the GIL.
struct PipelineState {
    PipelineState(const accel::Device& device, const PipelineOptions& options,
                  accel::Pipeline::Compute compute)
        : pipeline(device, options, std::move(compute)) {}

    std::mutex mutex;
    accel::Pipeline pipeline;
};

// The registered memory of items that are not finished. With the GIL.
using ItemPins = std::deque<std::pair<std::uint64_t, Pins>>;

struct PipelineObject {
    std::shared_ptr<Box<PipelineState>> box;
    std::shared_ptr<LentQueues> queues;
    std::shared_ptr<WorkFailure> failure;
    std::shared_ptr<ItemPins> pins;
    std::size_t most;                  // items that may be unfinished
    mutable std::uint64_t newest = 0;  // the item that was submitted last
};

// Calls `function` with the pipeline while no other thread uses it, without the GIL.
template <typename Function>
auto use(const PipelineObject& self, Function&& function) {
    self.queues->check_caller();
    const auto state = self.box->checked("pipeline");
    const WithoutGil released;
    const std::scoped_lock lock(state->mutex);
    return function(state->pipeline);
}

std::vector<Operand> to_operands(const std::vector<OperandArgument>& arguments, Pins& pins) {
    std::vector<Operand> operands;
    operands.reserve(arguments.size());
    for (const OperandArgument& argument : arguments) {
        operands.push_back(argument.operand(pins));
    }
    return operands;
}

void drop_finished(const PipelineObject& self) {
    while (!self.pins->empty()) {
        const std::uint64_t item = self.pins->front().first;
        if (!use(self, [&](const accel::Pipeline& pipeline) { return pipeline.done(item); })) {
            return;
        }
        if (!self.pins->empty() && self.pins->front().first == item) {
            self.pins->pop_front();
        }
    }
}

// Waits until Pipeline::submit() does not wait.
void wait_for_room(const PipelineObject& self) {
    self.queues->check_caller();
    const auto state = self.box->checked("pipeline");
    while (self.newest >= self.most) {
        const std::uint64_t item = self.newest - self.most + 1;
        static_cast<void>(wait_in_slices(
            [&](accel::Duration slice) {
                const std::scoped_lock lock(state->mutex);
                return state->pipeline.wait(item, slice) == WaitResult::done;
            },
            std::nullopt));
        if (item == self.newest - self.most + 1) {
            return;  // no other thread submitted meanwhile
        }
    }
}

std::uint64_t submit(const PipelineObject& self, const std::vector<OperandArgument>& inputs,
                     const std::vector<OperandArgument>& outputs) {
    Pins pins;
    const std::vector<Operand> from = to_operands(inputs, pins);
    const std::vector<Operand> to = to_operands(outputs, pins);
    try {
        wait_for_room(self);
        const std::uint64_t item =
            use(self, [&](accel::Pipeline& pipeline) { return pipeline.submit(from, to); });
        self.newest = std::max(self.newest, item);
        drop_finished(self);
        if (!pins.empty()) {
            self.pins->emplace_back(item, std::move(pins));
        }
        return item;
    } catch (const Error&) {
        const nb::object exception = std::exchange(self.failure->exception, nb::object());
        if (!exception.is_valid()) {
            throw;
        }
        PyErr_SetObject(exception.type().ptr(), exception.ptr());
    }
    throw nb::python_error();
}

void wait(const PipelineObject& self, std::uint64_t item, std::optional<double> timeout) {
    self.queues->check_caller();
    const auto state = self.box->checked("pipeline");
    const bool finished = wait_in_slices(
        [&](accel::Duration slice) {
            const std::scoped_lock lock(state->mutex);
            return state->pipeline.wait(item, slice) == WaitResult::done;
        },
        timeout);
    if (!finished) {
        throw_timed_out("item " + std::to_string(item) + " did not finish", timeout);
    }
}

void init(nb::handle self, const DeviceObject& device, const nb::object& compute,
          std::vector<std::uint64_t> inputs, std::vector<std::uint64_t> outputs, std::size_t depth,
          std::uint32_t commands, const nb::kwargs& keywords) {
    PipelineOptions options{.inputs = std::move(inputs),
                            .outputs = std::move(outputs),
                            .depth = depth,
                            .commands = commands};
    for (const auto& [key, value] : keywords) {
        const std::string_view name = nb::cast<nb::str>(key).c_str();
        if (name == "entries" || !set_queue_option(options.queue, name, value)) {
            refuse_keyword(name);
        }
    }
    PipelineObject object{.box = nullptr,
                          .queues = std::make_shared<LentQueues>(),
                          .failure = std::make_shared<WorkFailure>(),
                          .pins = std::make_shared<ItemPins>(),
                          .most = depth * accel::Pipeline::items_per_slot};
    auto work = std::make_shared<Work>(compute, object.queues, object.failure);
    accel::Pipeline::Compute function =
        [work = std::move(work)](accel::Queue& queue, std::span<const Operand> operands) {
            return work->run(queue, 0, [&](nb::handle callee, const QueueObject& lent) {
                nb::list list;
                for (const Operand& operand : operands) {
                    list.append(OperandObject{operand});
                }
                return nb::object(callee(lent, list));
            });
        };
    const auto state = device.shared();
    object.box = Box<PipelineState>::make(state->device, options, std::move(function));
    new (nb::inst_ptr<PipelineObject>(self)) PipelineObject(std::move(object));
    nb::inst_mark_ready(self);
    close_at_exit(self);
}

void close_pipeline(const PipelineObject& self) {
    self.box->object.reset();
    self.pins->clear();
}

const auto pipeline_slots =
    collected_slots<PipelineObject, &traverse_functions<PipelineObject>, &close_pipeline>;

void bind_items(nb::class_<PipelineObject>& pipeline) {
    pipeline
        .def("submit", &submit, nb::arg("inputs"), nb::arg("outputs"),
             nb::sig("def submit(self, inputs: collections.abc.Sequence[Buffer], outputs: "
                     "collections.abc.Sequence[Buffer]) -> int"),
             "Submits an item and returns its number, from 1. Waits without the GIL while 4 * "
             "depth items are not finished. Raises what the function raises.")
        .def(
            "done",
            [](const PipelineObject& self, std::uint64_t item) {
                return use(self,
                           [&](const accel::Pipeline& pipeline) { return pipeline.done(item); });
            },
            nb::arg("item"), "Whether the item is finished: its outputs are in host memory.")
        .def("wait", &wait, nb::arg("item"), nb::arg("timeout") = nb::none(),
             "Waits, without the GIL, until the item and all before it are finished. Raises Error "
             "if a stage failed, and TimeoutError after `timeout` seconds.")
        .def(
            "synchronize",
            [](const PipelineObject& self) {
                const auto state = self.box->checked("pipeline");
                self.queues->check_caller();
                call_interruptibly([state] {
                    const std::scoped_lock lock(state->mutex);
                    state->pipeline.synchronize();
                });
                drop_finished(self);
            },
            "Waits until all items are finished. Raises like wait().")
        .def(
            "reset",
            [](const PipelineObject& self) {
                use(self, [](accel::Pipeline& pipeline) { pipeline.reset(); });
                self.pins->clear();
            },
            "Cancels items that are not finished and restarts, also after an error.");
}

}  // namespace

void bind_pipelines(nb::module_& module) {
    const nb::class_<OperandObject> operand(
        module, "Operand",
        "Device memory that a Pipeline gives to its function, for commands and Model.submit().");
    auto pipeline = nb::class_<PipelineObject>(
        module, "Pipeline", nb::is_weak_referenceable(), nb::type_slots(pipeline_slots.data()),
        "Sends items through a card: while one is computed, the next is uploaded and the one "
        "before is downloaded, each by a queue of its own. Inputs and outputs of an item are in "
        "host memory; the pipeline has `depth` copies of them in device memory.\n\nA failure in "
        "one stage stops it: every item that is not finished, and every later call, raises the "
        "Error, until reset(). Any thread may use it; calls are serialized.");
    pipeline
        .def(
            "__init__", &init, nb::arg("device"), nb::arg("compute"), nb::kw_only(),
            nb::arg("inputs"), nb::arg("outputs"), nb::arg("depth") = 2, nb::arg("commands") = 1,
            nb::arg("options"),
            nb::sig("def __init__(self, device: Device, compute: "
                    "collections.abc.Callable[[Queue, list[Operand]], Job], *, inputs: "
                    "collections.abc.Sequence[int], outputs: collections.abc.Sequence[int], depth: "
                    "int = 2, commands: int = 1, **options: "
                    "typing.Unpack[accel._types.QueueOptions]) -> None"),
            "`compute` submits the commands of an item, at most `commands`, and returns the last "
            "job; its operands are the inputs and then the outputs, in device memory. `inputs`, "
            "`outputs`: their sizes in bytes. `options`: those of Device.create_queue(), except "
            "entries.")
        .def_prop_ro("closed", [](const PipelineObject& self) { return !self.box->object; })
        .def("close", &close_pipeline, "Cancels items that are not finished.");
    bind_items(pipeline);
    bind_context(pipeline, &close_pipeline);
}

}  // namespace accel::python
