// SPDX-License-Identifier: Apache-2.0
//
// Model: loading, describing, calling and profiling ONNX files.
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <accel/model.hpp>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "model_call.hpp"
#include "model_shapes.hpp"
#include "model_source.hpp"
#include "objects.hpp"
#include "options.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// A command of a model and its device time.
struct CommandProfile {
    std::string node;
    std::string command;
    std::uint64_t ticks = 0;
    double seconds = 0;
};

LoadOptions to_options(std::int64_t batch, std::map<std::string, std::int64_t> dimensions,
                       std::map<std::string, std::vector<std::int64_t>> shapes,
                       const nb::dict& constant_inputs, bool allow_narrowing, bool host_fallback,
                       int imported_weights) {
    LoadOptions options;
    options.batch = batch;
    options.dimensions = std::move(dimensions);
    options.shapes = std::move(shapes);
    for (const auto& [name, value] : constant_inputs) {
        options.constant_inputs[nb::cast<std::string>(name)] = to_constant(value);
    }
    options.allow_narrowing = allow_narrowing;
    options.host_fallback = host_fallback;
    options.imported_weights = imported_weights;
    return options;
}

ModelObject load(const nb::object& file, const std::optional<DeviceObject>& device,
                 const nb::object& folder, std::int64_t batch,
                 std::map<std::string, std::int64_t> dimensions,
                 std::map<std::string, std::vector<std::int64_t>> shapes,
                 const nb::dict& constant_inputs, bool allow_narrowing, bool host_fallback,
                 int imported_weights, std::optional<std::vector<std::string>> open_dimensions,
                 const nb::list& specializations, std::size_t max_shapes, const nb::object& log) {
    const ModelSource source(file, folder);
    LoadOptions options =
        to_options(batch, std::move(dimensions), std::move(shapes), constant_inputs,
                   allow_narrowing, host_fallback, imported_weights);
    options.open_dimensions = std::move(open_dimensions);
    options.specializations = to_model_shapes(specializations);
    options.max_shapes = max_shapes;
    std::ostringstream text;
    options.log = log.is_none() ? nullptr : &text;
    auto state = device ? device->shared() : nullptr;
    std::optional<accel::Model> model;
    {
        const WithoutGil released;
        if (!state) {
            state = std::make_shared<DeviceState>(accel::Device::open());
        }
        const accel::Device& card = state->device;
        model =
            source.use([&](const auto& path) { return accel::Model::load(card, path, options); },
                       [&](std::span<const std::byte> content, const auto& beside) {
                           return accel::Model::load(card, content, options, beside);
                       });
    }
    if (!log.is_none()) {
        log.attr("write")(text.str());
    }
    ModelObject object;
    object.device = std::move(state);
    object.set(std::move(*model));
    return object;
}

std::vector<Unsupported> check(const nb::object& file, const nb::object& folder, std::int64_t batch,
                               std::map<std::string, std::int64_t> dimensions,
                               std::map<std::string, std::vector<std::int64_t>> shapes,
                               const nb::dict& constant_inputs, bool allow_narrowing,
                               bool host_fallback) {
    const ModelSource source(file, folder);
    const LoadOptions options = to_options(batch, std::move(dimensions), std::move(shapes),
                                           constant_inputs, allow_narrowing, host_fallback, -1);
    const WithoutGil released;
    return source.use([&](const auto& path) { return accel::Model::check(path, options); },
                      [&](std::span<const std::byte> content, const auto& beside) {
                          return accel::Model::check(content, options, beside);
                      });
}

std::vector<TensorInfo> describe_inputs(const nb::object& file) {
    const ModelSource source(file, nb::none());
    return source.use([](const auto& path) { return accel::Model::describe_inputs(path); },
                      [](std::span<const std::byte> content, const auto&) {
                          return accel::Model::describe_inputs(content);
                      });
}

