// SPDX-License-Identifier: Apache-2.0
//
// Batcher, and the requests that have outputs of a model.
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <accel/batcher.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "model_call.hpp"
#include "options.hpp"
#include "requests.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

struct BatcherObject {
    std::shared_ptr<Box<accel::Batcher>> box;

    [[nodiscard]] std::shared_ptr<accel::Batcher> checked() const {
        return box->checked("batcher");
    }
};

struct InferenceObject : RequestObject {
    accel::InferenceRequest inference;
    std::vector<TensorInfo> outputs;
    bool named = false;
    nb::object result;  // once get() was called
};

InferenceObject make_inference(const BatcherObject& self, const accel::Batcher& batcher,
                               accel::InferenceRequest request, bool named) {
    InferenceObject object;
    object.request = static_cast<const accel::Request&>(request);
    object.owner = self.box;
    object.inference = std::move(request);
    object.outputs = {batcher.outputs().begin(), batcher.outputs().end()};
    object.named = named;
    return object;
}

std::optional<InferenceObject> try_submit(const BatcherObject& self, const nb::args& inputs,
                                          const nb::kwargs& named_inputs) {
    const auto batcher = self.checked();
    bool named = false;
    auto tensors =
        to_tensors(batcher->inputs(), order_inputs(batcher->inputs(), inputs, named_inputs, named));
    std::optional<accel::InferenceRequest> request;
    {
        const WithoutGil released;
        request = batcher->try_submit(std::move(tensors));
    }
    if (!request) {
        return std::nullopt;
    }
    return make_inference(self, *batcher, std::move(*request), named);
}

InferenceObject submit(const BatcherObject& self, const nb::args& inputs,
                       const nb::kwargs& named_inputs) {
    if (auto accepted = try_submit(self, inputs, named_inputs)) {
        return std::move(*accepted);
    }
    const auto batcher = self.checked();
    bool named = false;
    auto tensors =
        to_tensors(batcher->inputs(), order_inputs(batcher->inputs(), inputs, named_inputs, named));
    auto request = call_interruptibly([batcher, tensors = std::move(tensors)]() mutable {
        return batcher->submit(std::move(tensors));
    });
    return make_inference(self, *batcher, std::move(request), named);
}

nb::object get(InferenceObject& self, std::optional<double> timeout) {
    if (!self.result.is_valid()) {
        wait_for_request(self, timeout);
        std::vector<nb::object> arrays;
        for (const TensorData& output : self.inference.get()) {
            arrays.push_back(to_array(output));
        }
        self.result = to_result(self.outputs, arrays, self.named);
    }
    return self.result;
}

nb::object call(const BatcherObject& self, const nb::args& inputs, const nb::kwargs& named_inputs) {
    InferenceObject request = submit(self, inputs, named_inputs);
    return get(request, std::nullopt);
}

void init(nb::handle self, const DeviceObject& device, const PathArgument& path,
          std::size_t max_batch, double max_delay, std::size_t max_waiting, std::size_t in_flight,
          std::vector<std::size_t> batch_sizes, const nb::kwargs& keywords) {
    const std::filesystem::path& file = path.get();
    BatcherOptions options{.max_batch = max_batch,
                           .max_delay = to_duration(max_delay),
                           .max_waiting = max_waiting,
                           .in_flight = in_flight,
                           .batch_sizes = std::move(batch_sizes)};
    for (const auto& [key, value] : keywords) {
        const std::string_view name = nb::cast<nb::str>(key).c_str();
        if (!set_queue_option(options.queue, name, value) &&
            !set_load_option(options.load, name, value)) {
            refuse_keyword(name);
        }
    }
    const auto state = device.shared();
    new (nb::inst_ptr<BatcherObject>(self))
        BatcherObject{Box<accel::Batcher>::make(state->device, file, options)};
    nb::inst_mark_ready(self);
    close_at_exit(self);
}

void bind_requests_and_stats(nb::module_& module) {
    nb::class_<InferenceObject, RequestObject>(
        module, "InferenceRequest",
        "A Request with the outputs of a model; `await request` returns them.")
        .def("get", &get, nb::arg("timeout") = nb::none(),
             nb::sig("def get(self, timeout: float | None = None) -> typing.Any"),
             "Waits like wait() and raises the same; returns the outputs in the form of a call of "
             "a Model. Later calls return the same arrays.")
        .def(
            "__await__",
            [](nb::handle self) {
                return nb::module_::import_("accel._asyncio")
                    .attr("wait_and_get")(self)
                    .attr("__await__")();
            },
            nb::sig("def __await__(self) -> collections.abc.Generator[typing.Any, None, "
                    "typing.Any]"));
    nb::class_<BatcherStats>(module, "BatcherStats", "Counters of a Batcher.")
        .def_ro("requests", &BatcherStats::requests, "Requests that the card ran.")
        .def_ro("batches", &BatcherStats::batches,
                "Batches that the card ran, with those of a single request.")
        .def_ro("weights", &BatcherStats::weights,
                "Bytes of weights on the card, for all batch sizes together.");
}

