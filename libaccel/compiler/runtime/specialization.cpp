// SPDX-License-Identifier: Apache-2.0
#include "runtime/specialization.hpp"

#include <algorithm>
#include <utility>

#include "frontend/input_shapes.hpp"
#include "runtime/shape_cache.hpp"

namespace accel::compiler {

namespace {

// The lengths of a model with one shape, all of them fixed.
InputShapes fixed_shapes(const CompiledModel& model) {
    std::vector<InputShape> inputs;
    for (const TensorInfo& info : model.inputs) {
        InputShape& input =
            inputs.emplace_back(InputShape{.name = info.name, .type = info.type, .dimensions = {}});
        for (const std::int64_t length : info.shape) {
            input.dimensions.push_back({.name = {}, .fixed = length, .first = {}});
        }
    }
    return InputShapes(std::move(inputs));
}

}  // namespace

std::shared_ptr<CompiledModel> shape_of_run(const ModelState& model,
                                            std::span<const TensorData> inputs) {
    const auto fits = [](const TensorInfo& wanted, const TensorData& given) {
        return wanted.shape == given.shape;
    };
    const auto has_type = [](const TensorInfo& wanted, const TensorData& given) {
        return wanted.type == given.type;
    };
    const std::vector<TensorInfo>& own = model.shape->inputs;
    if (!model.shapes ||
        (model.shape->compiled && std::ranges::equal(own, inputs, fits)) ||
        !std::ranges::equal(own, inputs, has_type)) {
        return model.shape;
    }
    std::vector<Dims> shapes;
    shapes.reserve(inputs.size());
    for (const TensorData& input : inputs) {
        shapes.push_back(input.shape);
    }
    return model.shapes->find(shapes);
}

std::shared_ptr<CompiledModel> with_shape(const ModelState& model) {
    if (model.shape->compiled) {
        return model.shape;
    }
    const auto all = model.shapes->all();
    if (all.empty()) {
        throw Error(std::errc::invalid_argument,
                    "the model leaves dimensions open, and no shape of it is compiled yet: call "
                    "Model::specialize() first, or name shapes in LoadOptions::specializations");
    }
    return all.front();
}

std::vector<OpenDimension> open_dimensions(const ModelState& model) {
    std::vector<OpenDimension> result;
    if (model.shapes) {
        for (const InputShape& input : model.shapes->inputs().inputs()) {
            for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
                if (!input.dimensions[i].fixed) {
                    result.push_back({input.name, i, input.dimensions[i].name});
                }
            }
        }
    }
    return result;
}

Model specialize(const ModelState& model, const ModelShape& shape) {
    if (!model.shapes) {
        static_cast<void>(fixed_shapes(*model.shape).resolve(shape));
        return ModelAccess::wrap(model.shape);
    }
    return ModelAccess::wrap(model.shapes->find(model.shapes->inputs().resolve(shape)),
                             model.shapes);
}

std::vector<Model> specializations(const ModelState& model) {
    std::vector<Model> result;
    if (!model.shapes) {
        result.push_back(ModelAccess::wrap(model.shape));
        return result;
    }
    for (auto& shape : model.shapes->all()) {
        result.push_back(ModelAccess::wrap(std::move(shape), model.shapes));
    }
    return result;
}

Request prepare(const ModelState& model, const ModelShape& shape,
                std::shared_ptr<std::shared_ptr<CompiledModel>> made) {
    if (!model.shapes) {
        static_cast<void>(fixed_shapes(*model.shape).resolve(shape));
        *made = model.shape;
        return {};
    }
    return model.shapes->prepare(model.shapes->inputs().resolve(shape), std::move(made));
}

}  // namespace accel::compiler