std::shared_ptr<QueueState> queue_of(const ModelObject& self, const nb::object& queue) {
    return queue.is_none() ? self.device->call_queue()
                           : nb::cast<const QueueObject&>(queue).checked();
}

nb::object call(ModelObject& self, const nb::args& inputs, const nb::object& queue,
                const nb::object& out, const nb::kwargs& named_inputs) {
    bool named = false;
    auto ordered = order_inputs(self.checked().inputs(), inputs, named_inputs, named);
    const auto state = queue_of(self, queue);
    const accel::Model model = model_for(self, ordered);
    if (model.host_nodes().empty()) {
        return to_result(model.outputs(), call_model(self, model, ordered, state, out), named);
    }
    if (!out.is_none()) {
        refuse(
            "the host computes nodes of this model (Model.host_nodes), so `out` is not possible: "
            "leave it out, and copy the results");
    }
    return to_result(model.outputs(), run_on_copies(self, model, ordered, state), named);
}

JobObject submit(const ModelObject& self, const QueueObject& queue,
                 const std::vector<OperandArgument>& arguments) {
    const auto state = queue.checked();
    std::vector<Operand> operands;
    Pins pins;
    operands.reserve(arguments.size());
    for (const OperandArgument& argument : arguments) {
        operands.push_back(argument.operand(pins));
    }
    // Another thread may close the model meanwhile.
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
    const accel::Model model = self.checked();
    const accel::Job job =
        with_room(*state, 0, [&](accel::Queue& q) { return model.submit(q, operands); });
    state->submitted(job, std::move(pins));
    return {job, state};
}

std::vector<CommandProfile> profile(const ModelObject& self, const nb::args& inputs,
                                    const nb::object& queue, const nb::kwargs& named_inputs) {
    const accel::Model model = self.checked();
    bool named = false;
    const auto tensors =
        to_tensors(model.inputs(), order_inputs(model.inputs(), inputs, named_inputs, named));
    const auto state = queue_of(self, queue);
    const double hz = self.device->device.info().clock_hz;
    wait_for_jobs(*state);
    std::vector<std::uint64_t> ticks;
    state->use_without_gil(
        [&](accel::Queue& q) { static_cast<void>(model.profile(q, tensors, ticks)); });
    std::vector<CommandProfile> result;
    for (std::size_t i = 0; i < ticks.size() && i < model.commands().size(); ++i) {
        const ModelCommand& command = model.commands()[i];
        result.push_back({command.node, command.command, ticks[i],
                          hz > 0 ? static_cast<double>(ticks[i]) / hz : 0});
    }
    return result;
}

template <typename T>
std::vector<T> to_vector(std::span<const T> values) {
    return {values.begin(), values.end()};
}

void bind_unsupported(nb::module_& module) {
    nb::class_<Unsupported>(module, "Unsupported",
                            "A cause for which Model.load() refuses a model, and its nodes.")
        .def_ro("domain", &Unsupported::domain,
                "Of the operator; empty if the cause concerns the whole model.")
        .def_ro("op_type", &Unsupported::op_type, "The operator; empty likewise.")
        .def_ro("nodes", &Unsupported::nodes, "The number of nodes with this cause.")
        .def_ro("node", &Unsupported::node, "The first of them.")
        .def_ro("cause", &Unsupported::cause)
        .def_ro("remedy", &Unsupported::remedy, "What to do.")
        .def("__repr__", [](const Unsupported& self) {
            const std::string name =
                self.op_type.empty() ? "the model" : self.domain + "." + self.op_type;
            return "<accel.Unsupported " + name + ": " + self.cause + ">";
        });
}