template <typename T>
std::vector<T> to_vector(std::span<const T> values) {
    return {values.begin(), values.end()};
}

void close_batcher(const BatcherObject& self) {
    self.box->object.reset();
}

void bind_properties(nb::class_<BatcherObject>& batcher) {
    batcher
        .def_prop_ro(
            "inputs", [](const BatcherObject& self) { return to_vector(self.checked()->inputs()); },
            "The inputs of one request; their first dimension is 1.")
        .def_prop_ro(
            "outputs",
            [](const BatcherObject& self) { return to_vector(self.checked()->outputs()); },
            "The outputs of one request; their first dimension is 1.")
        .def_prop_ro("stats",
                     [](const BatcherObject& self) {
                         const auto target = self.checked();
                         const WithoutGil released;
                         return target->stats();
                     })
        .def_prop_ro("closed", [](const BatcherObject& self) { return !self.box->object; })
        .def("close", &close_batcher,
             "Cancels requests that are not over, and releases the model.");
}

}  // namespace

void bind_batchers(nb::module_& module) {
    bind_requests_and_stats(module);
    auto batcher = nb::class_<BatcherObject>(
        module, "Batcher", nb::is_weak_referenceable(),
        "Runs a model for single requests, which it joins into batches. The model is compiled for "
        "several batch sizes; its weights are on the card once.\n\nA batch starts when it is full, "
        "when its first request has waited for max_delay, or later when the card has no room. When "
        "a batch fails, its requests run again one by one, so that only those with bad values get "
        "the Error. Any thread may use it.");
    batcher
        .def("__init__", &init, nb::arg("device"), nb::arg("file"), nb::kw_only(),
             nb::arg("max_batch") = 8, nb::arg("max_delay") = 0.001, nb::arg("max_waiting") = 256,
             nb::arg("in_flight") = 2, nb::arg("batch_sizes") = std::vector<std::size_t>(),
             nb::arg("options"),
             nb::sig("def __init__(self, device: Device, file: accel._types.Path, *, max_batch: "
                     "int = 8, max_delay: float = 0.001, max_waiting: int = 256, in_flight: int = "
                     "2, batch_sizes: collections.abc.Sequence[int] = [], **options: "
                     "typing.Unpack[accel._types.BatcherOptions]) -> None"),
             "Loads an ONNX file, without the GIL.\n\n"
             "`max_batch`: requests in a batch. `max_delay`: seconds that a request waits for "
             "others while the card has room. `max_waiting`: submit() waits when more requests "
             "wait. `in_flight`: batches that the card has at a time. `batch_sizes`: the sizes to "
             "compile for; empty: powers of two up to max_batch. `options`: those of Model.load() "
             "and Device.create_queue().\n\n"
             "Raises Error like Model.load(), and EINVAL for a model whose inputs and outputs do "
             "not grow with the batch.")
        .def("submit", &submit, nb::arg("inputs"), nb::arg("named_inputs"),
             nb::sig("def submit(self, *inputs: typing.Any, **named_inputs: typing.Any) -> "
                     "InferenceRequest"),
             "Accepts a request with inputs like those of a call of a Model, with a first "
             "dimension of 1; copies them. Waits without the GIL while max_waiting requests wait.")
        .def("try_submit", &try_submit, nb::arg("inputs"), nb::arg("named_inputs"),
             nb::sig("def try_submit(self, *inputs: typing.Any, **named_inputs: typing.Any) -> "
                     "InferenceRequest | None"),
             "The same, but returns None when max_waiting requests wait.")
        .def("__call__", &call, nb::arg("inputs"), nb::arg("named_inputs"),
             nb::sig("def __call__(self, *inputs: typing.Any, **named_inputs: typing.Any) -> "
                     "typing.Any"),
             "submit(), then get().")
        .def(
            "run",
            [](nb::handle self, const nb::args& inputs, const nb::kwargs& named_inputs) {
                return nb::module_::import_("accel._asyncio")
                    .attr("run")(self, *inputs, **named_inputs);
            },
            nb::arg("inputs"), nb::arg("named_inputs"),
            nb::sig("def run(self, *inputs: typing.Any, **named_inputs: typing.Any) -> "
                    "collections.abc.Coroutine[typing.Any, typing.Any, typing.Any]"),
            "`await batcher.run(…)` in asyncio: submits, and returns the outputs. While "
            "max_waiting "
            "requests wait, the task waits, not the loop. A task that is canceled cancels its "
            "request.");
    bind_properties(batcher);
    bind_context(batcher, &close_batcher);
}

}  // namespace accel::python
