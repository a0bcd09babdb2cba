// SPDX-License-Identifier: Apache-2.0
#include "serving/batch_sizes.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "ir/tensor.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/model_loading.hpp"

namespace accel::compiler {

namespace {

// Throws unless a tensor of the batch consists of `size` tensors of a single request.
void check_grows(const char* kind, const TensorInfo& single, const TensorInfo& batch,
                 std::size_t size) {
    std::vector<std::int64_t> expected = single.shape;
    if (!expected.empty() && expected.front() == 1) {
        expected.front() = static_cast<std::int64_t>(size);
        if (expected == batch.shape) {
            return;
        }
    }
    throw Error(std::errc::invalid_argument,
                "the model cannot run in batches: " + std::string(kind) + " '" + single.name +
                    "' is " + to_string(single.shape) + " for one request and " +
                    to_string(batch.shape) + " for a batch of " + std::to_string(size) +
                    "; its first dimension must be the number of requests. Use Model::submit(), or "
                    "change the model");
}

void check_batch(const Model& single, const Model& batch, std::size_t size) {
    for (std::size_t i = 0; i < single.inputs().size(); ++i) {
        check_grows("input", single.inputs()[i], batch.inputs()[i], size);
    }
    for (std::size_t i = 0; i < single.outputs().size(); ++i) {
        check_grows("output", single.outputs()[i], batch.outputs()[i], size);
    }
}

}  // namespace

BatchSizes::BatchSizes(const Device& device, const std::filesystem::path& file, LoadOptions options,
                       std::vector<std::size_t> sizes) {
    sizes.push_back(1);
    std::ranges::sort(sizes);
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    const ModelSource source = model_file(file);
    options.open_dimensions.emplace();  // a request has one shape
    for (const std::size_t size : sizes) {
        options.batch = static_cast<std::int64_t>(size);
        const CompiledModel* const sharer =
            models_.empty() ? nullptr : &ModelAccess::compiled(models_.front().model);
        Model model = load_model(device, source, options, sharer);
        if (!model.host_nodes().empty()) {
            throw Error(std::errc::not_supported,
                        "the host computes nodes of this model (Model::host_nodes()), so it cannot "
                        "run in batches: use Model::run()");
        }
        const CompiledModel& compiled = ModelAccess::compiled(model);
        const bool shared =
            sharer != nullptr && compiled.weights.address() == sharer->weights.address();
        weights_ += shared ? 0 : compiled.weights.bytes();
        if (!models_.empty()) {
            check_batch(single(), model, size);
        } else {
            check_batch(model, model, 1);
        }
        models_.push_back({size, std::move(model)});
    }
}

const BatchSizes::Sized& BatchSizes::fitting(std::size_t requests) const {
    return *std::ranges::find_if(models_, [&](const Sized& s) { return s.size >= requests; });
}

}  // namespace accel::compiler