void bind_descriptions(nb::module_& module) {
    nb::class_<TensorInfo>(module, "TensorInfo", "An input or an output of a model.")
        .def_ro("name", &TensorInfo::name)
        .def_ro("data_type", &TensorInfo::type)
        .def_prop_ro(
            "shape",
            [](const TensorInfo& self) {
                nb::list shape;
                for (const std::int64_t dimension : self.shape) {
                    shape.append(dimension);
                }
                return nb::tuple(shape);
            },
            nb::sig("def shape(self) -> tuple[int, ...]"),
            "In the order of ONNX. An open dimension is -1.")
        .def_prop_ro(
            "dtype",
            [](const TensorInfo& self) {
                return nb::module_::import_("accel._arrays")
                    .attr("dtype_of")(nb::str(name_of(self.type).data()));
            },
            nb::sig("def dtype(self) -> accel._types.Dtype"), "The data type in numpy.")
        .def_prop_ro("nbytes", &TensorInfo::bytes, "Number of bytes; 0 if a dimension is open.")
        .def("__repr__", [](const TensorInfo& self) {
            return "<accel.TensorInfo '" + self.name + "' " + describe(self) + ">";
        });
    nb::class_<MemoryUse>(module, "MemoryUse", "The result of memory planning, in bytes.")
        .def_ro("weights", &MemoryUse::weights)
        .def_ro("activations", &MemoryUse::activations, "The sum of all activations.")
        .def("__repr__",
             [](const MemoryUse& self) {
                 return "<accel.MemoryUse weights " + std::to_string(self.weights) + ", peak " +
                        std::to_string(self.peak) + " bytes>";
             })
        .def_ro("peak", &MemoryUse::peak,
                "The scratch memory that activations use one after another.")
        .def_prop_ro("ratio", &MemoryUse::ratio, "peak / activations");
    nb::class_<HostNode>(module, "HostNode", "A node that the host computes in each run.")
        .def_ro("node", &HostNode::node)
        .def_ro("reason", &HostNode::reason)
        .def("__repr__", [](const HostNode& self) {
            return "<accel.HostNode " + self.node + ": " + self.reason + ">";
        });
    nb::class_<ModelCommand>(module, "ModelCommand",
                             "A command of a compiled model, and the node that it implements.")
        .def_ro("node", &ModelCommand::node)
        .def_ro("command", &ModelCommand::command)
        .def("__repr__", [](const ModelCommand& self) {
            return "<accel.ModelCommand " + self.node + ": " + self.command + ">";
        });
    nb::class_<CommandProfile>(module, "CommandProfile", "A command of a model and its time.")
        .def_ro("node", &CommandProfile::node)
        .def_ro("command", &CommandProfile::command)
        .def_ro("ticks", &CommandProfile::ticks, "Device ticks.")
        .def_ro("seconds", &CommandProfile::seconds)
        .def("__repr__", [](const CommandProfile& self) {
            return "<accel.CommandProfile " + self.node + ": " + self.command + ", " +
                   std::to_string(self.ticks) + " ticks>";
        });
    nb::class_<CallStats>(module, "CallStats", "Counters of the calls of a model.")
        .def("__repr__",
             [](const CallStats& self) {
                 return "<accel.CallStats " + std::to_string(self.calls) + " calls, " +
                        std::to_string(self.bytes_copied) + " bytes copied, " +
                        std::to_string(self.bytes_in_place) + " in place>";
             })
        .def_ro("calls", &CallStats::calls)
        .def_ro("bytes_copied", &CallStats::bytes_copied,
                "Bytes of inputs and outputs copied between arrays and card memory.")
        .def_ro("bytes_in_place", &CallStats::bytes_in_place,
                "Bytes of inputs and outputs that the card used in place.");
}

