// SPDX-License-Identifier: Apache-2.0
//
// Three steps: find the nodes that can be quantized, calibrate the ranges of their inputs, and
// write the quantized model.
#include <accel/quantize.hpp>

#include <string>
#include <vector>

#include "frontend/parsed_model.hpp"
#include "ir/error.hpp"
#include "quantizer/calibration.hpp"
#include "quantizer/model_rewriter.hpp"
#include "quantizer/onnx_writer.hpp"
#include "quantizer/opset_conversion.hpp"
#include "quantizer/quantize_sites.hpp"
#include "quantizer/temporary_file.hpp"

namespace accel {

namespace compiler {

namespace {

std::vector<std::string> quantized_outputs(Sites& sites) {
    std::vector<std::string> outputs;
    for (std::size_t i = 0; i < sites.report().size(); ++i) {
        if (sites.report()[i].reason.empty()) {
            outputs.push_back(sites.outputs()[i]);
        }
    }
    return outputs;
}

QuantizeReport quantize(const Device& device, const std::filesystem::path& file,
                        CalibrationData data, const std::filesystem::path& result,
                        const QuantizeOptions& options) {
    ParsedModel model = parse_model_file(file);
    if (data.empty()) {
        refuse("there is no calibration data", "give inputs that are typical for the model");
    }
    raise_opset(model.proto);
    Sites sites(model.proto.graph(), options);
    if (sites.found().empty()) {
        std::string reasons;
        for (const QuantizedNode& node : sites.report()) {
            reasons += "; " + node.node + ": " + node.reason;
        }
        refuse("it has no Conv, Gemm or MatMul that can be quantized" + reasons,
               "run the model as it is");
    }
    const std::string name = file.string();
    // Calibration is the first part of the progress, the report the second.
    QuantizeOptions part = options;
    double before_part = 0;
    if (options.progress) {
        part.progress = [&](double done) { options.progress(before_part + done / 2); };
    }
    const auto ranges = calibrate(
        device, model, name, {sites.activations().begin(), sites.activations().end()}, data, part);
    // The sites hold pointers into `model`, so the rewriter gets a copy. Large tensors are in none
    // of the two.
    ParsedModel quantized = model;
    TemporaryFile quantized_weights(result);
    insert_quantization(quantized, sites, ranges, quantized_weights);
    QuantizeReport report{.nodes = sites.report(), .outputs = {}};
    report.outputs = measure_noise(device, model, quantized, name, data, {part, result});
    before_part = 0.5;
    const auto noise = measure_node_noise(device, model, quantized, name, quantized_outputs(sites),
                                          data, {part, result});
    for (std::size_t i = 0; i < report.nodes.size(); ++i) {
        if (const auto at = noise.find(sites.outputs()[i]); at != noise.end()) {
            report.nodes[i].signal_to_noise = at->second;
        }
    }
    write_onnx(quantized, result, options.external_weights);
    return report;
}

}  // namespace

}  // namespace compiler

QuantizeReport quantize(const Device& device, const std::filesystem::path& model,
                        std::span<const std::vector<TensorData>> calibration,
                        const std::filesystem::path& result, const QuantizeOptions& options) {
    try {
        return compiler::quantize(device, model, calibration, result, options);
    } catch (const Error& error) {
        const std::string what = compiler::message_of(error);
        throw Error(error.errc(),
                    what.starts_with(model.string()) ? what : model.string() + ": " + what);
    }
}

}  // namespace accel
