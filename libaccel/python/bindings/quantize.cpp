// SPDX-License-Identifier: Apache-2.0
//
// quantize(): post-training quantization of an ONNX file.
#include <accel/quantize.hpp>

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "callbacks.hpp"
#include "casters.hpp"
#include "model_call.hpp"
#include "options.hpp"

namespace accel::python {

namespace {

// One run of the calibration data: an array, a sequence of arrays, or a dict.
std::vector<TensorData> to_run(const std::vector<TensorInfo>& inputs, const nb::handle run) {
    nb::args positional;
    if (nb::isinstance<nb::tuple>(run) || nb::isinstance<nb::list>(run)) {
        positional = nb::cast<nb::args>(nb::tuple(run));
    } else {
        positional = nb::cast<nb::args>(nb::make_tuple(run));
    }
    bool named = false;
    return to_tensors(inputs, order_inputs(inputs, positional, nb::kwargs(), named));
}

QuantizeReport quantize_model(const PathArgument& model_path, const nb::iterable& calibration,
                              const PathArgument& result_path,
                              const std::optional<DeviceObject>& device,
                              std::vector<std::string> nodes_to_exclude, double percentile,
                              const nb::object& progress, WeightFormat weights,
                              bool external_weights, const nb::kwargs& keywords) {
    const std::filesystem::path& model = model_path.get();
    const std::filesystem::path& result = result_path.get();
    QuantizeOptions options;
    options.nodes_to_exclude = std::move(nodes_to_exclude);
    options.percentile = percentile;
    options.weights = weights;
    options.external_weights = external_weights;
    for (const auto& [key, value] : keywords) {
        const std::string_view name = nb::cast<nb::str>(key).c_str();
        if (!set_load_option(options.load, name, value)) {
            refuse_keyword(name);
        }
    }
    std::vector<TensorInfo> inputs = accel::Model::describe_inputs(model);
    std::erase_if(inputs, [&](const TensorInfo& input) {
        return options.load.constant_inputs.contains(input.name);
    });
    std::vector<std::vector<TensorData>> runs;
    for (const nb::handle run : calibration) {
        runs.push_back(to_run(inputs, run));
    }
    // On the calling thread.
    options.progress = [&](double part) {
        const WithGil gil;
        if (!progress.is_none()) {
            progress(part);
        }
        if (PyErr_CheckSignals() != 0) {
            throw nb::python_error();
        }
    };
    const auto state = device ? device->shared() : nullptr;
    const WithoutGil released;
    if (state) {
        return quantize(state->device, model, runs, result, options);
    }
    return quantize(accel::Device::open(), model, runs, result, options);
}

}  // namespace

void bind_quantize(nb::module_& module) {
    nb::enum_<WeightFormat>(module, "WeightFormat", "The weights of quantized nodes.")
        .value("i8", WeightFormat::i8, "With a scale for each channel.")
        .value("i4", WeightFormat::i4,
               "Of MatMul: in blocks of 32 with a scale each, and its activations stay f32.");
    nb::class_<QuantizedNode>(module, "QuantizedNode",
                              "The result of quantize() for a node that multiplies, or that works "
                              "on bytes between such nodes.")
        .def_ro("node", &QuantizedNode::node)
        .def_ro("op_type", &QuantizedNode::op_type)
        .def_ro("reason", &QuantizedNode::reason,
                "The reason why it stays in f32; empty if it is quantized.")
        .def_ro("signal_to_noise", &QuantizedNode::signal_to_noise,
                "Of a quantized node: the distance of its output to that of the f32 model, in dB; "
                "infinite if there is no difference.")
        .def("__repr__", [](const QuantizedNode& self) {
            return "<accel.QuantizedNode " + self.node +
                   (self.reason.empty() ? ", quantized>" : ": " + self.reason + ">");
        });
    nb::class_<OutputNoise>(module, "OutputNoise",
                            "The distance between an output of the quantized model and that of the "
                            "original, over all calibration data.")
        .def_ro("output", &OutputNoise::output)
        .def_ro("signal_to_noise", &OutputNoise::signal_to_noise,
                "In dB; infinite if there is no difference.")
        .def("__repr__", [](const OutputNoise& self) {
            return "<accel.OutputNoise '" + self.output + "' " +
                   std::to_string(self.signal_to_noise) + " dB>";
        });
    nb::class_<QuantizeReport>(module, "QuantizeReport", "The result of quantize().")
        .def_ro("nodes", &QuantizeReport::nodes)
        .def_ro("outputs", &QuantizeReport::outputs)
        .def("__repr__", [](const QuantizeReport& self) {
            const auto quantized = std::ranges::count_if(
                self.nodes, [](const QuantizedNode& node) { return node.reason.empty(); });
            return "<accel.QuantizeReport " + std::to_string(quantized) + " of " +
                   std::to_string(self.nodes.size()) + " nodes quantized, " +
                   std::to_string(self.outputs.size()) + " outputs>";
        });
    module.def(
        "quantize", &quantize_model, nb::arg("model"), nb::arg("calibration"), nb::arg("result"),
        nb::arg("device") = nb::none(), nb::kw_only(),
        nb::arg("nodes_to_exclude") = std::vector<std::string>(), nb::arg("percentile") = 100.0,
        nb::arg("progress") = nb::none(), nb::arg("weights").noconvert() = WeightFormat::i8,
        nb::arg("external_weights").noconvert() = false, nb::arg("load"),
        nb::sig("def quantize(model: accel._types.Path, calibration: "
                "collections.abc.Iterable[typing.Any], result: accel._types.Path, device: Device | "
                "None = None, *, nodes_to_exclude: collections.abc.Sequence[str] = [], percentile: "
                "float = 100.0, progress: collections.abc.Callable[[float], object] | None = None, "
                "weights: WeightFormat = ..., external_weights: bool = False, "
                "**load: typing.Unpack[accel._types.LoadOptions]) -> QuantizeReport"),
        "Writes the ONNX file `result`, whose products are computed in int8: the weights are i8, "
        "the activations u8, with the ranges that they have when the model runs on the card with "
        "the calibration data. Works without the GIL.\n\n"
        "`calibration`: the inputs of each run, as an array, a tuple of arrays, or a dict. "
        "`nodes_to_exclude`: nodes that stay in f32. `percentile`: the part of an activation's "
        "values that the range covers. `weights`: i8, or i4 for those of MatMul. "
        "`external_weights`: writes the weights to a second file beside the result, with .data "
        "behind its name; a result above 2 GiB always has one. `progress`: "
        "called with a number from 0 to 1. `load`: "
        "options of Model.load().\n\n"
        "Raises Error with a remedy, and writes no file then.");
}

}  // namespace accel::python