void bind_model_properties(nb::class_<ModelObject>& model) {
    model
        .def_prop_ro("inputs",
                     [](const ModelObject& self) { return to_vector(self.checked().inputs()); })
        .def_prop_ro("outputs",
                     [](const ModelObject& self) { return to_vector(self.checked().outputs()); })
        .def_prop_ro(
            "host_nodes",
            [](const ModelObject& self) { return to_vector(self.checked().host_nodes()); },
            "The nodes that the host computes. Empty unless host_fallback was set.")
        .def_prop_ro("memory", [](const ModelObject& self) { return self.checked().memory(); })
        .def_prop_ro("commands",
                     [](const ModelObject& self) { return to_vector(self.checked().commands()); })
        .def_prop_ro(
            "stats", [](const ModelObject& self) { return self.stats; },
            "Counters of the calls: how many bytes were copied.")
        .def_prop_ro(
            "device",
            [](const ModelObject& self) {
                static_cast<void>(self.checked());
                return DeviceObject{self.device};
            },
            "Another handle on the device of the model.")
        .def_prop_ro("closed", [](const ModelObject& self) { return !self.model; });
}

// "'a' f32 [1, 3], 'b' i64 [2]"
std::string describe_all(std::span<const TensorInfo> tensors) {
    std::string text;
    for (const TensorInfo& tensor : tensors) {
        text += (text.empty() ? "'" : ", '") + tensor.name + "' " + describe(tensor);
    }
    return text;
}

std::string describe_model(const ModelObject& self) {
    if (!self.model) {
        return "<accel.Model, closed>";
    }
    return "<accel.Model " + describe_all(self.model->inputs()) + " -> " +
           describe_all(self.model->outputs()) + ">";
}

void bind_loading(nb::class_<ModelObject>& model) {
    model
        .def_static(
            "load", &load, nb::arg("file"), nb::arg("device") = nb::none(), nb::kw_only(),
            nb::arg("folder") = nb::none(), nb::arg("batch") = 0,
            nb::arg("dimensions") = nb::dict(), nb::arg("shapes") = nb::dict(),
            nb::arg("constant_inputs") = nb::dict(), nb::arg("allow_narrowing") = false,
            nb::arg("host_fallback") = false, nb::arg("imported_weights") = -1,
            nb::arg("open_dimensions") = nb::none(), nb::arg("specializations") = nb::list(),
            nb::arg("max_shapes") = 16, nb::arg("log") = nb::none(),
            nb::sig(
                "def load(file: accel._types.Path | accel._types.Content, device: Device | None "
                "= None, *, folder: accel._types.Path | None = None, batch: int = 0, dimensions: "
                "dict[str, int] = {}, shapes: dict[str, "
                "list[int]] = {}, constant_inputs: dict[str, accel._types.ArrayLike] = {}, "
                "allow_narrowing: bool = False, host_fallback: bool = False, "
                "imported_weights: int = -1, open_dimensions: list[str] | None = None, "
                "specializations: list[dict[str, int | list[int]]] = [], max_shapes: int = 16, log: typing.TextIO | None = None) -> Model"),
            "Reads and compiles an ONNX file of opset 1 to 28, or loads a model that save() "
            "wrote, without the GIL. `file`: its path, or its content as bytes, a bytearray, a "
            "memoryview or the like. `folder`: of the files with weights that such a content names "
            "(external data).\n\n"
            "`device` None: Device(). `batch`: the length of a first dimension that the model "
            "leaves open. `dimensions`: lengths of named "
            "dimensions. `shapes`: shapes of inputs. `constant_inputs`: inputs that are the same "
            "in every run. "
            "`allow_narrowing`: f32 and i64 for f64 and u64. `host_fallback`: the host computes "
            "nodes whose shapes depend on values. `open_dimensions`: names of the dimensions whose "
            "lengths calls may change (None: all that nothing states; see specialize()). "
            "`specializations`: shapes to compile at once, each with the lengths of dimensions or "
            "the shapes of inputs. `max_shapes`: how many others stay compiled. `log`: each pass of the compiler writes here.\n\n"
            "Raises Error with the file, the node, its operator and a remedy.")
        .def_static(
            "check", &check, nb::arg("file"), nb::kw_only(), nb::arg("folder") = nb::none(),
            nb::arg("batch") = 0, nb::arg("dimensions") = nb::dict(),
            nb::arg("shapes") = nb::dict(), nb::arg("constant_inputs") = nb::dict(),
            nb::arg("allow_narrowing") = false, nb::arg("host_fallback") = false,
            nb::sig("def check(file: accel._types.Path | accel._types.Content, *, folder: "
                    "accel._types.Path | None = None, batch: int = 0, dimensions: dict[str, "
                    "int] = {}, shapes: dict[str, list[int]] = {}, constant_inputs: dict[str, "
                    "accel._types.ArrayLike] = {}, allow_narrowing: bool = False, host_fallback: "
                    "bool = False) -> list[Unsupported]"),
            "Everything for which load() would refuse an ONNX file, without a card and without "
            "the GIL. Empty: nothing is known that prevents the load.")
        .def_static(
            "describe_inputs", &describe_inputs, nb::arg("file"),
            nb::sig("def describe_inputs(file: accel._types.Path | accel._types.Content) -> "
                    "list[TensorInfo]"),
            "The inputs that an ONNX file declares, without compiling it.");
}

}  // namespace

void bind_models(nb::module_& module) {
    bind_descriptions(module);
    bind_unsupported(module);
    auto model = nb::class_<ModelObject>(
        module, "Model",
        "A model that is compiled for a card, with its weights on the card. Model.load() makes "
        "one, and calling it runs it.\n\nAny thread may use it.");
    bind_model_properties(model);
    bind_loading(model);
    model
        .def("__call__", &call, nb::arg("inputs"), nb::arg("queue") = nb::none(),
             nb::arg("out") = nb::none(), nb::arg("named_inputs"),
             nb::sig("def __call__(self, *inputs: typing.Any, queue: Queue | None = None, out: "
                     "typing.Any = None, **named_inputs: typing.Any) -> typing.Any"),
             "Runs the model and waits, without the GIL. Inputs are arrays or buffers, by "
             "position, by name, or in one dict, with the data types of `inputs`. Their shapes may be "
             "others where the model leaves dimensions open: see specialize().\n\n"
             "Returns the output; a tuple if there are several; a dict if names were given. `out` "
             "is an array or a buffer for the output, or a sequence of them. `queue` None: a queue "
             "of the device that all calls without one share.\n\n"
             "The card uses buffers, arrays on buffers, and large arrays that start at a page in "
             "place; `stats` counts what is copied.")
        .def("submit", &submit, nb::arg("queue"), nb::arg("arguments"),
             nb::sig("def submit(self, queue: Queue, arguments: collections.abc.Sequence[Buffer | "
                     "Address | Operand]) -> Job"),
             "Submits the model as one command, without waiting. `arguments` are the inputs and "
             "then the outputs.")
        .def("profile", &profile, nb::arg("inputs"), nb::arg("queue") = nb::none(),
             nb::arg("named_inputs"),
             nb::sig("def profile(self, *inputs: typing.Any, queue: Queue | None = None, "
                     "**named_inputs: typing.Any) -> list[CommandProfile]"),
             "Runs the model and measures the device time of each command.")
        .def(
            "save",
            [](const ModelObject& self, const std::filesystem::path& file) {
                // Another thread may close the model meanwhile.
                // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
                const accel::Model copy = self.checked();
                const WithoutGil released;
                copy.save(file);
            },
            nb::arg("file"), nb::sig("def save(self, file: accel._types.Path) -> None"),
            "Writes the compiled model with its weights, for load().")
        .def(
            "export_weights",
            [](const ModelObject& self) { return self.checked().export_weights().release(); },
            "Exports the weights as a file descriptor for imported_weights of other processes. "
            "The caller closes it.")
        .def("__repr__", &describe_model)
        .def("close", &ModelObject::close, "Releases the model and its weights.");
    bind_model_shapes(module, model);
    bind_context(model, &ModelObject::close);
}

}  // namespace accel::python
